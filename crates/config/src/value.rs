//! Parsing of texts into typed values, and the way back, by the rules of Kafka's `ConfigDef`.

use std::fmt;

use crate::config_def::{ConfigDef, ConfigType};
use crate::config_error::ConfigError;
use crate::validator::Validator;

/// A parsed value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// SHORT and INT.
    Int(i32),
    /// LONG.
    Long(i64),
    /// DOUBLE.
    Double(f64),
    /// STRING, CLASS and PASSWORD.
    Text(String),
    /// LIST.
    List(Vec<String>),
}

impl Value {
    /// Text form as DescribeConfigs returns it: lists joined by `,`, doubles as Java prints them.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Value::Null => None,
            Value::List(items) => Some(items.join(",")),
            other => Some(other.to_string()),
        }
    }
}

/// As it stands in Kafka's error messages: lists as `[a, b]`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Long(value) => write!(f, "{value}"),
            Value::Double(value) => f.write_str(&java_double(*value)),
            Value::Text(value) => f.write_str(value),
            Value::List(items) => write!(f, "[{}]", items.join(", ")),
        }
    }
}

/// Parses and validates `text` for the key `def`.
///
/// # Errors
/// The text is not of the key's type or breaks its rule; the message is Kafka's.
pub fn parse(def: &ConfigDef, text: Option<&str>) -> Result<Value, ConfigError> {
    let mut value = match text {
        Some(text) => parse_type(def.name, text, def.kind)?,
        None => Value::Null,
    };
    if let (Validator::ListOf { .. }, Value::List(items)) = (&def.validator, &mut value) {
        remove_duplicates(items);
    }
    def.validator.check(def.name, &value)?;
    Ok(value)
}

/// The default of a key as a value.
pub fn default_value(def: &ConfigDef) -> Value {
    match def.default_text() {
        None => Value::Null,
        Some(text) => {
            parse_type(def.name, text, def.kind).expect("a test parses every default in the tables")
        }
    }
}

/// Parses `text` as `kind` without any further rule.
///
/// # Errors
/// The text is not of that type.
pub fn parse_type(name: &str, text: &str, kind: ConfigType) -> Result<Value, ConfigError> {
    let trimmed = text.trim();
    let not_a_number = || ConfigError::value(name, text, &format!("Not a number of type {}", kind.name()));
    match kind {
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
        ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
        ConfigType::Boolean => {
            Err(ConfigError::value(name, text, "Expected value to be either true or false"))
        }
        ConfigType::String | ConfigType::Class | ConfigType::Password => Ok(Value::Text(trimmed.to_owned())),
        ConfigType::Int => trimmed.parse().map(Value::Int).map_err(|_| not_a_number()),
        ConfigType::Short => {
            trimmed.parse::<i16>().map(|value| Value::Int(i32::from(value))).map_err(|_| not_a_number())
        }
        ConfigType::Long => trimmed.parse().map(Value::Long).map_err(|_| not_a_number()),
        ConfigType::Double => parse_double(trimmed).map(Value::Double).ok_or_else(not_a_number),
        ConfigType::List if trimmed.is_empty() => Ok(Value::List(Vec::new())),
        ConfigType::List => Ok(Value::List(trimmed.split(',').map(|item| item.trim().to_owned()).collect())),
    }
}

fn remove_duplicates(items: &mut Vec<String>) {
    let mut at = 0;
    while at < items.len() {
        if items[..at].contains(&items[at]) {
            items.remove(at);
        } else {
            at += 1;
        }
    }
}

/// `Double.parseDouble`: decimal and exponent forms, a trailing `d` or `f`, `NaN` and `Infinity` in exactly that case.
fn parse_double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned == "NaN" {
        return Some(f64::NAN);
    }
    if unsigned == "Infinity" {
        return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
        return None;
    }
    digits.parse().ok()
}

/// `Double.toString`: at least one decimal, scientific outside 1e-3..1e7.
fn java_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests;
