//! Lines taken apart into headers, key and value.
//!
//! Owns the properties that say how, and the words in which Kafka's reader refuses a line. It never reads input itself.

use regex::Regex;

use crate::applets::ToolError;

/// A header's name and value.
type LineHeader = (String, Option<Vec<u8>>);

/// A record as a line has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineRecord {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<LineHeader>,
}

/// See the module.
#[derive(Debug)]
pub struct LineReader {
    parse_key: bool,
    parse_headers: bool,
    ignore_error: bool,
    key_separator: String,
    headers_delimiter: String,
    headers_separator: Regex,
    headers_key_separator: String,
    null_marker: Option<String>,
    line_number: u64,
}

impl LineReader {
    /// A reader with these properties; those it does not know mean nothing.
    pub fn new(properties: &[(String, String)]) -> Result<LineReader, ToolError> {
        let value = |name: &str| {
            properties.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        let is_true = |name: &str| value(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        let or = |name: &str, default: &str| value(name).unwrap_or_else(|| default.to_owned());
        let separator = or("headers.separator", ",");
        let reader = LineReader {
            parse_key: is_true("parse.key"),
            parse_headers: is_true("parse.headers"),
            ignore_error: is_true("ignore.error"),
            key_separator: or("key.separator", "\t"),
            headers_delimiter: or("headers.delimiter", "\t"),
            headers_separator: Regex::new(&separator)
                .map_err(|error| failed(&format!("{separator} is no regular expression: {error}")))?,
            headers_key_separator: or("headers.key.separator", ":"),
            null_marker: value("null.marker"),
            line_number: 0,
        };
        reader.check(&separator)?;
        Ok(reader)
    }

    fn check(&self, headers_separator: &str) -> Result<(), ToolError> {
        let named = [
            ("key.separator", self.key_separator.as_str()),
            ("headers.separator", headers_separator),
            ("headers.delimiter", &self.headers_delimiter),
            ("headers.key.separator", &self.headers_key_separator),
        ];
        for (one, other) in [(2, 1), (2, 3), (1, 3)] {
            if named[one].1 == named[other].1 {
                return Err(failed(&format!("{} and {} may not be equal", named[one].0, named[other].0)));
            }
        }
        match named.iter().find(|(_, text)| Some(*text) == self.null_marker.as_deref()) {
            Some((name, _)) => Err(failed(&format!("null.marker and {name} may not be equal"))),
            None => Ok(()),
        }
    }

    /// Takes the next line apart.
    pub fn record(&mut self, line: &str) -> Result<LineRecord, ToolError> {
        self.line_number += 1;
        let headers = if self.parse_headers {
            self.before(line, 0, &self.headers_delimiter, "headers delimiter")?
        } else {
            None
        };
        let after_headers = headers.map_or(0, |headers| headers.len() + self.headers_delimiter.len());
        let key = if self.parse_key {
            self.before(line, after_headers, &self.key_separator, "key separator")?
        } else {
            None
        };
        let after_key = key.map_or(0, |key| key.len() + self.key_separator.len());
        let value = &line[after_headers + after_key..];
        let bytes = |text: &str| (!self.is_null(text)).then(|| text.as_bytes().to_vec());
        Ok(LineRecord {
            key: key.and_then(bytes),
            value: bytes(value),
            headers: match headers.filter(|headers| !self.is_null(headers)) {
                Some(headers) => self.headers(headers)?,
                None => Vec::new(),
            },
        })
    }

    fn is_null(&self, text: &str) -> bool {
        self.null_marker.as_deref() == Some(text)
    }

    /// The text from `start` on that stands before the separator.
    fn before<'a>(
        &self,
        line: &'a str,
        start: usize,
        separator: &str,
        name: &str,
    ) -> Result<Option<&'a str>, ToolError> {
        match line[start..].find(separator) {
            Some(length) => Ok(Some(&line[start..start + length])),
            None if self.ignore_error => Ok(None),
            None => Err(failed(&format!("No {name} found on line number {}: '{line}'", self.line_number))),
        }
    }

    fn headers(&self, text: &str) -> Result<Vec<LineHeader>, ToolError> {
        let mut pairs: Vec<&str> = self.headers_separator.split(text).collect();
        while pairs.len() > 1 && pairs.last().is_some_and(|last| last.is_empty()) {
            pairs.pop();
        }
        let header = |pair: &&str| match pair.split_once(&self.headers_key_separator) {
            Some((key, _)) if self.is_null(key) => Err(failed(&format!(
                "Header keys should not be equal to the null marker '{key}' as they can't be null"
            ))),
            Some((key, value)) => {
                Ok((key.to_owned(), (!self.is_null(value)).then(|| value.as_bytes().to_vec())))
            }
            None if self.ignore_error => Ok(((*pair).to_owned(), None)),
            None => Err(failed(&format!(
                "No header key separator found in pair '{pair}' on line number {}",
                self.line_number
            ))),
        };
        pairs.iter().map(header).collect()
    }
}

fn failed(reason: &str) -> ToolError {
    ToolError::failed(format!("org.apache.kafka.common.KafkaException: {reason}"))
}

#[cfg(test)]
mod tests;
