//! Where logs start, written down twice.
//!
//! Owns the syntax of the copy and which of the two is believed. Kafka's text has no checksum, and where a log starts whose
//! first records were deleted stands nowhere else: one rotten bit could hide records, or bring deleted ones back. So the
//! copy has one, and lies under the name of the text's temporary file. Who writes the text as Kafka does, also Kafka
//! itself, renames that file onto it, and then there is no copy that could contradict. It never decides what an offset
//! means for a log.

use std::io;
use std::path::Path;

use platform::Disk;

use crate::checkpoint_file::{CheckpointError, PartitionOffsets, decode_offsets};
use crate::layout::{LOG_START_CHECKPOINT, LOG_START_COPY, TEMPORARY_SUFFIX};
use crate::mutant::mutant;

/// Begins the copy; the CRC-32C of the text that follows stands behind it, in eight hexadecimal digits.
const HEAD: &str = "klamm-copy 0 ";

/// What the two files say.
#[derive(Debug, Default)]
pub(crate) struct LogStarts {
    pub(crate) offsets: PartitionOffsets,
    /// The text that is believed; empty if there is none.
    pub(crate) text: Vec<u8>,
    /// What is wrong with the text that lies there.
    pub(crate) wrong: Option<WrongText>,
    /// The two files do not both say so: they have to be written.
    pub(crate) is_due: bool,
}

/// Why Kafka's text is not believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WrongText {
    /// The copy is whole and says something else.
    #[error("it does not say what {LOG_START_COPY} says, which is whole and counts")]
    Other,
    /// There is no copy, and this cannot be read.
    #[error("{0}: it counts as empty, and a log starts where its first segment does")]
    Unreadable(CheckpointError),
}

impl LogStarts {
    /// Reads both in a log directory.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> io::Result<Self> {
        let read = |name: &str| match disk.read(&dir.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        Ok(Self::of(read(LOG_START_CHECKPOINT)?, read(LOG_START_COPY)?))
    }

    fn of(text: Option<Vec<u8>>, copy: Option<Vec<u8>>) -> Self {
        let copied = copy.as_deref().and_then(decode_copy).filter(|_| !mutant!(LogStartTextTrusted));
        if let Some((copied, offsets)) =
            copied.and_then(|copied| Some((copied, decode_offsets(copied).ok()?)))
        {
            // A loss of power between the two leaves the old text, or none.
            let is_due = text.as_deref() != Some(copied);
            let wrong = (is_due && text.is_some()).then_some(WrongText::Other);
            return Self { offsets, text: copied.to_vec(), wrong, is_due };
        }
        let Some(text) = text else { return Self::default() };
        match decode_offsets(&text) {
            Ok(offsets) => Self { offsets, text, wrong: None, is_due: true },
            Err(error) => {
                Self { text, wrong: Some(WrongText::Unreadable(error)), is_due: true, ..Self::default() }
            }
        }
    }
}

/// Writes both, the copy first: whenever there is a whole copy, it is what was written last.
///
/// # Errors
/// The disk's.
pub(crate) fn write_log_starts(disk: &dyn Disk, dir: &Path, text: &[u8]) -> io::Result<()> {
    disk.write_atomic(&dir.join(LOG_START_COPY), &encode_copy(text))?;
    let temporary = dir.join(format!("{LOG_START_COPY}{TEMPORARY_SUFFIX}"));
    disk.write_atomic_by(&temporary, &dir.join(LOG_START_CHECKPOINT), text)
}

fn encode_copy(text: &[u8]) -> Vec<u8> {
    let mut copy = format!("{HEAD}{:08x}\n", crc32c::crc32c(text)).into_bytes();
    copy.extend_from_slice(text);
    copy
}

/// The text in a copy; `None` if a byte of it is wrong.
pub(crate) fn decode_copy(copy: &[u8]) -> Option<&[u8]> {
    let text = copy.get(HEAD.len() + 9..)?;
    (encode_copy(text) == copy).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(text: Option<&[u8]>, copy: Option<&[u8]>) -> LogStarts {
        LogStarts::of(text.map(<[u8]>::to_vec), copy.map(<[u8]>::to_vec))
    }

    #[test]
    fn a_rotten_bit_in_either_changes_nothing() {
        let text = b"0\n2\nt 0 40\nt0 0 8\n";
        let copy = encode_copy(text);
        let right = decode_offsets(text).expect("well-formed");
        let sound = starts(Some(text), Some(&copy));
        assert_eq!((sound.offsets, sound.wrong, sound.is_due), (right.clone(), None, false));
        for bit in 0..text.len() * 8 {
            let mut rotten = text.to_vec();
            rotten[bit / 8] ^= 1 << (bit % 8);
            let found = starts(Some(&rotten), Some(&copy));
            assert_eq!((found.offsets, found.text), (right.clone(), text.to_vec()), "bit {bit}");
            assert_eq!((found.wrong, found.is_due), (Some(WrongText::Other), true), "bit {bit}");
        }
        for bit in 0..copy.len() * 8 {
            let mut rotten = copy.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            let found = starts(Some(text), Some(&rotten));
            assert_eq!((found.offsets, found.wrong, found.is_due), (right.clone(), None, true), "bit {bit}");
        }
    }

    #[test]
    fn without_a_copy_the_text_counts() {
        let found = starts(Some(b"0\n1\nt 0 5\n"), None);
        assert_eq!(found.offsets, PartitionOffsets::from([(("t".into(), 0), 5)]));
        assert!(found.wrong.is_none() && found.is_due);
        let found = starts(Some(b"0\n1\nt 0\n"), None);
        assert!(found.offsets.is_empty() && matches!(found.wrong, Some(WrongText::Unreadable(_))));
        let found = starts(None, None);
        assert!(found.offsets.is_empty() && found.wrong.is_none() && !found.is_due);
        let found = starts(None, Some(&encode_copy(b"0\n1\nt 0 5\n")));
        assert_eq!(found.offsets, PartitionOffsets::from([(("t".into(), 0), 5)]));
    }
}
