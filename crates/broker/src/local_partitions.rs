//! Follows the metadata: makes, configures and drops the partitions that this node is to lead.
//!
//! It is told of every change before the change is answered, so that a topic that was created can be written to.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::TopicConfig;
use metadata::{
    ConfigResource, ConfigResourceType, DIRECTORY_UNASSIGNED, MetadataDelta, MetadataImage,
    PartitionRegistration, TopicImage,
};
use platform::Platform;
use protocol::Uuid;
use replication::LeaderConfig;
use storage::{LogConfig, LogDir, LogDirs, LogName, StorageError, UnifiedLog};

use crate::current_config::CurrentConfig;
use crate::directory_assignments::DirectoryAssignments;
use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::replica_moves::ReplicaMoves;

/// The owner of the way from metadata to partitions.
pub struct LocalPartitions {
    /// This node.
    pub node_id: i32,
    /// The machine.
    pub platform: Platform,
    /// What topics inherit.
    pub config: Arc<CurrentConfig>,
    /// Where logs live.
    pub log_dirs: Arc<LogDirs>,
    /// The table that requests look into.
    pub partitions: Arc<Partitions>,
    /// The way to tell the controller in which directory a log lies.
    pub assignments: DirectoryAssignments,
    /// Moves between directories.
    pub moves: ReplicaMoves,
}

/// A partition to be brought up.
struct Wanted<'a> {
    topic: &'a Arc<TopicImage>,
    index: i32,
    registration: &'a PartitionRegistration,
    /// Whether it has just been created, so that no directory can have a log of it.
    is_new: bool,
}

impl LocalPartitions {
    /// Brings up every partition of the image: the node has just started. Blocks.
    pub fn load(&self, image: &MetadataImage) {
        let now_ms = self.platform.clock.wall_ms();
        self.log_dirs.settle_moves(&|log| self.recorded(image, log), now_ms);
        self.put_strays_aside(image);
        let topics = image.topics().iter();
        let wanted = topics.flat_map(|topic| {
            let partitions = topic.partitions();
            partitions.map(move |(index, registration)| Wanted { topic, index, registration, is_new: false })
        });
        self.bring_up(image, wanted);
        self.resume_moves();
    }

    /// Follows one change.
    pub fn apply(&self, image: &MetadataImage, delta: &MetadataDelta) {
        let deleted: Vec<Uuid> = delta.deleted_topics().map(|topic| topic.id()).collect();
        if !deleted.is_empty() {
            self.drop_topics(&deleted);
        }
        let changed = delta.changed_partitions().filter_map(|id| {
            let topic = image.topics().by_id(id.topic_id)?;
            let before = delta.base().topics().by_id(id.topic_id);
            Some(Wanted {
                topic,
                index: id.partition,
                registration: topic.partition(id.partition)?,
                is_new: before.is_none_or(|topic| topic.partition(id.partition).is_none()),
            })
        });
        self.bring_up(image, changed);
        self.reconfigure(image, delta);
    }

    /// The directory that the metadata name for a log; `None` if the log is of no partition of this node.
    fn recorded(&self, image: &MetadataImage, log: &LogName) -> Option<Uuid> {
        image.topics().by_id(log.topic_id?)?.partition(log.partition)?.directory(self.node_id)
    }

    fn bring_up<'a>(&self, image: &MetadataImage, wanted: impl Iterator<Item = Wanted<'a>>) {
        let now_ms = self.platform.clock.wall_ms();
        let mut configs: BTreeMap<Uuid, TopicConfig> = BTreeMap::new();
        let mut made = Vec::new();
        let mut unavailable = Vec::new();
        let table = self.partitions.load_full();
        for wanted in wanted {
            let Wanted { topic, index, registration, .. } = wanted;
            let known = table.by_id(topic.id()).and_then(|topic| topic.get(index));
            match known {
                Some(partition) => self.record_directory(partition, registration),
                None => self.record_found(topic, index, registration),
            }
            if registration.leader != self.node_id {
                match known {
                    Some(partition) => partition.resign(registration.leader_epoch),
                    None if self.is_out_of_reach(registration) => unavailable.push((topic.id(), index)),
                    None => {}
                }
                continue;
            }
            if known.as_ref().is_some_and(|partition| !partition.is_closed()) {
                continue;
            }
            let resting = known.and_then(|partition| partition.close());
            let copy = known.and_then(|partition| partition.end_move());
            let config = configs.entry(topic.id()).or_insert_with(|| self.topic_config(image, topic.name()));
            match self.make(&wanted, config, resting, now_ms) {
                Ok(partition) => {
                    self.record_directory(&partition, registration);
                    if let Some(copy) = copy {
                        self.resume_move(&partition, copy);
                    }
                    made.push(partition);
                }
                Err(error) => {
                    tracing::error!(topic = topic.name(), partition = index, %error, "the log could not be opened: the partition stays offline");
                    unavailable.push((topic.id(), index));
                }
            }
        }
        if !made.is_empty() || !unavailable.is_empty() {
            self.partitions.add(made, unavailable);
        }
    }

    fn make(
        &self,
        wanted: &Wanted<'_>,
        config: &TopicConfig,
        resting: Option<UnifiedLog>,
        now_ms: i64,
    ) -> Result<Arc<Partition>, StorageError> {
        let Wanted { topic, index, registration, .. } = *wanted;
        let config_of_log = Arc::new(self.log_config(config));
        let found = match resting {
            Some(log) => Some(log),
            None => self.take_log(topic, index, &config_of_log)?,
        };
        let log = match found {
            Some(log) => log,
            None => self.create_log(wanted, &config_of_log, now_ms)?,
        };
        let leader = LeaderConfig {
            node_id: self.node_id,
            leader_epoch: registration.leader_epoch,
            replicas: registration.replicas.clone(),
            isr: registration.isr.clone(),
            min_insync_replicas: min_insync_replicas(config),
        };
        let blocking = self.platform.blocking.clone();
        Ok(Partition::new(topic.shared_name(), index, topic.id(), log, leader, blocking))
    }

    /// The log that some directory has.
    fn take_log(
        &self,
        topic: &TopicImage,
        index: i32,
        config: &Arc<LogConfig>,
    ) -> Result<Option<UnifiedLog>, StorageError> {
        let mut damaged = None;
        for dir in self.log_dirs.online() {
            match dir.take_log(topic.name(), index, topic.id(), config.clone()) {
                Ok(Some(log)) => return Ok(Some(log)),
                Ok(None) => {}
                Err(error) => damaged = Some(error),
            }
        }
        damaged.map_or(Ok(None), Err)
    }

    /// Makes the log of a partition that has none: where somebody wished it, where the metadata have it, or where the
    /// fewest are. A directory that fails at it is passed over.
    fn create_log(
        &self,
        wanted: &Wanted<'_>,
        config: &Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<UnifiedLog, StorageError> {
        let (topic, index) = (wanted.topic, wanted.index);
        let recorded = wanted.registration.directory(self.node_id).unwrap_or(DIRECTORY_UNASSIGNED);
        let is_chosen = !metadata::is_reserved_directory(recorded);
        let in_recorded = self.log_dirs.by_id(recorded);
        // A log may lie where it cannot be seen, and an empty one in its place would be taken for it.
        let may_be_hidden =
            !wanted.is_new && (is_chosen && in_recorded.is_none() || self.has_hidden(recorded));
        if may_be_hidden {
            let log = format!("{}-{index}", topic.name());
            return Err(StorageError::Hidden { log, directory: recorded });
        }
        let preferred = self.log_dirs.take_preferred(topic.name(), index);
        let dirs: Vec<&Arc<LogDir>> = match preferred.or(in_recorded) {
            Some(dir) => vec![dir],
            None => self.log_dirs.by_logs_count(),
        };
        let mut failed = StorageError::NoDirectory { reasons: "every one has failed".into() };
        for dir in dirs {
            match dir.create_log(topic.name(), index, topic.id(), config.clone(), now_ms) {
                Ok(log) => return Ok(log),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Says whether the metadata have this node's log of a partition in a directory that is offline.
    fn is_out_of_reach(&self, registration: &PartitionRegistration) -> bool {
        let recorded = registration.directory(self.node_id);
        recorded.is_some_and(|id| !metadata::is_reserved_directory(id) && self.log_dirs.by_id(id).is_none())
    }

    /// Says whether a log that was never said to be in a certain directory may be in one that is offline.
    fn has_hidden(&self, recorded: Uuid) -> bool {
        self.log_dirs.by_id(recorded).is_none() && self.log_dirs.has_offline()
    }

    /// Tells the controller where a log is, if the metadata have it elsewhere; not while the log is on its way there.
    fn record_directory(&self, partition: &Partition, registration: &PartitionRegistration) {
        let Some(recorded) = registration.directory(self.node_id) else { return };
        let Some(actual) = self.log_dirs.of(&partition.view()).map(|dir| dir.id()) else { return };
        let is_on_its_way = || {
            let copy = partition.future_view();
            copy.and_then(|copy| self.log_dirs.of(&copy)).is_some_and(|dir| dir.id() == recorded)
        };
        if recorded != actual && !partition.is_offline() && !is_on_its_way() {
            self.assignments.note(partition.topic_id, partition.index, actual);
        }
    }

    /// The same for a log that waits for its partition to have a leader: it has none if the metadata have the log in a
    /// directory that is offline.
    fn record_found(&self, topic: &TopicImage, index: i32, registration: &PartitionRegistration) {
        let Some(recorded) = registration.directory(self.node_id) else { return };
        let found = self.log_dirs.online().find(|dir| {
            dir.view_of(topic.name(), index).is_some_and(|view| view.topic_id() == Some(topic.id()))
        });
        if let Some(dir) = found.filter(|dir| dir.id() != recorded) {
            self.assignments.note(topic.id(), index, dir.id());
        }
    }

    /// Data of which the metadata knows nothing is kept under another name, and said aloud: it may be all that is left
    /// of a topic whose metadata was lost.
    fn put_strays_aside(&self, image: &MetadataImage) {
        let is_stray = |found: &LogName| found.topic_id.is_some() && self.recorded(image, found).is_none();
        for dir in self.log_dirs.online() {
            let logs = dir.unclaimed().into_iter().filter(|found| self.is_lost(image, found));
            let strays = logs.filter_map(|found| dir.take_unclaimed(&found.topic, found.partition));
            let copies = dir.unclaimed_futures().into_iter().filter(is_stray);
            let copies = copies.filter_map(|found| dir.take_unclaimed_future(&found.topic, found.partition));
            for log in strays.chain(copies) {
                let view = log.view();
                match dir.put_aside(log) {
                    Ok(path) => {
                        tracing::warn!(topic = %view.topic(), partition = view.partition(), path = %path.display(), "no topic has this log: it is put aside; remove it if it is not missed");
                    }
                    Err(error) => {
                        tracing::error!(topic = %view.topic(), partition = view.partition(), %error, "a log without a topic could not be put aside");
                    }
                }
            }
        }
    }

    /// Says whether no partition of this node can be the owner of a log. One whose topic id was lost belongs to the
    /// partition of its name.
    fn is_lost(&self, image: &MetadataImage, log: &LogName) -> bool {
        match log.topic_id {
            Some(found) => {
                let named = image.topics().by_name(&log.topic).map(|topic| topic.id());
                let is_rotten = named.is_some_and(|id| storage::is_rotten_topic_id(found, id));
                !is_rotten && self.recorded(image, log).is_none()
            }
            None => {
                let topic = image.topics().by_name(&log.topic);
                topic.and_then(|topic| topic.partition(log.partition)?.directory(self.node_id)).is_none()
            }
        }
    }

    fn resume_move(&self, partition: &Arc<Partition>, copy: UnifiedLog) {
        if let Some(dir) = self.log_dirs.of(&copy.view()) {
            self.moves.resume(partition, copy, dir);
        }
    }

    /// Goes on with moves that the last process did not finish.
    fn resume_moves(&self) {
        let table = self.partitions.load_full();
        for dir in self.log_dirs.online() {
            for found in dir.unclaimed_futures() {
                let partition = table.by_name(&found.topic).and_then(|topic| topic.get(found.partition));
                // The copy of a log that cannot be seen waits for it.
                let Some(partition) = partition else { continue };
                let config = partition.config();
                match dir.take_future(&partition.topic, partition.index, partition.topic_id, config) {
                    Ok(Some(copy)) => self.resume_move(partition, copy),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(topic = %found.topic, partition = found.partition, %error, "the copy of a log is of no use");
                    }
                }
            }
        }
    }

    fn drop_topics(&self, ids: &[Uuid]) {
        for partition in self.partitions.remove(ids) {
            [partition.close(), partition.end_move()].into_iter().flatten().for_each(|log| self.delete(log));
        }
        // Logs that waited for their partition to have a leader.
        let is_dropped = |found: &LogName| found.topic_id.is_some_and(|id| ids.contains(&id));
        for dir in self.log_dirs.online() {
            let logs = dir.unclaimed().into_iter().filter(is_dropped);
            let logs = logs.filter_map(|found| dir.take_unclaimed(&found.topic, found.partition));
            let copies = dir.unclaimed_futures().into_iter().filter(is_dropped);
            let copies = copies.filter_map(|found| dir.take_unclaimed_future(&found.topic, found.partition));
            logs.chain(copies).for_each(|log| self.delete(log));
        }
    }

    fn delete(&self, log: UnifiedLog) {
        let view = log.view();
        // What is in a directory that is offline is put aside when that is back: no topic has it then.
        let dir = self.log_dirs.of(&view).filter(|dir| dir.offline_reason().is_none());
        if let Some(Err(error)) = dir.map(|dir| dir.delete_log(log, self.platform.clock.wall_ms())) {
            tracing::error!(topic = %view.topic(), partition = view.partition(), %error, "a deleted topic's log could not be removed");
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
