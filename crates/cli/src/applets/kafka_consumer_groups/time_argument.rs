//! `--to-datetime` and `--by-duration`.
//!
//! Owns the two grammars, which are Java's, and the words in which Java refuses what is none.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::applets::ToolError;

/// `YYYY-MM-DDThh:mm:ss.sss` with `Z`, `+hh`, `+hhmm` or `+hh:mm` behind it (UTC without), in ms since 1970.
///
/// # Errors
/// It is none, or there is no such day or time.
pub fn timestamp_ms(text: &str) -> Result<i64, ToolError> {
    let Some((_, time)) = text.split_once('T') else {
        return Err(ToolError::failed(
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format",
        ));
    };
    let whole = if time.contains(['+', '-', 'Z']) { text.to_owned() } else { format!("{text}Z") };
    parsed(&whole)
        .ok_or_else(|| ToolError::failed(format!("java.text.ParseException: Unparseable date: \"{whole}\"")))
}

fn parsed(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone_at = time.find(['+', '-', 'Z'])?;
    let (time, zone) = time.split_at(zone_at);
    let (time, fraction) = time.split_once('.')?;
    let mut time = time.splitn(3, ':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    // The fraction is a number of milliseconds, however many digits it has.
    let ms = number(fraction).filter(|ms| *ms <= 999)?;
    let narrow = |number: i64| i8::try_from(number).ok();
    let civil = DateTime::new(
        i16::try_from(year).ok()?,
        narrow(month)?,
        narrow(day)?,
        narrow(hour)?,
        narrow(minute)?,
        narrow(second)?,
        0,
    );
    let offset = Offset::from_seconds(zone_seconds(zone)?).ok()?;
    Some(offset.to_timestamp(civil.ok()?).ok()?.as_millisecond() + ms)
}

fn number(text: &str) -> Option<i64> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().ok())?
}

fn zone_seconds(zone: &str) -> Option<i32> {
    if zone.starts_with('Z') {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits = zone[1..].replace(':', "");
    let two = |from: usize| digits.get(from..from + 2).and_then(number);
    let (hours, minutes) = match digits.len() {
        2 => (two(0)?, 0),
        4 => (two(0)?, two(2)?),
        _ => return None,
    };
    (hours <= 23 && minutes <= 59).then(|| sign * i32::try_from(hours * 3600 + minutes * 60).unwrap_or(0))
}

/// `PnDTnHnMn.nS`, each number perhaps with a sign, in ms.
///
/// # Errors
/// It is none.
pub fn duration_ms(text: &str) -> Result<i64, ToolError> {
    duration(&text.to_ascii_uppercase())
        .ok_or_else(|| ToolError::failed("Text cannot be parsed to a Duration"))
}

fn duration(text: &str) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let text = text.strip_prefix('P')?;
    let (days, time) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (text, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut total_ms: i64 = 0;
    let mut add = |rest: &mut &str, unit: char, unit_ms: i64| -> Option<()> {
        if let Some((number, tail)) = rest.split_once(unit) {
            total_ms = total_ms.checked_add(amount_ms(number, unit_ms)?)?;
            *rest = tail;
        }
        Some(())
    };
    let mut rest = days;
    add(&mut rest, 'D', 86_400_000)?;
    if !rest.is_empty() {
        return None;
    }
    let mut rest = time;
    for (unit, unit_ms) in [('H', 3_600_000), ('M', 60_000), ('S', 1000)] {
        add(&mut rest, unit, unit_ms)?;
    }
    rest.is_empty().then(|| total_ms.checked_mul(sign))?
}

/// A number of units in ms. Only seconds have a fraction.
fn amount_ms(text: &str, unit_ms: i64) -> Option<i64> {
    let (whole, fraction) = match text.split_once(['.', ',']) {
        Some((whole, fraction)) if unit_ms == 1000 => (whole, fraction),
        Some(_) => return None,
        None => (text, ""),
    };
    let unsigned = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    let whole_ms = number(unsigned)?.checked_mul(unit_ms)?;
    let fraction_ms = match fraction {
        "" => 0,
        digits if digits.len() <= 9 => number(digits)? * 1000 / 10_i64.pow(digits.len() as u32),
        _ => return None,
    };
    Some(sign * (whole_ms + fraction_ms))
}

#[cfg(test)]
mod tests;
