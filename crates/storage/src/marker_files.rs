//! The small files: the clean-shutdown marker, `partition.metadata`, and how often a log was cut.
//!
//! Owns their syntax. It never touches the disk and never decides what a missing marker means.

use protocol::Uuid;

/// The clean-shutdown marker: JSON with the broker epoch the node had (KIP-966), -1 if it had none.
pub(crate) fn encode_clean_shutdown(broker_epoch: i64) -> Vec<u8> {
    format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}").into_bytes()
}

/// The broker epoch in a clean-shutdown marker; `None` for an empty or unreadable one, which still says "clean".
pub(crate) fn decode_clean_shutdown(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (_, rest) = text.split_once("\"brokerEpoch\"")?;
    let number = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = number.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(number.len());
    number[..end].parse().ok()
}

/// `partition.metadata`: the topic id of the log.
pub(crate) fn encode_partition_metadata(topic_id: Uuid) -> Vec<u8> {
    format!("version: 0\ntopic_id: {topic_id}").into_bytes()
}

/// The topic id in a `partition.metadata` file.
///
/// # Errors
/// One phrase that says what is wrong.
pub(crate) fn decode_partition_metadata(bytes: &[u8]) -> Result<Uuid, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let mut lines = text.lines();
    let mut value = |key: &str| {
        let line = lines.next().unwrap_or_default();
        let value = line.strip_prefix(key).and_then(|rest| rest.strip_prefix(':'));
        value.map(str::trim).ok_or_else(|| format!("it has no {key}"))
    };
    let version = value("version")?;
    if version != "0" {
        return Err(format!("its version is '{version}', and only version 0 is known"));
    }
    let id = value("topic_id")?;
    match id.parse::<Uuid>() {
        Ok(id) if !id.is_zero() => Ok(id),
        _ => Err(format!("its topic_id '{id}' is not a topic id")),
    }
}

/// Whether such a file was torn by a loss of power, which leaves it empty, short or with zeros at its end. What is whole and
/// cannot be read is rotten.
pub(crate) fn is_torn_partition_metadata(bytes: &[u8]) -> bool {
    bytes.len() < encode_partition_metadata(Uuid::ZERO).len() || bytes.last() == Some(&0)
}

/// Whether one id was read for the other because of a single rotten character. Two topics' ids never lie so near.
pub fn is_rotten_topic_id(found: Uuid, expected: Uuid) -> bool {
    let (found, expected) = (found.to_string(), expected.to_string());
    found.bytes().zip(expected.bytes()).filter(|(a, b)| a != b).count() == 1
}

/// Whether such a file is that of a topic but for one rotten byte.
pub(crate) fn is_rotten_partition_metadata(found: &[u8], expected: Uuid) -> bool {
    let expected = encode_partition_metadata(expected);
    found.len() == expected.len() && found.iter().zip(&expected).filter(|(a, b)| a != b).count() == 1
}

/// How often a log was cut, with a checksum.
pub(crate) fn encode_generation(generation: u32) -> Vec<u8> {
    let bytes = generation.to_be_bytes();
    [bytes, crc32c::crc32c(&bytes).to_be_bytes()].concat()
}

/// The number in such a file; `None` if it is damaged. With so short a number its checksum tells which bit is rotten, if it
/// is one.
pub(crate) fn decode_generation(bytes: &[u8]) -> Option<u32> {
    let found = u64::from_be_bytes(bytes.try_into().ok()?);
    let is_whole = |file: &u64| crc32c::crc32c(&((file >> 32) as u32).to_be_bytes()) == *file as u32;
    let one_bit_other = (0..u64::BITS).map(|bit| found ^ (1 << bit));
    let file = std::iter::once(found).chain(one_bit_other).find(is_whole)?;
    Some((file >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clean_marker_round_trips() {
        assert_eq!(encode_clean_shutdown(42), b"{\"version\":0,\"brokerEpoch\":42}");
        for epoch in [-1, 0, i64::MAX] {
            assert_eq!(decode_clean_shutdown(&encode_clean_shutdown(epoch)), Some(epoch));
        }
        assert_eq!(decode_clean_shutdown(b"{ \"brokerEpoch\" : 7, \"version\": 0 }"), Some(7));
        assert_eq!(decode_clean_shutdown(b""), None);
        assert_eq!(decode_clean_shutdown(b"{\"brokerEpoch\":null}"), None);
    }

    #[test]
    fn a_rotten_bit_of_a_generation_is_mended_and_two_are_not() {
        for generation in [0, 1, 77, u32::MAX] {
            let whole = u64::from_be_bytes(encode_generation(generation).try_into().expect("eight bytes"));
            let decode = |file: u64| decode_generation(&file.to_be_bytes());
            assert_eq!(decode(whole), Some(generation));
            for one in 0..64 {
                let rotten = whole ^ (1 << one);
                assert_eq!(decode(rotten), Some(generation));
                for other in (0..64).filter(|other| *other != one) {
                    assert_eq!(decode(rotten ^ (1 << other)), None, "bits {one} and {other}");
                }
            }
        }
        assert_eq!(decode_generation(&encode_generation(3)[..7]), None);
    }

    #[test]
    fn the_topic_id_round_trips() {
        let text = encode_partition_metadata(Uuid([7; 16]));
        assert_eq!(text, b"version: 0\ntopic_id: BwcHBwcHBwcHBwcHBwcHBw");
        assert_eq!(decode_partition_metadata(&text), Ok(Uuid([7; 16])));
        let wrong = |text: &str| decode_partition_metadata(text.as_bytes()).expect_err("wrong");
        assert_eq!(wrong(""), "it has no version");
        assert_eq!(wrong("version: 1\ntopic_id: x"), "its version is '1', and only version 0 is known");
        assert_eq!(wrong("version: 0"), "it has no topic_id");
        assert_eq!(wrong("version: 0\ntopic_id: x"), "its topic_id 'x' is not a topic id");
        assert_eq!(
            wrong("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA"),
            "its topic_id 'AAAAAAAAAAAAAAAAAAAAAA' is not a topic id"
        );
    }
}
