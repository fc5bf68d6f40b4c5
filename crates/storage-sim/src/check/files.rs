//! The segment files of a log as they lie on the disk, read by nobody's index: L1.
//!
//! Owns the walk over names and batches. It sees only whole logs, after a start.

use std::path::Path;

use platform::Disk;
use platform::sim::SimDisk;

use super::found::take_apart;
use super::{Wrong, broken};

/// Whether every segment begins where its name says, or later, and ends where the next one begins, or before.
pub(crate) fn check(disk: &SimDisk, dir: &Path, is_compacted: bool) -> Result<(), Wrong> {
    let names = disk.list(dir).unwrap_or_default();
    let mut bases: Vec<(i64, String)> = Vec::new();
    for entry in names {
        if entry.name.ends_with(".cleaned") || entry.name.ends_with(".swap") {
            return broken("C5 a cleaning is done or undone", entry.name);
        }
        if let Some(base) = entry.name.strip_suffix(".log").and_then(|base| base.parse().ok()) {
            bases.push((base, entry.name));
        }
    }
    let mut next = None;
    for (base, name) in bases {
        if next.is_some_and(|next| base < next || (base > next && !is_compacted)) {
            return broken("L1 segments follow one another", format!("{name} after {next:?}"));
        }
        let bytes = disk.read(&dir.join(&name))?;
        let mut end = base;
        for batch in take_apart(&bytes)? {
            if batch.base < end || (batch.base > end && !is_compacted) {
                return broken(
                    "L1 batches follow one another",
                    format!("{name}: {} after {end}", batch.base),
                );
            }
            end = batch.end;
        }
        next = Some(end);
    }
    Ok(())
}
