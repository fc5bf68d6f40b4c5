//! The proof file of a log: checksums over the exact bytes of its segments.
//!
//! Owns the format: a header and entries of fixed size, each with a checksum of its own. An entry says which bytes a
//! stretch of a segment has, the parts of batch headers included that no batch's own checksum covers. It counts only
//! once its end is below the recovery point on disk: before that the bytes it speaks of may never have arrived, or may
//! have been replaced. An entry that is torn or rotten is passed over, so nothing depends on the file being whole. It
//! never touches the disk.

use records::BatchHeader;

mod cold;
mod combine;
mod ledger;
mod log_proof;

pub(crate) use cold::{Cold, Next};
use combine::combine;
pub(crate) use ledger::Ledger;
pub(crate) use log_proof::{LogProof, ProofNews};

/// The file's name in a partition's directory. Kafka removes what ends so whenever it opens a log: what it then changes
/// in the log is not contradicted by what we knew of it.
pub const PROOF_FILE: &str = "klamm-proof.deleted";
/// Bytes of the header and of each entry.
pub const PROOF_SLOT_BYTES: usize = 48;
/// Bytes of a stretch after which the next one begins; a longer batch is a stretch of its own.
pub const RUN_BYTES: u32 = 1 << 20;

const MAGIC: [u8; 8] = *b"klmproof";
const VERSION: u32 = 1;
const KIND_RUN: u8 = 1;
const KIND_SEAL: u8 = 2;
const KIND_SWAP: u8 = 3;
/// In the second byte of an entry.
const WITHOUT_PRODUCERS: u8 = 1;
/// Bytes of an entry that its checksum covers.
const COVERED_BYTES: usize = PROOF_SLOT_BYTES - 4;
/// Bytes at the front of a batch that its own checksum leaves out, that checksum included.
const UNCOVERED_BYTES: usize = 21;

/// Whose log a proof file speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProofIdentity {
    /// Topic id, zero for a log that had none.
    pub topic_id: [u8; 16],
    /// The partition's index.
    pub partition: i32,
}

/// What an entry speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofKind {
    /// A stretch of a segment.
    Run,
    /// A whole segment that nothing is appended to any more.
    Seal,
    /// Compaction was about to put this content in the segment's place. While such an entry is there, what is in the segment
    /// may be what was before, of which nothing need be known, or the new content.
    Swap,
}

/// One entry: the checksum of the bytes `from..to` of a segment's file, which are whole batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProofEntry {
    /// A stretch, or all of the segment.
    pub kind: ProofKind,
    /// Tells contents of the segment apart: 0 as it was appended, another number for each compaction. During the swap both
    /// are known.
    pub content: u32,
    /// Base offset in the segment's name.
    pub base_offset: i64,
    /// The offset after the last batch.
    pub end_offset: i64,
    /// Position of the first byte.
    pub from: u32,
    /// Position after the last byte.
    pub to: u32,
    /// CRC-32C of the bytes.
    pub crc: u32,
    /// Leader epoch of the last batch.
    pub last_epoch: i32,
    /// Whether it is known that no batch has a producer id.
    pub without_producers: bool,
}

/// What a slot of the file after its header holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofSlot {
    /// An entry.
    Entry(ProofEntry),
    /// Zeros: the write did not arrive.
    Blank,
    /// Neither.
    Bad,
}

impl ProofIdentity {
    /// The header of a file.
    pub fn encode(&self) -> [u8; PROOF_SLOT_BYTES] {
        let mut slot = [0; PROOF_SLOT_BYTES];
        slot[..8].copy_from_slice(&MAGIC);
        slot[8..12].copy_from_slice(&VERSION.to_be_bytes());
        slot[12..28].copy_from_slice(&self.topic_id);
        slot[28..32].copy_from_slice(&self.partition.to_be_bytes());
        let crc = crc32c::crc32c(&slot[..COVERED_BYTES]);
        slot[COVERED_BYTES..].copy_from_slice(&crc.to_be_bytes());
        slot
    }

    /// Reads the header of a file; `None` if it is not whole or of an unknown version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let slot: &[u8; PROOF_SLOT_BYTES] = bytes.first_chunk()?;
        let is_whole = be_u32(slot, COVERED_BYTES) == crc32c::crc32c(&slot[..COVERED_BYTES]);
        if !is_whole || slot[..8] != MAGIC || be_u32(slot, 8) != VERSION {
            return None;
        }
        let mut topic_id = [0; 16];
        topic_id.copy_from_slice(&slot[12..28]);
        Some(Self { topic_id, partition: be_u32(slot, 28) as i32 })
    }
}

impl ProofEntry {
    /// The entry as a slot of the file.
    pub fn encode(&self) -> [u8; PROOF_SLOT_BYTES] {
        let mut slot = [0; PROOF_SLOT_BYTES];
        slot[0] = match self.kind {
            ProofKind::Run => KIND_RUN,
            ProofKind::Seal => KIND_SEAL,
            ProofKind::Swap => KIND_SWAP,
        };
        slot[1] = if self.without_producers { WITHOUT_PRODUCERS } else { 0 };
        slot[4..8].copy_from_slice(&self.content.to_be_bytes());
        slot[8..16].copy_from_slice(&self.base_offset.to_be_bytes());
        slot[16..24].copy_from_slice(&self.end_offset.to_be_bytes());
        slot[24..28].copy_from_slice(&self.from.to_be_bytes());
        slot[28..32].copy_from_slice(&self.to.to_be_bytes());
        slot[32..36].copy_from_slice(&self.crc.to_be_bytes());
        slot[36..40].copy_from_slice(&self.last_epoch.to_be_bytes());
        let crc = crc32c::crc32c(&slot[..COVERED_BYTES]);
        slot[COVERED_BYTES..].copy_from_slice(&crc.to_be_bytes());
        slot
    }

    fn decode(slot: &[u8; PROOF_SLOT_BYTES]) -> ProofSlot {
        if slot.iter().all(|byte| *byte == 0) {
            return ProofSlot::Blank;
        }
        let crc = crc32c::crc32c(&slot[..COVERED_BYTES]);
        let kind = match slot[0] {
            KIND_RUN => ProofKind::Run,
            KIND_SEAL => ProofKind::Seal,
            KIND_SWAP => ProofKind::Swap,
            _ => return ProofSlot::Bad,
        };
        let entry = Self {
            kind,
            content: be_u32(slot, 4),
            base_offset: be_i64(slot, 8),
            end_offset: be_i64(slot, 16),
            from: be_u32(slot, 24),
            to: be_u32(slot, 28),
            crc: be_u32(slot, 32),
            last_epoch: be_u32(slot, 36) as i32,
            without_producers: slot[1] & WITHOUT_PRODUCERS != 0,
        };
        let is_possible = entry.from < entry.to && entry.end_offset > entry.base_offset;
        if be_u32(slot, COVERED_BYTES) == crc && is_possible {
            ProofSlot::Entry(entry)
        } else {
            ProofSlot::Bad
        }
    }

    /// Bytes of the stretch.
    pub fn size_bytes(&self) -> u64 {
        u64::from(self.to - self.from)
    }
}

/// Every slot of a file after its header, with its position. The header need not be whole.
pub fn proof_slots(bytes: &[u8]) -> impl Iterator<Item = (u64, ProofSlot)> + use<'_> {
    let rest = bytes.get(PROOF_SLOT_BYTES..).unwrap_or_default();
    rest.chunks(PROOF_SLOT_BYTES).enumerate().map(|(number, slot)| {
        let position = ((number + 1) * PROOF_SLOT_BYTES) as u64;
        (position, slot.first_chunk().map_or(ProofSlot::Bad, ProofEntry::decode))
    })
}

/// The entries of a file that count: those that end at or below `proven_end`, the recovery point on disk.
pub fn proof_entries(bytes: &[u8], proven_end: i64) -> impl Iterator<Item = ProofEntry> + use<'_> {
    proof_slots(bytes).filter_map(move |(_, slot)| match slot {
        ProofSlot::Entry(entry) if entry.end_offset <= proven_end => Some(entry),
        _ => None,
    })
}

/// The entries of one segment, of all its contents, without those that another one of the same content contains.
pub fn proof_of_segment(entries: impl Iterator<Item = ProofEntry>, base_offset: i64) -> Vec<ProofEntry> {
    let mut found: Vec<ProofEntry> = entries.filter(|entry| entry.base_offset == base_offset).collect();
    found.sort_by_key(|e| (e.kind as u8, e.content, e.from, std::cmp::Reverse(e.to)));
    let mut widest: Option<ProofEntry> = None;
    found.retain(|entry| {
        let is_inside = widest.is_some_and(|wide| {
            wide.kind == entry.kind && wide.content == entry.content && entry.to <= wide.to
        });
        if !is_inside {
            widest = Some(*entry);
        }
        !is_inside
    });
    found
}

/// CRC-32C of all bytes of a magic-2 batch whose own checksum is known to be right, from its header alone.
pub fn batch_crc(header: &BatchHeader) -> u32 {
    let mut front = [0; UNCOVERED_BYTES];
    front[..8].copy_from_slice(&header.base_offset.to_be_bytes());
    front[8..12].copy_from_slice(&header.batch_length.to_be_bytes());
    front[12..16].copy_from_slice(&header.partition_leader_epoch.to_be_bytes());
    front[16] = header.magic as u8;
    front[17..].copy_from_slice(&header.crc.to_be_bytes());
    combine(crc32c::crc32c(&front), header.crc, (header.size_bytes() - UNCOVERED_BYTES) as u64)
}

fn be_u32(slot: &[u8; PROOF_SLOT_BYTES], at: usize) -> u32 {
    u32::from_be_bytes([slot[at], slot[at + 1], slot[at + 2], slot[at + 3]])
}

fn be_i64(slot: &[u8; PROOF_SLOT_BYTES], at: usize) -> i64 {
    (i64::from(be_u32(slot, at)) << 32) | i64::from(be_u32(slot, at + 4))
}

#[cfg(test)]
mod tests;
