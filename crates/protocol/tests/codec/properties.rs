//! Arbitrary values of every message and version. Owns the round trips and the differential test of the generated
//! codec against the interpreting one, across versions too.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use protocol::EncodeError;

use crate::corpus::{Arbitrary, messages};
use crate::dynamic::{self, Refusal, Value};
use crate::entry::{Entry, Failure};
use crate::schema::Message;

/// Runs `check` for arbitrary values of every message and version.
fn for_all(cases: u32, check: impl Fn(&Entry, &Message, i16, &Value) -> Result<(), TestCaseError>) {
    for (entry, message) in messages() {
        for version in dynamic::versions(message) {
            let config = Config { cases, failure_persistence: None, ..Config::default() };
            let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
            let seeds = proptest::num::u64::ANY.no_shrink();
            let values =
                seeds.prop_map(|seed| Arbitrary::new(seed).structure(message, &message.structs[0], version));
            let outcome = TestRunner::new_with_rng(config, rng)
                .run(&values, |value| check(entry, message, version, &value));
            if let Err(error) = outcome {
                panic!("{} {version}: {error}", entry.name);
            }
        }
    }
}

#[test]
fn values_survive_a_round_trip() {
    for_all(12, |entry, message, version, value| {
        let (bytes, _) = dynamic::encode(message, value, version).expect("values fit their version");
        proptest::prop_assert_eq!((entry.recode)(&bytes, version, version), Ok(bytes.clone()));
        proptest::prop_assert_eq!((entry.recode_owned)(&bytes, version), Ok(bytes.clone()));
        let printed = (entry.debug)(&bytes, version).map_err(|e| TestCaseError::fail(e.to_string()))?;
        proptest::prop_assert_eq!(printed, dynamic::debug(message, &message.structs[0], value, version));
        Ok(())
    });
}

#[test]
fn other_versions_drop_refuse_or_carry_as_the_schema_says() {
    let (carried, refused) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    for_all(3, |entry, message, from, value| {
        let (bytes, _) = dynamic::encode(message, value, from).expect("values fit their version");
        for to in dynamic::versions(message) {
            let expected = dynamic::encode(message, value, to);
            match ((entry.recode)(&bytes, from, to), expected) {
                (Ok(typed), Ok((dynamic, _))) => {
                    carried.set(carried.get() + 1);
                    proptest::prop_assert_eq!(typed, dynamic, "{} to {}", from, to);
                }
                (Err(Failure::Encode(error)), Err(refusal)) => {
                    refused.set(refused.get() + 1);
                    proptest::prop_assert_eq!(named(error, entry.name, to), Some(refusal));
                }
                (typed, dynamic) => {
                    return Err(TestCaseError::fail(format!("{from} to {to}: {typed:?}, {dynamic:?}")));
                }
            }
        }
        Ok(())
    });
    assert!(carried.get() > 5000 && refused.get() > 500, "{} and {}", carried.get(), refused.get());
}

/// The error as the other codec puts it, provided it names message and version.
fn named(error: EncodeError, name: &str, to: i16) -> Option<Refusal> {
    match error {
        EncodeError::FieldNotInVersion { message, field, version } if (message, version) == (name, to) => {
            Some(Refusal::NotInVersion(field.to_owned()))
        }
        EncodeError::UnexpectedNull { message, field, version } if (message, version) == (name, to) => {
            Some(Refusal::Null(field.to_owned()))
        }
        _ => None,
    }
}
