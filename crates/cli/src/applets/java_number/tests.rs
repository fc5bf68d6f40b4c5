//! What `Double.toString` gives.

use super::{java_double, java_float};

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

#[test]
fn floats_are_printed_as_in_java() {
    for (number, text) in
        [(0.1_f32, "0.1"), (1e7, "1.0E7"), (-2.5e-5, "-2.5E-5"), (f32::INFINITY, "Infinity")]
    {
        assert_eq!(java_float(number), text);
    }
}
