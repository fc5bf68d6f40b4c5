//! The format, and that a ledger's entries are true of the bytes.

use records::{Batch, BatchBuilder, BatchSettings, batches, stamp};

use super::*;

const IDENTITY: ProofIdentity = ProofIdentity { topic_id: [7; 16], partition: 3 };

fn entry(base_offset: i64, from: u32, to: u32) -> ProofEntry {
    let end_offset = base_offset + i64::from(to);
    ProofEntry {
        kind: ProofKind::Run,
        content: 0,
        base_offset,
        end_offset,
        from,
        to,
        crc: 5,
        last_epoch: 2,
        without_producers: from.is_multiple_of(2),
    }
}

fn file(entries: &[ProofEntry]) -> Vec<u8> {
    let mut bytes = IDENTITY.encode().to_vec();
    entries.iter().for_each(|entry| bytes.extend(entry.encode()));
    bytes
}

/// Batches with payloads of these sizes, as they are in a file that starts at offset 100.
fn log(sizes: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (offset, size) in (100..).zip(sizes) {
        let mut builder = BatchBuilder::new(BatchSettings::default());
        let value: Vec<u8> = (0..*size).map(|n| (n * 31 + size) as u8).collect();
        builder.append(None, Some(&value), &[], 1).expect("the record fits");
        let mut batch = builder.build().expect("the batch is built");
        let header = *batch.first_chunk().expect("a batch has a header");
        batch[..records::HEADER_BYTES].copy_from_slice(&stamp(&header, offset, 4));
        bytes.extend(batch);
    }
    bytes
}

fn append(ledger: &mut Ledger, batch: &Batch<'_>) {
    let (stamped, payload) = batch.bytes.split_at(records::HEADER_BYTES);
    ledger.append(&batch.header, stamped, payload);
}

#[test]
fn entries_and_header_round_trip() {
    let seal = ProofEntry { kind: ProofKind::Seal, content: 9, last_epoch: -1, ..entry(10, 0, 77) };
    let bytes = file(&[entry(10, 0, 50), seal]);
    assert_eq!(ProofIdentity::decode(&bytes), Some(IDENTITY));
    let slots: Vec<_> = proof_slots(&bytes).collect();
    assert_eq!(slots, [(48, ProofSlot::Entry(entry(10, 0, 50))), (96, ProofSlot::Entry(seal))]);
}

#[test]
fn a_damaged_entry_is_passed_over() {
    let bytes = file(&[entry(10, 0, 50), entry(10, 50, 90)]);
    for at in PROOF_SLOT_BYTES..2 * PROOF_SLOT_BYTES {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let found: Vec<_> = proof_entries(&bytes, i64::MAX).collect();
            assert_eq!(found, [entry(10, 50, 90)], "byte {at}, bit {bit}");
        }
    }
    let mut torn = bytes[..2 * PROOF_SLOT_BYTES + 30].to_vec();
    assert_eq!(proof_entries(&torn, i64::MAX).count(), 1);
    torn.truncate(10);
    assert_eq!(proof_slots(&torn).count(), 0);
    let mut lost = bytes.clone();
    lost[PROOF_SLOT_BYTES..2 * PROOF_SLOT_BYTES].fill(0);
    assert_eq!(proof_slots(&lost).next(), Some((48, ProofSlot::Blank)));
}

#[test]
fn what_ends_beyond_the_recovery_point_does_not_count() {
    let bytes = file(&[entry(0, 0, 50), entry(0, 50, 90)]);
    assert_eq!(proof_entries(&bytes, 89).count(), 1);
    assert_eq!(proof_entries(&bytes, 90).count(), 2);
}

#[test]
fn of_a_stretch_that_grew_the_longest_counts() {
    let entries = [entry(0, 0, 50), entry(0, 0, 90), entry(0, 40, 90), entry(5, 0, 9)];
    let found = proof_of_segment(entries.into_iter(), 0);
    assert_eq!(found, [entry(0, 0, 90)]);
}

#[test]
fn a_ledger_tells_the_truth() {
    let sizes = [10, 900, 20_000, 400_000, 700_000, 5, 2_000_000, 1, 1, 60_000];
    let bytes = log(&sizes);
    let mut ledger = Ledger::start(100, 0);
    let mut entries = Vec::new();
    for (number, batch) in batches(&bytes).enumerate() {
        let batch = batch.expect("the batch is whole");
        append(&mut ledger, &batch);
        if number % 3 == 0 {
            entries.extend(ledger.take_news());
        }
    }
    ledger.seal();
    entries.extend(ledger.take_news());
    assert!(ledger.take_news().is_empty());
    for entry in &entries {
        let range = entry.from as usize..entry.to as usize;
        assert_eq!(entry.crc, crc32c::crc32c(&bytes[range]), "{entry:?}");
        assert_eq!((entry.base_offset, entry.last_epoch), (100, 4));
    }
    let found = proof_of_segment(entries.iter().copied(), 100);
    let seal = found.last().expect("there are entries");
    assert_eq!((seal.kind, seal.from, seal.to as usize), (ProofKind::Seal, 0, bytes.len()));
    assert_eq!(seal.end_offset, 100 + sizes.len() as i64);
    let mut covered = 0;
    for run in found.iter().filter(|entry| entry.kind == ProofKind::Run) {
        if run.from <= covered {
            covered = covered.max(run.to);
        }
    }
    assert_eq!(covered as usize, bytes.len());
}

#[test]
fn a_stretch_says_whether_it_has_producers() {
    let mut ledger = Ledger::start(0, 0);
    let mut offset = 0;
    let mut note = |ledger: &mut Ledger, producer_id: i64| {
        let settings = BatchSettings { producer_id, ..BatchSettings::default() };
        let mut builder = BatchBuilder::new(settings);
        builder.append(None, Some(&[1; 700_000]), &[], 1).expect("the record fits");
        let batch = builder.build().expect("the batch is built");
        let header = batch.first_chunk().expect("a batch has a header");
        let header = records::BatchHeader::parse(&stamp(header, offset, 4)).expect("a header");
        offset += 1;
        ledger.note(&header);
    };
    // Two batches make a stretch.
    let known = |ledger: &mut Ledger| -> Vec<bool> {
        ledger.take_news().iter().map(|entry| entry.without_producers).collect()
    };
    note(&mut ledger, -1);
    assert_eq!(known(&mut ledger), [true]);
    note(&mut ledger, 7);
    assert_eq!(known(&mut ledger), [false], "the stretch has gone on");
    note(&mut ledger, -1);
    assert_eq!(known(&mut ledger), [true], "another one");
    note(&mut ledger, -1);
    note(&mut ledger, 7);
    ledger.seal();
    assert_eq!(known(&mut ledger), [true, false, false], "a seal says nothing of it");
}

#[test]
fn a_ledger_that_starts_late_seals_nothing() {
    let bytes = log(&[10, 20, 30]);
    let all: Vec<Batch<'_>> = batches(&bytes).map(|batch| batch.expect("whole")).collect();
    let first = all[0].bytes.len();
    let mut ledger = Ledger::start(100, first as u64);
    all[1..].iter().for_each(|batch| ledger.note(&batch.header));
    ledger.seal();
    let entries = ledger.take_news();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].crc, crc32c::crc32c(&bytes[first..]));
    ledger.go_on(103, 0);
    assert!(ledger.take_news().is_empty());
}
