//! Finalized features: which levels the whole cluster has agreed on. Never which levels a broker could speak.

use std::collections::BTreeMap;

use protocol::{FeatureLevelRecord, MetadataRecord};

use crate::ReplayError;

/// Feature that governs the metadata records themselves.
pub const METADATA_VERSION: &str = "metadata.version";
/// Feature that governs the quorum's control records; its level lives in the log's control records, never in a
/// `FeatureLevelRecord`.
pub const KRAFT_VERSION: &str = "kraft.version";
/// Feature that lets a controller keep replicas eligible for leadership after they left the ISR (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: &str = "eligible.leader.replicas.version";

/// Lowest `metadata.version` a Kafka 4.4 node speaks: 3.3-IV3.
pub const METADATA_VERSION_MINIMUM: i16 = 7;
/// Newest `metadata.version`: 4.4-IV2.
pub const METADATA_VERSION_LATEST: i16 = 33;

/// Features of Kafka 4.4 that this node does not speak, each with the highest level a Kafka 4.4 finalizes. In a directory
/// that Kafka formatted they are finalized: they are carried along for the Kafka that takes it back, and hidden from
/// clients.
const CARRIED_FEATURES: [(&str, i16); 4] =
    [("group.version", 1), ("share.version", 2), ("streams.version", 1), ("transaction.version", 2)];
/// Levels of `metadata.version` that brought new or changed metadata records, ascending.
const METADATA_CHANGES: [i16; 11] = [7, 8, 11, 13, 14, 15, 17, 23, 30, 32, METADATA_VERSION_LATEST];

/// Says whether there is a feature of this name, supported here or not.
pub fn is_known_feature(name: &str) -> bool {
    CARRIED_FEATURES.iter().any(|(carried, _)| *carried == name) || is_supported_feature(name)
}

/// Says whether this node speaks some level of a feature beyond 0.
pub fn is_supported_feature(name: &str) -> bool {
    SUPPORTED_FEATURES.iter().any(|feature| feature.name == name)
}

/// Says whether this level of a feature may be finalized though this node does not speak it: what it switches on is
/// known, is not served here, and leaves nothing in the metadata or in a log that this node would misread.
pub fn is_carried_feature(name: &str, level: i16) -> bool {
    CARRIED_FEATURES.iter().any(|(carried, max)| *carried == name && (0..=*max).contains(&level))
}

/// The feature and its level that a level of another feature needs.
pub fn feature_dependency(name: &str, level: i16) -> Option<(&'static str, i16)> {
    match name {
        ELIGIBLE_LEADER_REPLICAS_VERSION if level >= 1 => Some((METADATA_VERSION, 23)),
        _ => None,
    }
}

/// Says whether two levels of `metadata.version` write different records: going back would lose some.
pub fn metadata_differs(level: i16, other: i16) -> bool {
    let (low, high) = (level.min(other), level.max(other));
    METADATA_CHANGES.iter().any(|change| (low + 1..=high).contains(change))
}

/// A feature this node can work with, and the levels it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupportedFeature {
    /// Name.
    pub name: &'static str,
    /// Lowest level.
    pub min: i16,
    /// Highest level.
    pub max: i16,
}

/// The features this node can work with, by name: what a broker registers with, and what ApiVersions lists as
/// supported.
///
/// A feature is listed here only when what it switches on exists. `group.version` (KIP-848 groups),
/// `transaction.version` (KIP-890 transactions, which let producers skip AddPartitionsToTxn), `share.version` and
/// `streams.version` each make clients or tools use protocols that this node does not serve yet, so they are absent
/// and thereby, for clients, at level 0; see [`is_carried_feature`].
pub const SUPPORTED_FEATURES: [SupportedFeature; 3] = [
    SupportedFeature { name: ELIGIBLE_LEADER_REPLICAS_VERSION, min: 0, max: 1 },
    SupportedFeature { name: KRAFT_VERSION, min: 0, max: 1 },
    SupportedFeature { name: METADATA_VERSION, min: METADATA_VERSION_MINIMUM, max: METADATA_VERSION_LATEST },
];

/// The finalized feature levels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeaturesImage {
    metadata_version: Option<i16>,
    levels: BTreeMap<String, i16>,
}

impl FeaturesImage {
    /// Level of `metadata.version`; `None` before the first record of a new cluster.
    pub fn metadata_version(&self) -> Option<i16> {
        self.metadata_version
    }

    /// Finalized level of a feature; 0 if it is not finalized.
    pub fn level(&self, name: &str) -> i16 {
        match name {
            METADATA_VERSION => self.metadata_version.unwrap_or(0),
            _ => self.levels.get(name).copied().unwrap_or(0),
        }
    }

    /// True if replicas outside the ISR may be kept eligible for leadership (KIP-966).
    pub fn eligible_leader_replicas(&self) -> bool {
        self.level(ELIGIBLE_LEADER_REPLICAS_VERSION) > 0
    }

    /// All finalized features with their levels, `metadata.version` first, then by name.
    pub fn finalized(&self) -> impl Iterator<Item = (&str, i16)> {
        let metadata_version = self.metadata_version.map(|level| (METADATA_VERSION, level));
        metadata_version.into_iter().chain(self.levels.iter().map(|(name, level)| (name.as_str(), *level)))
    }

    pub(crate) fn replay(&mut self, record: &FeatureLevelRecord<'_>) -> Result<(), ReplayError> {
        let level = record.feature_level;
        if record.name == METADATA_VERSION {
            if !(METADATA_VERSION_MINIMUM..=METADATA_VERSION_LATEST).contains(&level) {
                return Err(ReplayError::MetadataVersion(level));
            }
            self.metadata_version = Some(level);
        } else if level == 0 {
            self.levels.remove(record.name.as_ref());
        } else {
            self.levels.insert(record.name.clone().into_owned(), level);
        }
        Ok(())
    }

    pub(crate) fn write(&self, out: &mut Vec<MetadataRecord<'static>>) {
        for (name, feature_level) in self.finalized() {
            let name = name.to_owned().into();
            out.push(MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level }));
        }
    }
}
