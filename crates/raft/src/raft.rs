//! The quorum machine: start, election, append, commit, snapshot, stop. Never does what it decides: see [`Effect`].

use std::collections::{BTreeMap, BTreeSet};

use protocol::Uuid;

use crate::batch::{RecordGroup, encode_control_batch, encode_data_batches};
use crate::leader::LeaderState;
use crate::{
    AppendedBatch, ControlRecord, Effect, QuorumState, QuorumView, RaftConfig, RaftError, ReplayedBatch,
    ReplicaKey, ReplicaView, SnapshotId, SnapshotInfo, Voter, VoterSet,
};

/// What the node is in its epoch.
#[derive(Debug, Clone)]
enum Role {
    /// Knows the epoch, not its leader.
    Unattached,
    /// Asks for votes; has these.
    Candidate { granted: BTreeSet<ReplicaKey> },
    /// Leads.
    Leader(LeaderState),
    /// Has given up its leadership and waits for the end of the process.
    Resigned,
}

/// One node's state of the metadata quorum.
///
/// Life: [`Raft::new`] with what the disk holds, [`Raft::load_snapshot_control`] and [`Raft::replay_batch`] for what
/// the latest snapshot and the log say, [`Raft::handle_start`], then [`Raft::handle_append`] and the reports of the
/// shell, and [`Raft::handle_shutdown`].
#[derive(Debug, Clone)]
pub struct Raft {
    config: RaftConfig,
    epoch: i32,
    role: Role,
    kraft_version: i16,
    voters: VoterSet,
    /// Where in the log the voter set was found; `None` while it is known from the bootstrap snapshot only, which the
    /// first leader must then write into the log.
    voters_offset: Option<i64>,
    end_offset: i64,
    last_epoch: i32,
    snapshots: BTreeMap<SnapshotId, SnapshotInfo>,
    snapshot_in_progress: Option<SnapshotId>,
    /// Bytes of the log above the latest snapshot.
    bytes_since_snapshot: u64,
    snapshot_ms: i64,
}

impl Raft {
    /// The state of a node as its disk tells it: `persisted` from the `quorum-state` file (`None` on the first start),
    /// `snapshots` from the directory of the log, in any order, the bootstrap snapshot among them.
    pub fn new(
        config: RaftConfig,
        persisted: Option<QuorumState>,
        snapshots: impl IntoIterator<Item = SnapshotInfo>,
        now_ms: i64,
    ) -> Raft {
        let snapshots: BTreeMap<_, _> = snapshots.into_iter().map(|info| (info.id, info)).collect();
        let latest = snapshots.keys().next_back().copied().unwrap_or(SnapshotId::BOOTSTRAP);
        Raft {
            epoch: persisted.map_or(0, |state| state.epoch).max(latest.epoch),
            role: Role::Unattached,
            kraft_version: 0,
            voters: VoterSet::default(),
            voters_offset: None,
            end_offset: latest.offset,
            last_epoch: latest.epoch,
            snapshots,
            snapshot_in_progress: None,
            bytes_since_snapshot: 0,
            snapshot_ms: now_ms,
            config,
        }
    }

    /// The latest complete snapshot that is part of the log; state is loaded from it before the log is replayed. The
    /// bootstrap snapshot is not: it holds what the first leader will write.
    pub fn latest_snapshot(&self) -> Option<SnapshotId> {
        self.snapshots.keys().next_back().copied().filter(|id| *id != SnapshotId::BOOTSTRAP)
    }

    /// True if a snapshot was written when the directory was formatted and still lies there.
    pub fn has_bootstrap_snapshot(&self) -> bool {
        self.snapshots.contains_key(&SnapshotId::BOOTSTRAP)
    }

    /// Takes the control records of a snapshot: [`SnapshotId::BOOTSTRAP`] first if there is one, then
    /// [`Raft::latest_snapshot`].
    pub fn load_snapshot_control(&mut self, id: SnapshotId, control: &[ControlRecord]) {
        let offset = (id != SnapshotId::BOOTSTRAP).then_some(id.offset - 1);
        for record in control {
            self.apply_control(record, offset);
        }
    }

    /// Takes one batch of the log, in log order, from the end of the latest snapshot on. Batches wholly below it are
    /// ignored, so that a log that was not trimmed yet may be replayed from its start.
    pub fn replay_batch(&mut self, batch: &ReplayedBatch) -> Result<(), RaftError> {
        if batch.last_offset < self.end_offset {
            return Ok(());
        }
        if batch.base_offset != self.end_offset || batch.epoch < self.last_epoch {
            return Err(RaftError::OutOfOrderBatch {
                base_offset: batch.base_offset,
                epoch: batch.epoch,
                end_offset: self.end_offset,
                last_epoch: self.last_epoch,
            });
        }
        for record in &batch.control {
            self.apply_control(record, Some(batch.base_offset));
        }
        self.end_offset = batch.last_offset + 1;
        self.last_epoch = batch.epoch;
        self.epoch = self.epoch.max(batch.epoch);
        self.bytes_since_snapshot += batch.size_bytes;
        Ok(())
    }

    /// Joins the quorum. The log must have been replayed to its end. A quorum of one elects its only voter at once.
    pub fn handle_start(&mut self, now_ms: i64, effects: &mut Vec<Effect>) -> Result<(), RaftError> {
        if self.voters.is_empty() && self.kraft_version == 0 && self.config.is_static_voter {
            let fixed = ReplicaKey::new(self.config.node_id, Uuid::ZERO);
            self.voters = VoterSet::new([Voter::local(fixed, self.config.endpoints.clone())]);
        }
        let local = self.local_key();
        if self.voters.is_empty() {
            return Err(RaftError::NoVoters);
        }
        if self.voters.len() > 1 {
            return Err(RaftError::QuorumOfMany {
                count: self.voters.len(),
                voters: self.voters.to_string(),
            });
        }
        if !self.voters.contains(&local) {
            return Err(RaftError::NotVoter { local, voters: self.voters.to_string() });
        }
        self.become_candidate()?;
        self.maybe_become_leader(now_ms, effects)
    }

    /// Offers records to the log. Each group is kept within one batch; groups share batches while they fit. Returns
    /// the offset after the last record. Nothing changes on an error.
    pub fn handle_append(
        &mut self,
        now_ms: i64,
        groups: Vec<RecordGroup>,
        effects: &mut Vec<Effect>,
    ) -> Result<i64, RaftError> {
        let Role::Leader(_) = &self.role else {
            return Err(RaftError::NotLeader { epoch: self.epoch });
        };
        let batches =
            encode_data_batches(groups, self.end_offset, self.epoch, now_ms, self.config.batch_bytes_max)?;
        if batches.is_empty() {
            return Ok(self.end_offset);
        }
        for batch in batches {
            self.push_append(batch, effects);
        }
        effects.push(Effect::Flush { end_offset: self.end_offset });
        Ok(self.end_offset)
    }

    /// The shell could not carry out an [`Effect::Append`] that followed from [`Raft::handle_append`] (a full disk): the
    /// log ends at `end_offset`, as it did before that batch, and the batches after it were not written either.
    pub fn handle_append_failed(&mut self, end_offset: i64) {
        assert!(end_offset <= self.end_offset, "a failed append cannot make the log longer");
        self.end_offset = end_offset;
    }

    /// The shell has brought the log up to `end_offset` to stable storage.
    pub fn handle_flushed(&mut self, now_ms: i64, end_offset: i64, effects: &mut Vec<Effect>) {
        let local = self.local_key();
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(offset) = leader.update_end_offset(local, end_offset.min(self.end_offset)) else { return };
        effects.push(Effect::AdvanceHighWatermark { offset, epoch: leader.epoch });
        if self.bytes_since_snapshot >= self.config.snapshot_record_bytes_max {
            self.take_snapshot(now_ms, effects);
        }
    }

    /// The snapshot asked for by [`Effect::TakeSnapshot`] is complete and on stable storage. `log_bytes` is the size
    /// of the log.
    pub fn handle_snapshot_written(&mut self, info: SnapshotInfo, log_bytes: u64, effects: &mut Vec<Effect>) {
        if self.snapshot_in_progress == Some(info.id) {
            self.snapshot_in_progress = None;
        }
        self.snapshots.insert(info.id, info);
        self.clean(effects, |raft, _| raft.is_over_retention_bytes(log_bytes));
    }

    /// The snapshot asked for by [`Effect::TakeSnapshot`] could not be written. It is due again after as many bytes or
    /// as much time as any other.
    pub fn handle_snapshot_failed(&mut self, id: SnapshotId) {
        if self.snapshot_in_progress == Some(id) {
            self.snapshot_in_progress = None;
        }
    }

    /// When [`Raft::handle_timeout`] has something to do, ms since the epoch.
    pub fn poll_timeout(&self) -> Option<i64> {
        [self.snapshot_due_ms(), self.clean_due_ms()].into_iter().flatten().min()
    }

    /// Does what is due: a snapshot by age, old snapshots out by age.
    pub fn handle_timeout(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        if self.snapshot_due_ms().is_some_and(|due| due <= now_ms) {
            self.take_snapshot(now_ms, effects);
        }
        if self.clean_due_ms().is_some_and(|due| due <= now_ms) {
            let retention_ms = self.config.retention_ms_max;
            self.clean(effects, |_, oldest| oldest.timestamp_ms.saturating_add(retention_ms) <= now_ms);
        }
    }

    /// Gives up leadership before the process ends: later appends are refused.
    pub fn handle_shutdown(&mut self, effects: &mut Vec<Effect>) {
        if let Role::Leader(leader) = &self.role {
            effects.push(Effect::Resign { epoch: leader.epoch });
        }
        self.role = Role::Resigned;
    }

    /// The leader's view of the quorum; `None` if this node does not lead.
    pub fn view(&self, now_ms: i64) -> Option<QuorumView> {
        let Role::Leader(leader) = &self.role else { return None };
        let voters = self.voters.keys().map(|key| ReplicaView {
            key,
            log_end_offset: leader.end_offset(&key),
            last_fetch_ms: now_ms,
            last_caught_up_ms: now_ms,
        });
        Some(QuorumView {
            leader_id: self.config.node_id,
            leader_epoch: leader.epoch,
            high_watermark: leader.high_watermark().unwrap_or(-1),
            voters: voters.collect(),
            observers: Vec::new(),
        })
    }

    /// Current epoch.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// True if this node leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// The offset the next appended record will get.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// The voters.
    pub fn voters(&self) -> &VoterSet {
        &self.voters
    }

    /// `kraft.version`: 0 with static voters, 1 with voters in the log.
    pub fn kraft_version(&self) -> i16 {
        self.kraft_version
    }

    /// The control records a snapshot must begin with, after its header.
    pub fn snapshot_control(&self) -> Vec<ControlRecord> {
        if self.kraft_version == 0 {
            return Vec::new();
        }
        vec![ControlRecord::KRaftVersion(self.kraft_version), ControlRecord::Voters(self.voters.clone())]
    }

    fn apply_control(&mut self, record: &ControlRecord, offset: Option<i64>) {
        match record {
            ControlRecord::KRaftVersion(version) => self.kraft_version = *version,
            ControlRecord::Voters(voters) => {
                self.voters = voters.clone();
                self.voters_offset = offset;
            }
            ControlRecord::LeaderChange { .. }
            | ControlRecord::SnapshotHeader { .. }
            | ControlRecord::SnapshotFooter => {}
        }
    }

    /// This node as a voter. Voters of a fixed quorum have no directory ids.
    fn local_key(&self) -> ReplicaKey {
        match self.voters.get(self.config.node_id) {
            Some(voter) if voter.key.directory_id.is_zero() => voter.key,
            _ => self.config.local_key(),
        }
    }

    fn become_candidate(&mut self) -> Result<(), RaftError> {
        let epoch = self.epoch.checked_add(1).ok_or(RaftError::EpochExhausted { epoch: self.epoch })?;
        self.epoch = epoch;
        self.role = Role::Candidate { granted: BTreeSet::from([self.local_key()]) };
        Ok(())
    }

    fn maybe_become_leader(&mut self, now_ms: i64, effects: &mut Vec<Effect>) -> Result<(), RaftError> {
        let Role::Candidate { granted } = &self.role else { return Ok(()) };
        if granted.len() < self.voters.majority() {
            return Ok(());
        }
        // The vote for oneself and the leadership it brings are one fact in a quorum of one, so they are persisted
        // once: to lead an epoch implies to have voted for oneself in it.
        effects.push(Effect::PersistQuorumState(QuorumState {
            epoch: self.epoch,
            leader_id: Some(self.config.node_id),
            voted: None,
        }));
        let leader = LeaderState::new(self.epoch, self.end_offset, self.voters.keys(), granted.clone());
        let control = self.start_of_epoch_records(&leader);
        self.role = Role::Leader(leader);
        let batch = encode_control_batch(&control, self.end_offset, self.epoch, now_ms)?;
        for record in &control {
            self.apply_control(record, Some(batch.base_offset));
        }
        self.push_append(batch, effects);
        effects.push(Effect::BecomeLeader { epoch: self.epoch });
        effects.push(Effect::Flush { end_offset: self.end_offset });
        Ok(())
    }

    /// The control records that open an epoch: the change of leader, and the voter set if the log does not have it
    /// yet or has the local voter with other listeners.
    fn start_of_epoch_records(&self, leader: &LeaderState) -> Vec<ControlRecord> {
        let mut control = vec![ControlRecord::LeaderChange {
            leader_id: self.config.node_id,
            voters: self.voters.keys().collect(),
            granting_voters: leader.granting_voters().copied().collect(),
        }];
        if self.kraft_version == 0 {
            return control;
        }
        let local = Voter::local(self.config.local_key(), self.config.endpoints.clone());
        if self.voters_offset.is_none() || self.voters.get(self.config.node_id) != Some(&local) {
            control.push(ControlRecord::KRaftVersion(self.kraft_version));
            control.push(ControlRecord::Voters(self.voters.with(local)));
        }
        control
    }

    fn push_append(&mut self, batch: AppendedBatch, effects: &mut Vec<Effect>) {
        self.end_offset = batch.last_offset + 1;
        self.last_epoch = batch.epoch;
        self.bytes_since_snapshot += batch.bytes.len() as u64;
        effects.push(Effect::Append(batch));
    }

    fn take_snapshot(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        let Role::Leader(leader) = &self.role else { return };
        let Some(offset) = leader.high_watermark() else { return };
        let id = SnapshotId { offset, epoch: leader.epoch };
        if self.snapshot_in_progress.is_some() || self.snapshots.contains_key(&id) {
            return;
        }
        self.snapshot_in_progress = Some(id);
        self.bytes_since_snapshot = 0;
        self.snapshot_ms = now_ms;
        effects.push(Effect::TakeSnapshot { id });
    }

    /// When a snapshot is due by age: only a leader with something committed since the last one has such a time.
    fn snapshot_due_ms(&self) -> Option<i64> {
        let Role::Leader(leader) = &self.role else { return None };
        let latest = self.snapshots.keys().next_back().map_or(0, |id| id.offset);
        let is_behind = leader.high_watermark().is_some_and(|offset| offset > latest);
        if !is_behind || self.snapshot_in_progress.is_some() || self.config.snapshot_interval_ms_max == 0 {
            return None;
        }
        Some(self.snapshot_ms.saturating_add(self.config.snapshot_interval_ms_max))
    }

    /// When the oldest of several snapshots is too old.
    fn clean_due_ms(&self) -> Option<i64> {
        if self.snapshots.len() < 2 || self.config.retention_ms_max < 0 {
            return None;
        }
        let oldest = self.snapshots.values().next()?;
        Some(oldest.timestamp_ms.saturating_add(self.config.retention_ms_max))
    }

    fn is_over_retention_bytes(&self, log_bytes: u64) -> bool {
        let Ok(limit) = u64::try_from(self.config.retention_bytes_max) else { return false };
        let snapshot_bytes: u64 = self.snapshots.values().map(|info| info.size_bytes).sum();
        log_bytes.saturating_add(snapshot_bytes) > limit
    }

    /// Forgets snapshots from the oldest on while `is_due` says so; the latest always stays.
    fn clean(&mut self, effects: &mut Vec<Effect>, is_due: impl Fn(&Raft, &SnapshotInfo) -> bool) {
        let mut first_kept = None;
        while self.snapshots.len() > 1 {
            let Some(oldest) = self.snapshots.values().next().copied() else { break };
            if !is_due(self, &oldest) {
                break;
            }
            self.snapshots.remove(&oldest.id);
            first_kept = self.snapshots.keys().next().copied();
        }
        if let Some(id) = first_kept {
            effects.push(Effect::DeleteBefore { id });
        }
    }
}

#[cfg(test)]
mod tests;
