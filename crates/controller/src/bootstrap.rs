//! The first records of a cluster, and what a controller writes when it becomes active.

use metadata::{ELIGIBLE_LEADER_REPLICAS_VERSION, METADATA_VERSION, METADATA_VERSION_LATEST};
use protocol::{
    AbortTransactionRecord, BeginTransactionRecord, ConfigRecord, EndTransactionRecord, FeatureLevelRecord,
    MetadataRecord,
};

use crate::{Controller, Outcome};

/// Name of the transaction around the bootstrap records.
const BOOTSTRAP_TRANSACTION: &str = "Bootstrap records";
/// Why an unfinished transaction is aborted.
const ABORT_REASON: &str = "Controller failover";
/// The topic key whose cluster-wide value must be explicit while ELR is on.
pub(crate) const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
/// Number of the resource type BROKER.
const BROKER_RESOURCE: i8 = 4;

/// The records a fresh cluster begins with: its finalized features. Formatting puts them into the bootstrap snapshot;
/// the first active controller writes them into the log.
///
/// Kafka 4.4 finalizes more by default (`group.version` 1, `transaction.version` 2, `share.version`,
/// `streams.version`). A finalized feature is a promise to clients: a Java producer that sees `transaction.version` 2
/// no longer announces partitions of a transaction. What is not served is therefore not finalized; it can be finalized
/// later by UpdateFeatures, as on an upgraded Kafka cluster.
pub fn bootstrap_records() -> Vec<MetadataRecord<'static>> {
    let feature = |name: &'static str, feature_level: i16| {
        MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.into(), feature_level })
    };
    vec![feature(METADATA_VERSION, METADATA_VERSION_LATEST), feature(ELIGIBLE_LEADER_REPLICAS_VERSION, 1)]
}

impl Controller {
    /// Becomes the active controller: `bootstrap` goes into the log if it holds no metadata yet, and a metadata
    /// transaction that an earlier controller did not finish is aborted.
    pub fn handle_activation(&self, bootstrap: &[MetadataRecord<'static>]) -> Outcome<()> {
        let is_in_transaction = self.transaction_start_offset().is_some();
        let abort =
            || MetadataRecord::AbortTransaction(AbortTransactionRecord { reason: Some(ABORT_REASON.into()) });
        let mut records = Vec::new();
        if is_in_transaction {
            records.push(abort());
        }
        // In an unfinished bootstrap transaction the version may have been replayed already, and goes with it.
        let is_empty =
            self.features().metadata_version().is_none() || is_in_transaction && self.committed_is_empty();
        if !is_empty {
            return Outcome::atomic(records, ());
        }
        records.push(MetadataRecord::BeginTransaction(BeginTransactionRecord {
            name: Some(BOOTSTRAP_TRANSACTION.into()),
        }));
        records.extend(bootstrap.iter().cloned());
        if is_elr_enabled(bootstrap) {
            // With ELR on, what leaves the ISR depends on this value, so that it must be the same for all controllers:
            // it is written down instead of left to each node's file.
            let value = self.static_config.topic_defaults.min_insync_replicas.to_string();
            records.push(MetadataRecord::Config(ConfigRecord {
                resource_type: BROKER_RESOURCE,
                resource_name: "".into(),
                name: MIN_INSYNC_REPLICAS.into(),
                value: Some(value.into()),
            }));
        }
        records.push(MetadataRecord::EndTransaction(EndTransactionRecord {}));
        Outcome::gradual(records, ())
    }

    /// Counts as heard of just now every broker that is registered and unfenced: an active controller knows nothing of
    /// their earlier heartbeats.
    pub fn begin_sessions(&mut self, now_ms: i64) {
        let unfenced: Vec<(i32, i64)> = self
            .image()
            .cluster()
            .brokers()
            .filter(|broker| !broker.fenced)
            .map(|broker| (broker.id, broker.epoch))
            .collect();
        for (id, epoch) in unfenced {
            self.sessions.contact(id, epoch, -1, now_ms);
        }
    }
}

fn is_elr_enabled(bootstrap: &[MetadataRecord<'_>]) -> bool {
    bootstrap.iter().any(|record| match record {
        MetadataRecord::FeatureLevel(record) => {
            record.name == ELIGIBLE_LEADER_REPLICAS_VERSION && record.feature_level > 0
        }
        _ => false,
    })
}
