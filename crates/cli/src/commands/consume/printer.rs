//! Prints records: as JSON lines, as values, readable for people, or by a format.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use client::{ConsumerRecord, Header};
use serde_json::{Map, Value, json};

use crate::base64;
use crate::failure::Failure;
use crate::output::broken_output;
use crate::record_format::{RecordFormat, RecordView};

enum Style {
    Json,
    Pretty { has_many_topics: bool },
    Format(RecordFormat),
}

/// Writes records to standard output.
pub(super) struct Printer {
    style: Style,
    out: BufWriter<StdoutLock<'static>>,
    count: u64,
    now_ms: i64,
}

impl Printer {
    /// Chooses the style; `now_ms` is what ages count to.
    pub(super) fn new(format: Option<&str>, has_many_topics: bool, now_ms: i64) -> Result<Printer, Failure> {
        let style = match format {
            Some("json") => Style::Json,
            Some("pretty") => Style::Pretty { has_many_topics },
            Some("lines") => Style::Format(RecordFormat::parse("%v\\n").map_err(Failure::usage)?),
            Some(text) if !text.contains('%') => {
                let message = format!("{text:?} is no format");
                return Err(Failure::usage(message)
                    .with_fix("write json, lines, pretty, or a format such as '%k %v\\n'"));
            }
            Some(text) => Style::Format(RecordFormat::parse(text).map_err(Failure::usage)?),
            None if io::stdout().is_terminal() => Style::Pretty { has_many_topics },
            None => Style::Json,
        };
        Ok(Printer { style, out: BufWriter::with_capacity(1 << 16, io::stdout().lock()), count: 0, now_ms })
    }

    /// Records printed so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Prints one record.
    pub(super) fn print(&mut self, record: &ConsumerRecord<'_>) -> Result<(), Failure> {
        self.count += 1;
        let written = match &self.style {
            Style::Json => write_json(&mut self.out, record),
            Style::Pretty { has_many_topics } => write_pretty(&mut self.out, record, *has_many_topics),
            Style::Format(format) => {
                let headers: Vec<Header<'_>> = record.headers.collect();
                let view = RecordView {
                    topic: record.topic,
                    partition: record.partition,
                    offset: record.offset,
                    timestamp_ms: record.timestamp,
                    key: record.key,
                    value: record.value,
                    headers: &headers,
                };
                format.write(&mut self.out, &view, self.count, self.now_ms)
            }
        };
        written.map_err(|error| broken_output(&error))
    }

    /// Hands out what is buffered.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(|error| broken_output(&error))
    }
}

/// The line that `klamm produce` takes apart again; the order of the fields is part of it.
fn write_json(out: &mut impl Write, record: &ConsumerRecord<'_>) -> io::Result<()> {
    out.write_all(b"{\"topic\":")?;
    serde_json::to_writer(&mut *out, record.topic)?;
    write!(
        out,
        ",\"partition\":{},\"offset\":{},\"timestamp\":{}",
        record.partition, record.offset, record.timestamp
    )?;
    write_json_bytes(out, "key", record.key)?;
    write_json_bytes(out, "value", record.value)?;
    if !record.headers.is_empty() {
        let headers: Vec<Value> = record.headers.map(|header| json_header(&header)).collect();
        out.write_all(b",\"headers\":")?;
        serde_json::to_writer(&mut *out, &headers)?;
    }
    out.write_all(b"}\n")
}

fn write_json_bytes(out: &mut impl Write, name: &str, bytes: Option<&[u8]>) -> io::Result<()> {
    match bytes.map(std::str::from_utf8) {
        None => write!(out, ",\"{name}\":null"),
        Some(Ok(text)) => {
            write!(out, ",\"{name}\":")?;
            serde_json::to_writer(out, text).map_err(io::Error::from)
        }
        Some(Err(_)) => write!(out, ",\"{name}_base64\":\"{}\"", base64::encode(bytes.unwrap_or_default())),
    }
}

fn json_header(header: &Header<'_>) -> Value {
    let mut fields = Map::new();
    fields.insert("key".to_owned(), json!(String::from_utf8_lossy(header.key)));
    match header.value.map(std::str::from_utf8) {
        None => fields.insert("value".to_owned(), Value::Null),
        Some(Ok(text)) => fields.insert("value".to_owned(), json!(text)),
        Some(Err(_)) => {
            fields.insert("value_base64".to_owned(), json!(base64::encode(header.value.unwrap_or_default())))
        }
    };
    Value::Object(fields)
}

/// `0@17  key  value`, with the topic before it when there are several.
fn write_pretty(out: &mut impl Write, record: &ConsumerRecord<'_>, has_many_topics: bool) -> io::Result<()> {
    if has_many_topics {
        write!(out, "{} ", record.topic)?;
    }
    write!(out, "{}@{}  ", record.partition, record.offset)?;
    if let Some(key) = record.key {
        write!(out, "{}  ", printable(key))?;
    }
    match record.value {
        Some(value) => writeln!(out, "{}", printable(value)),
        None => writeln!(out, "(no value)"),
    }
}

/// Text that cannot command a terminal: control characters are shown, not sent.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.chars().any(|c| c.is_control() && c != '\t') {
        return text.into_owned();
    }
    text.chars()
        .map(|c| if c.is_control() && c != '\t' { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests;
