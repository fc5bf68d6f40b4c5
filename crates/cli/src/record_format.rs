//! The `%` language of `consume -f`: compiled once, then applied to each record.
//!
//! Owns the language. Letters are those of rpk and franz-go; kcat's `%s` and `%S` are accepted.

use std::fmt::Write as _;
use std::io::{self, Write};

use client::Header;
use jiff::Timestamp;

/// A record as the language sees it.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [Header<'a>],
}

/// A compiled format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFormat {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Text(TextField, TextStyle),
    Number(NumberField, NumberStyle),
    Time(TimeStyle),
    Headers(RecordFormat),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextField {
    Topic,
    Key,
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextStyle {
    Raw,
    Hex,
    Base64,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberField {
    Partition,
    Offset,
    TopicLength,
    KeyLength,
    ValueLength,
    HeaderCount,
    Iteration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberStyle {
    Decimal,
    Hex,
    /// Bytes of the number, most significant first.
    Big(usize),
    /// Bytes of the number, least significant first.
    Little(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TimeStyle {
    Millis,
    Iso,
    Age,
    Strftime(String),
}

/// Deepest nesting of `%h{…}`.
const DEPTH_MAX: usize = 1;

impl RecordFormat {
    /// Compiles a format. `\n`, `\t`, `\r`, `\\`, `\xHH` and `%%`, `%{`, `%}` stand for themselves.
    ///
    /// # Errors
    /// Says which letter or modifier is unknown, and which ones there are.
    pub fn parse(text: &str) -> Result<RecordFormat, String> {
        RecordFormat::parse_at(text, 0)
    }

    fn parse_at(text: &str, depth: usize) -> Result<RecordFormat, String> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\\' => rest = escape(rest, &mut literal)?,
                '%' => {
                    let letter = rest
                        .chars()
                        .next()
                        .ok_or("the format ends in a lone %; write %% for a percent sign")?;
                    rest = &rest[letter.len_utf8()..];
                    if matches!(letter, '%' | '{' | '}') {
                        literal.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                        continue;
                    }
                    let (modifier, after) = take_modifier(letter, rest)?;
                    rest = after;
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(piece(letter, modifier, depth)?);
                }
                c => literal.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(RecordFormat { pieces })
    }

    /// Writes one record; `iteration` counts records from 1, `now_ms` is what ages count to.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn write(
        &self,
        out: &mut dyn Write,
        record: &RecordView<'_>,
        iteration: u64,
        now_ms: i64,
    ) -> io::Result<()> {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(bytes) => out.write_all(bytes)?,
                Piece::Text(field, style) => write_text(out, text_of(record, *field), *style)?,
                Piece::Number(field, style) => {
                    write_number(out, number_of(record, *field, iteration), *style)?
                }
                Piece::Time(style) => write_time(out, record.timestamp_ms, style, now_ms)?,
                Piece::Headers(format) => {
                    for header in record.headers {
                        let header = RecordView { key: Some(header.key), value: header.value, ..*record };
                        format.write(out, &header, iteration, now_ms)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Handles what follows a backslash; returns the rest.
fn escape<'a>(rest: &'a str, literal: &mut Vec<u8>) -> Result<&'a str, String> {
    let c = rest.chars().next().ok_or("the format ends in a lone backslash")?;
    let after = &rest[c.len_utf8()..];
    literal.push(match c {
        'n' => b'\n',
        't' => b'\t',
        'r' => b'\r',
        '0' => 0,
        '\\' => b'\\',
        'x' => {
            let digits = after.get(..2).ok_or("two hex digits follow \\x")?;
            let byte = u8::from_str_radix(digits, 16).map_err(|_| format!("\\x{digits} is no byte"))?;
            literal.push(byte);
            return Ok(&after[2..]);
        }
        other => return Err(format!("\\{other} is unknown; there are \\n \\t \\r \\0 \\\\ and \\xHH")),
    });
    Ok(after)
}

/// Takes `{…}` after a letter, minding nested braces.
fn take_modifier(letter: char, rest: &str) -> Result<(Option<&str>, &str), String> {
    let Some(body) = rest.strip_prefix('{') else { return Ok((None, rest)) };
    let mut depth = 1;
    let mut previous = ' ';
    for (at, c) in body.char_indices() {
        match c {
            '{' if previous != '%' => depth += 1,
            '}' if previous != '%' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok((Some(&body[..at]), &body[at + 1..]));
        }
        previous = c;
    }
    Err(format!("the brace after %{letter} is not closed"))
}

fn piece(letter: char, modifier: Option<&str>, depth: usize) -> Result<Piece, String> {
    let text = |field| text_style(letter, modifier).map(|style| Piece::Text(field, style));
    let number = |field| number_style(letter, modifier).map(|style| Piece::Number(field, style));
    match letter {
        't' => text(TextField::Topic),
        'k' => text(TextField::Key),
        'v' | 's' => text(TextField::Value),
        'p' => number(NumberField::Partition),
        'o' => number(NumberField::Offset),
        'T' => number(NumberField::TopicLength),
        'K' => number(NumberField::KeyLength),
        'V' | 'S' => number(NumberField::ValueLength),
        'H' => number(NumberField::HeaderCount),
        'i' => number(NumberField::Iteration),
        'd' => time_style(modifier).map(Piece::Time),
        'h' if depth >= DEPTH_MAX => Err("%h cannot stand inside %h{…}".to_owned()),
        'h' => RecordFormat::parse_at(modifier.unwrap_or("%k=%v "), depth + 1).map(Piece::Headers),
        other => Err(format!(
            "%{other} is unknown; there are %t topic, %p partition, %o offset, %d time, %k key, %v value, \
             %h headers, %T %K %V lengths, %H number of headers, %i count, %%"
        )),
    }
}

fn text_style(letter: char, modifier: Option<&str>) -> Result<TextStyle, String> {
    match modifier {
        None | Some("" | "text" | "ascii") => Ok(TextStyle::Raw),
        Some("hex") => Ok(TextStyle::Hex),
        Some("base64") => Ok(TextStyle::Base64),
        Some("json") => Ok(TextStyle::Json),
        Some(other) => Err(format!("%{letter}{{{other}}} is unknown; there are hex, base64, json and text")),
    }
}

fn number_style(letter: char, modifier: Option<&str>) -> Result<NumberStyle, String> {
    let width = |bits: &str| match bits {
        "8" => Some(1),
        "16" => Some(2),
        "32" => Some(4),
        "64" => Some(8),
        _ => None,
    };
    let style = match modifier {
        None | Some("" | "ascii" | "number") => Some(NumberStyle::Decimal),
        Some("hex") => Some(NumberStyle::Hex),
        Some("byte") => Some(NumberStyle::Big(1)),
        Some(other) => match (other.strip_prefix("big"), other.strip_prefix("little")) {
            (Some(bits), _) => width(bits).map(NumberStyle::Big),
            (_, Some(bits)) => width(bits).map(NumberStyle::Little),
            _ => None,
        },
    };
    style.ok_or_else(|| {
        let other = modifier.unwrap_or_default();
        format!("%{letter}{{{other}}} is unknown; there are ascii, hex, byte, big8 to big64 and little8 to little64")
    })
}

fn time_style(modifier: Option<&str>) -> Result<TimeStyle, String> {
    match modifier {
        None | Some("" | "ms") => Ok(TimeStyle::Millis),
        Some("iso") => Ok(TimeStyle::Iso),
        Some("age") => Ok(TimeStyle::Age),
        Some(other) => match other.strip_prefix("strftime[").and_then(|rest| rest.strip_suffix(']')) {
            Some(format) => {
                jiff::fmt::strtime::format(format, &Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC))
                    .map_err(|error| format!("%d{{strftime[{format}]}}: {error}"))?;
                Ok(TimeStyle::Strftime(format.to_owned()))
            }
            None => Err(format!("%d{{{other}}} is unknown; there are ms, iso, age and strftime[%F %T]")),
        },
    }
}

fn text_of<'a>(record: &RecordView<'a>, field: TextField) -> Option<&'a [u8]> {
    match field {
        TextField::Topic => Some(record.topic.as_bytes()),
        TextField::Key => record.key,
        TextField::Value => record.value,
    }
}

fn number_of(record: &RecordView<'_>, field: NumberField, iteration: u64) -> i64 {
    let length = |len: usize| i64::try_from(len).unwrap_or(i64::MAX);
    match field {
        NumberField::Partition => i64::from(record.partition),
        NumberField::Offset => record.offset,
        NumberField::TopicLength => length(record.topic.len()),
        NumberField::KeyLength => record.key.map_or(-1, |key| length(key.len())),
        NumberField::ValueLength => record.value.map_or(-1, |value| length(value.len())),
        NumberField::HeaderCount => length(record.headers.len()),
        NumberField::Iteration => i64::try_from(iteration).unwrap_or(i64::MAX),
    }
}

fn write_text(out: &mut dyn Write, bytes: Option<&[u8]>, style: TextStyle) -> io::Result<()> {
    match (bytes, style) {
        (None, TextStyle::Json) => out.write_all(b"null"),
        (None, _) => Ok(()),
        (Some(bytes), TextStyle::Raw) => out.write_all(bytes),
        (Some(bytes), TextStyle::Hex) => {
            let mut text = String::with_capacity(bytes.len() * 2);
            for byte in bytes {
                write!(text, "{byte:02x}").map_err(io::Error::other)?;
            }
            out.write_all(text.as_bytes())
        }
        (Some(bytes), TextStyle::Base64) => out.write_all(crate::base64::encode(bytes).as_bytes()),
        (Some(bytes), TextStyle::Json) => {
            serde_json::to_writer(&mut *out, &String::from_utf8_lossy(bytes)).map_err(io::Error::other)
        }
    }
}

fn write_number(out: &mut dyn Write, number: i64, style: NumberStyle) -> io::Result<()> {
    match style {
        NumberStyle::Decimal => write!(out, "{number}"),
        NumberStyle::Hex => write!(out, "{number:x}"),
        NumberStyle::Big(width) => out.write_all(&number.to_be_bytes()[8 - width..]),
        NumberStyle::Little(width) => out.write_all(&number.to_le_bytes()[..width]),
    }
}

fn write_time(out: &mut dyn Write, timestamp_ms: i64, style: &TimeStyle, now_ms: i64) -> io::Result<()> {
    match style {
        TimeStyle::Millis => write!(out, "{timestamp_ms}"),
        TimeStyle::Iso => out.write_all(iso_time(timestamp_ms).as_bytes()),
        TimeStyle::Age => out.write_all(humanized_ms(now_ms.saturating_sub(timestamp_ms)).as_bytes()),
        TimeStyle::Strftime(format) => match Timestamp::from_millisecond(timestamp_ms) {
            Ok(time) => {
                let zoned = time.to_zoned(jiff::tz::TimeZone::UTC);
                let text = jiff::fmt::strtime::format(format, &zoned).map_err(io::Error::other)?;
                out.write_all(text.as_bytes())
            }
            Err(_) => write!(out, "{timestamp_ms}"),
        },
    }
}

/// `2026-11-25T10:00:00.123Z`; the number itself when it lies outside the calendar.
pub fn iso_time(timestamp_ms: i64) -> String {
    match Timestamp::from_millisecond(timestamp_ms) {
        Ok(time) => format!("{time:.3}"),
        Err(_) => timestamp_ms.to_string(),
    }
}

/// `12 ms`, `3 s`, `5 min`, `2 h`, `4 d`.
pub fn humanized_ms(ms: i64) -> String {
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{} s", ms / 1000),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        3_600_000..86_400_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests;
