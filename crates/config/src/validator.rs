//! The rules that parsed values obey, with Kafka's messages.

use std::fmt;

use crate::config_error::ConfigError;
use crate::value::Value;

/// Rule for one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Validator {
    /// Anything of the type, null included.
    Any,
    /// A number, `min` or more.
    AtLeast(i64),
    /// A number within both bounds.
    Between(i64, i64),
    /// A double from zero to `max`.
    ZeroTo(f64),
    /// A gzip level: 1 to 9, or -1 for the codec's own choice.
    GzipLevel,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these upper-case texts, in any case.
    OneOfIgnoreCase(&'static [&'static str]),
    /// A list without empty items, of `values` only when there are any.
    ListOf {
        /// Allowed items; empty allows all.
        values: &'static [&'static str],
        /// Whether the list may be empty.
        empty_allowed: bool,
        /// Whether there may be no list at all.
        null_allowed: bool,
    },
    /// Text that is there.
    NonNull,
    /// Null or a text with at least one character.
    NonEmpty,
    /// `host:port` items.
    Servers,
    /// `id@host:port` items.
    Voters,
    /// `*` or `partition:broker` items.
    ThrottledReplicas,
    /// `earliest`, `latest` or `by_duration:<ISO-8601 duration>`.
    ShareOffsetReset,
}

impl Validator {
    /// Checks `value` for the key `name`.
    ///
    /// # Errors
    /// The value breaks the rule.
    pub fn check(&self, name: &str, value: &Value) -> Result<(), ConfigError> {
        match self {
            Validator::Any => Ok(()),
            Validator::AtLeast(min) => check_range(name, value, Some(*min), None),
            Validator::Between(min, max) => check_range(name, value, Some(*min), Some(*max)),
            Validator::ZeroTo(max) => check_zero_to(name, value, *max),
            Validator::GzipLevel => check_gzip_level(name, value),
            Validator::OneOf(allowed) => check_one_of(name, value, allowed),
            Validator::OneOfIgnoreCase(allowed) => check_one_of_ignore_case(name, value, allowed),
            Validator::ListOf { values, empty_allowed, null_allowed } => {
                check_list(name, value, values, *empty_allowed, *null_allowed)
            }
            Validator::NonNull if *value == Value::Null => {
                Err(ConfigError::value(name, "null", "entry must be non null"))
            }
            Validator::NonNull => Ok(()),
            Validator::NonEmpty => match value {
                Value::Text(text) if text.is_empty() => {
                    Err(ConfigError::value(name, text, "String must be non-empty"))
                }
                _ => Ok(()),
            },
            Validator::Servers => check_items(name, value, "host:port", is_server),
            Validator::Voters => check_items(name, value, "{id}@{host}:{port}", is_voter),
            Validator::ThrottledReplicas => check_throttled_replicas(name, value),
            Validator::ShareOffsetReset => check_share_offset_reset(name, value),
        }
    }
}

/// What is allowed, in the words of the documentation; empty when everything of the type is.
impl fmt::Display for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Validator::Any | Validator::NonNull => Ok(()),
            Validator::AtLeast(min) => write!(f, "{min} or more"),
            Validator::Between(min, max) => write!(f, "{min} to {max}"),
            Validator::ZeroTo(max) => write!(f, "0 to {max}"),
            Validator::GzipLevel => f.write_str("1 to 9, or -1"),
            Validator::OneOf(allowed) => f.write_str(&allowed.join(", ")),
            Validator::OneOfIgnoreCase(allowed) => write!(f, "{} in any case", allowed.join(", ")),
            Validator::ListOf { values, empty_allowed, .. } => {
                let one = if *empty_allowed { "" } else { "at least one" };
                match (values.is_empty(), one.is_empty()) {
                    (true, _) => f.write_str(one),
                    (false, true) => write!(f, "of {}", values.join(", ")),
                    (false, false) => write!(f, "{one} of {}", values.join(", ")),
                }
            }
            Validator::NonEmpty => f.write_str("not empty"),
            Validator::Servers => f.write_str("host:port"),
            Validator::Voters => f.write_str("id@host:port"),
            Validator::ThrottledReplicas => f.write_str("*, or partition:broker"),
            Validator::ShareOffsetReset => f.write_str("earliest, latest or by_duration:PnDTnHnMn.nS"),
        }
    }
}

fn check_range(name: &str, value: &Value, min: Option<i64>, max: Option<i64>) -> Result<(), ConfigError> {
    let number = match value {
        Value::Int(number) => f64::from(*number),
        Value::Long(number) => *number as f64,
        Value::Double(number) => *number,
        _ => return Err(ConfigError::value(name, "null", "Value must be non-null")),
    };
    if let Some(min) = min.filter(|min| number < *min as f64) {
        return Err(ConfigError::value(name, value, &format!("Value must be at least {min}")));
    }
    if let Some(max) = max.filter(|max| number > *max as f64) {
        return Err(ConfigError::value(name, value, &format!("Value must be no more than {max}")));
    }
    Ok(())
}

fn check_zero_to(name: &str, value: &Value, max: f64) -> Result<(), ConfigError> {
    check_range(name, value, Some(0), None)?;
    match value {
        Value::Double(number) if *number > max => {
            Err(ConfigError::value(name, value, &format!("Value must be no more than {max}")))
        }
        _ => Ok(()),
    }
}

fn check_gzip_level(name: &str, value: &Value) -> Result<(), ConfigError> {
    match value {
        Value::Int(1..=9 | -1) => Ok(()),
        Value::Int(_) => Err(ConfigError::value(name, value, "Value must be between 1 and 9 or equal to -1")),
        _ => Err(ConfigError::value(name, "null", "Value must be non-null")),
    }
}

fn check_one_of(name: &str, value: &Value, allowed: &[&str]) -> Result<(), ConfigError> {
    match value {
        Value::Text(text) if allowed.contains(&text.as_str()) => Ok(()),
        _ => {
            let why = format!("String must be one of: {}", allowed.join(", "));
            Err(ConfigError::value(name, value, &why))
        }
    }
}

fn check_one_of_ignore_case(name: &str, value: &Value, allowed: &[&str]) -> Result<(), ConfigError> {
    match value {
        Value::Text(text) if allowed.contains(&text.to_ascii_uppercase().as_str()) => Ok(()),
        _ => {
            let why = format!("String must be one of (case insensitive): {}", allowed.join(", "));
            Err(ConfigError::value(name, value, &why))
        }
    }
}

fn check_list(
    name: &str,
    value: &Value,
    values: &[&str],
    empty_allowed: bool,
    null_allowed: bool,
) -> Result<(), ConfigError> {
    let Value::List(items) = value else {
        if null_allowed {
            return Ok(());
        }
        return Err(ConfigError::invalid(format!("Configuration '{name}' values must not be null.")));
    };
    if items.is_empty() && !empty_allowed {
        let valid = if values.is_empty() {
            "any non-empty value".to_owned()
        } else {
            format!("[{}]", values.join(", "))
        };
        return Err(ConfigError::invalid(format!(
            "Configuration '{name}' must not be empty. Valid values include: {valid}"
        )));
    }
    for item in items {
        if item.is_empty() {
            return Err(ConfigError::invalid(format!("Configuration '{name}' values must not be empty.")));
        }
        if !values.is_empty() {
            check_one_of(name, &Value::Text(item.clone()), values)?;
        }
    }
    Ok(())
}

fn check_items(name: &str, value: &Value, form: &str, is_valid: fn(&str) -> bool) -> Result<(), ConfigError> {
    let Value::List(items) = value else {
        return Err(ConfigError::invalid(format!("Invalid value null for configuration {name}")));
    };
    match items.iter().find(|item| !is_valid(item)) {
        None => Ok(()),
        Some(item) => {
            Err(ConfigError::value(name, item, &format!("each entry should be in the form `{form}`.")))
        }
    }
}

fn is_server(text: &str) -> bool {
    match text.rsplit_once(':') {
        Some((host, port)) => !host.is_empty() && port.parse::<u16>().is_ok(),
        None => false,
    }
}

fn is_voter(text: &str) -> bool {
    match text.split_once('@') {
        Some((id, server)) => id.parse::<u32>().is_ok_and(|id| id <= i32::MAX as u32) && is_server(server),
        None => false,
    }
}

fn check_throttled_replicas(name: &str, value: &Value) -> Result<(), ConfigError> {
    let Value::List(items) = value else { return Ok(()) };
    let is_replica = |item: &String| {
        item.is_empty()
            || item
                .split_once(':')
                .is_some_and(|(partition, broker)| is_digits(partition) && is_digits(broker))
    };
    if items.iter().all(is_replica) || items.concat() == "*" {
        return Ok(());
    }
    let why = format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    Err(ConfigError::value(name, value, &why))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn check_share_offset_reset(name: &str, value: &Value) -> Result<(), ConfigError> {
    let Value::Text(text) = value else {
        return Err(ConfigError::value(name, "null", "the value must not be null"));
    };
    let is_valid = match text.strip_prefix("by_duration:") {
        None => text == "latest" || text == "earliest",
        Some(duration) => is_iso_duration(duration),
    };
    if is_valid {
        return Ok(());
    }
    let why = format!(
        "Invalid value `{text}` for configuration {name}. The value must be either 'earliest', 'latest' or of the \
         format 'by_duration:<PnDTnHnMn.nS>'."
    );
    Err(ConfigError::value(name, value, &why))
}

/// A duration of ISO 8601 as `java.time` reads it, `PnDTnHnMn.nS` in any case with signs anywhere, that is not negative.
fn is_iso_duration(text: &str) -> bool {
    iso_duration_nanos(&text.to_ascii_uppercase()).is_some_and(|nanos| nanos >= 0)
}

fn iso_duration_nanos(text: &str) -> Option<i128> {
    const SECOND_NANOS: i128 = 1_000_000_000;
    let (sign, rest) = split_sign(text);
    let mut rest = rest.strip_prefix('P')?;
    let mut nanos = 0;
    let mut is_time = false;
    let mut has_any = false;
    for (unit, seconds) in [('D', 86_400), ('T', 0), ('H', 3600), ('M', 60)] {
        if unit == 'T' {
            if let Some(time) = rest.strip_prefix('T') {
                (rest, is_time, has_any) = (time, true, false);
            }
        } else if let Some((count, after)) = rest.split_once(unit).filter(|_| unit == 'D' || is_time) {
            nanos += whole_number(count)? * seconds * SECOND_NANOS;
            (rest, has_any) = (after, true);
        }
    }
    if let Some(seconds) = rest.strip_suffix('S').filter(|_| is_time) {
        let (whole, fraction) = seconds.split_once(['.', ',']).unwrap_or((seconds, ""));
        if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let part: i128 = format!("{fraction:0<9}").parse().ok()?;
        let sign = if whole.starts_with('-') { -1 } else { 1 };
        nanos += whole_number(whole)? * SECOND_NANOS + sign * part;
        (rest, has_any) = ("", true);
    }
    (rest.is_empty() && has_any).then_some(sign * nanos)
}

fn whole_number(text: &str) -> Option<i128> {
    let (sign, digits) = split_sign(text);
    let number: i64 = is_digits(digits).then(|| digits.parse().ok())??;
    Some(sign * i128::from(number))
}

fn split_sign(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests;
