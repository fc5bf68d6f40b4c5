//! The range language of `consume -o`: where to begin, and where to stop.
//!
//! Grammar: `FROM`, `FROM:TO` or `:TO`. A bound is `start`, `end`, an offset, `+n` after the start, `-n` before the end, or
//! a time after `@`: milliseconds, `2026-11-01`, `2026-11-01T10:00:00Z`, or a duration back from now as `-1h` or `-PT6H`.
//! Behind a colon, a time needs no second `@`. TO is not part of the range.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// One end of a range, before it is looked up in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// First offset there is.
    Start,
    /// Offset that the next record will get.
    End,
    /// This offset.
    Offset(i64),
    /// So many after the first.
    AfterStart(i64),
    /// So many before the end.
    BeforeEnd(i64),
    /// First record with this timestamp or a later one, in ms since 1970.
    Time(i64),
}

/// A range of offsets or times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetRange {
    /// First record.
    pub from: Bound,
    /// Record before which to stop; `None` follows the topic.
    pub to: Option<Bound>,
}

/// Parses a range; `now_ms` is what times like `-1h` count from.
///
/// # Errors
/// Says which part cannot be read and shows the forms.
pub fn parse_range(text: &str, now_ms: i64) -> Result<OffsetRange, String> {
    let (from, to) = split(text);
    let is_timed = from.starts_with('@');
    let from = if from.is_empty() { Bound::Start } else { parse_bound(from, now_ms)? };
    let to = match to {
        None => None,
        Some("") => return Err(format!("the range {text:?} ends in a colon; {FORMS}")),
        Some("end") => Some(Bound::End),
        Some(to) if is_timed && !to.starts_with('@') => Some(parse_time(to, now_ms)?),
        Some(to) => Some(parse_bound(to, now_ms)?),
    };
    Ok(OffsetRange { from, to })
}

const FORMS: &str = "write start, end, 10, 10:20, +5, -5, @2026-11-01, @-1h, @-1h:-30m or :end";

/// Splits at the colon between the bounds; colons inside a time of day do not count.
fn split(text: &str) -> (&str, Option<&str>) {
    for (at, _) in text.match_indices(':') {
        let is_in_time = {
            let before = text[..at].bytes().rev().take_while(u8::is_ascii_digit).count();
            let after = text[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
            let has_date =
                text[..at].rfind('T').is_some_and(|t| text[..t].ends_with(|c: char| c.is_ascii_digit()));
            before == 2 && after == 2 && has_date && !text[..at].ends_with('Z')
        };
        if !is_in_time {
            return (&text[..at], Some(&text[at + 1..]));
        }
    }
    (text, None)
}

fn parse_bound(text: &str, now_ms: i64) -> Result<Bound, String> {
    let number = |digits: &str| {
        let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| digits.parse::<i64>().ok()).flatten()
    };
    let bound = match text {
        "start" | "beginning" | "earliest" => Some(Bound::Start),
        "end" | "latest" => Some(Bound::End),
        _ if text.starts_with('@') => return parse_time(&text[1..], now_ms),
        _ if text.starts_with('+') => number(&text[1..]).map(Bound::AfterStart),
        _ if text.starts_with('-') => number(&text[1..]).map(Bound::BeforeEnd),
        _ => number(text).map(Bound::Offset),
    };
    bound.ok_or_else(|| format!("{text:?} is no offset; {FORMS}"))
}

fn parse_time(text: &str, now_ms: i64) -> Result<Bound, String> {
    let refuse = || format!("{text:?} is no time; {FORMS}");
    if let Some(duration) = text.strip_prefix('-') {
        return parse_duration_ms(duration).map(|back_ms| Bound::Time(now_ms - back_ms)).ok_or_else(refuse);
    }
    if text.starts_with('P') {
        return parse_duration_ms(text).map(|back_ms| Bound::Time(now_ms - back_ms)).ok_or_else(refuse);
    }
    if let Ok(ms) = text.parse::<i64>() {
        // Ten digits are seconds: as milliseconds they would lie in early 1970.
        return Ok(Bound::Time(if text.len() <= 10 { ms.saturating_mul(1000) } else { ms }));
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(Bound::Time(timestamp.as_millisecond()));
    }
    let date_time = text.parse::<DateTime>().map_err(|_| refuse())?;
    let zoned = date_time.to_zoned(TimeZone::UTC).map_err(|_| refuse())?;
    Ok(Bound::Time(zoned.timestamp().as_millisecond()))
}

/// `90s`, `5m`, `1h30m`, `7d` or an ISO-8601 duration, in milliseconds.
fn parse_duration_ms(text: &str) -> Option<i64> {
    let mut ms: i64 = 0;
    let mut rest = text;
    if let Some(iso) = text.strip_prefix(['P', 'p']) {
        let lower = iso.to_ascii_lowercase().replace('t', "");
        return if lower.is_empty() { None } else { parse_duration_ms(&lower) };
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = if rest[..unit].starts_with("ms") { 2 } else { unit.min(1) };
        let unit_ms = match rest[..unit].to_ascii_lowercase().as_str() {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return None,
        };
        ms = ms.checked_add(count.checked_mul(unit_ms)?)?;
        rest = &rest[unit..];
    }
    (!text.is_empty()).then_some(ms)
}

#[cfg(test)]
mod tests;
