//! Records inside the plain bytes of a batch.
//!
//! Owns the record format of magic 2: a bounds-checked walk that borrows everything and allocates nothing. It
//! never looks at a header field that the iterator was not given.

use crate::error::{BatchError, RecordFault};
use crate::header::{BatchHeader, NO_SEQUENCE, TimestampType, increment_sequence};
use crate::varint::{read_varint, read_varlong};

/// One record. All slices borrow from the batch (or from its decompressed bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Offset in the partition.
    pub offset: i64,
    /// Timestamp in ms, -1 if it has none; the append time if the broker stamps the topic.
    pub timestamp: i64,
    /// Sequence of an idempotent producer, -1 if there is none.
    pub sequence: i32,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: Headers<'a>,
    /// Bytes the record takes uncompressed, its length prefix included.
    pub size_bytes: usize,
}

/// One header of a record: a key, which is never null but may repeat, and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key; UTF-8 by convention, which is not verified.
    pub key: &'a [u8],
    /// The value, if there is one.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, an iterator over bytes that were verified when the record was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headers<'a> {
    rest: &'a [u8],
    remaining: u32,
}

impl Headers<'_> {
    /// How many headers are left.
    pub fn len(&self) -> usize {
        self.remaining as usize
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.remaining == 0
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        // Reading the record has already walked these bytes, so neither can fail.
        let key = read_sized(&mut self.rest).ok().flatten()?;
        let value = read_sized(&mut self.rest).ok()?;
        Some(Header { key, value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// A record as its bytes have it, with deltas.
pub(crate) struct RawRecord<'a> {
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
    pub size_bytes: usize,
}

/// Reads a length-prefixed byte string; any negative length is null, as in Kafka.
#[inline(always)]
fn read_sized<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordFault> {
    let length = read_varint(rest)?;
    if length < 0 {
        return Ok(None);
    }
    match rest.split_at_checked(length as usize) {
        Some((bytes, tail)) => {
            *rest = tail;
            Ok(Some(bytes))
        }
        None => Err(RecordFault::Truncated),
    }
}

/// Reads one record off the front of `rest`.
#[inline(always)]
pub(crate) fn read_record<'a>(rest: &mut &'a [u8]) -> Result<RawRecord<'a>, RecordFault> {
    let before = rest.len();
    let length = read_varint(rest)?;
    if length < 0 || length as usize > rest.len() {
        return Err(RecordFault::Length);
    }
    let (mut body, tail) = rest.split_at(length as usize);
    *rest = tail;
    let Some((_attributes, after)) = body.split_first() else { return Err(RecordFault::Truncated) };
    body = after;
    let timestamp_delta = read_varlong(&mut body)?;
    let offset_delta = read_varint(&mut body)?;
    let key = read_sized(&mut body)?;
    let value = read_sized(&mut body)?;
    let count = read_varint(&mut body)?;
    // A header takes at least two bytes, so a larger count cannot be true.
    if count < 0 || count as usize > body.len() {
        return Err(RecordFault::HeadersCount);
    }
    let headers = Headers { rest: body, remaining: count as u32 };
    if count > 0 {
        skip_headers(&mut body, count as u32)?;
    }
    if !body.is_empty() {
        return Err(RecordFault::Size);
    }
    Ok(RawRecord { timestamp_delta, offset_delta, key, value, headers, size_bytes: before - tail.len() })
}

fn skip_headers(body: &mut &[u8], count: u32) -> Result<(), RecordFault> {
    for _ in 0..count {
        if read_sized(body)?.is_none() {
            return Err(RecordFault::HeaderKey);
        }
        read_sized(body)?;
    }
    Ok(())
}

/// Iterator over the records of a batch. After an error it ends.
#[derive(Debug, Clone)]
pub struct RecordsIter<'a> {
    rest: &'a [u8],
    index: u32,
    count: u32,
    base_offset: i64,
    base_timestamp: i64,
    log_append_time: Option<i64>,
    base_sequence: i32,
}

impl<'a> RecordsIter<'a> {
    /// Over the records in `plain`, the uncompressed bytes that follow `header`.
    #[inline]
    pub(crate) fn new(header: &BatchHeader, plain: &'a [u8]) -> Result<RecordsIter<'a>, BatchError> {
        let Ok(count) = u32::try_from(header.records_count) else {
            return Err(BatchError::RecordsCount { records_count: header.records_count });
        };
        Ok(RecordsIter {
            rest: plain,
            index: 0,
            count,
            base_offset: header.base_offset,
            base_timestamp: header.base_timestamp,
            log_append_time: (header.timestamp_type() == TimestampType::LogAppendTime)
                .then_some(header.max_timestamp),
            base_sequence: header.base_sequence,
        })
    }

    /// Records not yet yielded, as the header declares.
    pub fn remaining(&self) -> usize {
        (self.count - self.index) as usize
    }

    #[inline(always)]
    fn read(&mut self) -> Result<Record<'a>, BatchError> {
        let index = self.index;
        let raw = read_record(&mut self.rest).map_err(|fault| BatchError::Record { index, fault })?;
        self.index += 1;
        if self.index == self.count && !self.rest.is_empty() {
            return Err(BatchError::BytesRemaining);
        }
        Ok(Record {
            offset: self.base_offset.wrapping_add(i64::from(raw.offset_delta)),
            timestamp: match self.log_append_time {
                Some(time) => time,
                None => self.base_timestamp.wrapping_add(raw.timestamp_delta),
            },
            sequence: if self.base_sequence < 0 {
                NO_SEQUENCE
            } else {
                increment_sequence(self.base_sequence, raw.offset_delta)
            },
            key: raw.key,
            value: raw.value,
            headers: raw.headers,
            size_bytes: raw.size_bytes,
        })
    }
}

impl<'a> Iterator for RecordsIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.index >= self.count {
            return None;
        }
        let record = self.read();
        if record.is_err() {
            self.index = self.count;
        }
        Some(record)
    }
}
