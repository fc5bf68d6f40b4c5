//! Our codec against the `kafka-protocol` crate, where that one reaches (Kafka 4.1 and older). Owns the comparison;
//! the inputs are those of the codec tests.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[allow(dead_code, reason = "shared with the codec tests, which use the rest")]
#[path = "../codec/corpus.rs"]
mod corpus;
#[allow(dead_code, reason = "shared with the codec tests, which use the rest")]
#[path = "../codec/dynamic.rs"]
mod dynamic;
#[allow(dead_code, reason = "shared with the codec tests, which use the rest")]
#[path = "../codec/entry.rs"]
mod entry;
mod foreign;
#[allow(dead_code, reason = "shared with the code generator, which uses the rest")]
#[path = "../../../../xtask/src/codegen/names.rs"]
mod names;
#[path = "../codec/registry.rs"]
mod registry;
#[allow(dead_code, reason = "shared with the code generator, which uses the rest")]
#[path = "../../../../xtask/src/codegen/schema.rs"]
mod schema;

use corpus::{Arbitrary, SCHEMAS, VECTORS, entry};
use foreign::{FOREIGN, Foreign};

/// Arbitrary values per message and version.
const VALUES: u64 = 6;

/// What the other crate makes of our bytes must be the same bytes again.
fn agree(foreign: &Foreign, version: i16, bytes: &[u8]) {
    let again = (foreign.recode)(bytes, version);
    let again = again.unwrap_or_else(|e| panic!("{} {version}: {e}: {bytes:02x?}", foreign.name));
    let ours = entry(foreign.name);
    let printed = |bytes: &[u8]| (ours.debug)(bytes, version);
    assert_eq!(printed(&again), printed(bytes), "{} {version}", foreign.name);
    assert_eq!(again, bytes, "{} {version}", foreign.name);
}

/// Versions that both know.
fn common(foreign: &Foreign) -> std::ops::RangeInclusive<i16> {
    let ours = entry(foreign.name);
    ours.min_version.max(foreign.min_version)..=ours.max_version.min(foreign.max_version)
}

#[test]
fn the_other_crate_reproduces_the_vectors() {
    let mut seen = 0;
    for foreign in FOREIGN {
        let versions = common(foreign);
        for v in VECTORS.iter().filter(|v| v.name == foreign.name && versions.contains(&v.version)) {
            agree(foreign, v.version, &v.bytes);
            seen += 1;
        }
    }
    assert!(seen > 1200, "{seen}");
}

#[test]
fn the_other_crate_reproduces_arbitrary_values() {
    let mut seen = 0;
    for foreign in FOREIGN {
        let message = &SCHEMAS[foreign.name];
        for version in common(foreign) {
            for seed in 0..VALUES {
                let value = Arbitrary::new(seed).structure(message, &message.structs[0], version);
                let (bytes, _) = dynamic::encode(message, &value, version).expect("values fit their version");
                agree(foreign, version, &bytes);
                seen += 1;
            }
        }
    }
    assert!(seen > 2500, "{seen}");
}

#[test]
fn nearly_all_messages_are_compared() {
    let compared: usize = FOREIGN.iter().map(|f| common(f).count()).sum();
    assert_eq!((FOREIGN.len(), compared), (183, 594));
}
