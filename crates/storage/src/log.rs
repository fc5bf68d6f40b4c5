//! The writing state of one partition's log.
//!
//! Owns appending, rolling, flushing, retention and truncation: everything that changes the files. There is one writer
//! at a time, which the caller guarantees by holding the value; readers use the [`LogView`]. It knows offsets and
//! bytes, never replicas: what is committed comes in as the view's high watermark.

use std::path::PathBuf;
use std::sync::Arc;

use protocol::Uuid;

use crate::directory::Directory;
use crate::error::StorageError;
use crate::layout::{PARTITION_METADATA, SNAPSHOT_SUFFIX, segment_path};
use crate::log_config::LogConfig;
use crate::marker_files::{encode_partition_metadata, is_rotten_topic_id};
use crate::producer_state::ProducerState;
use crate::proof::Ledger;
use crate::segment::Segment;
use crate::tail_copy::TailCopy;
use crate::view::{LogView, SegmentList};

mod ahead;
mod append;
mod clean;
mod copy;
mod flush;
mod follow;
mod preallocate;
mod retention;
mod roll;
mod truncate;

pub use append::AppendInfo;
pub use copy::CopyTicket;
pub use flush::FlushTicket;
pub use follow::{CopyError, CopyStep};
pub use retention::{DeleteTicket, RetentionOutcome};

/// A producer as `DescribeProducers` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveProducer {
    /// The producer's id.
    pub producer_id: i64,
    /// The newest epoch seen.
    pub producer_epoch: i16,
    /// Sequence of its last record under that epoch, -1 if there is none.
    pub last_sequence: i32,
    /// Timestamp of its last batch, in ms.
    pub last_timestamp_ms: i64,
    /// Epoch of the coordinator that wrote its last transaction marker, -1 if none did.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction.
    pub current_txn_first_offset: Option<i64>,
}

/// The writing state of a log. See the module's documentation.
pub struct UnifiedLog {
    view: Arc<LogView>,
    config: Arc<LogConfig>,
    active: Active,
    /// Checksums of what is appended; there is none before the first append.
    ledger: Option<Box<Ledger>>,
    /// The second copy of what is not proven yet, if the configuration asks for one.
    tail: Option<Box<TailCopy>>,
    producers: ProducerState,
    /// Offsets of the snapshot files on disk, rising.
    snapshots: Vec<i64>,
    /// The largest epoch in the epoch cache, -1 if it is empty.
    latest_epoch: i32,
    unflushed: Unflushed,
    /// The write-ahead log was asked to make the log's names durable, or they are.
    names_ahead: bool,
    /// Files out of use, to be removed when their time comes.
    waiting: Vec<WaitingFiles>,
}

/// The segment that is appended to.
struct Active {
    segment: Arc<Segment>,
    /// Bytes since the last index entry.
    bytes_since_index: u64,
    /// Largest timestamp of the first append: where `segment.ms` counts from.
    first_timestamp: Option<i64>,
    /// Taken off `segment.ms`.
    jitter_ms: i64,
    /// Room was kept on the disk for the whole segment.
    is_preallocated: bool,
}

/// What a flush has to make durable besides the segments.
#[derive(Default)]
struct Unflushed {
    /// Bytes appended since the last flush began.
    bytes: u64,
    /// When the oldest of them was appended.
    since_ms: Option<i64>,
    /// Names created in the log's directory.
    names: Change,
    /// The directory's own name.
    dir: Change,
    /// The leader epochs.
    epochs: Change,
    /// A rolled segment waits for its flush.
    rolled: bool,
    /// The active segment's files were written to. What is no batch of them, only a clean stop flushes.
    touched: bool,
    /// Snapshot files written and not flushed.
    snapshots: Vec<i64>,
    /// Bytes appended since the last producer snapshot.
    bytes_since_snapshot: u64,
}

/// Counts changes of something, and up to which change it is durable; so that a flush that was prepared and never run
/// takes no note of anything.
#[derive(Default, Clone, Copy)]
struct Change {
    made: u64,
    durable: u64,
}

impl Change {
    fn note(&mut self) {
        self.made += 1;
    }

    fn is_pending(self) -> bool {
        self.made > self.durable
    }
}

struct WaitingFiles {
    due_ms: i64,
    paths: Vec<PathBuf>,
}

/// What the loader hands over.
pub(crate) struct LoadedLog {
    pub(crate) view: Arc<LogView>,
    pub(crate) config: Arc<LogConfig>,
    pub(crate) producers: ProducerState,
    pub(crate) snapshots: Vec<i64>,
    /// Bytes of the active segment since its last index entry.
    pub(crate) bytes_since_index: u64,
    /// Largest timestamp of the active segment's first batch, if it has one.
    pub(crate) first_timestamp: Option<i64>,
    /// Bytes after the recovery point.
    pub(crate) unflushed_bytes: u64,
    /// Whether names of this log may not be durable: it is new, or its last process did not stop cleanly.
    pub(crate) names_unsure: bool,
    /// Whether the epoch checkpoint file differs from the cache.
    pub(crate) epochs_changed: bool,
    /// Proof of the batches beyond the recovery point.
    pub(crate) ledger: Option<Box<Ledger>>,
    /// The second copy of its end, if there is one.
    pub(crate) tail: Option<Box<TailCopy>>,
    pub(crate) now_ms: i64,
}

impl UnifiedLog {
    pub(crate) fn new(loaded: LoadedLog) -> Self {
        let LoadedLog { view, config, now_ms, .. } = loaded;
        let segment = Arc::clone(view.segments().last().expect("a log has at least one segment"));
        let latest_epoch = view.latest_epoch().map_or(-1, |entry| entry.epoch);
        let mut unflushed = Unflushed {
            bytes: loaded.unflushed_bytes,
            since_ms: (loaded.unflushed_bytes > 0).then_some(now_ms),
            ..Unflushed::default()
        };
        if loaded.names_unsure {
            unflushed.touched = true;
            // The last process may not have come to flush those that it took last.
            let flushed = view.recovery_point();
            unflushed.snapshots =
                loaded.snapshots.iter().copied().filter(|offset| *offset >= flushed).collect();
            unflushed.names.note();
            unflushed.dir.note();
        }
        if loaded.epochs_changed {
            unflushed.epochs.note();
        }
        let active = Active {
            segment,
            bytes_since_index: loaded.bytes_since_index,
            first_timestamp: loaded.first_timestamp,
            jitter_ms: draw_jitter(view.directory(), &config),
            is_preallocated: false,
        };
        if unflushed.bytes > 0 {
            view.segments().iter().for_each(|segment| segment.set_dirty(true));
        }
        Self {
            view,
            config,
            active,
            ledger: loaded.ledger,
            tail: loaded.tail,
            producers: loaded.producers,
            snapshots: loaded.snapshots,
            latest_epoch,
            unflushed,
            names_ahead: !loaded.names_unsure,
            waiting: Vec::new(),
        }
    }

    /// Says that this node leads the log under `epoch`: the epoch starts at the log end, also while it has no batch, as
    /// followers and clients may ask for its end (KIP-101). It is written to the checkpoint with its first batch; without
    /// one, the next leadership makes it known again.
    pub fn start_epoch(&self, epoch: i32) {
        if epoch > self.latest_epoch {
            self.view.epochs().lock().assign(epoch, self.end_offset());
        }
    }

    /// The readers' half.
    pub fn view(&self) -> Arc<LogView> {
        Arc::clone(&self.view)
    }

    /// Takes the log out of use: its partition has another one. It is no longer counted in its directory, and who reads
    /// from it is told that it is gone.
    pub fn mark_replaced(&self) {
        self.view.mark_deleted();
    }

    /// The configuration in force.
    pub fn config(&self) -> &Arc<LogConfig> {
        &self.config
    }

    /// Puts another configuration in force. Segments rolled so far keep their form. A log that becomes durable is made so
    /// from its beginning, which may block.
    ///
    /// # Errors
    /// The disk's.
    pub fn update_config(&mut self, config: impl Into<Arc<LogConfig>>) -> Result<(), StorageError> {
        self.config = allowed(config.into(), self.view.is_future());
        self.active.jitter_ms = draw_jitter(self.view.directory(), &self.config);
        self.directory().note_cleanable();
        self.directory().note_activity();
        self.secure_tail()
    }

    /// Tells a log that has no topic id which one it has.
    ///
    /// # Errors
    /// [`StorageError::InconsistentTopicId`] if it has another one; the disk's.
    pub fn assign_topic_id(&mut self, id: Uuid) -> Result<(), StorageError> {
        let known = self.view.topic_id().filter(|known| !is_rotten_topic_id(*known, id));
        if known.is_none() && self.view.topic_id().is_some() {
            tracing::warn!(log = %self.view.name(), topic_id = %id, "the topic id on the disk has a rotten character: written anew");
            self.view.mend_topic_id(id);
        }
        self.view.assign_topic_id(id).map_err(|found| StorageError::InconsistentTopicId {
            log: self.view.name(),
            expected: id,
            found,
        })?;
        if known.is_none() {
            let path = self.view.dir().join(PARTITION_METADATA);
            self.disk_write(|directory| {
                directory.disk().write_atomic(&path, &encode_partition_metadata(id))
            })?;
        }
        Ok(())
    }

    /// The producers this log knows, by id.
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        let shown = self.producers.iter().map(|(producer_id, entry)| ActiveProducer {
            producer_id,
            producer_epoch: entry.epoch,
            last_sequence: entry.last_sequence(),
            last_timestamp_ms: entry.last_timestamp,
            coordinator_epoch: entry.coordinator_epoch,
            current_txn_first_offset: Some(entry.current_txn_first_offset).filter(|offset| *offset >= 0),
        });
        shown.collect()
    }

    /// Number of producers this log knows.
    pub fn producers_count(&self) -> usize {
        self.producers.len()
    }

    fn directory(&self) -> &Arc<Directory> {
        self.view.directory()
    }

    fn segments(&self) -> Arc<SegmentList> {
        self.view.segments()
    }

    fn end_offset(&self) -> i64 {
        self.view.log_end_offset()
    }

    fn snapshot_path(&self, offset: i64) -> PathBuf {
        segment_path(self.view.dir(), offset, SNAPSHOT_SUFFIX)
    }

    /// Runs an action that writes, and judges its failure.
    fn disk_write<T>(
        &self,
        action: impl FnOnce(&Directory) -> std::io::Result<T>,
    ) -> Result<T, StorageError> {
        let directory = self.view.directory();
        directory.check_online()?;
        action(directory).map_err(|error| directory.write_failed(error))
    }
}

impl std::fmt::Debug for UnifiedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UnifiedLog({:?})", self.view)
    }
}

/// The configuration under which a log runs: a copy that is being made is not written ahead, since its source is.
pub(crate) fn allowed(mut config: Arc<LogConfig>, is_future: bool) -> Arc<LogConfig> {
    if is_future && config.durable {
        Arc::make_mut(&mut config).durable = false;
    }
    config
}

/// The ledger of a segment to which the next batch comes at this position.
fn ledger_at<'a>(ledger: &'a mut Option<Box<Ledger>>, segment: &Segment, position: u64) -> &'a mut Ledger {
    let base_offset = segment.base_offset();
    let ledger = ledger.get_or_insert_with(|| Box::new(Ledger::start(base_offset, position)));
    if ledger.place() != (base_offset, position) {
        ledger.go_on(base_offset, position);
    }
    ledger
}

fn draw_jitter(directory: &Directory, config: &LogConfig) -> i64 {
    match u64::try_from(config.segment_jitter_ms.min(config.segment_ms)) {
        Ok(bound) if bound > 0 => directory.rng().below(bound) as i64,
        _ => 0,
    }
}
