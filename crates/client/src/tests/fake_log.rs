//! Partitions of the test's broker: batches in memory, and the memory of what idempotent producers wrote.

use std::collections::BTreeMap;

use protocol::ErrorCode;
use records::{Batch, Header, batches, stamp};

/// A record as it was produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub offset: i64,
    pub timestamp: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

#[derive(Debug, Clone, Default)]
struct ProducerMemory {
    epoch: i16,
    /// First sequence, last sequence and base offset of the last batches, as Kafka keeps five.
    batches: Vec<(i32, i32, i64)>,
}

#[derive(Debug, Clone)]
pub(super) struct FakePartition {
    pub leader: i32,
    pub leader_epoch: i32,
    pub start_offset: i64,
    pub log: Vec<Vec<u8>>,
    producers: BTreeMap<i64, ProducerMemory>,
    /// First offset and producer of transactions that were aborted.
    pub aborted: Vec<(i64, i64)>,
    pub last_stable_offset: Option<i64>,
}

impl FakePartition {
    pub fn led_by(leader: i32) -> FakePartition {
        FakePartition {
            leader,
            leader_epoch: 0,
            start_offset: 0,
            log: Vec::new(),
            producers: BTreeMap::new(),
            aborted: Vec::new(),
            last_stable_offset: None,
        }
    }

    pub fn end_offset(&self) -> i64 {
        self.log.last().map_or(self.start_offset, |last| Batch::parse(last).unwrap().header.next_offset())
    }

    /// Appends what a client produced, by Kafka's rules: the base offset, or the error.
    pub fn produce(&mut self, bytes: &[u8], max_message_bytes: usize) -> Result<i64, ErrorCode> {
        let rules = records::ProduceRules {
            max_message_bytes,
            now_ms: i64::MAX / 2,
            ..records::ProduceRules::default()
        };
        let valid =
            records::validate_produce(bytes, &rules).map_err(|error| ErrorCode(error.kind().code()))?;
        let header = valid.header;
        if header.has_producer_id() {
            // A producer of which nothing is known may begin anywhere.
            let epoch = header.producer_epoch;
            let beginning =
                ProducerMemory { epoch, batches: vec![(0, header.base_sequence.wrapping_sub(1), -1)] };
            let known = self.producers.entry(header.producer_id).or_insert(beginning);
            let (first, last) = (header.base_sequence, header.last_sequence());
            if header.producer_epoch < known.epoch {
                return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
            }
            if header.producer_epoch > known.epoch {
                if first != 0 {
                    return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
                }
                *known = ProducerMemory { epoch: header.producer_epoch, batches: Vec::new() };
            }
            if let Some((_, _, offset)) = known.batches.iter().find(|(f, l, _)| (*f, *l) == (first, last)) {
                return Ok(*offset);
            }
            let next = known.batches.last().map_or(0, |(_, last, _)| records::increment_sequence(*last, 1));
            if first != next {
                return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
        }
        let base_offset = self.end_offset();
        self.append(&bytes[..valid.size_bytes]);
        if let Some(known) = self.producers.get_mut(&header.producer_id) {
            known.batches.push((header.base_sequence, header.last_sequence(), base_offset));
            if known.batches.len() > 5 {
                known.batches.remove(0);
            }
        }
        Ok(base_offset)
    }

    /// Appends a batch as it is, at the end.
    pub fn append(&mut self, bytes: &[u8]) {
        let header = stamp(bytes.first_chunk().unwrap(), self.end_offset(), self.leader_epoch);
        self.log.push([&header[..], &bytes[header.len()..]].concat());
    }

    /// Loses the last batch, as a broker that was chosen leader without having everything does.
    pub fn lose_last_batch(&mut self) {
        self.log.pop();
        for known in self.producers.values_mut() {
            known.batches.pop();
        }
    }

    /// Batches from the one that holds `offset` on, at least one, else at most `max_bytes`.
    pub fn read(&self, offset: i64, max_bytes: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for batch in &self.log {
            if Batch::parse(batch).unwrap().header.last_offset() < offset {
                continue;
            }
            if !out.is_empty() && out.len() + batch.len() > max_bytes {
                // Brokers cut the last batch.
                out.extend_from_slice(&batch[..batch.len().min(max_bytes.saturating_sub(out.len()))]);
                break;
            }
            out.extend_from_slice(batch);
        }
        out
    }

    /// The offset and timestamp of the first record not older than `timestamp`.
    pub fn offset_for(&self, timestamp: i64) -> Option<(i64, i64)> {
        self.records()
            .into_iter()
            .find(|kept| kept.timestamp >= timestamp)
            .map(|kept| (kept.offset, kept.timestamp))
    }

    /// All records.
    pub fn records(&self) -> Vec<Kept> {
        let mut kept = Vec::new();
        let mut scratch = Vec::new();
        for batch in self.log.iter().flat_map(|batch| batches(batch)) {
            for record in batch.unwrap().open(1 << 30, &mut scratch).unwrap() {
                let record = record.unwrap();
                kept.push(Kept {
                    offset: record.offset,
                    timestamp: record.timestamp,
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: record
                        .headers
                        .map(|Header { key, value }| (key.to_vec(), value.map(<[u8]>::to_vec)))
                        .collect(),
                });
            }
        }
        kept
    }
}
