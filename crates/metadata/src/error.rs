//! Records that do not fit the state they are replayed into.

use protocol::Uuid;

/// A record of the metadata log that cannot be applied. The log was written by a controller that knew the state, so
/// this is a fault of the log or of this code, never of a client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A record changes a broker that is not registered.
    #[error("{record}: broker {broker_id} is not registered")]
    UnknownBroker {
        /// Record type.
        record: &'static str,
        /// Broker.
        broker_id: i32,
    },
    /// A record changes another incarnation of a broker than the registered one.
    #[error("{record}: broker {broker_id} has epoch {registered}, the record is for epoch {epoch}")]
    BrokerEpoch {
        /// Record type.
        record: &'static str,
        /// Broker.
        broker_id: i32,
        /// Epoch in the record.
        epoch: i64,
        /// Epoch of the registration.
        registered: i64,
    },
    /// A record removes a controller that is not registered.
    #[error("UnregisterControllerRecord: controller {0} is not registered")]
    UnknownController(i32),
    /// A record belongs to a topic id that does not exist.
    #[error("{record}: no topic has id {topic_id}")]
    UnknownTopicId {
        /// Record type.
        record: &'static str,
        /// Topic id.
        topic_id: Uuid,
    },
    /// A record belongs to a topic name that does not exist.
    #[error("{record}: there is no topic {name:?}")]
    UnknownTopic {
        /// Record type.
        record: &'static str,
        /// Topic name.
        name: String,
    },
    /// A topic's name or id is already taken.
    #[error("TopicRecord: topic {name:?} with id {topic_id} exists already")]
    DuplicateTopic {
        /// Topic name.
        name: String,
        /// Topic id.
        topic_id: Uuid,
    },
    /// A record changes a partition that does not exist.
    #[error("PartitionChangeRecord: topic {topic_id} has no partition {partition}")]
    UnknownPartition {
        /// Topic id.
        topic_id: Uuid,
        /// Partition.
        partition: i32,
    },
    /// A field holds a value that has no meaning.
    #[error("{record}: {field} is {value}")]
    Value {
        /// Record type.
        record: &'static str,
        /// Field.
        field: &'static str,
        /// The value found.
        value: i64,
    },
    /// Something that must be removed is not there.
    #[error("{record}: {what} does not exist")]
    Missing {
        /// Record type.
        record: &'static str,
        /// What is missing.
        what: String,
    },
    /// A metadata transaction starts, ends or aborts where it cannot.
    #[error("{record}: {reason}")]
    Transaction {
        /// Record type.
        record: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The cluster's `metadata.version` is one this code does not speak.
    #[error("metadata.version {0} is not supported; supported are {min} to {max}", min = crate::METADATA_VERSION_MINIMUM, max = crate::METADATA_VERSION_LATEST)]
    MetadataVersion(i16),
}
