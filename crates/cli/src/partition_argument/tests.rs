//! The syntax of partitions.

use super::PartitionArgument;

#[test]
fn topics_with_and_without_partitions_are_read() {
    let parsed = |text: &str| text.parse::<PartitionArgument>();
    let expected = |partitions: Option<Vec<i32>>| PartitionArgument { topic: "a.b".to_owned(), partitions };
    assert_eq!(parsed("a.b"), Ok(expected(None)));
    assert_eq!(parsed("a.b:3"), Ok(expected(Some(vec![3]))));
    assert_eq!(parsed("a.b:3,0"), Ok(expected(Some(vec![3, 0]))));
    for text in ["", ":3", "a:", "a:x", "a:-1", "a:1,,2", "a:1:2"] {
        assert!(parsed(text).is_err(), "{text:?}");
    }
}
