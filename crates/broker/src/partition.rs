//! One partition of which this node is the leader: the place where the log and its replication meet.
//!
//! The writing state (log end, active segment, producer state, in-sync set) is entered by `try_lock`. Who finds it
//! taken queues the batch for the holder and awaits the answer, so no runtime thread ever parks on a lock that is
//! held across a write. Readers use the log's view and never meet the lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use protocol::{ErrorCode, Uuid};
use replication::{Effect, Leader, LeaderConfig};
use storage::{AppendError, AppendInfo, AppendOrigin, LogConfig, LogView, UnifiedLog};
use tokio::sync::oneshot;

use crate::waiters::Waiters;

/// Batches that the holder of the lock appends for others before it lets its own runtime breathe.
const DRAIN_COUNT_MAX: usize = 64;

/// Why a batch was not appended.
#[derive(Debug, Clone)]
pub enum PartitionError {
    /// The log refused it.
    Append(AppendError),
    /// The partition answers with this code: it is gone, offline, or its in-sync set is too small.
    Code(ErrorCode),
    /// The request's bytes are no batch that may be appended; with words for the client.
    Invalid((ErrorCode, &'static str)),
}

type AppendResult = Result<AppendInfo, PartitionError>;

/// What an append has to satisfy beside the log's own rules.
#[derive(Debug, Clone, Copy)]
pub struct AppendRules {
    /// Who made the batch.
    pub origin: AppendOrigin,
    /// `acks=all`: refuse when the in-sync set is below the minimum.
    pub check_min_isr: bool,
}

struct Queued {
    batch: Bytes,
    rules: AppendRules,
    now_ms: i64,
    answer: oneshot::Sender<AppendResult>,
}

struct State {
    log: UnifiedLog,
    leader: Leader,
    effects: Vec<Effect>,
}

/// A partition led by this node.
pub struct Partition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition index.
    pub index: i32,
    /// Topic id.
    pub topic_id: Uuid,
    view: Arc<LogView>,
    state: Mutex<Option<State>>,
    queue: Mutex<VecDeque<Queued>>,
    waiters: Waiters,
    leader_epoch: AtomicI32,
    /// The log directory failed: every request is answered with a storage error.
    offline: AtomicBool,
}

impl Partition {
    /// Takes over a log as its leader.
    #[must_use]
    pub fn new(topic: Arc<str>, index: i32, topic_id: Uuid, log: UnifiedLog, config: LeaderConfig) -> Self {
        let view = log.view();
        let leader_epoch = config.leader_epoch;
        let leader = Leader::new(config, view.log_end_offset(), view.high_watermark());
        view.set_high_watermark(leader.high_watermark());
        Self {
            topic,
            index,
            topic_id,
            view,
            state: Mutex::new(Some(State { log, leader, effects: Vec::new() })),
            queue: Mutex::default(),
            waiters: Waiters::default(),
            leader_epoch: AtomicI32::new(leader_epoch),
            offline: AtomicBool::new(false),
        }
    }

    /// What readers see of the log.
    #[must_use]
    pub fn view(&self) -> &Arc<LogView> {
        &self.view
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
        if believed < 0 || believed == epoch {
            Ok(())
        } else if believed < epoch {
            Err(ErrorCode::FENCED_LEADER_EPOCH)
        } else {
            Err(ErrorCode::UNKNOWN_LEADER_EPOCH)
        }
    }

    /// Says whether the partition's directory has failed.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Relaxed)
    }

    /// Appends one or more batches, at once if the lock is free.
    ///
    /// The bytes are only copied if another append is under way.
    pub async fn append(&self, batch: &[u8], rules: AppendRules, now_ms: i64) -> AppendResult {
        match self.append_now(batch, rules, now_ms) {
            Some(result) => {
                self.drain_queue().await;
                result
            }
            None => self.append_queued(batch, rules, now_ms).await,
        }
    }

    /// Appends if nobody else is at it.
    fn append_now(&self, batch: &[u8], rules: AppendRules, now_ms: i64) -> Option<AppendResult> {
        let mut state = self.state.try_lock()?;
        Some(self.append_locked(state.as_mut(), batch, rules, now_ms))
    }

    async fn append_queued(&self, batch: &[u8], rules: AppendRules, now_ms: i64) -> AppendResult {
        let (answer, answered) = oneshot::channel();
        self.queue.lock().push_back(Queued { batch: Bytes::copy_from_slice(batch), rules, now_ms, answer });
        self.drain_queue().await;
        answered.await.unwrap_or(Err(PartitionError::Code(ErrorCode::NOT_LEADER_OR_FOLLOWER)))
    }

    /// Appends what others have queued. Whoever queues also calls this after queueing, so an entry that the last
    /// holder did not see is seen by the one who put it there.
    async fn drain_queue(&self) {
        while !self.queue.lock().is_empty() {
            {
                let Some(mut state) = self.state.try_lock() else { return };
                for _ in 0..DRAIN_COUNT_MAX {
                    let Some(queued) = self.queue.lock().pop_front() else { break };
                    let result =
                        self.append_locked(state.as_mut(), &queued.batch, queued.rules, queued.now_ms);
                    let _ = queued.answer.send(result);
                }
            }
            if self.queue.lock().is_empty() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn append_locked(
        &self,
        state: Option<&mut State>,
        batch: &[u8],
        rules: AppendRules,
        now_ms: i64,
    ) -> AppendResult {
        let Some(state) = state else {
            return Err(PartitionError::Code(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        };
        if self.is_offline() {
            return Err(PartitionError::Code(ErrorCode::KAFKA_STORAGE_ERROR));
        }
        if rules.check_min_isr && state.leader.check_min_isr().is_err() {
            return Err(PartitionError::Code(ErrorCode::NOT_ENOUGH_REPLICAS));
        }
        let epoch = state.leader.leader_epoch();
        let info =
            state.log.append_as_leader(batch, epoch, rules.origin, now_ms).map_err(|error| self.fault(error))?;
        if !info.duplicate {
            state.leader.handle_local_append(self.view.log_end_offset(), &mut state.effects);
            self.apply(&mut state.effects, info.bytes);
        }
        Ok(info)
    }

    fn apply(&self, effects: &mut Vec<Effect>, bytes: u64) {
        for effect in effects.drain(..) {
            match effect {
                Effect::AdvanceHighWatermark(offset) => {
                    self.view.set_high_watermark(offset);
                    self.waiters.appended(i64::try_from(bytes).unwrap_or(i64::MAX));
                }
            }
        }
    }

    /// A disk that failed once is not trusted again: the partition goes offline.
    fn fault(&self, error: AppendError) -> PartitionError {
        if error.is_disk_fault() && !self.offline.swap(true, Ordering::Relaxed) {
            tracing::error!(topic = %self.topic, partition = self.index, %error, "the log cannot be written: the partition is offline");
            self.waiters.wake_all();
        }
        PartitionError::Append(error)
    }

    /// Runs `work` on the log, waiting for the lock: for rare work such as retention, flush and configuration.
    ///
    /// Returns none when the partition was closed.
    pub fn with_log<T>(&self, work: impl FnOnce(&mut UnifiedLog) -> T) -> Option<T> {
        let mut state = self.state.lock();
        state.as_mut().map(|state| work(&mut state.log))
    }

    /// The topic's configuration changed.
    pub fn update_config(&self, config: LogConfig, min_insync_replicas: usize) {
        let mut state = self.state.lock();
        if let Some(state) = state.as_mut() {
            state.log.update_config(config);
            state.leader.handle_min_isr_change(min_insync_replicas, &mut state.effects);
            self.apply(&mut state.effects, 0);
        }
    }

    /// Ends the leadership and gives the log back, for deletion or a clean close. Who waits is answered.
    pub fn close(&self) -> Option<UnifiedLog> {
        let state = self.state.lock().take();
        for queued in self.queue.lock().drain(..) {
            let _ = queued.answer.send(Err(PartitionError::Code(ErrorCode::NOT_LEADER_OR_FOLLOWER)));
        }
        self.waiters.wake_all();
        state.map(|state| state.log)
    }

    /// Says whether the leadership has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state.lock().is_none()
    }
}
