//! Searches in memory and file agree with a linear scan.

use std::path::PathBuf;
use std::sync::Arc;

use platform::{OpenMode, OsDisk};
use tempfile::TempDir;

use super::*;

fn table(entries: u32, written: u32) -> (TempDir, PathBuf, IndexTable<OffsetEntry>) {
    let temp = TempDir::new().expect("a temporary directory");
    let path = temp.path().join("0.index");
    let mut table = IndexTable::new();
    for n in 0..entries {
        table.push(OffsetEntry { relative_offset: n * 10 + 5, position: n * 100 + 1 });
        if n + 1 == written {
            write(&mut table, &path);
        }
    }
    (temp, path, table)
}

fn write(table: &mut IndexTable<OffsetEntry>, path: &Path) {
    let pending = table.pending_bytes().expect("entries wait");
    pending.run(&OsDisk, path).expect("written");
    table.written(&pending);
}

fn look_up(table: &IndexTable<OffsetEntry>, path: &Path, offset: u32) -> Option<OffsetEntry> {
    let at_most = |e: &OffsetEntry| e.relative_offset <= offset;
    match table.search_memory(at_most) {
        Ok(entry) => Some(entry),
        Err(in_file) if in_file.is_empty() => None,
        Err(_) => {
            let file = OsDisk.open(path, OpenMode::Read).expect("the file is there");
            let guesses = [0.0, 0.3, 1.0, f64::NAN];
            let found = guesses.map(|part| {
                let in_file = table.search_memory(at_most).expect_err("it goes on in the file");
                search_file(file.as_ref(), in_file, part, at_most).expect("readable")
            });
            assert!(found.iter().all(|entry| *entry == found[0]), "the guess does not matter");
            found[0]
        }
    }
}

#[test]
fn every_split_between_file_and_memory_finds_the_same() {
    for (entries, written) in [(0, 0), (1, 0), (1, 1), (5, 3), (300, 299), (300, 300), (3000, 2000)] {
        let (_temp, path, table) = table(entries, written);
        assert_eq!(table.len(), entries);
        let wanted = [0, 4, 5, 6, 14, 15, 16, 1234, entries * 10 - entries.min(1), entries * 10 + 50];
        for offset in wanted {
            let expected = (0..entries).rev().find(|n| n * 10 + 5 <= offset);
            let found = look_up(&table, &path, offset).map(|e| (e.relative_offset - 5) / 10);
            assert_eq!(found, expected, "{entries} {written} {offset}");
        }
    }
}

#[test]
fn truncation_reaches_the_file_with_the_next_write() {
    let (_temp, path, mut table) = table(10, 8);
    table.truncate(4, Some(OffsetEntry { relative_offset: 35, position: 301 }));
    assert_eq!(table.len(), 4);
    assert_eq!(look_up(&table, &path, 1000).map(|e| e.relative_offset), Some(35));
    table.push(OffsetEntry { relative_offset: 36, position: 310 });
    write(&mut table, &path);
    let bytes = std::fs::read(&path).expect("readable");
    assert_eq!(bytes.len(), 5 * OffsetEntry::BYTES);
    assert_eq!(rising_prefix::<OffsetEntry>(&bytes).last().map(|e| e.position), Some(310));
    assert!(table.pending_bytes().is_none());
}

#[test]
fn the_rising_prefix_ends_where_order_does() {
    let entries = [(1, 10), (2, 20), (2, 30), (3, 40)]
        .map(|(relative_offset, position)| OffsetEntry { relative_offset, position });
    let mut bytes = Vec::new();
    entries.iter().for_each(|e| e.encode(&mut bytes));
    assert_eq!(rising_prefix::<OffsetEntry>(&bytes), entries[..2]);
    assert_eq!(rising_prefix::<OffsetEntry>(&bytes[..15]), entries[..1]);
    assert_eq!(rising_prefix::<OffsetEntry>(&[0; 16]).len(), 1, "a zero-filled file has at most one entry");
    let times =
        [(5, 1), (6, 1), (6, 2)].map(|(timestamp, relative_offset)| TimeEntry { timestamp, relative_offset });
    let mut bytes = Vec::new();
    times.iter().for_each(|e| e.encode(&mut bytes));
    assert_eq!(rising_prefix::<TimeEntry>(&bytes), times[..2]);
}

#[test]
fn a_missing_file_is_made_and_an_odd_tail_is_cut() {
    let temp = TempDir::new().expect("a temporary directory");
    let path = temp.path().join("0.index");
    std::fs::write(&path, [7; 13]).expect("written");
    let mut table = IndexTable::<OffsetEntry>::in_file(13);
    assert_eq!(table.len(), 1);
    table.push(OffsetEntry { relative_offset: u32::MAX, position: 9 });
    write(&mut table, &path);
    assert_eq!(std::fs::read(&path).expect("readable").len(), 16);
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let file = disk.open(&path, OpenMode::Read).expect("there");
    assert_eq!(entry_at::<OffsetEntry>(file.as_ref(), 1).expect("readable").position, 9);
}
