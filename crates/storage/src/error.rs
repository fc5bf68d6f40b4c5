//! What can go wrong with a log, and which of Kafka's errors that is.
//!
//! Owns the error values of this room. It never decides what the node does about them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use protocol::ErrorCode;
use records::{BatchError, RecordError};

use crate::scan::BadBatch;

/// A fault of the machine or of a directory's content. To clients it is `KAFKA_STORAGE_ERROR`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// The disk refused an action; the message names the action and the path.
    #[error("{0}")]
    Io(Arc<io::Error>),
    /// No space is left. What was written before is kept, and appends work again once there is space.
    #[error("no space is left in log directory {}: free some, or lower retention.ms or retention.bytes", path.display())]
    DiskFull {
        /// The log directory.
        path: PathBuf,
    },
    /// The file system is full up to the limit that is kept for everything but clients' records.
    #[error(
        "log directory {} is full, up to log.dir.full.percent or to what is kept for a start: delete topics or \
         records, lower retention.ms or retention.bytes, or make its file system larger", path.display()
    )]
    NearlyFull {
        /// The log directory.
        path: PathBuf,
    },
    /// A write or flush failed before, so nothing in this directory can be trusted until it is opened anew.
    #[error("log directory {} is offline since: {reason}", path.display())]
    Offline {
        /// The log directory.
        path: PathBuf,
        /// The failure that took it offline.
        reason: String,
    },
    /// The directory cannot be made, locked or listed.
    #[error("log directory {} cannot be used: {source}; {}", path.display(), fix(source.kind()))]
    Unusable {
        /// The log directory.
        path: PathBuf,
        /// What the machine says.
        source: Arc<io::Error>,
    },
    /// Another process uses the directory.
    #[error("log directory {} is used by another process: {source}; stop it, or choose another directory", path.display())]
    Locked {
        /// The log directory.
        path: PathBuf,
        /// Names the holder's process id.
        source: Arc<io::Error>,
    },
    /// The directory has no `meta.properties`.
    #[error(
        "log directory {} has no meta.properties: if its disk should be mounted there, mount it; if the directory is \
         new, format it with kafka-storage format --ignore-formatted and the cluster's id", path.display()
    )]
    NotFormatted {
        /// The log directory.
        path: PathBuf,
    },
    /// The directory has logs and no `meta.properties`: it is not ours to format.
    #[error(
        "log directory {} has logs ({example}, …) and no meta.properties, so it is not known whose they are: \
         restore meta.properties, or choose an empty directory", path.display()
    )]
    UnknownOwner {
        /// The log directory.
        path: PathBuf,
        /// One of the logs.
        example: String,
    },
    /// `meta.properties` cannot be used.
    #[error("{} is unusable: {reason}; restore it, or choose another directory", path.display())]
    MetaProperties {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The directory belongs to another cluster.
    #[error(
        "log directory {} belongs to cluster {found}, and this node to cluster {expected}: \
         choose another directory, or start the node with that cluster's id", path.display()
    )]
    WrongCluster {
        /// The log directory.
        path: PathBuf,
        /// The cluster id of this node.
        expected: String,
        /// The cluster id in `meta.properties`.
        found: String,
    },
    /// The directory belongs to another node.
    #[error(
        "log directory {} belongs to node {found}, and this is node {expected}: \
         set node.id={found}, or choose another directory", path.display()
    )]
    WrongNode {
        /// The log directory.
        path: PathBuf,
        /// The id of this node.
        expected: i32,
        /// The node id in `meta.properties`.
        found: i32,
    },
    /// No log directory can be used.
    #[error("no log directory can be used: {reasons}")]
    NoDirectory {
        /// What is wrong with each.
        reasons: String,
    },
    /// `log.dirs` names a directory twice.
    #[error("log directory {} is named twice in log.dirs; name it once", path.display())]
    NamedTwice {
        /// The log directory.
        path: PathBuf,
    },
    /// Two log directories have the same id: one is a copy of the other.
    #[error(
        "log directories {} and {} have the same directory.id {id}, so one was copied from the other: \
         take out of log.dirs the one that is not in use", other.display(), path.display()
    )]
    SameId {
        /// The log directory.
        path: PathBuf,
        /// The one before it.
        other: PathBuf,
        /// The id of both.
        id: protocol::Uuid,
    },
    /// The metadata log lies in a directory that is not `metadata.log.dir`.
    #[error(
        "the metadata log is in {}, and metadata.log.dir (by default the first of log.dirs) is {}: \
         set metadata.log.dir to where it is, or move it", found.display(), expected.display()
    )]
    MetadataElsewhere {
        /// Where it is.
        found: PathBuf,
        /// The directory that should have it.
        expected: PathBuf,
    },
    /// The log lost something it had promised to keep, so it is left untouched and not served.
    #[error("log {log} is damaged and kept offline: {reason}")]
    Damaged {
        /// `topic-partition`.
        log: String,
        /// What is missing or wrong, and where.
        reason: String,
    },
    /// The log may lie in a directory that cannot be seen, so none is made.
    #[error(
        "log {log} is in log directory {directory}, which is offline or not named in log.dirs: mend the directory, or \
         name it, and start again"
    )]
    Hidden {
        /// `topic-partition`.
        log: String,
        /// `directory.id`, or a reserved one if it is not known.
        directory: protocol::Uuid,
    },
    /// There is a log or a file of that name.
    #[error("log {log} exists already")]
    Exists {
        /// `topic-partition`.
        log: String,
    },
    /// The log cannot be moved: a copy of it would have a name longer than file systems take.
    #[error("log {log} cannot be moved: its name is too long")]
    NameTooLong {
        /// `topic-partition`.
        log: String,
    },
    /// There is no log of that name, or it was deleted.
    #[error("there is no log {log}")]
    Unknown {
        /// `topic-partition`.
        log: String,
    },
    /// The log belongs to another incarnation of the topic.
    #[error("log {log} belongs to topic id {found}, not {expected}")]
    InconsistentTopicId {
        /// `topic-partition`.
        log: String,
        /// The id asked for.
        expected: protocol::Uuid,
        /// The id in `partition.metadata`.
        found: protocol::Uuid,
    },
    /// Bytes that were valid when written are not any more. They are not served.
    #[error("log {log} is corrupt at offset {offset} (file {}, position {position}): {bad}", path.display())]
    Corrupt {
        /// `topic-partition`.
        log: String,
        /// The first offset that cannot be read.
        offset: i64,
        /// The segment file.
        path: PathBuf,
        /// Position in the file.
        position: u64,
        /// What is wrong there.
        bad: BadBatch,
    },
    /// An index of aborted transactions cannot be read, so that it is not known which records count.
    #[error("log {log} cannot be compacted: {} is unusable: {reason}", path.display())]
    TxnIndex {
        /// `topic-partition`.
        log: String,
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The requested offset is outside what the log may move its start to.
    #[error("offset {offset} is out of range: the log has {log_start_offset} to {high_watermark}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: i64,
        /// The log start.
        log_start_offset: i64,
        /// The high watermark.
        high_watermark: i64,
    },
}

/// What to do about a directory that cannot be used.
fn fix(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => "give the user of this process the right to write there",
        io::ErrorKind::ReadOnlyFilesystem => "mount its file system for writing",
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "there is a file of that name: move it away, or choose another directory"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space there",
        _ => "mend it, or take it out of log.dirs",
    }
}

impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl StorageError {
    /// Whether the content of the log is at fault, so that trying again would find the same.
    pub fn is_content_fault(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::TxnIndex { .. })
    }

    /// Whether it is about the content of one log, which is offline alone.
    pub(crate) fn is_of_one_log(&self) -> bool {
        self.is_content_fault() || matches!(self, Self::Damaged { .. })
    }

    /// Whether there was no space, which passes; nothing is broken.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::NearlyFull { .. })
    }

    /// The error code a client is answered with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::OffsetOutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
            Self::InconsistentTopicId { .. } => ErrorCode::INCONSISTENT_TOPIC_ID,
            Self::Unknown { .. } => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::NameTooLong { .. } => ErrorCode::INVALID_TOPIC_EXCEPTION,
            _ => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

/// Why an append was refused. Nothing of it is in the log, and no offset was used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The bytes break a rule of the record format or of the topic.
    #[error("{0}")]
    Invalid(#[from] BatchError),
    /// The batch is larger than a segment may be (`segment.bytes`).
    #[error("the batches have {size_bytes} bytes, and a segment at most {segment_bytes}")]
    LargerThanSegment {
        /// Size of the append, in bytes.
        size_bytes: u64,
        /// The topic's segment size, in bytes.
        segment_bytes: u32,
    },
    /// The batch does not follow the producer's last one.
    #[error(
        "out of order sequence number for producer {producer_id} at offset {offset}: \
         {sequence} (incoming seq. number), {last_sequence} (current end sequence number)"
    )]
    OutOfOrderSequence {
        /// The producer's id.
        producer_id: i64,
        /// The offset the batch would have had.
        offset: i64,
        /// First sequence of the batch.
        sequence: i32,
        /// Last sequence in the log under the producer's current epoch, -1 if there is none.
        last_sequence: i32,
    },
    /// A newer incarnation of the producer has written to the log.
    #[error(
        "epoch of producer {producer_id} at offset {offset} is {epoch}, which is smaller than the last seen epoch \
         {current_epoch}"
    )]
    InvalidProducerEpoch {
        /// The producer's id.
        producer_id: i64,
        /// The offset the batch would have had.
        offset: i64,
        /// The batch's epoch.
        epoch: i16,
        /// The newest epoch seen.
        current_epoch: i16,
    },
    /// The batches bring their own offsets, and those do not follow the log's end.
    #[error("unexpected offset {found}: the next offset of the log is {expected}")]
    UnexpectedOffset {
        /// The log end.
        expected: i64,
        /// Base offset of the first batch.
        found: i64,
    },
    /// The disk did.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl AppendError {
    /// The error code Produce answers with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(e) => ErrorCode(e.kind().code()),
            Self::LargerThanSegment { .. } => ErrorCode::RECORD_LIST_TOO_LARGE,
            Self::OutOfOrderSequence { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            Self::InvalidProducerEpoch { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
            Self::UnexpectedOffset { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
            // Every client, however old, tries the same again; KAFKA_STORAGE_ERROR would send it to look for another leader.
            Self::Storage(e) if e.is_full() => ErrorCode::NOT_ENOUGH_REPLICAS,
            Self::Storage(e) => e.code(),
        }
    }

    /// Whether the disk failed, so that the log cannot be written any more. A full disk is not meant: it can be written
    /// again once there is space.
    pub fn is_disk_fault(&self) -> bool {
        matches!(self, Self::Storage(e) if !e.is_full())
    }

    /// The records refused one by one, for Produce's `RecordErrors`; empty if the batch was refused as a whole.
    pub fn record_errors(&self) -> &[RecordError] {
        match self {
            Self::Invalid(e) => e.record_errors(),
            _ => &[],
        }
    }
}

/// Why a read gave nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The offset is before the log start or after its end.
    #[error("offset {offset} is out of range: the log has {log_start_offset} to {log_end_offset}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: i64,
        /// The log start.
        log_start_offset: i64,
        /// The log end.
        log_end_offset: i64,
    },
    /// The disk or the content of the log.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl ReadError {
    /// The error code Fetch answers with.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::OffsetOutOfRange { .. } => ErrorCode::OFFSET_OUT_OF_RANGE,
            Self::Storage(e) => e.code(),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Storage(error.into())
    }
}
