//! Texts to values and back, one `check` for both ways.

use super::{Value, java_double, parse_type};
use crate::config_def::ConfigType;

fn check(kind: ConfigType, text: &str, expect: &str) {
    let shown = match parse_type("k", text, kind) {
        Ok(value) => value.to_text().unwrap_or_else(|| "null".to_owned()),
        Err(error) => error.message,
    };
    assert_eq!(shown, expect, "{kind:?} {text:?}");
}

#[test]
fn each_type_takes_what_kafka_takes() {
    check(ConfigType::Boolean, " TRUE ", "true");
    check(
        ConfigType::Boolean,
        "yes",
        "Invalid value yes for configuration k: Expected value to be either true or false",
    );
    check(ConfigType::Int, "+5", "5");
    check(
        ConfigType::Int,
        "2147483648",
        "Invalid value 2147483648 for configuration k: Not a number of type INT",
    );
    check(ConfigType::Short, "32768", "Invalid value 32768 for configuration k: Not a number of type SHORT");
    check(ConfigType::Long, " -9223372036854775808", "-9223372036854775808");
    check(ConfigType::Long, "1_000", "Invalid value 1_000 for configuration k: Not a number of type LONG");
    check(ConfigType::Double, "0.50", "0.5");
    check(ConfigType::Double, "1e10", "1.0E10");
    check(ConfigType::Double, "5d", "5.0");
    check(ConfigType::Double, "inf", "Invalid value inf for configuration k: Not a number of type DOUBLE");
    check(ConfigType::Double, "-Infinity", "-Infinity");
    check(ConfigType::String, "  a b ", "a b");
    check(ConfigType::List, "a , b,, c", "a,b,,c");
    check(ConfigType::List, "  ", "");
}

#[test]
fn doubles_look_as_java_prints_them() {
    let shown = [0.0, 100.0, 0.001, 0.0001, 1e7, 12_345_678.9, f64::MAX, f64::NAN].map(java_double);
    assert_eq!(
        shown,
        ["0.0", "100.0", "0.001", "1.0E-4", "1.0E7", "1.23456789E7", "1.7976931348623157E308", "NaN"]
    );
}

#[test]
fn lists_show_brackets_in_messages_only() {
    let list = Value::List(vec!["a".to_owned(), "b".to_owned()]);
    assert_eq!((list.to_string(), list.to_text()), ("[a, b]".to_owned(), Some("a,b".to_owned())));
}
