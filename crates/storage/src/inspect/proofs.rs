//! What the proof of a log says of its segments.
//!
//! Owns comparing checksums with bytes. A segment that compaction was about to swap has two contents that are both right;
//! the one that fits more of the bytes is meant.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use platform::Disk;
use records::HEADER_BYTES;

use super::batch_reader::BatchReader;
use super::finding::Finding;
use crate::proof::{
    PROOF_FILE, ProofEntry, ProofIdentity, ProofKind, ProofSlot, proof_of_segment, proof_slots,
};

/// The entries of a log that count.
#[derive(Default)]
pub(super) struct Proofs {
    entries: Vec<ProofEntry>,
}

/// A stretch whose bytes are not those that were written.
#[derive(Debug, Clone)]
pub(super) struct FailedRun {
    pub(super) entry: ProofEntry,
    /// Whether damage was found in it, batch by batch.
    pub(super) is_explained: bool,
    /// Offsets of the batches that look as they should.
    pub(super) first_offset: Option<i64>,
    pub(super) end_offset: i64,
}

/// What is proven of one segment.
#[derive(Default)]
pub(super) struct SegmentProof {
    verified: Vec<ProofEntry>,
    pub(super) failed: Vec<FailedRun>,
    /// The offset after the last batch that was ever proven; -1 if none was.
    pub(super) end_offset: i64,
}

impl Proofs {
    /// Reads the file, of which entries up to `proven_end` count.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn read(
        disk: &dyn Disk,
        dir: &Path,
        identity: ProofIdentity,
        proven_end: i64,
        findings: &mut Vec<Finding>,
    ) -> io::Result<Self> {
        let path = dir.join(PROOF_FILE);
        if !disk.exists(&path) {
            return Ok(Self::default());
        }
        let bytes = disk.read(&path)?;
        let header = ProofIdentity::decode(&bytes);
        if header.is_none_or(|header| header != identity) {
            findings.push(Finding::warning(&path, "does not begin as the proof of this log"));
        }
        let (mut entries, mut bad) = (Vec::new(), 0_usize);
        for (_, slot) in proof_slots(&bytes) {
            match slot {
                ProofSlot::Entry(entry) if entry.end_offset <= proven_end => entries.push(entry),
                ProofSlot::Entry(_) | ProofSlot::Blank => {}
                ProofSlot::Bad => bad += 1,
            }
        }
        if bad > 0 {
            findings.push(Finding::warning(path, format!("has {bad} entries that cannot be read")));
        }
        Ok(Self { entries })
    }

    /// Compares a segment with its entries.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn check(&self, base: i64, reader: &mut BatchReader) -> io::Result<SegmentProof> {
        let all = proof_of_segment(self.entries.iter().copied(), base);
        let contents: BTreeSet<u32> = all.iter().map(|entry| entry.content).collect();
        let mut best: Option<(u64, SegmentProof)> = None;
        for content in contents {
            let own = || all.iter().filter(|entry| entry.content == content);
            let has_runs = own().any(|entry| entry.kind == ProofKind::Run);
            let kind = if has_runs { ProofKind::Run } else { ProofKind::Seal };
            let proof = compare(own().filter(|entry| entry.kind == kind), reader)?;
            let verified = proof.verified.iter().map(ProofEntry::size_bytes).sum();
            if best.as_ref().is_none_or(|(most, _)| verified >= *most) {
                best = Some((verified, proof));
            }
        }
        let mut proof = best
            .map_or_else(|| SegmentProof { end_offset: -1, ..SegmentProof::default() }, |(_, proof)| proof);
        if all.iter().any(|entry| entry.kind == ProofKind::Swap) {
            // What is there may be the segment before or after a compaction, of which nothing need be known.
            proof.failed.clear();
        }
        Ok(proof)
    }
}

fn compare<'e>(
    entries: impl Iterator<Item = &'e ProofEntry>,
    reader: &mut BatchReader,
) -> io::Result<SegmentProof> {
    let mut proof = SegmentProof { end_offset: -1, ..SegmentProof::default() };
    for entry in entries {
        proof.end_offset = proof.end_offset.max(entry.end_offset);
        let (from, to) = (u64::from(entry.from), u64::from(entry.to));
        if to <= reader.len() && reader.crc_of(from, to)? == entry.crc {
            proof.verified.push(*entry);
        } else {
            let (first_offset, end_offset) = (None, entry.end_offset);
            proof.failed.push(FailedRun { entry: *entry, is_explained: false, first_offset, end_offset });
        }
    }
    Ok(proof)
}

impl SegmentProof {
    /// Bytes that are as they were written.
    pub(super) fn verified_bytes(&self) -> u64 {
        self.verified.iter().map(ProofEntry::size_bytes).sum()
    }

    /// Whether these bytes are as they were written.
    pub(super) fn covers(&self, from: u64, to: u64) -> bool {
        self.verified.iter().any(|run| u64::from(run.from) <= from && to <= u64::from(run.to))
    }

    /// Notes a batch that looks as it should.
    pub(super) fn passed(&mut self, position: u64, offsets: (i64, i64)) {
        let run = self.failed.iter_mut().find(|run| contains(&run.entry, position));
        if let Some(run) = run {
            run.end_offset =
                if run.first_offset.is_none() { offsets.1 } else { run.end_offset.max(offsets.1) };
            run.first_offset.get_or_insert(offsets.0);
        }
    }

    /// Notes that damage was found here.
    pub(super) fn explained(&mut self, from: u64, to: u64) {
        for run in &mut self.failed {
            run.is_explained |=
                u64::from(run.entry.from) < to.max(from + 1) && from <= u64::from(run.entry.to);
        }
    }

    /// Whether a stretch that fails is whole with this header at `from`.
    pub(super) fn is_whole_with(
        &self,
        reader: &mut BatchReader,
        from: u64,
        header: &[u8; HEADER_BYTES],
    ) -> io::Result<bool> {
        let Some(run) = self.failed.iter().find(|run| contains(&run.entry, from)) else { return Ok(false) };
        let before = reader.crc_of(u64::from(run.entry.from), from)?;
        let mut crc = crc32c::crc32c_append(before, header);
        let mut position = from + HEADER_BYTES as u64;
        while position < u64::from(run.entry.to) {
            let wanted = (u64::from(run.entry.to) - position).min(1 << 20) as usize;
            let bytes = reader.bytes(position, wanted)?;
            if bytes.is_empty() {
                return Ok(false);
            }
            crc = crc32c::crc32c_append(crc, bytes);
            position += bytes.len() as u64;
        }
        Ok(crc == run.entry.crc)
    }
}

fn contains(entry: &ProofEntry, position: u64) -> bool {
    (u64::from(entry.from)..u64::from(entry.to)).contains(&position)
}
