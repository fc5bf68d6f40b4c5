//! What a log directory tells of its logs, beside the logs themselves.
//!
//! Owns reading the marker, the checkpoints and the topics' clean-up policies. A file that cannot be read is a finding, and
//! counts as empty, as at a start.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use platform::{Disk, OpenMode};
use protocol::{MetadataRecord, Uuid};
use records::{Batch, DEFAULT_DECOMPRESSED_LIMIT_BYTES};

use super::batch_reader::{BatchReader, Found};
use super::finding::Finding;
use super::wal::{WalAside, WalContents};
use crate::checkpoint_file::PartitionOffsets;
use crate::layout::{
    CLEAN_SHUTDOWN, CLEANER_CHECKPOINT, HIGH_WATERMARK_CHECKPOINT, LOG_START_CHECKPOINT, LOG_SUFFIX,
    META_PROPERTIES, METADATA_TOPIC, RECOVERY_POINT_CHECKPOINT, log_dir_name,
};
use crate::meta_properties::MetaProperties;
use crate::offsets_file::{OffsetsFile, WrongText};

/// Topics of Kafka's own that are compacted whatever the metadata says.
const COMPACTED_TOPICS: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];
/// `ConfigResource.Type.TOPIC`.
const TOPIC_RESOURCE: i8 = 2;

/// A log directory, as far as it lies beside the logs.
#[derive(Debug, Clone, Default)]
pub struct DirectoryFacts {
    /// The directory; `None` if a log is looked at by itself.
    pub path: Option<PathBuf>,
    /// Whether its last user stopped cleanly. A log by itself counts as closed.
    pub is_clean: bool,
    /// Whose it is.
    pub meta: Option<MetaProperties>,
    /// What the write-ahead log holds.
    pub wal: WalContents,
    /// What is in files of it that were put aside.
    pub(super) aside: WalAside,
    pub(super) recovery_points: PartitionOffsets,
    pub(super) log_starts: PartitionOffsets,
    pub(super) high_watermarks: PartitionOffsets,
    cleaned: PartitionOffsets,
    compacted: BTreeSet<String>,
}

/// What is known of one log.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogFacts {
    pub(super) partition: i32,
    /// The offset below which everything was flushed; all of it, if the directory was closed cleanly.
    pub(super) flushed: i64,
    pub(super) recovery_point: i64,
    pub(super) log_start: Option<i64>,
    pub(super) high_watermark: Option<i64>,
    /// Whether compaction may have left holes.
    pub(super) is_compacted: bool,
}

impl DirectoryFacts {
    /// Of a log that lies in no log directory.
    pub(super) fn none() -> Self {
        Self { is_clean: true, ..Self::default() }
    }

    /// Reads what lies beside the logs of a directory.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn read(disk: &dyn Disk, path: &Path, findings: &mut Vec<Finding>) -> io::Result<Self> {
        let mut checkpoint = |name: &str| read_checkpoint(disk, path, name, findings);
        let mut facts = Self {
            path: Some(path.to_path_buf()),
            is_clean: disk.exists(&path.join(CLEAN_SHUTDOWN)),
            recovery_points: checkpoint(RECOVERY_POINT_CHECKPOINT)?,
            log_starts: checkpoint(LOG_START_CHECKPOINT)?,
            high_watermarks: checkpoint(HIGH_WATERMARK_CHECKPOINT)?,
            cleaned: checkpoint(CLEANER_CHECKPOINT)?,
            ..Self::default()
        };
        let meta = path.join(META_PROPERTIES);
        if disk.exists(&meta) {
            match MetaProperties::decode(&disk.read(&meta)?) {
                Ok(found) => facts.meta = Some(found),
                Err(reason) => findings.push(Finding::warning(meta, format!("{reason}: restore it"))),
            }
        }
        let id = facts.meta.as_ref().and_then(|meta| meta.directory_id).unwrap_or(Uuid::ZERO);
        facts.wal = WalContents::read(disk, path, id, findings)?;
        facts.aside = WalAside::read(disk, path)?;
        facts.compacted = compacted_topics(disk, &path.join(log_dir_name(METADATA_TOPIC, 0)))?;
        Ok(facts)
    }

    pub(super) fn of_log(&self, topic: &str, partition: i32) -> LogFacts {
        let key = (topic.to_owned(), partition);
        let recovery_point = self.recovery_points.get(&key).copied().unwrap_or(0);
        LogFacts {
            partition,
            flushed: if self.is_clean { i64::MAX } else { recovery_point },
            recovery_point,
            log_start: self.log_starts.get(&key).copied(),
            high_watermark: self.high_watermarks.get(&key).copied(),
            is_compacted: COMPACTED_TOPICS.contains(&topic)
                || self.compacted.contains(topic)
                || self.cleaned.contains_key(&key),
        }
    }
}

fn read_checkpoint(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    findings: &mut Vec<Finding>,
) -> io::Result<PartitionOffsets> {
    let found = OffsetsFile::read(disk, dir, name)?;
    let told = found.wrong.map(|wrong| match wrong {
        WrongText::Other(_) => format!("{wrong}: the next start puts it back"),
        WrongText::Unreadable(_) => format!("{wrong}: the next start takes it for empty"),
    });
    findings.extend(told.map(|text| Finding::warning(dir.join(name), text)));
    Ok(found.offsets)
}

/// Topics that were ever compacted, as far as the metadata log beside them tells: what was cleaned once keeps its holes.
fn compacted_topics(disk: &dyn Disk, metadata_dir: &Path) -> io::Result<BTreeSet<String>> {
    let mut topics = BTreeSet::new();
    if !disk.exists(metadata_dir) {
        return Ok(topics);
    }
    for entry in disk.list(metadata_dir)? {
        let has_records = entry.name.ends_with(LOG_SUFFIX) || entry.name.ends_with(".checkpoint");
        if has_records && !entry.is_dir {
            let file = disk.open(&metadata_dir.join(&entry.name), OpenMode::Read)?;
            note_compacted(&mut BatchReader::new(file)?, &mut topics)?;
        }
    }
    Ok(topics)
}

fn note_compacted(reader: &mut BatchReader, topics: &mut BTreeSet<String>) -> io::Result<()> {
    let (mut position, mut plain) = (0, Vec::new());
    while let Found::Batch(sound) = reader.at(position)? {
        position = sound.end();
        let Some(bytes) = reader.batch_bytes(&sound)?.filter(|_| !sound.header.is_control()) else {
            continue;
        };
        let batch = Batch { header: sound.header, bytes };
        let Ok(records) = batch.open(DEFAULT_DECOMPRESSED_LIMIT_BYTES, &mut plain) else { continue };
        for value in records.map_while(Result::ok).filter_map(|record| record.value) {
            if let Ok(MetadataRecord::Config(config)) = MetadataRecord::decode_framed(value)
                && config.resource_type == TOPIC_RESOURCE
                && config.name == "cleanup.policy"
                && config.value.as_deref().is_some_and(|value| value.contains("compact"))
            {
                topics.insert(config.resource_name.into_owned());
            }
        }
    }
    Ok(())
}
