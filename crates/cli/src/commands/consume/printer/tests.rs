//! What people and programs see of a record.

use client::{ConsumerRecord, Headers, TimestampType};

use super::{printable, write_json, write_pretty};

fn record<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> ConsumerRecord<'a> {
    ConsumerRecord {
        topic: "t",
        partition: 0,
        offset: 7,
        timestamp: 9,
        timestamp_type: TimestampType::CreateTime,
        key,
        value,
        headers: Headers::default(),
    }
}

fn json(key: Option<&[u8]>, value: Option<&[u8]>) -> String {
    let mut out = Vec::new();
    write_json(&mut out, &record(key, value)).expect("a Vec takes all");
    String::from_utf8(out).expect("JSON is text")
}

#[test]
fn json_lines() {
    assert_eq!(
        json(Some(b"k\""), Some(b"v")),
        "{\"topic\":\"t\",\"partition\":0,\"offset\":7,\"timestamp\":9,\"key\":\"k\\\"\",\"value\":\"v\"}\n"
    );
    assert!(json(None, None).ends_with("\"key\":null,\"value\":null}\n"));
    assert!(json(None, Some(&[0xff])).ends_with("\"value_base64\":\"/w==\"}\n"));
}

#[test]
fn readable_lines() {
    let shown = |has_many_topics, key, value| {
        let mut out = Vec::new();
        write_pretty(&mut out, &record(key, value), has_many_topics).expect("a Vec takes all");
        String::from_utf8(out).expect("text")
    };
    assert_eq!(shown(false, None, Some(b"v")), "0@7  v\n");
    assert_eq!(shown(true, Some(b"k"), None), "t 0@7  k  (no value)\n");
}

#[test]
fn terminals_are_not_commanded() {
    assert_eq!(printable(b"a\tb\x1b[2Jc\n"), "a\tb\\u{1b}[2Jc\\n");
    assert_eq!(printable("é".as_bytes()), "é");
}
