//! A check of the rig itself: it loses what is not flushed, keeps what is, and passes errors on.
//!
//! Without it a rig that loses nothing would praise any program.

use std::fs::{self, File};
use std::io::Write;

use platform::Rng;

use crate::Failure;
use crate::device::{Call, Survival, Trigger, Trouble};
use crate::machine::Machine;

const BYTES: usize = 100_000;

/// More than the kernel passes to a FUSE file at once.
const LONG_BYTES: usize = 4 << 20;

/// Runs all checks on a machine that is switched off, and leaves it so.
///
/// # Errors
/// What the rig does not do.
pub fn run(machine: &mut Machine) -> Result<(), Failure> {
    unsynced_is_lost(machine)?;
    everything_may_survive(machine)?;
    errors_are_passed_on(machine)?;
    errors_in_the_middle_are_passed_on(machine)
}

fn expect(is_so: bool, what: &str) -> Result<(), Failure> {
    if is_so { Ok(()) } else { Err(format!("the rig does not do its work: {what}").into()) }
}

fn cut(machine: &mut Machine, survival: Survival) -> Result<(), Failure> {
    machine.device.cut();
    machine.take_apart()?;
    machine.power_on(survival, &Rng::seeded(1));
    machine.mount("defaults", None)
}

fn unsynced_is_lost(machine: &mut Machine) -> Result<(), Failure> {
    machine.format();
    machine.mount("defaults", None)?;
    let (synced, tail, unsynced) =
        (machine.data().join("synced"), machine.data().join("tail"), machine.data().join("unsynced"));
    let mut file = File::create(&synced)?;
    file.write_all(&[7; BYTES])?;
    file.sync_all()?;
    let mut half = File::create(&tail)?;
    half.write_all(&[7; BYTES])?;
    half.sync_all()?;
    File::open(machine.data())?.sync_all()?;
    half.write_all(&[8; BYTES])?;
    fs::write(&unsynced, [9; BYTES])?;
    drop((file, half));
    cut(machine, Survival::Nothing)?;
    expect(fs::read(&synced)? == [7; BYTES], "a file that was synced is kept")?;
    expect(fs::read(&tail)? == [7; BYTES], "what was appended without a sync is lost")?;
    expect(!unsynced.exists(), "a file that was never synced is lost")?;
    machine.shut_down()
}

/// The same, but the disk kept its cache; and the file system had brought the bytes to it.
fn everything_may_survive(machine: &mut Machine) -> Result<(), Failure> {
    machine.format();
    machine.mount("defaults", None)?;
    let path = machine.data().join("kept");
    let file = File::create(&path)?;
    (&file).write_all(&[1; BYTES])?;
    file.sync_all()?;
    File::open(machine.data())?.sync_all()?;
    // Past the page cache of the file system, but not flushed.
    let written = crate::machine::run(
        std::process::Command::new("dd")
            .args(["if=/dev/zero", "bs=4096", "count=2", "oflag=direct", "conv=notrunc", "status=none"])
            .arg(format!("of={}", path.display())),
    );
    written?;
    drop(file);
    let mut expected = vec![1; BYTES];
    expected[..8192].fill(0);
    cut(machine, Survival::Everything)?;
    expect(fs::read(&path)? == expected, "a disk that keeps its cache keeps direct writes")?;
    machine.shut_down()
}

fn errors_are_passed_on(machine: &mut Machine) -> Result<(), Failure> {
    machine.format();
    machine.mount("defaults", None)?;
    let mut file = File::create(machine.data().join("file"))?;
    file.write_all(&[7; BYTES])?;
    machine.device.arm(Some((Trigger::at(Call::Flush, 1), Trouble::FailOnce)));
    expect(file.sync_all().is_err(), "a flush that fails is an error of fsync")?;
    expect(machine.device.counts().failed == 1, "one call fails when one is asked for")?;
    drop(file);
    machine.device.cut();
    machine.take_apart()?;
    machine.power_on(Survival::Nothing, &Rng::seeded(1));
    Ok(())
}

/// The kernel cuts a long write into several; one of those that fails must not be lost on the way up.
fn errors_in_the_middle_are_passed_on(machine: &mut Machine) -> Result<(), Failure> {
    machine.format();
    machine.mount("defaults", None)?;
    let path = machine.data().join("long");
    fs::write(&path, vec![1; LONG_BYTES])?;
    File::open(&path)?.sync_all()?;
    for number in [2, 3] {
        machine.device.arm(Some((Trigger::at(Call::Write, number), Trouble::FailOnce)));
        let written = crate::machine::run(
            std::process::Command::new("dd")
                .args(["if=/dev/zero", "count=1", "oflag=direct", "conv=notrunc", "status=none"])
                .arg(format!("bs={LONG_BYTES}"))
                .arg(format!("of={}", path.display())),
        );
        let counts = machine.device.counts();
        expect(
            counts.failed == 0 || written.is_err(),
            "a part of a write that fails is an error of the write",
        )?;
    }
    machine.device.cut();
    machine.take_apart()?;
    machine.power_on(Survival::Nothing, &Rng::seeded(1));
    Ok(())
}
