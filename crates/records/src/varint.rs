//! Zig-zag variable-length integers as records use them.
//!
//! Owns their reading and writing. It never reads past its slice, and it accepts exactly the encodings Kafka
//! accepts: at most 5 bytes for 32 bits and 10 for 64, surplus high bits of the last byte dropped.

use crate::error::RecordFault;

/// Most bytes of a 32-bit variable-length integer.
pub(crate) const MAX_VARINT_BYTES: usize = 5;
/// Most bytes of a 64-bit variable-length integer.
pub(crate) const MAX_VARLONG_BYTES: usize = 10;

/// Reads a zig-zag 32-bit integer off the front of `rest`.
#[inline(always)]
pub(crate) fn read_varint(rest: &mut &[u8]) -> Result<i32, RecordFault> {
    let Some((&first, tail)) = rest.split_first() else { return Err(RecordFault::Truncated) };
    if first < 0x80 {
        *rest = tail;
        return Ok(zigzag32(u32::from(first)));
    }
    read_varint_long(rest)
}

fn read_varint_long(rest: &mut &[u8]) -> Result<i32, RecordFault> {
    let mut value = 0u32;
    for (i, &byte) in rest.iter().take(MAX_VARINT_BYTES).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *rest = &rest[i + 1..];
            return Ok(zigzag32(value));
        }
    }
    Err(if rest.len() < MAX_VARINT_BYTES { RecordFault::Truncated } else { RecordFault::Varint })
}

/// Reads a zig-zag 64-bit integer off the front of `rest`.
#[inline(always)]
pub(crate) fn read_varlong(rest: &mut &[u8]) -> Result<i64, RecordFault> {
    let Some((&first, tail)) = rest.split_first() else { return Err(RecordFault::Truncated) };
    if first < 0x80 {
        *rest = tail;
        return Ok(zigzag64(u64::from(first)));
    }
    read_varlong_long(rest)
}

fn read_varlong_long(rest: &mut &[u8]) -> Result<i64, RecordFault> {
    let mut value = 0u64;
    for (i, &byte) in rest.iter().take(MAX_VARLONG_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            *rest = &rest[i + 1..];
            return Ok(zigzag64(value));
        }
    }
    Err(if rest.len() < MAX_VARLONG_BYTES { RecordFault::Truncated } else { RecordFault::Varint })
}

#[inline(always)]
fn zigzag32(raw: u32) -> i32 {
    ((raw >> 1) as i32) ^ -((raw & 1) as i32)
}

#[inline(always)]
fn zigzag64(raw: u64) -> i64 {
    ((raw >> 1) as i64) ^ -((raw & 1) as i64)
}

/// Appends `value` as a zig-zag 32-bit integer.
#[inline]
pub(crate) fn write_varint(value: i32, out: &mut Vec<u8>) {
    write_unsigned(u64::from(((value << 1) ^ (value >> 31)) as u32), out);
}

/// Appends `value` as a zig-zag 64-bit integer.
#[inline]
pub(crate) fn write_varlong(value: i64, out: &mut Vec<u8>) {
    write_unsigned(((value << 1) ^ (value >> 63)) as u64, out);
}

/// Appends `value` as an unsigned variable-length integer (the form RPC structs use).
#[inline]
pub(crate) fn write_unsigned(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that `value` takes as a zig-zag 32-bit integer.
#[inline]
pub(crate) fn size_of_varint(value: i32) -> usize {
    size_of_unsigned(u64::from(((value << 1) ^ (value >> 31)) as u32))
}

/// Bytes that `value` takes as a zig-zag 64-bit integer.
#[inline]
pub(crate) fn size_of_varlong(value: i64) -> usize {
    size_of_unsigned(((value << 1) ^ (value >> 63)) as u64)
}

#[inline]
fn size_of_unsigned(value: u64) -> usize {
    // The number of significant bits, at least one, in groups of seven.
    (70 - (value | 1).leading_zeros() as usize) / 7
}
