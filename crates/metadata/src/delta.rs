//! One step from image to image: replays records and notes what they touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::{MetadataRecord, Uuid};

use crate::{ConfigResource, MetadataImage, Provenance, ReplayError, TopicImage};

/// A partition by topic id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartitionId {
    /// Topic id.
    pub topic_id: Uuid,
    /// Partition.
    pub partition: i32,
}

/// The difference between two images.
///
/// Made from a base image, fed with records, it holds the new image and knows what differs: that is what owners of
/// partitions, connections and groups act upon.
#[derive(Debug, Clone)]
pub struct MetadataDelta {
    base: MetadataImage,
    image: MetadataImage,
    created_topics: BTreeSet<Uuid>,
    deleted_topics: BTreeMap<Uuid, Arc<TopicImage>>,
    changed_partitions: BTreeSet<TopicPartitionId>,
    changed_configs: BTreeSet<ConfigResource>,
    changed_brokers: BTreeSet<i32>,
    features_changed: bool,
    records: u64,
}

impl MetadataDelta {
    /// No difference yet.
    pub fn new(base: MetadataImage) -> MetadataDelta {
        MetadataDelta {
            image: base.clone(),
            base,
            created_topics: BTreeSet::new(),
            deleted_topics: BTreeMap::new(),
            changed_partitions: BTreeSet::new(),
            changed_configs: BTreeSet::new(),
            changed_brokers: BTreeSet::new(),
            features_changed: false,
            records: 0,
        }
    }

    /// The image before.
    pub fn base(&self) -> &MetadataImage {
        &self.base
    }

    /// The image after.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// How many records were replayed.
    pub fn record_count(&self) -> u64 {
        self.records
    }

    /// True if no record was replayed.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Ids of topics that exist after and did not before.
    pub fn created_topics(&self) -> impl Iterator<Item = Uuid> {
        self.created_topics.iter().copied()
    }

    /// Topics that existed before and do not after, as they were.
    pub fn deleted_topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.deleted_topics.values()
    }

    /// Partitions that exist after and were created or changed, those of created topics among them. Their state is
    /// in [`MetadataDelta::image`], the earlier one, if any, in [`MetadataDelta::base`].
    pub fn changed_partitions(&self) -> impl Iterator<Item = TopicPartitionId> {
        self.changed_partitions.iter().copied()
    }

    /// Resources whose dynamic configuration changed, those of deleted topics among them.
    pub fn changed_configs(&self) -> impl Iterator<Item = &ConfigResource> {
        self.changed_configs.iter()
    }

    /// Brokers that were registered, changed or unregistered.
    pub fn changed_brokers(&self) -> impl Iterator<Item = i32> {
        self.changed_brokers.iter().copied()
    }

    /// True if a finalized feature changed.
    pub fn features_changed(&self) -> bool {
        self.features_changed
    }

    /// The image after, placed in the log.
    pub fn into_image(mut self, provenance: Provenance) -> MetadataImage {
        self.image.provenance = provenance;
        self.image
    }

    pub(crate) fn set_provenance(&mut self, provenance: Provenance) {
        self.image.provenance = provenance;
    }

    /// Applies one record. Records of metadata transactions say nothing about the state and are the business of
    /// [`crate::MetadataLoader`].
    pub fn replay(&mut self, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        self.records += 1;
        match record {
            MetadataRecord::FeatureLevel(record) => {
                self.features_changed = true;
                Arc::make_mut(&mut self.image.features).replay(record)
            }
            MetadataRecord::Topic(_)
            | MetadataRecord::Partition(_)
            | MetadataRecord::PartitionChange(_)
            | MetadataRecord::RemoveTopic(_)
            | MetadataRecord::ClearElr(_) => self.replay_topics(record),
            MetadataRecord::RegisterBroker(_)
            | MetadataRecord::UnregisterBroker(_)
            | MetadataRecord::BrokerRegistrationChange(_)
            | MetadataRecord::FenceBroker(_)
            | MetadataRecord::UnfenceBroker(_)
            | MetadataRecord::RegisterController(_)
            | MetadataRecord::UnregisterController(_) => self.replay_cluster(record),
            MetadataRecord::Config(record) => {
                let resource = Arc::make_mut(&mut self.image.configs).replay(record)?;
                self.changed_configs.insert(resource);
                Ok(())
            }
            MetadataRecord::ClientQuota(record) => {
                Arc::make_mut(&mut self.image.client_quotas).replay(record);
                Ok(())
            }
            MetadataRecord::ProducerIds(record) => {
                self.image.producer_ids.replay(record);
                Ok(())
            }
            MetadataRecord::AccessControlEntry(_)
            | MetadataRecord::RemoveAccessControlEntry(_)
            | MetadataRecord::UserScramCredential(_)
            | MetadataRecord::RemoveUserScramCredential(_)
            | MetadataRecord::DelegationToken(_)
            | MetadataRecord::RemoveDelegationToken(_) => self.replay_security(record),
            MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_)
            | MetadataRecord::NoOp(_)
            | MetadataRecord::ZkMigrationState(_) => Ok(()),
        }
    }

    fn replay_topics(&mut self, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        let topics = Arc::make_mut(&mut self.image.topics);
        match record {
            MetadataRecord::Topic(record) => {
                topics.replay_topic(record)?;
                self.created_topics.insert(record.topic_id);
            }
            MetadataRecord::Partition(record) => {
                topics.replay_partition(record)?;
                self.touch(record.topic_id, record.partition_id);
            }
            MetadataRecord::PartitionChange(record) => {
                topics.replay_partition_change(record)?;
                self.touch(record.topic_id, record.partition_id);
            }
            MetadataRecord::ClearElr(record) => {
                for (topic_id, partition) in topics.replay_clear_elr(&record.topic_name)? {
                    self.touch(topic_id, partition);
                }
            }
            MetadataRecord::RemoveTopic(record) => self.replay_remove_topic(record.topic_id)?,
            _ => {}
        }
        Ok(())
    }

    fn replay_remove_topic(&mut self, topic_id: Uuid) -> Result<(), ReplayError> {
        let topic = Arc::make_mut(&mut self.image.topics).replay_remove_topic(topic_id)?;
        let first = TopicPartitionId { topic_id, partition: i32::MIN };
        let last = TopicPartitionId { topic_id, partition: i32::MAX };
        let touched: Vec<_> = self.changed_partitions.range(first..=last).copied().collect();
        for partition in touched {
            self.changed_partitions.remove(&partition);
        }
        if self.image.configs.topic(topic.name()).is_some()
            && let Some(resource) = Arc::make_mut(&mut self.image.configs).remove_topic(topic.name())
        {
            self.changed_configs.insert(resource);
        }
        // A topic that came and went within one step never was, for those who act upon the difference.
        if !self.created_topics.remove(&topic_id) {
            let before = self.base.topics().by_id(topic_id).cloned().unwrap_or(topic);
            self.deleted_topics.insert(topic_id, before);
        }
        Ok(())
    }

    fn replay_cluster(&mut self, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        let cluster = Arc::make_mut(&mut self.image.cluster);
        let broker_id = match record {
            MetadataRecord::RegisterBroker(record) => {
                cluster.replay_register_broker(record);
                record.broker_id
            }
            MetadataRecord::UnregisterBroker(record) => {
                cluster.replay_unregister_broker(record)?;
                record.broker_id
            }
            MetadataRecord::BrokerRegistrationChange(record) => {
                cluster.replay_broker_change(record)?;
                record.broker_id
            }
            MetadataRecord::FenceBroker(record) => {
                cluster.replay_fence("FenceBrokerRecord", record.id, record.epoch, true)?;
                record.id
            }
            MetadataRecord::UnfenceBroker(record) => {
                cluster.replay_fence("UnfenceBrokerRecord", record.id, record.epoch, false)?;
                record.id
            }
            MetadataRecord::RegisterController(record) => {
                cluster.replay_register_controller(record);
                return Ok(());
            }
            MetadataRecord::UnregisterController(record) => {
                return cluster.replay_unregister_controller(record.controller_id);
            }
            _ => return Ok(()),
        };
        self.changed_brokers.insert(broker_id);
        Ok(())
    }

    fn replay_security(&mut self, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        let image = &mut self.image;
        match record {
            MetadataRecord::AccessControlEntry(record) => Arc::make_mut(&mut image.acls).replay(record),
            MetadataRecord::RemoveAccessControlEntry(record) => {
                Arc::make_mut(&mut image.acls).replay_remove(record.id)?;
            }
            MetadataRecord::UserScramCredential(record) => Arc::make_mut(&mut image.scram).replay(record),
            MetadataRecord::RemoveUserScramCredential(record) => {
                Arc::make_mut(&mut image.scram).replay_remove(record)?;
            }
            MetadataRecord::DelegationToken(record) => {
                Arc::make_mut(&mut image.delegation_tokens).replay(record);
            }
            MetadataRecord::RemoveDelegationToken(record) => {
                Arc::make_mut(&mut image.delegation_tokens).replay_remove(&record.token_id)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn touch(&mut self, topic_id: Uuid, partition: i32) {
        self.changed_partitions.insert(TopicPartitionId { topic_id, partition });
    }
}
