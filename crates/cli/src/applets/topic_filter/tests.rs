//! Expressions as Kafka's tools take them.

use super::*;

fn check(expression: &str, allowed: &[&str], refused: &[&str]) {
    let filter = TopicFilter::new(expression).expect("an expression");
    for topic in allowed {
        assert!(filter.allows(topic), "{expression} {topic}");
    }
    for topic in refused {
        assert!(!filter.allows(topic), "{expression} {topic}");
    }
}

#[test]
fn whole_names_match() {
    check("orders", &["orders"], &["orders2", "my-orders"]);
    check("a.c", &["abc", "a.c"], &["abcd"]);
    check("a, b.*", &["a", "b", "bcd"], &["ab", "a, b"]);
    check("\"orders\"", &["orders"], &["\"orders\""]);
    check("'\\d+'", &["12"], &["1a"]);
    check("a|b", &["a", "b"], &["ab"]);
    check("", &[""], &["a"]);
}

#[test]
fn what_is_no_expression_is_refused() {
    let error = TopicFilter::new("[a").expect_err("it is not closed");
    assert_eq!(error.to_string(), "[a is an invalid regex.");
}
