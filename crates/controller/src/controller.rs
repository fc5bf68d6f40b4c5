//! The controller's state, and the replay that alone changes it.

use std::collections::BTreeMap;

use config::BrokerConfig;
use metadata::{
    ConfigResource, FeaturesImage, MetadataImage, MetadataLoader, Provenance, Published, ReplayError,
    TopicImage,
};
use protocol::MetadataRecord;

use crate::broker_sessions::BrokerSessions;
use crate::topic_name::{has_collision_chars, unify_collision_chars};

/// What a controller must be told at its start.
#[derive(Debug, Clone)]
pub struct ControllerConfig {
    /// `node.id`. A broker with this id shares the controller's process.
    pub node_id: i32,
    /// Cluster id of `meta.properties`.
    pub cluster_id: String,
    /// The node's configuration as its file gives it.
    pub broker: BrokerConfig,
}

/// The controller of a cluster.
///
/// Its image is ahead of the committed one by the records that were decided and are on their way to the log: a
/// decision must see the decisions before it. If such records turn out not to be committed, the controller is made
/// anew from the committed image.
#[derive(Debug, Clone)]
pub struct Controller {
    pub(crate) node_id: i32,
    pub(crate) cluster_id: String,
    /// As the file gives it.
    pub(crate) static_config: BrokerConfig,
    /// With the dynamic configuration of the cluster and of this node.
    pub(crate) config: BrokerConfig,
    loader: MetadataLoader,
    /// Where each broker's registration lies in the log.
    pub(crate) registration_offsets: BTreeMap<i32, i64>,
    /// Names with characters that collide in metrics, by their common form.
    colliding_names: BTreeMap<String, Vec<String>>,
    /// When each broker was last heard of; not in the log, begins anew with each active controller.
    pub(crate) sessions: BrokerSessions,
}

impl Controller {
    /// A controller whose state is `image`; the log after it is replayed next.
    pub fn new(config: ControllerConfig, image: MetadataImage) -> Controller {
        Controller::from_loader(config, MetadataLoader::new(image))
    }

    /// A controller whose state is what was loaded of the log so far, an unfinished metadata transaction included.
    pub fn from_loader(config: ControllerConfig, loader: MetadataLoader) -> Controller {
        let session_timeout_ms = i64::from(config.broker.metadata_log.broker_session_timeout_ms);
        let mut controller = Controller {
            node_id: config.node_id,
            cluster_id: config.cluster_id,
            config: config.broker.clone(),
            static_config: config.broker,
            registration_offsets: BTreeMap::new(),
            colliding_names: BTreeMap::new(),
            sessions: BrokerSessions::new(config.node_id, session_timeout_ms),
            loader,
        };
        controller.adopt_image();
        controller
    }

    /// The state as of the last replayed record.
    pub fn image(&self) -> &MetadataImage {
        self.loader.current()
    }

    /// The node's configuration with what was set at run time.
    pub fn config(&self) -> &BrokerConfig {
        &self.config
    }

    /// Offset at which a metadata transaction began that has not ended.
    pub fn transaction_start_offset(&self) -> Option<i64> {
        self.loader.transaction_start_offset()
    }

    /// Applies one record of the log at its offset. This is the only way the controller's state changes.
    ///
    /// # Errors
    /// The record does not fit the state: a fault of the log or of this code.
    pub fn replay(&mut self, offset: i64, record: &MetadataRecord<'_>) -> Result<(), ReplayError> {
        let removed = match record {
            MetadataRecord::RemoveTopic(record) => {
                self.image().topics().by_id(record.topic_id).map(|topic| topic.shared_name())
            }
            _ => None,
        };
        self.loader.replay(offset, record)?;
        match record {
            MetadataRecord::Topic(record) => self.add_name(&record.name),
            MetadataRecord::RemoveTopic(_) => {
                if let Some(name) = removed {
                    self.remove_name(&name);
                }
            }
            MetadataRecord::RegisterBroker(record) => {
                self.registration_offsets.insert(record.broker_id, offset);
                self.sessions.forget(record.broker_id);
            }
            MetadataRecord::UnregisterBroker(record) => {
                self.registration_offsets.remove(&record.broker_id);
                self.sessions.forget(record.broker_id);
            }
            MetadataRecord::Config(record) if record.resource_type == 4 => self.refresh_config(),
            MetadataRecord::AbortTransaction(_) => self.adopt_image(),
            _ => {}
        }
        Ok(())
    }

    /// Ends a batch of the log: what was replayed since the last one, to be published once it is committed. `None`
    /// while a metadata transaction is in progress.
    pub fn end_batch(&mut self, provenance: Provenance) -> Option<Published> {
        self.loader.publish(provenance)
    }

    /// What was replayed so far, to go back to if later decisions do not come true.
    pub fn loader(&self) -> &MetadataLoader {
        &self.loader
    }

    pub(crate) fn features(&self) -> &FeaturesImage {
        self.image().features()
    }

    /// True if nothing outside an unfinished metadata transaction has named a `metadata.version`.
    pub(crate) fn committed_is_empty(&self) -> bool {
        self.loader.image().features().metadata_version().is_none()
    }

    pub(crate) fn is_active(&self, broker_id: i32) -> bool {
        self.image().cluster().is_active(broker_id)
    }

    /// Another topic whose name metrics could not tell from this one.
    pub(crate) fn colliding_name(&self, name: &str) -> Option<&str> {
        if !has_collision_chars(name) {
            return None;
        }
        self.colliding_names.get(&unify_collision_chars(name))?.first().map(String::as_str)
    }

    /// `min.insync.replicas` of a topic, not larger than its replication factor.
    pub(crate) fn effective_min_isr(&self, topic: &TopicImage) -> usize {
        let config = self.topic_config(topic.name());
        let replication_factor = topic.partition(0).map_or(usize::MAX, |partition| partition.replicas.len());
        usize::try_from(config.min_insync_replicas).unwrap_or(1).min(replication_factor)
    }

    pub(crate) fn topic_config(&self, name: &str) -> config::TopicConfig {
        match self.image().configs().topic(name) {
            Some(overrides) => config::TopicConfig::resolve(&self.config, overrides),
            None => self.config.topic_defaults.clone(),
        }
    }

    /// Brings everything derived from the image in line with it.
    fn adopt_image(&mut self) {
        self.colliding_names.clear();
        let names: Vec<_> = self.image().topics().iter().map(|topic| topic.shared_name()).collect();
        for name in names {
            self.add_name(&name);
        }
        let offset = self.image().provenance().offset;
        self.registration_offsets =
            self.image().cluster().brokers().map(|broker| (broker.id, offset)).collect();
        self.refresh_config();
    }

    fn add_name(&mut self, name: &str) {
        if has_collision_chars(name) {
            self.colliding_names.entry(unify_collision_chars(name)).or_default().push(name.to_owned());
        }
    }

    fn remove_name(&mut self, name: &str) {
        let unified = unify_collision_chars(name);
        if let Some(names) = self.colliding_names.get_mut(&unified) {
            names.retain(|other| other != name);
            if names.is_empty() {
                self.colliding_names.remove(&unified);
            }
        }
    }

    fn refresh_config(&mut self) {
        let configs = self.image().configs();
        let get = |resource: &ConfigResource| {
            configs.get(resource).map(|map| map.as_ref().clone()).unwrap_or_default()
        };
        let cluster = get(&ConfigResource::cluster());
        let node = get(&ConfigResource::broker(self.node_id));
        self.config = self.static_config.with_dynamic(&cluster, &node);
        self.sessions.set_timeout_ms(i64::from(self.config.metadata_log.broker_session_timeout_ms));
    }
}
