//! Topics of the null broker: one file per partition and an index of where each batch begins.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::direct_log::DirectLog;

/// A topic's id as it is on the wire.
pub type TopicId = [u8; 16];

/// See the module.
pub struct Store {
    directory: PathBuf,
    /// Where batches go, if not into the files of their partitions.
    pub log: Option<DirectLog>,
    pub topics: BTreeMap<TopicId, Topic>,
    created: u64,
}

pub struct Topic {
    pub name: String,
    pub partitions: Vec<Partition>,
}

pub struct Partition {
    pub file: Rc<File>,
    pub end_position: u64,
    pub next_offset: i64,
    /// (base offset, position) of every batch.
    batches: Vec<(i64, u64)>,
    /// Peers whose fetch waits for data.
    pub sleepers: Vec<u64>,
}

impl Store {
    pub fn new(directory: &Path, log: Option<DirectLog>) -> Store {
        Store { directory: directory.to_owned(), log, topics: BTreeMap::new(), created: 0 }
    }

    pub fn create(&mut self, name: &str, partitions: i32) -> io::Result<TopicId> {
        self.created += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.created.to_be_bytes());
        let open = |number: i32| -> io::Result<Partition> {
            let path = self.directory.join(format!("{name}-{number}.log"));
            let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
            Ok(Partition {
                file: Rc::new(file),
                end_position: 0,
                next_offset: 0,
                batches: Vec::new(),
                sleepers: Vec::new(),
            })
        };
        let partitions = (0..partitions).map(open).collect::<io::Result<Vec<_>>>()?;
        self.topics.insert(id, Topic { name: name.to_owned(), partitions });
        Ok(id)
    }

    pub fn delete(&mut self, id: &TopicId) -> io::Result<()> {
        if let Some(topic) = self.topics.remove(id) {
            for number in 0..topic.partitions.len() {
                fs::remove_file(self.directory.join(format!("{}-{number}.log", topic.name)))?;
            }
        }
        Ok(())
    }

    pub fn partition(&mut self, id: &TopicId, number: i32) -> Option<&mut Partition> {
        self.topics.get_mut(id)?.partitions.get_mut(usize::try_from(number).ok()?)
    }

    /// A peer is gone: wake it no more.
    pub fn forget(&mut self, peer: u64) {
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.sleepers.retain(|sleeper| *sleeper != peer);
        }
    }
}

impl Partition {
    /// Appends one batch as it is, with its offset written into it; returns the offset.
    pub fn append(&mut self, batch: &[u8]) -> io::Result<i64> {
        let base = self.take_offsets(batch);
        // One system call, as a broker that patches the offset in place needs.
        let front = base.to_be_bytes();
        let parts = [io::IoSlice::new(&front), io::IoSlice::new(&batch[8..])];
        let written = rustix::io::pwritev(&*self.file, &parts, self.end_position)?;
        if written < batch.len() {
            self.file.write_all_at(&batch[written..], self.end_position + written as u64)?;
        }
        self.batches.push((base, self.end_position));
        self.end_position += batch.len() as u64;
        Ok(base)
    }

    /// The first offset of a batch; the next one begins behind it.
    pub fn take_offsets(&mut self, batch: &[u8]) -> i64 {
        let base = self.next_offset;
        let delta = batch.get(23..27).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_be_bytes);
        self.next_offset += i64::from(delta) + 1;
        base
    }

    /// Position and length of whole batches from `offset` on, at least one and otherwise at most `max_bytes`.
    pub fn read(&self, offset: i64, max_bytes: u64) -> (u64, usize) {
        if offset >= self.next_offset {
            return (self.end_position, 0);
        }
        let first = self.batches.partition_point(|(base, _)| *base <= offset).saturating_sub(1);
        let start = self.batches[first].1;
        let past = self.batches.partition_point(|(_, position)| *position <= start + max_bytes);
        // The batch that begins last within the limit is left out, unless it is the first or the file ends there.
        let end = if start + max_bytes >= self.end_position {
            self.end_position
        } else if past - 1 > first {
            self.batches[past - 1].1
        } else {
            self.batches.get(first + 1).map_or(self.end_position, |(_, position)| *position)
        };
        (start, (end - start) as usize)
    }
}
