//! Kafka's small text files: a version, a count, then one entry a line.
//!
//! Owns their syntax: offset checkpoints (`topic partition offset`) and leader epochs (`epoch start-offset`). It never
//! touches the disk and never judges what the numbers mean.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Offsets by topic and partition, as one offset checkpoint holds them.
pub(crate) type PartitionOffsets = BTreeMap<(String, i32), i64>;

const VERSION: &str = "0";

/// Why a checkpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// The bytes are not UTF-8.
    #[error("it is not text")]
    NotText,
    /// The first line is another version.
    #[error("its version is '{0}', and only version 0 is known")]
    Version(String),
    /// A line is not an entry.
    #[error("line {line} is malformed: '{text}'")]
    Line { line: usize, text: String },
    /// The number of entries is not the declared one.
    #[error("it declares {declared} entries and holds {found}")]
    Count { declared: usize, found: usize },
}

/// Writes an offset checkpoint.
pub(crate) fn encode_offsets(offsets: &PartitionOffsets) -> Vec<u8> {
    let mut text = format!("{VERSION}\n{}\n", offsets.len());
    for ((topic, partition), offset) in offsets {
        _ = writeln!(text, "{topic} {partition} {offset}");
    }
    text.into_bytes()
}

/// Reads an offset checkpoint.
///
/// # Errors
/// [`CheckpointError`], naming the line.
pub(crate) fn decode_offsets(bytes: &[u8]) -> Result<PartitionOffsets, CheckpointError> {
    let entries = decode(bytes, |line| {
        let mut words = line.split_whitespace();
        let entry = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let offset = words.next()?.parse().ok()?;
        words.next().is_none().then_some((entry, offset))
    })?;
    Ok(entries.into_iter().collect())
}

/// Writes a leader epoch checkpoint from `(epoch, start offset)` pairs.
pub(crate) fn encode_epochs(epochs: &[(i32, i64)]) -> Vec<u8> {
    let mut text = format!("{VERSION}\n{}\n", epochs.len());
    for (epoch, start_offset) in epochs {
        _ = writeln!(text, "{epoch} {start_offset}");
    }
    text.into_bytes()
}

/// Reads a leader epoch checkpoint.
///
/// # Errors
/// [`CheckpointError`], naming the line.
pub(crate) fn decode_epochs(bytes: &[u8]) -> Result<Vec<(i32, i64)>, CheckpointError> {
    decode(bytes, |line| {
        let mut words = line.split_whitespace();
        let epoch: i32 = words.next()?.parse().ok()?;
        let start_offset: i64 = words.next()?.parse().ok()?;
        (words.next().is_none() && epoch >= 0 && start_offset >= 0).then_some((epoch, start_offset))
    })
}

fn decode<T>(bytes: &[u8], entry: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, CheckpointError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CheckpointError::NotText)?;
    let mut lines = text.lines().enumerate();
    let malformed =
        |(line, text): (usize, &str)| CheckpointError::Line { line: line + 1, text: shortened(text) };
    // Kafka takes a file without a version or a count for an empty one: it creates the file before it writes it.
    let Some((_, version)) = lines.next() else { return Ok(Vec::new()) };
    if version != VERSION {
        return Err(CheckpointError::Version(shortened(version)));
    }
    let Some(count_line) = lines.next() else { return Ok(Vec::new()) };
    let declared: usize = count_line.1.parse().map_err(|_| malformed(count_line))?;
    let mut entries = Vec::new();
    for line in lines {
        entries.push(entry(line.1).ok_or_else(|| malformed(line))?);
    }
    if entries.len() == declared {
        Ok(entries)
    } else {
        Err(CheckpointError::Count { declared, found: entries.len() })
    }
}

fn shortened(text: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    text.chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_round_trip_in_kafkas_form() {
        let offsets = PartitionOffsets::from([(("b".into(), 0), 7), (("a".into(), 10), 0)]);
        let text = encode_offsets(&offsets);
        assert_eq!(text, b"0\n2\na 10 0\nb 0 7\n");
        assert_eq!(decode_offsets(&text), Ok(offsets));
        assert_eq!(decode_offsets(b""), Ok(PartitionOffsets::new()));
        assert_eq!(decode_offsets(b"0\n"), Ok(PartitionOffsets::new()));
    }

    #[test]
    fn epochs_round_trip_in_kafkas_form() {
        let text = encode_epochs(&[(0, 0), (5, 100)]);
        assert_eq!(text, b"0\n2\n0 0\n5 100\n");
        assert_eq!(decode_epochs(&text), Ok(vec![(0, 0), (5, 100)]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let line = |line, text: &str| CheckpointError::Line { line, text: text.into() };
        assert_eq!(decode_offsets(b"\xff"), Err(CheckpointError::NotText));
        assert_eq!(decode_offsets(b"1\n0\n"), Err(CheckpointError::Version("1".into())));
        assert_eq!(decode_offsets(b"0\nx\n"), Err(line(2, "x")));
        assert_eq!(decode_offsets(b"0\n1\na 0\n"), Err(line(3, "a 0")));
        assert_eq!(decode_offsets(b"0\n1\na 0 1 2\n"), Err(line(3, "a 0 1 2")));
        assert_eq!(decode_offsets(b"0\n2\na 0 1\n"), Err(CheckpointError::Count { declared: 2, found: 1 }));
        assert_eq!(decode_epochs(b"0\n1\n-1 0\n"), Err(line(3, "-1 0")));
    }
}
