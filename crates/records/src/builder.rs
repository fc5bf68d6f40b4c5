//! Building one record batch.
//!
//! Owns the writing of records and of a fresh header. Records are encoded straight into the batch's buffer; it
//! never keeps them in another form and never chooses offsets, sequences or times.

use crate::compression::Compression;
use crate::error::BatchError;
use crate::header::{
    self, BatchHeader, HEADER_BYTES, LOG_OVERHEAD_BYTES, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
};
use crate::record::Header;
use crate::varint::{size_of_varint, size_of_varlong, write_varint, write_varlong};

/// Everything of a batch that does not come from its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchSettings {
    /// Offset of the first record; producers leave it 0.
    pub base_offset: i64,
    /// Epoch of the leader that writes the batch; producers leave it -1.
    pub partition_leader_epoch: i32,
    /// Codec of the records.
    pub compression: Compression,
    /// Level of the codec; `None` is Kafka's default.
    pub level: Option<i32>,
    /// `Some(ms)` marks the batch as stamped by the log at this time.
    pub log_append_time_ms: Option<i64>,
    /// Producer id, -1 if the batch is not idempotent.
    pub producer_id: i64,
    /// Producer epoch, -1 if the batch is not idempotent.
    pub producer_epoch: i16,
    /// Sequence of the first record, -1 if there is none.
    pub base_sequence: i32,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
    /// Whether the batch holds control records.
    pub control: bool,
}

impl Default for BatchSettings {
    fn default() -> Self {
        BatchSettings {
            base_offset: 0,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            compression: Compression::None,
            level: None,
            log_append_time_ms: None,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            transactional: false,
            control: false,
        }
    }
}

/// Builds one batch; see [`BatchBuilder::append`] and [`BatchBuilder::build`].
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    settings: BatchSettings,
    /// Room for the header, then the records' plain bytes.
    buffer: Vec<u8>,
    count: i32,
    last_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new(settings: BatchSettings) -> BatchBuilder {
        BatchBuilder::with_buffer(settings, Vec::new())
    }

    /// An empty batch that grows in `buffer`, whose content is dropped and whose memory is used again.
    pub fn with_buffer(settings: BatchSettings, mut buffer: Vec<u8>) -> BatchBuilder {
        buffer.clear();
        buffer.resize(HEADER_BYTES, 0);
        BatchBuilder {
            settings,
            buffer,
            count: 0,
            last_offset_delta: -1,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
        }
    }

    /// Appends a record at the next offset. `timestamp` is in ms, -1 for none.
    ///
    /// # Errors
    /// [`BatchError::TooLarge`] when the batch would exceed 2 GiB; the batch is then as before.
    #[inline]
    pub fn append(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
        timestamp: i64,
    ) -> Result<(), BatchError> {
        self.write(self.last_offset_delta.saturating_add(1), key, value, headers, timestamp)
    }

    /// Appends a record at `offset`, leaving a gap: for batches that compaction thinned out.
    ///
    /// # Errors
    /// [`BatchError::OutOfOrder`] when `offset` is not after the last one, or farther from the base offset than a
    /// batch can say; [`BatchError::TooLarge`] as for [`BatchBuilder::append`].
    pub fn append_at(
        &mut self,
        offset: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
        timestamp: i64,
    ) -> Result<(), BatchError> {
        let previous = self.settings.base_offset.wrapping_add(i64::from(self.last_offset_delta));
        let delta = offset.checked_sub(self.settings.base_offset).and_then(|delta| i32::try_from(delta).ok());
        match delta {
            Some(delta) if offset > previous => self.write(delta, key, value, headers, timestamp),
            _ => Err(BatchError::OutOfOrder { previous, last_offset: offset }),
        }
    }

    #[inline]
    fn write(
        &mut self,
        offset_delta: i32,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
        timestamp: i64,
    ) -> Result<(), BatchError> {
        let base = if self.count == 0 { timestamp } else { self.base_timestamp };
        let timestamp_delta = timestamp.wrapping_sub(base);
        let body = body_bytes(offset_delta, timestamp_delta, key, value, headers);
        let size = self.buffer.len() + size_of_varint(body.min(i32::MAX as usize) as i32) + body;
        let max_bytes = i32::MAX as usize;
        if size > max_bytes || self.count == i32::MAX {
            return Err(BatchError::TooLarge { size_bytes: size, max_bytes });
        }
        self.buffer.reserve(size - self.buffer.len());
        let out = &mut self.buffer;
        write_varint(body as i32, out);
        out.push(0);
        write_varlong(timestamp_delta, out);
        write_varint(offset_delta, out);
        write_sized(key, out);
        write_sized(value, out);
        write_varint(headers.len() as i32, out);
        for header in headers {
            write_sized(Some(header.key), out);
            write_sized(header.value, out);
        }
        self.base_timestamp = base;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.last_offset_delta = offset_delta;
        self.count += 1;
        Ok(())
    }

    /// Number of records so far.
    pub fn records_count(&self) -> usize {
        self.count as usize
    }

    /// Whether there is no record yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Size of the batch as it stands, in bytes, if it is not compressed.
    pub fn size_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Size of the batch (bytes, uncompressed) if this record were appended.
    pub fn size_with(
        &self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
        timestamp: i64,
    ) -> usize {
        let base = if self.count == 0 { timestamp } else { self.base_timestamp };
        let delta = timestamp.wrapping_sub(base);
        let body = body_bytes(self.last_offset_delta.saturating_add(1), delta, key, value, headers);
        self.buffer.len() + size_of_varint(body.min(i32::MAX as usize) as i32) + body
    }

    /// Largest timestamp so far, in ms; -1 while there is none.
    pub fn max_timestamp(&self) -> i64 {
        self.max_timestamp
    }

    /// Gives the batch its producer id, epoch and base sequence, which are known late: when it is about to be sent.
    pub fn set_producer(&mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) {
        self.settings.producer_id = producer_id;
        self.settings.producer_epoch = producer_epoch;
        self.settings.base_sequence = base_sequence;
    }

    /// Makes the batch end at `last_offset` even if no record has it, as compaction does when it removed the last one.
    /// An offset at or before the last record's is ignored.
    pub fn set_last_offset(&mut self, last_offset: i64) {
        let delta = last_offset.saturating_sub(self.settings.base_offset);
        self.last_offset_delta = self.last_offset_delta.max(i32::try_from(delta).unwrap_or(i32::MAX));
    }

    /// The finished batch: header with checksum, records compressed if the settings say so.
    ///
    /// # Errors
    /// [`BatchError::Compression`] for a level the codec does not know.
    pub fn build(self) -> Result<Vec<u8>, BatchError> {
        self.build_within(usize::MAX)
    }

    /// As [`BatchBuilder::build`], but with plain records if compression, as it may with what looks random, makes the batch
    /// larger than so many bytes.
    ///
    /// # Errors
    /// As there.
    pub fn build_within(mut self, size_bytes_max: usize) -> Result<Vec<u8>, BatchError> {
        if self.settings.compression != Compression::None {
            let plain = std::mem::take(&mut self.buffer);
            self.buffer.reserve(HEADER_BYTES + plain.len() / 2);
            self.buffer.resize(HEADER_BYTES, 0);
            let settings = &self.settings;
            settings.compression.compress(settings.level, &plain[HEADER_BYTES..], &mut self.buffer)?;
            if self.buffer.len() > size_bytes_max {
                self.buffer = plain;
                self.settings.compression = Compression::None;
            }
        }
        let header = self.header(self.buffer.len());
        Ok(seal(header, self.buffer))
    }

    /// The header and the buffer with the plain records after its room, for readers of rewritten records.
    pub(crate) fn into_parts(self) -> (BatchHeader, Vec<u8>) {
        (self.header(self.buffer.len()), self.buffer)
    }

    fn header(&self, size_bytes: usize) -> BatchHeader {
        let settings = &self.settings;
        let timestamp_type =
            settings.log_append_time_ms.map_or(TimestampType::CreateTime, |_| TimestampType::LogAppendTime);
        BatchHeader {
            base_offset: settings.base_offset,
            batch_length: (size_bytes - LOG_OVERHEAD_BYTES) as i32,
            partition_leader_epoch: settings.partition_leader_epoch,
            magic: 2,
            crc: 0,
            attributes: header::attributes(
                settings.compression,
                timestamp_type,
                settings.transactional,
                settings.control,
            ),
            last_offset_delta: self.last_offset_delta.max(0),
            base_timestamp: self.base_timestamp,
            max_timestamp: settings.log_append_time_ms.unwrap_or(self.max_timestamp),
            producer_id: settings.producer_id,
            producer_epoch: settings.producer_epoch,
            base_sequence: settings.base_sequence,
            records_count: self.count,
        }
    }
}

/// Writes `header` and the checksum over the front of `buffer`, which holds the payload after 61 bytes of room.
pub(crate) fn seal(header: BatchHeader, mut buffer: Vec<u8>) -> Vec<u8> {
    seal_in(header, &mut buffer);
    buffer
}

/// As [`seal`], in a part of a buffer; gives the header with its checksum.
pub(crate) fn seal_in(header: BatchHeader, batch: &mut [u8]) -> BatchHeader {
    batch[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    BatchHeader { crc, ..header }
}

fn sized_bytes(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => size_of_varint(bytes.len().min(i32::MAX as usize) as i32) + bytes.len(),
        None => 1,
    }
}

fn body_bytes(
    offset_delta: i32,
    timestamp_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header<'_>],
) -> usize {
    let headers_bytes: usize =
        headers.iter().map(|header| sized_bytes(Some(header.key)) + sized_bytes(header.value)).sum();
    1 + size_of_varlong(timestamp_delta)
        + size_of_varint(offset_delta)
        + sized_bytes(key)
        + sized_bytes(value)
        + size_of_varint(headers.len().min(i32::MAX as usize) as i32)
        + headers_bytes
}

#[inline]
fn write_sized(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => {
            write_varint(bytes.len() as i32, out);
            out.extend_from_slice(bytes);
        }
        None => write_varint(-1, out),
    }
}
