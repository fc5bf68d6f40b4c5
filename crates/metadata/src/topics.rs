//! Topics by name and by id, with their partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::{MetadataRecord, PartitionChangeRecord, PartitionRecord, TopicRecord, Uuid};

use crate::{PartitionRegistration, ReplayError};

/// A topic and its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    name: Arc<str>,
    id: Uuid,
    partitions: BTreeMap<i32, Arc<PartitionRegistration>>,
}

impl TopicImage {
    /// Name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name, shared.
    pub fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    /// Id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Partitions by number.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = (i32, &PartitionRegistration)> {
        self.partitions.iter().map(|(index, partition)| (*index, partition.as_ref()))
    }

    /// How many partitions.
    pub fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    /// The partition with this number.
    pub fn partition(&self, index: i32) -> Option<&PartitionRegistration> {
        self.partitions.get(&index).map(Arc::as_ref)
    }
}

/// All topics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicsImage {
    by_id: BTreeMap<Uuid, Arc<TopicImage>>,
    by_name: BTreeMap<Arc<str>, Uuid>,
    partition_count: usize,
}

impl TopicsImage {
    /// The topic with this name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// The topic with this id.
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.by_id.get(&id)
    }

    /// Topics by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<TopicImage>> {
        self.by_name.values().map(|id| self.by_id.get(id).expect("both maps hold the same topics"))
    }

    /// Topics by name, from a name on.
    pub fn iter_from<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Arc<TopicImage>> {
        let range = (std::ops::Bound::Included(name), std::ops::Bound::Unbounded);
        self.by_name.range::<str, _>(range).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// How many topics.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many partitions all topics have together.
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    pub(crate) fn replay_topic(&mut self, record: &TopicRecord<'_>) -> Result<(), ReplayError> {
        if self.by_name.contains_key(record.name.as_ref()) || self.by_id.contains_key(&record.topic_id) {
            let name = record.name.clone().into_owned();
            return Err(ReplayError::DuplicateTopic { name, topic_id: record.topic_id });
        }
        let name: Arc<str> = record.name.as_ref().into();
        let topic = TopicImage { name: name.clone(), id: record.topic_id, partitions: BTreeMap::new() };
        self.by_id.insert(record.topic_id, Arc::new(topic));
        self.by_name.insert(name, record.topic_id);
        Ok(())
    }

    pub(crate) fn replay_partition(&mut self, record: &PartitionRecord) -> Result<(), ReplayError> {
        let partition = PartitionRegistration::from_record(record)?;
        let topic = self.topic_mut("PartitionRecord", record.topic_id)?;
        if topic.partitions.insert(record.partition_id, Arc::new(partition)).is_none() {
            self.partition_count += 1;
        }
        Ok(())
    }

    pub(crate) fn replay_partition_change(
        &mut self,
        record: &PartitionChangeRecord,
    ) -> Result<(), ReplayError> {
        let topic = self.topic_mut("PartitionChangeRecord", record.topic_id)?;
        let partition =
            topic.partitions.get_mut(&record.partition_id).ok_or(ReplayError::UnknownPartition {
                topic_id: record.topic_id,
                partition: record.partition_id,
            })?;
        Arc::make_mut(partition).apply(record)
    }

    pub(crate) fn replay_remove_topic(&mut self, topic_id: Uuid) -> Result<Arc<TopicImage>, ReplayError> {
        let unknown = ReplayError::UnknownTopicId { record: "RemoveTopicRecord", topic_id };
        let topic = self.by_id.remove(&topic_id).ok_or(unknown)?;
        self.by_name.remove(&topic.name);
        self.partition_count -= topic.partitions.len();
        Ok(topic)
    }

    /// Forgets the eligible leader replicas of one topic, or of all if the name is empty. Returns which partitions
    /// changed.
    pub(crate) fn replay_clear_elr(&mut self, name: &str) -> Result<Vec<(Uuid, i32)>, ReplayError> {
        let ids: Vec<Uuid> = if name.is_empty() {
            self.by_id.keys().copied().collect()
        } else {
            let unknown = || ReplayError::UnknownTopic { record: "ClearElrRecord", name: name.to_owned() };
            vec![*self.by_name.get(name).ok_or_else(unknown)?]
        };
        let mut changed = Vec::new();
        for id in ids {
            let Some(topic) = self.by_id.get_mut(&id) else { continue };
            let with_elr = |partition: &PartitionRegistration| {
                !partition.elr.is_empty() || !partition.last_known_elr.is_empty()
            };
            if !topic.partitions.values().any(|partition| with_elr(partition)) {
                continue;
            }
            for (index, partition) in &mut Arc::make_mut(topic).partitions {
                if with_elr(partition) {
                    let partition = Arc::make_mut(partition);
                    partition.elr.clear();
                    partition.last_known_elr.clear();
                    partition.partition_epoch = partition.partition_epoch.wrapping_add(1);
                    changed.push((id, *index));
                }
            }
        }
        Ok(changed)
    }

    pub(crate) fn write(&self, out: &mut Vec<MetadataRecord<'static>>) {
        for topic in self.iter() {
            let name = topic.name().to_owned().into();
            out.push(MetadataRecord::Topic(TopicRecord { name, topic_id: topic.id }));
            out.extend(
                topic.partitions().map(|(index, partition)| {
                    MetadataRecord::Partition(partition.to_record(topic.id, index))
                }),
            );
        }
    }

    fn topic_mut(&mut self, record: &'static str, topic_id: Uuid) -> Result<&mut TopicImage, ReplayError> {
        let topic = self.by_id.get_mut(&topic_id).ok_or(ReplayError::UnknownTopicId { record, topic_id })?;
        Ok(Arc::make_mut(topic))
    }
}
