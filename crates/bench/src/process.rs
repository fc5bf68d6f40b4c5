//! What the kernel knows of a process: CPU time, resident memory, descriptors. Reads /proc and nothing else.

use std::fs;

use crate::Failure;

/// Clock ticks per second of /proc/PID/stat; fixed to 100 in the kernel's interface on every architecture we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds (user and system) that the whole process has used, threads that ended included; 10 ms steps.
pub fn cpu_seconds(pid: u32) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').ok_or("/proc/PID/stat has no name")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks =
        |index: usize| -> Result<f64, Failure> { Ok(fields.get(index).ok_or("short stat")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// CPU nanoseconds of the threads that live now: exact, but without those that ended. For idle processes.
pub fn thread_nanos(pid: u32) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between the listing and the read.
        if let Ok(text) = fs::read_to_string(entry?.path().join("schedstat")) {
            sum += text.split_whitespace().next().ok_or("empty schedstat")?.parse::<u64>()?;
        }
    }
    Ok(sum)
}

/// Resident memory in MiB.
pub fn resident_mib(pid: u32) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("empty VmRSS")?.parse()?;
    Ok(kib / 1024.0)
}

/// Descriptors that are open.
pub fn descriptors(pid: u32) -> Result<usize, Failure> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Pieces of its address space, of which the kernel grants 65,530.
pub fn maps(pid: u32) -> Result<usize, Failure> {
    Ok(fs::read_to_string(format!("/proc/{pid}/maps"))?.lines().count())
}
