//! Which partition of an internal topic coordinates a key. It never asks who leads that partition.

#[cfg(test)]
mod tests;

/// Java's `String.hashCode`: a sum over the UTF-16 code units, in wrapping 32-bit arithmetic.
pub fn java_string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// The partition, out of `partition_count`, that coordinates `key`. Kafka takes the absolute value of the hash, where
/// the smallest integer counts as zero.
///
/// # Panics
/// If `partition_count` is not positive: a topic has at least one partition.
pub fn partition_for(key: &str, partition_count: i32) -> i32 {
    assert!(partition_count > 0, "a topic has at least one partition");
    java_string_hash(key).checked_abs().unwrap_or(0) % partition_count
}
