//! A partition's replicas, ISR, leader and epochs. Never its log.

use protocol::{PartitionChangeRecord, PartitionRecord, Uuid};

use crate::{DIRECTORY_MIGRATING, ReplayError};

/// Leader of a partition that has none.
pub const NO_LEADER: i32 = -1;
/// Leader in a change record that leaves the leader and its epoch alone.
pub const NO_LEADER_CHANGE: i32 = -2;
/// Recovery state in a change record that leaves it alone.
const NO_RECOVERY_CHANGE: i8 = -1;

/// Whether the leader was elected cleanly (KIP-704).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum LeaderRecoveryState {
    /// The leader had all committed records when it was elected.
    #[default]
    Recovered,
    /// The leader may have lacked committed records when it was elected.
    Recovering,
}

impl LeaderRecoveryState {
    /// The value in records and requests.
    pub fn value(self) -> i8 {
        match self {
            LeaderRecoveryState::Recovered => 0,
            LeaderRecoveryState::Recovering => 1,
        }
    }

    /// From the value in records and requests.
    pub fn from_value(value: i8) -> Option<LeaderRecoveryState> {
        match value {
            0 => Some(LeaderRecoveryState::Recovered),
            1 => Some(LeaderRecoveryState::Recovering),
            _ => None,
        }
    }
}

/// A partition as the metadata log knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRegistration {
    /// Brokers that hold a replica, the preferred leader first.
    pub replicas: Vec<i32>,
    /// The log directory of each replica, in the order of `replicas`; a reserved id where it is not known
    /// ([`crate::DIRECTORY_UNASSIGNED`] and its like).
    pub directories: Vec<Uuid>,
    /// Replicas that have everything committed.
    pub isr: Vec<i32>,
    /// Replicas a reassignment will remove.
    pub removing_replicas: Vec<i32>,
    /// Replicas a reassignment will add.
    pub adding_replicas: Vec<i32>,
    /// Replicas outside the ISR that are still known to have everything committed (KIP-966).
    pub elr: Vec<i32>,
    /// The last leader of a partition that has none, or what the ELR was last known to be.
    pub last_known_elr: Vec<i32>,
    /// The leader, or [`NO_LEADER`].
    pub leader: i32,
    /// How the leader was elected.
    pub leader_recovery_state: LeaderRecoveryState,
    /// Grows with each change of leader.
    pub leader_epoch: i32,
    /// Grows with each change of anything.
    pub partition_epoch: i32,
}

impl PartitionRegistration {
    /// True if it has a leader.
    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    /// True if its first replica leads.
    pub fn has_preferred_leader(&self) -> bool {
        self.replicas.first() == Some(&self.leader)
    }

    /// Id of the directory of this broker's replica; `None` if the broker has none or the record named no directories.
    pub fn directory(&self, broker_id: i32) -> Option<Uuid> {
        let index = self.replicas.iter().position(|replica| *replica == broker_id)?;
        self.directories.get(index).copied()
    }

    pub(crate) fn from_record(record: &PartitionRecord) -> Result<PartitionRegistration, ReplayError> {
        let recovery = LeaderRecoveryState::from_value(record.leader_recovery_state);
        Ok(PartitionRegistration {
            replicas: record.replicas.clone(),
            directories: directories_or_migrating(&record.directories, record.replicas.len()),
            isr: record.isr.clone(),
            removing_replicas: record.removing_replicas.clone(),
            adding_replicas: record.adding_replicas.clone(),
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: record.leader,
            leader_recovery_state: recovery.ok_or(ReplayError::Value {
                record: "PartitionRecord",
                field: "LeaderRecoveryState",
                value: record.leader_recovery_state.into(),
            })?,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        })
    }

    /// The record that creates this partition.
    pub fn to_record(&self, topic_id: Uuid, partition_id: i32) -> PartitionRecord {
        let unless_empty = |ids: &Vec<i32>| (!ids.is_empty()).then(|| ids.clone());
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing_replicas.clone(),
            adding_replicas: self.adding_replicas.clone(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state.value(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            eligible_leader_replicas: unless_empty(&self.elr),
            last_known_elr: unless_empty(&self.last_known_elr),
        }
    }

    /// Applies a change record. Every change raises the partition epoch; naming a leader, even the same one, raises
    /// the leader epoch.
    pub(crate) fn apply(&mut self, record: &PartitionChangeRecord) -> Result<(), ReplayError> {
        if record.leader_recovery_state != NO_RECOVERY_CHANGE {
            let recovery = LeaderRecoveryState::from_value(record.leader_recovery_state);
            self.leader_recovery_state = recovery.ok_or(ReplayError::Value {
                record: "PartitionChangeRecord",
                field: "LeaderRecoveryState",
                value: record.leader_recovery_state.into(),
            })?;
        }
        if let Some(replicas) = &record.replicas {
            self.replicas = replicas.clone();
            if record.directories.is_none() {
                self.directories = vec![DIRECTORY_MIGRATING; replicas.len()];
            }
        }
        if let Some(directories) = &record.directories {
            self.directories = directories.clone();
        }
        set_if_some(&mut self.isr, &record.isr);
        set_if_some(&mut self.removing_replicas, &record.removing_replicas);
        set_if_some(&mut self.adding_replicas, &record.adding_replicas);
        set_if_some(&mut self.elr, &record.eligible_leader_replicas);
        set_if_some(&mut self.last_known_elr, &record.last_known_elr);
        if record.leader != NO_LEADER_CHANGE {
            self.leader = record.leader;
            self.leader_epoch = self.leader_epoch.wrapping_add(1);
        }
        self.partition_epoch = self.partition_epoch.wrapping_add(1);
        Ok(())
    }
}

fn directories_or_migrating(directories: &[Uuid], replicas: usize) -> Vec<Uuid> {
    if directories.len() == replicas { directories.to_vec() } else { vec![DIRECTORY_MIGRATING; replicas] }
}

fn set_if_some(field: &mut Vec<i32>, change: &Option<Vec<i32>>) {
    if let Some(new) = change {
        field.clone_from(new);
    }
}
