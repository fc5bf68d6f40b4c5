//! Parts of `BrokerConfig`, one struct per part of the broker that reads them. Fields carry the names of their keys.

use std::collections::BTreeMap;

use crate::config_error::ConfigError;
use crate::layers::LayerReader;

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// Sockets and the limits on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// `socket.request.max.bytes`: largest frame.
    pub socket_request_max_bytes: i32,
    /// `socket.send.buffer.bytes` where it is set; `None` leaves it to the kernel.
    pub socket_send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes` where it is set; `None` leaves it to the kernel.
    pub socket_receive_buffer_bytes: Option<usize>,
    /// `socket.listen.backlog.size`.
    pub socket_listen_backlog_size: i32,
    /// `connections.max.idle.ms`; negative never closes idle connections.
    pub connections_max_idle_ms: i64,
    /// `max.connections`.
    pub max_connections: i32,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: i32,
    /// `max.connections.per.ip.overrides`: address or host and its limit.
    pub max_connections_per_ip_overrides: Vec<(String, i32)>,
    /// `max.connection.creation.rate` per second.
    pub max_connection_creation_rate: i32,
    /// `listener.name.<name>.max.connections` and `listener.name.<name>.max.connection.creation.rate`, where they are
    /// set, by the listener's name in upper case.
    pub listeners: BTreeMap<String, ListenerConnectionConfig>,
    /// `queued.max.requests`.
    pub queued_max_requests: i32,
    /// `queued.max.request.bytes`; -1 sets no bound.
    pub queued_max_request_bytes: i64,
    /// `connection.failed.authentication.delay.ms`.
    pub failed_authentication_delay_ms: i32,
}

/// Limits of one listener, where it has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListenerConnectionConfig {
    /// `max.connections` of the listener.
    pub max_connections: Option<i32>,
    /// `max.connection.creation.rate` of the listener, per second.
    pub max_connection_creation_rate: Option<i32>,
}

fn read_listeners(read: &LayerReader<'_>) -> BTreeMap<String, ListenerConnectionConfig> {
    let mut listeners: BTreeMap<String, ListenerConnectionConfig> = BTreeMap::new();
    for (name, key, text) in read.listener_overrides() {
        let Ok(limit) = text.trim().parse::<i32>() else { continue };
        let limits = listeners.entry(name.to_ascii_uppercase()).or_default();
        match key {
            "max.connections" => limits.max_connections = Some(limit),
            "max.connection.creation.rate" => limits.max_connection_creation_rate = Some(limit),
            _ => {}
        }
    }
    listeners.retain(|_, limits| *limits != ListenerConnectionConfig::default());
    listeners
}

impl ConnectionConfig {
    pub(super) fn read(read: &mut LayerReader<'_>) -> ConnectionConfig {
        let overrides = read.text("max.connections.per.ip.overrides").unwrap_or_default();
        ConnectionConfig {
            socket_request_max_bytes: read.int("socket.request.max.bytes"),
            socket_send_buffer_bytes: set_buffer(read, "socket.send.buffer.bytes"),
            socket_receive_buffer_bytes: set_buffer(read, "socket.receive.buffer.bytes"),
            socket_listen_backlog_size: read.int("socket.listen.backlog.size"),
            connections_max_idle_ms: read.long("connections.max.idle.ms"),
            max_connections: read.int("max.connections"),
            max_connections_per_ip: read.int("max.connections.per.ip"),
            max_connections_per_ip_overrides: parse_overrides(read, &overrides),
            max_connection_creation_rate: read.int("max.connection.creation.rate"),
            listeners: read_listeners(read),
            queued_max_requests: read.int("queued.max.requests"),
            queued_max_request_bytes: read.long("queued.max.request.bytes"),
            failed_authentication_delay_ms: read.int("connection.failed.authentication.delay.ms"),
        }
    }
}

/// A kernel buffer's size, if somebody set one: Kafka's default would keep the kernel from sizing buffers as it sees fit.
fn set_buffer(read: &mut LayerReader<'_>, key: &str) -> Option<usize> {
    if read.is_set(key) { usize::try_from(read.int(key)).ok() } else { None }
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-%._:".contains(c))
}

fn parse_overrides(read: &mut LayerReader<'_>, text: &str) -> Vec<(String, i32)> {
    let mut overrides = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let parsed =
            entry.rsplit_once(':').map(|(address, limit)| (address.trim(), limit.trim().parse::<i32>()));
        match parsed {
            Some((address, Ok(limit))) if limit >= 0 && is_host(address) => {
                overrides.push((address.to_owned(), limit));
            }
            Some((address, Ok(_))) if !is_host(address) => read.refuse(ConfigError::invalid(format!(
                "max.connections.per.ip.overrides contains invalid addresses : {address}"
            ))),
            _ => read.refuse(ConfigError::value(
                "max.connections.per.ip.overrides",
                text,
                "expected ADDRESS:LIMIT entries separated by commas",
            )),
        }
    }
    overrides
}

/// Log directories and their upkeep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirConfig {
    /// `log.dirs`, else `log.dir`.
    pub log_dirs: Vec<String>,
    /// `log.dir.failure.timeout.ms`.
    pub log_dir_failure_timeout_ms: i64,
    /// `log.dir.full.percent`.
    pub log_dir_full_percent: i32,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub log_flush_offset_checkpoint_interval_ms: i32,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub log_flush_start_offset_checkpoint_interval_ms: i32,
    /// `log.initial.task.delay.ms`.
    pub log_initial_task_delay_ms: i64,
    /// `log.retention.check.interval.ms`.
    pub log_retention_check_interval_ms: i64,
    /// `num.recovery.threads.per.data.dir`.
    pub num_recovery_threads_per_data_dir: i32,
    /// `num.replica.alter.log.dirs.threads`: moves between directories that copy at once; `None` is one for each directory.
    pub num_replica_alter_log_dirs_threads: Option<i32>,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub replica_high_watermark_checkpoint_interval_ms: i64,
    /// `internal.wal.*`.
    pub wal: WalSizes,
}

/// Sizes of a directory's write-ahead log, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalSizes {
    /// `internal.wal.file.bytes.min`.
    pub file_bytes_min: u64,
    /// `internal.wal.file.bytes.max`; never less than that.
    pub file_bytes_max: u64,
    /// `internal.wal.bytes.max`; never less than two of the smallest files.
    pub bytes_max: u64,
    /// `internal.wal.checkpoint.bytes`.
    pub checkpoint_bytes: u64,
    /// `internal.wal.beside.bytes`.
    pub beside_bytes: u64,
}

impl WalSizes {
    fn read(read: &mut LayerReader<'_>) -> WalSizes {
        let mut bytes = |key| u64::try_from(read.long(key)).unwrap_or(0);
        let file_bytes_min = bytes("internal.wal.file.bytes.min");
        WalSizes {
            file_bytes_min,
            file_bytes_max: bytes("internal.wal.file.bytes.max").max(file_bytes_min),
            bytes_max: bytes("internal.wal.bytes.max").max(2 * file_bytes_min),
            checkpoint_bytes: bytes("internal.wal.checkpoint.bytes"),
            beside_bytes: bytes("internal.wal.beside.bytes"),
        }
    }
}

impl LogDirConfig {
    pub(super) fn read(read: &mut LayerReader<'_>) -> LogDirConfig {
        LogDirConfig {
            log_dirs: read.list("log.dirs").or_else(|| read.list("log.dir")).unwrap_or_default(),
            log_dir_failure_timeout_ms: read.long("log.dir.failure.timeout.ms"),
            log_dir_full_percent: read.int("log.dir.full.percent"),
            log_flush_offset_checkpoint_interval_ms: read.int("log.flush.offset.checkpoint.interval.ms"),
            log_flush_start_offset_checkpoint_interval_ms: read
                .int("log.flush.start.offset.checkpoint.interval.ms"),
            log_initial_task_delay_ms: read.long("log.initial.task.delay.ms"),
            log_retention_check_interval_ms: read.long("log.retention.check.interval.ms"),
            num_recovery_threads_per_data_dir: read.int("num.recovery.threads.per.data.dir"),
            num_replica_alter_log_dirs_threads: read.int_if_set("num.replica.alter.log.dirs.threads"),
            replica_high_watermark_checkpoint_interval_ms: read
                .long("replica.high.watermark.checkpoint.interval.ms"),
            wal: WalSizes::read(read),
        }
    }
}

/// Compaction (`log.cleaner.*`).
#[derive(Debug, Clone, PartialEq)]
pub struct CleanerConfig {
    /// `log.cleaner.enable`.
    pub enable: bool,
    /// `log.cleaner.threads`.
    pub threads: i32,
    /// `log.cleaner.backoff.ms`.
    pub backoff_ms: i64,
    /// `log.cleaner.dedupe.buffer.size` in bytes.
    pub dedupe_buffer_size: i64,
    /// `log.cleaner.io.buffer.load.factor`.
    pub io_buffer_load_factor: f64,
    /// `log.cleaner.io.buffer.size` in bytes.
    pub io_buffer_size: i32,
    /// `log.cleaner.io.max.bytes.per.second`.
    pub io_max_bytes_per_second: f64,
}

impl CleanerConfig {
    pub(super) fn read(read: &mut LayerReader<'_>) -> CleanerConfig {
        CleanerConfig {
            enable: read.flag("log.cleaner.enable"),
            threads: read.int("log.cleaner.threads"),
            backoff_ms: read.long("log.cleaner.backoff.ms"),
            dedupe_buffer_size: read.long("log.cleaner.dedupe.buffer.size"),
            io_buffer_load_factor: read.double("log.cleaner.io.buffer.load.factor"),
            io_buffer_size: read.int("log.cleaner.io.buffer.size"),
            io_max_bytes_per_second: read.double("log.cleaner.io.max.bytes.per.second"),
        }
    }
}

/// Classic groups and committed offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: i32,
    /// `group.max.size`: most members of a group.
    pub max_size: i32,
    /// `offset.metadata.max.bytes`: longest text beside a committed offset.
    pub offset_metadata_max_bytes: i32,
    /// `offsets.commit.timeout.ms`.
    pub offsets_commit_timeout_ms: i32,
    /// `offsets.load.buffer.size` in bytes.
    pub offsets_load_buffer_size: i32,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: i64,
    /// `offsets.topic.num.partitions`.
    pub offsets_topic_num_partitions: i32,
    /// `offsets.topic.replication.factor`.
    pub offsets_topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`.
    pub offsets_topic_segment_bytes: i32,
    /// `offsets.topic.compression.codec`: a codec's number, 0 for none.
    pub offsets_topic_compression_codec: i32,
}

impl GroupConfig {
    pub(super) fn read(read: &mut LayerReader<'_>) -> GroupConfig {
        let factor = read.int("offsets.topic.replication.factor");
        GroupConfig {
            min_session_timeout_ms: read.int("group.min.session.timeout.ms"),
            max_session_timeout_ms: read.int("group.max.session.timeout.ms"),
            initial_rebalance_delay_ms: read.int("group.initial.rebalance.delay.ms"),
            max_size: read.int("group.max.size"),
            offset_metadata_max_bytes: read.int("offset.metadata.max.bytes"),
            offsets_commit_timeout_ms: read.int("offsets.commit.timeout.ms"),
            offsets_load_buffer_size: read.int("offsets.load.buffer.size"),
            offsets_retention_ms: i64::from(read.int("offsets.retention.minutes")) * MINUTE_MS,
            offsets_retention_check_interval_ms: read.long("offsets.retention.check.interval.ms"),
            offsets_topic_num_partitions: read.int("offsets.topic.num.partitions"),
            offsets_topic_replication_factor: i16::try_from(factor).unwrap_or(i16::MAX),
            offsets_topic_segment_bytes: read.int("offsets.topic.segment.bytes"),
            offsets_topic_compression_codec: read.int("offsets.topic.compression.codec"),
        }
    }
}

/// Producer ids and transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionConfig {
    /// `producer.id.expiration.ms`: a producer that is silent for this long is forgotten.
    pub producer_id_expiration_ms: i32,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_id_expiration_check_interval_ms: i32,
    /// `transaction.max.timeout.ms`.
    pub max_timeout_ms: i32,
    /// `transaction.state.log.*`.
    pub state_topic: StateTopicConfig,
}

impl TransactionConfig {
    pub(super) fn read(read: &mut LayerReader<'_>) -> TransactionConfig {
        TransactionConfig {
            producer_id_expiration_ms: read.int("producer.id.expiration.ms"),
            producer_id_expiration_check_interval_ms: read.int("producer.id.expiration.check.interval.ms"),
            max_timeout_ms: read.int("transaction.max.timeout.ms"),
            state_topic: StateTopicConfig::of_transactions(read),
        }
    }
}

/// What the topic of a coordinator's state is created with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateTopicConfig {
    /// `….num.partitions`.
    pub num_partitions: i32,
    /// `….replication.factor`.
    pub replication_factor: i16,
    /// `….segment.bytes`.
    pub segment_bytes: i32,
    /// `….min.isr`.
    pub min_insync_replicas: i32,
}

impl StateTopicConfig {
    fn of_transactions(read: &mut LayerReader<'_>) -> StateTopicConfig {
        let factor = read.int("transaction.state.log.replication.factor");
        StateTopicConfig {
            num_partitions: read.int("transaction.state.log.num.partitions"),
            replication_factor: i16::try_from(factor).unwrap_or(i16::MAX),
            segment_bytes: read.int("transaction.state.log.segment.bytes"),
            min_insync_replicas: read.int("transaction.state.log.min.isr"),
        }
    }

    pub(super) fn of_share_groups(read: &mut LayerReader<'_>) -> StateTopicConfig {
        let factor = read.int("share.coordinator.state.topic.replication.factor");
        StateTopicConfig {
            num_partitions: read.int("share.coordinator.state.topic.num.partitions"),
            replication_factor: i16::try_from(factor).unwrap_or(i16::MAX),
            segment_bytes: read.int("share.coordinator.state.topic.segment.bytes"),
            min_insync_replicas: read.int("share.coordinator.state.topic.min.isr"),
        }
    }
}

/// The log of cluster metadata, and a broker's tie to its controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataLogConfig {
    /// `metadata.log.dir`; `None` takes the first log directory.
    pub metadata_log_dir: Option<String>,
    /// `metadata.log.segment.bytes`, or `internal.metadata.log.segment.bytes` where a test sets it.
    pub metadata_log_segment_bytes: i32,
    /// `metadata.log.segment.ms`.
    pub metadata_log_segment_ms: i64,
    /// `internal.metadata.max.batch.size.in.bytes`.
    pub metadata_log_max_batch_bytes: i32,
    /// `internal.metadata.delete.delay.millis`.
    pub metadata_log_delete_delay_ms: i64,
    /// `controller.performance.always.log.threshold.ms`.
    pub controller_performance_always_log_threshold_ms: i64,
    /// `controller.performance.sample.period.ms`.
    pub controller_performance_sample_period_ms: i64,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub metadata_log_max_record_bytes_between_snapshots: i64,
    /// `metadata.log.max.snapshot.interval.ms`; 0 turns snapshots by time off.
    pub metadata_log_max_snapshot_interval_ms: i64,
    /// `metadata.max.idle.interval.ms`; 0 writes no NoOp records.
    pub metadata_max_idle_interval_ms: i32,
    /// `metadata.max.retention.bytes`.
    pub metadata_max_retention_bytes: i64,
    /// `metadata.max.retention.ms`.
    pub metadata_max_retention_ms: i64,
    /// `broker.heartbeat.interval.ms`.
    pub broker_heartbeat_interval_ms: i32,
    /// `broker.session.timeout.ms`.
    pub broker_session_timeout_ms: i32,
    /// `initial.broker.registration.timeout.ms`.
    pub initial_broker_registration_timeout_ms: i32,
}

impl MetadataLogConfig {
    pub(super) fn read(read: &mut LayerReader<'_>) -> MetadataLogConfig {
        let test_segment_bytes = match read.value("internal.metadata.log.segment.bytes") {
            crate::value::Value::Int(bytes) => Some(bytes),
            _ => None,
        };
        MetadataLogConfig {
            metadata_log_dir: read.text("metadata.log.dir"),
            metadata_log_segment_bytes: test_segment_bytes
                .unwrap_or_else(|| read.int("metadata.log.segment.bytes")),
            metadata_log_segment_ms: read.long("metadata.log.segment.ms"),
            metadata_log_max_batch_bytes: read.int("internal.metadata.max.batch.size.in.bytes"),
            metadata_log_delete_delay_ms: read.long("internal.metadata.delete.delay.millis"),
            controller_performance_always_log_threshold_ms: read
                .long("controller.performance.always.log.threshold.ms"),
            controller_performance_sample_period_ms: read.long("controller.performance.sample.period.ms"),
            metadata_log_max_record_bytes_between_snapshots: read
                .long("metadata.log.max.record.bytes.between.snapshots"),
            metadata_log_max_snapshot_interval_ms: read.long("metadata.log.max.snapshot.interval.ms"),
            metadata_max_idle_interval_ms: read.int("metadata.max.idle.interval.ms"),
            metadata_max_retention_bytes: read.long("metadata.max.retention.bytes"),
            metadata_max_retention_ms: read.long("metadata.max.retention.ms"),
            broker_heartbeat_interval_ms: read.int("broker.heartbeat.interval.ms"),
            broker_session_timeout_ms: read.int("broker.session.timeout.ms"),
            initial_broker_registration_timeout_ms: read.int("initial.broker.registration.timeout.ms"),
        }
    }
}

/// Raft (`controller.quorum.*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumConfig {
    /// Whether `controller.quorum.voters` names this node: the voter of a metadata log that names none itself.
    pub is_static_voter: bool,
    /// `controller.quorum.append.linger.ms`.
    pub append_linger_ms: i32,
    /// `controller.quorum.election.backoff.max.ms`.
    pub election_backoff_max_ms: i32,
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout_ms: i32,
    /// `controller.quorum.fetch.timeout.ms`.
    pub fetch_timeout_ms: i32,
    /// `controller.quorum.request.timeout.ms`.
    pub request_timeout_ms: i32,
    /// `controller.quorum.retry.backoff.ms`.
    pub retry_backoff_ms: i32,
    /// `controller.quorum.fetch.max.bytes`.
    pub fetch_max_bytes: i32,
    /// `controller.quorum.fetch.snapshot.max.bytes`.
    pub fetch_snapshot_max_bytes: i32,
}

impl QuorumConfig {
    pub(super) fn read(read: &mut LayerReader<'_>) -> QuorumConfig {
        QuorumConfig {
            // That it names nobody else is a rule of the whole configuration.
            is_static_voter: !read.list("controller.quorum.voters").unwrap_or_default().is_empty(),
            append_linger_ms: read.int("controller.quorum.append.linger.ms"),
            election_backoff_max_ms: read.int("controller.quorum.election.backoff.max.ms"),
            election_timeout_ms: read.int("controller.quorum.election.timeout.ms"),
            fetch_timeout_ms: read.int("controller.quorum.fetch.timeout.ms"),
            request_timeout_ms: read.int("controller.quorum.request.timeout.ms"),
            retry_backoff_ms: read.int("controller.quorum.retry.backoff.ms"),
            fetch_max_bytes: read.int("controller.quorum.fetch.max.bytes"),
            fetch_snapshot_max_bytes: read.int("controller.quorum.fetch.snapshot.max.bytes"),
        }
    }
}

/// The spans over which the use of clients is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaConfig {
    /// `quota.window.num`.
    pub quota_window_num: i32,
    /// `quota.window.size.seconds`.
    pub quota_window_size_seconds: i32,
    /// `controller.quota.window.num`.
    pub controller_quota_window_num: i32,
    /// `controller.quota.window.size.seconds`.
    pub controller_quota_window_size_seconds: i32,
}

impl QuotaConfig {
    pub(super) fn read(read: &mut LayerReader<'_>) -> QuotaConfig {
        QuotaConfig {
            quota_window_num: read.int("quota.window.num"),
            quota_window_size_seconds: read.int("quota.window.size.seconds"),
            controller_quota_window_num: read.int("controller.quota.window.num"),
            controller_quota_window_size_seconds: read.int("controller.quota.window.size.seconds"),
        }
    }
}
