//! The new file of a damaged segment.
//!
//! Owns its bytes: what is whole as it is, mended headers, and an empty batch in the place of what is lost. It is read back
//! and judged before anybody uses it; indexes and proof come from that reading.

use std::io;
use std::path::Path;
use std::sync::Arc;

use platform::{Disk, File, OpenMode};
use records::{BatchHeader, HEADER_BYTES, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP};

use super::RepairError;
use crate::index::{IndexEntry, OffsetEntry, TimeEntry};
use crate::inspect::batch_reader::{BatchReader, Found};
use crate::inspect::finding::Damage;
use crate::inspect::log::LogInspection;
use crate::proof::{ProofEntry, ProofKind, RUN_BYTES};

/// `index.interval.bytes` as it is by default.
const INDEX_INTERVAL_BYTES: u64 = 4096;
const COPY_BYTES: usize = 1 << 20;

/// A segment's file, read to its end.
pub(super) struct Rewritten {
    /// The bytes of the offset index.
    pub(super) offsets: Vec<u8>,
    /// The bytes of the time index.
    pub(super) times: Vec<u8>,
    /// Entries of the log's proof.
    pub(super) proof: Vec<ProofEntry>,
}

/// Writes the new file of a segment and reads it back. `damages` are all of the segment's, by position.
///
/// # Errors
/// The file does not come out as meant; the disk's.
pub(super) fn rewrite(
    disk: &dyn Disk,
    path: &Path,
    damages: &[Damage],
    log: &LogInspection,
    next: Option<i64>,
) -> Result<Rewritten, RepairError> {
    let Some(first) = damages.first() else {
        return Err(RepairError::Rewrite {
            path: path.to_path_buf(),
            reason: "nothing is damaged".to_owned(),
        });
    };
    let old = if disk.exists(&first.path) { Some(disk.open(&first.path, OpenMode::Read)?) } else { None };
    let file = disk.open(path, OpenMode::Create)?;
    file.set_len(0)?;
    let mut output = Output { file, len: 0 };
    let mut at = 0;
    for damage in damages {
        output.copy(old.as_ref(), at, damage.from)?;
        match &damage.mended_header {
            Some(header) => {
                output.write(header)?;
                output.copy(old.as_ref(), damage.from + HEADER_BYTES as u64, damage.to)?;
            }
            None => output.fill(damage, epoch_at(log, damage), timestamp_at(old.as_ref(), damage)?)?,
        }
        at = damage.to.max(at);
    }
    let len = old.as_ref().map_or(Ok(0), |old| old.len())?;
    output.copy(old.as_ref(), at, len)?;
    output.file.sync_data()?;
    read(disk, path, first.segment, next, log.flushed_offset)
}

/// The leader epoch of what was lost, as far as it matters: it may not go back.
fn epoch_at(log: &LogInspection, damage: &Damage) -> i32 {
    let before = log.found_epochs.iter().take_while(|(_, start)| *start <= damage.first_offset).last();
    before.or(log.found_epochs.first()).map_or(0, |(epoch, _)| *epoch)
}

/// The largest timestamp of the batch before, so that time goes on evenly.
fn timestamp_at(old: Option<&Arc<dyn File>>, damage: &Damage) -> io::Result<i64> {
    let Some(old) = old else { return Ok(NO_TIMESTAMP) };
    let mut reader = BatchReader::new(Arc::clone(old))?;
    let (mut position, mut timestamp) = (0, NO_TIMESTAMP);
    while position < damage.from {
        match reader.at(position)? {
            Found::Batch(batch) => {
                timestamp = batch.header.max_timestamp;
                position = batch.end();
            }
            Found::Bad { end: Some(end), .. } => position = end,
            _ => break,
        }
    }
    if timestamp == NO_TIMESTAMP
        && let Found::Batch(after) = reader.at(damage.to)?
    {
        timestamp = after.header.max_timestamp;
    }
    Ok(timestamp)
}

/// A file being written from its front.
struct Output {
    file: Arc<dyn File>,
    len: u64,
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(bytes, self.len)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn copy(&mut self, from: Option<&Arc<dyn File>>, mut position: u64, end: u64) -> io::Result<()> {
        let Some(from) = from else { return Ok(()) };
        let mut buffer = vec![0; COPY_BYTES.min(end.saturating_sub(position) as usize)];
        while position < end {
            let wanted = (end - position).min(COPY_BYTES as u64) as usize;
            from.read_exact_at(&mut buffer[..wanted], position)?;
            self.write(&buffer[..wanted])?;
            position += wanted as u64;
        }
        Ok(())
    }

    /// Batches without records that stand for the lost offsets, as compaction leaves them.
    fn fill(&mut self, damage: &Damage, epoch: i32, timestamp: i64) -> io::Result<()> {
        let mut offset = damage.first_offset;
        while offset < damage.end_offset {
            let delta = (damage.end_offset - 1 - offset).min(i64::from(i32::MAX)) as i32;
            self.write(&empty_batch(offset, delta, epoch, timestamp))?;
            offset += i64::from(delta) + 1;
        }
        Ok(())
    }
}

fn empty_batch(base_offset: i64, last_offset_delta: i32, epoch: i32, timestamp: i64) -> [u8; HEADER_BYTES] {
    let mut header = BatchHeader {
        base_offset,
        batch_length: (HEADER_BYTES - records::LOG_OVERHEAD_BYTES) as i32,
        partition_leader_epoch: epoch,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta,
        base_timestamp: NO_TIMESTAMP,
        max_timestamp: timestamp,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        base_sequence: NO_SEQUENCE,
        records_count: 0,
    };
    header.crc = crc32c::crc32c(&header.to_bytes()[21..]);
    header.to_bytes()
}

/// Reads a segment's file, which must be whole up to `flushed`.
///
/// # Errors
/// It is not whole; the disk's.
pub(super) fn read(
    disk: &dyn Disk,
    path: &Path,
    base: i64,
    next: Option<i64>,
    flushed: Option<i64>,
) -> Result<Rewritten, RepairError> {
    let wrong = |reason: String| RepairError::Rewrite { path: path.to_path_buf(), reason };
    let mut reader = BatchReader::new(disk.open(path, OpenMode::Read)?)?;
    let mut building = Building::new(base);
    let mut position = 0;
    loop {
        match reader.at(position)? {
            Found::End => break,
            Found::Batch(batch) => {
                let header = batch.header;
                if header.base_offset < building.expected
                    || next.is_some_and(|next| header.last_offset() >= next)
                {
                    return Err(wrong(format!("offset {} at position {position}", header.base_offset)));
                }
                building.take(&header, position, batch.end(), flushed, &mut reader)?;
                position = batch.end();
            }
            // What was not flushed is left to the next start.
            Found::Bad { .. } if flushed.is_some_and(|flushed| building.expected >= flushed) => break,
            Found::Bad { bad, .. } => return Err(wrong(format!("{bad} at position {position}"))),
        }
    }
    Ok(building.finish(next.is_some(), &mut reader)?)
}

/// Indexes and proof of a segment, batch by batch.
struct Building {
    base: i64,
    expected: i64,
    offsets: Vec<u8>,
    times: Vec<u8>,
    proof: Vec<ProofEntry>,
    bytes_since_index: u64,
    largest: TimeEntry,
    indexed_timestamp: i64,
    run: Option<ProofEntry>,
}

impl Building {
    fn new(base: i64) -> Self {
        Self {
            base,
            expected: base,
            offsets: Vec::new(),
            times: Vec::new(),
            proof: Vec::new(),
            bytes_since_index: 0,
            largest: TimeEntry { timestamp: NO_TIMESTAMP, relative_offset: 0 },
            indexed_timestamp: NO_TIMESTAMP,
            run: None,
        }
    }

    fn take(
        &mut self,
        header: &BatchHeader,
        position: u64,
        end: u64,
        flushed: Option<i64>,
        reader: &mut BatchReader,
    ) -> io::Result<()> {
        let relative_offset = (header.last_offset() - self.base) as u32;
        if header.max_timestamp > self.largest.timestamp {
            self.largest = TimeEntry { timestamp: header.max_timestamp, relative_offset };
        }
        if self.bytes_since_index > INDEX_INTERVAL_BYTES {
            OffsetEntry { relative_offset, position: position as u32 }.encode(&mut self.offsets);
            self.index_time();
            self.bytes_since_index = 0;
        }
        self.bytes_since_index += end - position;
        self.expected = header.next_offset();
        if flushed.is_some_and(|flushed| self.expected > flushed) {
            return self.close_run(reader);
        }
        let run = self.run.get_or_insert(ProofEntry {
            kind: ProofKind::Run,
            content: 0,
            base_offset: self.base,
            end_offset: 0,
            from: position as u32,
            to: 0,
            crc: 0,
            last_epoch: 0,
            without_producers: false,
        });
        (run.to, run.end_offset) = (end as u32, header.next_offset());
        run.last_epoch = header.partition_leader_epoch;
        if run.size_bytes() >= u64::from(RUN_BYTES) { self.close_run(reader) } else { Ok(()) }
    }

    fn index_time(&mut self) {
        if self.largest.timestamp > self.indexed_timestamp {
            self.largest.encode(&mut self.times);
            self.indexed_timestamp = self.largest.timestamp;
        }
    }

    fn close_run(&mut self, reader: &mut BatchReader) -> io::Result<()> {
        if let Some(mut run) = self.run.take() {
            run.crc = reader.crc_of(u64::from(run.from), u64::from(run.to))?;
            self.proof.push(run);
        }
        Ok(())
    }

    fn finish(mut self, is_sealed: bool, reader: &mut BatchReader) -> io::Result<Rewritten> {
        self.close_run(reader)?;
        if is_sealed {
            self.index_time();
            if let Some(last) = self.proof.last().copied().filter(|last| u64::from(last.to) == reader.len()) {
                let crc = reader.crc_of(0, reader.len())?;
                self.proof.push(ProofEntry { kind: ProofKind::Seal, from: 0, crc, ..last });
            }
        }
        Ok(Rewritten { offsets: self.offsets, times: self.times, proof: self.proof })
    }
}
