//! The cluster's metadata as an immutable image, and how records change it.
//!
//! Owns what every record type of the metadata log means for the state: [`MetadataImage`], [`MetadataDelta`] (one
//! step from image to image), [`MetadataLoader`] (many steps, with metadata transactions), and the records a snapshot
//! of an image consists of. Never decides anything: which records are written is `controller`'s business, and how they
//! are stored is `raft`'s and `storage`'s.

mod acls;
mod broker_registration;
mod client_quotas;
mod cluster;
mod configs;
mod controller_registration;
mod delegation_tokens;
mod delta;
mod directory_id;
mod error;
mod features;
mod image;
mod loader;
mod partition_registration;
mod producer_ids;
mod scram;
mod topics;

pub use acls::{AclEntry, AclsImage};
pub use broker_registration::{BrokerRegistration, Endpoint, VersionRange};
pub use client_quotas::{ClientQuotaEntity, ClientQuotasImage};
pub use cluster::ClusterImage;
pub use configs::{ConfigResource, ConfigResourceType, ConfigsImage};
pub use controller_registration::ControllerRegistration;
pub use delegation_tokens::{DelegationToken, DelegationTokensImage};
pub use delta::{MetadataDelta, TopicPartitionId};
pub use directory_id::{
    DIRECTORY_LOST, DIRECTORY_MIGRATING, DIRECTORY_UNASSIGNED, is_online_directory, is_reserved_directory,
};
pub use error::ReplayError;
pub use features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, FeaturesImage, KRAFT_VERSION, METADATA_VERSION,
    METADATA_VERSION_LATEST, METADATA_VERSION_MINIMUM, SUPPORTED_FEATURES, SupportedFeature,
    feature_dependency, is_carried_feature, is_known_feature, is_supported_feature, metadata_differs,
};
pub use image::{MetadataImage, Provenance};
pub use loader::{MetadataLoader, Published};
pub use partition_registration::{LeaderRecoveryState, NO_LEADER, NO_LEADER_CHANGE, PartitionRegistration};
pub use producer_ids::ProducerIdsImage;
pub use scram::{ScramCredential, ScramImage};
pub use topics::{TopicImage, TopicsImage};

#[cfg(test)]
mod tests;
