//! Bytes that a case describes: plain text, hex, repetitions, record batches with any lie in their header.
//!
//! Owns the words that begin with `$`. Batches are written here byte by byte, for the broker's own builder would refuse
//! to build the wrong ones.

use records::Compression;
use serde_json::Value as Json;

use crate::Failure;
use crate::encode::uvarint;

/// Records of the cases are this old, so that two brokers write the same times into their logs.
const TIMESTAMP: i64 = 1_700_000_000_000;

/// The bytes that a string or a `$word` object stands for.
pub fn bytes(json: &Json) -> Result<Vec<u8>, Failure> {
    if let Some(text) = json.as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let get = |key: &str| json.get(key);
    if let Some(hex) = get("$hex") {
        return from_hex(text(hex)?);
    }
    if let Some(unit) = get("$repeat") {
        let count = number(json, "count")?.ok_or("$repeat needs a count")?;
        return Ok(text(unit)?.repeat(usize::try_from(count)?).into_bytes());
    }
    if let Some(parts) = get("$concat") {
        let parts = parts.as_array().ok_or("$concat takes a list")?;
        return parts.iter().map(bytes).collect::<Result<Vec<_>, _>>().map(|parts| parts.concat());
    }
    if let Some(whole) = get("$cut") {
        let mut whole = bytes(whole)?;
        let by = number(json, "by")?.ok_or("$cut needs `by`")?;
        whole.truncate(whole.len().saturating_sub(usize::try_from(by)?));
        return Ok(whole);
    }
    if let Some(whole) = get("$patch") {
        let mut whole = bytes(whole)?;
        let at = usize::try_from(number(json, "at")?.ok_or("$patch needs `at`")?)?;
        let patch = from_hex(text(get("hex").ok_or("$patch needs `hex`")?)?)?;
        whole.get_mut(at..at + patch.len()).ok_or("$patch beyond the end")?.copy_from_slice(&patch);
        return Ok(whole);
    }
    if let Some(batch) = get("$batch") {
        return record_batch(batch);
    }
    if let Some(set) = get("$messages") {
        return message_set(set);
    }
    if let Some(subscription) = get("$subscription") {
        return consumer_subscription(subscription);
    }
    if let Some(assignment) = get("$assignment") {
        return consumer_assignment(assignment);
    }
    Err(format!("bytes are a string or a $word, not {json}").into())
}

fn text(json: &Json) -> Result<&str, Failure> {
    json.as_str().ok_or_else(|| format!("a string is wanted, not {json}").into())
}

fn from_hex(hex: &str) -> Result<Vec<u8>, Failure> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect()
}

/// A number; strings such as `"5"` are what a captured variable became.
fn number(json: &Json, key: &str) -> Result<Option<i64>, Failure> {
    match json.get(key) {
        None => Ok(None),
        Some(Json::String(text)) if text == "now" => Ok(Some(now_ms())),
        Some(Json::String(text)) if text.starts_with("now") => Ok(Some(now_ms() + text[3..].parse::<i64>()?)),
        Some(Json::String(text)) => Ok(Some(text.parse()?)),
        Some(other) => Ok(Some(other.as_i64().ok_or_else(|| format!("{key} is a number, not {other}"))?)),
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

fn flag(json: &Json, key: &str) -> bool {
    json.get(key).and_then(Json::as_bool).unwrap_or(false)
}

fn varint(value: i64) -> Vec<u8> {
    uvarint(((value << 1) ^ (value >> 63)) as u64)
}

fn codec(json: &Json) -> Result<(i64, Compression), Failure> {
    Ok(match json.get("codec").and_then(Json::as_str) {
        None | Some("none") => (0, Compression::None),
        Some("gzip") => (1, Compression::Gzip),
        Some("snappy") => (2, Compression::Snappy),
        Some("lz4") => (3, Compression::Lz4),
        Some("zstd") => (4, Compression::Zstd),
        Some(other) => return Err(format!("no codec {other}").into()),
    })
}

/// A batch of magic 2. `records` are what the batch holds; every header field can be set to something else.
fn record_batch(json: &Json) -> Result<Vec<u8>, Failure> {
    let empty = Vec::new();
    let records = json.get("records").and_then(Json::as_array).unwrap_or(&empty);
    let base = number(json, "base_timestamp")?.unwrap_or(TIMESTAMP);
    let mut plain = Vec::new();
    let mut max = if records.is_empty() { -1 } else { i64::MIN };
    for (at, record) in records.iter().enumerate() {
        let timestamp = number(record, "ts")?.unwrap_or(base);
        max = max.max(timestamp);
        plain.extend(one_record(record, at as i64, timestamp.wrapping_sub(base))?);
    }
    plain.extend(json.get("tail").map(bytes).transpose()?.unwrap_or_default());
    let (codec_bits, compression) = codec(json)?;
    let mut body = match compression {
        Compression::None => plain,
        other => compressed(other, &plain)?,
    };
    if let Some(raw) = json.get("body") {
        body = bytes(raw)?;
    }
    let attributes = codec_bits
        | if flag(json, "log_append_time") { 8 } else { 0 }
        | if flag(json, "transactional") { 16 } else { 0 }
        | if flag(json, "control") { 32 } else { 0 };
    let field = |key: &str, default: i64| number(json, key).map(|given| given.unwrap_or(default));
    let count = records.len() as i64;
    let mut tail = Vec::new();
    tail.extend((field("attributes", attributes)? as i16).to_be_bytes());
    tail.extend((field("last_offset_delta", count - 1)? as i32).to_be_bytes());
    tail.extend(base.to_be_bytes());
    tail.extend(field("max_timestamp", max)?.to_be_bytes());
    tail.extend(field("producer_id", -1)?.to_be_bytes());
    tail.extend((field("producer_epoch", -1)? as i16).to_be_bytes());
    tail.extend((field("sequence", -1)? as i32).to_be_bytes());
    tail.extend((field("count", count)? as i32).to_be_bytes());
    tail.extend(body);
    let crc = field("crc", i64::from(crc32c::crc32c(&tail)))? as u32;
    let mut out = Vec::new();
    out.extend(field("base_offset", 0)?.to_be_bytes());
    out.extend((field("length", tail.len() as i64 + 9)? as i32).to_be_bytes());
    out.extend((field("leader_epoch", -1)? as i32).to_be_bytes());
    out.push(field("magic", 2)? as u8);
    out.extend(crc.to_be_bytes());
    out.extend(tail);
    Ok(out)
}

fn compressed(compression: Compression, plain: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    compression.compress(None, plain, &mut out)?;
    Ok(out)
}

fn one_record(record: &Json, at: i64, timestamp_delta: i64) -> Result<Vec<u8>, Failure> {
    let mut body = vec![number(record, "attributes")?.unwrap_or(0) as u8];
    body.extend(varint(timestamp_delta));
    body.extend(varint(number(record, "delta")?.unwrap_or(at)));
    body.extend(sized(record.get("key"))?);
    body.extend(sized(record.get("value"))?);
    let empty = serde_json::Map::new();
    let headers = record.get("headers").and_then(Json::as_object).unwrap_or(&empty);
    body.extend(varint(number(record, "header_count")?.unwrap_or(headers.len() as i64)));
    for (key, value) in headers {
        body.extend(varint(key.len() as i64));
        body.extend(key.as_bytes());
        body.extend(sized(Some(value))?);
    }
    let mut out = varint(number(record, "length")?.unwrap_or(body.len() as i64));
    out.extend(body);
    Ok(out)
}

fn sized(json: Option<&Json>) -> Result<Vec<u8>, Failure> {
    match json {
        None | Some(Json::Null) => Ok(varint(-1)),
        Some(json) => {
            let bytes = bytes(json)?;
            let mut out = varint(bytes.len() as i64);
            out.extend(bytes);
            Ok(out)
        }
    }
}

/// Messages of magic 0 or 1, as producers of ten years ago sent them.
fn message_set(json: &Json) -> Result<Vec<u8>, Failure> {
    let magic = number(json, "magic")?.unwrap_or(1) as u8;
    let empty = Vec::new();
    let mut out = Vec::new();
    for (at, record) in json.get("records").and_then(Json::as_array).unwrap_or(&empty).iter().enumerate() {
        let mut body = vec![magic, number(record, "attributes")?.unwrap_or(0) as u8];
        if magic > 0 {
            body.extend(number(record, "ts")?.unwrap_or(TIMESTAMP).to_be_bytes());
        }
        for key in ["key", "value"] {
            match record.get(key) {
                None | Some(Json::Null) => body.extend((-1_i32).to_be_bytes()),
                Some(json) => {
                    let bytes = bytes(json)?;
                    body.extend((bytes.len() as i32).to_be_bytes());
                    body.extend(bytes);
                }
            }
        }
        let crc = number(json, "crc")?.map_or_else(|| crc32(&body), |crc| crc as u32);
        out.extend((at as i64).to_be_bytes());
        out.extend((body.len() as i32 + 4).to_be_bytes());
        out.extend(crc.to_be_bytes());
        out.extend(body);
    }
    Ok(out)
}

/// The checksum of magic 0 and 1 (CRC-32, not CRC-32C).
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

fn short_text(text: &str) -> Vec<u8> {
    let mut out = (text.len() as i16).to_be_bytes().to_vec();
    out.extend(text.as_bytes());
    out
}

/// What a consumer says of itself when it joins (version 0): the topics, and no user data.
fn consumer_subscription(topics: &Json) -> Result<Vec<u8>, Failure> {
    let topics = topics.as_array().ok_or("$subscription takes a list of topics")?;
    let mut out = vec![0, 0];
    out.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        out.extend(short_text(text(topic)?));
    }
    out.extend((-1_i32).to_be_bytes());
    Ok(out)
}

/// What a consumer is given (version 0): partitions by topic, and no user data.
fn consumer_assignment(topics: &Json) -> Result<Vec<u8>, Failure> {
    let topics = topics.as_object().ok_or("$assignment takes an object of topics")?;
    let mut out = vec![0, 0];
    out.extend((topics.len() as i32).to_be_bytes());
    for (topic, partitions) in topics {
        out.extend(short_text(topic));
        let partitions = partitions.as_array().ok_or("partitions are a list")?;
        out.extend((partitions.len() as i32).to_be_bytes());
        for partition in partitions {
            let partition = partition.as_i64().ok_or("a partition is a number")?;
            out.extend((partition as i32).to_be_bytes());
        }
    }
    out.extend((-1_i32).to_be_bytes());
    Ok(out)
}
