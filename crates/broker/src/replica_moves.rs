//! Moves of partitions between the log directories of this node (AlterReplicaLogDirs, KIP-113).
//!
//! Owns which moves there are and their pace: each is a task that copies chunk by chunk, a bounded number of them at
//! once, together no faster than `replica.alter.log.dirs.io.max.bytes.per.second`. A copy that has caught up is recorded
//! with the controller while appends are held, and then takes the log's place. A stop at any moment leaves the log or
//! its complete copy; the next start goes on from there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use config::BrokerConfig;
use metadata::{ConfigResource, MetadataImage};
use parking_lot::Mutex;
use platform::Platform;
use storage::{BACKGROUND_FLUSH_BYTES, CopyError, CopyStep, LogDir, LogDirs, StorageError, UnifiedLog};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::directory_assignments::DirectoryAssignments;
use crate::partition::{HeldAppends, Partition};
use crate::partitions::Partitions;

mod alter;

pub use alter::Hosted;

/// Bytes copied at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Most bytes that are copied while appends are held.
const HOLD_BYTES_MAX: u64 = 4 << 20;
/// The share of a second that copying may take at the configured pace while appends are held, as its reciprocal.
const HOLDS_PER_SECOND: u64 = 10;
/// Longest wait for the controller while appends are held; then they go on, and the move tries again.
const RECORD_LIMIT: Duration = Duration::from_secs(5);
/// The first wait of a move after a failure; each further failure doubles it.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
/// The longest wait of a move after failures.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// How often a move that waits looks at the rate again.
const PACE_LOOK: Duration = Duration::from_secs(1);
/// Bound of a computed wait, in seconds.
const MAX_WAIT_SECONDS: f64 = 3600.0;
/// The dynamic configuration of a broker that bounds the pace.
const RATE_KEY: &str = "replica.alter.log.dirs.io.max.bytes.per.second";

/// The moves of a node. Clones share them.
#[derive(Clone)]
pub struct ReplicaMoves {
    shared: Arc<Shared>,
}

/// What moves need.
pub struct MoveSettings {
    /// The machine.
    pub platform: Platform,
    /// `node.id`, `num.replica.alter.log.dirs.threads`.
    pub config: Arc<BrokerConfig>,
    /// The directories.
    pub log_dirs: Arc<LogDirs>,
    /// The partitions.
    pub partitions: Arc<Partitions>,
    /// The metadata as published: which directories are recorded, and the pace.
    pub image: Arc<ArcSwap<MetadataImage>>,
    /// The way to the controller.
    pub assignments: DirectoryAssignments,
}

struct Shared {
    settings: MoveSettings,
    /// Numbers moves, so that a step of one that was given up is told from its successor's.
    next_number: AtomicU64,
    copying: Semaphore,
    pace: Mutex<Pace>,
    begun: mpsc::UnboundedSender<Move>,
    state: watch::Sender<RunState>,
    /// Moves whose tasks are not over.
    alive: Arc<watch::Sender<usize>>,
    /// Held while AlterReplicaLogDirs decides, so that two requests do not begin the same move.
    altering: Mutex<()>,
}

/// Where the moves of a node stand between its start and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunState {
    Running,
    Stopping,
    Stopped,
}

/// Runs the moves; to be spawned by the node's owner. Dropping it ends them on the spot.
pub struct MoveRunner {
    shared: Arc<Shared>,
    begun: mpsc::UnboundedReceiver<Move>,
}

impl MoveRunner {
    /// Runs until [`ReplicaMoves::stop`].
    pub async fn run(mut self) {
        let mut state = self.shared.state.subscribe();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                stopping = state.wait_for(|state| *state != RunState::Running) => {
                    drop(stopping);
                    break;
                }
                Some(begun) = self.begun.recv() => {
                    tasks.spawn(begun.run());
                }
                Some(_) = tasks.join_next() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
        self.shared.state.send_replace(RunState::Stopped);
    }
}

/// How a try to finish a move ended.
enum Finish {
    /// The log has moved.
    Done,
    /// The move was given up by somebody else.
    Over,
    /// Later, perhaps.
    NotYet,
}

impl ReplicaMoves {
    /// No moves yet, and who is to run them.
    #[must_use]
    pub fn new(settings: MoveSettings) -> (Self, MoveRunner) {
        let threads = settings.config.log_dir.num_replica_alter_log_dirs_threads;
        let at_once =
            threads.and_then(|threads| usize::try_from(threads).ok()).filter(|threads| *threads > 0);
        let at_once = at_once.unwrap_or(settings.log_dirs.entries().len());
        let (sender, begun) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            settings,
            next_number: AtomicU64::new(0),
            copying: Semaphore::new(at_once),
            pace: Mutex::default(),
            begun: sender,
            state: watch::Sender::new(RunState::Running),
            alive: Arc::new(watch::Sender::new(0)),
            altering: Mutex::default(),
        });
        (Self { shared: shared.clone() }, MoveRunner { shared, begun })
    }

    /// Ends all moves, each after the step it is at; copies stay for the next start.
    pub async fn stop(&self) {
        self.shared.state.send_if_modified(|state| {
            let runs = *state == RunState::Running;
            if runs {
                *state = RunState::Stopping;
            }
            runs
        });
        let mut state = self.shared.state.subscribe();
        // An error means that the runner is gone.
        _ = state.wait_for(|state| *state == RunState::Stopped).await;
    }

    /// Returns when no move's task is left, after the runner was dropped.
    pub async fn killed(&self) {
        let mut alive = self.shared.alive.subscribe();
        // The sender lives in what is asked here.
        _ = alive.wait_for(|alive| *alive == 0).await;
    }

    /// A directory has failed: nothing moves out of it or into it any more. Copies stay where they can be kept.
    pub async fn directory_failed(&self, path: &Path) {
        let table = self.shared.settings.partitions.load_full();
        let concerned: Vec<Arc<Partition>> = table
            .all()
            .filter(|partition| {
                partition.future_view().is_some_and(|copy| {
                    copy.log_dir_path() == path || partition.view().log_dir_path() == path
                })
            })
            .cloned()
            .collect();
        for partition in concerned {
            let moving = partition.clone();
            drop(self.shared.settings.platform.blocking.run(move || moving.end_move()).await);
            self.shared.record_actual(&partition);
            self.shared.note_cleanable(&partition);
        }
    }

    /// Goes on with a move that an earlier process began. Blocks.
    pub fn resume(&self, partition: &Arc<Partition>, copy: UnifiedLog, target: &Arc<LogDir>) {
        if let Err(error) = self.begin(partition, copy, target) {
            tracing::error!(topic = %partition.topic, partition = partition.index, %error, "a move between log directories cannot go on");
        }
    }

    fn begin(
        &self,
        partition: &Arc<Partition>,
        copy: UnifiedLog,
        target: &Arc<LogDir>,
    ) -> Result<(), StorageError> {
        let number = self.shared.next_number.fetch_add(1, Ordering::Relaxed);
        let now_ms = self.shared.settings.platform.clock.wall_ms();
        partition.begin_move(copy, target, number, now_ms)?;
        tracing::info!(topic = %partition.topic, partition = partition.index, to = %target.path().display(), "a partition moves to another log directory");
        let moving = Move {
            shared: self.shared.clone(),
            partition: partition.clone(),
            target: target.clone(),
            number,
            _alive: Alive::new(&self.shared),
        };
        // A node that is going down runs no more moves; the copy is there for the next start.
        _ = self.shared.begun.send(moving);
        Ok(())
    }
}

impl Shared {
    /// Bytes per second, as the broker's dynamic configuration has it.
    fn rate(&self) -> Option<i64> {
        let image = self.settings.image.load();
        let node = ConfigResource::broker(self.settings.config.node_id);
        image.configs().value(&node, RATE_KEY)?.trim().parse().ok()
    }

    /// Waits until a chunk may be copied; says whether the node goes on. All moves share the pace.
    async fn wait_for_turn(&self) -> bool {
        loop {
            let wait = self.pace.lock().wait(self.rate(), Instant::now());
            let Some(wait) = wait else { return !self.is_stopping() };
            // The rate may be changed meanwhile, so it is looked at again soon.
            if !self.sleep(wait.min(PACE_LOOK)).await {
                return false;
            }
        }
    }

    /// Bytes that may be left to copy when appends are held: so many are copied in a moment, whatever the pace.
    fn hold_bytes_max(&self) -> u64 {
        let rate = self.rate().map_or(u64::MAX, |rate| u64::try_from(rate).unwrap_or(0));
        HOLD_BYTES_MAX.min(rate / HOLDS_PER_SECOND)
    }

    /// Sleeps; says whether the node goes on.
    async fn sleep(&self, duration: Duration) -> bool {
        let mut state = self.state.subscribe();
        let stopping = state.wait_for(|state| *state != RunState::Running);
        tokio::time::timeout(duration, stopping).await.is_err()
    }

    fn is_stopping(&self) -> bool {
        *self.state.borrow() != RunState::Running
    }

    /// A move is over, so the log may be cleaned again.
    fn note_cleanable(&self, partition: &Partition) {
        if let Some(dir) = self.settings.log_dirs.of(&partition.view()) {
            dir.note_cleanable();
        }
    }

    /// Has the controller know where a partition's log really is, if it is told otherwise.
    fn record_actual(&self, partition: &Partition) {
        let image = self.settings.image.load();
        let Some(actual) = self.settings.log_dirs.of(&partition.view()).map(|dir| dir.id()) else { return };
        let recorded = image
            .topics()
            .by_id(partition.topic_id)
            .and_then(|topic| topic.partition(partition.index)?.directory(self.settings.config.node_id));
        if recorded.is_some_and(|recorded| recorded != actual) && !partition.is_offline() {
            self.settings.assignments.note(partition.topic_id, partition.index, actual);
        }
    }
}

/// Bytes copied that are not yet paid for by time.
#[derive(Default)]
struct Pace {
    debt_bytes: f64,
    since: Option<Instant>,
}

impl Pace {
    fn note(&mut self, bytes: u64) {
        self.debt_bytes += bytes as f64;
    }

    /// How long to wait at this rate (bytes per second); `None` if there is nothing to wait for.
    fn wait(&mut self, rate: Option<i64>, now: Instant) -> Option<Duration> {
        let Some(rate) = rate.filter(|rate| *rate < i64::MAX) else {
            *self = Self::default();
            return None;
        };
        let passed = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        self.since = Some(now);
        let rate = rate.max(0) as f64;
        self.debt_bytes = (self.debt_bytes - passed.as_secs_f64() * rate).max(0.0);
        if rate == 0.0 {
            return Some(PACE_LOOK);
        }
        (self.debt_bytes > 0.0)
            .then(|| Duration::from_secs_f64((self.debt_bytes / rate).min(MAX_WAIT_SECONDS)))
    }
}

/// Counts a move while it is there. Holds nothing else, so that all is given back when the count is zero.
struct Alive(Arc<watch::Sender<usize>>);

impl Alive {
    fn new(shared: &Shared) -> Self {
        shared.alive.send_modify(|alive| *alive += 1);
        Self(shared.alive.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_modify(|alive| *alive -= 1);
    }
}

/// One move.
struct Move {
    shared: Arc<Shared>,
    partition: Arc<Partition>,
    target: Arc<LogDir>,
    number: u64,
    /// Dropped last: then nothing of the move is left.
    _alive: Alive,
}

impl Move {
    async fn run(self) {
        let mut backoff = BACKOFF_MIN;
        while self.shared.wait_for_turn().await {
            let Some(copied) = self.copy_chunk().await else { return self.end() };
            let wait = match copied {
                Ok(step) => {
                    self.shared.pace.lock().note(step.bytes);
                    if step.bytes_left > self.shared.hold_bytes_max() {
                        continue;
                    }
                    match self.finish().await {
                        Finish::Done => return self.shared.note_cleanable(&self.partition),
                        Finish::Over => return self.end(),
                        Finish::NotYet => backoff,
                    }
                }
                Err(error) => {
                    // A directory that has failed ends the move by way of its failure.
                    tracing::warn!(topic = %self.partition.topic, partition = self.partition.index, %error, "a move between log directories is held up");
                    backoff
                }
            };
            backoff = (backoff * 2).min(BACKOFF_MAX);
            if !self.shared.sleep(wait).await {
                return;
            }
        }
    }

    /// The move was given up: the metadata must not go on naming the directory it was to end in.
    fn end(&self) {
        self.shared.record_actual(&self.partition);
        self.shared.note_cleanable(&self.partition);
    }

    /// Runs a step on the copy where it may block.
    async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Arc<Partition>, u64, i64) -> T + Send + 'static,
    ) -> T {
        let platform = &self.shared.settings.platform;
        let (partition, number, now_ms) = (self.partition.clone(), self.number, platform.clock.wall_ms());
        platform.blocking.run(move || step(&partition, number, now_ms)).await
    }

    /// Copies one chunk; `None` if the move is over.
    async fn copy_chunk(&self) -> Option<Result<CopyStep, CopyError>> {
        let _turn = self.shared.copying.acquire().await.expect("the semaphore is never closed");
        let rate = self.shared.rate().and_then(|rate| usize::try_from(rate).ok());
        let bytes_max = CHUNK_BYTES.min(rate.unwrap_or(usize::MAX));
        let target = self.target.clone();
        self.step(move |partition, number, now_ms| {
            let copied = partition.copy_some(number, &target, bytes_max, now_ms)?;
            let unflushed = partition.with_future(|copy| copy.unflushed_bytes()).unwrap_or(0);
            let is_due = unflushed >= BACKGROUND_FLUSH_BYTES;
            if copied.is_ok()
                && is_due
                && let Err(error) = partition.flush_future(number)?
            {
                return Some(Err(error.into()));
            }
            Some(copied)
        })
        .await
    }

    /// Lets the copy take the log's place.
    ///
    /// What is left is copied and made durable while nothing is appended, and so is the record of the new directory: thus a
    /// copy in a recorded directory has everything, even if its source is never seen again.
    async fn finish(&self) -> Finish {
        // The bulk of the copy is flushed before appends are held.
        let Some(Ok(())) = self.step(|partition, number, _| partition.flush_future(number)).await else {
            return Finish::NotYet;
        };
        let held = HeldAppends::over(&self.partition);
        if !self.step(|partition, _, _| partition.hold_appends()).await {
            return Finish::Over;
        }
        let target = self.target.clone();
        match self.step(move |partition, number, now_ms| copy_rest(partition, &target, number, now_ms)).await
        {
            None => return Finish::Over,
            Some(false) => return Finish::NotYet,
            Some(true) => {}
        }
        let (assignments, partition) = (&self.shared.settings.assignments, &self.partition);
        let recorded = assignments.commit(partition.topic_id, partition.index, self.target.id());
        if !tokio::time::timeout(RECORD_LIMIT, recorded).await.unwrap_or(false) {
            tracing::warn!(topic = %partition.topic, partition = partition.index, "the new log directory of a partition could not be recorded: the move waits");
            // It may be recorded yet, while the log goes on alone.
            if let Some(source) = self.shared.settings.log_dirs.of(&partition.view()) {
                assignments.note(partition.topic_id, partition.index, source.id());
            }
            return Finish::NotYet;
        }
        match self.replace(held).await {
            None => Finish::Over,
            Some(Err(error)) => {
                tracing::error!(topic = %partition.topic, partition = partition.index, %error, "a partition could not be moved: it stays where it is");
                Finish::Over
            }
            Some(Ok(())) => {
                tracing::info!(topic = %partition.topic, partition = partition.index, to = %self.target.path().display(), "a partition has moved to another log directory");
                Finish::Done
            }
        }
    }

    /// Puts the copy in the log's place and takes the old log out of use.
    async fn replace(&self, held: HeldAppends) -> Option<Result<(), StorageError>> {
        let (log_dirs, target) = (self.shared.settings.log_dirs.clone(), self.target.clone());
        let replace = move |partition: &Arc<Partition>, number, now_ms| {
            let view = partition.view();
            let cleaned = log_dirs.of(&view).and_then(|source| source.cleaned_offset(&view));
            partition.finish_move(number, (&target, cleaned), now_ms, held, |old| {
                let Some(source) = log_dirs.of(&old.view()) else { return };
                let removed = target.checkpoint().and_then(|()| source.delete_moved(old, now_ms));
                if let Err(error) = removed {
                    tracing::error!(topic = %partition.topic, partition = partition.index, %error, "the old log of a moved partition could not be removed");
                }
            })
        };
        self.step(replace).await
    }
}

/// Copies all that is left, with appends held, and makes it durable; says whether that went well.
fn copy_rest(partition: &Partition, target: &LogDir, number: u64, now_ms: i64) -> Option<bool> {
    loop {
        match partition.copy_some(number, target, CHUNK_BYTES, now_ms)? {
            Ok(step) if step.bytes_left == 0 => break,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(topic = %partition.topic, partition = partition.index, %error, "a move between log directories is held up");
                return Some(false);
            }
        }
    }
    Some(partition.flush_future(number)?.is_ok())
}
