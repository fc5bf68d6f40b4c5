//! A producer that writes new values under the same few keys of a compacted topic, and how such a topic is read.
//!
//! It never sends anything twice: what was not answered may or may not be there.

use std::time::{SystemTime, UNIX_EPOCH};

use platform::Rng;
use protocol::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::{ErrorCode, ProduceRequest, ProduceResponse, Records};
use records::{BatchBuilder, BatchSettings, batches};

use super::reader::fetch_bytes;
use super::{Client, Scene};
use crate::history::{Event, Kept, Topic, TopicKind};
use crate::wire::{Lost, Wire};

/// Keys.
const KEYS: u64 = 12;

/// Longest pause between two requests, ms.
const PAUSE_LONGEST_MS: u64 = 8;

/// Bytes asked for at once.
const FETCH_BYTES: i32 = 1 << 20;

/// Most plain bytes of one batch.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// The producer.
pub struct Keeper {
    rng: Rng,
    next_version: u32,
}

impl Keeper {
    /// A producer that has written nothing.
    pub fn new(rng: Rng) -> Self {
        Self { rng, next_version: 1 }
    }

    /// Versions go on far behind those of an earlier one.
    pub fn skip_numbers(&mut self) {
        self.next_version += super::SKIPPED;
    }

    fn write(
        &mut self,
        topic: &Topic,
        wire: &mut Wire,
        scene: &Scene,
        events: &mut Vec<Event>,
    ) -> Result<(), Lost> {
        let mut builder = BatchBuilder::new(BatchSettings::default());
        let mut batch = Vec::new();
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
        for _ in 0..1 + self.rng.below(6) {
            let key = u32::try_from(self.rng.below(KEYS)).unwrap_or(0);
            let version = self.next_version;
            self.next_version += 1;
            let kept = Kept { key, version: (!self.rng.one_in(8)).then_some(version) };
            let value = kept.version.map(|version| bytes_of(key, version));
            let added = builder.append(
                Some(&key.to_be_bytes()),
                value.as_deref(),
                &[],
                i64::try_from(now_ms).unwrap_or(0),
            );
            added.expect("a short record fits");
            batch.push(kept);
        }
        events.extend(batch.iter().map(|kept| Event::Keeping(*kept)));
        let records = Records::Owned(builder.build().expect("the codec's own level is known").into());
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 15_000,
            topic_data: vec![TopicProduceData {
                topic_id: topic.id,
                partition_data: vec![PartitionProduceData { index: 0, records }],
                ..TopicProduceData::default()
            }],
            ..ProduceRequest::default()
        };
        let answer: ProduceResponse<'_> = wire.call(&request)?;
        let told = answer.responses.iter().flat_map(|topic| &topic.partition_responses).next();
        match told.map(|told| (told.error_code, told.base_offset)) {
            Some((ErrorCode::NONE, first)) => {
                events.extend(batch.into_iter().zip(first..).map(|(kept, offset)| Event::Kept(kept, offset)));
            }
            Some((error, _)) if error.is_retriable() || !scene.is_used(topic.number) => {}
            told => events.push(Event::Wrong(format!("Produce to {} is refused: {told:?}", topic.name))),
        }
        Ok(())
    }
}

impl Client for Keeper {
    fn play(&mut self, scene: &Scene, events: &mut Vec<Event>) -> Result<(), Lost> {
        let mut wire = Wire::connect(scene.address)?;
        while !scene.is_over() {
            if let Some(topic) = scene.topic_of(TopicKind::Compacted) {
                self.write(&topic, &mut wire, scene, events)?;
            }
            scene.pause(&self.rng, PAUSE_LONGEST_MS);
        }
        Ok(())
    }
}

/// The value of a version of a key: its length depends on both.
fn bytes_of(key: u32, version: u32) -> Vec<u8> {
    let len = 12 + (key.wrapping_mul(31) ^ version.wrapping_mul(97)) % 300;
    let mut bytes = Vec::with_capacity(len as usize);
    bytes.extend_from_slice(&key.to_be_bytes());
    bytes.extend_from_slice(&version.to_be_bytes());
    let mut state = version;
    while bytes.len() < len as usize {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.push(state.to_be_bytes()[0]);
    }
    bytes
}

/// What a compacted topic holds from a position on.
pub enum Held {
    /// Records with their offsets, and the next position.
    Records(Vec<(i64, Kept)>, i64),
    /// The node cannot or will not tell.
    Refused(ErrorCode),
    /// Bytes that are not what anybody wrote. `true` if their checksum does not even fit.
    Rotten(String, bool),
}

/// Reads a compacted topic's only partition.
///
/// # Errors
/// The connection is gone.
pub fn read_kept(wire: &mut Wire, topic: &Topic, position: i64) -> Result<Held, Lost> {
    let bytes = match fetch_bytes(wire, topic, 0, position, FETCH_BYTES)? {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Held::Refused(error)),
    };
    let rotten = |what: String, by_checksum| Held::Rotten(format!("{}: {what}", topic.name), by_checksum);
    let (mut found, mut next) = (Vec::new(), position);
    for batch in batches(&bytes) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => return Ok(rotten(error.to_string(), true)),
        };
        if let Err(error) = batch.verify_crc() {
            return Ok(rotten(error.to_string(), true));
        }
        let mut scratch = Vec::new();
        let records = match batch.open(BATCH_BYTES_MAX, &mut scratch) {
            Ok(records) => records,
            Err(error) => return Ok(rotten(error.to_string(), false)),
        };
        for record in records {
            let Ok(record) = record else { return Ok(rotten("a record cannot be read".to_owned(), false)) };
            let Some(kept) = kept_of(record.key, record.value) else {
                return Ok(rotten(format!("nobody wrote what is at {}", record.offset), false));
            };
            if record.offset >= position {
                found.push((record.offset, kept));
            }
        }
        next = next.max(batch.header.next_offset());
    }
    Ok(Held::Records(found, next))
}

fn kept_of(key: Option<&[u8]>, value: Option<&[u8]>) -> Option<Kept> {
    let key = u32::from_be_bytes(key?.try_into().ok()?);
    let Some(value) = value else { return Some(Kept { key, version: None }) };
    let version = u32::from_be_bytes(value.get(4..8)?.try_into().ok()?);
    (value == bytes_of(key, version)).then_some(Kept { key, version: Some(version) })
}
