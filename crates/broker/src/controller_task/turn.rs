//! One turn: decide, append, flush once, commit, publish, answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use controller::{ApiError, Controller, RECORDS_PER_REQUEST_MAX};
use metadata::Provenance;
use protocol::{ErrorCode, MetadataRecord};
use raft::{AppendedBatch, Effect, RecordGroup};
use storage::{AppendError, StorageError};

use super::ControllerError;
use super::decision::{Answer, Context, Decide, Decision};
use super::snapshot::write_snapshot;
use super::task::ControllerTask;
use crate::metadata_log::MetadataLogError;

/// How long the log stands still before it is written down how far it was flushed: from then on its second copy is not
/// needed, and its proof counts.
const PROVE_AFTER_MS: i64 = 50;

/// An answer that waits for everything below an offset to be committed.
struct Waiting {
    end_offset: i64,
    answer: Answer,
}

impl ControllerTask {
    /// Takes decisions through the log.
    ///
    /// # Errors
    /// A fault: nothing more can be written. Answers that were not given are dropped, which their askers notice.
    pub(super) async fn turn(&mut self, decides: Vec<Decide>) -> Result<(), ControllerError> {
        let now_ms = self.platform.clock.wall_ms();
        let mut groups = Vec::new();
        let mut waiting = Vec::with_capacity(decides.len());
        let mut next_offset = self.raft.end_offset();
        for decide in decides {
            let context = Context { now_ms, next_offset, raft: &self.raft, rng: &self.platform.rng };
            let decision = decide(&self.controller, &context);
            match self.admit(decision, &mut next_offset, &mut groups)? {
                Admitted::Waits(answer) => waiting.push(Waiting { end_offset: next_offset, answer }),
                Admitted::Refused(answer, error) => answer(Err(error)),
            }
        }
        let mut effects = Vec::new();
        if !groups.is_empty() {
            let end_offset = self.raft.handle_append(now_ms, groups, &mut effects)?;
            assert_eq!(end_offset, next_offset, "records get the offsets they were decided for");
        }
        let written = self.carry_out(effects).await?;
        self.end_step(written, next_offset, now_ms)?;
        self.flush().await?;
        let full = || ApiError::new(ErrorCode::KAFKA_STORAGE_ERROR, "The metadata log could not be written.");
        for Waiting { end_offset, answer } in waiting {
            match written {
                Written::UpTo(written) if end_offset > written => answer(Err(full())),
                _ => answer(Ok(())),
            }
        }
        Ok(())
    }

    /// Encodes a decision's records and replays them into the controller, so that the next decision sees them.
    fn admit(
        &mut self,
        decision: Decision,
        next_offset: &mut i64,
        groups: &mut Vec<RecordGroup>,
    ) -> Result<Admitted, ControllerError> {
        let Decision { records, is_atomic, note, answer } = decision;
        if !records.is_empty() && !self.raft.is_leader() {
            return Ok(Admitted::Refused(answer, ErrorCode::NOT_CONTROLLER.into()));
        }
        let new_groups = match encode(&records, is_atomic) {
            Ok(groups) => groups,
            Err(error) => {
                let message = format!("The change cannot be written: {error}");
                return Ok(Admitted::Refused(
                    answer,
                    ApiError::new(ErrorCode::UNKNOWN_SERVER_ERROR, message),
                ));
            }
        };
        let batch_bytes_max = self.batch_bytes_max;
        if new_groups.iter().any(|group| group.batch_bytes_max() > batch_bytes_max) {
            let message = "The request changes more than fits one batch of the metadata log; split it.";
            return Ok(Admitted::Refused(answer, ApiError::new(ErrorCode::POLICY_VIOLATION, message)));
        }
        for record in records {
            let offset = *next_offset;
            let replayed = self.controller.replay(offset, &record);
            replayed.map_err(|source| ControllerError::Replay { offset, source })?;
            self.uncommitted.push((offset, record));
            *next_offset += 1;
        }
        groups.extend(new_groups);
        if let Some(note) = note {
            note(&mut self.controller, self.platform.clock.wall_ms(), *next_offset);
        }
        Ok(Admitted::Waits(answer))
    }

    /// Does what Raft asks for, in order. Flushes are only noted: [`ControllerTask::flush`] runs one for all.
    pub(super) async fn carry_out(&mut self, effects: Vec<Effect>) -> Result<Written, ControllerError> {
        let mut written = Written::All;
        for effect in effects {
            match effect {
                Effect::PersistQuorumState(state) => {
                    let write = self.log.quorum_state_writer(&state);
                    self.platform.blocking.run(write).await?;
                }
                Effect::Append(batch) if written == Written::All => written = self.append(&batch)?,
                // The batches after one that could not be written would leave a gap.
                Effect::Append(_) => {}
                Effect::Flush { end_offset } => {
                    self.flush_to = match written {
                        Written::All => Some(end_offset),
                        Written::UpTo(written) => Some(written.min(end_offset)),
                    };
                }
                Effect::BecomeLeader { epoch } => tracing::info!(epoch, "became the active controller"),
                Effect::Resign { epoch } => tracing::info!(epoch, "gave up being the active controller"),
                Effect::AdvanceHighWatermark { offset, .. } => self.commit(offset).await?,
                Effect::TakeSnapshot { id } => self.begin_snapshot(id),
                Effect::DeleteBefore { id } => {
                    let now_ms = self.platform.clock.wall_ms();
                    self.log.delete_before(id, now_ms)?;
                    self.delete_due_ms = Some(now_ms.saturating_add(self.log.file_delete_delay_ms()));
                    tracing::info!(snapshot = %id, "removed the metadata log before a snapshot");
                }
            }
        }
        Ok(written)
    }

    fn append(&mut self, batch: &AppendedBatch) -> Result<Written, ControllerError> {
        let now_ms = self.platform.clock.wall_ms();
        match self.log.append(batch, now_ms) {
            Ok(()) => Ok(Written::All),
            // The log is as it was before, and can go on when there is space again.
            Err(AppendError::Storage(StorageError::DiskFull { path })) => {
                if !self.stopping.load(Ordering::Relaxed) {
                    tracing::error!(path = %path.display(), "no space is left for the metadata log");
                }
                self.raft.handle_append_failed(batch.base_offset);
                Ok(Written::UpTo(batch.base_offset))
            }
            Err(error) => Err(MetadataLogError::from(error).into()),
        }
    }

    /// Runs the flush that was asked for, and everything that follows from it.
    pub(super) async fn flush(&mut self) -> Result<(), ControllerError> {
        while let Some(end_offset) = self.flush_to.take() {
            if self.log.flush(&self.platform.blocking).await? {
                self.prove_due_ms = Some(self.platform.clock.wall_ms() + PROVE_AFTER_MS);
            }
            let mut effects = Vec::new();
            self.raft.handle_flushed(self.platform.clock.wall_ms(), end_offset, &mut effects);
            Box::pin(self.carry_out(effects)).await?;
        }
        Ok(())
    }

    /// Notes what a turn has written as one step, to be published when it is committed.
    ///
    /// If the disk was full, what could not be written was never decided: the controller goes back to what was committed
    /// before and replays what was written since.
    fn end_step(&mut self, written: Written, next_offset: i64, now_ms: i64) -> Result<(), ControllerError> {
        let end_offset = match written {
            Written::All => next_offset,
            Written::UpTo(end_offset) => end_offset,
        };
        if written != Written::All {
            self.controller = Controller::from_loader(self.controller_config.clone(), self.committed.clone());
            self.controller.begin_sessions(now_ms);
            self.uncommitted.retain(|(offset, _)| *offset < end_offset);
            for (offset, record) in &self.uncommitted {
                let replayed = self.controller.replay(*offset, record);
                replayed.map_err(|source| ControllerError::Replay { offset: *offset, source })?;
            }
        }
        if self.uncommitted.is_empty() {
            return Ok(());
        }
        self.uncommitted.clear();
        let provenance =
            Provenance { offset: end_offset - 1, epoch: self.raft.epoch(), timestamp_ms: now_ms };
        if let Some(step) = self.controller.end_batch(provenance) {
            self.steps.push_back((end_offset, step));
        }
        Ok(())
    }

    /// Publishes the steps that are committed.
    async fn commit(&mut self, high_watermark: i64) -> Result<(), ControllerError> {
        self.log.set_high_watermark(high_watermark);
        while let Some((_, step)) = self.steps.pop_front_if(|(end_offset, _)| *end_offset <= high_watermark) {
            let image = Arc::new(step.image);
            if let Some(publisher) = self.publisher.clone() {
                let image = Arc::clone(&image);
                self.platform.blocking.run(move || publisher.publish(&image, &step.delta)).await;
            }
            self.image.store(image);
        }
        if self.steps.is_empty() {
            self.committed = self.controller.loader().clone();
        }
        Ok(())
    }

    fn begin_snapshot(&mut self, id: raft::SnapshotId) {
        let image = self.image.load_full();
        if image.provenance().offset + 1 != id.offset {
            // A metadata transaction is in progress, of which an image knows nothing.
            self.raft.handle_snapshot_failed(id);
            return;
        }
        let write = self.log.snapshot_writer(id);
        let control = self.raft.snapshot_control();
        let platform = self.platform.clone();
        self.snapshot = Some((id, tokio::spawn(write_snapshot(platform, id, image, control, write))));
    }
}

/// How much of what Raft asked to append is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    All,
    /// Only what lies below this offset.
    UpTo(i64),
}

enum Admitted {
    Waits(Answer),
    Refused(Answer, ApiError),
}

fn encode(
    records: &[MetadataRecord<'static>],
    is_atomic: bool,
) -> Result<Vec<RecordGroup>, protocol::EncodeError> {
    assert!(!is_atomic || records.len() <= 4 * RECORDS_PER_REQUEST_MAX, "an atomic decision is bounded");
    let encoded = records.iter().map(MetadataRecord::encode_framed).collect::<Result<Vec<_>, _>>()?;
    if encoded.is_empty() {
        return Ok(Vec::new());
    }
    Ok(match is_atomic {
        true => vec![RecordGroup { records: encoded }],
        false => encoded.into_iter().map(|record| RecordGroup { records: vec![record] }).collect(),
    })
}
