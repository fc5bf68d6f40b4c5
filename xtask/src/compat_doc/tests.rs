//! The page is fresh and says what the table says.

use super::{parse_api, run, snake_case};

#[test]
fn the_page_is_fresh() {
    assert_eq!(run(&["--check".to_owned()]), Ok(()));
}

#[test]
fn schema_heads_are_read() {
    let api =
        parse_api("api 22 InitProducerId on broker\n\nrequest 0-6 flexible 2+ unstable\n").expect("an API");
    assert_eq!((api.key, api.versions, api.is_for_brokers), (22, Some((0, 5)), true));
    let gone = parse_api("api 4 LeaderAndIsr\n\nrequest none\n").expect("a key without versions");
    assert_eq!((gone.versions, gone.is_for_brokers), (None, false));
    assert!(parse_api("struct X\n").is_none());
}

#[test]
fn names_become_file_names() {
    assert_eq!(snake_case("OffsetForLeaderEpoch"), "offset_for_leader_epoch");
    assert_eq!(snake_case("SaslHandshake"), "sasl_handshake");
}
