//! One partition of which this node is the leader: the place where the log and its replication meet.
//!
//! The writing state (log end, active segment, producer state, in-sync set) is entered by `try_lock`. Who finds it
//! taken queues what it wants for the holder and awaits the answer, so no runtime thread ever parks on a lock that is
//! held across a write. Readers use the log's view and never meet the lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use bytes::Bytes;
use parking_lot::Mutex;
use platform::{Blocking, Platform};
use protocol::{ErrorCode, Uuid};
use records::{Batch, BatchError, NO_PARTITION_LEADER_EPOCH, ProduceRules, ValidBatch, validate_batch};
use replication::{Effect, Leader, LeaderConfig};
use storage::{
    AppendError, AppendInfo, AppendOrigin, DurableEndListener, LogConfig, LogView, StorageError, UnifiedLog,
};
use tokio::sync::oneshot;

use crate::mutant::mutant;
use crate::waiters::Waiters;

mod moving;

use moving::FutureLog;
pub use moving::HeldAppends;

/// Things that the holder of the lock does for others before it lets its own runtime breathe.
const DRAIN_COUNT_MAX: usize = 64;

/// Between two looks whether the disk has caught up with its producers.
const CONGESTION_PAUSE: Duration = Duration::from_millis(2);

/// Why a batch was not appended.
#[derive(Debug, Clone)]
pub enum PartitionError {
    /// The log refused it.
    Append(AppendError),
    /// The partition answers with this code: it is gone, offline, or its in-sync set is too small.
    Code(ErrorCode),
    /// The request's bytes are not the one batch that a request may hold, whatever the log's rules are.
    Invalid(BatchError),
}

type AppendResult = Result<AppendInfo, PartitionError>;

/// How batches are judged and where they come from.
#[derive(Debug, Clone)]
enum Job {
    /// One batch of a client, found valid under these rules before the lock was entered.
    Client { valid: ValidBatch, rules: ProduceRules, check_min_isr: bool },
    /// Batches of this node itself.
    Own { now_ms: i64 },
}

/// Something to be done with the writing state, or without it when the leadership has ended.
type Work = Box<dyn FnOnce(Option<&mut State>) + Send>;

/// What waits for whoever holds the lock.
enum Queued {
    Append {
        batches: Bytes,
        job: Job,
        answer: oneshot::Sender<AppendResult>,
    },
    /// Work on the log that answers by itself; it is told when there is no log any more.
    Work(Work),
    /// More of the log has become durable.
    DurableEnd,
}

struct State {
    log: UnifiedLog,
    /// None after the leadership.
    leader: Option<Leader>,
    effects: Vec<Effect>,
    /// Appends above the high watermark: where each ends, and its bytes.
    uncommitted: VecDeque<(i64, u64)>,
    /// Appends wait in the queue, since the log is about to be replaced by its copy in another directory.
    held: bool,
}

impl State {
    /// Up to here the log is as safe as its topic asks.
    fn safe_end(&self) -> i64 {
        safe_end(&self.log.view(), self.log.config())
    }
}

fn safe_end(view: &LogView, config: &LogConfig) -> i64 {
    let is_durable = config.durable && !mutant!(HighWatermarkIsLogEnd);
    if is_durable { view.durable_end_offset() } else { view.log_end_offset() }
}

/// A partition led by this node.
pub struct Partition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition index.
    pub index: i32,
    /// Topic id.
    pub topic_id: Uuid,
    /// Changes when the log moves to another directory.
    view: ArcSwap<LogView>,
    config: ArcSwap<LogConfig>,
    state: Mutex<Option<State>>,
    /// The log's copy in another directory, while it moves there. Locked after the state.
    future: Mutex<Option<FutureLog>>,
    /// What can be seen of the copy without its lock, which is held while it is flushed.
    future_view: ArcSwapOption<LogView>,
    queue: Mutex<VecDeque<Queued>>,
    /// Mirrors the queue's length, so that an append nobody queued behind takes no second lock.
    queued_count: AtomicUsize,
    waiters: Waiters,
    leader_epoch: AtomicI32,
    closed: AtomicBool,
    /// Where the write-ahead log's work runs.
    blocking: Blocking,
}

impl Partition {
    /// Takes over a log as its leader. The end that a recovery found is on its way to stable storage then.
    #[must_use]
    pub fn new(
        topic: Arc<str>,
        index: i32,
        topic_id: Uuid,
        log: UnifiedLog,
        config: LeaderConfig,
        blocking: Blocking,
    ) -> Arc<Self> {
        let view = log.view();
        let leader_epoch = config.leader_epoch;
        log.start_epoch(leader_epoch);
        let safe_end = safe_end(&view, log.config());
        let leader =
            Leader::new(config, view.log_end_offset(), safe_end, view.high_watermark().min(safe_end));
        view.set_high_watermark(leader.high_watermark());
        let partition = Arc::new(Self {
            topic,
            index,
            topic_id,
            view: ArcSwap::new(view),
            config: ArcSwap::new(log.config().clone()),
            state: Mutex::new(Some(State {
                log,
                leader: Some(leader),
                effects: Vec::new(),
                uncommitted: VecDeque::new(),
                held: false,
            })),
            future: Mutex::default(),
            future_view: ArcSwapOption::empty(),
            queue: Mutex::default(),
            queued_count: AtomicUsize::new(0),
            waiters: Waiters::default(),
            leader_epoch: AtomicI32::new(leader_epoch),
            closed: AtomicBool::new(false),
            blocking,
        });
        let listener: Arc<dyn DurableEndListener> = partition.clone();
        partition.view().set_listener(Arc::downgrade(&listener));
        partition.write_ahead();
        partition
    }

    /// Starts what the write-ahead log has to do, if it may be started now.
    fn write_ahead(&self) {
        if let Some(ticket) = self.view().wal_ticket() {
            self.blocking.start(move || ticket.run_all());
        }
    }

    /// Up to here the log is as safe as its topic asks: what `acks=1` waits for.
    #[must_use]
    pub fn safe_end_offset(&self) -> i64 {
        safe_end(&self.view(), &self.config.load())
    }

    /// What readers see of the log. Its offsets may be taken as they are; to read records, see [`Partition::read`].
    #[must_use]
    pub fn view(&self) -> Guard<Arc<LogView>> {
        self.view.load()
    }

    /// Reads from the log; again if the log has moved to another directory under the first try.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read<T, E>(&self, read: impl Fn(&LogView) -> Result<T, E>) -> Result<T, E> {
        let view = self.view.load_full();
        read(&view).or_else(|error| {
            let current = self.view.load();
            if Arc::ptr_eq(&current, &view) { Err(error) } else { read(&current) }
        })
    }

    /// The log's configuration.
    #[must_use]
    pub fn config(&self) -> Arc<LogConfig> {
        self.config.load_full()
    }

    /// Requests parked here.
    #[must_use]
    pub fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// The epoch of this leadership.
    #[must_use]
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch.load(Ordering::Relaxed)
    }

    /// Checks the epoch that a client believes in (KIP-320); -1 is no belief.
    pub fn check_leader_epoch(&self, believed: i32) -> Result<(), ErrorCode> {
        let epoch = self.leader_epoch();
        if believed == NO_PARTITION_LEADER_EPOCH || believed == epoch {
            Ok(())
        } else if believed < epoch {
            Err(ErrorCode::FENCED_LEADER_EPOCH)
        } else {
            Err(ErrorCode::UNKNOWN_LEADER_EPOCH)
        }
    }

    /// Checks that this node can speak for the partition as its leader, to a client that believes in this epoch.
    pub fn check_leads(&self, believed: i32) -> Result<(), ErrorCode> {
        if self.is_offline() {
            return Err(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        self.check_leader_epoch(believed)?;
        if self.is_closed() { Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) } else { Ok(()) }
    }

    /// Says whether the partition's directory has failed, or its log is damaged.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.view().offline_reason().is_some()
    }

    /// Appends one batch of a client, at once if the lock is free.
    ///
    /// The batch is judged before the lock is entered, and copied only if another append is under way.
    /// `check_min_isr` is `acks=all`: refused when the in-sync set is below the minimum.
    pub async fn append_client(&self, batch: &Batch<'_>, check_min_isr: bool, now_ms: i64) -> AppendResult {
        // A disk that is slower than its producers holds them up.
        while self.view().is_wal_congested() && !self.is_offline() && !self.is_closed() {
            tokio::time::sleep(CONGESTION_PAUSE).await;
        }
        let rules = self.config.load().produce_rules(AppendOrigin::Client, self.leader_epoch(), now_ms);
        let valid = validate_batch(batch, &rules).map_err(|e| PartitionError::Append(e.into()))?;
        self.append(batch.bytes, Job::Client { valid, rules, check_min_isr }).await
    }

    /// Appends batches that this node made, such as a coordinator's.
    pub async fn append_own(&self, batches: &[u8], now_ms: i64) -> AppendResult {
        self.append(batches, Job::Own { now_ms }).await
    }

    async fn append(&self, batches: &[u8], job: Job) -> AppendResult {
        let done = {
            let state = self.state.try_lock().filter(|state| !is_held(state));
            state.map(|mut state| self.append_locked(state.as_mut(), batches, &job))
        };
        if let Some(result) = done {
            self.write_ahead();
            if self.queued_count.load(Ordering::SeqCst) > 0 {
                self.drain_queue().await;
            }
            return result;
        }
        let (answer, answered) = oneshot::channel();
        self.enqueue(Queued::Append { batches: Bytes::copy_from_slice(batches), job, answer });
        self.drain_queue().await;
        answered.await.unwrap_or(Err(PartitionError::Code(ErrorCode::NOT_LEADER_OR_FOLLOWER)))
    }

    /// Runs short `work` on the log for a request: at once if the lock is free, else by its holder. The leadership may
    /// have ended.
    ///
    /// Returns none when the log is closed.
    pub async fn on_log<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut UnifiedLog) -> T + Send + 'static,
    ) -> Option<T> {
        let mut work = Some(work);
        let done = {
            let state = self.state.try_lock();
            state.map(|mut state| {
                let state = state.as_mut()?;
                work.take().map(|work| work(&mut state.log))
            })
        };
        if let Some(result) = done {
            if self.queued_count.load(Ordering::SeqCst) > 0 {
                self.drain_queue().await;
            }
            return result;
        }
        let work = work?;
        let (answer, answered) = oneshot::channel();
        self.enqueue(Queued::Work(Box::new(move |state| {
            // Who asked may have hung up.
            let _ = answer.send(state.map(|state| work(&mut state.log)));
        })));
        self.drain_queue().await;
        answered.await.ok().flatten()
    }

    fn enqueue(&self, queued: Queued) {
        let mut queue = self.queue.lock();
        queue.push_back(queued);
        self.queued_count.store(queue.len(), Ordering::SeqCst);
    }

    /// Does what others have queued. Whoever queues calls this after queueing, and whoever leaves the lock looks at
    /// the queue after leaving: so no entry is left to nobody.
    async fn drain_queue(&self) {
        while self.drain_some() {
            tokio::task::yield_now().await;
        }
    }

    /// Does a bounded number of queued things; says whether more are waiting and nobody else is at it.
    fn drain_some(&self) -> bool {
        {
            let Some(mut state) = self.state.try_lock().filter(|state| !is_held(state)) else { return false };
            for _ in 0..DRAIN_COUNT_MAX {
                match self.next_queued() {
                    Some(Queued::Append { batches, job, answer }) => {
                        let result = self.append_locked(state.as_mut(), &batches, &job);
                        // Who asked may have hung up; the batch is in the log all the same.
                        let _ = answer.send(result);
                    }
                    Some(Queued::Work(work)) => work(state.as_mut()),
                    Some(Queued::DurableEnd) => self.note_durable_end(state.as_mut()),
                    None => break,
                }
            }
        }
        self.write_ahead();
        self.queued_count.load(Ordering::SeqCst) > 0
    }

    fn next_queued(&self) -> Option<Queued> {
        let mut queue = self.queue.lock();
        let next = queue.pop_front();
        self.queued_count.store(queue.len(), Ordering::SeqCst);
        next
    }

    fn append_locked(&self, state: Option<&mut State>, batches: &[u8], job: &Job) -> AppendResult {
        let ended = PartitionError::Code(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        let Some(state) = state else { return Err(ended) };
        let State { log, leader: Some(leader), .. } = state else { return Err(ended) };
        let epoch = leader.leader_epoch();
        let appended = match job {
            Job::Client { check_min_isr: true, .. } if leader.check_min_isr().is_err() => {
                return Err(PartitionError::Code(ErrorCode::NOT_ENOUGH_REPLICAS));
            }
            Job::Client { valid, rules, .. } => log.append_valid(batches, valid, rules, epoch),
            Job::Own { now_ms } => log.append_as_leader(batches, epoch, AppendOrigin::Coordinator, *now_ms),
        };
        let info = appended.map_err(|error| self.refused(error))?;
        if !info.duplicate {
            state.uncommitted.push_back((info.last_offset + 1, info.bytes));
            self.note_end(state);
        }
        Ok(info)
    }

    /// The log's end, or the safe part of it, has moved.
    fn note_end(&self, state: &mut State) {
        let safe_end = state.safe_end();
        let Some(leader) = &mut state.leader else { return };
        leader.handle_local_end(self.view().log_end_offset(), safe_end, &mut state.effects);
        self.apply(state);
    }

    fn note_durable_end(&self, state: Option<&mut State>) {
        if self.is_offline() {
            self.waiters.wake_all();
        }
        let Some(state) = state else { return };
        self.note_end(state);
        // Who waits for the leader's log alone looks again.
        self.waiters.appended(0);
    }

    fn apply(&self, state: &mut State) {
        for effect in state.effects.drain(..) {
            match effect {
                Effect::AdvanceHighWatermark(offset) => {
                    self.view().set_high_watermark(offset);
                    let mut bytes = 0;
                    while state.uncommitted.front().is_some_and(|(end, _)| *end <= offset) {
                        bytes += state.uncommitted.pop_front().map_or(0, |(_, bytes)| bytes);
                    }
                    self.waiters.appended(i64::try_from(bytes).unwrap_or(i64::MAX));
                }
            }
        }
    }

    fn refused(&self, error: AppendError) -> PartitionError {
        if error.is_disk_fault() {
            self.log_lost(&error);
        }
        PartitionError::Append(error)
    }

    /// The disk failed: says so, and lets who waits here look again.
    pub fn log_lost(&self, error: &impl std::fmt::Display) {
        tracing::error!(topic = %self.topic, partition = self.index, %error, "the log cannot be kept: its directory is offline until its disk is mended and the node restarted");
        self.waiters.wake_all();
    }

    /// Says whether records wait to be flushed.
    #[must_use]
    pub fn has_unflushed(&self) -> bool {
        let view = self.view();
        view.recovery_point() != view.log_end_offset() && !view.is_directory_offline()
    }

    /// Says whether a flush becomes due by time alone.
    #[must_use]
    pub fn is_flush_timed(&self) -> bool {
        let config = self.config.load();
        !config.durable && config.flush_ms < i64::MAX
    }

    /// Flushes the segments in the background if that is due: by the topic's `flush.ms`, because much has gathered, or, with
    /// `checkpoint`, because the write-ahead log wants its place back. Says whether it did. To be called by one task only:
    /// a log has one flush under way at a time.
    pub async fn flush_due(&self, platform: &Platform, checkpoint: bool) -> bool {
        let now_ms = platform.clock.wall_ms();
        self.flush_beside_appends(platform, now_ms, checkpoint).await.unwrap_or_else(|error| {
            // A full disk takes what waits in memory when there is space again.
            if !error.is_full() {
                self.log_lost(&error);
            }
            false
        })
    }

    async fn flush_beside_appends(
        &self,
        platform: &Platform,
        now_ms: i64,
        checkpoint: bool,
    ) -> Result<bool, StorageError> {
        let prepare = move |log: &mut UnifiedLog| {
            if checkpoint || log.is_flush_due(now_ms) { log.flush() } else { Ok(None) }
        };
        let ticket = self.on_log(prepare).await.transpose()?.flatten();
        let Some(ticket) = ticket.map(Arc::new) else { return Ok(false) };
        let running = ticket.clone();
        if let Err(error) = platform.blocking.run(move || running.run()).await {
            if !error.is_full() {
                return Err(error);
            }
            self.on_log(UnifiedLog::put_flush_off).await;
            return Ok(false);
        }
        self.on_log(move |log| log.mark_durable(&ticket)).await;
        // The segments may have been faster than the write-ahead log.
        self.durable_end_moved();
        Ok(true)
    }

    /// Runs `work` on the log, waiting for the lock: for rare work such as retention, flush and configuration. Requests
    /// use [`Partition::on_log`].
    ///
    /// Returns none when the log is closed.
    pub fn with_log<T>(&self, work: impl FnOnce(&mut UnifiedLog) -> T) -> Option<T> {
        self.with_state(|state| work(&mut state.log))
    }

    fn with_state<T>(&self, work: impl FnOnce(&mut State) -> T) -> Option<T> {
        let done = self.state.lock().as_mut().map(work);
        while self.queued_count.load(Ordering::SeqCst) > 0 && self.drain_some() {}
        done
    }

    /// The topic's configuration changed.
    pub fn update_config(&self, config: LogConfig, min_insync_replicas: usize) {
        let config = Arc::new(config);
        self.config.store(config.clone());
        self.with_state(|state| {
            if let Err(error) = state.log.update_config(config.clone()) {
                self.log_lost(&error);
            }
            if let Some(leader) = &mut state.leader {
                leader.handle_min_isr_change(min_insync_replicas, &mut state.effects);
            }
            self.note_end(state);
        });
        self.write_ahead();
        // A fault of the copy's directory is met by the move itself.
        _ = self.with_future(|copy| copy.update_config(config));
    }

    /// Ends the leadership and keeps the log: another broker leads from `leader_epoch` on, or none. Who waits is answered.
    pub fn resign(&self, leader_epoch: i32) {
        if let Some(state) = self.state.lock().as_mut() {
            state.leader = None;
        }
        self.leader_epoch.store(leader_epoch, Ordering::Relaxed);
        self.end_leadership();
    }

    /// Ends the leadership and gives the log back, for deletion, a clean close or a new leadership. Who waits is
    /// answered.
    pub fn close(&self) -> Option<UnifiedLog> {
        let state = self.state.lock().take();
        self.end_leadership();
        state.map(|state| state.log)
    }

    fn end_leadership(&self) {
        while let Some(queued) = self.next_queued() {
            match queued {
                Queued::Append { answer, .. } => {
                    let _ = answer.send(Err(PartitionError::Code(ErrorCode::NOT_LEADER_OR_FOLLOWER)));
                }
                Queued::Work(work) => work(None),
                Queued::DurableEnd => {}
            }
        }
        self.closed.store(true, Ordering::Release);
        self.waiters.wake_all();
    }

    /// Says whether the leadership has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

fn is_held(state: &Option<State>) -> bool {
    state.as_ref().is_some_and(|state| state.held)
}

impl DurableEndListener for Partition {
    fn durable_end_moved(&self) {
        let entered = self.state.try_lock().map(|mut state| self.note_durable_end(state.as_mut()));
        if entered.is_none() {
            self.enqueue(Queued::DurableEnd);
        }
        while self.queued_count.load(Ordering::SeqCst) > 0 && self.drain_some() {}
    }
}

#[cfg(test)]
mod tests;
