//! Bytes that lie. Owns the check that every wrong length, count and truncation is an error that costs no memory.

use std::collections::BTreeSet;

use crate::allocator::{allowed_bytes, peak_bytes};
use crate::corpus::{SCHEMAS, VECTORS, messages};
use crate::dynamic::{self, Prefix};
use crate::entry::Entry;
use crate::schema::{Message, Struct, Type};

/// Decodes bytes that cannot be the message.
fn refuse(entry: &Entry, version: i16, bytes: &[u8], what: &str) {
    let (outcome, peak) = peak_bytes(|| (entry.decode)(bytes, version));
    assert!(outcome.is_err(), "{} {version}: {what} is accepted", entry.name);
    assert!(peak <= allowed_bytes(bytes.len()), "{} {version}: {what} costs {peak} bytes", entry.name);
}

#[test]
fn every_truncation_is_an_error() {
    for v in VECTORS.iter() {
        for end in 0..v.bytes.len() {
            refuse(v.entry(), v.version, &v.bytes[..end], "a truncated body");
        }
    }
}

#[test]
fn bytes_after_the_end_are_an_error() {
    for v in VECTORS.iter() {
        let longer = [v.bytes.as_slice(), &[0]].concat();
        refuse(v.entry(), v.version, &longer, "a trailing byte");
    }
}

/// Prefixes that no input of `remaining` bytes can honour.
fn lies(prefix: Prefix, remaining: usize) -> Vec<Vec<u8>> {
    if prefix.flexible {
        let lengths = [0xffff_ffff, 0x8000_0001, 0x8000_0000, 0x7fff_ffff, remaining as u64 + 2];
        let mut out: Vec<Vec<u8>> = lengths.into_iter().map(dynamic::uvarint).collect();
        out.push(vec![0xff; 5]);
        out.push(vec![0xff, 0xff, 0xff, 0xff, 0x1f]);
        out
    } else if prefix.size == 2 {
        [i16::MAX, -2, i16::MIN].iter().map(|n| n.to_be_bytes().to_vec()).collect()
    } else {
        let lengths = [i32::MAX, i32::MAX / 2, remaining as i32 + 1, -2, i32::MIN];
        lengths.iter().map(|n| n.to_be_bytes().to_vec()).collect()
    }
}

#[test]
fn every_hostile_length_and_count_is_an_error() {
    let mut counts = 0;
    for v in VECTORS.iter() {
        let message = &SCHEMAS[&v.name];
        let value = dynamic::from_json(message, &message.structs[0], &v.value, v.version);
        let (bytes, prefixes) = dynamic::encode(message, &value, v.version).unwrap();
        for prefix in prefixes {
            counts += usize::from(prefix.is_count);
            let (head, tail) = (&bytes[..prefix.at], &bytes[prefix.at + prefix.size..]);
            for lie in lies(prefix, tail.len()) {
                refuse(v.entry(), v.version, &[head, &lie, tail].concat(), &format!("length {lie:?}"));
                // Nothing behind the lie: the claim is all there is.
                refuse(v.entry(), v.version, &[head, &lie].concat(), &format!("only length {lie:?}"));
            }
        }
    }
    assert!(counts > 3000, "{counts} counts");
}

/// The arrays that `version` carries, by struct and field.
fn arrays(message: &Message, version: i16) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    let mut open: Vec<&Struct> = vec![&message.structs[0]];
    while let Some(s) = open.pop() {
        for field in s.fields.iter().filter(|f| f.versions.contains(version)) {
            if matches!(field.kind, Type::ScalarArray(_) | Type::StructArray(_)) {
                all.insert((s.name.clone(), field.name.clone()));
            }
            open.extend(field.kind.struct_name().map(|name| message.find(name)));
        }
    }
    all
}

#[test]
fn the_vectors_reach_every_array_of_every_version() {
    for (entry, message) in messages() {
        for version in dynamic::versions(message) {
            let arrays = arrays(message, version).len();
            let most = VECTORS
                .iter()
                .filter(|v| v.name == entry.name && v.version == version)
                .map(|v| {
                    let value = dynamic::from_json(message, &message.structs[0], &v.value, version);
                    let (_, prefixes) = dynamic::encode(message, &value, version).unwrap();
                    prefixes.iter().filter(|p| p.is_count).count()
                })
                .max();
            assert!(most.unwrap_or(0) >= arrays, "{} {version}: {most:?} of {arrays}", entry.name);
        }
    }
}
