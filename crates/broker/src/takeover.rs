//! What a node finds in its directories before it touches them, and whether it may take them over.
//!
//! A directory may come from Apache Kafka, of this version or another. Owns the reasons to refuse one. Only reads: a
//! refused directory stays as it was, to the byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use config::BrokerConfig;
use metadata::{
    ConfigResource, DIRECTORY_LOST, FeaturesImage, MetadataImage, SUPPORTED_FEATURES, is_carried_feature,
    is_reserved_directory,
};
use platform::{Disk, Platform};
use protocol::Uuid;
use raft::{KRAFT_VERSION_LATEST, ReplicaKey};
use storage::{DirectorySurvey, StorageError};

use crate::log_directories::absolute;

mod metadata_survey;

use metadata_survey::MetadataSurvey;

/// Topics and partitions that a reason names; of more it gives the number.
const NAMED_MAX: usize = 5;
/// The topic key that moves segments to remote storage (KIP-405).
const REMOTE_STORAGE: &str = "remote.storage.enable";
const METADATA_LOG: &str = "__cluster_metadata-0";
/// `ZkMigrationStateRecord`: under way, between the two ages.
const MIGRATION_STATES: [i8; 2] = [1, 2];

/// Directories that this node cannot serve as they are. Nothing in them was touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The directories.
    pub paths: Vec<PathBuf>,
    /// Why, each with what to do.
    pub reasons: Vec<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<String> = self.paths.iter().map(|path| path.display().to_string()).collect();
        write!(f, "{} cannot be taken over, and nothing in it was touched", paths.join(", "))?;
        match self.reasons.as_slice() {
            [reason] => write!(f, ": {reason}"),
            reasons => reasons.iter().try_for_each(|reason| write!(f, "\n  - {reason}")),
        }
    }
}

/// What the metadata says that is needed before logs are opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Takeover {
    /// Whether there was anything.
    pub(crate) is_new: bool,
    /// Topics that compaction leaves holes in.
    pub(crate) compacted: BTreeSet<String>,
}

/// Looks at all directories. Blocks.
///
/// # Errors
/// [`Refusal`] with every reason that was found.
pub(crate) fn survey(platform: &Platform, config: &BrokerConfig) -> Result<Takeover, Refusal> {
    let disk = platform.disk.as_ref();
    let metadata_dir = config.metadata_log.metadata_log_dir.as_ref().or(config.log_dir.log_dirs.first());
    let metadata_dir = metadata_dir.map(|path| absolute(path));
    let mut paths: Vec<PathBuf> = config.log_dir.log_dirs.iter().map(|path| absolute(path)).collect();
    paths.extend(metadata_dir.clone().filter(|path| !paths.contains(path)));
    let mut surveyor =
        Surveyor { config, directories: Vec::new(), is_any_unreadable: false, reasons: Vec::new() };
    paths.iter().for_each(|path| surveyor.look_at(disk, path));
    surveyor.check_owners();
    let mut takeover = Takeover::default();
    if let Some(path) = metadata_dir.filter(|_| surveyor.reasons.is_empty()) {
        takeover = surveyor.look_at_metadata(disk, &path);
    }
    takeover.is_new = surveyor.directories.iter().all(|directory| directory.meta.is_none());
    match surveyor.reasons {
        reasons if reasons.is_empty() => Ok(takeover),
        reasons => Err(Refusal { paths, reasons }),
    }
}

struct Surveyor<'a> {
    config: &'a BrokerConfig,
    directories: Vec<DirectorySurvey>,
    /// A directory could not be read. Whether the node can do without is decided when it is opened.
    is_any_unreadable: bool,
    reasons: Vec<String>,
}

impl Surveyor<'_> {
    fn look_at(&mut self, disk: &dyn Disk, path: &Path) {
        match DirectorySurvey::read(disk, path) {
            Ok(survey) => self.directories.push(survey),
            Err(StorageError::Io(_)) => self.is_any_unreadable = true,
            Err(error) => self.reasons.push(error.to_string()),
        }
    }

    /// Every directory must be this node's, and all of one cluster.
    fn check_owners(&mut self) {
        let mut cluster: Option<&str> = None;
        for survey in &self.directories {
            let path = survey.path.clone();
            let Some(meta) = &survey.meta else {
                if let Some(example) = survey.logs.first().cloned() {
                    self.reasons.push(StorageError::UnknownOwner { path, example }.to_string());
                }
                continue;
            };
            if meta.node_id != self.config.node_id {
                let error =
                    StorageError::WrongNode { path, expected: self.config.node_id, found: meta.node_id };
                self.reasons.push(error.to_string());
                continue;
            }
            match cluster {
                Some(expected) if expected != meta.cluster_id => {
                    let (expected, found) = (expected.to_owned(), meta.cluster_id.clone());
                    self.reasons.push(StorageError::WrongCluster { path, expected, found }.to_string());
                }
                _ => cluster = Some(&meta.cluster_id),
            }
        }
    }

    fn look_at_metadata(&mut self, disk: &dyn Disk, path: &Path) -> Takeover {
        let Some(directory) = self.directories.iter().find(|directory| directory.path == path) else {
            return Takeover::default();
        };
        let id = directory.meta.as_ref().and_then(|meta| meta.directory_id).unwrap_or(Uuid::ZERO);
        if !directory.logs.iter().any(|log| log == METADATA_LOG) {
            self.reasons.extend(self.orphans(path));
            return Takeover::default();
        }
        match MetadataSurvey::read(disk, &path.join(METADATA_LOG)) {
            Err(reason) => self.reasons.push(reason),
            Ok(found) => {
                self.check_quorum(&found, ReplicaKey::new(self.config.node_id, id));
                self.check_features(found.features());
                self.check_migration(&found);
                self.check_topics(&found.image);
                self.check_directories(&found.image);
                return self.takeover(&found.image);
            }
        }
        Takeover::default()
    }

    /// The logs that a new metadata log in this directory would orphan.
    fn orphans(&self, path: &Path) -> Option<String> {
        let path = path.display();
        let has = |log: &&DirectorySurvey| log.logs.iter().any(|log| log == METADATA_LOG);
        if let Some(other) = self.directories.iter().find(has) {
            let other = other.path.display();
            return Some(format!(
                "the metadata log ({METADATA_LOG}) is in {other} and not in {path}: set metadata.log.dir={other}"
            ));
        }
        let log = self.directories.iter().find_map(|directory| directory.logs.first())?;
        Some(format!(
            "there are logs ({log}, …) and no metadata log ({METADATA_LOG}) in {path}: a new one would orphan them. Restore \
             it from a copy, or start in an empty directory"
        ))
    }

    fn check_quorum(&mut self, found: &MetadataSurvey, local: ReplicaKey) {
        if found.is_unformatted() {
            return;
        }
        if found.kraft_version > KRAFT_VERSION_LATEST {
            self.reasons.push(format!(
                "kraft.version is {}, and this version knows 0 to {KRAFT_VERSION_LATEST}: a newer version wrote the directory; \
                 start that one",
                found.kraft_version
            ));
        }
        let is_static = found.kraft_version == 0 && self.config.quorum.is_static_voter;
        if found.voters.is_empty() && is_static {
            return;
        }
        if found.voters.is_empty() {
            self.reasons.push(
                "the metadata names no voters of the quorum (kraft.version 0): set controller.quorum.voters as Apache Kafka had it"
                    .to_owned(),
            );
        } else if !found.voters.contains(&local) || found.voters.len() > 1 {
            self.reasons.push(format!(
                "the quorum's voters are {}, and this version serves a quorum of one, this node ({local}). In Apache Kafka \
                 remove the other controllers first (kafka-metadata-quorum.sh remove-controller)",
                found.voters
            ));
        }
    }

    fn check_features(&mut self, features: &FeaturesImage) {
        for (name, level) in features.finalized() {
            let range = SUPPORTED_FEATURES.iter().find(|feature| feature.name == name);
            let is_spoken = range.is_some_and(|range| (range.min..=range.max).contains(&level));
            if !is_spoken && !is_carried_feature(name, level) {
                self.reasons.push(format!(
                    "feature {name} is finalized at level {level}, which this version does not know: a newer version wrote the \
                     directory. Start that one, or lower the feature there (kafka-features.sh downgrade)"
                ));
            }
        }
    }

    fn check_migration(&mut self, found: &MetadataSurvey) {
        if MIGRATION_STATES.contains(&found.migration_state) || !found.migrating_brokers.is_empty() {
            self.reasons.push(
                "the cluster is in the midst of its migration from ZooKeeper: end that with Apache Kafka 3.9 first"
                    .to_owned(),
            );
        }
    }

    fn check_topics(&mut self, image: &MetadataImage) {
        let (mut remote, mut elsewhere, mut others) = (Vec::new(), Vec::new(), BTreeSet::new());
        for topic in image.topics().iter() {
            let configs = image.configs();
            let is_remote = configs.value(&ConfigResource::topic(topic.name()), REMOTE_STORAGE);
            if is_remote.is_some_and(|value| value.trim().eq_ignore_ascii_case("true")) {
                remote.push(topic.name().to_owned());
            }
            for (index, partition) in topic.partitions() {
                let not_here: Vec<i32> =
                    partition.replicas.iter().copied().filter(|id| *id != self.config.node_id).collect();
                if !not_here.is_empty() {
                    elsewhere.push(format!("{}-{index}", topic.name()));
                    others.extend(not_here);
                }
            }
        }
        if !remote.is_empty() {
            self.reasons.push(format!(
                "topics keep segments in remote storage ({REMOTE_STORAGE}=true), which this version cannot read: {}. In Apache \
                 Kafka turn it off and bring or delete what is remote (remote.log.delete.on.disable)",
                some_of(&remote)
            ));
        }
        if !elsewhere.is_empty() {
            let others: Vec<String> = others.iter().map(i32::to_string).collect();
            self.reasons.push(format!(
                "partitions have replicas on other brokers ({}), and this version serves clusters of one node: {}. In Apache \
                 Kafka move all replicas to this broker first (kafka-reassign-partitions.sh)",
                others.join(", "),
                some_of(&elsewhere)
            ));
        }
    }

    /// A partition that the metadata places in a directory which is not there would begin anew, and empty.
    fn check_directories(&mut self, image: &MetadataImage) {
        let known: BTreeSet<Uuid> =
            self.directories.iter().filter_map(|directory| directory.meta.as_ref()?.directory_id).collect();
        let has_ids = self.directories.iter().filter_map(|directory| directory.meta.as_ref());
        if self.is_any_unreadable || has_ids.into_iter().any(|meta| meta.directory_id.is_none()) {
            return;
        }
        let mut missing: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
        for topic in image.topics().iter() {
            for (index, partition) in topic.partitions() {
                let placed = partition.replicas.iter().zip(&partition.directories);
                let Some((_, directory)) = placed.into_iter().find(|(id, _)| **id == self.config.node_id)
                else {
                    continue;
                };
                let is_placed = !is_reserved_directory(*directory) || *directory == DIRECTORY_LOST;
                if is_placed && !known.contains(directory) {
                    missing.entry(*directory).or_default().push(format!("{}-{index}", topic.name()));
                }
            }
        }
        for (directory, partitions) in missing {
            self.reasons.push(format!(
                "partitions lie in a directory with id {directory}, which is none of log.dirs: {}. Name that directory in \
                 log.dirs too (its meta.properties has the id)",
                some_of(&partitions)
            ));
        }
    }

    fn takeover(&self, image: &MetadataImage) -> Takeover {
        let configs = image.configs();
        let node = ConfigResource::broker(self.config.node_id);
        let by_default = [node, ConfigResource::cluster()];
        let by_default = by_default.iter().find_map(|resource| configs.value(resource, "log.cleanup.policy"));
        let is_compacted = |name: &str| {
            let own = configs.value(&ConfigResource::topic(name), "cleanup.policy").or(by_default);
            own.map_or(self.config.topic_defaults.cleanup_policy.compact, |policy| {
                policy.split(',').any(|one| one.trim() == "compact")
            })
        };
        let names = image.topics().iter().map(|topic| topic.name());
        let compacted = names.filter(|name| is_compacted(name)).map(str::to_owned).collect();
        Takeover { compacted, ..Takeover::default() }
    }
}

fn some_of(names: &[String]) -> String {
    match names.len() {
        len if len > NAMED_MAX => {
            format!("{} and {} more", names[..NAMED_MAX].join(", "), len - NAMED_MAX)
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests;
