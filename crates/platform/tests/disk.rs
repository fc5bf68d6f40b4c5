//! One suite of behaviour for both halves of the disk: whatever the real one does, the simulated one must do too.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::{ErrorKind, IoSlice};
use std::path::Path;
use std::sync::Arc;

use platform::sim::SimDisk;
use platform::{Disk, OpenMode, OsDisk};

/// Runs each check on a fresh directory of the machine and on a fresh simulated disk.
macro_rules! on_both {
    ($($check:ident),* $(,)?) => {
        mod os { $( #[test] fn $check() {
            let dir = tempfile::tempdir().unwrap();
            super::$check(&platform::OsDisk, dir.path());
        } )* }
        mod sim { $( #[test] fn $check() {
            let disk = platform::sim::SimDisk::new(1);
            platform::Disk::create_dir_all(&disk, std::path::Path::new("/data/node")).unwrap();
            super::$check(&disk, std::path::Path::new("/data/node"));
        } )* }
    };
}

on_both!(
    a_file_keeps_what_was_written_where_it_was_written,
    many_slices_are_written_in_order,
    reads_stop_at_the_end_of_the_file,
    lengths_can_be_cut_and_extended_with_zeros,
    kept_room_changes_no_length,
    open_modes_differ_about_missing_and_existing_files,
    a_file_opened_for_reading_refuses_writes,
    directories_are_made_listed_and_removed_whole,
    rename_replaces_a_file_and_moves_a_directory,
    rename_refuses_what_would_lose_files,
    an_open_file_outlives_its_name,
    write_atomic_replaces_the_whole_content,
    a_lock_has_one_holder_at_a_time,
    errors_name_action_and_path_and_keep_their_kind,
    free_space_is_known,
);

fn create(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Arc<dyn platform::File> {
    let file = disk.open(path, OpenMode::CreateNew).unwrap();
    file.write_at(bytes, 0).unwrap();
    file
}

fn a_file_keeps_what_was_written_where_it_was_written(disk: &dyn Disk, root: &Path) {
    let path = root.join("a");
    let file = create(disk, &path, b"0123456789");
    file.write_at(b"ab", 4).unwrap();
    // A gap is filled with zeros.
    file.write_at(b"z", 12).unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"0123ab6789\0\0z");
    let mut part = [0; 3];
    file.read_exact_at(&mut part, 3).unwrap();
    assert_eq!(&part, b"3ab");
}

fn many_slices_are_written_in_order(disk: &dyn Disk, root: &Path) {
    // More than one system call takes, with empty slices among them.
    let pieces: Vec<Vec<u8>> = (0..3000_usize).map(|n| vec![n.to_le_bytes()[0]; n % 7]).collect();
    let slices: Vec<_> = pieces.iter().map(|p| IoSlice::new(p)).collect();
    let file = disk.open(&root.join("a"), OpenMode::Create).unwrap();
    file.write_vectored_at(&slices, 5).unwrap();
    let expected = [vec![0; 5], pieces.concat()].concat();
    assert_eq!(disk.read(&root.join("a")).unwrap(), expected);
    file.write_vectored_at(&[], 0).unwrap();
    assert_eq!(file.len().unwrap(), expected.len() as u64);
}

fn reads_stop_at_the_end_of_the_file(disk: &dyn Disk, root: &Path) {
    let file = create(disk, &root.join("a"), b"abc");
    let mut buffer = [0; 8];
    assert_eq!(file.read_at(&mut buffer, 1).unwrap(), 2);
    assert_eq!(&buffer[..2], b"bc");
    assert_eq!(file.read_at(&mut buffer, 3).unwrap(), 0);
    assert_eq!(file.read_at(&mut buffer, 1 << 40).unwrap(), 0);
    assert_eq!(file.read_full_at(&mut buffer, 0).unwrap(), 3);
    assert_eq!(file.read_exact_at(&mut buffer, 0).unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

fn lengths_can_be_cut_and_extended_with_zeros(disk: &dyn Disk, root: &Path) {
    let file = create(disk, &root.join("a"), b"abcdef");
    file.set_len(2).unwrap();
    assert_eq!(file.len().unwrap(), 2);
    file.set_len(4).unwrap();
    assert_eq!(disk.read(&root.join("a")).unwrap(), b"ab\0\0");
}

fn open_modes_differ_about_missing_and_existing_files(disk: &dyn Disk, root: &Path) {
    let path = root.join("a");
    let kind = |mode| disk.open(&path, mode).err().map(|e| e.kind());
    assert_eq!(kind(OpenMode::Read), Some(ErrorKind::NotFound));
    assert_eq!(kind(OpenMode::ReadWrite), Some(ErrorKind::NotFound));
    assert!(!disk.exists(&path));
    assert_eq!(kind(OpenMode::CreateNew), None);
    assert!(disk.exists(&path));
    assert_eq!(kind(OpenMode::CreateNew), Some(ErrorKind::AlreadyExists));
    disk.open(&path, OpenMode::ReadWrite).unwrap().write_at(b"kept", 0).unwrap();
    assert_eq!(kind(OpenMode::Create), None);
    assert_eq!(disk.read(&path).unwrap(), b"kept");
    let in_missing_dir = disk.open(&root.join("no/a"), OpenMode::Create).err().unwrap();
    assert_eq!(in_missing_dir.kind(), ErrorKind::NotFound);
    let below_a_file = disk.open(&path.join("b"), OpenMode::Create).err().unwrap();
    assert_eq!(below_a_file.kind(), ErrorKind::NotADirectory);
}

fn a_file_opened_for_reading_refuses_writes(disk: &dyn Disk, root: &Path) {
    create(disk, &root.join("a"), b"abc");
    let file = disk.open(&root.join("a"), OpenMode::Read).unwrap();
    assert!(file.write_at(b"x", 0).is_err());
    assert!(file.set_len(0).is_err());
    assert_eq!(disk.read(&root.join("a")).unwrap(), b"abc");
}

fn directories_are_made_listed_and_removed_whole(disk: &dyn Disk, root: &Path) {
    disk.create_dir_all(&root.join("x/y/z")).unwrap();
    disk.create_dir_all_durable(&root.join("x/y/z")).unwrap();
    create(disk, &root.join("x/b"), b"12");
    create(disk, &root.join("x/a"), b"");
    let entries = disk.list(&root.join("x")).unwrap();
    let seen: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.is_dir, e.len)).collect();
    assert_eq!(seen, [("a", false, 0), ("b", false, 2), ("y", true, 0)]);
    disk.sync_dir(&root.join("x")).unwrap();
    disk.remove_dir_all(&root.join("x")).unwrap();
    assert!(!disk.exists(&root.join("x")));
    assert_eq!(disk.list(root).unwrap(), []);
    create(disk, &root.join("file"), b"");
    assert_eq!(disk.create_dir_all(&root.join("file")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    disk.remove_file(&root.join("file")).unwrap();
    assert_eq!(disk.remove_file(&root.join("file")).unwrap_err().kind(), ErrorKind::NotFound);
}

fn rename_replaces_a_file_and_moves_a_directory(disk: &dyn Disk, root: &Path) {
    create(disk, &root.join("a"), b"new");
    create(disk, &root.join("b"), b"old");
    disk.rename(&root.join("a"), &root.join("b")).unwrap();
    assert_eq!(disk.read(&root.join("b")).unwrap(), b"new");
    assert!(!disk.exists(&root.join("a")));
    disk.create_dir_all(&root.join("d")).unwrap();
    create(disk, &root.join("d/f"), b"inside");
    disk.rename(&root.join("d"), &root.join("e")).unwrap();
    assert_eq!(disk.read(&root.join("e/f")).unwrap(), b"inside");
    assert!(!disk.exists(&root.join("d")));
    disk.rename(&root.join("e"), &root.join("e")).unwrap();
    assert!(disk.exists(&root.join("e/f")));
}

fn rename_refuses_what_would_lose_files(disk: &dyn Disk, root: &Path) {
    disk.create_dir_all(&root.join("d/inner")).unwrap();
    disk.create_dir_all(&root.join("full/inner")).unwrap();
    create(disk, &root.join("a"), b"");
    let kind = |from: &str, to: &str| disk.rename(&root.join(from), &root.join(to)).unwrap_err().kind();
    assert_eq!(kind("missing", "b"), ErrorKind::NotFound);
    assert_eq!(kind("d", "full"), ErrorKind::DirectoryNotEmpty);
    assert_eq!(kind("d", "a"), ErrorKind::NotADirectory);
    assert_eq!(kind("a", "d"), ErrorKind::IsADirectory);
    assert_eq!(kind("d", "d/inner/below"), ErrorKind::InvalidInput);
}

fn an_open_file_outlives_its_name(disk: &dyn Disk, root: &Path) {
    let file = create(disk, &root.join("a"), b"still here");
    disk.remove_file(&root.join("a")).unwrap();
    disk.sync_dir(root).unwrap();
    create(disk, &root.join("a"), b"another");
    let mut buffer = [0; 10];
    file.read_exact_at(&mut buffer, 0).unwrap();
    assert_eq!(&buffer, b"still here");
}

fn write_atomic_replaces_the_whole_content(disk: &dyn Disk, root: &Path) {
    let path = root.join("checkpoint");
    disk.write_atomic(&path, b"a long first content").unwrap();
    // What an earlier attempt left behind does not matter.
    create(disk, &root.join("checkpoint.tmp"), &[b'x'; 100]);
    disk.write_atomic(&path, b"short").unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"short");
    assert_eq!(disk.list(root).unwrap().len(), 1);
}

fn a_lock_has_one_holder_at_a_time(disk: &dyn Disk, root: &Path) {
    let path = root.join(".lock");
    let lock = disk.lock(&path).unwrap();
    let refused = disk.lock(&path).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ResourceBusy);
    let holder = String::from_utf8(disk.read(&path).unwrap()).unwrap();
    let expected = format!("cannot lock {}: it is held by process {}", path.display(), holder.trim());
    assert_eq!(refused.to_string(), expected);
    drop(lock);
    disk.lock(&path).unwrap();
}

fn errors_name_action_and_path_and_keep_their_kind(disk: &dyn Disk, root: &Path) {
    let path = root.join("missing");
    for (error, action) in [
        (disk.open(&path, OpenMode::Read).err().unwrap(), "open"),
        (disk.read(&path).unwrap_err(), "open"),
        (disk.remove_file(&path).unwrap_err(), "remove"),
        (disk.remove_dir_all(&path).unwrap_err(), "remove"),
        (disk.list(&path).unwrap_err(), "list directory"),
        (disk.sync_dir(&path).unwrap_err(), "sync directory"),
        (disk.rename(&path, root).unwrap_err(), "rename"),
        (disk.free_bytes(&path).unwrap_err(), "free space"),
    ] {
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{text}");
        assert!(text.contains(action) && text.contains(path.to_str().unwrap()), "{text}");
        assert!(text.contains("No such file or directory (os error 2)"), "{text}");
    }
}

fn free_space_is_known(disk: &dyn Disk, root: &Path) {
    assert!(disk.free_bytes(root).unwrap() > 0);
    assert!(disk.total_bytes(root).unwrap() >= disk.free_bytes(root).unwrap());
}

/// A file whose single writes the kernel cuts short cannot be had without a fault; the biggest write that fits into
/// memory comfortably at least crosses all internal bounds.
#[test]
fn a_large_write_arrives_whole() {
    let dir = tempfile::tempdir().unwrap();
    let big: Vec<u8> = (0..9 * 1024 * 1024_u32).map(|n| n.to_le_bytes()[1]).collect();
    let (left, right) = big.split_at(1_000_003);
    let file = OsDisk.open(&dir.path().join("big"), OpenMode::Create).unwrap();
    file.write_vectored_at(&[IoSlice::new(left), IoSlice::new(right)], 0).unwrap();
    assert_eq!(OsDisk.read(&dir.path().join("big")).unwrap(), big);
}

#[test]
fn a_lock_of_a_dead_process_is_free() {
    let disk = SimDisk::new(1);
    let lock = disk.lock(Path::new("/lock")).unwrap();
    disk.release_locks();
    let second = disk.lock(Path::new("/lock")).unwrap();
    // The dead holder's value, dropped late, must not give the second holder's lock away.
    drop(lock);
    assert_eq!(disk.lock(Path::new("/lock")).unwrap_err().kind(), ErrorKind::ResourceBusy);
    drop(second);
}

fn kept_room_changes_no_length(disk: &dyn Disk, root: &Path) {
    let path = root.join("a");
    let file = create(disk, &path, b"0123");
    file.reserve(1 << 20).unwrap();
    assert_eq!((file.len().unwrap(), disk.read(&path).unwrap()), (4, b"0123".to_vec()));
    file.write_at(b"4567", 4).unwrap();
    file.set_len(6).unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"012345");
}
