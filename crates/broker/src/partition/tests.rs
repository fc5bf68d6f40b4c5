//! A partition on a real directory.

use platform::Clock;
use records::{BatchBuilder, BatchSettings};
use storage::{LogDir, LogDirConfig};
use tempfile::TempDir;

use super::*;
use crate::waiters::Waiter;

const TOPIC_ID: Uuid = Uuid([7; 16]);

/// The directory has to outlive the partition, and the log directory its logs.
struct Fixture {
    partition: Arc<Partition>,
    platform: Platform,
    log_dir: LogDir,
    _dir: TempDir,
}

fn fixture(config: LogConfig) -> Fixture {
    let platform = Platform::os();
    let dir = tempfile::tempdir().unwrap();
    let options = LogDirConfig { format: Some("cluster".into()), ..LogDirConfig::new(1) };
    let now_ms = platform.clock.wall_ms();
    let (log_dir, _) = LogDir::open(&platform, dir.path(), &options, now_ms).unwrap();
    let log = log_dir.create_log("t", 0, TOPIC_ID, config, now_ms).unwrap();
    let leader =
        LeaderConfig { node_id: 1, leader_epoch: 3, replicas: vec![1], isr: vec![1], min_insync_replicas: 1 };
    Fixture {
        partition: Partition::new("t".into(), 0, TOPIC_ID, log, leader, platform.blocking.clone()),
        platform,
        log_dir,
        _dir: dir,
    }
}

fn batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchSettings::default());
    builder.append(None, Some(b"value"), &[], Clock::os().wall_ms()).unwrap();
    builder.build().unwrap()
}

/// Waits until everything in the log is committed.
async fn committed(partition: &Partition) {
    let waiter = Waiter::new(0);
    partition.waiters().add(&waiter);
    while partition.view().high_watermark() < partition.view().log_end_offset() {
        waiter.woken().await;
    }
}

fn parsed(bytes: &[u8]) -> Batch<'_> {
    Batch::parse(bytes).unwrap()
}

#[tokio::test]
async fn a_durable_batch_is_committed_once_it_is_on_stable_storage() {
    for flush_messages in [1, 1000] {
        let f = fixture(LogConfig::new(
            &config::TopicConfig { flush_messages, ..config::TopicConfig::default() },
            storage::DEFAULT_PRODUCER_ID_EXPIRATION_MS,
        ));
        let now_ms = f.platform.clock.wall_ms();
        f.partition.append_client(&parsed(&batch()), true, now_ms).await.unwrap();
        f.partition.append_own(&batch(), now_ms).await.unwrap();
        committed(&f.partition).await;
        let view = f.partition.view();
        assert_eq!((view.high_watermark(), view.durable_end_offset(), view.recovery_point()), (2, 2, 0));
        assert!(!f.partition.flush_due(&f.platform, false).await, "the segments may wait");
        assert!(f.partition.flush_due(&f.platform, true).await);
        assert_eq!(view.recovery_point(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_come_back_holds_its_own_producers_up_and_nobody_else() {
    const PRODUCERS: usize = 64;
    const BATCHES: usize = 8;
    const BATCH_BYTES: usize = 200 << 10;
    let durable = || LogConfig::new(&config::TopicConfig::default(), i64::MAX);
    let (f, other) = (fixture(durable()), fixture(durable()));
    let now_ms = f.platform.clock.wall_ms();
    f.partition.with_log(|log| log.append_as_leader(&batch(), 3, AppendOrigin::Coordinator, now_ms));
    let stalled = f.log_dir.wal_ticket().expect("the first batch needs a file");
    let mut builder = BatchBuilder::new(BatchSettings::default());
    builder.append(None, Some(&[b'x'; BATCH_BYTES]), &[], now_ms).unwrap();
    let large: Bytes = builder.build().unwrap().into();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|_| {
            let (partition, large) = (f.partition.clone(), large.clone());
            tokio::spawn(async move {
                for _ in 0..BATCHES {
                    partition.append_client(&parsed(&large), true, now_ms).await.unwrap();
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let taken = f.partition.view().size_bytes();
    assert!(taken < 48 << 20, "{taken} of {} bytes wait in memory", PRODUCERS * BATCHES * BATCH_BYTES);
    assert_eq!(f.partition.view().high_watermark(), 0, "nothing is committed that is not durable");
    assert!(f.partition.read(|view| view.read(0, 1 << 20, view.log_end_offset(), true)).is_ok());
    other.partition.append_client(&parsed(&batch()), true, now_ms).await.unwrap();
    committed(&other.partition).await;
    f.platform.blocking.run(move || stalled.run_all()).await;
    for producer in producers {
        producer.await.unwrap();
    }
    committed(&f.partition).await;
    assert_eq!(f.partition.view().durable_end_offset(), (PRODUCERS * BATCHES + 1) as i64);
}

#[tokio::test]
async fn flush_ms_flushes_in_the_background() {
    let f = fixture(LogConfig { flush_ms: 0, durable: false, ..LogConfig::default() });
    f.partition.append_client(&parsed(&batch()), true, f.platform.clock.wall_ms()).await.unwrap();
    assert!(f.partition.has_unflushed());
    f.partition.flush_due(&f.platform, false).await;
    assert!(!f.partition.has_unflushed());
    assert!(!f.partition.flush_due(&f.platform, false).await, "nothing is left to flush");
}

#[tokio::test]
async fn a_closed_partition_refuses_and_gives_its_log_back_once() {
    let f = fixture(LogConfig::default());
    let now_ms = f.platform.clock.wall_ms();
    let info = f.partition.append_client(&parsed(&batch()), true, now_ms).await.unwrap();
    assert_eq!((info.first_offset, f.partition.view().high_watermark()), (0, 1));
    assert!(f.partition.close().is_some());
    assert!(f.partition.close().is_none());
    assert!(f.partition.is_closed());
    assert_eq!(f.partition.leader_epoch(), 3, "clients are told this epoch and believe it");
    let refused = f.partition.append_client(&parsed(&batch()), true, now_ms).await;
    assert!(matches!(refused, Err(PartitionError::Code(ErrorCode::NOT_LEADER_OR_FOLLOWER))));
}

#[tokio::test]
async fn a_partition_that_resigned_keeps_its_log() {
    let f = fixture(LogConfig { flush_ms: 0, ..LogConfig::default() });
    let now_ms = f.platform.clock.wall_ms();
    f.partition.append_client(&parsed(&batch()), true, now_ms).await.unwrap();
    assert_eq!(f.partition.check_leads(3), Ok(()));
    f.partition.resign(4);
    assert_eq!(f.partition.check_leads(4), Err(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert_eq!(f.partition.check_leads(3), Err(ErrorCode::FENCED_LEADER_EPOCH));
    assert_eq!(f.partition.leader_epoch(), 4);
    let refused = f.partition.append_client(&parsed(&batch()), true, now_ms).await;
    assert!(matches!(refused, Err(PartitionError::Code(ErrorCode::NOT_LEADER_OR_FOLLOWER))));
    assert!(f.partition.flush_due(&f.platform, false).await, "what was appended still becomes durable");
    f.partition.update_config(LogConfig::default(), 1);
    assert_eq!(f.partition.on_log(|log| log.view().log_end_offset()).await, Some(1));
    assert!(f.partition.close().is_some());
}

#[tokio::test]
async fn believed_epochs_are_compared() {
    let f = fixture(LogConfig::default());
    let check = |epoch| f.partition.check_leader_epoch(epoch);
    assert_eq!((check(-1), check(3)), (Ok(()), Ok(())));
    assert_eq!(check(2), Err(ErrorCode::FENCED_LEADER_EPOCH));
    assert_eq!(check(4), Err(ErrorCode::UNKNOWN_LEADER_EPOCH));
}

#[tokio::test]
async fn who_finds_the_lock_taken_is_answered_by_its_holder() {
    let f = fixture(LogConfig::default());
    let now_ms = f.platform.clock.wall_ms();
    let bytes = batch();
    let batch = parsed(&bytes);
    let mut queued = {
        let holder = f.partition.state.lock();
        let mut queued = Box::pin(f.partition.append_client(&batch, true, now_ms));
        let polled = poll_once(&mut queued);
        assert!(polled.is_none(), "the append waits for the holder");
        assert_eq!(f.partition.queued_count.load(Ordering::SeqCst), 1);
        drop(holder);
        queued
    };
    // Whoever enters next appends for the one who waits.
    f.partition.append_client(&batch, true, now_ms).await.unwrap();
    let info = poll_once(&mut queued).expect("the answer is there").unwrap();
    assert_eq!(info.first_offset, 1);
}

#[tokio::test]
async fn work_on_a_log_never_waits_for_the_lock() {
    let f = fixture(LogConfig::default());
    let now_ms = f.platform.clock.wall_ms();
    assert_eq!(f.partition.on_log(|log| log.view().log_end_offset()).await, Some(0), "the lock is free");
    let holder = f.partition.state.lock();
    let mut queued = Box::pin(f.partition.on_log(|log| log.view().log_end_offset()));
    let mut too_late = Box::pin(f.partition.on_log(|_| ()));
    assert!(poll_once(&mut queued).is_none(), "the work waits for the holder");
    drop(holder);
    f.partition.append_client(&parsed(&batch()), true, now_ms).await.unwrap();
    assert_eq!(poll_once(&mut queued).expect("the answer is there"), Some(1));
    let holder = f.partition.state.lock();
    assert!(poll_once(&mut too_late).is_none());
    drop(holder);
    f.partition.close();
    assert_eq!(poll_once(&mut too_late).expect("the answer is there"), None);
    assert_eq!(f.partition.on_log(|_| ()).await, None);
}

#[tokio::test]
async fn a_log_is_not_at_rest_while_it_moves() {
    let f = fixture(LogConfig::default());
    let dir = tempfile::tempdir().unwrap();
    let options = LogDirConfig { format: Some("cluster".into()), ..LogDirConfig::new(1) };
    let (target, _) = LogDir::open(&f.platform, dir.path(), &options, 0).unwrap();
    let end = |log: &mut UnifiedLog| log.view().log_end_offset();
    assert_eq!(f.partition.with_log_at_rest(end), Some(0));
    let copy = target.create_future("t", 0, TOPIC_ID, LogConfig::default(), 0).unwrap();
    f.partition.begin_move(copy, &target, 1, 0).unwrap();
    assert_eq!(f.partition.with_log_at_rest(end), None);
    assert!(f.partition.end_move().is_some());
    assert_eq!(f.partition.with_log_at_rest(end), Some(0));
    assert!(f.partition.close().is_some());
    assert_eq!(f.partition.with_log_at_rest(end), None);
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
