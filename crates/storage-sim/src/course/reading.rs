//! What asks without changing: fetches, lookups by time, and starts on copies of the disk.
//!
//! Owns where it is asked. What the answers must be is `check`'s.

use std::path::Path;
use std::sync::Arc;

use platform::sim::SimDisk;
use platform::{Disk, Platform};
use storage::{LogConfig, LogDir, LogDirConfig};

use super::{Course, Done, wrong};
use crate::check::{self, Need, Wrong};
use crate::line::Line;

impl Course {
    pub(super) fn read(&mut self, line: &Line) -> Done {
        match *line {
            Line::Read { log, eighths, bytes } => {
                let Some((log, _)) = self.working(log) else { return Ok(()) };
                let view = log.log.as_ref().expect("it works").view();
                let (start, high) = (view.log_start_offset(), view.high_watermark());
                let offset = start + (high - start) * i64::try_from(eighths.min(8)).unwrap_or(0) / 8;
                let compared = check::fetch(&log.model, &view, offset, bytes as usize)?;
                self.outcome.compared_records += compared;
                Ok(())
            }
            Line::Times { log, back_ms } => {
                let timestamp = self.now_ms - i64::try_from(back_ms).unwrap_or(0);
                let Some((log, _)) = self.working(log) else { return Ok(()) };
                let view = log.log.as_ref().expect("it works").view();
                check::time(&log.model, &view, timestamp)
            }
            Line::Rebuild { dir, without } => {
                let number = usize::try_from(dir).unwrap_or(0) % self.dirs.len();
                let is_sure =
                    !self.met_fault() && !self.has_rot_in(number) && self.dirs[number].open.is_some();
                if is_sure { self.rebuild(number, without) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Opens a copy of the disk, as after a kill at this moment, without the files that can be made anew.
    fn rebuild(&mut self, number: usize, without: u64) -> Done {
        let disk = self.disk.fork(1);
        disk.set_capacity_bytes(None);
        let path = Path::new(&self.dirs[number].path);
        remove_some(&disk, path, without);
        let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(1) };
        let options = LogDirConfig {
            log_config: Arc::new(LogConfig { retention_ms: -1, ..LogConfig::default() }),
            wal: self.wal,
            ..LogDirConfig::new(1)
        };
        let (open, report) = LogDir::open(&platform, path, &options, self.now_ms)?;
        if !report.damaged.is_empty() {
            return Err(wrong("L4 what can be rebuilt may be missing", format!("{:?}", report.damaged)));
        }
        for log in self.logs.values().filter(|log| log.dir == number && log.log.is_some()) {
            let Some(taken) = open.take_log(&log.topic, 0, log.model.id, log.shared_config())? else {
                return Err(wrong("L4 what can be rebuilt may be missing", format!("{} is gone", log.topic)));
            };
            let compared = check::whole(&log.model, &taken, Need::Written);
            let compared = compared.map_err(|error| match error {
                Wrong::Broken(rule, what) => Wrong::Broken(rule, format!("after a rebuild: {what}")),
                other => other,
            })?;
            self.outcome.compared_records += compared;
        }
        Ok(())
    }
}

fn remove_some(disk: &SimDisk, path: &Path, without: u64) {
    let kinds = [(1, ".index"), (2, ".timeindex"), (4, ".snapshot"), (8, "leader-epoch-checkpoint")];
    for dir in disk.list(path).unwrap_or_default().into_iter().filter(|entry| entry.is_dir) {
        let dir = path.join(dir.name);
        for file in disk.list(&dir).unwrap_or_default() {
            if without & 16 > 0 && (file.name.ends_with(".index") || file.name.ends_with(".timeindex")) {
                let bit = file.len.wrapping_mul(0x9e37_79b9).wrapping_add(without) % (8 * file.len.max(1));
                let flip = |bytes: &mut Vec<u8>| {
                    if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                        *byte ^= 1 << (bit % 8);
                    }
                };
                _ = disk.damage(&dir.join(&file.name), flip);
            }
            if kinds.iter().any(|(bit, suffix)| without & bit > 0 && file.name.ends_with(suffix)) {
                _ = disk.remove_file(&dir.join(file.name));
            }
        }
    }
}
