//! The part of a partition that moves its log to another directory of this node (KIP-113).
//!
//! A copy is made beside the log until it has caught up; then appends are held in the queue, the rest is copied, and the
//! copy takes the log's place. Readers and writers notice nothing but a short wait. When these steps are due, and that
//! the metadata know of them, is the business of `replica_moves`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use storage::{CopyError, CopyStep, DurableEndListener, LogDir, LogView, StorageError, UnifiedLog};

use super::{Partition, State};

/// The copy of a log that is being made in another directory.
pub(super) struct FutureLog {
    log: UnifiedLog,
    /// Tells this move from an earlier one of the partition.
    number: u64,
    /// Whether all of the copy was made in this move, in which the log is not cleaned.
    is_of_one_piece: bool,
}

/// Ends the holding of appends when it is dropped. Made before [`Partition::hold_appends`], so that whatever becomes of
/// that call, somebody lets them go.
pub struct HeldAppends {
    partition: Arc<Partition>,
}

impl HeldAppends {
    /// Nothing is held yet.
    #[must_use]
    pub fn over(partition: &Arc<Partition>) -> Self {
        Self { partition: partition.clone() }
    }
}

impl Drop for HeldAppends {
    fn drop(&mut self) {
        if let Some(state) = self.partition.state.lock().as_mut() {
            state.held = false;
        }
        while self.partition.queued_count.load(Ordering::SeqCst) > 0 && self.partition.drain_some() {}
    }
}

impl Partition {
    /// Begins a move to `dir` under this number, with an empty copy or one that an earlier process began. The log is not
    /// cleaned while it moves: what was copied before a tombstone would outlive it in the copy. Blocks.
    ///
    /// # Errors
    /// The disk's, from cutting off what an older copy has and the log has not; then no move is begun.
    pub fn begin_move(
        &self,
        mut log: UnifiedLog,
        dir: &LogDir,
        number: u64,
        now_ms: i64,
    ) -> Result<(), StorageError> {
        log.truncate_to_common(&self.view(), dir, now_ms)?;
        log.follow_offsets(&self.view());
        let is_of_one_piece = log.view().size_bytes() == 0;
        {
            let mut future = self.future.lock();
            self.future_view.store(Some(log.view()));
            *future = Some(FutureLog { log, number, is_of_one_piece });
        }
        // Work of the cleaner that has begun is done when this lock is had; what comes later sees the copy.
        _ = self.with_log(|_| ());
        Ok(())
    }

    /// What can be seen of the copy, while there is one.
    #[must_use]
    pub fn future_view(&self) -> Option<Arc<LogView>> {
        self.future_view.load_full()
    }

    /// [`Partition::with_log`] for what must not happen while the log moves; `None` then, too.
    pub fn with_log_at_rest<T>(&self, work: impl FnOnce(&mut UnifiedLog) -> T) -> Option<T> {
        self.with_log(|log| self.future_view().is_none().then(|| work(log))).flatten()
    }

    /// Gives up the copy, if there is one, for deletion or a clean close. May wait for a step of the move to end.
    pub fn end_move(&self) -> Option<UnifiedLog> {
        let mut future = self.future.lock();
        self.future_view.store(None);
        future.take().map(|future| future.log)
    }

    /// Runs `work` on the copy; `None` if there is none.
    pub fn with_future<T>(&self, work: impl FnOnce(&mut UnifiedLog) -> T) -> Option<T> {
        self.future.lock().as_mut().map(|future| work(&mut future.log))
    }

    /// Copies about `bytes_max` bytes of what the copy in `dir` lacks; `None` if the move is over. Blocks.
    pub fn copy_some(
        &self,
        number: u64,
        dir: &LogDir,
        bytes_max: usize,
        now_ms: i64,
    ) -> Option<Result<CopyStep, CopyError>> {
        let mut future = self.future.lock();
        let future = future.as_mut().filter(|future| future.number == number)?;
        // The log is not replaced meanwhile: that takes the copy first.
        Some(future.log.copy_from(&self.view(), bytes_max, dir, now_ms))
    }

    /// Makes the copy durable as far as it is; `None` if the move is over. Blocks.
    pub fn flush_future(&self, number: u64) -> Option<Result<(), StorageError>> {
        let mut future = self.future.lock();
        let future = future.as_mut().filter(|future| future.number == number)?;
        Some(future.log.flush_now())
    }

    /// Holds appends back until a [`HeldAppends`] is dropped; says whether the leadership goes on. Those under way are done
    /// when this returns. May wait for one.
    pub fn hold_appends(&self) -> bool {
        let mut state = self.state.lock();
        let state = state.as_mut();
        state.map(|state| state.held = true).is_some()
    }

    /// Puts the copy in `dir`, which has everything and is durable, in the place of the log, which was cleaned up to
    /// `cleaned`, lets appends go on, and gives the old log to `retire`. `None` if the move or the leadership is over.
    /// Blocks.
    ///
    /// # Errors
    /// The disk's: the log stays what it was, and the move is over.
    pub fn finish_move(
        self: &Arc<Self>,
        number: u64,
        (dir, cleaned): (&LogDir, Option<i64>),
        now_ms: i64,
        held: HeldAppends,
        retire: impl FnOnce(UnifiedLog),
    ) -> Option<Result<(), StorageError>> {
        let mut state = self.state.lock();
        let replaced = state.as_mut()?;
        assert!(replaced.held, "a log is replaced only while nothing is appended to it");
        let mut slot = self.future.lock();
        let copy = slot.take_if(|future| future.number == number)?;
        // A copy that an earlier process began may hold what the log lost since.
        let cleaned = cleaned.filter(|_| copy.is_of_one_piece);
        let finished = self.replace(replaced, copy.log, (dir, cleaned), now_ms);
        drop(state);
        drop(held);
        let finished = finished.map(retire);
        // Last, so that whoever sees no copy finds the move done, and the old log's name free.
        self.future_view.store(None);
        Some(finished)
    }

    fn replace(
        self: &Arc<Self>,
        state: &mut State,
        mut log: UnifiedLog,
        (dir, cleaned): (&LogDir, Option<i64>),
        now_ms: i64,
    ) -> Result<UnifiedLog, StorageError> {
        let old_view = state.log.view();
        log.follow_offsets(&old_view);
        if let Some(ticket) = log.close()? {
            ticket.run()?;
            log.mark_durable(&ticket);
        }
        assert_eq!(log.view().log_end_offset(), old_view.log_end_offset(), "the copy has everything");
        let mut log = dir.promote_future(log, cleaned, now_ms)?;
        log.update_config(state.log.config().clone())?;
        log.follow_offsets(&old_view);
        let listener: Arc<dyn DurableEndListener> = self.clone();
        log.view().set_listener(Arc::downgrade(&listener));
        self.view.store(log.view());
        let old = std::mem::replace(&mut state.log, log);
        old.mark_replaced();
        // All of it is durable, which the old log may not have been yet.
        self.note_end(state);
        self.waiters.wake_all();
        Ok(old)
    }
}
