//! Snapshots are written, loaded, and make room.

use super::node::{METADATA_DIR, Machine};
use crate::metadata_log::LogContent;

/// Small enough that a few topics are due for a snapshot.
const SMALL: [(&str, &str); 2] = [
    ("metadata.log.max.record.bytes.between.snapshots", "2000"),
    ("metadata.log.max.snapshot.interval.ms", "0"),
];

async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_holds_the_whole_image_and_is_loaded_at_start() {
    let machine = Machine::new(21, &SMALL);
    let node = machine.start().await;
    for number in 0..20 {
        node.create(&format!("topic-{number}"), 2).await;
        settle().await;
    }
    let image = node.image.load_full();
    node.kill(&machine).await;
    let snapshots = machine.files(".checkpoint");
    assert!(snapshots.len() > 2, "{snapshots:?}");
    let latest = snapshots.last().expect("there are some");
    let content = LogContent::of_snapshot(&machine.content(latest)).expect("it is whole");
    assert_eq!(content.control().len(), 4, "header, kraft.version, voters, footer");

    // The log before the snapshot is damaged beyond use: the start does not need it.
    let offset: i64 = latest[..20].parse().expect("a number");
    let batches = machine.log_content().batches;
    let end: u64 =
        batches.iter().filter(|batch| batch.last_offset < offset).map(|batch| batch.size_bytes).sum();
    assert!(end > 0);
    let node = machine.start().await;
    assert_eq!(node.image.load().topics().len(), image.topics().len());
    assert_eq!(node.image.load().configs(), image.configs());
    assert_eq!(node.create("topic-3", 1).await.name(), "TOPIC_ALREADY_EXISTS");
    assert_eq!(node.create("new", 1).await.name(), "NONE");
}

#[tokio::test(start_paused = true)]
async fn when_there_is_too_much_old_snapshots_go_and_the_log_starts_later() {
    let mut properties = SMALL.to_vec();
    properties
        .extend([("metadata.max.retention.bytes", "6000"), ("internal.metadata.log.segment.bytes", "4096")]);
    let machine = Machine::new(22, &properties);
    let node = machine.start().await;
    for number in 0..60 {
        node.create(&format!("topic-{number}"), 2).await;
        settle().await;
    }
    let snapshots = machine.files(".checkpoint");
    assert!(!snapshots.contains(&"00000000000000000000-0000000000.checkpoint".to_owned()), "{snapshots:?}");
    let first: i64 = snapshots[0][..20].parse().expect("a number");
    assert!(first > 0);
    let segments = machine.files(".log");
    assert!(!segments.contains(&"00000000000000000000.log".to_owned()), "{segments:?}");
    // Files out of use are removed after their delay.
    assert!(!machine.files_out_of_use().is_empty());
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    assert_eq!(machine.files_out_of_use(), Vec::<String>::new());
    node.kill(&machine).await;

    let node = machine.start().await;
    assert_eq!(node.topic_names().len(), 60);
    node.stop().await;
    let node = machine.start().await;
    assert_eq!(node.topic_names().len(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_due_by_time_once_and_then_the_node_is_silent() {
    let machine = Machine::new(23, &[("metadata.log.max.snapshot.interval.ms", "3600000")]);
    let node = machine.start().await;
    node.create("a", 1).await;
    tokio::time::sleep(std::time::Duration::from_secs(3700)).await;
    assert_eq!(machine.files(".checkpoint").len(), 2);
    let before = machine.disk.effects();
    // A week later the bootstrap snapshot is too old.
    tokio::time::sleep(std::time::Duration::from_secs(24 * 3600)).await;
    assert_eq!(machine.disk.effects(), before);
    tokio::time::sleep(std::time::Duration::from_secs(7 * 24 * 3600)).await;
    assert_eq!(machine.files(".checkpoint").len(), 1);
    node.kill(&machine).await;
    assert_eq!(machine.start().await.topic_names(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn unfinished_snapshots_are_removed_at_start() {
    let machine = Machine::new(24, &[]);
    machine.start().await.kill(&machine).await;
    for name in [
        "00000000000000000007-0000000001-123.checkpoint.part",
        "00000000000000000007-0000000001.checkpoint.tmp",
    ] {
        let path = std::path::Path::new(METADATA_DIR).join(name);
        let file = machine.platform.disk.open(&path, platform::OpenMode::CreateNew).expect("it is made");
        file.write_at(b"half", 0).expect("it is written");
    }
    machine.start().await.kill(&machine).await;
    assert_eq!(machine.files(".part").len() + machine.files(".tmp").len(), 0);
}
