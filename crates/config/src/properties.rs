//! Reading of `.properties` text, as `java.util.Properties` reads it.
//!
//! Takes bytes, gives keys and values in order; opens no file.

use crate::config_error::ConfigError;

/// Largest properties text that is read (a server's file is a few KiB).
pub const PROPERTIES_BYTES_MAX: usize = 1 << 20;

/// Parses properties text. Bytes that are no valid UTF-8 are taken as ISO-8859-1.
/// A key that appears twice appears twice in the result; the last one is the one that counts.
///
/// # Errors
/// The text is too large or holds a malformed `\uXXXX`.
pub fn parse_properties(bytes: &[u8]) -> Result<Vec<(String, String)>, ConfigError> {
    if bytes.len() > PROPERTIES_BYTES_MAX {
        return Err(ConfigError::invalid(format!("the file is larger than {PROPERTIES_BYTES_MAX} bytes")));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    logical_lines(text).into_iter().map(|(number, line)| split_line(number, &line)).collect()
}

/// Joins continued lines and drops blanks and comments; keeps the number of each line's first part.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut pending: Option<(usize, String)> = None;
    for (index, natural) in natural_lines(text).enumerate() {
        let part = natural.trim_start_matches([' ', '\t', '\u{c}']);
        if pending.is_none() && (part.is_empty() || part.starts_with(['#', '!'])) {
            continue;
        }
        let backslashes = part.bytes().rev().take_while(|byte| *byte == b'\\').count();
        let is_continued = backslashes % 2 == 1;
        let body = if is_continued { &part[..part.len() - 1] } else { part };
        let (_, line) = pending.get_or_insert_with(|| (index + 1, String::new()));
        line.push_str(body);
        if !is_continued {
            lines.extend(pending.take());
        }
    }
    lines.extend(pending);
    lines
}

/// Lines ended by `\n`, `\r` or `\r\n`.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// Splits at the first unescaped `=`, `:` or white space; white space around one separator is dropped.
fn split_line(number: usize, line: &str) -> Result<(String, String), ConfigError> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\u{c}');
    let mut key_end = line.len();
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        if !is_escaped && (is_space(c) || c == '=' || c == ':') {
            key_end = at;
            break;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    let (key, rest) = line.split_at(key_end);
    let rest = rest.trim_start_matches(is_space);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(is_space);
    Ok((unescape(number, key)?, unescape(number, value)?))
}

fn unescape(number: usize, text: &str) -> Result<String, ConfigError> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    units.push(unicode_unit(number, &mut chars)?);
                    continue;
                }
                Some('t') => '\t',
                Some('r') => '\r',
                Some('n') => '\n',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => continue,
            },
            other => other,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    Ok(String::from_utf16_lossy(&units))
}

fn unicode_unit(number: usize, chars: &mut std::str::Chars<'_>) -> Result<u16, ConfigError> {
    let digits: String = chars.by_ref().take(4).collect();
    let is_hex = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u16::from_str_radix(&digits, 16) {
        Ok(unit) if is_hex => Ok(unit),
        _ => Err(ConfigError::invalid(format!(
            "line {number}: malformed \\u{digits}; four hex digits follow \\u"
        ))),
    }
}

#[cfg(test)]
mod tests;
