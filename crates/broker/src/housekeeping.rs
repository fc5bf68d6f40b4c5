//! What a node does unasked in a log directory: background flushes, retention, checkpoints.
//!
//! One task with one timer for each directory, so that a slow disk holds up no other. A node where nothing was appended
//! writes nothing.

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use config::BrokerConfig;
use platform::Platform;
use storage::{LogDir, StorageError};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::partition::Partition;
use crate::partitions::Partitions;

/// How often partitions with unflushed records are looked at.
const FLUSH_LOOK_MS: u64 = 1_000;

/// The same while appends wait for the write-ahead log.
const BUSY_LOOK_MS: u64 = 100;

/// Looks at a directory where nothing moved, until it is left alone.
const QUIET_LOOKS: u32 = 3;

/// How often all partitions are looked at though nothing moved, in case a flush could not be done when it was due.
const QUIET_LOOK: Duration = Duration::from_secs(30);

/// How often retention runs while the directory is full.
const FULL_RETENTION_MS: i64 = 2_000;

/// Flushes under way at the same time.
const FLUSHES_AT_ONCE: usize = 8;

/// Bytes under way at the same time, from which on no further flush is begun: the write-ahead log's groups wait for what is
/// before them at the disk.
const FLUSH_BYTES_AT_ONCE: u64 = 4 << 20;

/// What came of a look for what is to be flushed.
struct FlushLook {
    /// Whether anything was flushed.
    flushed: bool,
    /// Whether something that is not flushed will be due by time alone.
    is_timed: bool,
}

/// What wakes the task before its time.
struct Bells {
    /// The write-ahead log wants the segments flushed.
    checkpoint_due: Arc<Notify>,
    /// Something moved in a directory that was left alone, or is to be removed.
    activity: Arc<Notify>,
}

/// The owner of the periodic work in one directory.
pub struct Housekeeping {
    /// The machine.
    pub platform: Platform,
    /// Intervals.
    pub config: Arc<BrokerConfig>,
    /// What is worked on.
    pub partitions: Arc<Partitions>,
    /// The directory.
    pub log_dir: Arc<LogDir>,
    /// Told when a log of the directory may have become worth cleaning.
    pub cleanable: Arc<Notify>,
}

impl Housekeeping {
    /// Runs until dropped, or until the directory fails.
    pub async fn run(self) {
        let intervals = &self.config.log_dir;
        let start = Instant::now();
        let mut retention_at = start + millis(intervals.log_initial_task_delay_ms);
        let mut full_at = start;
        let mut checkpoint_at = start + millis(intervals.log_flush_offset_checkpoint_interval_ms.into());
        let mut log_starts_at =
            start + millis(intervals.log_flush_start_offset_checkpoint_interval_ms.into());
        let mut watermark_at = start + millis(intervals.replica_high_watermark_checkpoint_interval_ms);
        let producers_ms = self.config.transaction.producer_id_expiration_check_interval_ms;
        let mut producers_at = start + millis(producers_ms.into());
        let bells = self.bells();
        // How active the directory had been when there was last nothing to wait for.
        let (mut quiet_at, mut quiet_until, mut quiet_looks) = (None, start, 0);
        // The same when watermarks were last written.
        let mut watermarks_of = None;
        while self.log_dir.offline_reason().is_none() {
            if quiet_looks >= QUIET_LOOKS {
                let mut until = quiet_until.min(retention_at).min(producers_at);
                until = until.min(checkpoint_at).min(log_starts_at);
                if watermarks_of != quiet_at {
                    until = until.min(watermark_at);
                }
                self.sleep(&bells, quiet_at, until).await;
            } else {
                self.next_look(&bells).await;
            }
            // Both want everything flushed: to use files again, and to be free to close them.
            let wal_is_full = self.log_dir.take_crowded() | self.log_dir.is_wal_checkpoint_due();
            let activity = self.log_dir.activity();
            let is_still = quiet_at == Some(activity) && !wal_is_full;
            let mut flushed = false;
            if !is_still || Instant::now() >= quiet_until {
                let look = self.flush_due(wal_is_full).await;
                flushed = look.flushed;
                quiet_at = (!look.is_timed).then_some(activity);
                quiet_until = Instant::now() + QUIET_LOOK;
            }
            quiet_looks = if is_still { quiet_looks + 1 } else { 0 };
            self.log_dir.look_at_space();
            let now = Instant::now();
            if now >= retention_at || self.log_dir.is_full() && now >= full_at {
                retention_at = now + millis(intervals.log_retention_check_interval_ms);
                full_at = now + millis(FULL_RETENTION_MS);
                self.retain().await;
            }
            if self.log_dir.take_removal_due(self.platform.clock.wall_ms()) {
                self.remove_expired().await;
            }
            if now >= producers_at {
                producers_at = now + millis(producers_ms.into());
                self.expire_producers();
            }
            if flushed || wal_is_full || now >= checkpoint_at {
                checkpoint_at = now + millis(intervals.log_flush_offset_checkpoint_interval_ms.into());
                self.checkpoint().await;
                self.log_dir.release_wal();
            }
            if now >= log_starts_at {
                log_starts_at = now + millis(intervals.log_flush_start_offset_checkpoint_interval_ms.into());
                self.checkpoint_log_starts().await;
            }
            self.log_dir.prove_wal();
            if let Some(ticket) = self.log_dir.wal_ticket() {
                self.platform.blocking.start(move || ticket.run_all());
            }
            if now >= watermark_at {
                watermark_at = now + millis(intervals.replica_high_watermark_checkpoint_interval_ms);
                watermarks_of = Some(activity);
                self.checkpoint_high_watermarks().await;
            }
        }
    }

    /// Hangs the bells up.
    fn bells(&self) -> Bells {
        let cleanable = self.cleanable.clone();
        self.log_dir.on_cleanable(move || cleanable.notify_one());
        let bells = Bells { checkpoint_due: Arc::default(), activity: Arc::default() };
        let (due, activity) = (bells.checkpoint_due.clone(), bells.activity.clone());
        self.log_dir.on_wal_checkpoint_due(move || due.notify_one());
        self.log_dir.on_activity(move || activity.notify_one());
        bells
    }

    /// A write-ahead log that fills within a second does not wait for the next one.
    async fn next_look(&self, bells: &Bells) {
        let look_ms = if self.log_dir.is_wal_idle() { FLUSH_LOOK_MS } else { BUSY_LOOK_MS };
        let look = tokio::time::sleep(Duration::from_millis(look_ms));
        tokio::select! {
            biased;
            () = bells.checkpoint_due.notified() => {}
            () = bells.activity.notified() => {}
            () = look => {}
        }
    }

    /// Sleeps while nothing moves in the directory: an idle node is not woken. A full disk is looked at every second all
    /// the same, so that it is noticed when there is room again.
    async fn sleep(&self, bells: &Bells, quiet_at: Option<u64>, until: Instant) {
        let is_asleep = quiet_at.is_some_and(|seen| self.log_dir.await_activity(seen));
        if !is_asleep || self.log_dir.is_full() || !self.log_dir.is_wal_idle() {
            return self.next_look(bells).await;
        }
        let removal_ms = self.log_dir.removal_due_ms().saturating_sub(self.platform.clock.wall_ms());
        let removal = Instant::now().checked_add(millis(removal_ms)).unwrap_or(until);
        let look = tokio::time::sleep_until(until.min(removal));
        tokio::select! {
            biased;
            () = bells.checkpoint_due.notified() => {}
            () = bells.activity.notified() => {}
            () = look => {}
        }
    }

    /// The partitions whose log is in the directory.
    fn all(&self) -> Vec<Arc<Partition>> {
        let path = self.log_dir.path();
        self.partitions.load().all().filter(|p| p.view().log_dir_path() == path).cloned().collect()
    }

    /// Flushes what has waited long enough or grown large enough, and everything for a checkpoint of the write-ahead log.
    async fn flush_due(&self, checkpoint: bool) -> FlushLook {
        let mut dirty = self.all();
        dirty.retain(|partition| partition.has_unflushed());
        let is_timed = dirty.iter().any(|partition| partition.is_flush_timed());
        let mut flushed = false;
        let mut rest = &dirty[..];
        // Some at a time: the disk merges what it can.
        while !rest.is_empty() {
            let mut bytes = 0;
            let enough = rest.iter().take(FLUSHES_AT_ONCE).position(|partition| {
                bytes += partition.with_log(|log| log.unflushed_bytes()).unwrap_or(0);
                bytes >= FLUSH_BYTES_AT_ONCE
            });
            let count = enough.map_or(FLUSHES_AT_ONCE, |last| last + 1).min(rest.len());
            let some = rest.split_off(..count).unwrap_or_default();
            let flushes = some.iter().map(|partition| partition.flush_due(&self.platform, checkpoint));
            flushed |= join_all(flushes.collect()).await;
        }
        FlushLook { flushed, is_timed }
    }

    /// Drops what is too old or too much.
    async fn retain(&self) {
        for partition in self.all() {
            if partition.is_offline() {
                continue;
            }
            let now_ms = self.platform.clock.wall_ms();
            match partition.with_log(|log| log.retention(now_ms)) {
                Some(Ok(outcome)) if outcome.segments > 0 => {
                    tracing::info!(topic = %partition.topic, partition = partition.index, segments = outcome.segments, bytes = outcome.bytes, "retention removed segments");
                }
                Some(Err(error)) if !error.is_full() => partition.log_lost(&error),
                _ => {}
            }
            if partition.future_view().is_some() {
                let copied = move || retain_copy(&partition, now_ms);
                self.platform.blocking.run(copied).await;
            }
            tokio::task::yield_now().await;
        }
        self.remove_expired().await;
    }

    /// Removes the files that are out of use and whose delay is over: of segments, of whole logs. On a full disk they go at
    /// once: who is in the middle of one has it open.
    async fn remove_expired(&self) {
        let now_ms = if self.log_dir.is_full() { i64::MAX } else { self.platform.clock.wall_ms() };
        for partition in self.all() {
            if let Some(files) = partition.with_log(|log| log.expired_files(now_ms)).flatten() {
                self.platform.blocking.run(move || files.run()).await;
            }
        }
        if let Some(files) = self.log_dir.expired_logs(now_ms) {
            self.platform.blocking.run(move || files.run()).await;
        }
    }

    /// Forgets producers that have been silent for too long.
    fn expire_producers(&self) {
        let now_ms = self.platform.clock.wall_ms();
        for partition in self.all() {
            partition.with_log(|log| log.expire_producers(now_ms));
        }
    }

    /// Writes recovery points, log starts and high watermarks, as far as they have moved.
    async fn checkpoint(&self) {
        let dir = self.log_dir.clone();
        report(self.platform.blocking.run(move || dir.checkpoint()).await);
    }

    async fn checkpoint_log_starts(&self) {
        let dir = self.log_dir.clone();
        report(self.platform.blocking.run(move || dir.checkpoint_log_starts()).await);
    }

    async fn checkpoint_high_watermarks(&self) {
        let dir = self.log_dir.clone();
        report(self.platform.blocking.run(move || dir.checkpoint_high_watermarks()).await);
    }
}

fn report(written: Result<(), StorageError>) {
    // That a disk is full is said where it is met first.
    if let Err(error) = written
        && !error.is_full()
    {
        tracing::error!(%error, "checkpoints could not be written");
    }
}

/// A copy in another directory drops what the log has dropped. A fault of the copy's directory is met by the move itself.
fn retain_copy(partition: &Partition, now_ms: i64) {
    let files = partition.with_future(|copy| {
        copy.retention(now_ms)?;
        Ok::<_, StorageError>(copy.expired_files(now_ms))
    });
    files.and_then(Result::ok).flatten().into_iter().for_each(|files| files.run());
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0).max(1))
}

/// Drives all of them to their end; says whether any gave true.
async fn join_all(flushes: Vec<impl Future<Output = bool>>) -> bool {
    let mut waiting: Vec<_> = flushes.into_iter().map(Box::pin).collect();
    let mut any = false;
    std::future::poll_fn(|context| {
        waiting.retain_mut(|flush| match flush.as_mut().poll(context) {
            Poll::Ready(done) => {
                any |= done;
                false
            }
            Poll::Pending => true,
        });
        if waiting.is_empty() { Poll::Ready(any) } else { Poll::Pending }
    })
    .await
}
