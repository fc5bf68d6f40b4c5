//! What a Java program printed.

use super::*;

#[test]
fn strings_hash_as_in_java() {
    assert_eq!(string_hash(""), 0);
    assert_eq!(string_hash("hello"), 99_162_322);
    assert_eq!(string_hash("cleanup.policy") as i32, java_hash("cleanup.policy"));
}

/// The definition, written out.
fn java_hash(text: &str) -> i32 {
    let mut hash = 0_i32;
    for unit in text.encode_utf16() {
        hash = hash.wrapping_mul(31).wrapping_add(i32::from(unit));
    }
    hash
}

#[test]
fn lists_are_in_the_order_of_a_table() {
    let mut words = ["retention.ms", "min.insync.replicas", "cleanup.policy", "segment.bytes"];
    sort_by_hash(&mut words, |word| word);
    assert_eq!(words, ["cleanup.policy", "min.insync.replicas", "retention.ms", "segment.bytes"]);
    let mut words: Vec<String> = (0..14).map(|number| format!("config.{number}")).collect();
    sort_by_hash(&mut words, |word| word);
    let numbers: Vec<&str> = words.iter().filter_map(|word| word.strip_prefix("config.")).collect();
    assert_eq!(numbers, ["7", "11", "6", "12", "5", "13", "4", "9", "8", "10", "3", "2", "1", "0"]);
}

#[test]
fn a_table_made_for_its_keys_has_fewer_buckets() {
    let mut words = ["producer_byte_rate", "consumer_byte_rate"];
    sort_by_hash(&mut words, |word| word);
    assert_eq!(words, ["producer_byte_rate", "consumer_byte_rate"]);
    sort_by_hash_sized(&mut words, |word| word);
    assert_eq!(words, ["consumer_byte_rate", "producer_byte_rate"]);
}
