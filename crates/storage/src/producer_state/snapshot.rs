//! The bytes of a `.snapshot` file: the producers of a log as of an offset.
//!
//! Owns the frame around the schema (`ProducerSnapshot.json`): version, checksum, entries. It never touches the disk.

use protocol::producer_snapshot::{ProducerEntry as StoredEntry, ProducerSnapshot};

use super::{BatchMetadata, ProducerEntry, ProducerState};

const VERSION: i16 = 1;
/// Version and checksum come before what the checksum covers.
const CRC_AT: usize = 2;
const COVERED_FROM: usize = 6;

/// The file's bytes. Of the batches only each producer's last is kept, as Kafka does.
pub(crate) fn encode(state: &ProducerState) -> Vec<u8> {
    let stored = |(producer_id, entry): (i64, &ProducerEntry)| {
        let last = entry.last_batch().copied().unwrap_or(BatchMetadata::NONE);
        StoredEntry {
            producer_id,
            epoch: entry.epoch,
            last_sequence: last.last_sequence,
            last_offset: last.last_offset,
            offset_delta: last.offset_delta,
            timestamp: entry.last_timestamp,
            coordinator_epoch: entry.coordinator_epoch,
            current_txn_first_offset: entry.current_txn_first_offset,
        }
    };
    let snapshot = ProducerSnapshot { crc: 0, producer_entries: state.iter().map(stored).collect() };
    let body = protocol::to_vec(&snapshot, VERSION)
        .expect("a snapshot has only numbers, so its encoding cannot fail");
    let mut bytes = Vec::with_capacity(CRC_AT + body.len());
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&body);
    let crc = crc32c::crc32c(&bytes[COVERED_FROM..]);
    bytes[CRC_AT..COVERED_FROM].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Reads a file's bytes.
///
/// # Errors
/// One phrase that says what is wrong. The state can then be rebuilt from the log.
pub(crate) fn decode(bytes: &[u8], now_ms: i64) -> Result<ProducerState, String> {
    let Some((version, body)) = bytes.split_first_chunk::<CRC_AT>() else {
        return Err("it is empty".to_owned());
    };
    let version = i16::from_be_bytes(*version);
    if version != VERSION {
        return Err(format!("its version is {version}, and only version {VERSION} is known"));
    }
    let snapshot: ProducerSnapshot = protocol::from_slice(body, VERSION).map_err(|e| e.to_string())?;
    let crc = crc32c::crc32c(&bytes[COVERED_FROM..]);
    if crc != snapshot.crc {
        return Err(format!("its checksum is {:#010x} and its bytes give {crc:#010x}", snapshot.crc));
    }
    let mut state = ProducerState::default();
    for stored in snapshot.producer_entries {
        let mut entry = ProducerEntry::new(now_ms);
        entry.epoch = stored.epoch;
        entry.coordinator_epoch = stored.coordinator_epoch;
        entry.last_timestamp = stored.timestamp;
        entry.current_txn_first_offset = stored.current_txn_first_offset.max(-1);
        if stored.last_offset >= 0 {
            entry.push(BatchMetadata {
                last_sequence: stored.last_sequence,
                last_offset: stored.last_offset,
                offset_delta: stored.offset_delta,
                timestamp: stored.timestamp,
            });
        }
        state.producers.insert(stored.producer_id, entry);
    }
    Ok(state)
}
