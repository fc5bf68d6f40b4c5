//! Nearest names.

use super::{nearest, unknown_key};

#[test]
fn close_names_are_found_and_far_ones_are_not() {
    let names = ["num.partitions", "log.dirs", "log.dir", "node.id"];
    let near = |name| nearest(name, names.into_iter());
    assert_eq!(near("num.partition"), Some("num.partitions"));
    assert_eq!(near("nmu.partitions"), Some("num.partitions"));
    assert_eq!(near("log.dri"), Some("log.dir"));
    assert_eq!(near("completely.different"), None);
    assert_eq!(near(""), None);
    assert_eq!(near(&"n".repeat(100_000)), None);
}

#[test]
fn an_unknown_key_gets_a_hint() {
    assert_eq!(
        unknown_key("auto.create.topic.enable"),
        "Unknown configuration auto.create.topic.enable. Did you mean auto.create.topics.enable?"
    );
    assert!(unknown_key("qqqqqq").starts_with("Unknown configuration qqqqqq. Kafka's"));
}
