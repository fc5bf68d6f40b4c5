//! The whole of the cluster's metadata at one offset of the log.

use std::sync::Arc;

use protocol::MetadataRecord;

use crate::{
    AclsImage, ClientQuotasImage, ClusterImage, ConfigsImage, DelegationTokensImage, FeaturesImage,
    ProducerIdsImage, ScramImage, TopicsImage,
};

/// Where in the log an image stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Provenance {
    /// Offset of the last record it contains; -1 for the empty image.
    pub offset: i64,
    /// Epoch of that record; -1 for the empty image.
    pub epoch: i32,
    /// Timestamp of that record's batch, ms since the epoch; -1 for the empty image.
    pub timestamp_ms: i64,
}

impl Default for Provenance {
    fn default() -> Provenance {
        Provenance { offset: -1, epoch: -1, timestamp_ms: -1 }
    }
}

/// An immutable image of the cluster's metadata. A clone costs a few reference counts; a new image shares every part
/// that did not change with the one it came from.
#[derive(Debug, Clone, Default)]
pub struct MetadataImage {
    pub(crate) provenance: Provenance,
    pub(crate) features: Arc<FeaturesImage>,
    pub(crate) cluster: Arc<ClusterImage>,
    pub(crate) topics: Arc<TopicsImage>,
    pub(crate) configs: Arc<ConfigsImage>,
    pub(crate) client_quotas: Arc<ClientQuotasImage>,
    pub(crate) producer_ids: ProducerIdsImage,
    pub(crate) acls: Arc<AclsImage>,
    pub(crate) scram: Arc<ScramImage>,
    pub(crate) delegation_tokens: Arc<DelegationTokensImage>,
}

/// Two images are equal if they say the same, wherever in the log they stand.
impl PartialEq for MetadataImage {
    fn eq(&self, other: &MetadataImage) -> bool {
        self.features == other.features
            && self.cluster == other.cluster
            && self.topics == other.topics
            && self.configs == other.configs
            && self.client_quotas == other.client_quotas
            && self.producer_ids == other.producer_ids
            && self.acls == other.acls
            && self.scram == other.scram
            && self.delegation_tokens == other.delegation_tokens
    }
}

impl MetadataImage {
    /// The image of a cluster that has no record yet.
    pub fn empty() -> MetadataImage {
        MetadataImage::default()
    }

    /// Where in the log it stands.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// Finalized features.
    pub fn features(&self) -> &FeaturesImage {
        &self.features
    }

    /// Brokers and controllers.
    pub fn cluster(&self) -> &ClusterImage {
        &self.cluster
    }

    /// Topics and partitions.
    pub fn topics(&self) -> &TopicsImage {
        &self.topics
    }

    /// Dynamic configurations.
    pub fn configs(&self) -> &ConfigsImage {
        &self.configs
    }

    /// Client quotas.
    pub fn client_quotas(&self) -> &ClientQuotasImage {
        &self.client_quotas
    }

    /// Producer ids handed out.
    pub fn producer_ids(&self) -> ProducerIdsImage {
        self.producer_ids
    }

    /// Access control entries.
    pub fn acls(&self) -> &AclsImage {
        &self.acls
    }

    /// SCRAM credentials.
    pub fn scram(&self) -> &ScramImage {
        &self.scram
    }

    /// Delegation tokens.
    pub fn delegation_tokens(&self) -> &DelegationTokensImage {
        &self.delegation_tokens
    }

    /// The records that make this image out of the empty one, in the order of Kafka's snapshots: features with
    /// `metadata.version` first, so that a reader knows how to read the rest.
    pub fn to_records(&self) -> Vec<MetadataRecord<'static>> {
        let mut out = Vec::new();
        self.features.write(&mut out);
        self.cluster.write(&mut out);
        self.topics.write(&mut out);
        self.configs.write(&mut out);
        self.client_quotas.write(&mut out);
        self.producer_ids.write(&mut out);
        self.acls.write(&mut out);
        self.scram.write(&mut out);
        self.delegation_tokens.write(&mut out);
        out
    }
}
