//! Reading of records from files and pipes: lines, JSON and CSV.
//!
//! Owns how text becomes records. Sends nothing.

use std::io::BufRead;

use serde_json::Value;

use crate::base64;

/// Longest line of input, in bytes: more than any broker takes by default.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// A header's name and value.
pub type InputHeader = (String, Option<Vec<u8>>);

/// A record to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputRecord {
    /// Key.
    pub key: Option<Vec<u8>>,
    /// Value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<InputHeader>,
    /// Timestamp in ms since 1970; `None` takes the time of sending.
    pub timestamp_ms: Option<i64>,
}

/// What one line of input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum InputFormat {
    /// A value, unless the line is what `klamm consume` printed: then a whole record.
    Auto,
    /// A value as it stands.
    Lines,
    /// A record as a JSON object: {"key":…,"value":…,"headers":[…],"timestamp":…}.
    Json,
    /// A row whose columns become a JSON object; the first line names the columns.
    Csv,
}

/// Reads records one by one.
pub enum RecordReader<R: BufRead> {
    /// One record per line.
    Lines(LineReader<R>),
    /// One record per row.
    Csv(Box<CsvReader<R>>),
}

impl<R: BufRead> RecordReader<R> {
    /// Opens a reader; `key_column` names the CSV column that becomes the key.
    ///
    /// # Errors
    /// The CSV head cannot be read, lacks the column, or a key column is named for another format.
    pub fn new(input: R, format: InputFormat, key_column: Option<&str>) -> Result<RecordReader<R>, String> {
        match format {
            InputFormat::Csv => CsvReader::new(input, key_column).map(|csv| RecordReader::Csv(Box::new(csv))),
            _ if key_column.is_some() => Err("--key names a CSV column; it needs -f csv".to_owned()),
            format => Ok(RecordReader::Lines(LineReader { input, format, line: Vec::new(), number: 0 })),
        }
    }

    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// The input cannot be read or a line is malformed; the message names the line.
    pub fn next_record(&mut self) -> Result<Option<InputRecord>, String> {
        match self {
            RecordReader::Lines(lines) => lines.next_record(),
            RecordReader::Csv(csv) => csv.next_record(),
        }
    }
}

/// Lines as values or as JSON records.
pub struct LineReader<R> {
    input: R,
    format: InputFormat,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> LineReader<R> {
    fn next_record(&mut self) -> Result<Option<InputRecord>, String> {
        self.line.clear();
        self.number += 1;
        let number = self.number;
        let mut limited = std::io::Read::take(&mut self.input, LINE_BYTES_MAX);
        let len =
            limited.read_until(b'\n', &mut self.line).map_err(|error| format!("line {number}: {error}"))?;
        if len == 0 {
            return Ok(None);
        }
        if len as u64 == LINE_BYTES_MAX && !self.line.ends_with(b"\n") {
            return Err(format!("line {number} is longer than {LINE_BYTES_MAX} bytes"));
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let record = match self.format {
            InputFormat::Json => {
                parse_json_record(line).map_err(|error| format!("line {number}: {error}"))?
            }
            InputFormat::Auto => consumed_record(line).unwrap_or_else(|| plain(line)),
            InputFormat::Lines | InputFormat::Csv => plain(line),
        };
        Ok(Some(record))
    }
}

fn plain(line: &[u8]) -> InputRecord {
    InputRecord { value: Some(line.to_vec()), ..InputRecord::default() }
}

/// A line that `klamm consume` printed, which has topic, partition and offset.
fn consumed_record(line: &[u8]) -> Option<InputRecord> {
    if !line.starts_with(b"{\"topic\":") {
        return None;
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(line) else { return None };
    let is_printed = ["topic", "partition", "offset"].iter().all(|name| fields.contains_key(*name));
    if is_printed { parse_json_record(line).ok() } else { None }
}

/// Names that a JSON record may have; the first three say where it came from and are not used.
const JSON_NAMES: [&str; 9] =
    ["topic", "partition", "offset", "key", "key_base64", "value", "value_base64", "headers", "timestamp"];

/// Parses a JSON record. Keys and values that are no strings are sent as compact JSON.
fn parse_json_record(line: &[u8]) -> Result<InputRecord, String> {
    let parsed: Value = serde_json::from_slice(line).map_err(|error| format!("no JSON: {error}"))?;
    let Value::Object(fields) = parsed else {
        return Err("a record is an object like {\"key\":\"k\",\"value\":\"v\"}; to send lines as they are, use -f lines".into());
    };
    if let Some(unknown) = fields.keys().find(|name| !JSON_NAMES.contains(&name.as_str())) {
        return Err(format!("a record has no field {unknown:?}; it has key, value, headers and timestamp"));
    }
    let bytes = |name: &str| -> Result<Option<Vec<u8>>, String> {
        if let Some(encoded) = fields.get(&format!("{name}_base64")) {
            let decoded = encoded.as_str().and_then(base64::decode);
            return decoded.map(Some).ok_or_else(|| format!("{name}_base64 is no Base64"));
        }
        Ok(fields.get(name).and_then(json_bytes))
    };
    let timestamp_ms = match fields.get("timestamp") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_i64().ok_or("timestamp is a number of milliseconds")?),
    };
    let headers = fields.get("headers").map_or(Ok(Vec::new()), parse_headers)?;
    Ok(InputRecord { key: bytes("key")?, value: bytes("value")?, headers, timestamp_ms })
}

fn json_bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into_bytes()),
        other => Some(other.to_string().into_bytes()),
    }
}

/// `[{"key":"a","value":"1"}, …]` or `{"a":"1", …}`.
fn parse_headers(value: &Value) -> Result<Vec<InputHeader>, String> {
    let form = "headers are a list like [{\"key\":\"a\",\"value\":\"1\"}]";
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(fields) => {
            Ok(fields.iter().map(|(name, value)| (name.clone(), json_bytes(value))).collect())
        }
        Value::Array(items) => items
            .iter()
            .map(|item| {
                let name = item.get("key").and_then(Value::as_str).ok_or(form)?;
                let value = match item.get("value_base64").and_then(Value::as_str) {
                    Some(encoded) => Some(base64::decode(encoded).ok_or(form)?),
                    None => item.get("value").and_then(json_bytes),
                };
                Ok((name.to_owned(), value))
            })
            .collect(),
        _ => Err(form.to_owned()),
    }
}

/// Rows as JSON objects.
pub struct CsvReader<R: BufRead> {
    reader: csv::Reader<R>,
    row: csv::ByteRecord,
    /// `"name":` of each column, ready to be written.
    columns: Vec<Vec<u8>>,
    key_column: Option<usize>,
}

impl<R: BufRead> CsvReader<R> {
    fn new(input: R, key_column: Option<&str>) -> Result<CsvReader<R>, String> {
        let mut reader = csv::ReaderBuilder::new().from_reader(input);
        let head = reader.headers().map_err(|error| error.to_string())?.clone();
        let position = |name: &str| head.iter().position(|column| column == name);
        let key_column = match key_column {
            None => None,
            Some(name) => Some(position(name).ok_or_else(|| {
                let columns = head.iter().collect::<Vec<_>>().join(", ");
                format!("there is no column {name:?}; the columns are {columns}")
            })?),
        };
        let quoted = |name: &str| serde_json::to_vec(name).map_err(|error| error.to_string());
        let mut columns = Vec::with_capacity(head.len());
        for name in &head {
            let mut column = quoted(name)?;
            column.push(b':');
            columns.push(column);
        }
        Ok(CsvReader { reader, row: csv::ByteRecord::new(), columns, key_column })
    }

    fn next_record(&mut self) -> Result<Option<InputRecord>, String> {
        if !self.reader.read_byte_record(&mut self.row).map_err(|error| error.to_string())? {
            return Ok(None);
        }
        let mut value = Vec::with_capacity(self.row.as_slice().len() * 3);
        value.push(b'{');
        for (column, field) in self.columns.iter().zip(&self.row) {
            if value.len() > 1 {
                value.push(b',');
            }
            value.extend_from_slice(column);
            append_json_field(&mut value, field)?;
        }
        value.push(b'}');
        let key =
            self.key_column.map(|at| &self.row[at]).filter(|field| !is_missing(field)).map(<[u8]>::to_vec);
        Ok(Some(InputRecord { key, value: Some(value), ..InputRecord::default() }))
    }
}

/// Empty fields and R's `NA` stand for no value.
fn is_missing(field: &[u8]) -> bool {
    matches!(field, b"" | b"NA")
}

fn append_json_field(out: &mut Vec<u8>, field: &[u8]) -> Result<(), String> {
    if is_missing(field) {
        out.extend_from_slice(b"null");
    } else if is_json_number(field) {
        out.extend_from_slice(field);
    } else {
        let text = String::from_utf8_lossy(field);
        serde_json::to_writer(&mut *out, text.as_ref()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// JSON's grammar of numbers: no leading zero, no plus sign, digits on both sides of a point.
fn is_json_number(field: &[u8]) -> bool {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = field.strip_prefix(b"-").unwrap_or(field);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let exponent =
            exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests;
