//! A machine whose power can be cut: the device, a loop device on its file, ext4 on that.
//!
//! Owns what is mounted and that nothing stays mounted, however this process ends: a shell that outlives it takes apart
//! whatever it left. It does not know what runs on the file system.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fuser::{BackgroundSession, Config, MountOption};
use platform::Rng;

use crate::Failure;
use crate::device::{CutReport, Device, Survival, Trigger, Trouble};
use crate::fuse::{DiskFile, FILE_NAME, WaitingCalls};

/// Rooms of this process so far.
static ROOMS: AtomicU32 = AtomicU32::new(0);

/// Size of the disk, bytes. Only what is used takes memory.
const DISK_BYTES: u64 = 384 << 20;

/// The longest request of the block layer, KiB: what FUSE passes on as one write.
const REQUEST_KIB_MAX: u32 = 128;

/// Tries of an unmount that finds the file system busy: the kernel's work after a process ended.
const UNMOUNT_TRIES: u32 = 200;

/// A cut machine: nothing is mounted, the power is on again, the disk holds what survived.
pub struct Machine {
    /// The disk.
    pub device: Arc<Device>,
    waiting: Arc<WaitingCalls>,
    room: Room,
    empty_disk: Vec<u8>,
    loop_device: Option<String>,
    is_mounted: bool,
    session: Option<BackgroundSession>,
}

/// The folder of a machine, and the shell that clears it when this process is gone.
pub struct Room {
    /// Everything of this rig lies in here.
    pub path: PathBuf,
    watchdog: Child,
}

/// Waits for the end of the pipe that this process holds, then ends the node and takes everything apart.
const WATCHDOG: &str = r#"
cat >/dev/null
[ -s "$1/pid" ] && kill -9 "$(cat "$1/pid")" 2>/dev/null
tries=0
while [ $tries -lt 50 ] && mountpoint -q "$1/fs"; do
    umount "$1/fs" 2>/dev/null || { tries=$((tries + 1)); sleep 0.1; }
done
umount -l "$1/fs" 2>/dev/null
losetup -n -O NAME,BACK-FILE 2>/dev/null | grep -F "$1/" | while read -r loop rest; do losetup -d "$loop"; done
umount -l "$1/fuse" 2>/dev/null
rm -rf "$1"
"#;

impl Room {
    /// A new folder.
    pub fn new(parent: &Path) -> Result<Self, Failure> {
        let path = parent.join(format!(
            "klamm-crash-{}-{}",
            std::process::id(),
            ROOMS.fetch_add(1, Ordering::Relaxed)
        ));
        fs::create_dir_all(&path)?;
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { path, watchdog })
    }

    /// Where the id of the process that runs in here is told to the shell.
    pub fn pid_file(&self) -> PathBuf {
        self.path.join("pid")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        _ = self.watchdog.wait();
    }
}

/// Why no power can be cut here; `None` if it can.
pub fn obstacle() -> Option<String> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|out| out.stdout.trim_ascii() == b"0");
    if !is_root {
        return Some("it needs root, to mount file systems".to_owned());
    }
    for device in ["/dev/fuse", "/dev/loop-control"] {
        if let Err(error) = fs::OpenOptions::new().read(true).write(true).open(device) {
            return Some(format!("{device} cannot be opened: {error}"));
        }
    }
    let tools = ["mkfs.ext4", "losetup", "mount", "umount", "mountpoint"];
    let is_missing = |tool: &&str| Command::new(tool).arg("--version").output().is_err();
    tools.iter().find(|tool| is_missing(tool)).map(|tool| format!("the program {tool} is missing"))
}

impl Machine {
    /// A machine with an empty file system, switched off.
    pub fn new(room: Room) -> Result<Self, Failure> {
        let empty_disk = formatted(&room.path)?;
        let device = Arc::new(Device::new(empty_disk.clone()));
        let waiting = Arc::new(WaitingCalls::default());
        let file = DiskFile { device: Arc::clone(&device), waiting: Arc::clone(&waiting) };
        let fuse = room.path.join("fuse");
        fs::create_dir_all(&fuse)?;
        fs::create_dir_all(room.path.join("fs"))?;
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("klamm-crash".to_owned())];
        let session = Some(fuser::spawn_mount(file, &fuse, &config)?);
        Ok(Self { device, waiting, room, empty_disk, loop_device: None, is_mounted: false, session })
    }

    /// The folder that the node may use.
    pub fn data(&self) -> PathBuf {
        self.room.path.join("fs")
    }

    /// The folder that survives every cut: for what the rig itself keeps.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// An empty disk.
    pub fn format(&mut self) {
        self.device.replace(&self.empty_disk);
    }

    /// Mounts what the disk holds; the journal is replayed. Trouble may come from there on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn mount(&mut self, options: &str, trouble: Option<(Trigger, Trouble)>) -> Result<(), Failure> {
        let file = self.room.path.join("fuse").join(FILE_NAME);
        let attached = run(Command::new("losetup").args(["--find", "--show"]).arg(&file))?;
        let name = attached.trim().to_owned();
        self.loop_device = Some(name.clone());
        // A longer request comes in pieces, and if a later one fails the loop driver takes the short count for success.
        let queue = format!("/sys/block/{}/queue/max_sectors_kb", name.trim_start_matches("/dev/"));
        fs::write(queue, REQUEST_KIB_MAX.to_string())?;
        self.device.arm(trouble);
        let mut command = Command::new("mount");
        command.args(["-t", "ext4", "-o", options, &name]).arg(self.data());
        let mut mounting = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        // The power may go while the journal is replayed: then nobody answers, and mount would wait for ever.
        while mounting.try_wait()?.is_none() {
            if self.device.wait_for_cut(Duration::from_millis(2)) {
                self.give_errors();
                break;
            }
        }
        let output = mounting.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("mount: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
        }
        self.is_mounted = true;
        Ok(())
    }

    /// Ends what waits for the disk, and all that asks it from here on, with errors.
    pub fn give_errors(&self) {
        self.device.give_errors();
        self.waiting.release();
    }

    /// Ends what waits for the disk with errors, then unmounts; nothing reaches the disk any more. Whoever used the
    /// file system must have been killed before.
    pub fn take_apart(&mut self) -> Result<(), Failure> {
        self.give_errors();
        self.unmount()
    }

    /// Unmounts a machine that still has power: all is written and flushed by the kernel.
    pub fn shut_down(&mut self) -> Result<(), Failure> {
        self.unmount()
    }

    /// Power again: chance has decided what survived.
    pub fn power_on(&self, survival: Survival, rng: &Rng) -> CutReport {
        self.device.power_on(survival, rng)
    }

    fn unmount(&mut self) -> Result<(), Failure> {
        if self.is_mounted {
            retry(|| run(Command::new("umount").arg(self.data())))?;
            self.is_mounted = false;
        }
        if let Some(name) = self.loop_device.take() {
            retry(|| run(Command::new("losetup").args(["--detach", &name])))?;
            wait_until_detached(&name)?;
        }
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.device.cut();
        if let Err(error) = self.take_apart() {
            eprintln!("crash: cleaning up: {error}");
        }
        if let Some(session) = self.session.take() {
            _ = session.umount_and_join();
        }
    }
}

/// The bytes of an empty ext4 file system.
fn formatted(room: &Path) -> Result<Vec<u8>, Failure> {
    let path = room.join("empty.img");
    fs::File::create(&path)?.set_len(DISK_BYTES)?;
    let options = "lazy_itable_init=0,lazy_journal_init=0,nodiscard";
    run(Command::new("mkfs.ext4")
        .args(["-q", "-F", "-b", "4096", "-N", "8192", "-J", "size=16", "-E", options])
        .arg(&path))?;
    let image = fs::read(&path)?;
    fs::remove_file(&path)?;
    Ok(image)
}

/// A loop device is detached when its last user is gone; its cached bytes must not meet the next disk.
fn wait_until_detached(name: &str) -> Result<(), Failure> {
    let backing = format!("/sys/block/{}/loop/backing_file", name.trim_start_matches("/dev/"));
    let began = Instant::now();
    while Path::new(&backing).exists() {
        if began.elapsed() > Duration::from_secs(10) {
            return Err(format!("{name} stays attached").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn retry(mut action: impl FnMut() -> Result<String, Failure>) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        match action() {
            Ok(_) => return Ok(()),
            Err(error) if tries == UNMOUNT_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Runs a program to its end and gives what it printed.
pub fn run(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error: io::Error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
