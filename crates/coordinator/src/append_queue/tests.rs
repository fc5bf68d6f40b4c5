//! Tests of the append queue.

use super::AppendQueue;

#[test]
fn ends_in_order_and_from_the_middle() {
    let mut queue = AppendQueue::default();
    let a = queue.begin("a");
    let b = queue.begin("b");
    let c = queue.begin("c");
    assert_eq!(queue.end(b), Some("b"));
    assert_eq!(queue.end(b), None);
    assert_eq!(queue.iter().copied().collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(queue.end(a), Some("a"));
    assert_eq!(queue.newest_mut().copied(), Some("c"));
    assert_eq!(queue.end(c), Some("c"));
    assert!(queue.is_empty());
    assert_ne!(queue.begin("d"), c);
}
