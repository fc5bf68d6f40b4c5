//! ISR, ELR and leader of one partition after each kind of event.

use metadata::{ClusterImage, LeaderRecoveryState, PartitionRegistration};
use protocol::Uuid;

use super::{ChangeRules, Election, PartitionChange};

/// A partition, and who is alive.
struct Case {
    partition: PartitionRegistration,
    alive: Vec<i32>,
    min_isr: usize,
    is_elr_enabled: bool,
    election: Election,
}

fn partition(replicas: &[i32], isr: &[i32], leader: i32) -> Case {
    Case {
        partition: PartitionRegistration {
            replicas: replicas.to_vec(),
            directories: vec![Uuid::ZERO; replicas.len()],
            isr: isr.to_vec(),
            removing_replicas: vec![],
            adding_replicas: vec![],
            elr: vec![],
            last_known_elr: vec![],
            leader,
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: 5,
            partition_epoch: 9,
        },
        alive: replicas.to_vec(),
        min_isr: 2,
        is_elr_enabled: true,
        election: Election::Online,
    }
}

impl Case {
    fn elr(mut self, elr: &[i32], last_known: &[i32]) -> Case {
        self.partition.elr = elr.to_vec();
        self.partition.last_known_elr = last_known.to_vec();
        self
    }

    fn min_isr(mut self, min_isr: usize) -> Case {
        self.min_isr = min_isr;
        self
    }

    fn alive(mut self, alive: &[i32]) -> Case {
        self.alive = alive.to_vec();
        self
    }

    fn unclean_allowed(mut self) -> Case {
        self.election = Election::Unclean;
        self
    }

    fn without_elr(mut self) -> Case {
        self.is_elr_enabled = false;
        self
    }

    fn change(&self, target_isr: Vec<i32>, unclean_shutdown: Option<i32>) -> String {
        let is_acceptable_leader = |id: i32| self.alive.contains(&id);
        let rules = ChangeRules {
            is_acceptable_leader: &is_acceptable_leader,
            cluster: &ClusterImage::default(),
            min_isr: self.min_isr,
            is_elr_enabled: self.is_elr_enabled,
        };
        let mut change = PartitionChange::new(&self.partition, rules, self.election);
        change.target_isr = target_isr;
        change.unclean_shutdown = unclean_shutdown;
        let Some(record) = change.build(Uuid::ZERO, 0) else { return "nothing".to_owned() };
        let mut words = Vec::new();
        let mut list = |name: &str, ids: &Option<Vec<i32>>| {
            if let Some(ids) = ids {
                words.push(format!("{name}={ids:?}"));
            }
        };
        list("isr", &record.isr);
        list("elr", &record.eligible_leader_replicas);
        list("last", &record.last_known_elr);
        if record.leader != metadata::NO_LEADER_CHANGE {
            words.push(format!("leader={}", record.leader));
        }
        if record.leader_recovery_state >= 0 {
            words.push(format!("recovery={}", record.leader_recovery_state));
        }
        words.join(" ")
    }

    /// The broker is fenced.
    fn leaves(mut self, id: i32) -> String {
        self.alive.retain(|alive| *alive != id);
        let target = self.partition.isr.iter().copied().filter(|member| *member != id).collect();
        self.change(target, None)
    }

    /// A new incarnation of the broker registers after an unclean stop.
    fn crashed(mut self, id: i32) -> String {
        self.alive.retain(|alive| *alive != id);
        let target = self.partition.isr.iter().copied().filter(|member| *member != id).collect();
        self.change(target, Some(id))
    }

    /// The alive brokers are looked at again.
    fn reconsider(self) -> String {
        self.change(self.partition.isr.clone(), None)
    }
}

#[test]
fn a_follower_leaves_and_the_leader_stays() {
    assert_eq!(partition(&[1, 2, 3], &[1, 2, 3], 1).leaves(3), "isr=[1, 2]");
}

#[test]
fn the_leader_leaves_and_the_next_replica_of_the_isr_leads() {
    assert_eq!(partition(&[1, 2, 3], &[1, 3, 2], 1).leaves(1), "isr=[3, 2] leader=2");
    assert_eq!(partition(&[1, 2, 3], &[1, 3], 1).leaves(1), "isr=[3] elr=[1] leader=3");
}

#[test]
fn below_min_isr_whoever_leaves_stays_eligible() {
    assert_eq!(partition(&[1, 2, 3], &[1, 2], 1).leaves(2), "isr=[1] elr=[2]");
    assert_eq!(partition(&[1, 2, 3], &[1], 1).elr(&[2], &[]).leaves(1), "isr=[2] elr=[1] leader=2");
}

#[test]
fn the_last_replica_leaves_and_is_remembered() {
    let alone = || partition(&[1], &[1], 1).min_isr(1);
    assert_eq!(alone().leaves(1), "isr=[] elr=[1] last=[1] leader=-1");
    assert_eq!(alone().crashed(1), "isr=[] last=[1] leader=-1");
    assert_eq!(alone().without_elr().leaves(1), "leader=-1", "without ELR the ISR is never empty");
}

#[test]
fn an_eligible_replica_leads_again_cleanly() {
    let fenced = partition(&[1], &[], -1).min_isr(1).elr(&[1], &[1]);
    assert_eq!(fenced.reconsider(), "isr=[1] elr=[] last=[] leader=1");
}

#[test]
fn the_last_known_leader_leads_again_and_has_to_recover() {
    let crashed = || partition(&[1], &[], -1).min_isr(1).elr(&[], &[1]);
    assert_eq!(crashed().reconsider(), "isr=[1] last=[] leader=1 recovery=1");
    assert_eq!(crashed().alive(&[]).reconsider(), "nothing");
    // Several entries are what an older rule remembered, not a last leader.
    assert_eq!(partition(&[1, 2], &[], -1).elr(&[], &[1, 2]).reconsider(), "nothing");
}

#[test]
fn a_crashed_follower_is_not_eligible() {
    assert_eq!(partition(&[1, 2, 3], &[1, 2], 1).crashed(2), "isr=[1]");
    assert_eq!(partition(&[1, 2, 3], &[1], 1).elr(&[2, 3], &[]).crashed(2), "elr=[3]");
}

#[test]
fn nobody_fit_means_no_leader_unless_unclean_election_is_allowed() {
    let lost = || partition(&[1, 2, 3], &[1], 1).alive(&[1, 3]).min_isr(1);
    assert_eq!(lost().leaves(1), "isr=[] elr=[1] last=[1] leader=-1");
    assert_eq!(lost().unclean_allowed().leaves(1), "isr=[3] leader=3 recovery=1");
    assert_eq!(lost().without_elr().leaves(1), "leader=-1");
    assert_eq!(lost().without_elr().unclean_allowed().leaves(1), "isr=[3] leader=3 recovery=1");
}

#[test]
fn a_full_isr_needs_no_elr() {
    assert_eq!(partition(&[1, 2, 3], &[1, 2], 1).elr(&[3], &[]).reconsider(), "elr=[]");
    assert_eq!(partition(&[1, 2, 3], &[1, 2, 3], 1).reconsider(), "nothing");
}
