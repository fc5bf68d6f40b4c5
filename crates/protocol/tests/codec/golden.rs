//! The bytes that Kafka's own serializers wrote. Owns the check that both codecs agree with them.

use std::collections::BTreeSet;

use crate::corpus::{SCHEMAS, VECTORS, messages};
use crate::dynamic;

#[test]
fn every_vector_is_there() {
    assert_eq!(VECTORS.len(), 1684);
    let covered: BTreeSet<(&str, i16)> = VECTORS.iter().map(|v| (v.name.as_str(), v.version)).collect();
    for (entry, message) in messages().filter(|(e, _)| !e.name.ends_with("Header")) {
        for version in dynamic::versions(message) {
            assert!(covered.contains(&(entry.name, version)), "{} {version} has no vector", entry.name);
        }
    }
}

#[test]
fn typed_messages_reproduce_the_bytes() {
    for v in VECTORS.iter() {
        let again = (v.entry().recode)(&v.bytes, v.version, v.version);
        assert_eq!(again.as_ref(), Ok(&v.bytes), "{} {}", v.name, v.version);
        let owned = (v.entry().recode_owned)(&v.bytes, v.version);
        assert_eq!(owned.as_ref(), Ok(&v.bytes), "{} {} owned", v.name, v.version);
    }
}

#[test]
fn values_encode_to_the_bytes_and_decode_to_the_fields() {
    for v in VECTORS.iter() {
        let message = &SCHEMAS[&v.name];
        let value = dynamic::from_json(message, &message.structs[0], &v.value, v.version);
        let (bytes, _) = dynamic::encode(message, &value, v.version).unwrap();
        assert_eq!(bytes, v.bytes, "{} {}", v.name, v.version);
        let printed = (v.entry().debug)(&v.bytes, v.version).unwrap();
        assert_eq!(
            printed,
            dynamic::debug(message, &message.structs[0], &value, v.version),
            "{} {}",
            v.name,
            v.version
        );
    }
}

#[test]
fn defaults_are_the_schemas() {
    for (entry, message) in messages() {
        let value = dynamic::default_struct(message, &message.structs[0]);
        let expected = dynamic::debug(message, &message.structs[0], &value, entry.max_version);
        // Fields that the latest version lacks print their default all the same.
        assert_eq!((entry.default)(), expected, "{}", entry.name);
        assert_eq!((entry.min_version, entry.max_version), (message.versions.lo, message.versions.hi));
        assert_eq!(entry.flexible_from, message.flexible_from.unwrap_or(i16::MAX));
    }
}
