//! File names of snapshots.

use crate::SnapshotId;

#[test]
fn names_are_padded_and_read_back() {
    let id = SnapshotId { offset: 1234, epoch: 5 };
    assert_eq!(id.file_name(), "00000000000000001234-0000000005.checkpoint");
    assert_eq!(SnapshotId::from_file_name(&id.file_name()), Some(id));
    assert_eq!(SnapshotId::BOOTSTRAP.file_name(), "00000000000000000000-0000000000.checkpoint");
}

#[test]
fn other_names_are_no_snapshots() {
    for name in [
        "00000000000000001234-0000000005.checkpoint.part",
        "00000000000000001234-0000000005.checkpoint.deleted",
        "00000000000000001234-0000000005.log",
        "1234-5.checkpoint",
        "0000000000000000123x-0000000005.checkpoint",
        "0000000000000000+234-0000000005.checkpoint",
        "99999999999999999999-0000000005.checkpoint",
        "leader-epoch-checkpoint",
        ".checkpoint",
    ] {
        assert_eq!(SnapshotId::from_file_name(name), None, "{name}");
    }
}

#[test]
fn snapshots_are_ordered_by_what_they_contain() {
    let mut ids =
        [SnapshotId { offset: 9, epoch: 2 }, SnapshotId { offset: 10, epoch: 1 }, SnapshotId::BOOTSTRAP];
    ids.sort();
    assert_eq!(ids.map(|id| id.offset), [0, 9, 10]);
}
