//! What a loss of power may and may not take, and how injected errors look.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use platform::sim::{DiskAction, DiskConfig, DiskErrno, DiskFault, NameOrder, SimDisk, SimWorld};
use platform::{Disk, OpenMode};

const SEEDS: u64 = 800;

fn path(text: &str) -> &Path {
    Path::new(text)
}

/// Crashes a disk in as many ways as there are seeds and gives what `look` saw each time, without repetition.
fn outcomes<T: Ord>(disk: &SimDisk, look: impl Fn(&SimDisk) -> T) -> BTreeSet<T> {
    let crash = |seed| {
        let copy = disk.fork(seed);
        copy.crash();
        look(&copy)
    };
    (0..SEEDS).map(crash).collect()
}

/// A disk with one file, durable with its name, that holds `durable`.
fn disk_with(durable: &[u8]) -> SimDisk {
    let disk = SimDisk::new(1);
    let file = disk.open(path("/file"), OpenMode::CreateNew).unwrap();
    file.write_at(durable, 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(path("/")).unwrap();
    disk
}

#[test]
fn synced_bytes_under_a_synced_name_always_stay() {
    let disk = disk_with(b"durable");
    let file = disk.open(path("/file"), OpenMode::ReadWrite).unwrap();
    file.write_at(b" and pending", 7).unwrap();
    let seen = outcomes(&disk, |d| d.read(path("/file")).unwrap());
    assert!(seen.iter().all(|bytes| bytes.starts_with(b"durable")));
    assert!(seen.contains(b"durable".as_slice()), "nothing of the pending bytes stays in some crash");
    assert!(seen.contains(b"durable and pending".as_slice()), "all of them stay in another");
}

#[test]
fn an_unsynced_write_is_torn_at_sectors() {
    let disk = disk_with(&[b'o'; 2048]);
    let file = disk.open(path("/file"), OpenMode::ReadWrite).unwrap();
    file.write_at(&[b'n'; 2048], 0).unwrap();
    let seen = outcomes(&disk, |d| d.read(path("/file")).unwrap());
    for bytes in &seen {
        assert_eq!(bytes.len(), 2048);
        for sector in bytes.chunks(512) {
            assert!(sector.iter().all(|b| b == &sector[0]), "a sector is old or new, never mixed");
        }
    }
    assert_eq!(seen.len(), 16, "every combination of four sectors is possible");
}

#[test]
fn unsynced_appends_may_leave_holes_and_zero_tails() {
    let disk = disk_with(b"");
    let file = disk.open(path("/file"), OpenMode::ReadWrite).unwrap();
    for n in 0..4_u64 {
        file.write_at(&[b'a'; 512], n * 512).unwrap();
    }
    let sector = |bytes: &[u8], n: usize| bytes.get(n * 512).copied();
    let seen = outcomes(&disk, |d| d.read(path("/file")).unwrap());
    assert!(seen.iter().any(|b| sector(b, 0) == Some(0) && sector(b, 3) == Some(b'a')), "a hole");
    assert!(seen.iter().any(|b| b.len() == 2048 && sector(b, 3) == Some(0)), "a tail of zeros");
    let honest = SimDisk::with_config(1, DiskConfig { zero_tails: false, ..DiskConfig::default() });
    let file = honest.open(path("/file"), OpenMode::CreateNew).unwrap();
    honest.sync_dir(path("/")).unwrap();
    file.write_at(&[b'a'; 512], 0).unwrap();
    let seen = outcomes(&honest, |d| d.read(path("/file")).unwrap());
    assert_eq!(seen, BTreeSet::from([vec![], vec![b'a'; 512]]));
}

#[test]
fn a_cut_that_was_not_synced_may_be_undone() {
    let disk = disk_with(b"0123456789");
    disk.open(path("/file"), OpenMode::ReadWrite).unwrap().set_len(4).unwrap();
    let seen = outcomes(&disk, |d| d.read(path("/file")).unwrap());
    assert_eq!(seen, BTreeSet::from([b"0123".to_vec(), b"0123456789".to_vec()]));
}

#[test]
fn a_synced_file_under_an_unsynced_name_may_vanish() {
    let disk = SimDisk::new(1);
    let file = disk.open(path("/file"), OpenMode::CreateNew).unwrap();
    file.write_at(b"durable", 0).unwrap();
    file.sync_data().unwrap();
    let seen = outcomes(&disk, |d| d.read(path("/file")).ok());
    assert_eq!(seen, BTreeSet::from([None, Some(b"durable".to_vec())]));
    let journaled =
        SimDisk::with_config(1, DiskConfig { names: NameOrder::Journaled, ..DiskConfig::default() });
    let file = journaled.open(path("/file"), OpenMode::CreateNew).unwrap();
    file.write_at(b"durable", 0).unwrap();
    file.sync_data().unwrap();
    let seen = outcomes(&journaled, |d| d.read(path("/file")).ok());
    assert_eq!(seen, BTreeSet::from([Some(b"durable".to_vec())]), "a journal takes the name along");
}

#[test]
fn names_are_lost_newest_first_unless_any_may_be() {
    let seen = |names| {
        let disk = SimDisk::with_config(1, DiskConfig { names, ..DiskConfig::default() });
        for file in ["/a", "/b"] {
            disk.open(path(file), OpenMode::CreateNew).unwrap();
        }
        outcomes(&disk, |d| (d.exists(path("/a")), d.exists(path("/b"))))
    };
    let in_order = BTreeSet::from([(false, false), (true, false), (true, true)]);
    assert_eq!(seen(NameOrder::InOrder), in_order);
    assert_eq!(seen(NameOrder::Journaled), in_order);
    assert_eq!(seen(NameOrder::Any).len(), 4);
}

#[test]
fn a_directory_needs_its_parent_synced_too() {
    let disk = SimDisk::new(1);
    disk.create_dir_all(path("/a/b")).unwrap();
    disk.sync_dir(path("/a")).unwrap();
    let seen = outcomes(&disk, |d| (d.exists(path("/a")), d.exists(path("/a/b"))));
    assert_eq!(seen, BTreeSet::from([(false, false), (true, true)]));
    disk.sync_dir(path("/")).unwrap();
    assert_eq!(outcomes(&disk, |d| d.exists(path("/a/b"))), BTreeSet::from([true]));
}

#[test]
fn directories_can_be_created_durably_even_in_several_tries() {
    for target in ["/a/b/c", "a/b"] {
        let whole = SimDisk::new(1);
        whole.create_dir_all_durable(path(target)).unwrap();
        assert_eq!(outcomes(&whole, |d| d.exists(path(target))), BTreeSet::from([true]));
        for effect in 1..=whole.effects() {
            let disk = SimDisk::new(1);
            disk.halt_after(effect);
            disk.create_dir_all_durable(path(target)).unwrap_err();
            // The process is killed, and the next one tries again.
            disk.release_locks();
            disk.create_dir_all_durable(path(target)).unwrap();
            assert_eq!(
                outcomes(&disk, |d| d.exists(path(target))),
                BTreeSet::from([true]),
                "effect {effect}"
            );
        }
    }
}

#[test]
fn an_unsynced_rename_happens_whole_or_not() {
    let disk = disk_with(b"old");
    let file = disk.open(path("/file.tmp"), OpenMode::CreateNew).unwrap();
    file.write_at(b"new", 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(path("/")).unwrap();
    disk.rename(path("/file.tmp"), path("/file")).unwrap();
    let seen = outcomes(&disk, |d| (d.read(path("/file")).unwrap(), d.exists(path("/file.tmp"))));
    assert_eq!(seen, BTreeSet::from([(b"old".to_vec(), true), (b"new".to_vec(), false)]));
}

#[test]
fn a_rename_without_a_sync_of_the_file_may_show_it_empty() {
    let disk = disk_with(b"old");
    let file = disk.open(path("/file.tmp"), OpenMode::CreateNew).unwrap();
    file.write_at(b"new", 0).unwrap();
    disk.rename(path("/file.tmp"), path("/file")).unwrap();
    disk.sync_dir(path("/")).unwrap();
    let seen = outcomes(&disk, |d| d.read(path("/file")).unwrap());
    assert!(
        seen.contains(b"".as_slice())
            && seen.contains(b"new".as_slice())
            && !seen.contains(b"old".as_slice())
    );
}

#[test]
fn a_removal_may_be_undone_until_the_directory_is_synced() {
    let disk = disk_with(b"x");
    disk.remove_file(path("/file")).unwrap();
    assert_eq!(outcomes(&disk, |d| d.exists(path("/file"))), BTreeSet::from([false, true]));
    disk.sync_dir(path("/")).unwrap();
    assert_eq!(outcomes(&disk, |d| d.exists(path("/file"))), BTreeSet::from([false]));
}

/// The whole point of `write_atomic`: stop the machine at every one of its steps, in many ways.
#[test]
fn write_atomic_shows_the_old_or_the_new_content_wherever_it_stops() {
    let (old, new) = (vec![b'o'; 3000], vec![b'n'; 1700]);
    let begin = SimDisk::new(1);
    begin.write_atomic(path("/file"), &old).unwrap();
    let whole = begin.fork(1);
    let before = whole.effects();
    whole.write_atomic(path("/file"), &new).unwrap();
    let steps = whole.effects() - before;
    assert_eq!(steps, 6, "create, resize, write, sync, rename, sync of the directory");
    for step in 1..=steps {
        for seed in 0..50 {
            let disk = begin.fork(seed);
            disk.halt_after(step);
            disk.write_atomic(path("/file"), &new).unwrap_err();
            assert!(disk.read(path("/file")).is_err(), "a halted machine does nothing more");
            disk.crash();
            let found = disk.read(path("/file")).unwrap();
            assert!(found == old || found == new, "seed {seed}, step {step}");
        }
    }
    assert_eq!(outcomes(&whole, |d| d.read(path("/file")).unwrap()), BTreeSet::from([new]));
}

#[test]
fn open_files_are_inert_after_a_crash() {
    let disk = disk_with(b"x");
    let file = disk.open(path("/file"), OpenMode::ReadWrite).unwrap();
    let lock = disk.lock(path("/lock")).unwrap();
    disk.crash();
    assert!(file.write_at(b"zombie", 0).is_err());
    assert!(file.read_at(&mut [0], 0).is_err());
    assert_eq!(disk.read(path("/file")).unwrap(), b"x");
    disk.lock(path("/lock")).unwrap();
    drop(lock);
}

#[test]
fn a_failed_sync_loses_pending_bytes_for_good() {
    let disk = disk_with(b"durable");
    let file = disk.open(path("/file"), OpenMode::ReadWrite).unwrap();
    file.write_at(b"PENDING", 0).unwrap();
    disk.fail(DiskFault::nth(DiskAction::Sync, 1, DiskErrno::Io).on("file"));
    let error = file.sync_data().unwrap_err();
    assert_eq!(error.to_string(), "cannot sync /file: Input/output error (os error 5)");
    file.sync_data().expect("the kernel calls the pages clean");
    assert_eq!(disk.read(path("/file")).unwrap(), b"PENDING", "readers still see the page cache");
    disk.crash();
    let after = disk.read(path("/file")).unwrap();
    assert!(after == b"durable" || after == b"PENDING");
    let mut lost = 0;
    for seed in 0..50 {
        let disk = disk_with(b"durable").fork(seed);
        let file = disk.open(path("/file"), OpenMode::ReadWrite).unwrap();
        file.write_at(b"PENDING", 0).unwrap();
        disk.fail(DiskFault::nth(DiskAction::Sync, 1, DiskErrno::Io));
        file.sync_data().unwrap_err();
        file.sync_data().unwrap();
        disk.crash();
        lost += u32::from(disk.read(path("/file")).unwrap() == b"durable");
    }
    assert!(lost > 10, "lost only {lost} times of 50 although the second sync succeeded");
}

#[test]
fn injected_errors_hit_the_calls_they_name() {
    let disk = disk_with(b"x");
    disk.fail(DiskFault::nth(DiskAction::Open, 2, DiskErrno::TooManyFiles));
    assert!(disk.open(path("/file"), OpenMode::Read).is_ok());
    let error = disk.open(path("/file"), OpenMode::Read).err().unwrap();
    assert_eq!(error.to_string(), "cannot open /file: Too many open files (os error 24)");
    assert!(disk.open(path("/file"), OpenMode::Read).is_ok());
    disk.fail(DiskFault::always(DiskAction::Write, DiskErrno::ReadOnly));
    let file = disk.open(path("/file"), OpenMode::ReadWrite).unwrap();
    for _ in 0..3 {
        assert_eq!(file.write_at(b"y", 0).unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    }
    disk.heal();
    file.write_at(b"z", 0).unwrap();
    assert_eq!(disk.read(path("/file")).unwrap(), b"z");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let disk = SimDisk::with_config(1, DiskConfig { capacity_bytes: Some(1000), ..DiskConfig::default() });
    let file = disk.open(path("/file"), OpenMode::Create).unwrap();
    file.write_at(&[1; 900], 0).unwrap();
    assert_eq!(disk.free_bytes(path("/")).unwrap(), 100);
    assert_eq!(file.write_at(&[2; 200], 900).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 1000);
    file.write_at(&[3; 1000], 0).expect("overwriting needs no room");
    file.set_len(10).unwrap();
    assert_eq!(disk.free_bytes(path("/")).unwrap(), 990);
    disk.set_capacity_bytes(None);
    file.write_at(&[4; 5000], 0).unwrap();
}

#[test]
fn rot_is_seen_by_all_but_those_who_have_the_file_in_memory() {
    let disk = SimDisk::new(1);
    let file = disk.open(path("/file"), OpenMode::Create).unwrap();
    file.write_at(b"abc", 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(path("/")).unwrap();
    assert!(disk.rot(path("/file"), 1, 0x20).unwrap());
    assert!(!disk.rot(path("/file"), 3, 0x20).unwrap(), "there is no such byte");
    assert_eq!(disk.read(path("/file")).unwrap(), b"abc");
    assert_eq!(disk.durable_bytes(path("/file")).unwrap(), b"aBc");
    disk.crash();
    assert!(disk.rot(path("/file"), 0, 0x20).unwrap());
    assert_eq!(disk.read(path("/file")).unwrap(), b"ABc");
}

#[test]
fn damage_is_durable() {
    let disk = disk_with(b"abc");
    disk.damage(path("/file"), |bytes| bytes[1] ^= 0x20).unwrap();
    disk.crash();
    assert_eq!(disk.read(path("/file")).unwrap(), b"aBc");
}

#[tokio::test(start_paused = true)]
async fn a_killed_process_keeps_its_bytes_and_a_powerless_machine_may_lose_them() {
    let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let mut lost = 0;
    for seed in 0..40 {
        let world = SimWorld::new(seed);
        let first = world.boot(ip);
        let file = first.disk.open(path("/file"), OpenMode::Create).unwrap();
        first.disk.sync_dir(path("/")).unwrap();
        file.write_at(b"unsynced", 0).unwrap();
        world.kill(ip);
        assert!(file.write_at(b"zombie", 0).is_err() && first.disk.read(path("/file")).is_err());
        let second = world.boot(ip);
        assert_eq!(second.disk.read(path("/file")).unwrap(), b"unsynced");
        assert!(first.disk.read(path("/file")).is_err(), "the dead stay dead after a restart");
        world.power_off(ip);
        lost += u32::from(world.boot(ip).disk.read(path("/file")).unwrap() != b"unsynced");
    }
    assert!((10..=35).contains(&lost), "lost in {lost} of 40");
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_halts_at_an_effect_can_be_waited_for() {
    let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let world = SimWorld::new(1);
    let process = world.boot(ip);
    world.disk(ip).halt_after(2);
    let file = process.disk.open(path("/file"), OpenMode::CreateNew).unwrap();
    assert!(world.is_up(ip));
    file.write_at(b"x", 0).unwrap_err();
    world.down(ip).await;
    assert!(!world.is_up(ip));
    world.power_off(ip);
    assert!(!world.disk(ip).exists(path("/file")) || world.disk(ip).read(path("/file")).unwrap().is_empty());
}
