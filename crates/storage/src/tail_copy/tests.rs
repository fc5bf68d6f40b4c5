//! What is copied, where it goes, and which of it counts.

use std::path::Path;

use platform::sim::SimDisk;
use platform::{Disk, OpenMode};

use super::*;

const DIR: &str = "/t-0";
const SALT: u64 = 7;

fn place(position: u64, first_offset: i64, next_offset: i64) -> TailPlace {
    TailPlace { segment: 0, position, first_offset, next_offset }
}

fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new(DIR)).expect("made");
    disk
}

fn write_log(disk: &SimDisk, bytes: &[u8]) {
    disk.write_atomic(&Path::new(DIR).join("log"), bytes).expect("written");
}

fn log(disk: &SimDisk) -> Vec<u8> {
    disk.read(&Path::new(DIR).join("log")).expect("there")
}

fn mend_with(disk: &SimDisk, recovery_point: i64, generation: u32) -> Option<FoundTail> {
    let path = |_| Path::new(DIR).join("log");
    let size = |base| (base == 0).then(|| log(disk).len() as u64);
    mend_tail(disk, Path::new(DIR), (recovery_point, generation), size, path).expect("the disk works")
}

/// A tail of two copies, of offsets 0 and 1.
fn copied(disk: &SimDisk) -> TailCopy {
    let mut tail = TailCopy::new(SALT);
    tail.note(place(0, 0, 1), [b"ab", b"cd"]);
    let write = tail.take(0, 0, 3).expect("there is room");
    assert!(write.run(disk, Path::new(DIR)).expect("written"));
    tail.note(place(4, 1, 2), [b"efgh", b""]);
    assert!(tail.take(1, 0, 3).expect("there is room").run(disk, Path::new(DIR)).expect("written"));
    tail
}

#[test]
fn what_differs_is_as_the_copy_says() {
    let disk = disk();
    copied(&disk);
    for (found, mended) in [
        (b"abcdefgh".as_slice(), None),
        (b"Abcdefgh", Some((0, 8))),
        (b"abcdef", Some((0, 8))),
        (b"", Some((0, 8))),
        (b"abcdefgX, and what came later", Some((0, 29))),
    ] {
        write_log(&disk, found);
        let tail = mend_with(&disk, 0, 3).expect("it can be read");
        assert_eq!(tail.mended.last().copied(), mended);
        assert_eq!((&log(&disk)[..8], tail.promised), (b"abcdefgh".as_slice(), 1));
    }
}

#[test]
fn what_is_proven_or_void_is_left_alone() {
    let disk = disk();
    copied(&disk);
    for (recovery_point, generation) in [(2, 3), (0, 4)] {
        write_log(&disk, b"ABCDEFGH");
        let tail = mend_with(&disk, recovery_point, generation).expect("it can be read");
        assert_eq!((tail.mended.len(), tail.promised), (0, recovery_point));
        assert_eq!(log(&disk), b"ABCDEFGH");
    }
    write_log(&disk, b"ABCDEFGH");
    assert_eq!(mend_with(&disk, 1, 3).expect("it can be read").mended, [(0, 8)]);
    assert_eq!(log(&disk), b"ABCDefgh", "only what is beyond the recovery point");
}

#[test]
fn a_copy_that_has_nothing_before_it_is_void_for_good() {
    let disk = disk();
    copied(&disk);
    let path = Path::new(DIR).join(TAIL_FILE);
    disk.damage(&path, |bytes| bytes[FILE_HEAD_BYTES + 56] ^= 1).expect("there");
    write_log(&disk, b"");
    let tail = mend_with(&disk, 0, 3).expect("it can be read");
    assert_eq!((log(&disk).len(), tail.promised), (0, 1), "the copy says that more had been flushed");
    write_log(&disk, b"other");
    assert_eq!(mend_with(&disk, 0, 3).expect("it can be read").mended, [], "it came back");
    assert_eq!(log(&disk), b"other");
}

#[test]
fn a_copy_is_not_overwritten_before_it_is_proven() {
    let disk = disk();
    let mut tail = copied(&disk);
    tail.note(place(8, 2, 3), [b"ijkl", b""]);
    let third = tail.take(2, 1, 3).expect("there is room");
    assert_eq!(third.at, (FILE_HEAD_BYTES + 2 * SLOT_BYTES) as u64);
    tail.note(place(12, 3, 4), [b"mnop", b""]);
    assert_eq!(tail.take(3, 3, 3).expect("there is room").at, FILE_HEAD_BYTES as u64);
    write_log(&disk, b"abcdefgh");
    let mut again = mend_with(&disk, 0, 3).expect("it can be read").into_writer();
    again.note(place(8, 2, 3), [b"ijkl", b""]);
    assert_eq!(again.take(2, 0, 3).expect("there is room").at, (FILE_HEAD_BYTES + 2 * SLOT_BYTES) as u64);
}

#[test]
fn what_does_not_fit_is_not_copied() {
    let mut tail = TailCopy::new(SALT);
    let large = vec![0; COPY_BYTES_MAX as usize + 1];
    tail.note(place(0, 0, 1), [&large, b""]);
    assert!(tail.take(0, 0, 0).is_none(), "too large");
    tail.note(place(0, 0, 1), [b"a", b""]);
    tail.note(TailPlace { segment: 1, position: 0, first_offset: 1, next_offset: 2 }, [b"b", b""]);
    assert!(tail.take(0, 0, 0).is_none(), "in two segments");
    tail.note(place(5, 5, 6), [b"a", b""]);
    assert!(tail.take(4, 0, 0).is_none(), "what is before it is not durable");
    tail.note(place(5, 5, 6), [b"a", b""]);
    tail.void();
    assert!(tail.take(5, 0, 0).is_none(), "it was cut");
    assert!(tail.take(5, 0, 0).is_none(), "nothing was appended");
    let mut copies = 0;
    for offset in 0.. {
        tail.note(place(offset as u64, offset, offset + 1), [b"a", b""]);
        if tail.take(offset, 0, 0).is_none() {
            break;
        }
        copies += 1;
    }
    assert_eq!(copies, COPIES_END as usize / SLOT_BYTES - 1, "until the marks begin");
}

#[test]
fn a_mark_tells_how_far_the_log_was_flushed() {
    let (disk, dir) = (disk(), Path::new(DIR));
    assert_eq!(marked_to(&disk, dir, 3).expect("no file"), 0);
    let mut tail = copied(&disk);
    write_log(&disk, b"abcdefgh");
    assert_eq!(marked_to(&disk, dir, 3).expect("read"), 0);
    for durable in [2, 5, 9] {
        assert!(tail.mark(durable, 3).run(&disk, dir).expect("written"));
        assert_eq!(marked_to(&disk, dir, 3).expect("read"), durable);
        assert_eq!(marked_to(&disk, dir, 4).expect("read"), 0, "it was cut since");
    }
    // The one before the last stands while another is written, after a start too.
    let found = mend_with(&disk, 0, 3).expect("it can be read");
    assert_eq!((found.promised, found.mended.len()), (1, 0), "a mark copies nothing");
    let mut again = found.into_writer();
    again.note(place(8, 2, 3), [b"ijkl", b""]);
    assert_eq!(again.take(2, 0, 3).expect("there is room").at, (FILE_HEAD_BYTES + 2 * SLOT_BYTES) as u64);
    let next = again.mark(11, 3);
    disk.damage(&dir.join(TAIL_FILE), |bytes| bytes[next.at as usize..][..SLOT_BYTES].fill(1)).expect("torn");
    assert_eq!(marked_to(&disk, dir, 3).expect("read"), 9);
}

#[test]
fn a_mark_needs_no_space() {
    let disk = disk();
    let mut tail = copied(&disk);
    disk.set_capacity_bytes(Some(0));
    assert!(tail.mark(2, 3).run(&disk, Path::new(DIR)).expect("no fault"));
    assert_eq!(marked_to(&disk, Path::new(DIR), 3).expect("read"), 2);
    disk.create_dir_all(Path::new("/u-0")).expect("made");
    assert!(!TailCopy::new(SALT + 1).mark(2, 3).run(&disk, Path::new("/u-0")).expect("no fault"), "no file");
}

#[test]
fn a_full_disk_is_no_fault() {
    let disk = disk();
    disk.set_capacity_bytes(Some(1000));
    let mut tail = TailCopy::new(SALT);
    tail.note(place(0, 0, 1), [b"a", b""]);
    assert!(
        !tail.take(0, 0, 0).expect("there is room in the file").run(&disk, Path::new(DIR)).expect("no fault")
    );
    disk.set_capacity_bytes(None);
    write_log(&disk, b"a");
    assert!(mend_with(&disk, 0, 0).is_none());
    tail.note(place(1, 1, 2), [b"b", b""]);
    assert!(
        tail.take(1, 1, 0).expect("there is room in the file").run(&disk, Path::new(DIR)).expect("no fault")
    );
    assert_eq!(mend_with(&disk, 1, 0).expect("it can be read").mended, [(0, 2)]);
}

#[test]
fn any_rotten_byte_of_a_copy_makes_it_void() {
    let disk = disk();
    copied(&disk);
    let path = Path::new(DIR).join(TAIL_FILE);
    for at in 0..FILE_HEAD_BYTES + 2 * SLOT_BYTES {
        let fork = disk.fork(1);
        fork.damage(&path, |bytes| bytes[at] ^= 4).expect("there");
        write_log(&fork, b"abcdefgh");
        let mended = mend_with(&fork, 0, 3).is_some_and(|tail| !tail.mended.is_empty());
        assert!(!mended && log(&fork) == b"abcdefgh", "byte {at}");
    }
    let file = disk.open(&path, OpenMode::Read).expect("there");
    assert_eq!(file.len().expect("it has a length"), TAIL_BYTES);
}
