//! Owns the rules about the group: a partition has one owner per generation, old generations commit nothing, commits
//! stay, and what is committed was delivered.

use std::collections::{BTreeMap, BTreeSet};

use super::{Judge, Promise};
use crate::history::{Entry, Event, Stamp};

impl Judge<'_> {
    pub(super) fn groups(&mut self) {
        self.a_partition_has_one_owner();
        self.old_generations_commit_nothing();
        self.commits_stay();
        self.what_is_committed_was_delivered();
    }

    fn a_partition_has_one_owner(&mut self) {
        let mut owners: BTreeMap<(u32, i32, i32), &str> = BTreeMap::new();
        let mut wrong = Vec::new();
        for entry in self.entries {
            let Event::Assigned { member, generation, partitions } = &entry.event else { continue };
            for partition in partitions {
                // With its memory, a coordinator may lose count of the generations.
                let era = if self.promise == Promise::Durable { 0 } else { entry.ended.era };
                let other = owners.insert((era, *generation, *partition), member);
                if let Some(other) = other.filter(|other| other != member) {
                    wrong.push(format!("partition {partition} is {other}'s and {member}'s in {generation}"));
                }
            }
        }
        wrong.into_iter().for_each(|what| self.violation("a partition has one owner", what));
    }

    fn old_generations_commit_nothing(&mut self) {
        let mut newest: Vec<(Stamp, i32)> = Vec::new();
        let mut wrong = Vec::new();
        for entry in self.entries {
            match &entry.event {
                Event::Assigned { generation, .. } => newest.push((entry.ended, *generation)),
                Event::Committed { member, generation, partition, offset } => {
                    let known =
                        newest.iter().filter(|(at, _)| *at < entry.began && self.binds(*at, entry.ended.era));
                    if let Some(newer) = known.map(|(_, g)| *g).max().filter(|newer| newer > generation) {
                        wrong.push(format!(
                            "{member} committed {partition}/{offset} in {generation} after {newer} began"
                        ));
                    }
                }
                _ => {}
            }
        }
        wrong.into_iter().for_each(|what| self.violation("old generations commit nothing", what));
    }

    /// What is committed is what was committed last; or what somebody tried to commit since, without an answer. (Going
    /// back is a member's right: where the power took records, positions lie beyond the end.)
    fn commits_stay(&mut self) {
        let mut commits: BTreeMap<i32, Vec<(Entry, i64)>> = BTreeMap::new();
        let mut tries: BTreeMap<i32, Vec<(Stamp, i64)>> = BTreeMap::new();
        let mut wrong = Vec::new();
        for entry in self.entries {
            match entry.event {
                Event::Committing { partition, offset } => {
                    tries.entry(partition).or_default().push((entry.began, offset));
                }
                Event::Committed { partition, offset, .. } => {
                    commits.entry(partition).or_default().push((entry.clone(), offset));
                }
                Event::CommittedIs { partition, offset } => {
                    let commits = commits.get(&partition).into_iter().flatten();
                    let mut told = commits.filter(|(commit, _)| {
                        commit.ended.at_us < entry.began.at_us && self.binds(commit.began, entry.ended.era)
                    });
                    let Some((last, committed)) =
                        told.next_back().filter(|(_, committed)| offset < *committed)
                    else {
                        continue;
                    };
                    let mut tries = tries.get(&partition).into_iter().flatten();
                    if !tries.any(|(at, tried)| *at >= last.began && *tried == offset) {
                        wrong.push(format!(
                            "partition {partition}: {offset} is committed after {committed} was"
                        ));
                    }
                }
                _ => {}
            }
        }
        wrong.into_iter().for_each(|what| self.violation("commits stay", what));
    }

    /// Every record below what is committed went to some member. Where the power may take records, offsets are used
    /// twice and the rule says nothing.
    fn what_is_committed_was_delivered(&mut self) {
        if self.promise == Promise::PageCache && self.facts.last_era > 0 {
            return;
        }
        let members: BTreeSet<&str> = self
            .entries
            .iter()
            .filter_map(|entry| match &entry.event {
                Event::Assigned { member, .. } => Some(member.as_str()),
                _ => None,
            })
            .collect();
        let mut delivered: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
        let mut committed: BTreeMap<i32, i64> = BTreeMap::new();
        for entry in self.entries {
            match &entry.event {
                Event::Read { reader, partition, offset, .. } if members.contains(reader.as_str()) => {
                    delivered.entry(*partition).or_default().insert(*offset);
                }
                Event::CommittedIs { partition, offset } => _ = committed.insert(*partition, *offset),
                _ => {}
            }
        }
        let empty = BTreeSet::new();
        for (partition, end) in committed {
            let delivered = delivered.get(&partition).unwrap_or(&empty);
            if let Some(missing) = (0..end).find(|offset| !delivered.contains(offset)) {
                let what = format!("partition {partition}: {end} is committed, {missing} went to nobody");
                self.violation("what is committed was delivered", what);
            }
        }
    }
}
