//! Patched copies of a batch header.
//!
//! Owns what the leader writes into a batch it appends: offset, epoch and, where the topic asks for it, the
//! timestamp. It never needs the records: the checksum of a patched header follows from the old checksum.

use crate::header::{BatchHeader, HEADER_BYTES, LOG_OVERHEAD_BYTES, TimestampType};

/// Where the checksum field starts.
const CRC_AT: usize = 17;
/// Where the bytes start that the checksum covers.
const CRC_FROM: usize = 21;

/// A copy of `header` with this base offset and leader epoch. The checksum covers neither, so it stays.
#[inline]
pub fn stamp(
    header: &[u8; HEADER_BYTES],
    base_offset: i64,
    partition_leader_epoch: i32,
) -> [u8; HEADER_BYTES] {
    let mut out = *header;
    out[0..8].copy_from_slice(&base_offset.to_be_bytes());
    out[12..16].copy_from_slice(&partition_leader_epoch.to_be_bytes());
    out
}

/// A copy of `header` for a topic with `message.timestamp.type=LogAppendTime`: as [`stamp`], and flagged as stamped
/// by the log with `now_ms` as the maximum timestamp.
///
/// The header's checksum must have been verified: the new one is derived from it.
#[inline]
pub fn stamp_log_append_time(
    header: &[u8; HEADER_BYTES],
    base_offset: i64,
    partition_leader_epoch: i32,
    now_ms: i64,
) -> [u8; HEADER_BYTES] {
    stamp_timestamps(header, base_offset, partition_leader_epoch, TimestampType::LogAppendTime, now_ms)
}

/// A copy of `header` with this base offset, leader epoch, timestamp type and maximum timestamp (ms).
///
/// If type and maximum are already so, only offset and epoch change and unknown attribute bits stay; else unknown
/// bits are cleared and the checksum is derived from the old one, which must have been verified.
pub fn stamp_timestamps(
    header: &[u8; HEADER_BYTES],
    base_offset: i64,
    partition_leader_epoch: i32,
    timestamp_type: TimestampType,
    max_timestamp_ms: i64,
) -> [u8; HEADER_BYTES] {
    let mut out = stamp(header, base_offset, partition_leader_epoch);
    let Ok(old) = BatchHeader::parse(header) else { return out };
    if old.timestamp_type() == timestamp_type && old.max_timestamp == max_timestamp_ms {
        return out;
    }
    out[21..23].copy_from_slice(&old.attributes_with(timestamp_type).to_be_bytes());
    out[35..43].copy_from_slice(&max_timestamp_ms.to_be_bytes());
    seal(header, &old, &mut out);
    out
}

/// A copy of `header` with this producer id, producer epoch and base sequence, and the checksum that follows from it and
/// from the old one, which must be right. For a producer that has to send a finished batch under another identity.
pub fn stamp_producer(
    header: &[u8; HEADER_BYTES],
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
) -> [u8; HEADER_BYTES] {
    let mut out = *header;
    out[43..51].copy_from_slice(&producer_id.to_be_bytes());
    out[51..53].copy_from_slice(&producer_epoch.to_be_bytes());
    out[53..57].copy_from_slice(&base_sequence.to_be_bytes());
    if let Ok(old) = BatchHeader::parse(header) {
        seal(header, &old, &mut out);
    }
    out
}

/// Writes the checksum of `out` into it, given that it differs from `header` only within the header.
fn seal(header: &[u8; HEADER_BYTES], old: &BatchHeader, out: &mut [u8; HEADER_BYTES]) {
    // CRC is linear: crc(a·x) xor crc(b·x) is crc(a) xor crc(b) shifted over x, whatever x is. So the payload,
    // which may be a megabyte that nobody else has to touch, need not be read again.
    let payload_bytes = (old.batch_length as usize + LOG_OVERHEAD_BYTES) - HEADER_BYTES;
    let changed = crc32c::crc32c(&header[CRC_FROM..]) ^ crc32c::crc32c(&out[CRC_FROM..]);
    let crc = shift(changed, payload_bytes as u32) ^ old.crc;
    out[CRC_AT..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
}

/// The polynomial of CRC-32C, lowest power in the highest bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// The polynomial 1 in that order of bits.
const ONE: u32 = 1 << 31;
/// `POWERS[k]` is x to the power of 8·2^k, the shift over 2^k bytes.
const POWERS: [u32; 32] = {
    // Start at x, square it to x^8, then once more per entry.
    let mut power = ONE >> 1;
    let mut squarings = 0;
    while squarings < 3 {
        power = multiply(power, power);
        squarings += 1;
    }
    let mut table = [0; 32];
    let mut k = 0;
    while k < table.len() {
        table[k] = power;
        power = multiply(power, power);
        k += 1;
    }
    table
};

/// The product of two polynomials modulo that of CRC-32C.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 32;
    while bit > 0 {
        bit -= 1;
        // Masks instead of branches: the bits of a checksum are as good as random.
        product ^= b & 0u32.wrapping_sub((a >> bit) & 1);
        b = (b >> 1) ^ (POLYNOMIAL & 0u32.wrapping_sub(b & 1));
    }
    product
}

/// What a difference between two checksums becomes when the same `bytes` bytes follow on both sides.
fn shift(difference: u32, mut bytes: u32) -> u32 {
    let mut shifted = difference;
    while bytes != 0 {
        shifted = multiply(POWERS[bytes.trailing_zeros() as usize], shifted);
        bytes &= bytes - 1;
    }
    shifted
}
