//! The bytes of a write-ahead log: file header, group, frame, table of ends. All numbers are big-endian.
//!
//! A file is a header block, then groups, each at a multiple of the block size. Everything in a group, its own numbers
//! included, is under its checksum. The sequence number of the file's use in it tells groups of an earlier use apart, and a
//! random number of that use tells them from what a client wrote: replay looks for groups at any block, also among the
//! records of one that is torn.

use platform::DIRECT_BLOCK_BYTES;

/// The size that everything is aligned to.
pub(crate) const BLOCK_BYTES: usize = DIRECT_BLOCK_BYTES;
/// Bytes of a group before its frames.
pub(crate) const GROUP_HEAD_BYTES: usize = 64;
/// Bytes of a frame before its batch.
pub(crate) const FRAME_HEAD_BYTES: usize = 45;
/// Bytes of an entry in the table of ends.
pub(crate) const LOG_END_BYTES: usize = 32;
/// The same in a group of version 1.
const OLD_LOG_END_BYTES: usize = 28;
/// Bytes of a reference.
pub(crate) const REFERENCE_BYTES: usize = 8;

const FILE_MAGIC: &[u8; 8] = b"KLAMMWAL";
const FILE_HEAD_BYTES: usize = 56;
/// Where in its block the header stands once more, in another sector.
const FILE_HEAD_COPY_AT: usize = BLOCK_BYTES / 2;
const GROUP_MAGIC: u32 = 0x4b57_4731;
/// Version 1 had no random number.
const FILE_VERSION: u32 = 2;
/// Version 1 had no generations in its table of ends.
const GROUP_VERSION: u32 = 2;
/// Where a group keeps the random number of the file's use, and its checksum.
const GROUP_SALT_AT: usize = 52;
const GROUP_CRC_AT: usize = 60;

/// One use of a file, from its beginning to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FileUse {
    /// Grows with each use.
    pub(crate) sequence: u64,
    /// At random, so that nobody outside can know how a group of this use looks.
    pub(crate) salt: u64,
}

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHead {
    /// Directory id: a file that came from elsewhere is not ours.
    pub(crate) id: [u8; 16],
    /// Which use of a file this is.
    pub(crate) of_use: FileUse,
    /// Bytes of the file.
    pub(crate) size: u64,
}

impl FileHead {
    /// The header's block.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BLOCK_BYTES);
        bytes.extend_from_slice(FILE_MAGIC);
        bytes.extend_from_slice(&FILE_VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.id);
        bytes.extend_from_slice(&self.of_use.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.size.to_be_bytes());
        bytes.extend_from_slice(&self.of_use.salt.to_be_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        debug_assert_eq!(bytes.len(), FILE_HEAD_BYTES);
        let copy = bytes.clone();
        bytes.resize(BLOCK_BYTES, 0);
        bytes[FILE_HEAD_COPY_AT..FILE_HEAD_COPY_AT + FILE_HEAD_BYTES].copy_from_slice(&copy);
        bytes
    }

    /// Reads a header's block; `None` if this is none, or of a version we do not know. Without a header everything in the
    /// file would be lost, so there are two.
    pub(crate) fn decode(block: &[u8]) -> Option<FileHead> {
        Self::decode_at(block, 0).or_else(|| Self::decode_at(block, FILE_HEAD_COPY_AT))
    }

    fn decode_at(block: &[u8], at: usize) -> Option<FileHead> {
        let bytes = block.get(at..at + FILE_HEAD_BYTES)?;
        if !bytes.starts_with(FILE_MAGIC) {
            return None;
        }
        let (salt, crc_at) = match u32_at(bytes, 8) {
            1 => (0, 44),
            FILE_VERSION => (u64_at(bytes, 44), 52),
            _ => return None,
        };
        let is_whole = crc32c::crc32c(&bytes[..crc_at]) == u32_at(bytes, crc_at);
        is_whole.then(|| FileHead {
            id: array_at(bytes, 12),
            of_use: FileUse { sequence: u64_at(bytes, 28), salt },
            size: u64_at(bytes, 36),
        })
    }
}

/// What a group says of itself, besides its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GroupHead {
    /// The file's use.
    pub(crate) of_use: FileUse,
    /// Grows by one with each group of the directory.
    pub(crate) number: u64,
    /// This group and all before it were durable when this one was written.
    pub(crate) proven: u64,
    /// Groups before this one were not needed any more when this one was written: their place may have been used again.
    pub(crate) needed_from: u64,
    /// Number of frames.
    pub(crate) frames: u32,
}

/// Completes a group: `bytes` hold room for the head, then the frames; the table of ends and the padding are added.
pub(crate) fn finish_group(bytes: &mut Vec<u8>, start: usize, head: &GroupHead, ends: &[LogEnd]) {
    ends.iter().for_each(|end| end.encode(bytes));
    let body = (bytes.len() - start - GROUP_HEAD_BYTES) as u32;
    let group = &mut bytes[start..];
    group[..4].copy_from_slice(&GROUP_MAGIC.to_be_bytes());
    group[4..8].copy_from_slice(&GROUP_VERSION.to_be_bytes());
    group[8..16].copy_from_slice(&head.of_use.sequence.to_be_bytes());
    group[16..24].copy_from_slice(&head.number.to_be_bytes());
    group[24..32].copy_from_slice(&head.proven.to_be_bytes());
    group[32..36].copy_from_slice(&head.frames.to_be_bytes());
    group[36..40].copy_from_slice(&body.to_be_bytes());
    group[40..44].copy_from_slice(&(ends.len() as u32).to_be_bytes());
    group[44..52].copy_from_slice(&head.needed_from.to_be_bytes());
    group[GROUP_SALT_AT..GROUP_CRC_AT].copy_from_slice(&head.of_use.salt.to_be_bytes());
    let crc = group_crc(group);
    group[GROUP_CRC_AT..GROUP_HEAD_BYTES].copy_from_slice(&crc.to_be_bytes());
    let padded = (bytes.len() - start).next_multiple_of(BLOCK_BYTES);
    bytes.resize(start + padded, 0);
}

fn group_crc(group: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&group[..GROUP_CRC_AT]), &group[GROUP_HEAD_BYTES..])
}

/// A group read back.
pub(crate) struct ReadGroup<'a> {
    pub(crate) head: GroupHead,
    /// Blocks it takes, in bytes.
    pub(crate) block_bytes: usize,
    frames: &'a [u8],
    ends: &'a [u8],
    end_bytes: usize,
}

impl<'a> ReadGroup<'a> {
    /// How many bytes the group at the start of `bytes` takes without padding, if its head says something possible.
    pub(crate) fn claimed_bytes(bytes: &[u8], of_use: FileUse) -> Option<usize> {
        let head = bytes.get(..GROUP_HEAD_BYTES)?;
        let is_group = u32_at(head, 0) == GROUP_MAGIC && (1..=GROUP_VERSION).contains(&u32_at(head, 4));
        let found = FileUse { sequence: u64_at(head, 8), salt: u64_at(head, GROUP_SALT_AT) };
        (is_group && found == of_use).then(|| GROUP_HEAD_BYTES + u32_at(head, 36) as usize)
    }

    /// Reads the group at the start of `bytes`; `None` if it is not whole.
    pub(crate) fn decode(bytes: &'a [u8], of_use: FileUse) -> Option<ReadGroup<'a>> {
        let len = Self::claimed_bytes(bytes, of_use)?;
        let group = bytes.get(..len)?;
        if group_crc(group) != u32_at(group, GROUP_CRC_AT) {
            return None;
        }
        let end_bytes = if u32_at(group, 4) == 1 { OLD_LOG_END_BYTES } else { LOG_END_BYTES };
        let ends_bytes = (u32_at(group, 40) as usize).checked_mul(end_bytes)?;
        let frames_end = len.checked_sub(ends_bytes).filter(|end| *end >= GROUP_HEAD_BYTES)?;
        let head = GroupHead {
            of_use,
            number: u64_at(group, 16),
            proven: u64_at(group, 24),
            needed_from: u64_at(group, 44),
            frames: u32_at(group, 32),
        };
        let (frames, ends) = (&group[GROUP_HEAD_BYTES..frames_end], &group[frames_end..]);
        Some(ReadGroup { head, block_bytes: len.next_multiple_of(BLOCK_BYTES), frames, ends, end_bytes })
    }

    /// The frames, in order.
    pub(crate) fn frames(&self) -> impl Iterator<Item = (FrameHead, &'a [u8])> + use<'a> {
        let mut rest = self.frames;
        std::iter::from_fn(move || {
            let (head, len) = FrameHead::decode(rest)?;
            let body = rest.get(FRAME_HEAD_BYTES..FRAME_HEAD_BYTES + len)?;
            rest = &rest[FRAME_HEAD_BYTES + len..];
            Some((head, body))
        })
    }

    /// Where the logs of the group before this one ended with it.
    pub(crate) fn previous_ends(&self) -> impl Iterator<Item = LogEnd> + use<'a> {
        self.ends.chunks_exact(self.end_bytes).map(LogEnd::decode)
    }
}

/// Where a log ends with a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogEnd {
    pub(crate) topic_id: [u8; 16],
    pub(crate) partition: i32,
    pub(crate) next_offset: i64,
    /// How often the log had been cut by then, if that is told: after another cut this says nothing.
    pub(crate) generation: Option<u32>,
}

impl LogEnd {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.topic_id);
        bytes.extend_from_slice(&self.partition.to_be_bytes());
        bytes.extend_from_slice(&self.next_offset.to_be_bytes());
        bytes.extend_from_slice(&self.generation.unwrap_or(0).to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> LogEnd {
        LogEnd {
            topic_id: array_at(bytes, 0),
            partition: i32::from_be_bytes(array_at(bytes, 16)),
            next_offset: i64::from_be_bytes(array_at(bytes, 20)),
            generation: bytes.get(OLD_LOG_END_BYTES..LOG_END_BYTES).map(|bytes| u32_at(bytes, 0)),
        }
    }
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// A batch.
    Batch = 1,
    /// The checksum of a batch whose bytes are in a segment that was flushed, and their number.
    Reference = 2,
}

/// Which batch of which log a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) kind: FrameKind,
    pub(crate) topic_id: [u8; 16],
    pub(crate) partition: i32,
    /// First offset.
    pub(crate) base_offset: i64,
    /// The offset after the batch.
    pub(crate) next_offset: i64,
    /// How often the log had been cut: frames from before its last cut are void.
    pub(crate) generation: u32,
}

impl FrameHead {
    /// Bytes of a frame with a body of `len` bytes.
    pub(crate) fn frame_bytes(&self, len: usize) -> usize {
        FRAME_HEAD_BYTES + len
    }

    pub(crate) fn encode(&self, len: usize, bytes: &mut Vec<u8>) {
        bytes.push(self.kind as u8);
        bytes.extend_from_slice(&self.topic_id);
        bytes.extend_from_slice(&self.partition.to_be_bytes());
        bytes.extend_from_slice(&self.base_offset.to_be_bytes());
        bytes.extend_from_slice(&self.next_offset.to_be_bytes());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&(len as u32).to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<(FrameHead, usize)> {
        let head = bytes.get(..FRAME_HEAD_BYTES)?;
        let kind = match head[0] {
            1 => FrameKind::Batch,
            2 => FrameKind::Reference,
            _ => return None,
        };
        let frame = FrameHead {
            kind,
            topic_id: array_at(head, 1),
            partition: i32::from_be_bytes(array_at(head, 17)),
            base_offset: i64::from_be_bytes(array_at(head, 21)),
            next_offset: i64::from_be_bytes(array_at(head, 29)),
            generation: u32_at(head, 37),
        };
        Some((frame, u32_at(head, 41) as usize))
    }
}

/// The body of a reference: length and checksum of the batch.
pub(crate) fn encode_reference(len: usize, crc: u32) -> [u8; REFERENCE_BYTES] {
    let mut bytes = [0; REFERENCE_BYTES];
    bytes[..4].copy_from_slice(&(len as u32).to_be_bytes());
    bytes[4..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Length and checksum in the body of a reference.
pub(crate) fn decode_reference(body: &[u8]) -> Option<(usize, u32)> {
    (body.len() == REFERENCE_BYTES).then(|| (u32_at(body, 0) as usize, u32_at(body, 4)))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the range has this length")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array_at(bytes, at))
}
