//! Showing the records of a batch, those of internal topics taken apart.
//!
//! Owns which decoder a log's records need. It never fails on a record that cannot be taken apart: its bytes are shown.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use protocol::{
    EndTxnMarker, GroupRecordKey, GroupRecordValue, LeaderChangeMessage, Message, MetadataRecord, Reader,
};
use records::{Batch, BatchHeader, ControlRecordType, DEFAULT_DECOMPRESSED_LIMIT_BYTES, Record};
use serde_json::{Map, Value, json};

use crate::base64;
use crate::record_format::iso_time;

/// Whose records they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordStyle {
    /// Anybody's.
    Plain,
    /// The group coordinator's.
    Groups,
    /// The controller's.
    Metadata,
}

impl RecordStyle {
    /// By the name of the directory around a file.
    pub(super) fn of_log(file: &Path) -> Self {
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
        let dir = absolute.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        match dir.unwrap_or_default() {
            name if name.starts_with("__consumer_offsets-") => Self::Groups,
            name if name.starts_with("__cluster_metadata-") => Self::Metadata,
            _ => Self::Plain,
        }
    }
}

/// Writes the records of a batch whose offsets are wanted.
///
/// # Errors
/// The output's.
pub(super) fn write_records(
    out: &mut impl Write,
    (header, bytes): (&BatchHeader, &[u8]),
    style: RecordStyle,
    is_json: bool,
    is_wanted: impl Fn(i64) -> bool,
) -> io::Result<()> {
    let mut plain = Vec::new();
    let batch = Batch { header: *header, bytes };
    let opened = match batch.open(DEFAULT_DECOMPRESSED_LIMIT_BYTES, &mut plain) {
        Ok(records) => records,
        Err(error) => return write_fault(out, header, &error.to_string(), is_json),
    };
    for record in opened {
        match record {
            Ok(record) if is_wanted(record.offset) => {
                let decoded = decode(&record, header, style);
                if is_json {
                    writeln!(out, "{}", json_of(&record, decoded.as_deref()))?;
                } else {
                    writeln!(out, "{}", text_of(&record, decoded.as_deref()))?;
                }
            }
            Ok(_) => {}
            Err(error) => return write_fault(out, header, &error.to_string(), is_json),
        }
    }
    Ok(())
}

fn write_fault(out: &mut impl Write, header: &BatchHeader, reason: &str, is_json: bool) -> io::Result<()> {
    if is_json {
        let value = json!({"type": "unreadable", "base_offset": header.base_offset, "reason": reason});
        return writeln!(out, "{value}");
    }
    writeln!(out, "            the records cannot be read: {reason}")
}

/// A record of Kafka's own, in words.
fn decode(record: &Record<'_>, header: &BatchHeader, style: RecordStyle) -> Option<String> {
    if header.is_control() {
        return Some(control(record));
    }
    match style {
        RecordStyle::Plain => None,
        RecordStyle::Metadata => Some(match MetadataRecord::decode_framed(record.value?) {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("unknown: {error}"),
        }),
        RecordStyle::Groups => {
            let key = match GroupRecordKey::decode(record.key?) {
                Ok(key) => key,
                Err(error) => return Some(format!("unknown: {error}")),
            };
            let value = record.value.map(|value| GroupRecordValue::decode(key.record_type(), value));
            Some(match value {
                None => format!("{key:?} is forgotten"),
                Some(Ok(value)) => format!("{key:?} is {value:?}"),
                Some(Err(error)) => format!("{key:?} is unknown: {error}"),
            })
        }
    }
}

fn control(record: &Record<'_>) -> String {
    let Some(kind) = record.key.and_then(ControlRecordType::from_key) else {
        return "a control record of an unknown type".to_owned();
    };
    let value = record.value.unwrap_or_default();
    let body = match kind {
        // An int16 version comes first.
        ControlRecordType::Abort | ControlRecordType::Commit => value
            .get(2..)
            .and_then(|body| EndTxnMarker::decode(&mut Reader::new(body), 0).ok())
            .map(|marker| format!(" coordinator epoch {}", marker.coordinator_epoch)),
        ControlRecordType::LeaderChange => LeaderChangeMessage::decode(&mut Reader::new(value), 0)
            .ok()
            .map(|change| format!(" to {}", change.leader_id)),
        _ => None,
    };
    format!("{kind:?}{}", body.unwrap_or_default())
}

fn text_of(record: &Record<'_>, decoded: Option<&str>) -> String {
    let mut text = format!("            offset {}", record.offset);
    if record.timestamp >= 0 {
        _ = write!(text, "  {}", iso_time(record.timestamp));
    }
    match decoded {
        Some(decoded) => _ = write!(text, "  {decoded}"),
        None => {
            if let Some(key) = record.key {
                _ = write!(text, "  key {}", readable(key));
            }
            _ = match record.value {
                Some(value) => write!(text, "  value {}", readable(value)),
                None => write!(text, "  no value"),
            };
        }
    }
    for header in record.headers {
        let value = header.value.map_or_else(|| "null".to_owned(), readable);
        _ = write!(text, "  header {}={value}", readable(header.key));
    }
    text
}

/// Text as it stands, with escapes for what has no shape; other bytes as base64.
fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("base64:{}", base64::encode(bytes)),
    }
}

fn json_of(record: &Record<'_>, decoded: Option<&str>) -> Value {
    let mut object = Map::new();
    object.insert("type".into(), "record".into());
    object.insert("offset".into(), record.offset.into());
    object.insert("timestamp".into(), record.timestamp.into());
    put_bytes(&mut object, "key", record.key);
    put_bytes(&mut object, "value", record.value);
    let headers: Vec<Value> = record
        .headers
        .map(|header| {
            let mut object = Map::new();
            put_bytes(&mut object, "key", Some(header.key));
            put_bytes(&mut object, "value", header.value);
            Value::Object(object)
        })
        .collect();
    if !headers.is_empty() {
        object.insert("headers".into(), headers.into());
    }
    if let Some(decoded) = decoded {
        object.insert("decoded".into(), decoded.into());
    }
    Value::Object(object)
}

fn put_bytes(object: &mut Map<String, Value>, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
        None => _ = object.insert(name.to_owned(), Value::Null),
        Some(Ok(text)) => _ = object.insert(name.to_owned(), text.into()),
        Some(Err(bytes)) => _ = object.insert(format!("{name}_base64"), base64::encode(bytes).into()),
    }
}
