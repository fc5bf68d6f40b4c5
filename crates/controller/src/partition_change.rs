//! How a partition's ISR, ELR, leader and replicas follow from brokers that come and go and from what is asked for.
//! Never when that happens.

use std::collections::BTreeSet;

use metadata::{
    ClusterImage, DIRECTORY_UNASSIGNED, LeaderRecoveryState, NO_LEADER, NO_LEADER_CHANGE,
    PartitionRegistration, TopicImage, is_online_directory,
};
use protocol::{MetadataRecord, PartitionChangeRecord, Uuid};

use crate::Controller;
use crate::reassignment::Reassignment;

/// How a leader may be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Election {
    /// Among those known to have everything committed, the first replica before all others.
    Preferred,
    /// Among those known to have everything committed, the present leader before all others.
    Online,
    /// Failing that, among all (`unclean.leader.election.enable`).
    Unclean,
}

/// A broker stops being fit for some of its replicas.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departure<'a> {
    broker_id: i32,
    kind: DepartureKind<'a>,
}

#[derive(Debug, Clone, Copy)]
enum DepartureKind<'a> {
    /// It leaves each ISR, and may stay eligible.
    Fenced,
    /// As fenced; leaderships by eligibility are looked at too.
    Unregistered,
    /// It may have lost records it acknowledged, so it is not even eligible.
    Unclean,
    /// It lost some of its directories.
    Directories(&'a [Uuid]),
}

impl<'a> Departure<'a> {
    pub(crate) fn fenced(broker_id: i32) -> Departure<'static> {
        Departure { broker_id, kind: DepartureKind::Fenced }
    }

    pub(crate) fn unregistered(broker_id: i32) -> Departure<'static> {
        Departure { broker_id, kind: DepartureKind::Unregistered }
    }

    /// The earlier incarnation of a broker that registers anew.
    pub(crate) fn of_earlier_incarnation(broker_id: i32, is_clean: bool) -> Departure<'static> {
        Departure { broker_id, kind: if is_clean { DepartureKind::Fenced } else { DepartureKind::Unclean } }
    }

    pub(crate) fn of_directories(broker_id: i32, offline: &'a [Uuid]) -> Departure<'a> {
        Departure { broker_id, kind: DepartureKind::Directories(offline) }
    }

    fn concerns(&self, partition: &PartitionRegistration) -> bool {
        let id = self.broker_id;
        match self.kind {
            DepartureKind::Fenced => partition.isr.contains(&id),
            DepartureKind::Unregistered | DepartureKind::Unclean => {
                partition.isr.contains(&id) || partition.elr.contains(&id)
            }
            DepartureKind::Directories(offline) => {
                partition.directory(id).is_some_and(|directory| offline.contains(&directory))
            }
        }
    }
}

impl Controller {
    /// The partition changes that follow from a departure.
    pub(crate) fn departure_records(&self, departure: Departure<'_>) -> Vec<MetadataRecord<'static>> {
        let mut records = Vec::new();
        for topic in self.image().topics().iter() {
            let concerned = topic.partitions().filter(|(_, partition)| departure.concerns(partition));
            self.depart(departure, topic, concerned, &mut records);
        }
        records
    }

    /// The change of one partition that follows from a departure, whether it concerns it or not.
    pub(crate) fn departure_record(
        &self,
        departure: Departure<'_>,
        topic: &TopicImage,
        partition_id: i32,
        partition: &PartitionRegistration,
    ) -> Vec<MetadataRecord<'static>> {
        let mut records = Vec::new();
        self.depart(departure, topic, std::iter::once((partition_id, partition)), &mut records);
        records
    }

    fn depart<'p>(
        &self,
        departure: Departure<'_>,
        topic: &TopicImage,
        partitions: impl Iterator<Item = (i32, &'p PartitionRegistration)>,
        records: &mut Vec<MetadataRecord<'static>>,
    ) {
        let id = departure.broker_id;
        let is_elr_enabled = self.features().eligible_leader_replicas();
        let is_unclean = matches!(departure.kind, DepartureKind::Unclean) && is_elr_enabled;
        let is_acceptable = |broker: i32| broker != id && self.is_active(broker);
        self.change_partitions(topic, partitions, &is_acceptable, records, |change| {
            change.target_isr.retain(|member| *member != id);
            change.unclean_shutdown = is_unclean.then_some(id);
        });
    }

    /// The change by which a partition that has no leader gets one; `None` if it gets none.
    pub(crate) fn leader_change(
        &self,
        topic: &TopicImage,
        partition_id: i32,
        partition: &PartitionRegistration,
    ) -> Option<PartitionChangeRecord> {
        let is_acceptable = |broker: i32| self.is_active(broker);
        let mut records = Vec::new();
        let only = std::iter::once((partition_id, partition));
        self.change_partitions(topic, only, &is_acceptable, &mut records, |_| {});
        match records.pop() {
            Some(MetadataRecord::PartitionChange(record)) => Some(record),
            _ => None,
        }
    }

    /// The partition changes that follow from a broker being unfenced: what has no leader may find one.
    pub(crate) fn arrival_records(&self, id: i32) -> Vec<MetadataRecord<'static>> {
        let is_acceptable = |broker: i32| broker == id || self.is_active(broker);
        let mut records = Vec::new();
        for topic in self.image().topics().iter() {
            let leaderless = topic.partitions().filter(|(_, partition)| !partition.has_leader());
            self.change_partitions(topic, leaderless, &is_acceptable, &mut records, |_| {});
        }
        records
    }

    fn change_partitions<'p>(
        &self,
        topic: &TopicImage,
        partitions: impl Iterator<Item = (i32, &'p PartitionRegistration)>,
        is_acceptable_broker: &dyn Fn(i32) -> bool,
        records: &mut Vec<MetadataRecord<'static>>,
        adjust: impl Fn(&mut PartitionChange<'_>),
    ) {
        let mut settings = None;
        for (partition_id, partition) in partitions {
            let (min_isr, election) = *settings.get_or_insert_with(|| self.election_settings(topic));
            let is_acceptable_leader =
                |broker: i32| is_acceptable_broker(broker) && self.has_online_directory(broker, partition);
            let rules = self.change_rules(min_isr, &is_acceptable_leader);
            let mut change = PartitionChange::new(partition, rules, election);
            adjust(&mut change);
            records.extend(change.build(topic.id(), partition_id).map(MetadataRecord::PartitionChange));
        }
    }

    /// The change of one partition that `adjust` asks for, while all brokers are what they are.
    pub(crate) fn change_partition(
        &self,
        topic: &TopicImage,
        partition_id: i32,
        partition: &PartitionRegistration,
        election: Election,
        adjust: impl FnOnce(&mut PartitionChange<'_>),
    ) -> Option<MetadataRecord<'static>> {
        let is_acceptable_leader =
            |broker: i32| self.is_active(broker) && self.has_online_directory(broker, partition);
        let rules = self.change_rules(self.effective_min_isr(topic), &is_acceptable_leader);
        let mut change = PartitionChange::new(partition, rules, election);
        adjust(&mut change);
        change.build(topic.id(), partition_id).map(MetadataRecord::PartitionChange)
    }

    /// How leaders are found where nobody asks for a special election: the topic decides.
    pub(crate) fn usual_election(&self, topic: &TopicImage) -> Election {
        let is_unclean_allowed = self.topic_config(topic.name()).unclean_leader_election_enable;
        if is_unclean_allowed { Election::Unclean } else { Election::Online }
    }

    fn change_rules<'a>(
        &'a self,
        min_isr: usize,
        is_acceptable_leader: &'a dyn Fn(i32) -> bool,
    ) -> ChangeRules<'a> {
        ChangeRules {
            is_acceptable_leader,
            cluster: self.image().cluster(),
            min_isr,
            is_elr_enabled: self.features().eligible_leader_replicas(),
        }
    }

    fn election_settings(&self, topic: &TopicImage) -> (usize, Election) {
        (self.effective_min_isr(topic), self.usual_election(topic))
    }

    fn has_online_directory(&self, broker_id: i32, partition: &PartitionRegistration) -> bool {
        let Some(broker) = self.image().cluster().broker(broker_id) else { return false };
        partition.directory(broker_id).is_some_and(|id| is_online_directory(id, &broker.directories))
    }
}

/// What a change must keep to.
#[derive(Clone, Copy)]
pub(crate) struct ChangeRules<'a> {
    pub(crate) is_acceptable_leader: &'a dyn Fn(i32) -> bool,
    pub(crate) cluster: &'a ClusterImage,
    /// Effective `min.insync.replicas`.
    pub(crate) min_isr: usize,
    /// `eligible.leader.replicas.version` ≥ 1.
    pub(crate) is_elr_enabled: bool,
}

/// A change of one partition in the making.
pub(crate) struct PartitionChange<'a> {
    partition: &'a PartitionRegistration,
    rules: ChangeRules<'a>,
    election: Election,
    /// The ISR as it should become.
    pub(crate) target_isr: Vec<i32>,
    /// The replicas as they should become.
    pub(crate) target: Reassignment,
    /// A broker that may have lost records it acknowledged.
    pub(crate) unclean_shutdown: Option<i32>,
}

/// A leader found, and whether it may lack committed records.
struct Elected {
    leader: i32,
    is_unclean: bool,
}

impl<'a> PartitionChange<'a> {
    pub(crate) fn new(
        partition: &'a PartitionRegistration,
        rules: ChangeRules<'a>,
        election: Election,
    ) -> PartitionChange<'a> {
        PartitionChange {
            partition,
            rules,
            election,
            target_isr: partition.isr.clone(),
            target: Reassignment::of(partition),
            unclean_shutdown: None,
        }
    }

    /// The record, or `None` if nothing changes.
    ///
    /// While the ISR is below `min.insync.replicas` the high watermark cannot advance, so members that left it since
    /// then still have everything committed: they form the ELR (KIP-966). A partition without ISR and ELR remembers
    /// its last leader, which is then the first choice even though it may have lost something.
    pub(crate) fn build(mut self, topic_id: Uuid, partition_id: i32) -> Option<PartitionChangeRecord> {
        let mut record = PartitionChangeRecord { topic_id, partition_id, ..PartitionChangeRecord::default() };
        self.complete_reassignment();
        let mut target_elr = self.target_elr();
        let elected = self.elect(&target_elr);
        if elected.leader != self.partition.leader {
            record.leader = elected.leader;
            if target_elr.contains(&elected.leader) {
                self.target_isr = vec![elected.leader];
                target_elr.retain(|member| *member != elected.leader);
            }
            if elected.is_unclean {
                record.isr = Some(vec![elected.leader]);
                if self.partition.leader_recovery_state != LeaderRecoveryState::Recovering {
                    record.leader_recovery_state = LeaderRecoveryState::Recovering.value();
                }
            }
        }
        self.raise_epoch_if_a_replica_goes(&mut record);
        if record.isr.is_some() || !self.rules.is_elr_enabled {
            target_elr.clear();
        }
        if target_elr != self.partition.elr {
            record.eligible_leader_replicas = Some(target_elr);
        }
        let may_be_empty = self.rules.is_elr_enabled || !self.target_isr.is_empty();
        if record.isr.is_none() && may_be_empty && self.target_isr != self.partition.isr {
            record.isr = Some(self.target_isr.clone());
        }
        self.remember_last_leader(&mut record);
        self.assign(&mut record);
        is_change(&record).then_some(record)
    }

    fn complete_reassignment(&mut self) {
        if let Some(settled) = self.target.completed(&self.target_isr) {
            self.target_isr = settled.isr;
            self.target =
                Reassignment { replicas: settled.replicas, removing: Vec::new(), adding: Vec::new() };
        }
    }

    /// A replica that is taken away must learn that its leader's epoch is over.
    fn raise_epoch_if_a_replica_goes(&self, record: &mut PartitionChangeRecord) {
        let stays = |replica: &i32| self.target.replicas.contains(replica);
        if record.leader == NO_LEADER_CHANGE && !self.partition.replicas.iter().all(stays) {
            record.leader = self.partition.leader;
        }
    }

    fn assign(&self, record: &mut PartitionChangeRecord) {
        let Reassignment { replicas, removing, adding } = &self.target;
        let directory = |id: &i32| {
            let default = || self.rules.cluster.broker(*id).map(|broker| broker.default_directory());
            self.partition.directory(*id).or_else(default).unwrap_or(DIRECTORY_UNASSIGNED)
        };
        if !replicas.is_empty() {
            let directories: Vec<Uuid> = replicas.iter().map(directory).collect();
            record.directories = (directories != self.partition.directories).then_some(directories);
            record.replicas = (*replicas != self.partition.replicas).then(|| replicas.clone());
        }
        record.removing_replicas = (*removing != self.partition.removing_replicas).then(|| removing.clone());
        record.adding_replicas = (*adding != self.partition.adding_replicas).then(|| adding.clone());
    }

    fn target_elr(&self) -> Vec<i32> {
        if !self.rules.is_elr_enabled {
            return self.partition.elr.clone();
        }
        if self.target_isr.len() >= self.rules.min_isr {
            return Vec::new();
        }
        let candidates: BTreeSet<i32> =
            self.partition.elr.iter().chain(&self.partition.isr).copied().collect();
        candidates
            .into_iter()
            .filter(|member| !self.target_isr.contains(member) && self.unclean_shutdown != Some(*member))
            .collect()
    }

    fn elect(&self, target_elr: &[i32]) -> Elected {
        let may_lead = |replica: i32| {
            let has_everything = self.target_isr.contains(&replica)
                || self.target_isr.is_empty() && target_elr.contains(&replica);
            has_everything && (self.rules.is_acceptable_leader)(replica)
        };
        let clean = |leader: i32| Elected { leader, is_unclean: false };
        let replicas = || self.target.replicas.iter().copied();
        if self.election == Election::Preferred
            && let Some(preferred) = replicas().next().filter(|replica| may_lead(*replica))
        {
            return clean(preferred);
        }
        if may_lead(self.partition.leader) {
            return clean(self.partition.leader);
        }
        if let Some(leader) = replicas().find(|replica| may_lead(*replica)) {
            return clean(leader);
        }
        if let Some(leader) = self.last_known_leader(target_elr) {
            return Elected { leader, is_unclean: true };
        }
        if self.election == Election::Unclean
            && let Some(leader) = replicas().find(|replica| (self.rules.is_acceptable_leader)(*replica))
        {
            return Elected { leader, is_unclean: true };
        }
        clean(NO_LEADER)
    }

    fn last_known_leader(&self, target_elr: &[i32]) -> Option<i32> {
        if !self.rules.is_elr_enabled || !target_elr.is_empty() || !self.target_isr.is_empty() {
            return None;
        }
        // Only a single entry is the last leader; several are what an older rule remembered of the ELR.
        match self.partition.last_known_elr.as_slice() {
            [leader] if (self.rules.is_acceptable_leader)(*leader) => Some(*leader),
            _ => None,
        }
    }

    fn remember_last_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.rules.is_elr_enabled {
            return;
        }
        let known = &self.partition.last_known_elr;
        if record.leader == NO_LEADER && known.is_empty() {
            record.last_known_elr = Some(vec![self.partition.leader]);
        } else if record.leader >= 0 && !known.is_empty() {
            record.last_known_elr = Some(Vec::new());
        }
    }
}

fn is_change(record: &PartitionChangeRecord) -> bool {
    let no_recovery_change = PartitionChangeRecord::default().leader_recovery_state;
    record.isr.is_some()
        || record.eligible_leader_replicas.is_some()
        || record.last_known_elr.is_some()
        || record.leader != NO_LEADER_CHANGE
        || record.replicas.is_some()
        || record.removing_replicas.is_some()
        || record.adding_replicas.is_some()
        || record.directories.is_some()
        || record.leader_recovery_state != no_recovery_change
}

#[cfg(test)]
mod tests;
