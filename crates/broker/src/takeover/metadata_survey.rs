//! The metadata log as it lies on disk, read without opening it.
//!
//! What cannot be read at its end is passed over, since a stop without warning leaves such ends and recovery deals with
//! them; what is whole and not understood is a reason to keep off.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use metadata::{FeaturesImage, MetadataImage, MetadataLoader, Provenance};
use platform::{Disk, File, OpenMode};
use protocol::MetadataRecord;
use raft::{ControlRecord, SnapshotId, VoterSet};
use records::{Batch, BatchHeader, batches};

use crate::metadata_log::LogContent;

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
/// The largest batch that is looked at; Kafka writes at most 8 MiB.
const BATCH_BYTES_MAX: usize = 64 << 20;
const LOG_SUFFIX: &str = ".log";

/// What the log says at its end.
#[derive(Debug)]
pub(super) struct MetadataSurvey {
    /// The cluster, with what the last batches changed.
    pub(super) image: MetadataImage,
    /// Who votes; nobody where that is not in the log.
    pub(super) voters: VoterSet,
    /// How the quorum keeps its voters.
    pub(super) kraft_version: i16,
    /// Of the migration from ZooKeeper; 0 if there was none.
    pub(super) migration_state: i8,
    /// Brokers that last registered as ones of the ZooKeeper age.
    pub(super) migrating_brokers: BTreeSet<i32>,
    /// The cluster that the bootstrap snapshot would make, if the log is empty.
    bootstrap: MetadataImage,
    is_empty: bool,
}

impl MetadataSurvey {
    /// Reads snapshots and log. Changes nothing.
    ///
    /// # Errors
    /// One reason: the disk refuses, a snapshot is damaged, a record is not understood.
    pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Result<Self, String> {
        let entries = disk.list(dir).map_err(|error| error.to_string())?;
        let mut snapshots: Vec<SnapshotId> =
            entries.iter().filter_map(|entry| SnapshotId::from_file_name(&entry.name)).collect();
        snapshots.sort();
        let mut reader = Reader {
            loader: MetadataLoader::new(MetadataImage::empty()),
            voters: VoterSet::default(),
            kraft_version: 0,
            migration_state: 0,
            migrating_brokers: BTreeSet::new(),
            next_offset: 0,
        };
        let mut bootstrap = MetadataImage::empty();
        if snapshots.first() == Some(&SnapshotId::BOOTSTRAP) {
            reader.take_snapshot(disk, dir, SnapshotId::BOOTSTRAP)?;
            bootstrap = std::mem::take(&mut reader.loader).current().clone();
            reader.next_offset = 0;
        }
        if let Some(latest) = snapshots.last().filter(|id| **id != SnapshotId::BOOTSTRAP) {
            reader.take_snapshot(disk, dir, *latest)?;
        }
        let segments = entries.iter().filter(|entry| entry.name.ends_with(LOG_SUFFIX));
        let mut is_empty = snapshots.last().is_none_or(|id| *id == SnapshotId::BOOTSTRAP);
        for segment in segments {
            is_empty &= segment.len == 0;
            reader.take_segment(disk, &dir.join(&segment.name))?;
        }
        Ok(Self {
            image: reader.loader.current().clone(),
            voters: reader.voters,
            kraft_version: reader.kraft_version,
            migration_state: reader.migration_state,
            migrating_brokers: reader.migrating_brokers,
            bootstrap,
            is_empty,
        })
    }

    /// Whether the log was made and nothing was ever said in it: this node may format it.
    pub(super) fn is_unformatted(&self) -> bool {
        self.is_empty && self.voters.is_empty() && self.bootstrap == MetadataImage::empty()
    }

    /// The features that the cluster has, or will have once it has started for the first time.
    pub(super) fn features(&self) -> &FeaturesImage {
        match self.image.features().metadata_version() {
            Some(_) => self.image.features(),
            None => self.bootstrap.features(),
        }
    }
}

struct Reader {
    loader: MetadataLoader,
    voters: VoterSet,
    kraft_version: i16,
    migration_state: i8,
    migrating_brokers: BTreeSet<i32>,
    next_offset: i64,
}

impl Reader {
    fn take_snapshot(&mut self, disk: &dyn Disk, dir: &Path, id: SnapshotId) -> Result<(), String> {
        let path = dir.join(id.file_name());
        let bytes = disk.read(&path).map_err(|error| error.to_string())?;
        let content =
            LogContent::of_snapshot(&bytes).map_err(|reason| format!("{}: {reason}", path.display()))?;
        content.control().iter().for_each(|record| self.take_control(record));
        for (_, record) in &content.records {
            self.take_record(&path, id.offset - 1, record)?;
        }
        let provenance = Provenance { offset: id.offset - 1, epoch: id.epoch, timestamp_ms: 0 };
        self.loader.publish(provenance);
        self.next_offset = id.offset;
        Ok(())
    }

    fn take_segment(&mut self, disk: &dyn Disk, path: &Path) -> Result<(), String> {
        let file = disk.open(path, OpenMode::Read).map_err(|error| error.to_string())?;
        for_each_whole_batch(file.as_ref(), |batch| {
            if batch.header.last_offset() < self.next_offset {
                return Ok(());
            }
            let content = LogContent::of_batch(batch).map_err(|reason| {
                format!("{}: the batch at offset {}: {reason}", path.display(), batch.header.base_offset)
            })?;
            content.control().iter().for_each(|record| self.take_control(record));
            for (offset, record) in &content.records {
                if *offset >= self.next_offset {
                    self.take_record(path, *offset, record)?;
                }
            }
            self.next_offset = batch.header.next_offset();
            Ok(())
        })
    }

    fn take_control(&mut self, record: &ControlRecord) {
        match record {
            ControlRecord::KRaftVersion(level) => self.kraft_version = *level,
            ControlRecord::Voters(voters) => self.voters = voters.clone(),
            _ => {}
        }
    }

    fn take_record(&mut self, path: &Path, offset: i64, record: &MetadataRecord<'_>) -> Result<(), String> {
        match record {
            MetadataRecord::ZkMigrationState(record) => self.migration_state = record.zk_migration_state,
            MetadataRecord::RegisterBroker(record) if record.is_migrating_zk_broker => {
                self.migrating_brokers.insert(record.broker_id);
            }
            MetadataRecord::RegisterBroker(record) => _ = self.migrating_brokers.remove(&record.broker_id),
            _ => {}
        }
        self.loader
            .replay(offset, record)
            .map_err(|error| format!("{}: the record at offset {offset}: {error}", path.display()))
    }
}

/// Walks over the batches of a file up to the first that is not whole.
fn for_each_whole_batch(
    file: &dyn File,
    mut each: impl FnMut(&Batch<'_>) -> Result<(), String>,
) -> Result<(), String> {
    let mut window = vec![0; READ_BYTES];
    let mut position = 0;
    loop {
        let read = |window: &mut [u8]| -> io::Result<usize> { file.read_full_at(window, position) };
        let mut count = read(&mut window).map_err(|error| error.to_string())?;
        if let Ok(header) = BatchHeader::parse(&window[..count])
            && header.size_bytes() > count
        {
            if count < window.len() || header.size_bytes() > BATCH_BYTES_MAX {
                return Ok(());
            }
            window.resize(header.size_bytes(), 0);
            count = read(&mut window).map_err(|error| error.to_string())?;
        }
        let mut taken = 0;
        for batch in batches(&window[..count]) {
            let Ok(batch) = batch else { break };
            if batch.verify_crc().is_err() {
                return Ok(());
            }
            each(&batch)?;
            taken += batch.bytes.len();
        }
        if taken == 0 {
            return Ok(());
        }
        position += taken as u64;
    }
}
