//! A file of offsets at the top of a log directory: Kafka's text, and of two of them a copy.
//!
//! Owns the syntax of the copy and which of the two is believed. Kafka's text has no checksum. Where a log starts whose first
//! records were deleted stands nowhere else, so one rotten bit could hide records, or bring deleted ones back; and a start that
//! knows no recovery points takes what compaction removed for missing. So these two have a copy that has a checksum, under the
//! name of the text's temporary file. Kafka makes its text under that name and renames it: then there is no copy that could
//! contradict. It never decides what an offset means for a log.

use std::io;
use std::path::Path;

use platform::Disk;

use crate::checkpoint_file::{CheckpointError, PartitionOffsets, decode_offsets};
use crate::layout::{TEMPORARY_SUFFIX, copy_name};
use crate::mutant::mutant;

/// Begins the copy; the CRC-32C of the text that follows stands behind it, in eight hexadecimal digits.
const HEAD: &str = "klamm-copy 0 ";

/// What the text and its copy say.
#[derive(Debug, Default)]
pub(crate) struct OffsetsFile {
    pub(crate) offsets: PartitionOffsets,
    /// The text that is believed; empty if there is none.
    pub(crate) text: Vec<u8>,
    /// What is wrong with the text that lies there.
    pub(crate) wrong: Option<WrongText>,
    /// There is a text, and not both files say so: they have to be written.
    pub(crate) is_due: bool,
}

/// Why the text is not believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WrongText {
    /// The copy is whole and says something else.
    #[error("it does not say what its copy {0} says, which is whole and counts")]
    Other(String),
    /// There is no copy, and this cannot be read.
    #[error("{0}")]
    Unreadable(CheckpointError),
}

impl OffsetsFile {
    /// Reads the one of this name in a log directory.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path, name: &str) -> io::Result<Self> {
        let read = |name: &str| match disk.read(&dir.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        let text = read(name)?;
        match copy_name(name) {
            Some(copy) => Ok(Self::of(text, read(&copy)?, &copy)),
            None => Ok(Self { is_due: false, ..Self::of(text, None, "") }),
        }
    }

    fn of(text: Option<Vec<u8>>, copy: Option<Vec<u8>>, copy_name: &str) -> Self {
        let copied = copy.as_deref().and_then(decode_copy).filter(|_| !mutant!(TextTrusted));
        if let Some((copied, offsets)) =
            copied.and_then(|copied| Some((copied, decode_offsets(copied).ok()?)))
        {
            // A loss of power between the two leaves the old text, or none.
            let is_due = text.as_deref() != Some(copied);
            let wrong = (is_due && text.is_some()).then(|| WrongText::Other(copy_name.to_owned()));
            return Self { offsets, text: copied.to_vec(), wrong, is_due };
        }
        let Some(text) = text else { return Self::default() };
        match decode_offsets(&text) {
            Ok(offsets) => Self { offsets, text, wrong: None, is_due: true },
            Err(error) => {
                let wrong = Some(WrongText::Unreadable(error));
                Self { offsets: PartitionOffsets::new(), text, wrong, is_due: true }
            }
        }
    }
}

/// Writes the one of this name, and its copy if it has one. After a loss of power each of them has the old content or the new.
///
/// # Errors
/// The disk's.
pub(crate) fn write_offsets_file(disk: &dyn Disk, dir: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    let Some(copy) = copy_name(name) else { return disk.write_atomic(&dir.join(name), text) };
    let temporary = dir.join(format!("{copy}{TEMPORARY_SUFFIX}"));
    for (name, bytes) in [(copy.as_str(), encode_copy(text).as_slice()), (name, text)] {
        disk.write_whole(&temporary, bytes)?;
        disk.rename(&temporary, &dir.join(name))?;
    }
    disk.sync_dir(dir)
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

    fn file(text: Option<&[u8]>, copy: Option<&[u8]>) -> OffsetsFile {
        OffsetsFile::of(text.map(<[u8]>::to_vec), copy.map(<[u8]>::to_vec), "copy")
    }

    #[test]
    fn a_rotten_bit_in_either_changes_nothing() {
        let text = b"0\n2\nt 0 40\nt0 0 8\n";
        let copy = encode_copy(text);
        let right = decode_offsets(text).expect("well-formed");
        let sound = file(Some(text), Some(&copy));
        assert_eq!((sound.offsets, sound.wrong, sound.is_due), (right.clone(), None, false));
        for bit in 0..text.len() * 8 {
            let mut rotten = text.to_vec();
            rotten[bit / 8] ^= 1 << (bit % 8);
            let found = file(Some(&rotten), Some(&copy));
            assert_eq!((found.offsets, found.text), (right.clone(), text.to_vec()), "bit {bit}");
            assert_eq!(
                (found.wrong, found.is_due),
                (Some(WrongText::Other("copy".into())), true),
                "bit {bit}"
            );
        }
        for bit in 0..copy.len() * 8 {
            let mut rotten = copy.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            let found = file(Some(text), Some(&rotten));
            assert_eq!((found.offsets, found.wrong, found.is_due), (right.clone(), None, true), "bit {bit}");
        }
    }

    #[test]
    fn without_a_copy_the_text_counts() {
        let found = file(Some(b"0\n1\nt 0 5\n"), None);
        assert_eq!(found.offsets, PartitionOffsets::from([(("t".into(), 0), 5)]));
        assert!(found.wrong.is_none() && found.is_due);
        let found = file(Some(b"0\n1\nt 0\n"), None);
        assert!(found.offsets.is_empty() && matches!(found.wrong, Some(WrongText::Unreadable(_))));
        let found = file(None, None);
        assert!(found.offsets.is_empty() && found.wrong.is_none() && !found.is_due);
        let found = file(None, Some(&encode_copy(b"0\n1\nt 0 5\n")));
        assert_eq!(found.offsets, PartitionOffsets::from([(("t".into(), 0), 5)]));
    }
}
