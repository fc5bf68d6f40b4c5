//! Follows the metadata: makes, configures and drops the partitions that this node is to lead.
//!
//! It is told of every change before the change is answered, so that a topic that was created can be written to.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::TopicConfig;
use metadata::{
    ConfigResource, ConfigResourceType, MetadataDelta, MetadataImage, PartitionRegistration, TopicImage,
};
use platform::Platform;
use protocol::Uuid;
use replication::LeaderConfig;
use storage::{LogConfig, LogDir, StorageError, UnifiedLog};

use crate::current_config::CurrentConfig;
use crate::partition::Partition;
use crate::partitions::Partitions;

/// The owner of the way from metadata to partitions.
pub struct LocalPartitions {
    /// This node.
    pub node_id: i32,
    /// The machine.
    pub platform: Platform,
    /// What topics inherit.
    pub config: Arc<CurrentConfig>,
    /// Where logs live.
    pub log_dir: Arc<LogDir>,
    /// The table that requests look into.
    pub partitions: Arc<Partitions>,
}

impl LocalPartitions {
    /// Brings up every partition of the image: the node has just started.
    pub fn load(&self, image: &MetadataImage) {
        let topics = image.topics().iter();
        let wanted = topics.flat_map(|topic| topic.partitions().map(move |(index, p)| (topic, index, p)));
        self.bring_up(image, wanted);
        self.put_strays_aside();
    }

    /// Follows one change.
    pub fn apply(&self, image: &MetadataImage, delta: &MetadataDelta) {
        let deleted: Vec<Uuid> = delta.deleted_topics().map(|topic| topic.id()).collect();
        if !deleted.is_empty() {
            self.drop_topics(&deleted);
        }
        let changed = delta.changed_partitions().filter_map(|id| {
            let topic = image.topics().by_id(id.topic_id)?;
            Some((topic, id.partition, topic.partition(id.partition)?))
        });
        self.bring_up(image, changed);
        self.reconfigure(image, delta);
    }

    fn bring_up<'a>(
        &self,
        image: &MetadataImage,
        wanted: impl Iterator<Item = (&'a Arc<TopicImage>, i32, &'a PartitionRegistration)>,
    ) {
        let now_ms = self.platform.clock.wall_ms();
        let mut configs: BTreeMap<Uuid, TopicConfig> = BTreeMap::new();
        let mut made = Vec::new();
        for (topic, index, registration) in wanted {
            let known = self.partitions.load().by_id(topic.id()).and_then(|topic| topic.get(index).cloned());
            if registration.leader != self.node_id {
                if let Some(partition) = known {
                    partition.resign(registration.leader_epoch);
                }
                continue;
            }
            if known.as_ref().is_some_and(|partition| !partition.is_closed()) {
                continue;
            }
            let resting = known.and_then(|partition| partition.close());
            let config = configs.entry(topic.id()).or_insert_with(|| self.topic_config(image, topic.name()));
            match self.make(topic, index, registration, config, resting, now_ms) {
                Ok(partition) => made.push(partition),
                Err(error) => {
                    tracing::error!(topic = topic.name(), partition = index, %error, "the log could not be opened: the partition stays offline");
                }
            }
        }
        if !made.is_empty() {
            self.partitions.add(made);
        }
    }

    fn make(
        &self,
        topic: &TopicImage,
        index: i32,
        registration: &PartitionRegistration,
        config: &TopicConfig,
        resting: Option<UnifiedLog>,
        now_ms: i64,
    ) -> Result<Arc<Partition>, StorageError> {
        let name = topic.shared_name();
        let config_of_log = Arc::new(self.log_config(config));
        let found = match resting {
            Some(log) => Some(log),
            None => self.log_dir.take_log(&name, index, topic.id(), config_of_log.clone())?,
        };
        let log = match found {
            Some(log) => log,
            None => self.log_dir.create_log(&name, index, topic.id(), config_of_log, now_ms)?,
        };
        let leader = LeaderConfig {
            node_id: self.node_id,
            leader_epoch: registration.leader_epoch,
            replicas: registration.replicas.clone(),
            isr: registration.isr.clone(),
            min_insync_replicas: min_insync_replicas(config),
        };
        Ok(Partition::new(name, index, topic.id(), log, leader, self.platform.blocking.clone()))
    }

    /// Data of which the metadata knows nothing is kept under another name, and said aloud: it may be all that is left
    /// of a topic whose metadata was lost.
    fn put_strays_aside(&self) {
        for found in self.log_dir.unclaimed() {
            let Some(log) = self.log_dir.take_unclaimed(&found.topic, found.partition) else { continue };
            match self.log_dir.put_aside(log) {
                Ok(path) => {
                    tracing::warn!(topic = %found.topic, partition = found.partition, path = %path.display(), "no topic has this log: it is put aside; remove it if it is not missed");
                }
                Err(error) => {
                    tracing::error!(topic = %found.topic, partition = found.partition, %error, "a log without a topic could not be put aside");
                }
            }
        }
    }

    fn drop_topics(&self, ids: &[Uuid]) {
        let now_ms = self.platform.clock.wall_ms();
        for partition in self.partitions.remove(ids) {
            let Some(log) = partition.close() else { continue };
            if let Err(error) = self.log_dir.delete_log(log, now_ms) {
                tracing::error!(topic = %partition.topic, partition = partition.index, %error, "a deleted topic's log could not be removed");
            }
        }
    }

    /// A topic's own configuration, or the broker's defaults under it, changed.
    fn reconfigure(&self, image: &MetadataImage, delta: &MetadataDelta) {
        let changed: Vec<&ConfigResource> = delta.changed_configs().collect();
        let table = self.partitions.load();
        for resource in &changed {
            if resource.resource_type != ConfigResourceType::Topic {
                continue;
            }
            let config = self.topic_config(image, &resource.name);
            for partition in table.by_name(&resource.name).iter().flat_map(|t| t.partitions.iter().flatten())
            {
                partition.update_config(self.log_config(&config), min_insync_replicas(&config));
            }
        }
        if changed.iter().any(|resource| resource.resource_type == ConfigResourceType::Broker) {
            for partition in table.all() {
                let config = self.topic_config(image, &partition.topic);
                partition.update_config(self.log_config(&config), min_insync_replicas(&config));
            }
        }
    }

    fn topic_config(&self, image: &MetadataImage, topic: &str) -> TopicConfig {
        let config = self.config.load();
        match image.configs().topic(topic) {
            Some(overrides) => TopicConfig::resolve(&config, overrides),
            None => config.topic_defaults.clone(),
        }
    }

    fn log_config(&self, config: &TopicConfig) -> LogConfig {
        LogConfig::new(config, self.config.load().transaction.producer_id_expiration_ms.into())
    }
}

fn min_insync_replicas(config: &TopicConfig) -> usize {
    usize::try_from(config.min_insync_replicas).unwrap_or(1)
}
