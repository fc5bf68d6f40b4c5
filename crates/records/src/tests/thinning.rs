//! What is left of a batch when records are taken out.

use crate::tests::golden::vectors;
use crate::{
    Batch, BatchBuilder, BatchHeader, BatchSettings, Compression, HEADER_BYTES, Header, NO_TIMESTAMP,
    ThinRules, Thinned, Thinner, TimestampType,
};

const RULES: ThinRules =
    ThinRules { keep_empty: false, is_marker_of_nothing: false, new_delete_horizon_ms: 5_000, level: None };

type Plain = (i64, &'static str, Option<&'static str>, i64);

const RECORDS: &[Plain] = &[
    (10, "a", Some("1"), 1_000),
    (11, "b", None, 900),
    (12, "c", Some("a longer value, a longer value"), 1_200),
    (14, "d", Some("4"), 1_100),
];

fn settings(compression: Compression) -> BatchSettings {
    BatchSettings {
        base_offset: 10,
        partition_leader_epoch: 3,
        compression,
        producer_id: 77,
        producer_epoch: 2,
        base_sequence: 40,
        transactional: true,
        ..BatchSettings::default()
    }
}

fn build(settings: BatchSettings, records: &[Plain], last_offset: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(settings);
    let headers = [Header { key: b"h", value: None }];
    for (offset, key, value, timestamp) in records {
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        builder.append_at(*offset, key, value, &headers, *timestamp).expect("the record fits");
    }
    builder.set_last_offset(last_offset);
    builder.build().expect("the batch is sound")
}

fn thin(bytes: &[u8], rules: &ThinRules, keep: impl Fn(i64) -> bool) -> (Thinned, Vec<u8>) {
    let batch = Batch::parse(bytes).expect("a batch");
    let mut out = b"before".to_vec();
    let thinned = Thinner::default().thin(&batch, rules, |record| keep(record.offset), &mut out);
    assert!(out.starts_with(b"before"), "what was there stays");
    (thinned.expect("the batch is sound"), out.split_off(6))
}

fn content(bytes: &[u8]) -> Vec<(i64, i64)> {
    let batch = Batch::parse(bytes).expect("a batch");
    assert_eq!(batch.bytes.len(), bytes.len());
    batch.verify_crc().expect("its checksum is right");
    let mut scratch = Vec::new();
    let records = batch.open(1 << 20, &mut scratch).expect("it opens");
    records.map(|record| record.map(|r| (r.offset, r.timestamp)).expect("it is sound")).collect()
}

#[test]
fn what_stays_is_as_if_it_had_been_built_so() {
    for compression in Compression::ALL {
        let bytes = build(settings(compression), RECORDS, 14);
        for mask in 0_u32..16 {
            let is_kept = |offset: i64| mask >> (offset - 10).min(3) & 1 == 1 && offset != 11;
            let kept: Vec<Plain> = RECORDS.iter().filter(|r| is_kept(r.0)).copied().collect();
            let (thinned, out) = thin(&bytes, &RULES, is_kept);
            match thinned {
                Thinned::Nothing => assert!(kept.is_empty() && out.is_empty()),
                Thinned::Rewritten(header) => {
                    assert_eq!(out, build(settings(compression), &kept, 14), "{compression}, {mask:b}");
                    assert_eq!(BatchHeader::parse(&out), Ok(header));
                }
                Thinned::Whole { .. } => panic!("a tombstone went"),
            }
        }
    }
}

#[test]
fn a_batch_that_loses_nothing_stays_as_it_is() {
    let plain = [RECORDS[0], RECORDS[2]];
    for compression in Compression::ALL {
        let bytes = build(settings(compression), &plain, 20);
        assert_eq!(thin(&bytes, &RULES, |_| true), (Thinned::Whole { records: 2 }, bytes));
    }
}

#[test]
fn tombstones_get_a_delete_horizon_once() {
    for compression in Compression::ALL {
        let bytes = build(settings(compression), RECORDS, 14);
        let (thinned, out) = thin(&bytes, &RULES, |_| true);
        let Thinned::Rewritten(header) = thinned else { panic!("the horizon is written") };
        assert_eq!(header.delete_horizon_ms(), Some(5_000));
        assert_eq!((header.base_timestamp, header.max_timestamp), (5_000, 1_200));
        assert_eq!(content(&out), [(10, 1_000), (11, 900), (12, 1_200), (14, 1_100)]);
        let later = ThinRules { new_delete_horizon_ms: 9_000, ..RULES };
        assert_eq!(thin(&out, &later, |_| true), (Thinned::Whole { records: 4 }, out.clone()));
        let (thinned, rest) = thin(&out, &later, |offset| offset < 12);
        let Thinned::Rewritten(header) = thinned else { panic!("records went") };
        assert_eq!((header.delete_horizon_ms(), header.max_timestamp), (Some(5_000), 1_000));
        assert_eq!(content(&rest), [(10, 1_000), (11, 900)]);
    }
}

#[test]
fn an_emptied_batch_keeps_what_it_says_of_its_producer() {
    for compression in Compression::ALL {
        let bytes = build(settings(compression), RECORDS, 14);
        let before = BatchHeader::parse(&bytes).expect("a header");
        let rules = ThinRules { keep_empty: true, ..RULES };
        let (thinned, out) = thin(&bytes, &rules, |_| false);
        let Thinned::Rewritten(header) = thinned else { panic!("the header stays") };
        assert_eq!(out.len(), HEADER_BYTES);
        assert_eq!(content(&out), []);
        assert_eq!(BatchHeader::parse(&out), Ok(header));
        let expected = BatchHeader {
            batch_length: header.batch_length,
            crc: header.crc,
            attributes: before.attributes & !7,
            base_timestamp: NO_TIMESTAMP,
            records_count: 0,
            ..before
        };
        assert_eq!(header, expected);
        assert_eq!((header.last_offset(), header.last_sequence()), (14, 44));
        // An empty batch is emptied again, or goes.
        assert_eq!(thin(&out, &rules, |_| true), (thinned, out.clone()));
        assert_eq!(thin(&out, &RULES, |_| true).0, Thinned::Nothing);
        let batch = Batch::parse(&bytes).expect("a batch");
        let mut emptied = Vec::new();
        assert_eq!(Thinner::default().empty(&batch, &rules, &mut emptied), Ok(thinned));
        assert_eq!(emptied, out);
    }
}

#[test]
fn a_marker_of_nothing_gets_a_horizon() {
    let bytes = crate::end_txn_marker_batch(5, 2, 1_000, 77, 2, true, 9).expect("a marker");
    let rules = ThinRules { is_marker_of_nothing: true, ..RULES };
    let (thinned, out) = thin(&bytes, &rules, |_| true);
    let Thinned::Rewritten(header) = thinned else { panic!("the horizon is written") };
    assert!(header.is_control() && header.is_transactional());
    assert_eq!((header.delete_horizon_ms(), header.max_timestamp), (Some(5_000), 1_000));
    assert_eq!(content(&out), [(5, 1_000)]);
}

#[test]
fn times_of_the_log_stay() {
    let stamped = BatchSettings { log_append_time_ms: Some(7_777), ..settings(Compression::None) };
    let bytes = build(stamped, RECORDS, 14);
    let (thinned, out) = thin(&bytes, &RULES, |offset| offset < 12);
    let Thinned::Rewritten(header) = thinned else { panic!("records went") };
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(header.max_timestamp, 7_777);
    assert_eq!(content(&out), [(10, 7_777), (11, 7_777)]);
}

#[test]
fn kafkas_own_batches_can_be_thinned_and_hostile_ones_are_refused() {
    for (name, (_, bytes)) in vectors() {
        let Ok(batch) = Batch::parse(&bytes) else { continue };
        let mut out = Vec::new();
        let mut number = 0;
        let every_other = |_: &crate::Record<'_>| {
            number += 1;
            number % 2 == 0
        };
        if let Ok(Thinned::Rewritten(header)) = Thinner::default().thin(&batch, &RULES, every_other, &mut out)
        {
            assert_eq!(content(&out).len(), header.records_count as usize, "{name}");
        }
        // A batch whose records are cut is an error, and leaves nothing behind.
        if batch.header.records_count > 0 {
            let header = BatchHeader { records_count: batch.header.records_count + 1, ..batch.header };
            let mut out = Vec::new();
            let hostile = Batch { header, bytes: batch.bytes };
            let thinned = Thinner::default().thin(&hostile, &RULES, |_| false, &mut out);
            assert!(thinned.is_err() && out.is_empty(), "{name}");
        }
    }
}
