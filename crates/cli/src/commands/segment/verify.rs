//! `klamm segment verify`.

use std::path::PathBuf;
use std::sync::Arc;

use platform::{Disk, Platform};
use serde::Serialize;
use storage::inspect::{
    Damage, DirectoryInspection, Finding, Level, LogInspection, SegmentInspection, Target, WalRange,
    bytes_to_read, inspect,
};

use super::{locks, targets, unreadable};
use crate::failure::Failure;
use crate::output::{OutputArguments, OutputFormat, humanized_bytes, print, print_one, table};
use crate::progress::Progress;

/// Options of `segment verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm segment verify /var/lib/klamm                  all logs of a stopped node
  klamm segment verify /var/lib/klamm/orders-0 -o json
  klamm segment verify /var/lib/klamm/orders-0/00000000000000000000.log

Nothing is changed. Ends with 1 if records are damaged, with 2 if something cannot be read.")]
pub struct VerifyArguments {
    /// Log directories, directories of partitions, or .log files
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Look although a node may be running: what it is writing may look damaged
    #[arg(long)]
    unlocked: bool,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Serialize)]
struct ShownDirectory {
    path: Option<String>,
    clean: bool,
    wal: ShownWal,
    logs: Vec<ShownLog>,
    findings: Vec<ShownFinding>,
}

#[derive(Debug, Serialize)]
struct ShownWal {
    files: usize,
    groups: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownLog {
    log: String,
    path: String,
    topic_id: Option<String>,
    state: &'static str,
    start_offset: i64,
    end_offset: i64,
    /// Only of a directory that was not closed cleanly.
    flushed_offset: Option<i64>,
    /// What the write-ahead log holds of it, if the next start has to look there.
    wal: Option<ShownRange>,
    /// What the second copy of its end holds of it, if the next start compares the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    tail: Option<ShownRange>,
    segments: Vec<ShownSegment>,
    damages: Vec<ShownDamage>,
    findings: Vec<ShownFinding>,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownRange {
    pub(super) first_offset: i64,
    pub(super) end_offset: i64,
}

impl ShownRange {
    pub(super) fn of(range: WalRange) -> Self {
        Self { first_offset: range.first_offset, end_offset: range.end_offset }
    }
}

#[derive(Debug, Serialize)]
struct ShownSegment {
    base_offset: i64,
    file: String,
    bytes: u64,
    batches: u64,
    records: u64,
    first_offset: Option<i64>,
    end_offset: i64,
    /// Bytes that the log's proof says are as they were written.
    proven_bytes: u64,
    state: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownDamage {
    pub(super) file: String,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) first_offset: i64,
    pub(super) end_offset: i64,
    pub(super) reason: String,
    /// Whether a repair brings everything back.
    pub(super) mendable: bool,
}

#[derive(Debug, Serialize)]
struct ShownFinding {
    level: &'static str,
    path: String,
    text: String,
}

/// Looks at everything the paths name.
///
/// # Errors
/// Something is damaged, cannot be read, or is in use.
pub fn run(arguments: &VerifyArguments) -> Result<(), Failure> {
    let disk: Arc<dyn Disk> = Platform::os().disk;
    let targets = targets(disk.as_ref(), &arguments.paths)?;
    let _locks = match arguments.unlocked {
        true => Vec::new(),
        false => locks(&targets, |target| target.hold(disk.as_ref()))?,
    };
    let inspections = look(disk.as_ref(), &targets)?;
    let shown: Vec<ShownDirectory> = inspections.iter().map(ShownDirectory::of).collect();
    match arguments.output.format() {
        OutputFormat::Json => print_one(OutputFormat::Json, &shown, "", String::new)?,
        OutputFormat::Name => print(&names(&inspections))?,
        OutputFormat::Table => print(&describe(&shown))?,
    }
    match inspections.iter().find(|inspection| inspection.is_damaged()) {
        None => Ok(()),
        Some(inspection) => Err(damaged(inspection)),
    }
}

/// Looks at targets with a progress bar.
pub(super) fn look(disk: &dyn Disk, targets: &[Target]) -> Result<Vec<DirectoryInspection>, Failure> {
    let sizes = targets.iter().map(|target| bytes_to_read(disk, target));
    let total = sizes.sum::<std::io::Result<u64>>().map_err(|error| unreadable(&error))?;
    let progress = Progress::of_bytes(total);
    let inspections = targets
        .iter()
        .map(|target| inspect(disk, target, &mut |bytes| progress.advance(bytes)))
        .collect::<std::io::Result<Vec<_>>>();
    progress.finish();
    inspections.map_err(|error| unreadable(&error))
}

fn damaged(inspection: &DirectoryInspection) -> Failure {
    let damaged: Vec<&LogInspection> =
        inspection.logs.iter().filter(|log| log.worst() == Some(Level::Damage)).collect();
    let Some(first) = damaged.first() else {
        return Failure::failed("the log directory is damaged");
    };
    let others = match damaged.len() {
        1 => String::new(),
        count => format!(" and {} more logs are", count - 1),
    };
    let verb = if others.is_empty() { " is" } else { "" };
    Failure::failed(format!("log {}{verb}{others} damaged", first.name)).with_fix(format!(
        "klamm segment repair {} says what can be brought back and what would be lost",
        first.path.display()
    ))
}

fn names(inspections: &[DirectoryInspection]) -> String {
    let logs = inspections.iter().flat_map(|inspection| &inspection.logs);
    logs.filter(|log| log.worst() == Some(Level::Damage)).map(|log| format!("{}\n", log.name)).collect()
}

fn describe(directories: &[ShownDirectory]) -> String {
    let mut text = String::new();
    for directory in directories {
        let rows = directory.logs.iter().flat_map(|log| {
            log.segments.iter().map(|segment| {
                vec![
                    log.log.clone(),
                    segment.base_offset.to_string(),
                    humanized_bytes(segment.bytes),
                    segment.batches.to_string(),
                    segment.records.to_string(),
                    format!("{}..{}", segment.first_offset.unwrap_or(segment.end_offset), segment.end_offset),
                    segment.state.to_owned(),
                ]
            })
        });
        let columns = ["PARTITION", "SEGMENT", "SIZE", "BATCHES", "RECORDS", "OFFSETS", "STATE"];
        text.push_str(&table(&columns, rows));
        text.push('\n');
        for log in &directory.logs {
            for damage in &log.damages {
                let mendable = if damage.mendable { " (can be mended without a loss)" } else { "" };
                text.push_str(&format!(
                    "damage   {} bytes {}..{}, offsets {}..{}: {}{mendable}\n",
                    damage.file,
                    damage.from,
                    damage.to,
                    damage.first_offset,
                    damage.end_offset,
                    damage.reason
                ));
            }
        }
        let findings = directory.logs.iter().flat_map(|log| &log.findings).chain(&directory.findings);
        for finding in findings {
            text.push_str(&format!("{:8} {} {}\n", finding.level, finding.path, finding.text));
        }
        text.push_str(&summary(directory));
    }
    text
}

fn summary(directory: &ShownDirectory) -> String {
    let segments: usize = directory.logs.iter().map(|log| log.segments.len()).sum();
    let bytes: u64 = directory.logs.iter().flat_map(|log| &log.segments).map(|segment| segment.bytes).sum();
    let records: u64 =
        directory.logs.iter().flat_map(|log| &log.segments).map(|segment| segment.records).sum();
    let closed = match (directory.clean, directory.wal.groups) {
        (true, _) => "closed cleanly".to_owned(),
        (false, 0) => "not closed cleanly".to_owned(),
        (false, groups) => {
            format!("not closed cleanly: the next start reads {groups} groups of its write-ahead log first")
        }
    };
    let path = directory.path.as_deref().map_or_else(String::new, |path| format!("{path}: "));
    let logs = directory.logs.len();
    let size = humanized_bytes(bytes);
    format!("{path}{logs} partitions, {segments} segments, {records} records, {size}, {closed}\n")
}

impl ShownDirectory {
    fn of(inspection: &DirectoryInspection) -> Self {
        let facts = &inspection.facts;
        Self {
            path: facts.path.as_ref().map(|path| path.display().to_string()),
            clean: facts.is_clean,
            wal: ShownWal { files: facts.wal.files, groups: facts.wal.groups },
            logs: inspection.logs.iter().map(ShownLog::of).collect(),
            findings: inspection.findings.iter().map(ShownFinding::of).collect(),
        }
    }
}

impl ShownLog {
    fn of(log: &LogInspection) -> Self {
        Self {
            log: log.name.clone(),
            path: log.path.display().to_string(),
            topic_id: log.topic_id.map(|id| id.to_string()),
            state: state(log.worst()),
            start_offset: log.start_offset,
            end_offset: log.end_offset,
            flushed_offset: log.flushed_offset,
            wal: log.wal.map(ShownRange::of),
            tail: log.tail.map(ShownRange::of),
            segments: log.segments.iter().map(|segment| ShownSegment::of(segment, log)).collect(),
            damages: log.damages.iter().map(ShownDamage::of).collect(),
            findings: log.findings.iter().map(ShownFinding::of).collect(),
        }
    }
}

impl ShownSegment {
    fn of(segment: &SegmentInspection, log: &LogInspection) -> Self {
        let is_damaged = log.damages.iter().any(|damage| damage.segment == segment.base_offset);
        let stem = segment.path.with_extension("");
        let own = log.findings.iter().filter(|finding| finding.path.with_extension("") == stem);
        let worst = own.map(|finding| finding.level).max();
        Self {
            base_offset: segment.base_offset,
            file: segment.path.display().to_string(),
            bytes: segment.bytes,
            batches: segment.batches,
            records: segment.records,
            first_offset: segment.first_offset,
            end_offset: segment.end_offset,
            proven_bytes: segment.proven_bytes,
            state: state(if is_damaged { Some(Level::Damage) } else { worst }),
        }
    }
}

impl ShownDamage {
    pub(super) fn of(damage: &Damage) -> Self {
        Self {
            file: damage.path.display().to_string(),
            from: damage.from,
            to: damage.to,
            first_offset: damage.first_offset,
            end_offset: damage.end_offset,
            reason: damage.reason.clone(),
            mendable: damage.is_mendable(),
        }
    }
}

impl ShownFinding {
    fn of(finding: &Finding) -> Self {
        Self {
            level: finding.level.name(),
            path: finding.path.display().to_string(),
            text: finding.text.clone(),
        }
    }
}

fn state(worst: Option<Level>) -> &'static str {
    match worst {
        Some(Level::Damage) => "damaged",
        Some(Level::Warning) => "warning",
        Some(Level::Note) | None => "ok",
    }
}
