//! Batches of the metadata log and of snapshots, taken apart into records.

use protocol::MetadataRecord;
use raft::{ControlRecord, ReplayedBatch};
use records::{Batch, batches};

/// Most bytes that a compressed batch may grow to; Kafka writes uncompressed ones of at most 8 MiB.
const PLAIN_BYTES_MAX: usize = 64 << 20;

/// What some batches say.
#[derive(Debug, Default)]
pub(crate) struct LogContent {
    /// The batches, with their control records.
    pub(crate) batches: Vec<ReplayedBatch>,
    /// The data records, each with its offset.
    pub(crate) records: Vec<(i64, MetadataRecord<'static>)>,
}

impl LogContent {
    /// Takes batches of the log apart.
    pub(crate) fn of_log(bytes: &[u8]) -> Result<LogContent, String> {
        let mut content = LogContent::default();
        let mut scratch = Vec::new();
        for batch in batches(bytes) {
            content.take(&batch.map_err(|error| error.to_string())?, &mut scratch)?;
        }
        Ok(content)
    }

    /// Takes one batch apart.
    pub(crate) fn of_batch(batch: &Batch<'_>) -> Result<LogContent, String> {
        let mut content = LogContent::default();
        content.take(batch, &mut Vec::new())?;
        Ok(content)
    }

    /// Takes a snapshot apart and checks that it is whole: header first, footer last.
    pub(crate) fn of_snapshot(bytes: &[u8]) -> Result<LogContent, String> {
        let content = LogContent::of_log(bytes)?;
        let first = content.batches.first().and_then(|batch| batch.control.first());
        let last = content.batches.last().and_then(|batch| batch.control.last());
        let parsed: u64 = content.batches.iter().map(|batch| batch.size_bytes).sum();
        match (first, last) {
            (Some(ControlRecord::SnapshotHeader { .. }), Some(ControlRecord::SnapshotFooter))
                if parsed == bytes.len() as u64 =>
            {
                Ok(content)
            }
            (Some(ControlRecord::SnapshotHeader { .. }), _) => {
                Err("it does not end with a footer".to_owned())
            }
            _ => Err("it does not begin with a header".to_owned()),
        }
    }

    /// All control records, in order.
    pub(crate) fn control(&self) -> Vec<ControlRecord> {
        self.batches.iter().flat_map(|batch| batch.control.iter().cloned()).collect()
    }

    fn take(&mut self, batch: &Batch<'_>, scratch: &mut Vec<u8>) -> Result<(), String> {
        batch.verify_crc().map_err(|error| error.to_string())?;
        let header = &batch.header;
        let mut control = Vec::new();
        for record in batch.open(PLAIN_BYTES_MAX, scratch).map_err(|error| error.to_string())? {
            let record = record.map_err(|error| error.to_string())?;
            let value = record.value.unwrap_or_default();
            if header.is_control() {
                let read = ControlRecord::decode(record.key.unwrap_or_default(), value);
                control.extend(read.map_err(|error| error.to_string())?);
            } else {
                let read = MetadataRecord::decode_framed(value).map_err(|error| error.to_string())?;
                self.records.push((record.offset, read.into_owned()));
            }
        }
        self.batches.push(ReplayedBatch {
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            epoch: header.partition_leader_epoch,
            size_bytes: batch.bytes.len() as u64,
            control,
        });
        Ok(())
    }
}

/// `LastContainedLogTimestamp` of a snapshot's header, in ms.
pub(crate) fn snapshot_timestamp(bytes: &[u8]) -> Result<i64, String> {
    let first = batches(bytes).next().ok_or("it is empty")?.map_err(|error| error.to_string())?;
    let mut content = LogContent::default();
    content.take(&first, &mut Vec::new())?;
    match content.control().first() {
        Some(ControlRecord::SnapshotHeader { last_contained_log_timestamp_ms }) => {
            Ok(*last_contained_log_timestamp_ms)
        }
        _ => Err("it does not begin with a header".to_owned()),
    }
}
