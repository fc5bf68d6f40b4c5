//! Texts as `java.util.Properties` reads them.

use super::{PROPERTIES_BYTES_MAX, parse_properties};

fn check(text: &[u8], expect: &[(&str, &str)]) {
    let pairs = parse_properties(text).expect("readable");
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(pairs, expect);
}

#[test]
fn separators_and_space() {
    check(
        b"a=1\nb:2\nc 3\n  d  =  4  \ne\n=f\n",
        &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4  "), ("e", ""), ("", "f")],
    );
    check(b"a = = b\nlisteners=PLAINTEXT://:9092\n", &[("a", "= b"), ("listeners", "PLAINTEXT://:9092")]);
}

#[test]
fn comments_blank_lines_and_line_ends() {
    check(b"# x\n! y\n\n   \r\n a=1\r\nb=2\rc=3", &[("a", "1"), ("b", "2"), ("c", "3")]);
    check(b"\xef\xbb\xbfa=1", &[("a", "1")]);
}

#[test]
fn continued_lines() {
    check(b"a=1,\\\n   2,\\\n# three\nb=x\\\\\nc=y", &[("a", "1,2,# three"), ("b", "x\\"), ("c", "y")]);
    check(b"a=1\\", &[("a", "1")]);
}

#[test]
fn escapes() {
    check(br"a\ b\:\=c=\t\u00e9\u20AC\q", &[("a b:=c", "\t\u{e9}\u{20ac}q")]);
    check(br"a=\ud83d\ude00", &[("a", "\u{1f600}")]);
}

#[test]
fn bytes_are_utf8_or_else_latin1() {
    check("a=é".as_bytes(), &[("a", "é")]);
    check(b"a=\xe9", &[("a", "é")]);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    let error = parse_properties(b"a=1\nb=\\u12x4").expect_err("malformed");
    assert_eq!(error.message, "line 2: malformed \\u12x4; four hex digits follow \\u");
    assert!(parse_properties(br"a=\u+123").is_err());
    assert!(parse_properties(&vec![b'a'; PROPERTIES_BYTES_MAX + 1]).is_err());
}
