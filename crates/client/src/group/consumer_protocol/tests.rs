//! There and back, and what is no message.

use super::*;

#[test]
fn subscriptions_and_assignments_are_read_back() {
    let topics = ["a".to_owned(), "b".to_owned()];
    assert_eq!(subscribed_topics(&subscription(&topics).expect("short names")), topics);
    let partitions =
        [("a", 0), ("a", 2), ("b", 1)].map(|(topic, partition)| TopicPartition::new(topic, partition));
    assert_eq!(assigned_partitions(&assignment(&partitions).expect("short names")), partitions);
}

#[test]
fn what_cannot_be_read_is_nothing() {
    let mut newer = assignment(&[TopicPartition::new("a", 0)]).expect("a short name");
    newer[1] = 9;
    newer.extend([1, 2, 3]);
    assert_eq!(assigned_partitions(&newer), [TopicPartition::new("a", 0)]);
    for bytes in [&[][..], &[0], &[0, 1, 0xff, 0xff, 0xff, 0x7f]] {
        assert!(assigned_partitions(bytes).is_empty());
        assert!(subscribed_topics(bytes).is_empty());
    }
}
