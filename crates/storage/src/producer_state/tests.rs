//! Kafka's answers, batch by batch.

use protocol::ErrorCode;
use records::{BatchBuilder, BatchSettings, end_txn_marker_batch};

use super::*;

const NOW: i64 = 1_000_000;

fn header(epoch: i16, sequence: i32, count: i32, offset: i64) -> BatchHeader {
    let mut builder = BatchBuilder::new(BatchSettings {
        base_offset: offset,
        producer_id: 7,
        producer_epoch: epoch,
        base_sequence: sequence,
        ..BatchSettings::default()
    });
    for _ in 0..count {
        builder.append(None, None, &[], NOW).expect("fits");
    }
    BatchHeader::parse(&builder.build().expect("sound")).expect("sound")
}

/// What a client's batch is answered with: the offset of the batch it repeats, -1 for a new one, or an error.
fn answer(state: &ProducerState, epoch: i16, sequence: i32, count: i32) -> Result<i64, ErrorCode> {
    match state.check(&header(epoch, sequence, count, 0), AppendOrigin::Client, 100) {
        Ok(Verdict::Append) => Ok(-1),
        Ok(Verdict::Duplicate(batch)) => Ok(batch.first_offset()),
        Err(error) => Err(error.code()),
    }
}

fn with(batches: &[(i16, i32, i32)]) -> ProducerState {
    let mut state = ProducerState::default();
    let mut offset = 0;
    for &(epoch, sequence, count) in batches {
        state.update(&header(epoch, sequence, count, offset), None, NOW);
        offset += i64::from(count);
    }
    state
}

const OUT_OF_ORDER: Result<i64, ErrorCode> = Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
const OLD_EPOCH: Result<i64, ErrorCode> = Err(ErrorCode::INVALID_PRODUCER_EPOCH);
const NEW: Result<i64, ErrorCode> = Ok(-1);

#[test]
fn an_unknown_producer_may_start_anywhere() {
    let state = ProducerState::default();
    assert_eq!(answer(&state, 0, 0, 1), NEW);
    assert_eq!(answer(&state, 3, 500, 2), NEW);
}

#[test]
fn the_next_sequence_follows_the_last() {
    let state = with(&[(0, 0, 3)]);
    assert_eq!(answer(&state, 0, 3, 1), NEW);
    assert_eq!(answer(&state, 0, 4, 1), OUT_OF_ORDER);
    assert_eq!(answer(&state, 0, 2, 1), OUT_OF_ORDER);
    assert_eq!(answer(&state, 0, 0, 2), OUT_OF_ORDER, "a part of a batch is no duplicate");
}

#[test]
fn the_last_five_batches_are_known_again() {
    let state = with(&[(0, 0, 2), (0, 2, 1), (0, 3, 1), (0, 4, 1), (0, 5, 1), (0, 6, 1)]);
    assert_eq!(answer(&state, 0, 0, 2), OUT_OF_ORDER, "the sixth last is forgotten");
    assert_eq!(answer(&state, 0, 2, 1), Ok(2));
    assert_eq!(answer(&state, 0, 6, 1), Ok(6));
    assert_eq!(answer(&state, 0, 7, 1), NEW);
}

#[test]
fn a_new_epoch_starts_at_zero_and_ends_the_old_one() {
    let mut state = with(&[(3, 0, 2)]);
    assert_eq!(answer(&state, 4, 2, 1), OUT_OF_ORDER);
    assert_eq!(answer(&state, 4, 0, 1), NEW);
    assert_eq!(answer(&state, 2, 0, 1), OLD_EPOCH);
    state.update(&header(4, 0, 1, 2), None, NOW);
    assert_eq!(answer(&state, 3, 0, 2), OLD_EPOCH, "what was sent before is no duplicate any more");
    assert_eq!(answer(&state, 4, 0, 1), Ok(2));
    assert_eq!(answer(&state, 4, 1, 1), NEW);
}

#[test]
fn sequences_wrap_to_zero() {
    let state = with(&[(0, i32::MAX - 1, 2)]);
    assert_eq!(answer(&state, 0, 0, 1), NEW);
    assert_eq!(answer(&state, 0, i32::MAX, 1), OUT_OF_ORDER);
    let state = with(&[(0, i32::MAX - 1, 4)]);
    assert_eq!(answer(&state, 0, i32::MAX - 1, 4), Ok(0), "a batch that wraps is known again");
    assert_eq!(answer(&state, 0, 2, 1), NEW);
}

#[test]
fn only_clients_are_held_to_sequences() {
    let state = with(&[(3, 0, 2)]);
    let verdict = |epoch, sequence| state.check(&header(epoch, sequence, 1, 0), AppendOrigin::Coordinator, 9);
    assert_eq!(verdict(3, 77).expect("taken"), Verdict::Append);
    assert!(matches!(
        verdict(2, 0),
        Err(AppendError::InvalidProducerEpoch { epoch: 2, current_epoch: 3, offset: 9, .. })
    ));
    let plain = BatchHeader { producer_id: -1, ..header(0, 0, 1, 0) };
    assert_eq!(state.check(&plain, AppendOrigin::Client, 0).expect("taken"), Verdict::Append);
}

#[test]
fn a_marker_ends_the_transaction_and_the_sequence() {
    let mut state = ProducerState::default();
    let data = BatchHeader { attributes: 0x10, ..header(1, 0, 2, 40) };
    assert!(data.is_transactional());
    state.update(&data, None, NOW);
    let open = |state: &ProducerState| state.iter().next().map(|(_, e)| e.current_txn_first_offset);
    assert_eq!(open(&state), Some(40));
    let marker = end_txn_marker_batch(42, 0, NOW + 5, 7, 1, true, 9).expect("a marker");
    let header = BatchHeader::parse(&marker).expect("sound");
    let read = end_txn_marker(&header, &marker);
    assert_eq!(read, Some(EndTxnMarker { coordinator_epoch: 9 }));
    state.update(&header, read, NOW);
    assert_eq!(open(&state), Some(-1));
    let (_, entry) = state.iter().next().expect("the producer");
    assert_eq!((entry.coordinator_epoch, entry.last_timestamp, entry.last_sequence()), (9, NOW + 5, 1));
}

#[test]
fn the_idle_expire_and_the_busy_do_not() {
    let mut state = with(&[(0, 0, 1)]);
    state.expire(1000, NOW + 999);
    assert_eq!(state.len(), 1);
    state.expire(1000, NOW + 1000);
    assert_eq!(state.len(), 0);
    // Old record timestamps do not end a producer that has just written.
    let mut state = ProducerState::default();
    state.update(&header(0, 0, 1, 0), None, NOW + 50_000);
    state.expire(1000, NOW + 50_999);
    assert_eq!(state.len(), 1);
    // An open transaction keeps its producer.
    let mut state = ProducerState::default();
    state.update(&BatchHeader { attributes: 0x10, ..header(0, 0, 1, 0) }, None, NOW);
    state.expire(1000, i64::MAX);
    assert_eq!(state.len(), 1);
}

#[test]
fn a_crowd_of_producers_makes_room_for_new_ones() {
    let mut state = ProducerState::default();
    let of = |id: usize| BatchHeader { producer_id: id as i64, ..header(0, 0, 1, 0) };
    state.update(&BatchHeader { attributes: 0x10, ..of(0) }, None, NOW);
    for id in 1..=PRODUCERS_MAX {
        state.update(&of(id), None, NOW + id as i64);
    }
    assert!(state.len() <= PRODUCERS_MAX && state.len() > PRODUCERS_MAX / 2);
    let known = |id: usize| state.iter().any(|(found, _)| found == id as i64);
    assert!(known(0), "an open transaction stays");
    assert!(!known(1), "the longest unseen goes");
    assert!(known(PRODUCERS_MAX) && known(PRODUCERS_MAX - 1));
}

#[test]
fn a_snapshot_brings_back_epoch_sequence_and_the_last_batch() {
    let state = with(&[(2, 0, 2), (2, 2, 3)]);
    let bytes = snapshot::encode(&state);
    let loaded = snapshot::decode(&bytes, NOW).expect("sound");
    assert_eq!(answer(&loaded, 2, 2, 3), Ok(2), "the last batch is known again");
    assert_eq!(answer(&loaded, 2, 0, 2), OUT_OF_ORDER, "the ones before are not, as in Kafka");
    assert_eq!(answer(&loaded, 2, 5, 1), NEW);
    assert_eq!(answer(&loaded, 1, 0, 1), OLD_EPOCH);
    assert_eq!(snapshot::encode(&loaded), bytes);
    let empty = snapshot::encode(&ProducerState::default());
    assert_eq!(snapshot::decode(&empty, NOW).expect("sound").len(), 0);
}

#[test]
fn a_damaged_snapshot_is_never_believed() {
    let bytes = snapshot::encode(&with(&[(2, 0, 2)]));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(snapshot::decode(&damaged, NOW).is_err(), "byte {at} bit {bit}");
        }
        assert!(snapshot::decode(&bytes[..at], NOW).is_err(), "cut at {at}");
    }
}
