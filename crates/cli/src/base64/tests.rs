//! Vectors of RFC 4648, both ways.

use super::{decode, encode};

#[test]
fn vectors_of_the_rfc() {
    for (plain, encoded) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(encode(plain.as_bytes()), encoded);
        assert_eq!(decode(encoded).as_deref(), Some(plain.as_bytes()));
    }
    assert_eq!(encode(&[0xff, 0xfe, 0xfd]), "//79");
}

#[test]
fn nonsense_is_refused() {
    for bad in ["Zg", "Z===", "Zg==Zg==", "Z!==", "====", "Zé="] {
        assert_eq!(decode(bad), None, "{bad}");
    }
}
