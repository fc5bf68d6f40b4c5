//! Times and durations as Java takes them.

use super::*;

#[test]
fn times_are_read() {
    for (text, ms) in [
        ("1970-01-01T00:00:00.000", 0),
        ("1970-01-01T00:00:01.5", 1005),
        ("2024-02-29T12:00:00.250Z", 1_709_208_000_250),
        ("2024-02-29T12:00:00.250+01:00", 1_709_204_400_250),
        ("2024-02-29T12:00:00.250-0130", 1_709_213_400_250),
        ("2024-02-29T12:00:00.250+02", 1_709_200_800_250),
    ] {
        assert_eq!(timestamp_ms(text).expect(text), ms, "{text}");
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for (text, reason) in [
        (
            "2024-01-01",
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format",
        ),
        ("2024-01-01T00:00:00", "java.text.ParseException: Unparseable date: \"2024-01-01T00:00:00Z\""),
        (
            "2023-02-29T00:00:00.000Z",
            "java.text.ParseException: Unparseable date: \"2023-02-29T00:00:00.000Z\"",
        ),
        (
            "2023-02-20T24:00:00.000Z",
            "java.text.ParseException: Unparseable date: \"2023-02-20T24:00:00.000Z\"",
        ),
        ("T.Z", "java.text.ParseException: Unparseable date: \"T.Z\""),
        (
            "2023-02-20T01:00:00.000+1",
            "java.text.ParseException: Unparseable date: \"2023-02-20T01:00:00.000+1\"",
        ),
    ] {
        assert_eq!(timestamp_ms(text).expect_err(text).to_string(), reason);
    }
}

#[test]
fn durations_are_read() {
    for (text, ms) in [
        ("PT1S", 1000),
        ("pt1.5s", 1500),
        ("P1DT2H3M4S", 93_784_000),
        ("PT-1M", -60_000),
        ("-PT1M", -60_000),
        ("P0D", 0),
    ] {
        assert_eq!(duration_ms(text).expect(text), ms, "{text}");
    }
    for text in ["", "P", "PT", "1S", "PT1", "PT1D", "P1H", "PT1S2M", "PT1.5M", "P1Y", "PTxS"] {
        let error = duration_ms(text).expect_err(text);
        assert_eq!(error.to_string(), "Text cannot be parsed to a Duration", "{text}");
    }
}
