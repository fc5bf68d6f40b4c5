//! The hash and the partition choice that Kafka's own producers make.
//!
//! Owns murmur2 with Kafka's seed. It never sees anything but a key's bytes.

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;
const R: u32 = 24;

/// The 32-bit murmur2 hash of `data`, with the seed Kafka's clients use.
pub fn murmur2(data: &[u8]) -> i32 {
    let mut h = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let tail = words.remainder();
    if !tail.is_empty() {
        for (i, &byte) in tail.iter().enumerate() {
            h ^= u32::from(byte) << (8 * i);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^= h >> 15;
    h as i32
}

/// The partition Kafka's default partitioner puts a record with this key into.
///
/// `partitions` is the number of partitions of the topic; with 0 the answer is 0.
pub fn partition_for_key(key: &[u8], partitions: u32) -> u32 {
    // The sign bit is masked away, not negated: that is what every Kafka client does.
    ((murmur2(key) as u32) & 0x7fff_ffff).checked_rem(partitions).unwrap_or(0)
}
