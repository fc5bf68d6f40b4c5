//! Checksums of the segment that is appended to, as its batches come.
//!
//! Owns where one stretch ends and the next begins. What it hands out is true of the bytes as they were handed to the
//! file; when that counts is not its to say.

use records::BatchHeader;

use super::{ProofEntry, ProofKind, RUN_BYTES, batch_crc, combine};

/// From this size on a batch's checksum is taken from its header, without a look at its bytes.
const LARGE_BATCH_BYTES: u64 = 16 << 10;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Ledger {
    base_offset: i64,
    /// The open stretch: its bytes are `from..to`.
    from: u32,
    to: u32,
    /// Of `from..to`.
    crc: u32,
    end_offset: i64,
    last_epoch: i32,
    /// Whether no batch of the open stretch has a producer id.
    without_producers: bool,
    /// Of `0..from`, if it is known.
    whole: Option<u32>,
    /// How far entries were handed out.
    handed_to: u32,
    /// Stretches that are complete and were not handed out.
    done: Vec<ProofEntry>,
    /// Positions no longer fit: the rest of the segment has no proof.
    is_over: bool,
}

impl Ledger {
    /// For a segment whose bytes before `position` are somebody else's.
    pub(crate) fn start(base_offset: i64, position: u64) -> Self {
        let at = u32::try_from(position);
        let from = at.unwrap_or(u32::MAX);
        Self {
            base_offset,
            from,
            to: from,
            crc: 0,
            end_offset: base_offset,
            last_epoch: -1,
            without_producers: true,
            whole: (from == 0).then_some(0),
            handed_to: from,
            done: Vec::new(),
            is_over: at.is_err(),
        }
    }

    /// Where the next batch is expected to be.
    pub(crate) fn place(&self) -> (i64, u64) {
        (self.base_offset, u64::from(self.to))
    }

    /// Goes on with another segment; what was not handed out of this one is kept.
    pub(crate) fn go_on(&mut self, base_offset: i64, position: u64) {
        let mut done = std::mem::take(&mut self.done);
        done.extend(self.open_run());
        *self = Self { done, ..Self::start(base_offset, position) };
    }

    /// Takes in a batch whose checksum is right: its header as it is in the file, and its other bytes.
    pub(crate) fn append(&mut self, header: &BatchHeader, stamped: &[u8], payload: &[u8]) {
        let len = (stamped.len() + payload.len()) as u64;
        if len >= LARGE_BATCH_BYTES {
            return self.note(header);
        }
        self.begin_batch(len);
        self.crc = crc32c::crc32c_append(crc32c::crc32c_append(self.crc, stamped), payload);
        self.end_batch(header, len);
    }

    /// Takes in a batch in the file that was found to be right.
    pub(crate) fn note(&mut self, header: &BatchHeader) {
        let len = header.size_bytes() as u64;
        if header.is_legacy() {
            // Its checksum is another one. Nothing writes such batches any more.
            self.is_over = true;
            return;
        }
        self.begin_batch(len);
        self.crc = combine(self.crc, batch_crc(header), len);
        self.end_batch(header, len);
    }

    fn begin_batch(&mut self, len: u64) {
        if len >= u64::from(RUN_BYTES) {
            self.close_run();
        }
    }

    fn end_batch(&mut self, header: &BatchHeader, len: u64) {
        let to = u64::from(self.to) + len;
        let Ok(to) = u32::try_from(to) else {
            self.is_over = true;
            return;
        };
        self.to = to;
        self.end_offset = header.next_offset();
        self.last_epoch = header.partition_leader_epoch;
        self.without_producers &= !header.has_producer_id();
        if self.to - self.from >= RUN_BYTES {
            self.close_run();
        }
    }

    /// Everything that was not handed out, the open stretch as far as it is.
    pub(crate) fn take_news(&mut self) -> Vec<ProofEntry> {
        let mut news = std::mem::take(&mut self.done);
        if self.handed_to < self.to {
            news.extend(self.open_run());
            self.handed_to = self.to;
        }
        news
    }

    /// All entries of a finished segment, under the number of its content; nothing if some of it has no proof.
    pub(crate) fn into_content(mut self) -> Vec<ProofEntry> {
        self.seal();
        let Some(seal) = self.done.last().filter(|entry| entry.kind == ProofKind::Seal) else {
            return Vec::new();
        };
        let content = seal.crc.max(1);
        self.done.iter().map(|entry| ProofEntry { content, ..*entry }).collect()
    }

    /// Nothing will be appended to the segment any more.
    pub(crate) fn seal(&mut self) {
        self.close_run();
        if let Some(whole) = self.whole.filter(|_| self.to > 0 && !self.is_over) {
            self.done.push(self.entry(ProofKind::Seal, 0, whole));
        }
    }

    fn close_run(&mut self) {
        let Some(run) = self.open_run() else { return };
        self.whole = self.whole.map(|whole| combine(whole, run.crc, run.size_bytes()));
        self.from = self.to;
        self.crc = 0;
        self.without_producers = true;
        self.handed_to = self.to;
        self.done.push(run);
    }

    fn open_run(&self) -> Option<ProofEntry> {
        if self.to == self.from || self.is_over {
            return None;
        }
        Some(self.entry(ProofKind::Run, self.from, self.crc))
    }

    fn entry(&self, kind: ProofKind, from: u32, crc: u32) -> ProofEntry {
        let Self { base_offset, end_offset, to, last_epoch, .. } = *self;
        // Of a whole segment nobody asks.
        let without_producers = kind == ProofKind::Run && self.without_producers;
        ProofEntry { kind, content: 0, base_offset, end_offset, from, to, crc, last_epoch, without_producers }
    }
}
