//! What `Double.toString` gives.

use super::java_double;

#[test]
fn doubles_are_printed_as_in_java() {
    for (number, text) in [
        (0.0, "0.0"),
        (1024.0, "1024.0"),
        (0.5, "0.5"),
        (0.001, "0.001"),
        (9_999_999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (12_345_678.5, "1.23456785E7"),
        (0.000_25, "2.5E-4"),
        (-2e10, "-2.0E10"),
        (f64::INFINITY, "Infinity"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(java_double(number), text);
    }
}
