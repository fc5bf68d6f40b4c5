//! Records as Kafka's formatters print them.
//!
//! Owns their properties and what they print, byte for byte. It never reads a record from anywhere.

use client::{ConsumerRecord, TimestampType};

use super::deserializer::Deserializer;
use crate::applets::ToolError;

/// See the module.
#[derive(Debug)]
pub struct Formatter {
    kind: Kind,
    print_timestamp: bool,
    print_key: bool,
    print_value: bool,
    print_partition: bool,
    print_offset: bool,
    print_delivery: bool,
    print_epoch: bool,
    print_headers: bool,
    key_separator: Vec<u8>,
    line_separator: Vec<u8>,
    headers_separator: Vec<u8>,
    null_literal: Vec<u8>,
    key: Deserializer,
    value: Deserializer,
    headers: Deserializer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Default,
    Logging,
    Nothing,
}

impl Formatter {
    /// The formatter of this class with these properties.
    pub fn new(class: Option<&str>, properties: &[(String, String)]) -> Result<Formatter, ToolError> {
        const PACKAGE: &str = "org.apache.kafka.tools.consumer.";
        let kind = match class.map(|class| class.strip_prefix(PACKAGE).unwrap_or(class)) {
            None | Some("DefaultMessageFormatter") => Kind::Default,
            Some("LoggingMessageFormatter") => Kind::Logging,
            Some("NoOpMessageFormatter") => Kind::Nothing,
            Some(_) => return Err(ToolError::usage(class.unwrap_or_default())),
        };
        let value = |name: &str| {
            properties.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        let is_true = |name: &str, default: bool| {
            value(name).map_or(default, |value| value.trim().eq_ignore_ascii_case("true"))
        };
        let bytes = |name: &str, default: &str| value(name).unwrap_or(default).as_bytes().to_vec();
        let deserializer = |name: &str| Deserializer::of(value(name));
        Ok(Formatter {
            kind,
            print_timestamp: is_true("print.timestamp", false),
            print_key: is_true("print.key", false),
            print_value: is_true("print.value", true),
            print_partition: is_true("print.partition", false),
            print_offset: is_true("print.offset", false),
            print_delivery: is_true("print.delivery", false),
            print_epoch: is_true("print.epoch", false),
            print_headers: is_true("print.headers", false),
            key_separator: bytes("key.separator", "\t"),
            line_separator: bytes("line.separator", "\n"),
            headers_separator: bytes("headers.separator", ","),
            null_literal: bytes("null.literal", "null"),
            key: deserializer("key.deserializer"),
            value: deserializer("value.deserializer"),
            headers: deserializer("headers.deserializer"),
        })
    }

    /// Writes a record.
    pub fn write(&self, record: &ConsumerRecord<'_>, out: &mut Vec<u8>) -> Result<(), ToolError> {
        match self.kind {
            Kind::Nothing => return Ok(()),
            Kind::Logging => eprintln!("INFO {}", logged(record)),
            Kind::Default => {}
        }
        let columns = self.columns(record)?;
        let Some((last, others)) = columns.split_last() else { return Ok(()) };
        for column in others {
            out.extend_from_slice(column);
            out.extend_from_slice(&self.key_separator);
        }
        out.extend_from_slice(last);
        out.extend_from_slice(&self.line_separator);
        Ok(())
    }

    fn columns(&self, record: &ConsumerRecord<'_>) -> Result<Vec<Vec<u8>>, ToolError> {
        let mut columns: Vec<Vec<u8>> = Vec::new();
        if self.print_timestamp {
            columns.push(timestamp(record, "NO_TIMESTAMP").into_bytes());
        }
        if self.print_partition {
            columns.push(format!("Partition:{}", record.partition).into_bytes());
        }
        if self.print_offset {
            columns.push(format!("Offset:{}", record.offset).into_bytes());
        }
        // Kafka's tool drops both before it formats a record.
        if self.print_delivery {
            columns.push(b"Delivery:NOT_PRESENT".to_vec());
        }
        if self.print_epoch {
            columns.push(b"Epoch:NOT_PRESENT".to_vec());
        }
        if self.print_headers {
            columns.push(self.headers(record)?);
        }
        if self.print_key {
            columns.push(self.key.text(record.key.unwrap_or(&self.null_literal))?);
        }
        if self.print_value {
            columns.push(self.value.text(record.value.unwrap_or(&self.null_literal))?);
        }
        Ok(columns)
    }

    fn headers(&self, record: &ConsumerRecord<'_>) -> Result<Vec<u8>, ToolError> {
        let mut text = Vec::new();
        for header in record.headers {
            if !text.is_empty() {
                text.extend_from_slice(&self.headers_separator);
            }
            text.extend_from_slice(header.key);
            text.push(b':');
            text.extend(self.headers.text(header.value.unwrap_or(&self.null_literal))?);
        }
        if text.is_empty() {
            text.extend_from_slice(b"NO_HEADERS");
        }
        Ok(text)
    }
}

fn timestamp(record: &ConsumerRecord<'_>, none: &str) -> String {
    match record.timestamp_type {
        // Only records of the oldest format have none.
        TimestampType::CreateTime if record.timestamp < 0 => none.to_owned(),
        TimestampType::CreateTime => format!("CreateTime:{}", record.timestamp),
        TimestampType::LogAppendTime => format!("LogAppendTime:{}", record.timestamp),
    }
}

/// The line of LoggingMessageFormatter.
fn logged(record: &ConsumerRecord<'_>) -> String {
    let text = |bytes: Option<&[u8]>| {
        bytes.map_or_else(|| "null".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    let timestamp = timestamp(record, "");
    let timestamp = if timestamp.is_empty() { timestamp } else { format!("{timestamp}, ") };
    format!("{timestamp}key:{}, value:{}", text(record.key), text(record.value))
}

#[cfg(test)]
mod tests;
