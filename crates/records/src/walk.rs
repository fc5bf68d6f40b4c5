//! Looking at every record of a batch without keeping any.
//!
//! Owns the two walks, over plain bytes and over a compressed stream, and the judgement of one record by its topic's
//! rules. It never holds more of a stream than one chunk, whatever the records claim to be.

use crate::batch::Batch;
use crate::codec::Inflate;
use crate::compression::{Compression, CompressionError};
use crate::error::{BatchError, RecordError, RecordFault, Rejection};
use crate::header::{BatchHeader, NO_TIMESTAMP, TimestampType};
use crate::record::read_record;
use crate::validate::ProduceRules;
use crate::varint::{MAX_VARINT_BYTES, MAX_VARLONG_BYTES, read_varint, read_varlong};

/// The most refused records a batch is reported with. Kafka has no such bound; a batch can hold millions.
pub(crate) const MAX_RECORD_ERRORS: usize = 10_000;

/// The fields of a record that rules look at.
struct Glimpse {
    timestamp_delta: i64,
    offset_delta: i32,
    has_key: bool,
}

/// Judges the records of one batch in order.
struct Judge<'r> {
    rules: &'r ProduceRules,
    base_timestamp: i64,
    /// The one timestamp of all records, if the sender says that a log stamped them.
    log_append_time: Option<i64>,
    max_timestamp: i64,
    errors: Vec<RecordError>,
    /// The first record whose offset delta is not its position: a rule of ours, which Kafka's own come before.
    misplaced: Option<u32>,
}

impl<'r> Judge<'r> {
    fn new(header: &BatchHeader, rules: &'r ProduceRules) -> Judge<'r> {
        Judge {
            rules,
            base_timestamp: header.base_timestamp,
            log_append_time: (header.timestamp_type() == TimestampType::LogAppendTime)
                .then_some(header.max_timestamp),
            max_timestamp: NO_TIMESTAMP,
            errors: Vec::new(),
            misplaced: None,
        }
    }

    #[inline(always)]
    fn record(&mut self, index: u32, glimpse: &Glimpse) {
        if glimpse.offset_delta as u32 != index {
            self.misplaced.get_or_insert(index);
        }
        let timestamp = match self.log_append_time {
            None => self.base_timestamp.wrapping_add(glimpse.timestamp_delta),
            Some(time) => time,
        };
        self.max_timestamp = self.max_timestamp.max(timestamp);
        if self.rules.compacted && !glimpse.has_key {
            self.refuse(index, Rejection::NoKey);
        } else if let Some(rejection) =
            timestamp_rejection(timestamp, self.log_append_time.is_some(), self.rules)
        {
            self.refuse(index, rejection);
        }
    }

    #[cold]
    fn refuse(&mut self, index: u32, rejection: Rejection) {
        if self.errors.len() < MAX_RECORD_ERRORS {
            self.errors.push(RecordError { batch_index: index as i32, rejection });
        }
    }

    /// The largest timestamp, if no record was refused.
    fn verdict(self) -> Result<i64, BatchError> {
        if !self.errors.is_empty() {
            return Err(BatchError::Rejected(self.errors));
        }
        match self.misplaced {
            Some(index) => Err(BatchError::Record { index, fault: RecordFault::OffsetDelta }),
            None => Ok(self.max_timestamp),
        }
    }
}

/// Kafka's timestamp rule for one record (KIP-32, KIP-937).
#[inline(always)]
pub(crate) fn timestamp_rejection(
    timestamp: i64,
    log_append_time: bool,
    rules: &ProduceRules,
) -> Option<Rejection> {
    if rules.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
        // Wrapping, as in Kafka: an absurd timestamp is then outside either bound or the other.
        let age = rules.now_ms.wrapping_sub(timestamp);
        let out_of_range =
            age > rules.timestamp_before_max_ms || age.wrapping_neg() > rules.timestamp_after_max_ms;
        return out_of_range.then(|| Rejection::TimestampOutOfRange {
            timestamp_ms: timestamp,
            min_ms: rules.now_ms.wrapping_sub(rules.timestamp_before_max_ms),
            max_ms: rules.now_ms.wrapping_add(rules.timestamp_after_max_ms),
        });
    }
    log_append_time.then_some(Rejection::LogAppendTimeFromClient)
}

fn records_count(header: &BatchHeader) -> Result<u32, BatchError> {
    u32::try_from(header.records_count)
        .map_err(|_| BatchError::RecordsCount { records_count: header.records_count })
}

/// Walks plain records and returns their largest timestamp.
pub(crate) fn walk_plain(
    header: &BatchHeader,
    plain: &[u8],
    rules: &ProduceRules,
) -> Result<i64, BatchError> {
    let count = records_count(header)?;
    let mut judge = Judge::new(header, rules);
    let mut rest = plain;
    for index in 0..count {
        let raw = read_record(&mut rest).map_err(|fault| BatchError::Record { index, fault })?;
        judge.record(
            index,
            &Glimpse {
                timestamp_delta: raw.timestamp_delta,
                offset_delta: raw.offset_delta,
                has_key: raw.key.is_some(),
            },
        );
    }
    // Kafka notices surplus bytes only after the last record, and an empty batch has none.
    if count > 0 && !rest.is_empty() {
        return Err(BatchError::BytesRemaining);
    }
    judge.verdict()
}

/// Walks compressed records chunk by chunk and returns their largest timestamp.
pub(crate) fn walk_stream(
    batch: &Batch<'_>,
    codec: Compression,
    rules: &ProduceRules,
) -> Result<i64, BatchError> {
    let count = records_count(&batch.header)?;
    let mut judge = Judge::new(&batch.header, rules);
    if count == 0 {
        return judge.verdict();
    }
    let mut stream = Stream {
        inflate: Inflate::new(codec, batch.payload())?,
        codec,
        window: Vec::new(),
        at: 0,
        budget: rules.max_decompressed_bytes,
        limit_bytes: rules.max_decompressed_bytes,
        max_record_bytes: rules.max_record_bytes,
    };
    for index in 0..count {
        let glimpse = stream.glimpse(index)?;
        judge.record(index, &glimpse);
    }
    if stream.at < stream.window.len() || stream.more()? {
        return Err(BatchError::BytesRemaining);
    }
    judge.verdict()
}

/// A compressed stream seen through a window.
struct Stream<'a> {
    inflate: Inflate<'a>,
    codec: Compression,
    window: Vec<u8>,
    /// What of the window has been used.
    at: usize,
    /// How many more bytes may come.
    budget: usize,
    limit_bytes: usize,
    max_record_bytes: usize,
}

impl Stream<'_> {
    /// Drops what was used and appends the next chunk; `false` at the end of the stream.
    fn more(&mut self) -> Result<bool, BatchError> {
        self.window.drain(..self.at);
        self.at = 0;
        let before = self.window.len();
        let limit = CompressionError::Limit { codec: self.codec, limit_bytes: self.limit_bytes };
        let pulled = match self.inflate.pull(&mut self.window, self.budget.saturating_add(1)) {
            Err(CompressionError::Limit { .. }) => return Err(limit.into()),
            other => other?,
        };
        match self.budget.checked_sub(self.window.len() - before) {
            Some(budget) => self.budget = budget,
            None => return Err(limit.into()),
        }
        Ok(pulled)
    }

    fn glimpse(&mut self, index: u32) -> Result<Glimpse, BatchError> {
        let faulty = |fault| BatchError::Record { index, fault };
        self.ensure(MAX_VARINT_BYTES)?;
        let mut rest = &self.window[self.at..];
        let length = read_varint(&mut rest).map_err(faulty)?;
        let length = usize::try_from(length).map_err(|_| faulty(RecordFault::Length))?;
        if length > self.max_record_bytes {
            return Err(faulty(RecordFault::TooLarge));
        }
        if length <= rest.len() {
            let mut whole = &self.window[self.at..];
            let raw = read_record(&mut whole).map_err(faulty)?;
            self.at = self.window.len() - whole.len();
            return Ok(Glimpse {
                timestamp_delta: raw.timestamp_delta,
                offset_delta: raw.offset_delta,
                has_key: raw.key.is_some(),
            });
        }
        self.at = self.window.len() - rest.len();
        self.skim(length, &faulty)
    }

    /// Reads a record that is not whole in the window, skipping its contents.
    fn skim(
        &mut self,
        length: usize,
        faulty: &dyn Fn(RecordFault) -> BatchError,
    ) -> Result<Glimpse, BatchError> {
        let mut left = length;
        self.skip(1, &mut left, faulty)?;
        self.ensure(MAX_VARLONG_BYTES)?;
        let timestamp_delta = self.field(&mut left, faulty, read_varlong)?;
        let offset_delta = self.int(&mut left, faulty)?;
        let key_length = self.int(&mut left, faulty)?;
        self.skip(key_length, &mut left, faulty)?;
        let value_length = self.int(&mut left, faulty)?;
        self.skip(value_length, &mut left, faulty)?;
        let headers = self.int(&mut left, faulty)?;
        if headers < 0 || headers as usize > left {
            return Err(faulty(RecordFault::HeadersCount));
        }
        for _ in 0..headers {
            let key_length = self.int(&mut left, faulty)?;
            if key_length < 0 {
                return Err(faulty(RecordFault::HeaderKey));
            }
            self.skip(key_length, &mut left, faulty)?;
            let value_length = self.int(&mut left, faulty)?;
            self.skip(value_length, &mut left, faulty)?;
        }
        if left > 0 {
            return Err(faulty(RecordFault::Size));
        }
        Ok(Glimpse { timestamp_delta, offset_delta, has_key: key_length >= 0 })
    }

    fn int(
        &mut self,
        left: &mut usize,
        faulty: &dyn Fn(RecordFault) -> BatchError,
    ) -> Result<i32, BatchError> {
        self.ensure(MAX_VARINT_BYTES)?;
        self.field(left, faulty, read_varint)
    }

    fn field<T>(
        &mut self,
        left: &mut usize,
        faulty: &dyn Fn(RecordFault) -> BatchError,
        read: impl Fn(&mut &[u8]) -> Result<T, RecordFault>,
    ) -> Result<T, BatchError> {
        let mut rest = &self.window[self.at..];
        let before = rest.len();
        let value = read(&mut rest).map_err(faulty)?;
        let used = before - rest.len();
        *left = left.checked_sub(used).ok_or_else(|| faulty(RecordFault::Truncated))?;
        self.at += used;
        Ok(value)
    }

    fn skip(
        &mut self,
        length: i32,
        left: &mut usize,
        faulty: &dyn Fn(RecordFault) -> BatchError,
    ) -> Result<(), BatchError> {
        let mut length = usize::try_from(length).unwrap_or(0);
        *left = left.checked_sub(length).ok_or_else(|| faulty(RecordFault::Truncated))?;
        while length > self.window.len() - self.at {
            length -= self.window.len() - self.at;
            self.at = self.window.len();
            if !self.more()? {
                return Err(faulty(RecordFault::Length));
            }
        }
        self.at += length;
        Ok(())
    }

    /// Makes `bytes` bytes visible, or as many as the stream still has.
    fn ensure(&mut self, bytes: usize) -> Result<(), BatchError> {
        while self.window.len() - self.at < bytes && self.more()? {}
        Ok(())
    }
}
