//! The order in which Java's hash tables hand out strings.
//!
//! Owns nothing else. Kafka's tools print some lists in this order, and what compares their output with ours sees the same
//! lines.

/// Puts things in the order of a `java.util.HashMap` with these keys that grew as they came.
pub fn sort_by_hash<T>(things: &mut [T], key: impl Fn(&T) -> &str) {
    sort_by_hash_code(things, |thing| string_hash(key(thing)));
}

/// The same for a table that was made for so many keys.
pub fn sort_by_hash_sized<T>(things: &mut [T], key: impl Fn(&T) -> &str) {
    let buckets = things.len().max(1).next_power_of_two();
    sort_from(things, buckets, |thing| string_hash(key(thing)));
}

/// The same for keys that are not strings, by their hash codes.
pub fn sort_by_hash_code<T>(things: &mut [T], code: impl Fn(&T) -> u32) {
    sort_from(things, 16, code);
}

fn sort_from<T>(things: &mut [T], buckets: usize, code: impl Fn(&T) -> u32) {
    // A table doubles when it is more than three quarters full; within a bucket the order of arrival stays.
    let mut buckets = buckets;
    while things.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    things.sort_by_key(|thing| {
        let hash = code(thing);
        (hash ^ (hash >> 16)) as usize & (buckets - 1)
    });
}

/// `TopicPartition.hashCode`.
pub fn partition_hash(topic: &str, partition: i32) -> u32 {
    let hash = 31_u32.wrapping_add(partition as u32);
    hash.wrapping_mul(31).wrapping_add(string_hash(topic))
}

/// `String.hashCode`.
fn string_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

#[cfg(test)]
mod tests;
