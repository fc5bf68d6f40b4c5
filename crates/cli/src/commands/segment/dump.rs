//! `klamm segment dump`.

mod records;

use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};

use ::records::{BatchHeader, Compression};
use platform::{Disk, Platform};
use serde_json::{Value, json};
use storage::inspect::{Item, dump};
use storage::{ProofEntry, ProofKind};

use super::unreadable;
use crate::failure::Failure;
use crate::output::broken_output;
use crate::record_format::iso_time;
use records::{RecordStyle, write_records};

/// Options of `segment dump`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm segment dump orders-0/00000000000000000000.log
  klamm segment dump orders-0/00000000000000000000.log --records --offset 100..120
  klamm segment dump __consumer_offsets-0/*.log --records -o json
  klamm segment dump orders-0/leader-epoch-checkpoint orders-0/*.snapshot

Takes .log (also .quarantine and .cut), .index, .timeindex, .txnindex, .snapshot, .checkpoint, leader-epoch-checkpoint, the
other checkpoints, partition.metadata, klamm-proof.deleted, klamm-tail.deleted and klamm-wal-N, whether a node is running or not.")]
pub struct DumpArguments {
    /// Files of a log
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Show the records in batches; those of internal topics are taken apart
    #[arg(short, long)]
    records: bool,
    /// Only batches and records of these offsets
    #[arg(long, value_name = "FROM..TO", value_parser = parse_range)]
    offset: Option<Offsets>,
    /// How to print
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    output: DumpFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum DumpFormat {
    /// A readable line for each thing.
    #[default]
    Text,
    /// A JSON object for each thing, one a line.
    Json,
}

/// `from..to`, without `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offsets {
    from: i64,
    to: i64,
}

impl Offsets {
    fn has(&self, first: i64, last: i64) -> bool {
        last >= self.from && first < self.to
    }
}

fn parse_range(text: &str) -> Result<Offsets, String> {
    let bound = |text: &str, missing: i64| match text {
        "" => Ok(missing),
        text => text.parse().map_err(|_| format!("{text:?} is no offset")),
    };
    match text.split_once("..") {
        Some((from, to)) => Ok(Offsets { from: bound(from, 0)?, to: bound(to, i64::MAX)? }),
        None => bound(text, 0).map(|one| Offsets { from: one, to: one.saturating_add(1) }),
    }
}

/// Shows what is in files.
///
/// # Errors
/// A file cannot be read, or is of no known kind.
pub fn run(arguments: &DumpArguments) -> Result<(), Failure> {
    let disk = Platform::os().disk;
    let mut printer = Printer {
        out: BufWriter::with_capacity(1 << 16, io::stdout().lock()),
        arguments,
        style: RecordStyle::Plain,
        file: None,
    };
    for file in &arguments.files {
        printer.dump(disk.as_ref(), file)?;
    }
    printer.out.flush().map_err(|error| broken_output(&error))
}

struct Printer<'a> {
    out: BufWriter<StdoutLock<'static>>,
    arguments: &'a DumpArguments,
    style: RecordStyle,
    /// The file's name, where there are several.
    file: Option<String>,
}

impl Printer<'_> {
    fn dump(&mut self, disk: &dyn Disk, file: &Path) -> Result<(), Failure> {
        self.style = RecordStyle::of_log(file);
        self.file = (self.arguments.files.len() > 1).then(|| file.display().to_string());
        if let Some(name) = self.file.as_ref().filter(|_| self.arguments.output == DumpFormat::Text) {
            writeln!(self.out, "{name}").map_err(|error| broken_output(&error))?;
        }
        let mut failed = None;
        let dumped = dump(disk, file, &mut |item| match self.print(&item) {
            Ok(()) => true,
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        match failed {
            Some(error) => Err(broken_output(&error)),
            None => dumped.map_err(|error| unreadable(&error)),
        }
    }

    fn print(&mut self, item: &Item<'_>) -> io::Result<()> {
        if let (Item::Batch { header, .. }, Some(offsets)) = (item, &self.arguments.offset)
            && !offsets.has(header.base_offset, header.last_offset())
        {
            return Ok(());
        }
        match self.arguments.output {
            DumpFormat::Text => writeln!(self.out, "{}", text(item))?,
            DumpFormat::Json => {
                let mut value = json_of(item);
                if let (Some(file), Some(object)) = (&self.file, value.as_object_mut()) {
                    object.insert("file".to_owned(), file.as_str().into());
                }
                writeln!(self.out, "{value}")?;
            }
        }
        let Item::Batch { header, bytes: Some(bytes), .. } = item else { return Ok(()) };
        if !self.arguments.records {
            return Ok(());
        }
        let range = self.arguments.offset;
        let is_wanted = |offset: i64| range.is_none_or(|offsets| offsets.has(offset, offset));
        let is_json = self.arguments.output == DumpFormat::Json;
        write_records(&mut self.out, (header, bytes), self.style, is_json, is_wanted)
    }
}

fn codec(header: &BatchHeader) -> &'static str {
    header.compression().map_or("unknown", Compression::name)
}

fn batch_text(position: u64, header: &BatchHeader) -> String {
    let mut text = format!(
        "{position:>10}  offsets {}..{}  {} records  {} bytes  {}  epoch {}",
        header.base_offset,
        header.next_offset(),
        header.records_count,
        header.size_bytes(),
        codec(header),
        header.partition_leader_epoch
    );
    if header.max_timestamp >= 0 {
        text.push_str(&format!("  {}", iso_time(header.max_timestamp)));
    }
    if header.has_producer_id() {
        let (id, epoch, sequence) = (header.producer_id, header.producer_epoch, header.base_sequence);
        text.push_str(&format!("  producer {id} epoch {epoch} sequence {sequence}"));
    }
    if header.is_transactional() {
        text.push_str("  transactional");
    }
    if header.is_control() {
        text.push_str("  control");
    }
    if header.magic != 2 {
        text.push_str(&format!("  magic {}", header.magic));
    }
    text
}

fn text(item: &Item<'_>) -> String {
    match item {
        Item::Batch { position, header, .. } => batch_text(*position, header),
        Item::Bad { position, end, reason } => format!("{position:>10}  damaged up to {end}: {reason}"),
        Item::Offset { offset, position } => format!("{position:>10}  offset {offset}"),
        Item::Time { timestamp, offset } => {
            format!("{} ({timestamp}) up to offset {offset}", iso_time(*timestamp))
        }
        Item::AbortedTransaction { producer_id, first_offset, last_offset, last_stable_offset } => format!(
            "producer {producer_id} aborted offsets {first_offset}..={last_offset}, last stable offset {last_stable_offset}"
        ),
        Item::Producer {
            producer_id,
            epoch,
            last_sequence,
            last_offset,
            last_timestamp,
            open_transaction_offset,
        } => {
            let last = last_offset.map_or_else(String::new, |offset| format!(" at offset {offset}"));
            let open = match open_transaction_offset {
                ..0 => String::new(),
                offset => format!(", transaction open since offset {offset}"),
            };
            let time = iso_time(*last_timestamp);
            format!("producer {producer_id} epoch {epoch}, last sequence {last_sequence}{last}, {time}{open}")
        }
        Item::Epoch { epoch, start_offset } => format!("epoch {epoch} starts at offset {start_offset}"),
        Item::Checkpoint { topic, partition, offset } => format!("{topic}-{partition} {offset}"),
        Item::TopicId(id) => format!("topic id {id}"),
        Item::WalFile { sequence, size } => format!("write-ahead log, use {sequence}, {size} bytes"),
        Item::WalGroup { position, number, proven, frames } => {
            format!("{position:>10}  group {number}  {frames} frames  durable up to group {proven}")
        }
        Item::WalFrame { topic_id, partition, first_offset, end_offset, generation, is_reference, bytes } => {
            let what = if *is_reference { "reference" } else { "batch" };
            format!(
                "            {what} {topic_id}-{partition}  offsets {first_offset}..{end_offset}  {bytes} bytes  generation {generation}"
            )
        }
        Item::Proof(entry) => proof_text(entry),
        Item::TailFile { size } => format!("second copy of the end of a log, {size} bytes"),
        Item::TailCopy { position, segment, at, first_offset, end_offset, generation, bytes } => {
            format!(
                "{position:>10}  copy of offsets {first_offset}..{end_offset}  {bytes} bytes  of segment {segment} at {at}  generation {generation}"
            )
        }
        Item::TailMark { position, flushed_offset, generation } => {
            format!("{position:>10}  flushed up to offset {flushed_offset}  generation {generation}")
        }
        Item::Unreadable { position, reason } => format!("{position:>10}  {reason}"),
    }
}

fn proof_text(entry: &ProofEntry) -> String {
    let ProofEntry { content, base_offset, end_offset, from, to, crc, last_epoch, .. } = entry;
    format!(
        "{}  segment {base_offset}  bytes {from}..{to}  up to offset {end_offset}  crc {crc:#010x}  epoch {last_epoch}  content {content}",
        kind(entry)
    )
}

fn kind(entry: &ProofEntry) -> &'static str {
    match entry.kind {
        ProofKind::Run => "run",
        ProofKind::Seal => "seal",
        ProofKind::Swap => "swap",
    }
}

fn batch_json(position: u64, header: &BatchHeader) -> Value {
    json!({
        "type": "batch", "position": position, "base_offset": header.base_offset, "end_offset": header.next_offset(),
        "records": header.records_count, "bytes": header.size_bytes(), "codec": codec(header),
        "leader_epoch": header.partition_leader_epoch, "max_timestamp": header.max_timestamp,
        "producer_id": header.producer_id, "producer_epoch": header.producer_epoch,
        "base_sequence": header.base_sequence, "transactional": header.is_transactional(),
        "control": header.is_control(), "magic": header.magic, "crc": header.crc,
    })
}

fn json_of(item: &Item<'_>) -> Value {
    match item {
        Item::Batch { position, header, .. } => batch_json(*position, header),
        Item::Bad { position, end, reason } => {
            json!({"type": "damage", "position": position, "end": end, "reason": reason})
        }
        Item::Offset { offset, position } => json!({"type": "index", "offset": offset, "position": position}),
        Item::Time { timestamp, offset } => {
            json!({"type": "time_index", "timestamp": timestamp, "offset": offset})
        }
        Item::AbortedTransaction { producer_id, first_offset, last_offset, last_stable_offset } => json!({
            "type": "aborted_transaction", "producer_id": producer_id, "first_offset": first_offset,
            "last_offset": last_offset, "last_stable_offset": last_stable_offset,
        }),
        Item::Producer {
            producer_id,
            epoch,
            last_sequence,
            last_offset,
            last_timestamp,
            open_transaction_offset,
        } => {
            json!({
                "type": "producer", "producer_id": producer_id, "epoch": epoch, "last_sequence": last_sequence,
                "last_offset": last_offset, "last_timestamp": last_timestamp,
                "open_transaction_offset": Some(*open_transaction_offset).filter(|offset| *offset >= 0),
            })
        }
        Item::Epoch { epoch, start_offset } => {
            json!({"type": "epoch", "epoch": epoch, "start_offset": start_offset})
        }
        Item::Checkpoint { topic, partition, offset } => {
            json!({"type": "checkpoint", "topic": topic, "partition": partition, "offset": offset})
        }
        Item::TopicId(id) => json!({"type": "topic_id", "topic_id": id.to_string()}),
        Item::WalFile { sequence, size } => json!({"type": "wal_file", "sequence": sequence, "size": size}),
        Item::WalGroup { position, number, proven, frames } => json!({
            "type": "wal_group", "position": position, "number": number, "proven": proven, "frames": frames,
        }),
        Item::WalFrame { topic_id, partition, first_offset, end_offset, generation, is_reference, bytes } => {
            json!({
                "type": "wal_frame", "topic_id": topic_id.to_string(), "partition": partition,
                "first_offset": first_offset, "end_offset": end_offset, "generation": generation,
                "reference": is_reference, "bytes": bytes,
            })
        }
        Item::Proof(entry) => json!({
            "type": "proof", "kind": kind(entry), "content": entry.content, "base_offset": entry.base_offset,
            "end_offset": entry.end_offset, "from": entry.from, "to": entry.to, "crc": entry.crc,
            "last_epoch": entry.last_epoch,
        }),
        Item::TailFile { size } => json!({"type": "tail_file", "size": size}),
        Item::TailCopy { position, segment, at, first_offset, end_offset, generation, bytes } => json!({
            "type": "tail_copy", "position": position, "segment": segment, "segment_position": at,
            "first_offset": first_offset, "end_offset": end_offset, "generation": generation, "bytes": bytes,
        }),
        Item::TailMark { position, flushed_offset, generation } => json!({
            "type": "tail_mark", "position": position, "flushed_offset": flushed_offset, "generation": generation,
        }),
        Item::Unreadable { position, reason } => {
            json!({"type": "unreadable", "position": position, "reason": reason})
        }
    }
}
