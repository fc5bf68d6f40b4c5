//! Owns the plan of injected disk errors: which call fails, and with what. It never changes a byte itself.

use std::path::Path;

use rustix::io::Errno;

/// A kind of call on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskAction {
    /// Opening an existing file.
    Open,
    /// Opening a file that did not exist.
    Create,
    /// Reading from a file.
    Read,
    /// Writing to a file.
    Write,
    /// `sync_data` of a file.
    Sync,
    /// Asking a file's length.
    Length,
    /// `set_len` of a file.
    Resize,
    /// Creating directories.
    CreateDir,
    /// Removing a file or directory.
    Remove,
    /// Renaming.
    Rename,
    /// Syncing a directory.
    SyncDir,
    /// Listing a directory.
    List,
    /// Asking for free space.
    FreeSpace,
    /// Taking a lock.
    Lock,
}

impl DiskAction {
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Create => "create",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Length => "ask length of",
            Self::Resize => "resize",
            Self::CreateDir => "create directory",
            Self::Remove => "remove",
            Self::Rename => "rename",
            Self::SyncDir => "sync directory",
            Self::List => "list directory",
            Self::FreeSpace => "ask free space of",
            Self::Lock => "lock",
        }
    }

    /// Whether a call changes the disk (or what is durable of it): the boundaries at which a machine can stop.
    pub(super) fn is_effect(self) -> bool {
        !matches!(self, Self::Open | Self::Read | Self::Length | Self::List | Self::FreeSpace)
    }

    /// Lengths are asked so often, and tell so little, that they would only blur the trace.
    pub(super) fn is_traced(self) -> bool {
        self != Self::Length
    }
}

/// What the kernel answers to a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskErrno {
    /// EIO. On a sync: the pending writes are marked clean and lost, though readers still see them.
    Io,
    /// ENOSPC.
    NoSpace,
    /// EROFS.
    ReadOnly,
    /// EMFILE.
    TooManyFiles,
    /// EACCES.
    PermissionDenied,
}

impl From<DiskErrno> for Errno {
    fn from(errno: DiskErrno) -> Self {
        match errno {
            DiskErrno::Io => Self::IO,
            DiskErrno::NoSpace => Self::NOSPC,
            DiskErrno::ReadOnly => Self::ROFS,
            DiskErrno::TooManyFiles => Self::MFILE,
            DiskErrno::PermissionDenied => Self::ACCESS,
        }
    }
}

/// An error to inject: it lets `skip` matching calls pass and fails the next `times`.
#[derive(Clone, Debug)]
pub struct DiskFault {
    /// The kind of call; `None` matches any.
    pub action: Option<DiskAction>,
    /// Only calls on paths that contain this text; empty matches any.
    pub path_contains: String,
    /// Matching calls to let pass first.
    pub skip: u64,
    /// Calls to fail after that; `u64::MAX` is for ever.
    pub times: u64,
    /// What the calls fail with.
    pub errno: DiskErrno,
}

impl DiskFault {
    /// Fails the `n`-th (from 1) call of a kind, once.
    pub fn nth(action: DiskAction, n: u64, errno: DiskErrno) -> Self {
        let skip = n.saturating_sub(1);
        Self { action: Some(action), path_contains: String::new(), skip, times: 1, errno }
    }

    /// Fails every call of a kind from now on.
    pub fn always(action: DiskAction, errno: DiskErrno) -> Self {
        Self { action: Some(action), path_contains: String::new(), skip: 0, times: u64::MAX, errno }
    }

    /// Narrows the fault to paths that contain `text`.
    #[must_use]
    pub fn on(mut self, text: &str) -> Self {
        text.clone_into(&mut self.path_contains);
        self
    }

    fn matches(&self, action: DiskAction, path: &Path) -> bool {
        self.times > 0
            && self.action.is_none_or(|wanted| wanted == action)
            && path.to_string_lossy().contains(&self.path_contains)
    }
}

/// What is to happen to a call.
pub(super) enum Effect {
    Pass,
    Fail(Errno),
    /// The machine stops before the call has any effect.
    Halt,
}

#[derive(Default)]
pub(super) struct Faults {
    pub(super) rules: Vec<DiskFault>,
    pub(super) effects: u64,
    pub(super) failed: u64,
    pub(super) effects_until_halt: Option<u64>,
}

impl Faults {
    /// Counts a call and decides its fate. The first rule that matches decides; a rule that lets a call pass still
    /// counts it.
    pub(super) fn before(&mut self, action: DiskAction, path: &Path) -> Effect {
        if action.is_effect() {
            self.effects += 1;
            if let Some(left) = &mut self.effects_until_halt {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.effects_until_halt = None;
                    return Effect::Halt;
                }
            }
        }
        let Some(rule) = self.rules.iter_mut().find(|rule| rule.matches(action, path)) else {
            return Effect::Pass;
        };
        if rule.skip > 0 {
            rule.skip -= 1;
            return Effect::Pass;
        }
        if rule.times != u64::MAX {
            rule.times -= 1;
        }
        self.failed += 1;
        Effect::Fail(rule.errno.into())
    }
}
