//! Hashes and partitions as Kafka computes them.

use super::{java_string_hash, partition_for};

#[test]
fn matches_kafka() {
    // Computed by Kafka: key, Java hash, partition of 50.
    let vectors = [
        ("my-group", -1_906_497_762, 12),
        ("connect-cluster", 1_440_343_063, 13),
        ("", 0, 0),
        ("console-consumer-12345", 158_455_506, 6),
        ("g1", 3242, 42),
        ("ümlaut", -1_271_410_363, 13),
    ];
    for (key, hash, partition) in vectors {
        assert_eq!(java_string_hash(key), hash, "{key}");
        assert_eq!(partition_for(key, 50), partition, "{key}");
    }
}

#[test]
fn smallest_hash_is_partition_zero() {
    let key = "polygenelubricants";
    assert_eq!(java_string_hash(key), i32::MIN);
    assert_eq!(partition_for(key, 50), 0);
}

#[test]
fn counts_utf16_units() {
    // U+1F600 is the surrogate pair d83d de00.
    assert_eq!(java_string_hash("\u{1F600}"), 0xd83d_i32.wrapping_mul(31).wrapping_add(0xde00));
}
