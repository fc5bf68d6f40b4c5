//! Ranges, one `check` for all.

use super::{Bound, OffsetRange, parse_range};

/// 2026-11-25T00:00:00Z.
const NOW_MS: i64 = 1_795_564_800_000;

fn check(text: &str, from: Bound, to: Option<Bound>) {
    assert_eq!(parse_range(text, NOW_MS), Ok(OffsetRange { from, to }), "{text}");
}

#[test]
fn offsets() {
    check("start", Bound::Start, None);
    check("end", Bound::End, None);
    check("10", Bound::Offset(10), None);
    check("10:20", Bound::Offset(10), Some(Bound::Offset(20)));
    check("+5", Bound::AfterStart(5), None);
    check("-5", Bound::BeforeEnd(5), None);
    check(":end", Bound::Start, Some(Bound::End));
    check("-5:end", Bound::BeforeEnd(5), Some(Bound::End));
    check(":10", Bound::Start, Some(Bound::Offset(10)));
}

#[test]
fn times() {
    check("@-1h", Bound::Time(NOW_MS - 3_600_000), None);
    check("@-1h:-30m", Bound::Time(NOW_MS - 3_600_000), Some(Bound::Time(NOW_MS - 1_800_000)));
    check("@-1h30m:end", Bound::Time(NOW_MS - 5_400_000), Some(Bound::End));
    check("@PT6H", Bound::Time(NOW_MS - 6 * 3_600_000), None);
    check("@-P1DT1S", Bound::Time(NOW_MS - 86_401_000), None);
    check("@2026-11-25", Bound::Time(NOW_MS), None);
    check("@2026-11-25T00:00:01Z", Bound::Time(NOW_MS + 1000), None);
    check("@2026-11-25T00:01", Bound::Time(NOW_MS + 60_000), None);
    check(
        "@2026-11-25T00:00:01:2026-11-25T00:00:02",
        Bound::Time(NOW_MS + 1000),
        Some(Bound::Time(NOW_MS + 2000)),
    );
    check("@1795564800000", Bound::Time(NOW_MS), None);
    check("@1795564800", Bound::Time(NOW_MS), None);
    check("@1795564800:@1795564801", Bound::Time(NOW_MS), Some(Bound::Time(NOW_MS + 1000)));
}

#[test]
fn refusals_show_the_forms() {
    for bad in ["", "x", "10:", "@", "@-", "@-1y", "--5", "+", "1.5", "@P"] {
        let result = parse_range(bad, NOW_MS);
        if bad.is_empty() {
            check("", Bound::Start, None);
        } else {
            assert!(
                result.as_ref().is_err_and(|message| message.contains("write start, end")),
                "{bad}: {result:?}"
            );
        }
    }
}
