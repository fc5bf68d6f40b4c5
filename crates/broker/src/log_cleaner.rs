//! Compaction on this node: which log is next, how many at once, and how fast.
//!
//! Owns the cleanings under way. It looks for work when something may have made a log worth cleaning, or when a lag is
//! over, and not more often than `log.cleaner.backoff.ms` if there was none; on an idle node it sleeps. What a cleaning
//! does to a log is `storage`'s business.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use config::CleanerConfig;
use parking_lot::Mutex;
use platform::Platform;
use protocol::Uuid;
use storage::{CleanSettings, CleanStep, Cleanable, Cleaning, LogDir, LogDirs, StorageError};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::current_config::CurrentConfig;
use crate::partition::Partition;
use crate::partitions::Partitions;

/// Bytes read and written between two looks at the rate and at the end.
const PIECE_BYTES_MAX: u64 = 4 << 20;
/// The least of them, however low the rate.
const PIECE_BYTES_MIN: u64 = 64 << 10;
/// Pieces in which a second's bytes are taken.
const PIECES_PER_SECOND: f64 = 10.0;
/// Longest wait for the rate before it is looked at again: it may have been raised.
const PACE_LOOK: Duration = Duration::from_secs(1);
/// A look-up far in the future is as good as none.
const SLEEP_MAX: Duration = Duration::from_secs(86_400);

/// The owner of compaction.
pub(crate) struct LogCleaner {
    /// The machine.
    pub(crate) platform: Platform,
    /// `log.cleaner.*`, as of now.
    pub(crate) config: Arc<CurrentConfig>,
    /// What may be cleaned.
    pub(crate) partitions: Arc<Partitions>,
    /// Where it lies.
    pub(crate) log_dirs: Arc<LogDirs>,
    /// Told when a log may have become worth cleaning.
    pub(crate) cleanable: Arc<Notify>,
}

/// A partition's name that stays the same while it is cleaned.
type Key = (Uuid, i32);

/// What a look at all logs found.
#[derive(Default)]
struct Look {
    best: Option<Candidate>,
    /// When a lag of another one is over (ms).
    next_look_ms: Option<i64>,
}

struct Candidate {
    partition: Arc<Partition>,
    dir: Arc<LogDir>,
    cleanable: Cleanable,
}

/// How a cleaning ended.
struct Ended {
    key: Key,
    /// Whether the log is cleaner than before.
    is_done: bool,
}

impl LogCleaner {
    /// Runs until dropped.
    pub(crate) async fn run(self) {
        let mut running: JoinSet<Ended> = JoinSet::new();
        let mut in_progress: BTreeSet<Key> = BTreeSet::new();
        let pace = Arc::new(Pace::new(self.config.clone()));
        let mut wake_at = Some(Instant::now());
        // After a look that found nothing, or a failure, the next one waits.
        let mut quiet_until = Instant::now();
        loop {
            let due = wake_at.map_or_else(|| Instant::now() + SLEEP_MAX, |at| at.max(quiet_until));
            tokio::select! {
                biased;
                Some(ended) = running.join_next() => {
                    let Ok(Ended { key, is_done }) = ended else { return };
                    in_progress.remove(&key);
                    if !is_done {
                        quiet_until = self.backoff();
                    }
                    wake_at = Some(quiet_until);
                }
                () = self.cleanable.notified() => {
                    wake_at = Some(wake_at.map_or(quiet_until, |at| at.min(quiet_until)));
                }
                () = tokio::time::sleep_until(due) => {
                    wake_at = None;
                    if running.len() >= self.threads() {
                        continue;
                    }
                    let look = self.look(&in_progress).await;
                    match look.best {
                        Some(candidate) => {
                            in_progress.insert(key_of(&candidate.partition));
                            running.spawn(self.work(candidate, pace.clone()).run());
                            wake_at = Some(Instant::now());
                        }
                        None => {
                            quiet_until = self.backoff();
                            wake_at = look.next_look_ms.map(|at| self.instant_of(at));
                        }
                    }
                }
            }
        }
    }

    fn threads(&self) -> usize {
        usize::try_from(self.config.load().cleaner.threads).unwrap_or(1).max(1)
    }

    fn backoff(&self) -> Instant {
        let ms = u64::try_from(self.config.load().cleaner.backoff_ms).unwrap_or(0);
        Instant::now() + Duration::from_millis(ms).min(SLEEP_MAX)
    }

    fn instant_of(&self, at_ms: i64) -> Instant {
        let wait_ms = at_ms.saturating_sub(self.platform.clock.wall_ms());
        Instant::now() + Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0)).min(SLEEP_MAX)
    }

    /// Looks at all logs that are to be compacted, for the dirtiest of those that are due.
    async fn look(&self, in_progress: &BTreeSet<Key>) -> Look {
        let table = self.partitions.load_full();
        let is_free = |partition: &&Arc<Partition>| {
            let is_out = partition.is_offline() || partition.is_closed() || partition.view().is_uncleanable();
            // One that moves to another directory is copied as it is.
            let is_out = is_out || partition.future_view().is_some();
            partition.config().compact && !is_out && !in_progress.contains(&key_of(partition))
        };
        let partitions: Vec<Arc<Partition>> = table.all().filter(is_free).cloned().collect();
        if partitions.is_empty() {
            return Look::default();
        }
        let (log_dirs, now_ms) = (self.log_dirs.clone(), self.platform.clock.wall_ms());
        let looking = move || look_at(&partitions, &log_dirs, now_ms);
        self.platform.blocking.run(looking).await
    }

    fn work(&self, candidate: Candidate, pace: Arc<Pace>) -> Work {
        let config = &self.config.load().cleaner;
        Work { platform: self.platform.clone(), settings: settings(config), candidate, pace }
    }
}

fn key_of(partition: &Partition) -> Key {
    (partition.topic_id, partition.index)
}

/// Each of the cleanings at once takes its share of the memory.
fn settings(config: &CleanerConfig) -> CleanSettings {
    let threads = u64::try_from(config.threads).unwrap_or(1).max(1);
    let share = |bytes: i64| u64::try_from(bytes).unwrap_or(0) / threads;
    CleanSettings {
        map_bytes: share(config.dedupe_buffer_size),
        load_factor: config.io_buffer_load_factor,
        // One buffer for reading and one for writing.
        buffer_bytes: usize::try_from(share(config.io_buffer_size.into()) / 2).unwrap_or(0),
    }
}

fn look_at(partitions: &[Arc<Partition>], log_dirs: &LogDirs, now_ms: i64) -> Look {
    let mut look = Look::default();
    for partition in partitions {
        let looked = partition.with_log(|log| {
            // The log may have moved to another directory since.
            let view = log.view();
            let Some(dir) = log_dirs.of(&view) else { return Ok(None) };
            log.roll_for_compaction(now_ms)?;
            let Some(cleanable) = log.cleanable(dir, now_ms)? else { return Ok(None) };
            if cleanable.is_reset {
                let offset = cleanable.first_dirty_offset;
                tracing::debug!(
                    log = view.name(),
                    offset,
                    "compaction begins anew: what was remembered is outside the log"
                );
                dir.note_cleaned(&view, offset)?;
            }
            Ok(Some((dir, cleanable, log.config().min_cleanable_dirty_ratio)))
        });
        let (dir, cleanable, min_ratio) = match looked {
            Some(Ok(Some(looked))) => looked,
            Some(Err(error)) => {
                give_up(partition, &error);
                continue;
            }
            Some(Ok(None)) | None => continue,
        };
        look.next_look_ms = look.next_look_ms.into_iter().chain(cleanable.next_look_ms).min();
        let is_dirtier =
            look.best.as_ref().is_none_or(|best| cleanable.dirty_ratio() > best.cleanable.dirty_ratio());
        if cleanable.is_due(min_ratio) && is_dirtier {
            look.best = Some(Candidate { partition: partition.clone(), dir: dir.clone(), cleanable });
        }
    }
    look
}

/// Says why a log was not cleaned. One whose content is at fault is left alone until the next start.
fn give_up(partition: &Partition, error: &StorageError) {
    let (topic, index) = (&partition.topic, partition.index);
    if error.is_content_fault() {
        partition.view().mark_uncleanable();
        tracing::error!(%topic, partition = index, %error, "the log cannot be compacted and is left as it is until the next start; its records can be read up to that place");
    } else if partition.is_offline() {
        partition.log_lost(error);
    } else {
        tracing::warn!(%topic, partition = index, %error, "the log was not compacted; it is tried again");
    }
}

/// One cleaning.
struct Work {
    platform: Platform,
    settings: CleanSettings,
    candidate: Candidate,
    pace: Arc<Pace>,
}

impl Work {
    async fn run(self) -> Ended {
        let key = key_of(&self.candidate.partition);
        let is_done = match self.clean().await {
            Ok(is_done) => is_done,
            Err(error) => {
                give_up(&self.candidate.partition, &error);
                false
            }
        };
        Ended { key, is_done }
    }

    async fn clean(&self) -> Result<bool, StorageError> {
        let Some(mut cleaning) = self.start().await? else { return Ok(false) };
        let start = Instant::now();
        loop {
            let piece_bytes = self.pace.piece_bytes();
            let before = cleaning.io_bytes();
            let (back, step) = self
                .platform
                .blocking
                .run(move || {
                    let step = cleaning.step(piece_bytes);
                    (cleaning, step)
                })
                .await;
            cleaning = back;
            match step? {
                CleanStep::Working => {}
                CleanStep::Swap(group) => {
                    let (partition, now_ms) =
                        (self.candidate.partition.clone(), self.platform.clock.wall_ms());
                    let swap = move || {
                        let swapped = partition.with_log_at_rest(|log| log.swap_cleaned(&group, now_ms));
                        let is_in = swapped.transpose()?.unwrap_or(false);
                        if !is_in {
                            group.discard();
                        }
                        Ok::<_, StorageError>(is_in)
                    };
                    if !self.platform.blocking.run(swap).await? {
                        return Ok(false);
                    }
                }
                CleanStep::Done(outcome) => {
                    let (dir, view) = (self.candidate.dir.clone(), cleaning.view().clone());
                    let note = move || dir.note_cleaned(&view, outcome.next_dirty_offset);
                    self.platform.blocking.run(note).await?;
                    let partition = &self.candidate.partition;
                    tracing::info!(
                        topic = %partition.topic, partition = partition.index,
                        from = self.candidate.cleanable.first_dirty_offset, to = outcome.next_dirty_offset,
                        keys = outcome.keys, bytes_before = outcome.bytes_before, bytes_after = outcome.bytes_after,
                        io_bytes = outcome.io_bytes, ms = start.elapsed().as_millis() as u64,
                        "compacted a log"
                    );
                    return Ok(true);
                }
                CleanStep::GivenUp => return Ok(false),
            }
            self.pace.spent(cleaning.io_bytes() - before).await;
        }
    }

    async fn start(&self) -> Result<Option<Cleaning>, StorageError> {
        let partition = self.candidate.partition.clone();
        let (cleanable, settings) = (self.candidate.cleanable, self.settings);
        let now_ms = self.platform.clock.wall_ms();
        let start =
            move || partition.with_log(|log| log.start_cleaning(cleanable, &settings, now_ms)).transpose();
        self.platform.blocking.run(start).await
    }
}

/// `log.cleaner.io.max.bytes.per.second` over all cleanings.
struct Pace {
    config: Arc<CurrentConfig>,
    /// Until when what was read and written so far takes, at the pace of its time.
    free_at: Mutex<Instant>,
}

impl Pace {
    fn new(config: Arc<CurrentConfig>) -> Self {
        Self { config, free_at: Mutex::new(Instant::now()) }
    }

    fn rate(&self) -> f64 {
        self.config.load().cleaner.io_max_bytes_per_second.max(1.0)
    }

    fn piece_bytes(&self) -> u64 {
        ((self.rate() / PIECES_PER_SECOND) as u64).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX)
    }

    /// Waits as long as it takes to read and write so many bytes at the configured pace.
    async fn spent(&self, bytes: u64) {
        let seconds = (bytes as f64 / self.rate()).min(SLEEP_MAX.as_secs_f64());
        let until = {
            let mut free_at = self.free_at.lock();
            *free_at = (*free_at).max(Instant::now()) + Duration::from_secs_f64(seconds);
            *free_at
        };
        let rate = self.rate();
        while Instant::now() < until {
            tokio::time::sleep_until(until.min(Instant::now() + PACE_LOOK)).await;
            if self.rate() > rate {
                // What was owed at the old pace is forgiven.
                let mut free_at = self.free_at.lock();
                *free_at = (*free_at).min(Instant::now());
                return;
            }
        }
    }
}
