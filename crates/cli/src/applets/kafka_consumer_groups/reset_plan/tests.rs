//! Reset plans, there and back.

use super::*;

#[test]
fn plans_are_read() {
    let plan = parse("a,0,5\na,1,6\n\"b c\",0,7\n", Some("g")).expect("a plan");
    let at = |topic: &str, partition| TopicPartition::new(topic, partition);
    let offsets = BTreeMap::from([(at("a", 0), 5), (at("a", 1), 6), (at("b c", 0), 7)]);
    assert_eq!(plan, BTreeMap::from([("g".to_owned(), offsets)]));
    let plan = parse("g,a,0,5\nh,a,0,6", None).expect("a plan");
    assert_eq!(plan["g"], BTreeMap::from([(at("a", 0), 5)]));
    assert_eq!(plan["h"], BTreeMap::from([(at("a", 0), 6)]));
    assert_eq!(parse("g,a,0,5\n", Some("h")).expect("a plan")["g"].len(), 1);
}

#[test]
fn what_is_no_plan_is_refused() {
    for text in ["a,0", "a,x,1", "a,0,x", "a,0,1,2,3", "a,99999999999,1"] {
        assert!(parse(text, Some("g")).is_err(), "{text}");
    }
    assert!(parse("a,0,1", None).is_err());
}

#[test]
fn records_are_written_as_they_are_read() {
    let at = TopicPartition::new("a", 3);
    assert_eq!(record(None, &at, 7), "a,3,7\n");
    assert_eq!(record(Some("g h"), &at, 7), "\"g h\",a,3,7\n");
    let long = TopicPartition::new("a-very-long-name-of-a-topic", 0);
    assert_eq!(record(None, &long, 7), "\"a-very-long-name-of-a-topic\",0,7\n");
    let line = record(Some("g\"h"), &at, 7);
    assert_eq!(parse(&line, None).expect("a plan")["g\"h"], BTreeMap::from([(at, 7)]));
}
