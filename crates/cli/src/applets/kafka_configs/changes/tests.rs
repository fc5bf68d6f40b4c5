//! Pairs as Kafka's tool takes them apart.

use super::*;

fn check(text: &str, expected: &[(&str, &str)]) {
    let pairs = parsed(text).expect("pairs");
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(pairs, expected, "{text}");
}

#[test]
fn pairs_are_split_outside_brackets() {
    check("a=1", &[("a", "1")]);
    check("a=1,b=2", &[("a", "1"), ("b", "2")]);
    check("a = 1 , b = 2", &[("a", "1"), ("b", "2")]);
    check("a=[1,2],b=3", &[("a", "1,2"), ("b", "3")]);
    check("a=,b=2", &[("a", ""), ("b", "2")]);
    check("a=[x=1,y=2]", &[("a", "x=1,y=2")]);
    check("SCRAM-SHA-256=[iterations=8192,password=p]", &[("SCRAM-SHA-256", "iterations=8192,password=p")]);
    check("a=1,", &[("a", "1")]);
}

#[test]
fn what_is_no_pair_is_refused() {
    for text in ["a", "a=1=2", "a=1,b", ",a=1"] {
        assert!(parsed(text).is_err(), "{text}");
    }
}
