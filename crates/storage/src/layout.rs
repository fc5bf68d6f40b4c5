//! The names of files and directories in a log directory, exactly as Kafka writes them.
//!
//! Owns every file name of this room and tells Kafka's names from foreign ones. It never touches the disk.

use std::path::{Path, PathBuf};

use crate::proof::PROOF_FILE;
use crate::tail_copy::TAIL_FILE;

/// Identity of the log directory: cluster, node and directory id.
pub(crate) const META_PROPERTIES: &str = "meta.properties";
/// Held by the process that uses the directory; its content is that process's id.
pub(crate) const LOCK: &str = ".lock";
/// Present exactly between a clean stop and the next start.
pub(crate) const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// Per partition: the offset below which everything is on stable storage.
pub(crate) const RECOVERY_POINT_CHECKPOINT: &str = "recovery-point-offset-checkpoint";
/// Per partition: the log start, where it is not a segment's base offset.
pub(crate) const LOG_START_CHECKPOINT: &str = "log-start-offset-checkpoint";
/// Per partition: the offset below which compaction has cleaned.
pub(crate) const CLEANER_CHECKPOINT: &str = "cleaner-offset-checkpoint";
/// Per partition: the high watermark.
pub(crate) const HIGH_WATERMARK_CHECKPOINT: &str = "replication-offset-checkpoint";
/// Begins the name of each file of the write-ahead log; a number follows. Ours, not Kafka's, which passes over files
/// beside its logs.
pub(crate) const WAL_PREFIX: &str = "klamm-wal-";
/// Space that is kept for a start on a full disk. Ours.
pub(crate) const RESERVE: &str = "klamm-reserve";
/// Per partition directory: the topic id.
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";
/// Per partition directory: where each leader epoch starts.
pub(crate) const LEADER_EPOCH_CHECKPOINT: &str = "leader-epoch-checkpoint";

/// Per partition directory, once its log was cut: how often. Ours, not Kafka's, which passes over it.
pub(crate) const GENERATION: &str = "klamm-generation";
/// Per partition directory of a log that was found damaged: what is wrong, a line of JSON for each place. Ours.
pub(crate) const DAMAGE: &str = "klamm-damage";
/// At the top of a log directory whose owner decided to go on with a loss: a line of JSON for each. Ours.
pub(crate) const DATA_LOSS: &str = "klamm-data-loss.jsonl";
/// The topic of the metadata log, which belongs to the quorum and not to the topics.
pub(crate) const METADATA_TOPIC: &str = "__cluster_metadata";

/// Suffix of a segment's records.
pub(crate) const LOG_SUFFIX: &str = ".log";
/// Suffix of a segment's offset index.
pub(crate) const INDEX_SUFFIX: &str = ".index";
/// Suffix of a segment's time index.
pub(crate) const TIME_INDEX_SUFFIX: &str = ".timeindex";
/// Suffix of a segment's index of aborted transactions.
pub(crate) const TXN_INDEX_SUFFIX: &str = ".txnindex";
/// Suffixes of the files of a segment: its records first.
pub(crate) const SEGMENT_SUFFIXES: [&str; 4] =
    [LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX];
/// Suffix of a producer state snapshot.
pub(crate) const SNAPSHOT_SUFFIX: &str = ".snapshot";
/// Added to a file that waits for its deletion.
pub(crate) const DELETED_SUFFIX: &str = ".deleted";
/// Added to a file of a segment that compaction is writing.
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";
/// Added to a file of a finished segment that is about to take the place of others.
pub(crate) const SWAP_SUFFIX: &str = ".swap";
/// Added to bytes that recovery took out of a log instead of throwing them away. Ours, not Kafka's.
pub(crate) const CUT_SUFFIX: &str = ".cut";
/// Added to damaged bytes that a repair took out of a segment. Ours, not Kafka's.
pub(crate) const QUARANTINE_SUFFIX: &str = ".quarantine";
/// Added to a file that is being written and will replace the one without the suffix.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

const DELETE_DIR_SUFFIX: &str = "-delete";
const STRAY_DIR_SUFFIX: &str = "-stray";
const FUTURE_DIR_SUFFIX: &str = "-future";
const OFFSET_DIGITS: usize = 20;
const MAX_TOPIC_BYTES: usize = 249;
const MAX_NAME_BYTES: usize = 255;

/// Names at the top of a log directory that belong to Kafka or to us and are not partitions.
const TOP_LEVEL_FILES: &[&str] = &[
    META_PROPERTIES,
    LOCK,
    CLEAN_SHUTDOWN,
    RECOVERY_POINT_CHECKPOINT,
    LOG_START_CHECKPOINT,
    HIGH_WATERMARK_CHECKPOINT,
    CLEANER_CHECKPOINT,
    DATA_LOSS,
    RESERVE,
    "bootstrap.checkpoint",
    "remote-log-index-cache",
];

/// The path of a segment's file: base offset in twenty digits and a suffix.
pub(crate) fn segment_path(dir: &Path, base_offset: i64, suffix: &str) -> PathBuf {
    dir.join(format!("{base_offset:020}{suffix}"))
}

/// Whether a name at the top of a log directory is known, so that it need not be reported as foreign.
pub(crate) fn is_top_level_file(name: &str) -> bool {
    let wal = name.strip_suffix(CUT_SUFFIX).unwrap_or(name);
    TOP_LEVEL_FILES.contains(&name.trim_end_matches(TEMPORARY_SUFFIX)) || is_wal_file(wal)
}

/// The name of the copy of a file of offsets, for those that have one.
pub(crate) fn copy_name(name: &str) -> Option<String> {
    let is_copied = [RECOVERY_POINT_CHECKPOINT, LOG_START_CHECKPOINT].contains(&name);
    is_copied.then(|| format!("{name}{TEMPORARY_SUFFIX}"))
}

/// Whether this is the copy of a file of offsets.
pub(crate) fn is_copy(name: &str) -> bool {
    name.strip_suffix(TEMPORARY_SUFFIX).and_then(copy_name).is_some()
}

/// Whether this is a file of the write-ahead log.
pub(crate) fn is_wal_file(name: &str) -> bool {
    name.strip_prefix(WAL_PREFIX).is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Whether this is a file of the write-ahead log that a start put aside.
pub(crate) fn is_wal_aside(name: &str) -> bool {
    name.strip_suffix(CUT_SUFFIX).is_some_and(is_wal_file)
}

/// What a directory inside a log directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DirKind {
    /// A partition's log.
    Log { topic: String, partition: i32 },
    /// A log whose topic was deleted; its files may be removed at any time.
    Delete,
    /// A log that Kafka put aside since the metadata does not place it here.
    Stray { topic: String, partition: i32 },
    /// A copy being made from another log directory.
    Future { topic: String, partition: i32 },
    /// Not Kafka's.
    Foreign,
}

/// Tells what a directory is from its name.
pub(crate) fn dir_kind(name: &str) -> DirKind {
    for (suffix, make) in [(DELETE_DIR_SUFFIX, 0), (STRAY_DIR_SUFFIX, 1), (FUTURE_DIR_SUFFIX, 2)] {
        let Some(rest) = name.strip_suffix(suffix) else { continue };
        let Some((log, unique)) = rest.rsplit_once('.') else { continue };
        let Some((topic, partition)) = parse_log_name(log) else { continue };
        if unique.is_empty() {
            continue;
        }
        return match make {
            0 => DirKind::Delete,
            1 => DirKind::Stray { topic: topic.to_owned(), partition },
            _ => DirKind::Future { topic: topic.to_owned(), partition },
        };
    }
    match parse_log_name(name) {
        Some((topic, partition)) => DirKind::Log { topic: topic.to_owned(), partition },
        None => DirKind::Foreign,
    }
}

fn parse_log_name(name: &str) -> Option<(&str, i32)> {
    let (topic, digits) = name.rsplit_once('-')?;
    let canonical = digits == "0" || !digits.starts_with('0');
    let only_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !canonical || !only_digits || !is_topic_name(topic) {
        return None;
    }
    Some((topic, digits.parse().ok()?))
}

fn is_topic_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !name.is_empty()
        && name.len() <= MAX_TOPIC_BYTES
        && name != "."
        && name != ".."
        && name.bytes().all(legal)
}

/// The directory name of a partition's log.
pub(crate) fn log_dir_name(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

/// The name under which a deleted log waits for its files to be removed.
pub(crate) fn delete_dir_name(topic: &str, partition: i32, unique: [u8; 16]) -> String {
    suffixed_dir_name(topic, partition, unique, DELETE_DIR_SUFFIX)
}

/// The name of a log that the metadata knows nothing of and that is kept all the same.
pub(crate) fn stray_dir_name(topic: &str, partition: i32, unique: [u8; 16]) -> String {
    suffixed_dir_name(topic, partition, unique, STRAY_DIR_SUFFIX)
}

/// The name of a copy that is being made from another log directory; `None` if it would be no legal file name. It is
/// never cut, since the copy's topic has to be read from it.
pub(crate) fn future_dir_name(topic: &str, partition: i32, unique: [u8; 16]) -> Option<String> {
    let name = format!("{topic}-{partition}.{}{FUTURE_DIR_SUFFIX}", hex(unique));
    (name.len() <= MAX_NAME_BYTES).then_some(name)
}

fn hex(unique: [u8; 16]) -> String {
    unique.iter().map(|b| format!("{b:02x}")).collect()
}

/// A long topic name is cut, as Kafka cuts it, so that the whole stays a legal file name.
fn suffixed_dir_name(topic: &str, partition: i32, unique: [u8; 16], kind: &str) -> String {
    let suffix = format!("-{partition}.{}{kind}", hex(unique));
    let kept = topic.len().min(MAX_NAME_BYTES - suffix.len());
    format!("{}{suffix}", &topic[..kept])
}

/// What a file inside a partition directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Records of the segment with this base offset.
    Log(i64),
    /// Its offset index.
    Index(i64),
    /// Its time index.
    TimeIndex(i64),
    /// Its index of aborted transactions.
    TxnIndex(i64),
    /// Producer state as of this offset.
    Snapshot(i64),
    /// Waits for deletion.
    Deleted,
    /// A half-written file that never came into use.
    Temporary,
    /// A file of a segment with this base offset that compaction had not finished.
    Cleaned(i64),
    /// A file of a finished segment with this base offset, and its suffix, that was about to take the place of others.
    Swap(i64, &'static str),
    /// The partition's id or its leader epochs, or a file of the metadata quorum (`quorum-state`, `*.checkpoint`).
    Known,
    /// Not Kafka's.
    Foreign,
}

/// Tells what a file of a partition directory is from its name.
pub(crate) fn file_kind(name: &str) -> FileKind {
    // Snapshots of the metadata log are `raft`'s, whatever suffix marks their stage.
    if name.contains(".checkpoint") && offset_prefix(name).is_some() {
        return FileKind::Known;
    }
    let base = name.strip_suffix(TEMPORARY_SUFFIX).unwrap_or(name);
    if [
        PARTITION_METADATA,
        LEADER_EPOCH_CHECKPOINT,
        GENERATION,
        PROOF_FILE,
        TAIL_FILE,
        DAMAGE,
        "quorum-state",
    ]
    .contains(&base)
    {
        return if base == name { FileKind::Known } else { FileKind::Temporary };
    }
    let Some((offset, suffix)) = offset_prefix(name) else { return FileKind::Foreign };
    match suffix {
        LOG_SUFFIX => FileKind::Log(offset),
        INDEX_SUFFIX => FileKind::Index(offset),
        TIME_INDEX_SUFFIX => FileKind::TimeIndex(offset),
        TXN_INDEX_SUFFIX => FileKind::TxnIndex(offset),
        SNAPSHOT_SUFFIX => FileKind::Snapshot(offset),
        _ if suffix.ends_with(CUT_SUFFIX) || suffix.ends_with(QUARANTINE_SUFFIX) => FileKind::Known,
        _ if suffix.ends_with(DELETED_SUFFIX) => FileKind::Deleted,
        _ if suffix.ends_with(CLEANED_SUFFIX) => FileKind::Cleaned(offset),
        _ if suffix.ends_with(SWAP_SUFFIX) => swap_kind(offset, suffix),
        _ if suffix.ends_with(TEMPORARY_SUFFIX) => FileKind::Temporary,
        _ => FileKind::Foreign,
    }
}

fn swap_kind(offset: i64, suffix: &str) -> FileKind {
    let of = suffix.strip_suffix(SWAP_SUFFIX);
    let known = SEGMENT_SUFFIXES.into_iter().find(|known| Some(*known) == of);
    known.map_or(FileKind::Foreign, |known| FileKind::Swap(offset, known))
}

/// The base offset of the segment whose records a file of this name holds.
pub(crate) fn log_file_base(name: &str) -> Option<i64> {
    match file_kind(name) {
        FileKind::Log(base) => Some(base),
        _ => None,
    }
}

/// Splits `00000000000000000042.log` into its offset and the rest.
fn offset_prefix(name: &str) -> Option<(i64, &str)> {
    let digits = name.get(..OFFSET_DIGITS)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, &name[OFFSET_DIGITS..]))
}

#[cfg(test)]
mod tests;
