//! Batches in, batches out.

use records::{
    BatchBuilder, BatchSettings, Compression, NO_PRODUCER_ID, TimestampType, batches, end_txn_marker_batch,
};

use super::*;
use crate::txn_index::AbortedTxn;

const NOW: i64 = 1_000_000;
const RETENTION: i64 = 500;

/// A key and a value, `-` being none.
fn batch(base_offset: i64, producer: i64, transactional: bool, records: &[(i64, &str, &str)]) -> Vec<u8> {
    let settings = BatchSettings {
        base_offset,
        producer_id: producer,
        producer_epoch: if producer == NO_PRODUCER_ID { -1 } else { 0 },
        base_sequence: if producer == NO_PRODUCER_ID { -1 } else { base_offset as i32 },
        transactional,
        compression: Compression::Lz4,
        ..BatchSettings::default()
    };
    let mut builder = BatchBuilder::new(settings);
    let field = |text: &'static str| (text != "-").then_some(text.as_bytes());
    let text = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    for (offset, key, value) in records {
        let (key, value) = (field(text(key)), field(text(value)));
        builder.append_at(*offset, key, value, &[], 100 + offset).expect("the record fits");
    }
    builder.build().expect("the batch is sound")
}

fn plain(records: &[(i64, &str, &str)]) -> Vec<u8> {
    batch(records[0].0, NO_PRODUCER_ID, false, records)
}

fn marker(offset: i64, producer: i64, commit: bool) -> Vec<u8> {
    end_txn_marker_batch(offset, 0, 100 + offset, producer, 0, commit, 1).expect("a marker")
}

struct Cleaner {
    rules: JudgeRules,
    first_dirty_offset: i64,
    map_keys: u64,
    aborted: Vec<AbortedTxn>,
}

impl Cleaner {
    fn new() -> Self {
        let rules = JudgeRules {
            now_ms: NOW,
            delete_retention_ms: RETENTION,
            round_end_offset: i64::MAX,
            codec: None,
            producers: BTreeMap::new(),
        };
        Self { rules, first_dirty_offset: 0, map_keys: 1000, aborted: Vec::new() }
    }

    fn with_aborted(self, producer_id: i64, first_offset: i64, last_offset: i64) -> Self {
        let txn = AbortedTxn { producer_id, first_offset, last_offset, last_stable_offset: last_offset };
        Self { aborted: vec![txn], ..self }
    }

    fn with_producer(mut self, producer_id: i64, last_data_offset: Option<i64>) -> Self {
        self.rules
            .producers
            .insert(producer_id, LastRecord { last_data_offset, sure_data_offset: None, producer_epoch: 0 });
        self
    }

    fn at(mut self, now_ms: i64) -> Self {
        self.rules.now_ms = now_ms;
        self
    }

    fn clean(&self, log: &[Vec<u8>]) -> Vec<u8> {
        let mut map = OffsetMap::new(1 << 20, 0.9, self.map_keys, [1, 2]);
        let (mut transactions, mut scratch) = (Transactions::default(), Vec::new());
        transactions.add_aborted(self.aborted.iter().copied());
        for bytes in log {
            let batch = Batch::parse(bytes).expect("a batch");
            let first = self.first_dirty_offset;
            let room = map_batch(&mut map, &mut transactions, &batch, first, &mut scratch);
            if !room.expect("the batch is sound") {
                break;
            }
        }
        let (mut transactions, mut thinner) = (Transactions::default(), Thinner::default());
        transactions.add_aborted(self.aborted.iter().copied());
        let mut out = Vec::new();
        for bytes in log {
            let batch = Batch::parse(bytes).expect("a batch");
            let place = Position::default();
            clean_batch(&self.rules, &map, &mut transactions, &mut thinner, &batch, place, &mut out)
                .expect("the batch is sound");
        }
        out
    }
}

/// What is in the bytes, a line a batch.
fn show(bytes: &[u8]) -> Vec<String> {
    let line = |batch: Result<Batch<'_>, BatchError>| {
        let batch = batch.expect("a batch");
        batch.verify_crc().expect("its checksum is right");
        let header = &batch.header;
        assert_eq!(header.timestamp_type(), TimestampType::CreateTime);
        let mut scratch = Vec::new();
        let text = |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or(b"-")).into_owned();
        let records = batch.open(1 << 20, &mut scratch).expect("it opens").map(|record| {
            let record = record.expect("it is sound");
            assert_eq!(record.timestamp, 100 + record.offset, "times stay");
            match header.is_control() {
                true => format!("{}:marker", record.offset),
                false => format!("{}:{}={}", record.offset, text(record.key), text(record.value)),
            }
        });
        let records: Vec<String> = records.collect();
        let horizon = header.delete_horizon_ms().map_or(String::new(), |ms| format!(" until {ms}"));
        format!("{}..{} [{}]{horizon}", header.base_offset, header.last_offset(), records.join(" "))
    };
    batches(bytes).map(line).collect()
}

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    batches(bytes).map(|batch| batch.expect("a batch").bytes.to_vec()).collect()
}

#[test]
fn the_last_value_of_each_key_stays() {
    let log = [
        plain(&[(0, "a", "1"), (1, "b", "1")]),
        plain(&[(2, "c", "1"), (3, "d", "1")]),
        plain(&[(4, "a", "2")]),
        plain(&[(5, "c", "2"), (6, "c", "3"), (7, "e", "1")]),
    ];
    let out = Cleaner::new().clean(&log);
    assert_eq!(show(&out), ["0..1 [1:b=1]", "2..3 [3:d=1]", "4..4 [4:a=2]", "5..7 [6:c=3 7:e=1]"]);
    assert_eq!(split(&out)[2], log[2], "what loses nothing is copied as it is");
}

#[test]
fn what_is_clean_is_only_cleaned_of_what_is_newer() {
    let log = [plain(&[(0, "a", "1"), (1, "a", "2")]), plain(&[(2, "b", "1")]), plain(&[(3, "a", "3")])];
    let cleaner = Cleaner { first_dirty_offset: 2, ..Cleaner::new() };
    assert_eq!(show(&cleaner.clean(&log)), ["2..2 [2:b=1]", "3..3 [3:a=3]"]);
    let cleaner = Cleaner { first_dirty_offset: 3, ..Cleaner::new() };
    assert_eq!(show(&cleaner.clean(&log[..2])), ["0..1 [0:a=1 1:a=2]", "2..2 [2:b=1]"]);
}

#[test]
fn a_record_without_a_key_goes() {
    let log = [plain(&[(0, "-", "1"), (1, "a", "1")])];
    assert_eq!(show(&Cleaner::new().clean(&log)), ["0..1 [1:a=1]"]);
}

#[test]
fn a_full_map_leaves_the_rest_as_it_is() {
    let log = [plain(&[(0, "a", "1")]), plain(&[(1, "b", "1"), (2, "a", "2")]), plain(&[(3, "b", "2")])];
    let cleaner = Cleaner { map_keys: 0, ..Cleaner::new() };
    assert_eq!(show(&cleaner.clean(&log)), ["0..0 [0:a=1]", "1..2 [1:b=1 2:a=2]", "3..3 [3:b=2]"]);
}

#[test]
fn a_tombstone_goes_in_the_second_cleaning_after_its_time() {
    let log = [plain(&[(0, "a", "1"), (1, "b", "1")]), plain(&[(2, "a", "-"), (3, "c", "1")])];
    let first = Cleaner::new().clean(&log);
    assert_eq!(show(&first), ["0..1 [1:b=1]", "2..3 [2:a=- 3:c=1] until 1000500"]);
    let early = Cleaner::new().at(NOW + RETENTION - 1).clean(&split(&first));
    assert_eq!(early, first);
    let second = Cleaner::new().at(NOW + RETENTION).clean(&split(&first));
    assert_eq!(show(&second), ["0..1 [1:b=1]", "2..3 [3:c=1] until 1000500"]);
    // Another tombstone after it makes it go at once.
    let mut log = split(&first);
    log.push(plain(&[(4, "a", "-")]));
    let again = Cleaner::new().at(NOW + 1).clean(&log);
    assert_eq!(show(&again)[1..], ["2..3 [3:c=1] until 1000500", "4..4 [4:a=-] until 1000501"]);
}

#[test]
fn the_last_batch_of_the_round_and_of_a_producer_stay_empty() {
    let log = [
        batch(0, 7, false, &[(0, "a", "1"), (1, "b", "1")]),
        batch(2, 8, false, &[(2, "a", "2")]),
        batch(3, 7, false, &[(3, "b", "2")]),
        plain(&[(4, "b", "3"), (5, "a", "3")]),
        plain(&[(6, "-", "no key")]),
    ];
    let mut cleaner = Cleaner::new().with_producer(7, Some(3)).with_producer(9, Some(2));
    cleaner.rules.round_end_offset = 7;
    let out = cleaner.clean(&log);
    assert_eq!(show(&out), ["3..3 []", "4..5 [4:b=3 5:a=3]", "6..6 []"]);
    let headers: Vec<BatchHeader> = batches(&out).map(|batch| batch.expect("a batch").header).collect();
    assert_eq!((headers[0].producer_id, headers[0].last_sequence()), (7, 3));
    // The next cleaning, when the producer has gone on, takes it.
    assert_eq!(show(&Cleaner::new().clean(&split(&out))), ["4..5 [4:b=3 5:a=3]"]);
}

#[test]
fn aborted_data_goes_and_its_marker_in_two_cleanings() {
    let log = [
        plain(&[(0, "a", "1")]),
        batch(1, 7, true, &[(1, "a", "aborted"), (2, "b", "aborted")]),
        marker(3, 7, false),
        batch(4, 7, true, &[(4, "c", "1")]),
        marker(5, 7, true),
    ];
    let cleaner = || Cleaner::new().with_aborted(7, 1, 3);
    let first = cleaner().clean(&log);
    assert_eq!(show(&first), ["0..0 [0:a=1]", "3..3 [3:marker]", "4..4 [4:c=1]", "5..5 [5:marker]"]);
    let second = Cleaner::new().clean(&split(&first));
    assert_eq!(show(&second)[1], "3..3 [3:marker] until 1000500", "nothing of it is left");
    let third = Cleaner::new().at(NOW + RETENTION).clean(&split(&second));
    assert_eq!(show(&third), ["0..0 [0:a=1]", "4..4 [4:c=1]", "5..5 [5:marker]"]);
}

#[test]
fn a_commit_marker_outlives_its_data() {
    let log = [
        batch(0, 7, true, &[(0, "a", "1")]),
        marker(1, 7, true),
        batch(2, 8, true, &[(2, "a", "2")]),
        marker(3, 8, true),
    ];
    let first = Cleaner::new().clean(&log);
    assert_eq!(show(&first), ["1..1 [1:marker]", "2..2 [2:a=2]", "3..3 [3:marker]"]);
    let second = Cleaner::new().clean(&split(&first));
    assert_eq!(show(&second)[0], "1..1 [1:marker] until 1000500");
    let third = Cleaner::new().at(NOW + RETENTION).clean(&split(&second));
    assert_eq!(show(&third), ["2..2 [2:a=2]", "3..3 [3:marker]"]);
    // The last thing that is known of a producer stays, without its record.
    let kept = Cleaner::new().at(NOW + RETENTION).with_producer(7, None).clean(&split(&second));
    assert_eq!(show(&kept), ["1..1 []", "2..2 [2:a=2]", "3..3 [3:marker]"]);
    assert!(batches(&kept).next().is_some_and(|b| b.expect("a batch").header.is_control()));
}

#[test]
fn aborted_data_of_an_active_producer_leaves_its_sequence_and_its_marker() {
    let log = [batch(0, 7, true, &[(0, "a", "1"), (1, "b", "1")]), marker(2, 7, false)];
    let cleaner = || Cleaner::new().with_aborted(7, 0, 2).with_producer(7, Some(1));
    let out = cleaner().clean(&log);
    assert_eq!(show(&out), ["0..1 []", "2..2 [2:marker]"]);
    assert_eq!(show(&cleaner().at(NOW * 2).clean(&split(&out))), ["0..1 []", "2..2 [2:marker]"]);
}
