//! The proof file of one log, as its writer keeps it.
//!
//! Owns what is in the file and which of it counts. Entries are only written by flushes, since nothing counts before the
//! recovery point on disk is raised, which a flush does. Whoever makes entries untrue says so first; then the file is
//! written anew, durably, before the recovery point may rise over them. It never computes a checksum of a segment.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;
use platform::{Disk, OpenMode};

use super::{
    PROOF_FILE, PROOF_SLOT_BYTES, ProofEntry, ProofIdentity, ProofKind, RUN_BYTES, proof_entries,
    proof_of_segment,
};

/// Entries beside those that are needed, up to which a file is not written anew.
const SPARE_SLOTS: u64 = 64;
/// Replaced segments remembered until the file is written anew.
const REPLACED_MAX: usize = 64;

/// See the module's documentation.
pub(crate) struct LogProof {
    identity: ProofIdentity,
    /// Entries in the file that end beyond are not known to be true of what is in the segments.
    proven_end: AtomicI64,
    /// The recovery point on disk, and the one that is being written there: entries that end at either are kept.
    on_disk: AtomicI64,
    soon_on_disk: AtomicI64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts what made entries untrue: those that were staged before must not be written any more.
    generation: u32,
    /// Slots of the file, with the header; 0 if there is none.
    slots: u64,
    /// The file has to be written anew without the entries that end beyond this offset.
    stale_above: Option<i64>,
    /// Where the last stretch is, which may go on.
    open: Option<OpenSlots>,
    /// Segments whose entries are void but for those of one content, if it is there at all.
    replaced: BTreeMap<i64, Option<u32>>,
}

/// Where the entries of a stretch that goes on are, the shortest first. Only those that may count after a stop are needed;
/// another one makes place for the next.
struct OpenSlots {
    base_offset: i64,
    from: u32,
    /// Slot and end offset.
    slots: Vec<(u64, i64)>,
}

/// Entries on their way to the file.
pub(crate) struct ProofNews {
    generation: u32,
    entries: Vec<ProofEntry>,
    /// Base offset of the log's first segment.
    first: i64,
    /// Bytes of the log.
    log_bytes: u64,
    is_synced: bool,
}

impl ProofNews {
    /// Has the file flushed too.
    pub(crate) fn synced(&mut self) {
        self.is_synced = true;
    }
}

impl LogProof {
    /// Of a log whose file has so many bytes. Unless it `is_sound`, it has entries beyond `proven_end`, of batches that may
    /// never have arrived.
    pub(crate) fn new(identity: ProofIdentity, file_bytes: u64, proven_end: i64, is_sound: bool) -> Self {
        let slots = file_bytes / PROOF_SLOT_BYTES as u64;
        let stale_above = (!is_sound && slots > 0).then_some(proven_end);
        let state = State { slots, stale_above, ..State::default() };
        let end = || AtomicI64::new(proven_end);
        Self { identity, proven_end: end(), on_disk: end(), soon_on_disk: end(), state: Mutex::new(state) }
    }

    /// Whether the file has entries that must not come to count.
    pub(crate) fn is_stale(&self) -> bool {
        self.state.lock().stale_above.is_some()
    }

    /// What counts in the file of the log in `dir`, of one segment.
    pub(crate) fn read(&self, disk: &dyn Disk, dir: &Path, base_offset: i64) -> io::Result<Vec<ProofEntry>> {
        let bytes = match disk.read(&dir.join(PROOF_FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let counting = proof_entries(&bytes, self.proven_end.load(Ordering::Acquire));
        Ok(proof_of_segment(counting, base_offset))
    }

    /// The recovery point on disk was lowered to `offset`, and what is beyond is about to change.
    pub(crate) fn void_above(&self, offset: i64) {
        let mut state = self.state.lock();
        self.proven_end.fetch_min(offset, Ordering::AcqRel);
        state.generation += 1;
        if state.slots > 0 {
            state.stale_above = Some(state.stale_above.map_or(offset, |stale| stale.min(offset)));
        }
    }

    /// The recovery point is about to be written to the disk as this.
    pub(crate) fn note_checkpointing(&self, offset: i64) {
        self.soon_on_disk.store(offset, Ordering::Release);
    }

    /// It was written. What was said last is what is on the disk.
    pub(crate) fn note_checkpointed(&self) -> i64 {
        let offset = self.soon_on_disk.load(Ordering::Acquire);
        self.on_disk.store(offset, Ordering::Release);
        offset
    }

    /// What the recovery point on disk may be.
    fn counting(&self) -> [i64; 2] {
        // In this order: what was to be on the disk may get there meanwhile.
        let on_disk = self.on_disk.load(Ordering::Acquire);
        [on_disk, self.soon_on_disk.load(Ordering::Acquire)]
    }

    /// Lets count what is below the recovery point on disk as of now.
    pub(crate) fn raise_proven_end(&self, checkpointed: impl FnOnce() -> i64) {
        // Within the lock, so that a truncation comes before it or after it.
        let _state = self.state.lock();
        self.proven_end.fetch_max(checkpointed(), Ordering::AcqRel);
    }

    /// Prepares entries for the file; `None` if there is nothing to do.
    pub(crate) fn stage(&self, entries: Vec<ProofEntry>, first: i64, log_bytes: u64) -> Option<ProofNews> {
        let state = self.state.lock();
        if entries.is_empty() && state.stale_above.is_none() {
            return None;
        }
        let generation = state.generation;
        Some(ProofNews { generation, entries, first, log_bytes, is_synced: false })
    }

    /// Puts entries into the file: part of a flush. Blocks.
    ///
    /// # Errors
    /// The disk's: the recovery point must not be raised then.
    pub(crate) fn write(&self, disk: &dyn Disk, dir: &Path, news: &ProofNews) -> io::Result<()> {
        let mut state = self.state.lock();
        let entries = if news.generation == state.generation { news.entries.as_slice() } else { &[] };
        let needed = 2 * (news.log_bytes / u64::from(RUN_BYTES)) + SPARE_SLOTS;
        let is_crowded = state.slots > 2 * needed;
        if state.stale_above.is_some() || is_crowded {
            return self.rewrite(&mut state, disk, dir, entries, news.first);
        }
        if entries.is_empty() {
            return Ok(());
        }
        match self.append(&mut state, disk, dir, entries, news.is_synced) {
            // Without these entries less is proven, and nothing is wrong.
            Err(error) if is_full(&error) => Ok(()),
            written => written,
        }
    }

    fn append(
        &self,
        state: &mut State,
        disk: &dyn Disk,
        dir: &Path,
        entries: &[ProofEntry],
        is_synced: bool,
    ) -> io::Result<()> {
        let file = disk.open(&dir.join(PROOF_FILE), OpenMode::Create)?;
        let mut rest = entries;
        if let [first, later @ ..] = entries
            && let Some(slot) = state.open.as_mut().and_then(|open| open.take_spare(first, self.counting()))
        {
            file.write_at(&first.encode(), slot * PROOF_SLOT_BYTES as u64)?;
            rest = later;
        }
        let mut bytes = Vec::with_capacity((rest.len() + 1) * PROOF_SLOT_BYTES);
        if state.slots == 0 {
            file.set_len(0)?;
            bytes.extend(self.identity.encode());
        }
        rest.iter().for_each(|entry| bytes.extend(entry.encode()));
        if !bytes.is_empty() {
            file.write_at(&bytes, state.slots * PROOF_SLOT_BYTES as u64)?;
        }
        if is_synced {
            file.sync_data()?;
        }
        state.slots += (bytes.len() / PROOF_SLOT_BYTES) as u64;
        if let Some(last) = rest.last() {
            state.note_last(last);
        }
        Ok(())
    }

    /// Writes the file anew, durably, without what is untrue or of no use.
    fn rewrite(
        &self,
        state: &mut State,
        disk: &dyn Disk,
        dir: &Path,
        entries: &[ProofEntry],
        first: i64,
    ) -> io::Result<()> {
        let path = dir.join(PROOF_FILE);
        let found = match disk.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let stale_above = state.stale_above.unwrap_or(i64::MAX);
        let mut by_segment: BTreeMap<i64, Vec<ProofEntry>> = BTreeMap::new();
        let kept = proof_entries(&found, stale_above).filter(|entry| state.is_wanted(entry));
        for entry in kept.chain(entries.iter().copied()) {
            if entry.base_offset >= first {
                by_segment.entry(entry.base_offset).or_default().push(entry);
            }
        }
        let mut bytes = self.identity.encode().to_vec();
        for (base_offset, entries) in by_segment {
            let mut wanted = proof_of_segment(entries.iter().copied(), base_offset);
            for end in self.counting() {
                let counting = entries.iter().copied().filter(|entry| entry.end_offset <= end);
                let shorter = proof_of_segment(counting, base_offset).into_iter();
                let shorter: Vec<ProofEntry> = shorter.filter(|entry| !wanted.contains(entry)).collect();
                wanted.extend(shorter);
            }
            wanted.iter().for_each(|entry| bytes.extend(entry.encode()));
        }
        disk.write_atomic(&path, &bytes)?;
        state.slots = (bytes.len() / PROOF_SLOT_BYTES) as u64;
        state.stale_above = None;
        state.replaced.clear();
        state.open = None;
        Ok(())
    }

    /// Makes known what will be in a segment after a swap, durably, before it. Without entries nothing will be known of it.
    ///
    /// # Errors
    /// The disk's: then the swap must not be.
    pub(crate) fn expect_swap(
        &self,
        disk: &dyn Disk,
        dir: &Path,
        base_offset: i64,
        entries: &[ProofEntry],
        first: i64,
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        let Some(seal) = entries.last() else {
            if state.slots == 0 {
                return Ok(());
            }
            // What is known of the segment must not be taken for knowledge of its successor.
            state.replaced.insert(base_offset, None);
            return self.rewrite(&mut state, disk, dir, &[], first);
        };
        let mut expected = vec![ProofEntry { kind: ProofKind::Swap, ..*seal }];
        expected.extend_from_slice(entries);
        if state.stale_above.is_some() || state.replaced.len() >= REPLACED_MAX {
            return self.rewrite(&mut state, disk, dir, &expected, first);
        }
        self.append(&mut state, disk, dir, &expected, true)
    }

    /// The swap is done, durably: what was known of the segments before is void.
    pub(crate) fn note_swapped(
        &self,
        base_offset: i64,
        content: Option<u32>,
        gone: impl Iterator<Item = i64>,
    ) {
        let mut state = self.state.lock();
        if state.slots == 0 {
            return;
        }
        let replaced = &mut state.replaced;
        gone.for_each(|base| _ = replaced.insert(base, None));
        replaced.insert(base_offset, content);
        // The next flush takes the old entries out.
        state.stale_above.get_or_insert(i64::MAX);
    }
}

impl OpenSlots {
    fn is_of(&self, entry: &ProofEntry) -> bool {
        let is_same = entry.base_offset == self.base_offset && entry.from == self.from;
        is_same && entry.kind == ProofKind::Run && entry.content == 0
    }

    /// The slot for an entry of this stretch that takes the place of one which cannot count any more: of those that end at
    /// or below a recovery point the longest is needed, and the last two may get to be so.
    fn take_spare(&mut self, entry: &ProofEntry, counting: [i64; 2]) -> Option<u64> {
        if !self.is_of(entry) {
            return None;
        }
        let longest = counting.map(|end| self.slots.iter().rposition(|(_, slot_end)| *slot_end <= end));
        let is_needed = |number: usize| number + 2 >= self.slots.len() || longest.contains(&Some(number));
        let spare = (0..self.slots.len()).find(|number| !is_needed(*number))?;
        let (slot, _) = self.slots.remove(spare);
        self.slots.push((slot, entry.end_offset));
        Some(slot)
    }
}

impl State {
    /// The last slot of the file has this entry.
    fn note_last(&mut self, entry: &ProofEntry) {
        let newest = self.slots - 1;
        self.open = match self.open.take() {
            _ if entry.kind != ProofKind::Run || entry.content != 0 => None,
            Some(mut open) if open.is_of(entry) => {
                open.slots.push((newest, entry.end_offset));
                Some(open)
            }
            _ => Some(OpenSlots {
                base_offset: entry.base_offset,
                from: entry.from,
                slots: vec![(newest, entry.end_offset)],
            }),
        };
    }

    fn is_wanted(&self, entry: &ProofEntry) -> bool {
        match self.replaced.get(&entry.base_offset) {
            None => true,
            Some(content) => *content == Some(entry.content) && entry.kind != ProofKind::Swap,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
