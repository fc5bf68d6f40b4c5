//! What an inspection says of logs that are whole, damaged in one place, or not closed.

use std::path::Path;

use platform::OpenMode;
use records::{BatchHeader, Compression};

use super::tail::tail_entries;
use super::{DirectoryInspection, Item, Level, LogInspection, Target, dump, inspect};
use crate::LogConfig;
use crate::checkpoint_file::{PartitionOffsets, encode_offsets};
use crate::proof::{PROOF_FILE, ProofEntry, ProofIdentity, ProofKind};
use crate::tail_copy::TAIL_FILE;
use crate::tests::fixture::*;

const FIRST: &str = "00000000000000000000.log";
const EPOCHS: &str = "leader-epoch-checkpoint";

/// Twenty batches of two records, ten to a segment, closed cleanly; the second half in epoch 1.
fn closed() -> Home {
    let home = Home::simulated();
    let (dir, _) = home.open();
    let bytes = 10 * batch(&["value-a", "value-b"]).len() as u32;
    let mut log = create(&dir, small(bytes));
    for number in 0..20 {
        append_in(&mut log, &batch(&["value-a", "value-b"]), i32::from(number >= 10));
    }
    close(dir, log);
    home
}

fn look(home: &Home, path: &Path) -> DirectoryInspection {
    let disk = home.platform.disk.as_ref();
    let before = files(home);
    let target = Target::of(disk, path).expect("a target");
    let lock = target.hold(disk).expect("nobody has it");
    let inspection = inspect(disk, &target, &mut |_| {}).expect("readable");
    drop(lock);
    assert_eq!(files(home), before, "looking changes nothing");
    inspection
}

fn files(home: &Home) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for dir in [home.path.clone(), home.path.join("t-0")] {
        for entry in home.platform.disk.list(&dir).expect("listed").iter().filter(|entry| !entry.is_dir) {
            let path = dir.join(&entry.name);
            files.push((path.display().to_string(), home.platform.disk.read(&path).expect("read")));
        }
    }
    files
}

fn look_at_log(home: &Home) -> LogInspection {
    let mut inspection = look(home, &home.path);
    assert_eq!(inspection.logs.len(), 1);
    inspection.logs.remove(0)
}

/// Changes a file of the log.
fn change(home: &Home, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = home.log_path(name);
    let mut bytes = home.platform.disk.read(&path).expect("read");
    change(&mut bytes);
    let file = home.platform.disk.open(&path, OpenMode::Create).expect("opens");
    file.set_len(bytes.len() as u64).expect("cut");
    file.write_at(&bytes, 0).expect("written");
}

/// Positions of the batches in a segment.
fn positions(home: &Home, name: &str) -> Vec<usize> {
    let bytes = home.platform.disk.read(&home.log_path(name)).expect("read");
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        found.push(at);
        at += BatchHeader::parse(&bytes[at..]).expect("a header").size_bytes();
    }
    found
}

/// The only damage of a log: bytes, offsets, whether it can be mended.
fn sole_damage(log: &LogInspection) -> ((u64, u64), (i64, i64), bool) {
    assert_eq!(log.damages.len(), 1, "{:?}", log.damages);
    let damage = &log.damages[0];
    ((damage.from, damage.to), (damage.first_offset, damage.end_offset), damage.is_mendable())
}

#[test]
fn a_closed_log_is_whole() {
    let home = closed();
    let log = look_at_log(&home);
    assert_eq!(log.worst(), None, "{log:?}");
    let segments: Vec<_> =
        log.segments.iter().map(|s| (s.base_offset, s.batches, s.records, s.end_offset)).collect();
    assert_eq!(segments, [(0, 10, 20, 20), (20, 10, 20, 40)]);
    assert_eq!((log.start_offset, log.end_offset, log.topic_id), (0, 40, Some(TOPIC_ID)));
    let one = look(&home, &home.log_path(FIRST));
    assert_eq!((one.logs[0].segments.len(), one.logs[0].end_offset), (1, 20));
}

#[test]
fn every_flipped_bit_of_a_segment_is_found_where_it_is() {
    let home = closed();
    let places = positions(&home, FIRST);
    let (from, to) = (places[4], places[5]);
    for at in from..to {
        for bit in [0, 3, 7] {
            change(&home, FIRST, |bytes| bytes[at] ^= 1 << bit);
            let log = look_at_log(&home);
            let (bytes, offsets, mendable) = sole_damage(&log);
            assert_eq!((bytes, offsets), ((from as u64, to as u64), (8, 10)), "byte {} bit {bit}", at - from);
            assert!(log.findings.is_empty(), "the indexes are right: {log:?}");
            // The log's proof tells the rest of a header, and so the checksum.
            assert_eq!(mendable, at - from < 21, "byte {} bit {bit}", at - from);
            change(&home, FIRST, |bytes| bytes[at] ^= 1 << bit);
        }
    }
    assert_eq!(look_at_log(&home).worst(), None);
}

#[test]
fn damage_at_either_end_has_its_offsets() {
    let home = closed();
    let second = "00000000000000000020.log";
    change(&home, FIRST, |bytes| bytes[70] ^= 1);
    let at = positions(&home, second)[9];
    change(&home, second, |bytes| bytes[at + 70] ^= 1);
    let log = look_at_log(&home);
    let offsets: Vec<_> = log.damages.iter().map(|d| (d.segment, d.first_offset, d.end_offset)).collect();
    assert_eq!(offsets, [(0, 0, 2), (20, 38, 40)]);
    assert_eq!(log.end_offset, 40, "what is lost keeps its offsets");
}

#[test]
fn what_is_missing_is_found() {
    let home = closed();
    let places = positions(&home, FIRST);
    let len = home.platform.disk.read(&home.log_path(FIRST)).expect("read").len();
    change(&home, FIRST, |bytes| bytes.truncate(places[9]));
    assert_eq!(sole_damage(&look_at_log(&home)).1, (18, 20), "the end of a sealed segment");
    let home = closed();
    change(&home, FIRST, |bytes| _ = bytes.drain(places[3]..places[5]));
    let (bytes, offsets, _) = sole_damage(&look_at_log(&home));
    assert_eq!((bytes, offsets), ((places[3] as u64, places[3] as u64), (6, 10)), "two batches");
    let home = closed();
    home.platform.disk.remove_file(&home.log_path("00000000000000000020.log")).expect("removed");
    let (bytes, offsets, _) = sole_damage(&look_at_log(&home));
    assert_eq!((bytes, offsets), ((len as u64, len as u64), (20, 40)), "the last segment");
}

#[test]
fn where_holes_are_allowed_only_what_cannot_be_is_damage() {
    let home = closed();
    home.platform.disk.remove_file(&home.log_path(PROOF_FILE)).expect("removed");
    let cleaned = PartitionOffsets::from([(("t".to_owned(), 0), 20)]);
    let checkpoint = home.path.join("cleaner-offset-checkpoint");
    home.platform.disk.write_atomic(&checkpoint, &encode_offsets(&cleaned)).expect("written");
    let places = positions(&home, FIRST);
    change(&home, FIRST, |bytes| _ = bytes.drain(places[3]..places[5]));
    let log = look_at_log(&home);
    assert!(log.damages.is_empty(), "{:?}", log.damages);
    // A batch that claims an offset among those of the next.
    change(&home, FIRST, |bytes| bytes[places[2] + 7] += 7);
    assert_eq!(sole_damage(&look_at_log(&home)).1, (4, 10));
}

#[test]
fn what_the_next_start_makes_anew_is_a_warning() {
    for name in [
        "00000000000000000000.index",
        "00000000000000000000.timeindex",
        EPOCHS,
        "00000000000000000040.snapshot",
    ] {
        let home = closed();
        change(&home, name, |bytes| {
            let last = bytes.len() - 2;
            bytes[last] ^= 0x30;
        });
        let log = look_at_log(&home);
        assert_eq!(log.worst(), Some(Level::Warning), "{name}: {log:?}");
        assert!(log.findings[0].path.ends_with(name), "{name}: {log:?}");
    }
}

#[test]
fn what_was_not_flushed_is_no_damage() {
    let home = Home::simulated();
    let (dir, _) = home.open();
    let mut log = create(&dir, small(1 << 20));
    fill(&mut log, 0, 4);
    log.flush_now().expect("flushed");
    dir.checkpoint().expect("written");
    fill(&mut log, 4, 6);
    drop((dir, log));
    change(&home, FIRST, |bytes| {
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
    });
    let log = look_at_log(&home);
    assert_eq!(log.worst(), Some(Level::Note), "{log:?}");
    assert_eq!((log.flushed_offset, log.end_offset), (Some(4), 9));
    assert!(log.segments[0].unflushed_bytes > 0);
    // Before the flushed offset it is.
    change(&home, FIRST, |bytes| bytes[70] ^= 1);
    assert_eq!(sole_damage(&look_at_log(&home)).1, (0, 1));
}

#[test]
fn a_directory_in_use_is_left_alone() {
    let home = Home::simulated();
    let (dir, _) = home.open();
    let disk = home.platform.disk.as_ref();
    let target = Target::of(disk, &home.path).expect("a target");
    let refused = target.hold(disk).expect_err("in use").to_string();
    assert!(refused.contains("it is held by process"), "{refused}");
    drop(dir);
    target.hold(disk).expect("free");
}

#[test]
fn a_proof_finds_what_nothing_else_does_and_brings_it_back() {
    let home = closed();
    let bytes = home.platform.disk.read(&home.log_path(FIRST)).expect("read");
    let identity = ProofIdentity { topic_id: TOPIC_ID.0, partition: 0 };
    let entry = ProofEntry {
        kind: ProofKind::Run,
        content: 0,
        base_offset: 0,
        end_offset: 20,
        from: 0,
        to: bytes.len() as u32,
        crc: crc32c::crc32c(&bytes),
        last_epoch: 0,
        without_producers: false,
    };
    let file = [identity.encode(), entry.encode()].concat();
    home.platform.disk.write_atomic(&home.log_path(PROOF_FILE), &file).expect("written");
    assert_eq!(look_at_log(&home).segments[0].proven_bytes, bytes.len() as u64);
    let places = positions(&home, FIRST);
    // Even the stored checksum.
    for at in places[4]..places[4] + 21 {
        change(&home, FIRST, |bytes| bytes[at] ^= 4);
        let (range, offsets, mendable) = sole_damage(&look_at_log(&home));
        assert_eq!((range, offsets), ((places[4] as u64, places[5] as u64), (8, 10)));
        assert!(mendable, "byte {}", at - places[4]);
        change(&home, FIRST, |bytes| bytes[at] ^= 4);
    }
    // All batches of another epoch, and the checkpoint with them.
    change(&home, FIRST, |bytes| places.iter().for_each(|at| bytes[at + 15] = 1));
    change(&home, EPOCHS, |bytes| *bytes = b"0\n1\n1 0\n".to_vec());
    let (range, offsets, mendable) = sole_damage(&look_at_log(&home));
    assert_eq!((range, offsets, mendable), ((0, bytes.len() as u64), (0, 20), false));
}

#[test]
fn compressed_batches_are_opened() {
    let home = Home::simulated();
    let (dir, _) = home.open();
    let mut log = create(&dir, small(1 << 20));
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        append(&mut log, &compressed(compression, NOW, &["one", "two", "three"]));
    }
    close(dir, log);
    let log = look_at_log(&home);
    assert_eq!((log.worst(), log.segments[0].records), (None, 12), "{log:?}");
}

/// A log that is flushed by itself, of three batches: the first below the recovery point, the others with a copy each.
fn copied() -> Home {
    let home = Home::simulated();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig { copies_tail: true, ..small(1 << 20) });
    for number in 0..3 {
        append(&mut log, &batch(&[&format!("value-{number}")]));
        let ticket = log.flush().expect("flushes").expect("there is something to flush");
        ticket.run().expect("flushed");
        assert!(log.copy_tail().expect("a copy").run().expect("copied"));
        log.mark_durable(&ticket);
        if number == 0 {
            dir.checkpoint_recovery_points().expect("written");
        }
    }
    home
}

fn only_finding(log: &LogInspection, level: Level, part: &str) {
    let own = log.findings.iter().filter(|finding| finding.path.ends_with(TAIL_FILE));
    let found: Vec<_> = own.filter(|finding| finding.level == level).collect();
    assert!(found.len() == 1 && found[0].text.contains(part), "{part}: {:?}", log.findings);
}

#[test]
fn the_second_copy_of_an_end_is_compared_with_the_log() {
    let home = copied();
    let log = look_at_log(&home);
    assert_eq!(log.worst(), Some(Level::Note), "{log:?}");
    assert_eq!(log.tail.map(|range| (range.first_offset, range.end_offset)), Some((1, 3)));
    only_finding(&log, Level::Note, "holds offsets 1..3");

    let at = positions(&home, FIRST)[2];
    change(&home, FIRST, |bytes| bytes[at + 70] ^= 1);
    let log = look_at_log(&home);
    assert_eq!(log.worst(), Some(Level::Warning), "{log:?}");
    only_finding(&log, Level::Warning, "holds offsets 2..3, and 00000000000000000000.log has other bytes");
    change(&home, FIRST, |bytes| bytes.truncate(at));
    only_finding(&look_at_log(&home), Level::Warning, "holds offsets 2..3, and");
    change(&home, FIRST, |bytes| bytes.truncate(positions(&copied(), FIRST)[1]));
    assert_eq!(look_at_log(&home).worst(), Some(Level::Warning), "one copy after the other");
    change(&home, FIRST, Vec::clear);
    let log = look_at_log(&home);
    assert!(log.findings.iter().any(|f| f.text.contains("does not reach so far")), "{log:?}");
}

#[test]
fn a_second_copy_that_rotted_is_told() {
    let home = copied();
    let frame = |home: &Home, number: usize| {
        let bytes = home.platform.disk.read(&home.log_path(TAIL_FILE)).expect("there");
        let entries: Vec<u64> =
            tail_entries(&bytes).expect("a header").into_iter().map(|(position, _)| position).collect();
        entries[number] as usize
    };
    // The first copy's place was taken by the second, which is the first that counts.
    let at = frame(&home, 0);
    change(&home, TAIL_FILE, |bytes| bytes[at + 60] ^= 1);
    only_finding(&look_at_log(&home), Level::Warning, &format!("at position {at} that was torn"));
    change(&home, TAIL_FILE, |bytes| bytes[9] ^= 1);
    only_finding(&look_at_log(&home), Level::Warning, "is not whole");

    let home = copied();
    let (dir, _) = home.open();
    let log = take(&dir, LogConfig { copies_tail: true, ..small(1 << 20) });
    close(dir, log);
    change(&home, TAIL_FILE, |bytes| bytes[at + 60] ^= 1);
    assert_eq!(look_at_log(&home).worst(), None, "after a clean stop it is not needed");
}

#[test]
fn everything_in_a_second_copy_is_shown() {
    let home = copied();
    let shown = |home: &Home| {
        let mut shown = Vec::new();
        let mut note = |item: Item<'_>| {
            shown.push(match item {
                Item::TailFile { size } => format!("file {size}"),
                Item::TailCopy { segment: 0, first_offset, end_offset, .. } => {
                    format!("copy {first_offset}..{end_offset}")
                }
                Item::Batch { header, position, bytes: Some(_) } => {
                    format!("batch {} at {position}", header.base_offset)
                }
                Item::Unreadable { .. } => "unreadable".to_owned(),
                other => format!("{other:?}"),
            });
            true
        };
        dump(home.platform.disk.as_ref(), &home.log_path(TAIL_FILE), &mut note).expect("shown");
        shown
    };
    let places = positions(&home, FIRST);
    let batch = |number: usize| format!("batch {number} at {}", places[number]);
    let whole =
        ["file 262144".to_owned(), "copy 1..2".to_owned(), batch(1), "copy 2..3".to_owned(), batch(2)];
    assert_eq!(shown(&home), whole);
    change(&home, TAIL_FILE, |bytes| bytes[512 + 60] ^= 1);
    assert_eq!(shown(&home)[1..3], ["unreadable".to_owned(), "copy 2..3".to_owned()]);
    change(&home, TAIL_FILE, |bytes| bytes[0] ^= 1);
    assert_eq!(shown(&home), ["unreadable"]);
}

#[test]
fn what_was_put_aside_is_told_and_when_it_may_go() {
    let home = closed();
    for (path, len) in [
        (home.path.join("klamm-wal-3.cut"), 5000),
        (home.log_path("00000000000000000020.log.0000000100.cut"), 70),
        (home.log_path("00000000000000000020.log.0000000100.1.quarantine"), 80),
    ] {
        home.platform.disk.write_atomic(&path, &vec![1; len]).expect("written");
    }
    let told = |inspection: DirectoryInspection| -> Vec<String> {
        let of_logs = inspection.logs.into_iter().flat_map(|log| log.findings);
        let findings = inspection.findings.into_iter().chain(of_logs);
        findings
            .filter(|f| f.level == Level::Note)
            .map(|f| format!("{} {}", f.path.display(), f.text))
            .collect()
    };
    let notes = told(look(&home, &home.path));
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].contains("klamm-wal-3.cut was put aside by a start, 5000 bytes"), "{notes:?}");
    assert!(notes[0].ends_with("may be deleted"), "{notes:?}");
    assert!(notes[1].contains("has 80 bytes that") && notes[2].contains("has 70 bytes that"), "{notes:?}");
    change(&home, FIRST, |bytes| bytes[70] ^= 1);
    let notes = told(look(&home, &home.path));
    assert!(notes[0].contains("klamm-wal-3.cut") && notes[0].contains("keep it"), "{notes:?}");
}
