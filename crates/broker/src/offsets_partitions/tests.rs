//! What the coordinator is given to read, on a real directory.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use platform::Platform;
use protocol::Uuid;
use records::{BatchBuilder, BatchSettings};
use replication::LeaderConfig;
use storage::{LogConfig, LogDir, LogDirConfig};
use tempfile::TempDir;

use super::*;

/// The directory has to outlive the partition, and the log directory its logs.
struct Fixture {
    offsets: OffsetsPartitions,
    partition: Arc<Partition>,
    _log_dir: LogDir,
    _dir: TempDir,
}

/// Partition 0 of the topic with one batch in it; committed by this node alone, or not without the replicas named.
async fn fixture(replicas: Vec<i32>) -> Fixture {
    let platform = Platform::os();
    let dir = tempfile::tempdir().unwrap();
    let options = LogDirConfig { format: Some("cluster".into()), ..LogDirConfig::new(1) };
    let now_ms = platform.clock.wall_ms();
    let (log_dir, _) = LogDir::open(&platform, dir.path(), &options, now_ms).unwrap();
    let topic_id = Uuid([7; 16]);
    let log = log_dir.create_log(OFFSETS_TOPIC, 0, topic_id, LogConfig::default(), now_ms).unwrap();
    let leader = LeaderConfig {
        node_id: 1,
        leader_epoch: 3,
        replicas: replicas.clone(),
        isr: replicas,
        min_insync_replicas: 1,
    };
    let partition = Partition::new(OFFSETS_TOPIC.into(), 0, topic_id, log, leader, platform.blocking.clone());
    let mut builder = BatchBuilder::new(BatchSettings::default());
    builder.append(None, Some(b"value"), &[], now_ms).unwrap();
    partition.append_own(&builder.build().unwrap(), now_ms).await.unwrap();
    let partitions = Arc::new(Partitions::default());
    partitions.add(vec![partition.clone()], Vec::new());
    let image = Arc::new(ArcSwap::from_pointee(MetadataImage::default()));
    let offsets = OffsetsPartitions { partitions, image, clock: platform.clock };
    Fixture { offsets, partition, _log_dir: log_dir, _dir: dir }
}

#[tokio::test]
async fn what_is_committed_is_read() {
    let f = fixture(vec![1]).await;
    assert_eq!(f.offsets.range(0), Ok(0..1));
    let bytes = f.offsets.read(0, 0, 1 << 20).await.unwrap();
    assert!(!bytes.is_empty());
    assert_eq!(f.partition.view().high_watermark(), 1, "it was waited for");
}

#[tokio::test]
async fn what_is_not_committed_is_not_read() {
    let f = fixture(vec![1, 2]).await;
    let mut read = pin!(f.offsets.read(0, 0, 1 << 20));
    for _ in 0..3 {
        let is_pending = poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await;
        assert!(is_pending, "the other replica has nothing yet");
        tokio::task::yield_now().await;
    }
    assert!(f.partition.close().is_some());
    assert_eq!(read.await, Err(ErrorCode::NOT_LEADER_OR_FOLLOWER), "it will not come any more");
}
