//! What a client can be told, under Kafka's own property names.
//!
//! Owns names, defaults, bounds and parsing. It never reads a file or the environment: the caller brings the pairs.

use std::time::Duration;

use records::Compression;

use crate::group::Assignor;

mod property;
#[cfg(test)]
mod tests;

/// When a produced batch counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// As soon as it is on its way: the broker does not answer.
    None,
    /// When the leader has it.
    Leader,
    /// When all in-sync replicas have it.
    All,
}

impl Acks {
    pub(crate) fn wire(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// Where a consumer goes on when its offset does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// To the first record there is.
    Earliest,
    /// To the end.
    Latest,
    /// Nowhere: it is an error.
    None,
}

/// What a consumer sees of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Everything.
    ReadUncommitted,
    /// Nothing of open or aborted transactions.
    ReadCommitted,
}

/// A property that cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Kafka's clients have no such property.
    #[error("there is no client property {key:?}{}", nearest.map(|n| format!(", did you mean {n:?}?")).unwrap_or_default())]
    UnknownKey {
        /// The key as given.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<&'static str>,
    },
    /// The value does not fit the property.
    #[error("{key}={value:?} is not possible: {reason}")]
    Value {
        /// The property.
        key: &'static str,
        /// The value as given.
        value: String,
        /// What would be possible.
        reason: String,
    },
    /// Two properties contradict each other.
    #[error("{0}")]
    Conflict(String),
}

/// The settings of a client. One set serves all roles; each reads what concerns it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientConfig {
    /// `bootstrap.servers`: host and port of brokers to start from.
    pub bootstrap_servers: Vec<(String, u16)>,
    /// `client.id`: the name the broker logs and counts requests under.
    pub client_id: String,
    /// `request.timeout.ms`: how long a broker may take to answer.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`: how long an operation with its retries may take.
    pub default_api_timeout: Duration,
    /// `retry.backoff.ms`: the pause before the first retry; it doubles from then on.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`: the longest pause before a retry.
    pub retry_backoff_max: Duration,
    /// `reconnect.backoff.ms`: the pause before connecting again to a broker that could not be reached.
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`: the longest such pause.
    pub reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`: how long a connection may take to come about.
    pub connection_setup_timeout: Duration,
    /// `connections.max.idle.ms`: how long an unused connection is kept.
    pub connections_max_idle: Duration,
    /// `metadata.max.age.ms`: after how long the view of the cluster is fetched anew without need.
    pub metadata_max_age: Duration,

    /// `acks`.
    pub acks: Acks,
    /// `linger.ms`: how long a batch may wait for more records.
    pub linger: Duration,
    /// `batch.size`: the size, in bytes, at which a batch is sent at once.
    pub batch_size_bytes: usize,
    /// `compression.type`.
    pub compression: Compression,
    /// `compression.gzip.level` or `compression.zstd.level`, whichever codec is used.
    pub compression_level: CompressionLevels,
    /// `buffer.memory`: how many bytes of records may wait to be sent.
    pub buffer_memory_bytes: usize,
    /// `max.block.ms`: how long a send may wait for memory or metadata.
    pub max_block: Duration,
    /// `max.request.size`: the largest request and the largest record, in bytes.
    pub max_request_size_bytes: usize,
    /// `delivery.timeout.ms`: how long after its send a record may still succeed.
    pub delivery_timeout: Duration,
    /// `retries`: how often a batch is sent again.
    pub retries: u32,
    /// `enable.idempotence`: whether a retry can never write a record twice.
    pub enable_idempotence: bool,
    /// `max.in.flight.requests.per.connection`: unanswered produce requests per broker.
    pub max_in_flight: usize,
    /// `partitioner.ignore.keys`: whether a key has no say in the choice of the partition.
    pub partitioner_ignore_keys: bool,

    /// `fetch.min.bytes`: what a broker waits for before it answers a fetch.
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`: the most a fetch brings.
    pub fetch_max_bytes: i32,
    /// `fetch.max.wait.ms`: how long a broker waits for `fetch.min.bytes`.
    pub fetch_max_wait: Duration,
    /// `max.partition.fetch.bytes`: the most a fetch brings of one partition.
    pub max_partition_fetch_bytes: i32,
    /// `auto.offset.reset`.
    pub auto_offset_reset: AutoOffsetReset,
    /// `isolation.level`.
    pub isolation_level: IsolationLevel,
    /// `check.crcs`: whether checksums of fetched batches are verified.
    pub check_crcs: bool,
    /// `allow.auto.create.topics`: whether asking for a topic may create it. Producers always may, as in Kafka.
    pub allow_auto_create_topics: bool,

    /// `group.id`: the group of a group consumer.
    pub group_id: Option<String>,
    /// `group.instance.id`: the name under which a member comes back to its place.
    pub group_instance_id: Option<String>,
    /// `session.timeout.ms`: how long a member may be silent.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`: how often a member says that it is there.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: how long an application may take between two polls.
    pub max_poll_interval: Duration,
    /// `partition.assignment.strategy`: rules for sharing partitions out, the best first.
    pub assignors: Vec<Assignor>,
    /// `enable.auto.commit`: whether a group consumer commits what it has handed out.
    pub enable_auto_commit: bool,
    /// `auto.commit.interval.ms`: how often it does.
    pub auto_commit_interval: Duration,
    /// `exclude.internal.topics`: whether a pattern never means a topic of the broker's own.
    pub exclude_internal_topics: bool,

    /// Properties that Kafka's clients have and this one has no use for, as given.
    pub ignored: Vec<String>,
    /// Whether `enable.idempotence` was set, and not just defaulted.
    idempotence_is_explicit: bool,
}

/// Levels of the codecs that have any; `None` is the codec's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompressionLevels {
    /// `compression.gzip.level`: 1 to 9.
    pub gzip: Option<i32>,
    /// `compression.zstd.level`: -131072 to 22.
    pub zstd: Option<i32>,
}

impl CompressionLevels {
    pub(crate) fn of(self, compression: Compression) -> Option<i32> {
        match compression {
            Compression::Gzip => self.gzip,
            Compression::Zstd => self.zstd,
            _ => None,
        }
    }
}

impl Default for ClientConfig {
    /// Kafka's defaults, and `localhost:9092`.
    fn default() -> Self {
        ClientConfig {
            bootstrap_servers: vec![("localhost".to_owned(), 9092)],
            client_id: String::new(),
            request_timeout: Duration::from_millis(30_000),
            default_api_timeout: Duration::from_millis(60_000),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_millis(1_000),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_millis(1_000),
            connection_setup_timeout: Duration::from_millis(10_000),
            connections_max_idle: Duration::from_millis(540_000),
            metadata_max_age: Duration::from_millis(300_000),
            acks: Acks::All,
            linger: Duration::from_millis(5),
            batch_size_bytes: 16_384,
            compression: Compression::None,
            compression_level: CompressionLevels::default(),
            buffer_memory_bytes: 33_554_432,
            max_block: Duration::from_millis(60_000),
            max_request_size_bytes: 1_048_576,
            delivery_timeout: Duration::from_millis(120_000),
            retries: i32::MAX as u32,
            enable_idempotence: true,
            max_in_flight: 5,
            partitioner_ignore_keys: false,
            fetch_min_bytes: 1,
            fetch_max_bytes: 52_428_800,
            fetch_max_wait: Duration::from_millis(500),
            max_partition_fetch_bytes: 1_048_576,
            auto_offset_reset: AutoOffsetReset::Latest,
            isolation_level: IsolationLevel::ReadUncommitted,
            check_crcs: true,
            allow_auto_create_topics: true,
            group_id: None,
            group_instance_id: None,
            session_timeout: Duration::from_millis(45_000),
            heartbeat_interval: Duration::from_millis(3_000),
            max_poll_interval: Duration::from_millis(300_000),
            assignors: vec![Assignor::Range],
            enable_auto_commit: true,
            auto_commit_interval: Duration::from_millis(5_000),
            exclude_internal_topics: true,
            ignored: Vec::new(),
            idempotence_is_explicit: false,
        }
    }
}

impl ClientConfig {
    /// The defaults with these `bootstrap.servers`, for example `localhost:9092` or `a:9092,b:9092`.
    ///
    /// # Errors
    /// When the list is empty or an entry is not `host:port`.
    pub fn new(bootstrap_servers: &str) -> Result<ClientConfig, ConfigError> {
        let mut config = ClientConfig::default();
        config.set("bootstrap.servers", bootstrap_servers)?;
        Ok(config)
    }

    /// The defaults with these properties.
    ///
    /// # Errors
    /// The first property that is unknown or impossible, or a contradiction between them.
    pub fn from_properties<K, V>(
        properties: impl IntoIterator<Item = (K, V)>,
    ) -> Result<ClientConfig, ConfigError>
    where
        K: AsRef<str>,
        V: AsRef<str>,
    {
        let mut config = ClientConfig::default();
        for (key, value) in properties {
            config.set(key.as_ref(), value.as_ref())?;
        }
        config.validate()?;
        Ok(config)
    }

    /// Sets one property. A property that Kafka's clients know and this one has no use for is noted in
    /// [`ClientConfig::ignored`].
    ///
    /// # Errors
    /// When the key is unknown or the value impossible.
    pub fn set(&mut self, key: &str, value: &str) -> Result<&mut Self, ConfigError> {
        property::set(self, key, value.trim())?;
        Ok(self)
    }

    /// Checks what concerns several properties at once. Producers do it themselves.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] in Kafka's cases: idempotence needs `acks=all`, retries and at most 5 requests in
    /// flight; `delivery.timeout.ms` must leave room for `linger.ms` and one request.
    pub fn validate(&mut self) -> Result<(), ConfigError> {
        let fits =
            self.acks == Acks::All && self.retries > 0 && self.max_in_flight <= MAX_IDEMPOTENT_IN_FLIGHT;
        if self.enable_idempotence && !fits {
            if self.idempotence_is_explicit {
                return Err(ConfigError::Conflict(format!(
                    "enable.idempotence=true needs acks=all, retries above 0 and \
                     max.in.flight.requests.per.connection of at most {MAX_IDEMPOTENT_IN_FLIGHT}; \
                     set enable.idempotence=false to go without"
                )));
            }
            self.enable_idempotence = false;
        }
        if self.delivery_timeout < self.linger + self.request_timeout {
            return Err(ConfigError::Conflict(
                "delivery.timeout.ms must be at least linger.ms + request.timeout.ms".to_owned(),
            ));
        }
        Ok(())
    }
}

/// A broker remembers the last 5 batches of a producer, so no more may be in flight for retries to be recognised.
pub(crate) const MAX_IDEMPOTENT_IN_FLIGHT: usize = 5;
