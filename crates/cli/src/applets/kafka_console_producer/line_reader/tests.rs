//! Lines as Kafka's reader takes them apart.

use super::*;

fn reader(properties: &[(&str, &str)]) -> Result<LineReader, ToolError> {
    let owned: Vec<(String, String)> =
        properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    LineReader::new(&owned)
}

/// What a line becomes, as `headers|key|value`.
fn check(properties: &[(&str, &str)], line: &str, expected: &str) {
    let shown = match reader(properties).expect("properties").record(line) {
        Ok(record) => {
            let text = |bytes: &Option<Vec<u8>>| match bytes {
                Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                None => "NULL".to_owned(),
            };
            let headers: Vec<String> =
                record.headers.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
            format!("{}|{}|{}", headers.join(" "), text(&record.key), text(&record.value))
        }
        Err(error) => error.to_string().replace("org.apache.kafka.common.KafkaException: ", ""),
    };
    assert_eq!(shown, expected, "{line}");
}

#[test]
fn lines_are_taken_apart() {
    check(&[], "a\tb", "|NULL|a\tb");
    check(&[("parse.key", "true")], "a\tb\tc", "|a|b\tc");
    check(&[("parse.key", "TRUE "), ("key.separator", "::")], "a::b", "|a|b");
    check(&[("parse.headers", "true")], "h:1,i:2\tv", "h=1 i=2|NULL|v");
    check(&[("parse.headers", "true"), ("parse.key", "true")], "h:1:2\tk\tv", "h=1:2|k|v");
    check(&[("parse.key", "true"), ("null.marker", "N")], "N\tN", "|NULL|NULL");
    check(&[("parse.headers", "true"), ("null.marker", "N")], "h:N\tv", "h=NULL|NULL|v");
    check(&[("parse.headers", "true"), ("null.marker", "N")], "N\tv", "|NULL|v");
}

#[test]
fn bad_lines_are_refused_or_taken_as_they_are() {
    check(&[("parse.key", "true")], "ab", "No key separator found on line number 1: 'ab'");
    check(&[("parse.key", "true"), ("ignore.error", "true")], "ab", "|NULL|ab");
    check(&[("parse.headers", "true")], "ab", "No headers delimiter found on line number 1: 'ab'");
    check(&[("parse.headers", "true")], "h\tv", "No header key separator found in pair 'h' on line number 1");
    check(&[("parse.headers", "true"), ("ignore.error", "true")], "h\tv", "h=NULL|NULL|v");
    check(
        &[("parse.headers", "true"), ("null.marker", "N")],
        "N:1\tv",
        "Header keys should not be equal to the null marker 'N' as they can't be null",
    );
}

#[test]
fn separators_differ() {
    for (properties, reason) in [
        (&[("headers.delimiter", ",")][..], "headers.delimiter and headers.separator may not be equal"),
        (&[("headers.delimiter", ":")], "headers.delimiter and headers.key.separator may not be equal"),
        (&[("headers.separator", ":")], "headers.separator and headers.key.separator may not be equal"),
        (&[("null.marker", "\t")], "null.marker and key.separator may not be equal"),
        (&[("null.marker", ",")], "null.marker and headers.separator may not be equal"),
        (&[("null.marker", ":")], "null.marker and headers.key.separator may not be equal"),
    ] {
        let error = reader(properties).expect_err(reason).to_string();
        assert!(error.ends_with(reason), "{error}");
    }
}
