//! A consumer group's commits, made from outside of the group: offsets that only ever rise.

use std::collections::BTreeMap;

use platform::Rng;
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::{ErrorCode, OffsetCommitRequest, OffsetCommitResponse};

use super::{Client, Scene};
use crate::history::{Commit, Event, Membership, Topic};
use crate::value::Place;
use crate::wire::{Lost, Wire};

/// Longest pause between two commits, ms.
const PAUSE_LONGEST_MS: u64 = 20;

/// The group.
pub struct Committer {
    group: String,
    rng: Rng,
    next: BTreeMap<Place, i64>,
    skipped: i64,
}

impl Committer {
    /// A group that has committed nothing.
    pub fn new(group: &str, rng: Rng) -> Self {
        Self { group: group.to_owned(), rng, next: BTreeMap::new(), skipped: 0 }
    }

    /// Offsets go on far behind those of an earlier one.
    pub fn skip_numbers(&mut self) {
        self.skipped += i64::from(super::SKIPPED);
    }

    /// Commits for a topic by chance, as this member if there is one.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn commit_one(
        &mut self,
        member: Option<&Membership>,
        scene: &Scene,
        wire: &mut Wire,
        events: &mut Vec<Event>,
    ) -> Result<(), Lost> {
        match scene.any_topic(&self.rng) {
            Some(topic) => self.commit(&topic, member, wire, scene, events),
            None => Ok(()),
        }
    }

    fn commit(
        &mut self,
        topic: &Topic,
        member: Option<&Membership>,
        wire: &mut Wire,
        scene: &Scene,
        events: &mut Vec<Event>,
    ) -> Result<(), Lost> {
        let partition = i32::try_from(self.rng.below(topic.partitions.unsigned_abs().into())).unwrap_or(0);
        let place = Place { topic: topic.number, partition };
        let next = self.next.entry(place).or_insert(self.skipped);
        *next += 1;
        let commit = Commit { group: self.group.clone(), place, offset: *next };
        events.push(Event::Committing(commit.clone()));
        let asked = OffsetCommitRequestPartition {
            partition_index: partition,
            committed_offset: commit.offset,
            committed_metadata: Some(commit.offset.to_string().into()),
            ..OffsetCommitRequestPartition::default()
        };
        let request = OffsetCommitRequest {
            group_id: self.group.clone().into(),
            generation_id_or_member_epoch: member.map_or(-1, |member| member.generation),
            member_id: member.map_or_else(String::new, |member| member.id.clone()).into(),
            topics: vec![OffsetCommitRequestTopic {
                topic_id: topic.id,
                partitions: vec![asked],
                ..OffsetCommitRequestTopic::default()
            }],
            ..OffsetCommitRequest::default()
        };
        let answer: OffsetCommitResponse<'_> = wire.call(&request)?;
        let error =
            answer.topics.iter().flat_map(|topic| &topic.partitions).map(|told| told.error_code).next();
        match error {
            Some(ErrorCode::NONE) => events.push(Event::Committed(commit)),
            Some(error) if error.is_retriable() || !scene.is_used(topic.number) => {}
            _ => events.push(Event::Wrong(format!("a commit for {place} is refused: {error:?}"))),
        }
        Ok(())
    }
}

impl Client for Committer {
    fn play(&mut self, scene: &Scene, events: &mut Vec<Event>) -> Result<(), Lost> {
        let mut wire = Wire::connect(scene.address)?;
        while !scene.is_over() {
            self.commit_one(None, scene, &mut wire, events)?;
            std::thread::sleep(std::time::Duration::from_millis(self.rng.below(PAUSE_LONGEST_MS)));
        }
        Ok(())
    }
}
