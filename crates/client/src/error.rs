//! What can go wrong between a client and its cluster.
//!
//! Owns the error type of this crate. Each error says what happened and [`ClientError::hint`] says what to do about
//! it. It never prints.

use protocol::{EncodeError, ErrorCode};
use records::BatchError;

use crate::config::ConfigError;

/// Why an operation failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// A property is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A broker cannot be connected to.
    #[error("cannot connect to {address}: {cause}")]
    Unreachable {
        /// `host:port`.
        address: String,
        /// What the machine said.
        cause: String,
    },
    /// No known broker can be connected to.
    #[error("no broker can be reached: {}", tried.iter().map(|(a, c)| format!("{a} ({c})")).collect::<Vec<_>>().join(", "))]
    NoBroker {
        /// Addresses tried, with what went wrong.
        tried: Vec<(String, String)>,
    },
    /// A connection ended while a request was under way.
    #[error("the connection to {address} ended: {cause}")]
    Disconnected {
        /// `host:port`.
        address: String,
        /// How it ended.
        cause: String,
    },
    /// A broker did not answer in time (`request.timeout.ms`).
    #[error("{address} did not answer {api} within {after_ms} ms")]
    RequestTimeout {
        /// `host:port`.
        address: String,
        /// The request.
        api: &'static str,
        /// The time-out.
        after_ms: u64,
    },
    /// An operation was retried until its time was over.
    #[error("{what} did not succeed within {after_ms} ms{}", last.as_ref().map(|e| format!("; the last error: {e}")).unwrap_or_default())]
    DeadlineExceeded {
        /// The operation.
        what: String,
        /// The time it had.
        after_ms: u64,
        /// The last error, if there was one.
        last: Option<Box<ClientError>>,
    },
    /// The broker and this client have no version of a request in common.
    #[error("{address} serves {api} in {}, and this client needs {} to {}",
        broker.map_or("no version".to_owned(), |(min, max)| format!("versions {min} to {max}")), client.0, client.1)]
    UnsupportedVersion {
        /// `host:port`.
        address: String,
        /// The request.
        api: &'static str,
        /// The broker's range, if it serves the request at all.
        broker: Option<(i16, i16)>,
        /// The client's range.
        client: (i16, i16),
    },
    /// A broker sent bytes that are no answer to the request.
    #[error("{address} sent an answer to {api} that cannot be read: {detail}")]
    Malformed {
        /// `host:port`.
        address: String,
        /// The request.
        api: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A broker answered with an error.
    #[error("{subject}: {}{}", code.name(), message.as_ref().map(|m| format!(": {m}")).unwrap_or_else(|| format!(": {}", code.message())))]
    Api {
        /// What the error is about: a topic, a partition, a group.
        subject: String,
        /// Kafka's error.
        code: ErrorCode,
        /// The broker's own words.
        message: Option<String>,
    },
    /// Records were refused one by one (KIP-467); this one or another of its batch.
    #[error("{subject}: {}: record {batch_index} of the batch: {}", code.name(), message.as_deref().unwrap_or("refused"))]
    RecordRefused {
        /// Topic and partition.
        subject: String,
        /// Kafka's error.
        code: ErrorCode,
        /// The first refused record's position in its batch.
        batch_index: i32,
        /// The broker's own words.
        message: Option<String>,
    },
    /// Fetched bytes are no records, or records could not be put into a batch.
    #[error("{subject}: {error}")]
    Batch {
        /// Topic and partition.
        subject: String,
        /// What is wrong.
        error: BatchError,
    },
    /// A record is larger than this client sends.
    #[error("the record has {size_bytes} bytes, and {key} allows {max_bytes}")]
    RecordTooLarge {
        /// Bytes with all overhead.
        size_bytes: usize,
        /// The bound.
        max_bytes: usize,
        /// The property that sets it.
        key: &'static str,
    },
    /// The topic has no such partition.
    #[error("{topic} has {partitions} partitions, so there is no partition {partition}")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: i32,
        /// How many there are.
        partitions: usize,
    },
    /// Records are produced faster than the cluster takes them.
    #[error("buffer.memory stayed full for {after_ms} ms")]
    BufferFull {
        /// How long the send waited (`max.block.ms`).
        after_ms: u64,
    },
    /// A request cannot be written in the version the broker speaks.
    #[error("{api} cannot be sent: {error}")]
    Encode {
        /// The request.
        api: &'static str,
        /// Why.
        error: EncodeError,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

impl ClientError {
    pub(crate) fn api(subject: impl Into<String>, code: ErrorCode, message: Option<&str>) -> ClientError {
        ClientError::Api { subject: subject.into(), code, message: message.map(str::to_owned) }
    }

    /// Kafka's error code, if a broker gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Api { code, .. } | ClientError::RecordRefused { code, .. } => Some(*code),
            ClientError::DeadlineExceeded { last, .. } => last.as_ref().and_then(|last| last.code()),
            _ => None,
        }
    }

    /// Whether the same operation may succeed later without anyone mending anything.
    pub fn is_retriable(&self) -> bool {
        match self {
            ClientError::Unreachable { .. }
            | ClientError::NoBroker { .. }
            | ClientError::Disconnected { .. }
            | ClientError::RequestTimeout { .. } => true,
            ClientError::Api { code, .. } => code.is_retriable(),
            _ => false,
        }
    }

    /// Whether the client's picture of the cluster may be out of date.
    pub(crate) fn means_stale_metadata(&self) -> bool {
        match self {
            ClientError::Api { code, .. } => code.means_stale_metadata(),
            ClientError::Unreachable { .. }
            | ClientError::NoBroker { .. }
            | ClientError::Disconnected { .. }
            | ClientError::RequestTimeout { .. } => true,
            _ => false,
        }
    }

    /// What the user can do about it, if that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            ClientError::Unreachable { address, .. } => Some(unreachable_hint(address)),
            ClientError::NoBroker { tried } => tried.first().map(|(address, _)| unreachable_hint(address)),
            ClientError::Disconnected { address, .. } => Some(format!(
                "look at the log of the broker at {address}; a TLS or SASL listener also ends plain connections"
            )),
            ClientError::RequestTimeout { .. } => Some(
                "the broker may be overloaded; raise request.timeout.ms if it only needs longer".to_owned(),
            ),
            ClientError::DeadlineExceeded { last: Some(last), .. } => last.hint(),
            ClientError::UnsupportedVersion { .. } => {
                Some("use a broker that speaks Apache Kafka 2.1 or later, or an older client".to_owned())
            }
            ClientError::Malformed { address, .. } => {
                Some(format!("check that {address} is a plaintext Kafka listener and not another service"))
            }
            ClientError::RecordTooLarge { key, .. } => {
                Some(format!("send smaller records, or raise {key} here and max.message.bytes on the topic"))
            }
            ClientError::BufferFull { .. } => {
                Some("produce more slowly, or raise buffer.memory or max.block.ms".to_owned())
            }
            ClientError::Api { code, .. } | ClientError::RecordRefused { code, .. } => code_hint(*code),
            _ => None,
        }
    }
}

fn unreachable_hint(address: &str) -> String {
    format!(
        "is a broker running at {address}? `klamm dev` starts one; another address goes into bootstrap.servers, and \
         a broker elsewhere must advertise an address that this machine can reach (advertised.listeners)"
    )
}

fn code_hint(code: ErrorCode) -> Option<String> {
    let hint = match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => {
            "check the name with `klamm topic list`, or create the topic first"
        }
        ErrorCode::TOPIC_ALREADY_EXISTS => "choose another name, or delete the topic first",
        ErrorCode::INVALID_REPLICATION_FACTOR => {
            "use a replication factor no larger than the number of brokers"
        }
        ErrorCode::MESSAGE_TOO_LARGE => "lower batch.size, or raise max.message.bytes on the topic",
        ErrorCode::INVALID_TIMESTAMP => {
            "the topic bounds timestamps by message.timestamp.before.max.ms and message.timestamp.after.max.ms"
        }
        ErrorCode::NOT_ENOUGH_REPLICAS | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => {
            "fewer replicas are in sync than min.insync.replicas asks for: start the missing brokers"
        }
        ErrorCode::KAFKA_STORAGE_ERROR => {
            "its log is damaged or its log directory has failed, and the broker's log says why; stop the broker and look with \
             `klamm segment verify LOG_DIR`, which names the way out (`klamm segment repair`); other partitions are served"
        }
        ErrorCode::LEADER_NOT_AVAILABLE => {
            "it has no leader: start its broker, or mend the log directory that has failed there; \
             `klamm topic partitions list` shows where its replicas are"
        }
        ErrorCode::NON_EMPTY_GROUP => "stop the members of the group first",
        ErrorCode::OFFSET_OUT_OF_RANGE => {
            "the records are gone or not there yet: start from the beginning or the end"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
