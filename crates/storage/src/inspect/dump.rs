//! Everything in a file of a log, item by item.
//!
//! Owns telling what a file is from its name, and decoding it as far as it goes. It never judges: what cannot be read is an
//! item, too.

use std::io;
use std::path::Path;

use platform::{Disk, OpenMode};
use protocol::Uuid;
use records::BatchHeader;

use super::batch_reader::{BatchReader, Found, Sound};
use super::tail::{TailEntry, tail_entries};
use super::wal::for_each_group;
use crate::checkpoint_file::{decode_epochs, decode_offsets};
use crate::index::{IndexEntry, OffsetEntry, TimeEntry};
use crate::layout::LOG_SUFFIX;
use crate::layout::{
    CLEANER_CHECKPOINT, FileKind, HIGH_WATERMARK_CHECKPOINT, LEADER_EPOCH_CHECKPOINT, LOG_START_CHECKPOINT,
    PARTITION_METADATA, RECOVERY_POINT_CHECKPOINT, file_kind, is_copy, is_wal_file,
};
use crate::marker_files::decode_partition_metadata;
use crate::offsets_file::decode_copy;
use crate::producer_state::snapshot;
use crate::proof::{PROOF_FILE, ProofEntry, ProofIdentity, ProofSlot, proof_slots};
use crate::tail_copy::{TAIL_FILE, TailFrame};
use crate::txn_index;
use crate::wal::{BLOCK_BYTES, FileHead, FrameKind};

/// One thing in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Item<'a> {
    /// A batch whose bytes match its checksum.
    Batch {
        /// Position of its first byte.
        position: u64,
        /// Its header.
        header: BatchHeader,
        /// All its bytes; `None` if it is too large to be read whole.
        bytes: Option<&'a [u8]>,
    },
    /// Bytes that are no batch, up to the next one or the end.
    Bad {
        /// Position of the first byte.
        position: u64,
        /// Position after the last.
        end: u64,
        /// What is wrong.
        reason: String,
    },
    /// An entry of an offset index.
    Offset {
        /// Offset.
        offset: i64,
        /// Position in the segment.
        position: u32,
    },
    /// An entry of a time index.
    Time {
        /// Timestamp in ms.
        timestamp: i64,
        /// Offset.
        offset: i64,
    },
    /// An aborted transaction.
    AbortedTransaction {
        /// Its producer.
        producer_id: i64,
        /// Offset of its first record.
        first_offset: i64,
        /// Offset of its marker.
        last_offset: i64,
        /// The last stable offset once it was over.
        last_stable_offset: i64,
    },
    /// A producer of a snapshot.
    Producer {
        /// Its id.
        producer_id: i64,
        /// Its epoch.
        epoch: i16,
        /// Sequence of its last record, -1 if there is none.
        last_sequence: i32,
        /// Offset of its last record.
        last_offset: Option<i64>,
        /// Timestamp of its last batch in ms.
        last_timestamp: i64,
        /// First offset of its open transaction, -1 if there is none.
        open_transaction_offset: i64,
    },
    /// A leader epoch.
    Epoch {
        /// The epoch.
        epoch: i32,
        /// Offset of its first batch.
        start_offset: i64,
    },
    /// A partition in an offset checkpoint.
    Checkpoint {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Offset.
        offset: i64,
    },
    /// The topic id in `partition.metadata`.
    TopicId(Uuid),
    /// The head of a file of the write-ahead log.
    WalFile {
        /// Grows with each use of a file.
        sequence: u64,
        /// Bytes of the file.
        size: u64,
    },
    /// A group of the write-ahead log.
    WalGroup {
        /// Position in the file.
        position: u64,
        /// Its number.
        number: u64,
        /// Groups up to this one were durable when it was written.
        proven: u64,
        /// Batches and references in it.
        frames: u32,
    },
    /// A batch in a group, or a reference to one.
    WalFrame {
        /// Topic id.
        topic_id: Uuid,
        /// Partition.
        partition: i32,
        /// First offset.
        first_offset: i64,
        /// The offset after the last.
        end_offset: i64,
        /// How often the log had been cut.
        generation: u32,
        /// Whether only the batch's checksum is here.
        is_reference: bool,
        /// Bytes of the batch, or of the reference.
        bytes: usize,
    },
    /// An entry of a proof.
    Proof(ProofEntry),
    /// The second copy of a log's end; what it holds follows.
    TailFile {
        /// Bytes of the file.
        size: u64,
    },
    /// A copy of batches, which follow.
    TailCopy {
        /// Position in the file.
        position: u64,
        /// Base offset of the segment that has them.
        segment: i64,
        /// Where they begin in it.
        at: u64,
        /// First offset.
        first_offset: i64,
        /// The offset after the last.
        end_offset: i64,
        /// How often the log had been cut.
        generation: u32,
        /// Bytes of the batches.
        bytes: usize,
    },
    /// How far a log was flushed, in the file of its second copy.
    TailMark {
        /// Position in the file.
        position: u64,
        /// Everything before it was.
        flushed_offset: i64,
        /// How often the log had been cut.
        generation: u32,
    },
    /// Part of a file that cannot be read.
    Unreadable {
        /// Where.
        position: u64,
        /// Why.
        reason: String,
    },
}

/// Takes items; whether to go on.
pub type ItemSink<'a> = dyn FnMut(Item<'_>) -> bool + 'a;

/// Hands out everything in a file, until the sink has enough.
///
/// # Errors
/// The disk's; `InvalidInput` if the file is of no known kind.
pub fn dump(disk: &dyn Disk, path: &Path, sink: &mut ItemSink<'_>) -> io::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_offsets =
        [RECOVERY_POINT_CHECKPOINT, LOG_START_CHECKPOINT, HIGH_WATERMARK_CHECKPOINT, CLEANER_CHECKPOINT]
            .contains(&name.as_str());
    if is_wal_file(&name) {
        return dump_wal(disk, path, sink);
    }
    // A file of batches keeps its kind whatever stands behind: `.log.cut`, `.log.…quarantine`, `.log.deleted`.
    if is_batches(&name) {
        return dump_batches(disk, path, sink);
    }
    let bytes = disk.read(path)?;
    let items = match file_kind(&name) {
        _ if is_offsets => Ok(offsets(&bytes)),
        _ if is_copy(&name) => Ok(match decode_copy(&bytes) {
            Some(text) => offsets(text),
            None => unreadable(0, "is not whole"),
        }),
        _ if name == LEADER_EPOCH_CHECKPOINT => Ok(epochs(&bytes)),
        _ if name == PROOF_FILE => Ok(proof(&bytes)),
        _ if name == TAIL_FILE => Ok(tail(&bytes)),
        _ if name == PARTITION_METADATA => Ok(vec![match decode_partition_metadata(&bytes) {
            Ok(id) => Item::TopicId(id),
            Err(reason) => Item::Unreadable { position: 0, reason },
        }]),
        FileKind::Index(base) => Ok(entries(&bytes, |entry: OffsetEntry| Item::Offset {
            offset: base + i64::from(entry.relative_offset),
            position: entry.position,
        })),
        FileKind::TimeIndex(base) => Ok(entries(&bytes, |entry: TimeEntry| Item::Time {
            timestamp: entry.timestamp,
            offset: base + i64::from(entry.relative_offset),
        })),
        FileKind::TxnIndex(_) => Ok(transactions(&bytes)),
        FileKind::Snapshot(_) => Ok(producers(&bytes)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} is no file of a log that can be shown", path.display()),
        )),
    };
    for item in items? {
        if !sink(item) {
            break;
        }
    }
    Ok(())
}

/// Whether a file holds batches: a segment, or a snapshot of the metadata log.
fn is_batches(name: &str) -> bool {
    let is_numbered = name.get(..20).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    is_numbered && (name[20..].starts_with(LOG_SUFFIX) || name.contains(".checkpoint"))
}

fn dump_batches(disk: &dyn Disk, path: &Path, sink: &mut ItemSink<'_>) -> io::Result<()> {
    let mut reader = BatchReader::new(disk.open(path, OpenMode::Read)?)?;
    let mut position = 0;
    loop {
        let goes_on = match reader.at(position)? {
            Found::End => return Ok(()),
            Found::Batch(batch) => {
                position = batch.end();
                give(&mut reader, &batch, sink)?
            }
            Found::Bad { bad, .. } => {
                let from = position;
                let next = reader.search(from + 1, 0, i64::MAX)?;
                position = next.map_or(reader.len(), |next| next.position);
                sink(Item::Bad { position: from, end: position, reason: bad.to_string() })
            }
        };
        if !goes_on {
            return Ok(());
        }
    }
}

fn give(reader: &mut BatchReader, batch: &Sound, sink: &mut ItemSink<'_>) -> io::Result<bool> {
    let bytes = reader.batch_bytes(batch)?;
    Ok(sink(Item::Batch { position: batch.position, header: batch.header, bytes }))
}

fn dump_wal(disk: &dyn Disk, path: &Path, sink: &mut ItemSink<'_>) -> io::Result<()> {
    let file = disk.open(path, OpenMode::Read)?;
    let mut block = vec![0; BLOCK_BYTES];
    let count = file.read_full_at(&mut block, 0)?;
    let Some(head) = FileHead::decode(&block[..count]) else {
        sink(Item::Unreadable { position: 0, reason: "the header of the file cannot be read".to_owned() });
        return Ok(());
    };
    if !sink(Item::WalFile { sequence: head.of_use.sequence, size: head.size }) {
        return Ok(());
    }
    for_each_group(file, &head, |position, group| {
        let (number, proven, frames) = (group.head.number, group.head.proven, group.head.frames);
        let goes_on = sink(Item::WalGroup { position, number, proven, frames });
        Ok(goes_on
            && group.frames().all(|(frame, body)| {
                sink(Item::WalFrame {
                    topic_id: Uuid(frame.topic_id),
                    partition: frame.partition,
                    first_offset: frame.base_offset,
                    end_offset: frame.next_offset,
                    generation: frame.generation,
                    is_reference: frame.kind == FrameKind::Reference,
                    bytes: body.len(),
                })
            }))
    })
}

fn unreadable(position: usize, reason: impl ToString) -> Vec<Item<'static>> {
    vec![Item::Unreadable { position: position as u64, reason: reason.to_string() }]
}

/// Entries up to the zeros at the end, which are room for more.
fn entries<E: IndexEntry>(bytes: &[u8], item: impl Fn(E) -> Item<'static>) -> Vec<Item<'static>> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let used = used.next_multiple_of(E::BYTES).min(bytes.len());
    let mut items: Vec<Item<'static>> =
        bytes[..used].chunks_exact(E::BYTES).map(|entry| item(E::decode(entry))).collect();
    if !used.is_multiple_of(E::BYTES) {
        items.extend(unreadable(used - used % E::BYTES, "the file ends inside an entry"));
    }
    items
}

fn transactions(bytes: &[u8]) -> Vec<Item<'static>> {
    let item = |txn: txn_index::AbortedTxn| Item::AbortedTransaction {
        producer_id: txn.producer_id,
        first_offset: txn.first_offset,
        last_offset: txn.last_offset,
        last_stable_offset: txn.last_stable_offset,
    };
    match txn_index::decode(bytes) {
        Ok(transactions) => transactions.into_iter().map(item).collect(),
        Err(reason) => unreadable(0, reason),
    }
}

fn producers(bytes: &[u8]) -> Vec<Item<'static>> {
    match snapshot::decode(bytes, 0) {
        Ok(state) => state
            .iter()
            .map(|(producer_id, entry)| Item::Producer {
                producer_id,
                epoch: entry.epoch,
                last_sequence: entry.last_sequence(),
                last_offset: entry.last_data_offset(),
                last_timestamp: entry.last_timestamp,
                open_transaction_offset: entry.current_txn_first_offset,
            })
            .collect(),
        Err(reason) => unreadable(0, reason),
    }
}

fn epochs(bytes: &[u8]) -> Vec<Item<'static>> {
    match decode_epochs(bytes) {
        Ok(pairs) => {
            pairs.into_iter().map(|(epoch, start_offset)| Item::Epoch { epoch, start_offset }).collect()
        }
        Err(error) => unreadable(0, error),
    }
}

fn offsets(bytes: &[u8]) -> Vec<Item<'static>> {
    match decode_offsets(bytes) {
        Ok(offsets) => offsets
            .into_iter()
            .map(|((topic, partition), offset)| Item::Checkpoint { topic, partition, offset })
            .collect(),
        Err(error) => unreadable(0, error),
    }
}

fn tail(bytes: &[u8]) -> Vec<Item<'_>> {
    let Some(entries) = tail_entries(bytes) else { return unreadable(0, "the header cannot be read") };
    let mut items = vec![Item::TailFile { size: bytes.len() as u64 }];
    for (position, entry) in entries {
        let TailEntry::Frame(TailFrame { place, generation, bytes }) = entry else {
            items.extend(unreadable(position as usize, "the copy was torn or has rotted"));
            continue;
        };
        if bytes.is_empty() {
            items.push(Item::TailMark { position, flushed_offset: place.next_offset, generation });
            continue;
        }
        items.push(Item::TailCopy {
            position,
            segment: place.segment,
            at: place.position,
            first_offset: place.first_offset,
            end_offset: place.next_offset,
            generation,
            bytes: bytes.len(),
        });
        let mut at = place.position;
        for batch in records::batches(bytes).map_while(Result::ok) {
            let (header, bytes) = (batch.header, Some(batch.bytes));
            items.push(Item::Batch { position: at, header, bytes });
            at += batch.bytes.len() as u64;
        }
    }
    items
}

fn proof(bytes: &[u8]) -> Vec<Item<'static>> {
    let mut items = Vec::new();
    if ProofIdentity::decode(bytes).is_none() {
        items.extend(unreadable(0, "the header cannot be read"));
    }
    for (position, slot) in proof_slots(bytes) {
        match slot {
            ProofSlot::Entry(entry) => items.push(Item::Proof(entry)),
            ProofSlot::Blank => {}
            ProofSlot::Bad => items.extend(unreadable(position as usize, "the entry cannot be read")),
        }
    }
    items
}
