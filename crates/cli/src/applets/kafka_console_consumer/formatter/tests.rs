//! Lines as Kafka's formatter prints them.

use client::Headers;

use super::*;

fn check(properties: &[(&str, &str)], expected: &str) {
    let owned: Vec<(String, String)> =
        properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let formatter = Formatter::new(None, &owned).expect("the default formatter");
    let record = ConsumerRecord {
        topic: "t",
        partition: 3,
        offset: 7,
        timestamp: 9,
        timestamp_type: TimestampType::CreateTime,
        key: None,
        value: Some(b"v"),
        headers: Headers::default(),
    };
    let mut out = Vec::new();
    formatter.write(&record, &mut out).expect("it can be printed");
    assert_eq!(String::from_utf8_lossy(&out), expected, "{properties:?}");
}

#[test]
fn columns_are_chosen() {
    check(&[], "v\n");
    check(&[("print.key", "true")], "null\tv\n");
    check(&[("print.key", "true"), ("print.value", "false"), ("null.literal", "-")], "-\n");
    check(&[("print.partition", "true"), ("print.offset", "true")], "Partition:3\tOffset:7\tv\n");
    check(&[("print.timestamp", "true"), ("key.separator", "|"), ("line.separator", ";")], "CreateTime:9|v;");
    check(&[("print.headers", "true"), ("print.epoch", "true")], "Epoch:NOT_PRESENT\tNO_HEADERS\tv\n");
    check(&[("print.value", "false")], "");
}

#[test]
fn other_classes_are_refused() {
    let error = Formatter::new(Some("org.example.Mine"), &[]).expect_err("there is no such class");
    assert_eq!(error.to_string(), "org.example.Mine");
}
