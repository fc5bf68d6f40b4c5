//! Kafka's names are told from foreign ones.

use super::*;

#[test]
fn partition_directories_are_parsed_from_the_last_dash() {
    let log = |topic: &str, partition| DirKind::Log { topic: topic.to_owned(), partition };
    assert_eq!(dir_kind("orders-0"), log("orders", 0));
    assert_eq!(dir_kind("a-b.c_d-12"), log("a-b.c_d", 12));
    assert_eq!(dir_kind("__consumer_offsets-49"), log("__consumer_offsets", 49));
    for foreign in [
        "lost+found",
        "orders",
        "orders-",
        "-0",
        "orders-x",
        "orders-01",
        "orders-+1",
        "a b-0",
        "orders-99999999999",
    ] {
        assert_eq!(dir_kind(foreign), DirKind::Foreign, "{foreign}");
    }
}

#[test]
fn suffixed_directories_are_told_apart() {
    let unique = [0xab; 16];
    let name = delete_dir_name("orders", 3, unique);
    assert_eq!(name, "orders-3.abababababababababababababababab-delete");
    assert_eq!(dir_kind(&name), DirKind::Delete);
    assert_eq!(dir_kind("orders-3.abc-stray"), DirKind::Stray { topic: "orders".into(), partition: 3 });
    let future = future_dir_name("orders", 3, unique).expect("a legal name");
    assert_eq!(future, "orders-3.abababababababababababababababab-future");
    assert_eq!(dir_kind(&future), DirKind::Future { topic: "orders".into(), partition: 3 });
    assert_eq!(future_dir_name(&"t".repeat(213), 0, unique).map(|name| name.len()), Some(255));
    assert_eq!(
        future_dir_name(&"t".repeat(214), 0, unique),
        None,
        "Kafka cuts no name of a future log either"
    );
    assert_eq!(dir_kind("orders-delete"), DirKind::Foreign);
    let long = delete_dir_name(&"t".repeat(249), 2_000_000_000, unique);
    assert_eq!(long.len(), 255);
    assert_eq!(dir_kind(&long), DirKind::Delete);
}

#[test]
fn files_of_a_partition_are_told_apart() {
    let table = [
        ("00000000000000000042.log", FileKind::Log(42)),
        ("00000000000000000000.index", FileKind::Index(0)),
        ("00000000000000000000.timeindex", FileKind::TimeIndex(0)),
        ("00000000000000000000.txnindex", FileKind::TxnIndex(0)),
        ("09223372036854775807.snapshot", FileKind::Snapshot(i64::MAX)),
        ("00000000000000000042.log.deleted", FileKind::Deleted),
        ("00000000000000000042.snapshot.deleted", FileKind::Deleted),
        ("00000000000000000042.log.swap", FileKind::Swap(42, LOG_SUFFIX)),
        ("00000000000000000042.txnindex.swap", FileKind::Swap(42, TXN_INDEX_SUFFIX)),
        ("00000000000000000042.other.swap", FileKind::Foreign),
        ("00000000000000000042.log.cleaned", FileKind::Cleaned(42)),
        ("leader-epoch-checkpoint.tmp", FileKind::Temporary),
        ("partition.metadata", FileKind::Known),
        ("quorum-state", FileKind::Known),
        ("00000000000000000042-0000000001.checkpoint", FileKind::Known),
        ("00000000000000000042-0000000001.checkpoint.deleted", FileKind::Known),
        ("00000000000000000042.log.000512.cut", FileKind::Known),
        ("42.log", FileKind::Foreign),
        ("99999999999999999999.log", FileKind::Foreign),
        ("notes.txt", FileKind::Foreign),
        ("notes.tmp", FileKind::Foreign),
        ("notes.deleted", FileKind::Foreign),
        ("00000000000000000042.log.bak", FileKind::Foreign),
    ];
    for (name, kind) in table {
        assert_eq!(file_kind(name), kind, "{name}");
    }
}
