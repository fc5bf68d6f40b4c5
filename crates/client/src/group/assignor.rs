//! Which member of a group gets which partitions.
//!
//! Owns Kafka's range and round-robin rules; the leader of a group applies one for all. It never asks a cluster.

use std::collections::BTreeMap;

use crate::topic_partition::TopicPartition;

/// A rule for sharing partitions out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Neighbouring partitions of each topic go to one member.
    Range,
    /// Partitions of all topics go round the members.
    RoundRobin,
}

impl Assignor {
    /// The rule's name in the group's protocol.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
        }
    }

    /// The rule of this name.
    pub(crate) fn from_name(name: &str) -> Option<Assignor> {
        [Assignor::Range, Assignor::RoundRobin].into_iter().find(|assignor| assignor.name() == name)
    }

    /// Shares out all partitions of the topics that members subscribe to; `partitions` says how many each topic has.
    pub(crate) fn assign(
        self,
        members: &[Subscriber],
        partitions: &BTreeMap<String, i32>,
    ) -> BTreeMap<String, Vec<TopicPartition>> {
        let mut sorted: Vec<&Subscriber> = members.iter().collect();
        // Static members come first and keep their order when they are started anew.
        sorted.sort_by_key(|member| (member.instance_id.is_none(), &member.instance_id, &member.id));
        let mut assigned: BTreeMap<String, Vec<TopicPartition>> =
            members.iter().map(|member| (member.id.clone(), Vec::new())).collect();
        match self {
            Assignor::Range => {
                for (topic, count) in partitions {
                    range(topic, *count, &sorted, &mut assigned);
                }
            }
            Assignor::RoundRobin => round_robin(&sorted, partitions, &mut assigned),
        }
        assigned
    }
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub id: String,
    pub instance_id: Option<String>,
    pub topics: Vec<String>,
}

impl Subscriber {
    fn wants(&self, topic: &str) -> bool {
        self.topics.iter().any(|wanted| wanted == topic)
    }
}

type Assigned = BTreeMap<String, Vec<TopicPartition>>;

fn range(topic: &str, count: i32, sorted: &[&Subscriber], assigned: &mut Assigned) {
    let takers: Vec<&&Subscriber> = sorted.iter().filter(|member| member.wants(topic)).collect();
    let Ok(takers_count) = i32::try_from(takers.len()) else { return };
    if takers_count == 0 {
        return;
    }
    let (each, more) = (count / takers_count, count % takers_count);
    let mut next = 0;
    for (index, member) in (0..takers_count).zip(takers) {
        let share = each + i32::from(index < more);
        let own = assigned.entry(member.id.clone()).or_default();
        own.extend((next..next + share).map(|partition| TopicPartition::new(topic, partition)));
        next += share;
    }
}

fn round_robin(sorted: &[&Subscriber], partitions: &BTreeMap<String, i32>, assigned: &mut Assigned) {
    let mut turn = 0;
    for (topic, count) in partitions {
        if !sorted.iter().any(|member| member.wants(topic)) {
            continue;
        }
        for partition in 0..*count {
            while !sorted[turn % sorted.len()].wants(topic) {
                turn += 1;
            }
            let member = sorted[turn % sorted.len()];
            assigned.entry(member.id.clone()).or_default().push(TopicPartition::new(topic, partition));
            turn += 1;
        }
    }
}

#[cfg(test)]
mod tests;
