//! Seeded mutations of every golden vector. Owns the check that whatever comes in, decoding neither panics nor
//! costs more memory than it may, and that what is accepted can be encoded.

use crate::allocator::{allowed_bytes, peak_bytes};
use crate::corpus::{Arbitrary, VECTORS};

/// Mutants per vector.
const MUTANTS: usize = 150;
/// Bytes that often sit at a boundary.
const SPECIAL: [u8; 8] = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff, 0x0f, 0x10];

fn mutate(arbitrary: &mut Arbitrary, bytes: &mut Vec<u8>) {
    for _ in 0..=arbitrary.below(3) {
        let at = arbitrary.below(bytes.len() + 1);
        match arbitrary.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << arbitrary.below(8),
            1 if at < bytes.len() => bytes[at] = SPECIAL[arbitrary.below(SPECIAL.len())],
            2 => bytes.insert(at, arbitrary.bits() as u8),
            3 => {
                let end = (at + arbitrary.below(6)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + arbitrary.below(40)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = arbitrary.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            _ => {
                let other = &VECTORS[arbitrary.below(VECTORS.len())].bytes;
                let from = arbitrary.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
        }
    }
}

#[test]
fn mutants_neither_panic_nor_swell() {
    let mut arbitrary = Arbitrary::new(20261125);
    let mut accepted = 0;
    for v in VECTORS.iter() {
        for _ in 0..MUTANTS {
            let mut bytes = v.bytes.clone();
            mutate(&mut arbitrary, &mut bytes);
            let (outcome, peak) = peak_bytes(|| (v.entry().decode)(&bytes, v.version));
            assert!(peak <= allowed_bytes(bytes.len()), "{} {} {bytes:02x?}", v.name, v.version);
            if outcome.is_ok() {
                accepted += 1;
                let again = (v.entry().recode)(&bytes, v.version, v.version).expect("it was decoded");
                let printed = (v.entry().debug)(&bytes, v.version);
                assert_eq!((v.entry().debug)(&again, v.version), printed, "{} {}", v.name, v.version);
            }
        }
    }
    assert!(accepted > 1000, "mutants that are still messages: {accepted}");
}
