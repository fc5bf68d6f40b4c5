//! Taking records out of a batch that is in a log: what compaction does to it.
//!
//! Owns the bytes of what is left: offsets, sequences, producer, epoch and codec stay, the largest timestamp is that of
//! the records that stay, and a delete horizon takes the place of the base timestamp (KIP-534). It never decides which
//! records go: that is the caller's judgement, record by record.

use crate::batch::Batch;
use crate::builder::seal_in;
use crate::compression::{Compression, DEFAULT_DECOMPRESSED_LIMIT_BYTES};
use crate::error::{BatchError, RecordFault};
use crate::header::{self, BatchHeader, HEADER_BYTES, LOG_OVERHEAD_BYTES, NO_TIMESTAMP, TimestampType};
use crate::record::{Record, RecordsIter};
use crate::varint::{read_varint, read_varlong, size_of_varlong, write_varint, write_varlong};

/// What else decides the fate of one batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ThinRules {
    /// Whether a batch without records stays as a header, for its offsets and sequence.
    pub keep_empty: bool,
    /// Whether the batch is the marker of a transaction of which nothing is left.
    pub is_marker_of_nothing: bool,
    /// The delete horizon (ms) that a batch gets which holds tombstones, or is such a marker, and has none yet.
    pub new_delete_horizon_ms: i64,
    /// Level of the codec when records are compressed again; `None` is the codec's default.
    pub level: Option<i32>,
}

/// What is left of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinned {
    /// All of it, byte for byte.
    Whole {
        /// Number of records.
        records: u32,
    },
    /// A new batch with this header, possibly without records.
    Rewritten(BatchHeader),
    /// Nothing.
    Nothing,
}

/// Thins batches one after another; holds the memory that each needs.
#[derive(Debug, Default)]
pub struct Thinner {
    plain: Vec<u8>,
    kept: Vec<Kept>,
    rewritten: Vec<u8>,
}

/// A record that stays: where its bytes are.
#[derive(Debug, Clone, Copy)]
struct Kept {
    start: usize,
    end: usize,
    timestamp: i64,
    is_tombstone: bool,
}

impl Thinner {
    /// Appends to `out` what is left of `batch` when only the records stay that `keep` says. The batch's checksum must
    /// have been verified.
    ///
    /// # Errors
    /// Faults of the batch's content; then nothing was appended.
    pub fn thin(
        &mut self,
        batch: &Batch<'_>,
        rules: &ThinRules,
        keep: impl FnMut(&Record<'_>) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<Thinned, BatchError> {
        let is_plain = !batch.header.is_legacy() && batch.header.compression()? == Compression::None;
        let mut plain = std::mem::take(&mut self.plain);
        let header = match is_plain {
            true => Ok(batch.header),
            false => batch.unpack(DEFAULT_DECOMPRESSED_LIMIT_BYTES, &mut plain),
        };
        let records = if is_plain { batch.payload() } else { plain.as_slice() };
        let thinned = header.and_then(|header| self.judge(batch, &header, records, rules, keep, out));
        self.plain = plain;
        thinned
    }

    /// Appends to `out` what is left of `batch` when no record stays, whatever is in it.
    ///
    /// # Errors
    /// As [`Thinner::thin`], for a batch of an old format, whose first offset is inside.
    pub fn empty(
        &mut self,
        batch: &Batch<'_>,
        rules: &ThinRules,
        out: &mut Vec<u8>,
    ) -> Result<Thinned, BatchError> {
        if batch.header.is_legacy() {
            return self.thin(batch, rules, |_| false, out);
        }
        Ok(write_empty(&batch.header, rules, out))
    }

    fn judge(
        &mut self,
        batch: &Batch<'_>,
        header: &BatchHeader,
        plain: &[u8],
        rules: &ThinRules,
        mut keep: impl FnMut(&Record<'_>) -> bool,
        out: &mut Vec<u8>,
    ) -> Result<Thinned, BatchError> {
        self.kept.clear();
        let (mut position, mut records) = (0, 0_u32);
        for record in RecordsIter::new(header, plain)? {
            let record = record?;
            let (start, end) = (position, position + record.size_bytes);
            (position, records) = (end, records + 1);
            if keep(&record) {
                let (timestamp, is_tombstone) = (record.timestamp, record.value.is_none());
                self.kept.push(Kept { start, end, timestamp, is_tombstone });
            }
        }
        if self.kept.is_empty() {
            return Ok(write_empty(header, rules, out));
        }
        let has_tombstone = self.kept.iter().any(|kept| kept.is_tombstone);
        let wants_horizon = !batch.header.is_legacy()
            && (has_tombstone || rules.is_marker_of_nothing)
            && !header.has_delete_horizon();
        if self.kept.len() == records as usize && !wants_horizon {
            out.extend_from_slice(batch.bytes);
            return Ok(Thinned::Whole { records });
        }
        let horizon =
            if wants_horizon { Some(rules.new_delete_horizon_ms) } else { header.delete_horizon_ms() };
        self.rewrite(batch, header, plain, horizon, rules.level, out)
    }

    fn rewrite(
        &mut self,
        batch: &Batch<'_>,
        header: &BatchHeader,
        plain: &[u8],
        horizon: Option<i64>,
        level: Option<i32>,
        out: &mut Vec<u8>,
    ) -> Result<Thinned, BatchError> {
        let base_timestamp = horizon.unwrap_or(self.kept[0].timestamp);
        self.rewritten.clear();
        for (index, kept) in self.kept.iter().enumerate() {
            let bytes = &plain[kept.start..kept.end];
            let delta = kept.timestamp.wrapping_sub(base_timestamp);
            restamp(bytes, delta, &mut self.rewritten)
                .map_err(|fault| BatchError::Record { index: index as u32, fault })?;
        }
        let compression = batch.header.compression()?;
        let start = out.len();
        out.resize(start + HEADER_BYTES, 0);
        let packed = compression.compress(level, &self.rewritten, out);
        let size_bytes = out.len() - start;
        let max_bytes = i32::MAX as usize;
        if let Err(error) = packed {
            out.truncate(start);
            return Err(error.into());
        }
        if size_bytes > max_bytes {
            out.truncate(start);
            return Err(BatchError::TooLarge { size_bytes, max_bytes });
        }
        let max_timestamp = match header.timestamp_type() {
            TimestampType::LogAppendTime => header.max_timestamp,
            TimestampType::CreateTime => {
                self.kept.iter().map(|kept| kept.timestamp).fold(NO_TIMESTAMP, i64::max)
            }
        };
        let attributes = header::attributes(
            compression,
            header.timestamp_type(),
            header.is_transactional(),
            header.is_control(),
        );
        let thinned = BatchHeader {
            batch_length: (size_bytes - LOG_OVERHEAD_BYTES) as i32,
            attributes: header::with_delete_horizon(attributes, horizon.is_some()),
            base_timestamp,
            max_timestamp,
            records_count: self.kept.len() as i32,
            ..*header
        };
        Ok(Thinned::Rewritten(seal_in(thinned, &mut out[start..])))
    }
}

/// Copies a record with another timestamp delta; the delta of the offset stays.
fn restamp(bytes: &[u8], delta: i64, out: &mut Vec<u8>) -> Result<(), RecordFault> {
    let mut rest = bytes;
    let length = read_varint(&mut rest)?;
    let (attributes, mut after) = rest.split_first().ok_or(RecordFault::Truncated)?;
    let old = read_varlong(&mut after)?;
    if old == delta {
        out.extend_from_slice(bytes);
        return Ok(());
    }
    let grown = i64::from(length) + size_of_varlong(delta) as i64 - (rest.len() - 1 - after.len()) as i64;
    write_varint(i32::try_from(grown).map_err(|_| RecordFault::Length)?, out);
    out.push(*attributes);
    write_varlong(delta, out);
    out.extend_from_slice(after);
    Ok(())
}

/// A batch of which only the header is left.
fn write_empty(header: &BatchHeader, rules: &ThinRules, out: &mut Vec<u8>) -> Thinned {
    if !rules.keep_empty {
        return Thinned::Nothing;
    }
    let attributes = header::attributes(
        Compression::None,
        header.timestamp_type(),
        header.is_transactional(),
        header.is_control(),
    );
    let empty = BatchHeader {
        batch_length: (HEADER_BYTES - LOG_OVERHEAD_BYTES) as i32,
        attributes,
        base_timestamp: NO_TIMESTAMP,
        records_count: 0,
        ..*header
    };
    let start = out.len();
    out.resize(start + HEADER_BYTES, 0);
    Thinned::Rewritten(seal_in(empty, &mut out[start..]))
}
