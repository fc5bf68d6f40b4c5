//! The bytes of a tail's copies: file header, frames. All numbers are big-endian.
//!
//! Each begins at a multiple of a sector, so that no write of one touches the sectors of another. A frame is under a checksum
//! of its own and carries the file's random number: what a client wrote is not taken for one.

/// What everything is aligned to.
pub(crate) const SLOT_BYTES: usize = 512;
/// Bytes of the file's header.
pub(crate) const FILE_HEAD_BYTES: usize = SLOT_BYTES;

const FILE_MAGIC: [u8; 8] = *b"klmtail1";
const FRAME_MAGIC: u32 = 0x6b6c_7466;
/// Bytes of a frame before the batches.
const FRAME_HEAD_BYTES: usize = 56;
/// Where a frame keeps its checksum.
const FRAME_CRC_AT: usize = 52;

/// Where batches lie in their log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TailPlace {
    /// Base offset of the segment.
    pub(crate) segment: i64,
    /// Position of the first byte in it.
    pub(crate) position: u64,
    /// Offset of the first batch.
    pub(crate) first_offset: i64,
    /// The offset after the last one.
    pub(crate) next_offset: i64,
}

/// A copy of some batches, or of none: a mark.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TailFrame<'a> {
    /// Where they are.
    pub(crate) place: TailPlace,
    /// How often the log had been cut: copies from before its last cut are void.
    pub(crate) generation: u32,
    /// They.
    pub(crate) bytes: &'a [u8],
}

/// The header of a file.
pub(crate) fn encode_file_head(salt: u64) -> [u8; FILE_HEAD_BYTES] {
    let mut head = [0; FILE_HEAD_BYTES];
    head[..8].copy_from_slice(&FILE_MAGIC);
    head[8..16].copy_from_slice(&salt.to_be_bytes());
    let crc = crc32c::crc32c(&head[..16]);
    head[16..20].copy_from_slice(&crc.to_be_bytes());
    head
}

/// The random number in a file's header; `None` if it is not whole.
pub(crate) fn decode_file_head(bytes: &[u8]) -> Option<u64> {
    let head = bytes.get(..20)?;
    let is_whole = head[..8] == FILE_MAGIC && u32_at(head, 16) == crc32c::crc32c(&head[..16]);
    is_whole.then(|| u64_at(head, 8))
}

/// Whether a frame of this file was begun at the start of `bytes`, whole or not.
pub(crate) fn is_frame_begun(bytes: &[u8], salt: u64) -> bool {
    bytes.get(..12).is_some_and(|head| u32_at(head, 0) == FRAME_MAGIC && u64_at(head, 4) == salt)
}

impl<'a> TailFrame<'a> {
    /// The frame, filled up to whole sectors.
    pub(crate) fn encode(&self, salt: u64) -> Vec<u8> {
        let mut frame =
            Vec::with_capacity((FRAME_HEAD_BYTES + self.bytes.len()).next_multiple_of(SLOT_BYTES));
        frame.extend_from_slice(&FRAME_MAGIC.to_be_bytes());
        frame.extend_from_slice(&salt.to_be_bytes());
        frame.extend_from_slice(&self.generation.to_be_bytes());
        frame.extend_from_slice(&(self.bytes.len() as u32).to_be_bytes());
        frame.extend_from_slice(&self.place.segment.to_be_bytes());
        frame.extend_from_slice(&self.place.position.to_be_bytes());
        frame.extend_from_slice(&self.place.first_offset.to_be_bytes());
        frame.extend_from_slice(&self.place.next_offset.to_be_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&frame), self.bytes);
        frame.extend_from_slice(&crc.to_be_bytes());
        debug_assert_eq!(frame.len(), FRAME_HEAD_BYTES);
        frame.extend_from_slice(self.bytes);
        frame.resize(frame.len().next_multiple_of(SLOT_BYTES), 0);
        frame
    }

    /// Reads the frame at the start of `bytes`; `None` if there is no whole one of this file.
    pub(crate) fn decode(bytes: &'a [u8], salt: u64) -> Option<Self> {
        let head = bytes.get(..FRAME_HEAD_BYTES)?;
        if u32_at(head, 0) != FRAME_MAGIC || u64_at(head, 4) != salt {
            return None;
        }
        let body = bytes[FRAME_HEAD_BYTES..].get(..u32_at(head, 16) as usize)?;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head[..FRAME_CRC_AT]), body);
        if crc != u32_at(head, FRAME_CRC_AT) {
            return None;
        }
        let place = TailPlace {
            segment: u64_at(head, 20) as i64,
            position: u64_at(head, 28),
            first_offset: u64_at(head, 36) as i64,
            next_offset: u64_at(head, 44) as i64,
        };
        Some(Self { place, generation: u32_at(head, 12), bytes: body })
    }

    /// Whether it holds no batch, and tells only how far the log was flushed.
    pub(crate) fn is_mark(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of the file that it takes.
    pub(crate) fn size_bytes(&self) -> usize {
        (FRAME_HEAD_BYTES + self.bytes.len()).next_multiple_of(SLOT_BYTES)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("the range has this length"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("the range has this length"))
}
