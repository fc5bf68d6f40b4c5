//! A directory is looked at and stays as it is.

use std::path::Path;

use platform::{Disk, Platform};

use super::DirectorySurvey;
use crate::error::StorageError;

fn disk() -> std::sync::Arc<dyn Disk> {
    Platform::sim(1).disk
}

#[test]
fn a_directory_that_does_not_exist_is_empty_and_stays_missing() {
    let disk = disk();
    let survey = DirectorySurvey::read(disk.as_ref(), Path::new("/data")).expect("it is empty");
    assert!(survey.meta.is_none() && survey.logs.is_empty() && !survey.is_clean);
    assert!(!disk.exists(Path::new("/data")));
}

#[test]
fn names_are_sorted_by_what_they_are() {
    let disk = disk();
    let dirs = [
        "orders-0",
        "orders-1.0123456789abcdef0123456789abcdef-delete",
        "orders-2.0123456789abcdef0123456789abcdef-stray",
        "orders-3.0123456789abcdef0123456789abcdef-future",
        "lost+found",
        "remote-log-index-cache",
    ];
    for dir in dirs {
        disk.create_dir_all(&Path::new("/data").join(dir)).expect("made");
    }
    let files = [
        ("meta.properties", "version=1\nnode.id=3\ncluster.id=c\n"),
        (".kafka_cleanshutdown", ""),
        ("klamm-wal-0", ""),
        ("klamm-reserve", ""),
        ("replication-offset-checkpoint", ""),
        ("notes.txt", ""),
    ];
    for (name, text) in files {
        disk.write_atomic(&Path::new("/data").join(name), text.as_bytes()).expect("written");
    }
    let survey = DirectorySurvey::read(disk.as_ref(), Path::new("/data")).expect("it can be read");
    assert_eq!(survey.meta.map(|meta| meta.node_id), Some(3));
    assert!(survey.is_clean && survey.has_wal);
    assert_eq!(survey.logs, ["orders-0"]);
    assert_eq!([survey.deleting, survey.strays, survey.futures].concat(), dirs[1..4]);
    assert_eq!(survey.foreign, ["lost+found", "notes.txt"]);
}

#[test]
fn an_owner_that_cannot_be_read_is_an_error() {
    let disk = disk();
    disk.create_dir_all(Path::new("/data")).expect("made");
    disk.write_atomic(Path::new("/data/meta.properties"), b"version=0\nbroker.id=1\n").expect("written");
    let error = DirectorySurvey::read(disk.as_ref(), Path::new("/data")).expect_err("it is ZooKeeper's");
    assert!(matches!(error, StorageError::MetaProperties { .. }), "{error}");
}
