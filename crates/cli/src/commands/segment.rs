//! `klamm segment`: the files of logs, on a node that is stopped.
//!
//! Owns what the verbs share: which paths are meant, and keeping nodes away meanwhile. No verb starts a node.

mod dump;
mod repair;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use platform::Disk;
use storage::StorageError;
use storage::inspect::{Target, TargetLock};

use crate::failure::{ExitStatus, Failure};

/// Options of `segment`.
#[derive(Debug, clap::Args)]
pub struct SegmentArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read everything and say what is damaged; changes nothing
    #[command(visible_alias = "check")]
    Verify(verify::VerifyArguments),
    /// Show what is in files of logs: batches, records, indexes, snapshots, checkpoints, proofs
    Dump(dump::DumpArguments),
    /// Make a damaged log whole again; gives records up only if told to
    Repair(repair::RepairArguments),
}

/// Runs the verb.
///
/// # Errors
/// As the verb fails.
pub fn run(arguments: &SegmentArguments) -> Result<(), Failure> {
    match &arguments.verb {
        Verb::Verify(arguments) => verify::run(arguments),
        Verb::Dump(arguments) => dump::run(arguments),
        Verb::Repair(arguments) => repair::run(arguments),
    }
}

/// What the paths are.
fn targets(disk: &dyn Disk, paths: &[PathBuf]) -> Result<Vec<Target>, Failure> {
    paths.iter().map(|path| Target::of(disk, path).map_err(|error| unreadable(&error))).collect()
}

/// Takes each log directory's lock once.
fn locks(
    targets: &[Target],
    take: impl Fn(&Target) -> Result<TargetLock, StorageError>,
) -> Result<Vec<TargetLock>, Failure> {
    let directories: BTreeMap<Option<&Path>, &Target> =
        targets.iter().map(|target| (target.directory.as_deref(), target)).collect();
    let locks = directories.into_values().map(take).collect::<Result<Vec<_>, _>>();
    locks.map_err(|error| match error {
        StorageError::Locked { path, source } => {
            Failure::usage(format!("log directory {} is in use: {source}", path.display()))
                .with_fix("stop the node first")
        }
        other => unreadable(&other),
    })
}

/// The machine refuses to show something.
fn unreadable(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(ExitStatus::Usage, error.to_string())
}
