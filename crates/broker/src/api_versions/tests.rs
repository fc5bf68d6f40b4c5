//! The table against the schemas.

use super::*;

#[test]
fn every_served_version_is_one_that_kafka_serves_and_none_in_between_is_missing() {
    for served in SERVED {
        assert_eq!(
            (served.min, served.max),
            (served.key.min_version(), served.key.max_version()),
            "{:?}",
            served.key
        );
        assert!(served.key.on_broker(), "{:?}", served.key);
    }
}

#[test]
fn keys_ascend() {
    assert!(SERVED.windows(2).all(|pair| (pair[0].key as i16) < pair[1].key as i16));
}
