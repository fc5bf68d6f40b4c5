//! A consumer that reads anywhere, and how a partition is read. What a consumer was given once must stay.

use platform::Rng;
use protocol::fetch_request::{FetchPartition, FetchTopic};
use protocol::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::{ErrorCode, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse};
use records::batches;

use super::{Client, Scene};
use crate::history::{Event, Topic};
use crate::value::{Place, Value};
use crate::wire::{Lost, Wire};

/// Names in ListOffsets of the first offset and of the one after the last.
pub const EARLIEST: i64 = -2;
/// See [`EARLIEST`].
pub const LATEST: i64 = -1;

/// Most plain bytes of one batch; the workload's are smaller.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// Reads that are remembered of one life; more would cost memory and tell nothing new.
const REMEMBERED_MAX: usize = 4_000;

/// One record as it was answered, or why the answer cannot be taken.
#[derive(Debug)]
pub enum Fetched {
    /// Records, and the next position.
    Records(Vec<(i64, Value)>, i64),
    /// The node cannot or will not tell.
    Refused(ErrorCode),
    /// Bytes that are not what anybody wrote. `true` if their checksum does not even fit.
    Rotten(String, bool),
}

/// Asks for an offset of a partition.
///
/// # Errors
/// The connection is gone.
pub fn offset_of(
    wire: &mut Wire,
    topic: &Topic,
    partition: i32,
    which: i64,
) -> Result<Result<i64, ErrorCode>, Lost> {
    let asked = ListOffsetsPartition { partition_index: partition, timestamp: which, ..Default::default() };
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic { name: topic.name.clone().into(), partitions: vec![asked] }],
        ..ListOffsetsRequest::default()
    };
    let answer: ListOffsetsResponse<'_> = wire.call(&request)?;
    let told = answer.topics.iter().flat_map(|topic| &topic.partitions).next();
    let told = told.ok_or_else(|| Lost("ListOffsets tells nothing".to_owned()))?;
    Ok(if told.error_code == ErrorCode::NONE { Ok(told.offset) } else { Err(told.error_code) })
}

/// Reads a partition from a position on.
///
/// # Errors
/// The connection is gone.
pub fn fetch(
    wire: &mut Wire,
    topic: &Topic,
    partition: i32,
    position: i64,
    bytes_max: i32,
) -> Result<Fetched, Lost> {
    let place = Place { topic: topic.number, partition };
    Ok(match fetch_bytes(wire, topic, partition, position, bytes_max)? {
        Ok(bytes) => take_apart(place, position, &bytes),
        Err(error) => Fetched::Refused(error),
    })
}

/// Reads the batches of a partition from a position on.
///
/// # Errors
/// The connection is gone.
pub fn fetch_bytes(
    wire: &mut Wire,
    topic: &Topic,
    partition: i32,
    position: i64,
    bytes_max: i32,
) -> Result<Result<Vec<u8>, ErrorCode>, Lost> {
    let asked = FetchPartition {
        partition,
        fetch_offset: position,
        partition_max_bytes: bytes_max,
        ..FetchPartition::default()
    };
    let request = FetchRequest {
        max_wait_ms: 5,
        min_bytes: 1,
        max_bytes: bytes_max,
        session_epoch: -1,
        topics: vec![FetchTopic { topic_id: topic.id, partitions: vec![asked], ..FetchTopic::default() }],
        ..FetchRequest::default()
    };
    let answer: FetchResponse<'_> = wire.call(&request)?;
    if answer.error_code != ErrorCode::NONE {
        return Ok(Err(answer.error_code));
    }
    let data = answer.responses.iter().flat_map(|topic| &topic.partitions).next();
    let data = data.ok_or_else(|| Lost("Fetch tells nothing".to_owned()))?;
    if data.error_code != ErrorCode::NONE {
        return Ok(Err(data.error_code));
    }
    Ok(Ok(data.records.as_slice().unwrap_or_default().to_vec()))
}

fn take_apart(place: Place, mut position: i64, bytes: &[u8]) -> Fetched {
    let mut found = Vec::new();
    for batch in batches(bytes) {
        let rotten =
            |what: String, by_checksum| Fetched::Rotten(format!("{place}@{position}: {what}"), by_checksum);
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => return rotten(error.to_string(), true),
        };
        if let Err(error) = batch.verify_crc() {
            return rotten(error.to_string(), true);
        }
        let mut scratch = Vec::new();
        let records = match batch.open(BATCH_BYTES_MAX, &mut scratch) {
            Ok(records) => records,
            Err(error) => return rotten(error.to_string(), false),
        };
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(error) => return rotten(error.to_string(), false),
            };
            let value = Value::of_record(&record).filter(|value| value.place == place);
            let Some(value) = value else {
                return rotten(
                    format!("no record that anybody wrote there, at offset {}", record.offset),
                    false,
                );
            };
            if record.offset >= position {
                found.push((record.offset, value));
            }
        }
        position = position.max(batch.header.next_offset());
    }
    Fetched::Records(found, position)
}

/// The consumer.
pub struct Reader {
    rng: Rng,
}

impl Reader {
    /// A consumer.
    pub fn new(rng: Rng) -> Self {
        Self { rng }
    }

    fn read_somewhere(
        &self,
        topic: &Topic,
        wire: &mut Wire,
        scene: &Scene,
        events: &mut Vec<Event>,
    ) -> Result<(), Lost> {
        let partition = i32::try_from(self.rng.below(topic.partitions.unsigned_abs().into())).unwrap_or(0);
        let place = Place { topic: topic.number, partition };
        let (Ok(start), Ok(end)) =
            (offset_of(wire, topic, partition, EARLIEST)?, offset_of(wire, topic, partition, LATEST)?)
        else {
            return Ok(());
        };
        let span = u64::try_from(end - start).unwrap_or(0);
        // Often near the end, where all is new.
        let back = self.rng.below(if self.rng.one_in(2) { span.min(8) } else { span } + 1);
        let position = end - i64::try_from(back).unwrap_or(0);
        match fetch(wire, topic, partition, position, 1 << (10 + self.rng.below(10)))? {
            Fetched::Records(records, _) => {
                let read = |(offset, value)| Event::Read { place, offset, value };
                let room = REMEMBERED_MAX.saturating_sub(events.len());
                events.extend(records.into_iter().take(room).map(read));
            }
            Fetched::Refused(_) => {}
            Fetched::Rotten(what, _) if scene.is_used(topic.number) => {
                events.push(Event::Wrong(format!("a consumer is given {what}")));
            }
            Fetched::Rotten(..) => {}
        }
        Ok(())
    }
}

impl Client for Reader {
    fn play(&mut self, scene: &Scene, events: &mut Vec<Event>) -> Result<(), Lost> {
        let mut wire = Wire::connect(scene.address)?;
        while !scene.is_over() {
            if let Some(topic) = scene.any_topic(&self.rng) {
                self.read_somewhere(&topic, &mut wire, scene, events)?;
            }
            std::thread::sleep(std::time::Duration::from_millis(self.rng.below(10)));
        }
        Ok(())
    }
}
