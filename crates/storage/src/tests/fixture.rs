//! A log directory in a temporary directory, and batches to put into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::Platform;
use protocol::Uuid;
use records::{Batch, BatchBuilder, BatchSettings, Compression, batches};
use tempfile::TempDir;

use crate::{
    AppendInfo, AppendOrigin, FlushTicket, LogConfig, LogDir, LogDirConfig, LogView, RecoveryReport,
    UnifiedLog,
};

/// The time at which tests begin.
pub const NOW: i64 = 1_700_000_000_000;
pub const TOPIC_ID: Uuid = Uuid([9; 16]);
pub const CLUSTER: &str = "4L6g3nShT-eMCtK--X86sw";

/// A log directory on the real disk, which lives as long as this.
pub struct Home {
    pub platform: Platform,
    pub path: PathBuf,
    _temp: Option<TempDir>,
}

impl Home {
    pub fn new() -> Self {
        let temp = TempDir::new().expect("a temporary directory");
        Self { platform: Platform::os(), path: temp.path().join("data"), _temp: Some(temp) }
    }

    /// On a simulated disk, which flushes faster than a real one.
    pub fn simulated() -> Self {
        Self { platform: Platform::sim(1), path: PathBuf::from("/data"), _temp: None }
    }

    pub fn open(&self) -> (LogDir, RecoveryReport) {
        self.open_with(LogConfig::default())
    }

    pub fn open_with(&self, config: LogConfig) -> (LogDir, RecoveryReport) {
        let config = LogDirConfig { log_config: Arc::new(config), ..dir_config() };
        LogDir::open(&self.platform, &self.path, &config, NOW).expect("the directory opens")
    }

    pub fn log_path(&self, name: &str) -> PathBuf {
        self.path.join("t-0").join(name)
    }

    /// The names in the log's directory.
    pub fn names(&self) -> Vec<String> {
        names(&self.platform, &self.path.join("t-0"))
    }
}

pub fn names(platform: &Platform, dir: &Path) -> Vec<String> {
    platform.disk.list(dir).expect("the directory can be listed").into_iter().map(|e| e.name).collect()
}

pub fn dir_config() -> LogDirConfig {
    LogDirConfig { format: Some(CLUSTER.into()), ..LogDirConfig::new(1) }
}

/// Small segments, and an index entry for every batch.
pub fn small(segment_bytes: u32) -> LogConfig {
    LogConfig { segment_bytes, index_interval_bytes: 1, ..LogConfig::default() }
}

pub fn create(dir: &LogDir, config: LogConfig) -> UnifiedLog {
    dir.create_log("t", 0, TOPIC_ID, config, NOW).expect("the log is created")
}

pub fn take(dir: &LogDir, config: LogConfig) -> UnifiedLog {
    dir.take_log("t", 0, TOPIC_ID, config).expect("the log is sound").expect("the log is there")
}

/// Runs a ticket, if any, and notes its success.
pub fn run(log: &mut UnifiedLog, ticket: Option<FlushTicket>) {
    if let Some(ticket) = ticket {
        ticket.run().expect("the flush succeeds");
        log.mark_durable(&ticket);
    }
}

/// Stops cleanly.
pub fn close(dir: LogDir, mut log: UnifiedLog) {
    let ticket = log.close().expect("the log closes");
    run(&mut log, ticket);
    assert!(dir.close_clean(Some(7)).expect("the directory closes"), "everything is durable");
}

/// A batch of these values, stamped [`NOW`].
pub fn batch(values: &[&str]) -> Vec<u8> {
    batch_at(NOW, values)
}

pub fn batch_at(timestamp: i64, values: &[&str]) -> Vec<u8> {
    let records: Vec<(i64, &str)> = values.iter().map(|value| (timestamp, *value)).collect();
    batch_with(BatchSettings::default(), &records)
}

pub fn batch_with(settings: BatchSettings, records: &[(i64, &str)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(settings);
    for (timestamp, value) in records {
        builder.append(None, Some(value.as_bytes()), &[], *timestamp).expect("the record fits");
    }
    builder.build().expect("the batch is sound")
}

/// A batch of an idempotent producer.
pub fn idempotent(producer_id: i64, epoch: i16, sequence: i32, values: &[&str]) -> Vec<u8> {
    let settings = BatchSettings {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        ..BatchSettings::default()
    };
    let records: Vec<(i64, &str)> = values.iter().map(|value| (NOW, *value)).collect();
    batch_with(settings, &records)
}

pub fn compressed(compression: Compression, timestamp: i64, values: &[&str]) -> Vec<u8> {
    let records: Vec<(i64, &str)> = values.iter().map(|value| (timestamp, *value)).collect();
    batch_with(BatchSettings { compression, ..BatchSettings::default() }, &records)
}

pub fn append(log: &mut UnifiedLog, batch: &[u8]) -> AppendInfo {
    append_in(log, batch, 0)
}

/// Appends in a leader epoch.
pub fn append_in(log: &mut UnifiedLog, batch: &[u8], epoch: i32) -> AppendInfo {
    let info = log.append_as_leader(batch, epoch, AppendOrigin::Client, NOW).expect("the batch is taken");
    commit(log);
    info
}

/// Sets the high watermark to the log end.
pub fn commit(log: &UnifiedLog) {
    let view = log.view();
    view.set_high_watermark(view.log_end_offset());
}

/// Appends `count` batches of one record, whose values are the numbers from `from` on.
pub fn fill(log: &mut UnifiedLog, from: usize, count: usize) {
    for number in from..from + count {
        append(log, &batch(&[&format!("value-{number:05}")]));
    }
}

/// Every record from `offset` to the log end: offset and value.
pub fn read_all(view: &LogView, offset: i64) -> Vec<(i64, String)> {
    read_to(view, offset, view.log_end_offset(), 1 << 20)
}

/// Every record in `offset..upper_bound`, read in slices of at most `max_bytes`, or one batch.
pub fn read_to(view: &LogView, offset: i64, upper_bound: i64, max_bytes: usize) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    let mut next = offset;
    while let Some(slice) = view.read(next, max_bytes, upper_bound, true).expect("the log can be read") {
        let bytes = slice.to_vec().expect("the slice can be read");
        let before = next;
        for batch in batches(&bytes) {
            let batch = batch.expect("whole batches come");
            batch.verify_crc().expect("the batch is whole");
            next = batch.header.next_offset();
            found.extend(records_of(&batch).into_iter().filter(|(o, _)| *o >= offset));
        }
        assert_eq!(next, slice.next_offset, "the slice says where to go on");
        assert!(next > before, "reading goes on");
    }
    found
}

fn records_of(batch: &Batch<'_>) -> Vec<(i64, String)> {
    let mut plain = Vec::new();
    let records = batch.open(1 << 20, &mut plain).expect("the batch opens");
    let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    records.map(|record| record.map(|r| (r.offset, text(r.value))).expect("the record is sound")).collect()
}

/// What [`fill`] puts at offsets `from..to` of a log that holds nothing else.
pub fn filled(from: i64, to: i64) -> Vec<(i64, String)> {
    (from..to).map(|offset| (offset, format!("value-{offset:05}"))).collect()
}
