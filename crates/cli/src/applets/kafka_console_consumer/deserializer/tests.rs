//! Bytes as Java prints them.

use super::*;

fn check(class: &str, bytes: &[u8], expected: &str) {
    let class = format!("org.apache.kafka.common.serialization.{class}");
    let shown = match Deserializer::of(Some(&class)).text(bytes) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => {
            error.to_string().replace("org.apache.kafka.common.errors.SerializationException: ", "")
        }
    };
    assert_eq!(shown, expected, "{class}");
}

#[test]
fn values_are_printed_as_in_java() {
    check("StringDeserializer", b"abc", "abc");
    check("ShortDeserializer", &[0xff, 0xfe], "-2");
    check("IntegerDeserializer", &[0, 0, 1, 0], "256");
    check("LongDeserializer", &7_i64.to_be_bytes(), "7");
    check("FloatDeserializer", &1.5_f32.to_be_bytes(), "1.5");
    check("DoubleDeserializer", &1e10_f64.to_be_bytes(), "1.0E10");
    check("BooleanDeserializer", &[1], "true");
    check(
        "UUIDDeserializer",
        b"123e4567-e89b-12d3-a456-426614174000",
        "123e4567-e89b-12d3-a456-426614174000",
    );
    check("no.such.Class", b"raw", "raw");
    check("IntegerDeserializer", b"null!", "Size of data received by IntegerDeserializer is not 4");
    check("BooleanDeserializer", &[9], "Unexpected byte received by BooleanDeserializer: 9");
    check("UUIDDeserializer", b"x", "Error parsing data into UUID");
}
