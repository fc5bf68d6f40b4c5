//! Where a partition's replicas are and where they are to be. Never who leads.

use metadata::PartitionRegistration;

/// The replicas of a partition, and which of them come and go.
///
/// While a reassignment is in progress `replicas` holds all: those that stay, those being added and, last, those being
/// removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reassignment {
    pub(crate) replicas: Vec<i32>,
    pub(crate) removing: Vec<i32>,
    pub(crate) adding: Vec<i32>,
}

/// A partition after its reassignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) replicas: Vec<i32>,
    pub(crate) isr: Vec<i32>,
    /// The ISR holds a replica that was not in sync.
    pub(crate) is_unclean: bool,
}

impl Reassignment {
    /// As it stands.
    pub(crate) fn of(partition: &PartitionRegistration) -> Reassignment {
        Reassignment {
            replicas: partition.replicas.clone(),
            removing: partition.removing_replicas.clone(),
            adding: partition.adding_replicas.clone(),
        }
    }

    /// From these replicas to those.
    pub(crate) fn between(current: &[i32], target: &[i32]) -> Reassignment {
        let removing = sorted_difference(current, target);
        let adding = sorted_difference(target, current);
        let replicas = target.iter().chain(&removing).copied().collect();
        Reassignment { replicas, removing, adding }
    }

    pub(crate) fn is_in_progress(&self) -> bool {
        !self.removing.is_empty() || !self.adding.is_empty()
    }

    /// How many replicas there will be.
    pub(crate) fn replication_factor(&self) -> usize {
        self.replicas.iter().filter(|replica| !self.removing.contains(replica)).count()
    }

    /// The end of the reassignment, if the ISR is ready for it: all that are added are in sync, somebody stays in sync,
    /// and where there will be fewer replicas, all that stay are.
    pub(crate) fn completed(&self, isr: &[i32]) -> Option<Settled> {
        if !self.is_in_progress() {
            return None;
        }
        let stays = |replica: &i32| !self.removing.contains(replica);
        let replicas: Vec<i32> = self.replicas.iter().copied().filter(stays).collect();
        let isr: Vec<i32> = isr.iter().copied().filter(stays).collect();
        let loses_some = !self.removing.is_empty();
        if loses_some && (isr.is_empty() || replicas.is_empty()) {
            return None;
        }
        let in_sync = |wanted: &[i32]| wanted.iter().all(|replica| isr.contains(replica));
        let shrinks = self.adding.len() < self.removing.len();
        if !in_sync(&self.adding) || shrinks && !in_sync(&replicas) {
            return None;
        }
        Some(Settled { replicas, isr, is_unclean: false })
    }

    /// The way back: nothing is added, nothing removed. Where only added replicas are in sync, the first of the others
    /// has to stand in. `None` if nothing would be left.
    pub(crate) fn reverted(&self, isr: &[i32]) -> Option<Settled> {
        let was_there = |replica: &i32| !self.adding.contains(replica);
        let replicas: Vec<i32> = self.replicas.iter().copied().filter(was_there).collect();
        let isr: Vec<i32> = isr.iter().copied().filter(was_there).collect();
        if !isr.is_empty() {
            return Some(Settled { replicas, isr, is_unclean: false });
        }
        let stand_in = *replicas.first()?;
        Some(Settled { replicas, isr: vec![stand_in], is_unclean: true })
    }
}

fn sorted_difference(from: &[i32], without: &[i32]) -> Vec<i32> {
    let mut difference: Vec<i32> = from.iter().copied().filter(|id| !without.contains(id)).collect();
    difference.sort_unstable();
    difference.dedup();
    difference
}

#[cfg(test)]
mod tests;
