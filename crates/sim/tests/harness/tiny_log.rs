//! One partition of the tiny node: batches one after another in a file.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use platform::{File, OpenMode, Platform};
use protocol::ErrorCode;
use records::{Batch, batches, stamp};

use crate::tiny_node::Mutant;

/// Batches per producer that are recognised when they come again.
const REMEMBERED: usize = 5;

pub struct TinyLog {
    pub file: Arc<dyn File>,
    mutant: Mutant,
    size: u64,
    /// Base offset, position and length of each batch.
    pub index: Vec<(i64, u64, u64)>,
    pub end: i64,
    /// What is flushed, or need not be.
    pub committed: i64,
    producers: BTreeMap<i64, VecDeque<Remembered>>,
    appended: u32,
}

#[derive(Clone, Copy)]
struct Remembered {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
}

impl TinyLog {
    /// Opens a log and cuts what is not whole at its end.
    pub fn open(platform: &Platform, path: &Path, mutant: Mutant) -> std::io::Result<Self> {
        let file = platform.disk.open(path, OpenMode::Create)?;
        let mut log = Self {
            file,
            mutant,
            size: 0,
            index: Vec::new(),
            end: 0,
            committed: 0,
            producers: BTreeMap::new(),
            appended: 0,
        };
        let bytes = platform.disk.read(path)?;
        for batch in batches(&bytes) {
            let Ok(batch) = batch else { break };
            let is_damaged = batch.verify_crc().is_err() && mutant != Mutant::TrustsTheTail;
            if is_damaged || batch.header.base_offset != log.end || batch.header.records_count <= 0 {
                break;
            }
            log.remember(&batch, batch.header.base_offset);
            log.index.push((log.end, log.size, batch.bytes.len() as u64));
            log.size += batch.bytes.len() as u64;
            log.end = batch.header.next_offset();
        }
        if mutant == Mutant::ForgetsProducers {
            log.producers.clear();
        }
        log.file.set_len(log.size)?;
        log.file.sync_data()?;
        log.committed = log.end;
        Ok(log)
    }

    fn remember(&mut self, batch: &Batch<'_>, base_offset: i64) {
        let known = self.producers.entry(batch.header.producer_id).or_default();
        let (first_sequence, last_sequence) = (batch.header.base_sequence, batch.header.last_sequence());
        known.push_back(Remembered { first_sequence, last_sequence, base_offset });
        if known.len() > REMEMBERED {
            known.pop_front();
        }
    }

    /// Appends one batch and gives its base offset; a batch that is there already gives its old one.
    pub fn append(&mut self, bytes: &[u8]) -> Result<i64, ErrorCode> {
        let batch = Batch::parse(bytes).map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
        batch.verify_crc().map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
        let sequence = batch.header.base_sequence;
        let known = self.producers.get(&batch.header.producer_id);
        let same = known.into_iter().flatten().find(|r| r.first_sequence == sequence);
        if let Some(same) = same.filter(|_| self.mutant != Mutant::AppendsTwice) {
            return Ok(same.base_offset);
        }
        let expected = known.and_then(|k| k.back()).map_or(0, |last| last.last_sequence + 1);
        if sequence != expected && !matches!(self.mutant, Mutant::ForgetsProducers | Mutant::AppendsTwice) {
            return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
        let base_offset = self.end;
        self.appended += 1;
        if self.mutant == Mutant::DropsABatch && self.appended == 20 {
            self.end += i64::from(batch.header.records_count);
            return Ok(base_offset);
        }
        let header = batch.header_bytes().expect("a batch of magic 2");
        let mut stored = stamp(header, base_offset, 0).to_vec();
        stored.extend_from_slice(batch.payload());
        self.file.write_at(&stored, self.size).map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
        self.remember(&batch, base_offset);
        self.index.push((base_offset, self.size, stored.len() as u64));
        self.size += stored.len() as u64;
        self.end += i64::from(batch.header.records_count);
        Ok(base_offset)
    }

    /// Whole batches from the one that holds `offset`, at least one if there is any below the committed end.
    pub fn read(&self, offset: i64, max_bytes: u64) -> Result<Vec<u8>, ErrorCode> {
        if offset < 0 || offset > self.end {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let end = if self.mutant == Mutant::ServesUncommitted { self.end } else { self.committed };
        let first = self.index.partition_point(|(base, ..)| *base <= offset).saturating_sub(1);
        let mut bytes = Vec::new();
        for (base, position, len) in &self.index[first.min(self.index.len())..] {
            if *base >= end || offset >= end || (!bytes.is_empty() && bytes.len() as u64 + len > max_bytes) {
                break;
            }
            let start = bytes.len();
            bytes.resize(start + usize::try_from(*len).unwrap(), 0);
            let read = self.file.read_exact_at(&mut bytes[start..], *position);
            read.map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
        }
        Ok(bytes)
    }
}
