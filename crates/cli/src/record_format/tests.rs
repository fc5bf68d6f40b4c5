//! Formats against one record.

use client::Header;

use super::{RecordFormat, RecordView};

/// 2026-11-25T00:00:00Z.
const TIME_MS: i64 = 1_795_564_800_000;

fn shown(format: &str) -> String {
    let headers = [Header { key: b"a", value: Some(b"1") }, Header { key: b"b", value: None }];
    let record = RecordView {
        topic: "flights",
        partition: 3,
        offset: 258,
        timestamp_ms: TIME_MS,
        key: Some(b"N\"1"),
        value: Some(b"{}"),
        headers: &headers,
    };
    let mut out = Vec::new();
    let format = RecordFormat::parse(format).unwrap_or_else(|error| panic!("{error}"));
    format.write(&mut out, &record, 7, TIME_MS + 90_000).expect("a Vec takes all");
    String::from_utf8(out).expect("text")
}

#[test]
fn fields() {
    assert_eq!(shown("%t/%p@%o #%i"), "flights/3@258 #7");
    assert_eq!(shown("%k=%v (%s)"), "N\"1={} ({})");
    assert_eq!(shown("%T %K %V %S %H"), "7 3 2 2 2");
    assert_eq!(shown(r"100%% %{x%} a\tb\n\x41"), "100% {x} a\tb\nA");
}

#[test]
fn modifiers() {
    assert_eq!(shown("%k{hex} %k{base64} %k{json} %v{text}"), "4e2231 TiIx \"N\\\"1\" {}");
    assert_eq!(shown("%o{hex} %o{ascii}"), "102 258");
    assert_eq!(shown("%o{big16}%o{little32}"), "\u{1}\u{2}\u{2}\u{1}\0\0");
    assert_eq!(shown("%d %d{iso}"), "1795564800000 2026-11-25T00:00:00.000Z");
    assert_eq!(shown("%d{strftime[%F %T]} %d{age}"), "2026-11-25 00:00:00 1 min");
}

#[test]
fn headers() {
    assert_eq!(shown("%h"), "a=1 b= ");
    assert_eq!(shown("[%h{%k:%v{json},}]"), "[a:\"1\",b:null,]");
}

#[test]
fn refusals_name_what_there_is() {
    for (format, part) in [
        ("%z", "%z is unknown; there are %t topic"),
        ("%k{rot13}", "hex, base64, json and text"),
        ("%o{big7}", "big8 to big64"),
        ("%d{strftime[%!]}", "strftime"),
        ("%", "lone %"),
        ("a\\", "lone backslash"),
        ("\\q", "\\q is unknown"),
        ("%h{%k", "not closed"),
        ("%h{%h}", "cannot stand inside"),
    ] {
        let message = RecordFormat::parse(format).expect_err(format);
        assert!(message.contains(part), "{format}: {message}");
    }
}
