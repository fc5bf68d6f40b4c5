//! Which transactions were aborted, as the batches of a log tell.
//!
//! Owns the content of a new `.txnindex`. It is as good as the log: of a transaction whose first records are gone, what is
//! left counts as its beginning.

use std::collections::BTreeMap;
use std::io;

use platform::{Disk, OpenMode};
use records::{Batch, BatchHeader, ControlRecordType};

use crate::inspect::batch_reader::{BatchReader, Found};
use crate::inspect::log::LogInspection;
use crate::txn_index::AbortedTxn;

/// The aborted transactions of each segment that has a marker of one, in the order of their markers.
///
/// # Errors
/// The disk's.
pub(super) fn aborted(disk: &dyn Disk, log: &LogInspection) -> io::Result<BTreeMap<i64, Vec<AbortedTxn>>> {
    let mut by_segment: BTreeMap<i64, Vec<AbortedTxn>> = BTreeMap::new();
    let mut open = BTreeMap::new();
    for segment in &log.segments {
        let mut reader = BatchReader::new(disk.open(&segment.path, OpenMode::Read)?)?;
        let mut position = 0;
        loop {
            let batch = match reader.at(position)? {
                Found::Batch(batch) => batch,
                Found::Bad { end: Some(end), .. } => {
                    position = end;
                    continue;
                }
                Found::Bad { .. } | Found::End => break,
            };
            if batch.header.is_transactional() && batch.header.has_producer_id() {
                let bytes = match batch.header.is_control() {
                    true => reader.bytes(position, batch.header.size_bytes())?,
                    false => &[],
                };
                let found = note(&mut open, &batch.header, bytes);
                by_segment.entry(segment.base_offset).or_default().extend(found);
            }
            position = batch.end();
        }
    }
    Ok(by_segment)
}

/// Takes in a batch of a transaction. The transaction, if it is aborted by it.
fn note(open: &mut BTreeMap<i64, i64>, header: &BatchHeader, marker: &[u8]) -> Option<AbortedTxn> {
    let producer_id = header.producer_id;
    if !header.is_control() {
        open.entry(producer_id).or_insert(header.base_offset);
        return None;
    }
    let record = Batch::parse(marker).ok()?.records().ok()?.next()?.ok()?;
    let kind = ControlRecordType::from_key(record.key?)?;
    let first_offset = open.remove(&producer_id)?;
    let last_offset = header.last_offset();
    let last_stable_offset = open.values().copied().min().unwrap_or(last_offset + 1);
    (kind == ControlRecordType::Abort).then_some(AbortedTxn {
        producer_id,
        first_offset,
        last_offset,
        last_stable_offset,
    })
}
