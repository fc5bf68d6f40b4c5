//! Entries of magic 0 and 1, for reading only.
//!
//! Owns the format that producers wrote before Kafka 0.11. It never writes one: entries are turned into magic-2
//! records, so that everything that reads records reads these as well.

use crate::batch::Batch;
use crate::builder::{BatchBuilder, BatchSettings};
use crate::codec::lz4;
use crate::compression::{Compression, CompressionError};
use crate::error::{BatchError, RecordFault};
use crate::header::{BatchHeader, HEADER_BYTES, LOG_OVERHEAD_BYTES, NO_TIMESTAMP, TimestampType};

/// One message: an entry of the outer or the inner level.
struct Message<'a> {
    offset: i64,
    timestamp: i64,
    compression: Compression,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

fn read_sized<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, RecordFault> {
    let (length, tail) = rest.split_first_chunk::<4>().ok_or(RecordFault::Truncated)?;
    *rest = tail;
    let length = i32::from_be_bytes(*length);
    if length < 0 {
        return Ok(None);
    }
    let (bytes, tail) = rest.split_at_checked(length as usize).ok_or(RecordFault::Truncated)?;
    *rest = tail;
    Ok(Some(bytes))
}

/// Reads the message in `bytes`, which are exactly those of `header`.
fn read_message<'a>(header: &BatchHeader, bytes: &'a [u8]) -> Result<Message<'a>, BatchError> {
    let faulty = |fault| BatchError::Record { index: 0, fault };
    let fields = LOG_OVERHEAD_BYTES + if header.magic == 0 { 6 } else { 14 };
    let mut rest = bytes.get(fields..).ok_or(faulty(RecordFault::Truncated))?;
    let key = read_sized(&mut rest).map_err(faulty)?;
    let value = read_sized(&mut rest).map_err(faulty)?;
    if !rest.is_empty() {
        return Err(faulty(RecordFault::Size));
    }
    Ok(Message {
        offset: header.base_offset,
        timestamp: if header.magic == 0 { NO_TIMESTAMP } else { header.max_timestamp },
        compression: header.compression()?,
        key,
        value,
    })
}

/// Reads the messages that lie one after another in `plain`.
fn inner_messages(plain: &[u8]) -> impl Iterator<Item = Result<Message<'_>, BatchError>> {
    let mut rest = plain;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let found = Batch::parse(rest).and_then(|batch| {
            rest = &rest[batch.bytes.len()..];
            if !batch.header.is_legacy() {
                return Err(BatchError::Magic { magic: batch.header.magic });
            }
            read_message(&batch.header, batch.bytes)
        });
        if found.is_err() {
            rest = &[];
        }
        Some(found)
    })
}

fn decompress(
    header: &BatchHeader,
    compression: Compression,
    packed: &[u8],
    limit: usize,
) -> Result<Vec<u8>, BatchError> {
    let mut plain = Vec::new();
    if header.magic > 0 || compression != Compression::Lz4 {
        compression.decompress(packed, limit, &mut plain)?;
        return Ok(plain);
    }
    // Magic 0 was written with a wrong checksum of the LZ4 frame header, which has to be overlooked.
    let mut inflate = lz4::Inflate::with_header_checksum(packed, false)?;
    while plain.len() <= limit {
        let room = (limit - plain.len()).saturating_add(1);
        if !inflate.pull(&mut plain, room)? {
            return Ok(plain);
        }
    }
    Err(CompressionError::Limit { codec: compression, limit_bytes: limit }.into())
}

/// Rewrites the records of an old entry as magic-2 records into `scratch` and returns the header
/// that fits them. `limit` bounds the decompressed bytes.
pub(crate) fn rewrite(
    batch: &Batch<'_>,
    limit: usize,
    scratch: &mut Vec<u8>,
) -> Result<BatchHeader, BatchError> {
    let header = &batch.header;
    let outer = read_message(header, batch.bytes)?;
    let stamped = (header.timestamp_type() == TimestampType::LogAppendTime).then_some(header.max_timestamp);
    let builder = if outer.compression == Compression::None {
        let mut builder = builder_at(outer.offset, scratch);
        builder.append(outer.key, outer.value, &[], outer.timestamp)?;
        builder
    } else {
        let packed = outer.value.ok_or(BatchError::Record { index: 0, fault: RecordFault::Truncated })?;
        let plain = decompress(header, outer.compression, packed, limit)?;
        let (mut first, mut last) = (None, 0);
        for message in inner_messages(&plain) {
            last = message?.offset;
            first = first.or(Some(last));
        }
        // Magic 0 has absolute offsets inside; magic 1 relative ones, and the outer offset is the last one's.
        let shift = if header.magic == 0 { 0 } else { outer.offset.wrapping_sub(last) };
        let mut builder = builder_at(first.unwrap_or(0).wrapping_add(shift), scratch);
        for (index, message) in inner_messages(&plain).enumerate() {
            let message = message?;
            if message.compression != Compression::None {
                return Err(BatchError::Record { index: index as u32, fault: RecordFault::Size });
            }
            let timestamp = stamped.unwrap_or(message.timestamp);
            builder.append_at(
                message.offset.wrapping_add(shift),
                message.key,
                message.value,
                &[],
                timestamp,
            )?;
        }
        builder
    };
    let (rewritten, buffer) = builder.into_parts();
    *scratch = buffer;
    scratch.drain(..HEADER_BYTES);
    Ok(rewritten)
}

fn builder_at(base_offset: i64, scratch: &mut Vec<u8>) -> BatchBuilder {
    let settings = BatchSettings { base_offset, ..BatchSettings::default() };
    BatchBuilder::with_buffer(settings, std::mem::take(scratch))
}
