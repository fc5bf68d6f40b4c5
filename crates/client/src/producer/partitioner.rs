//! Which partition a record without one goes to.
//!
//! Owns Kafka's default choice: by the key's hash, else "sticky" (KIP-480, KIP-794): one partition until about a batch's
//! worth of bytes went there, then another at random. It never knows what a partition's leader is doing.

use platform::Rng;

/// The current partition of records without a key.
#[derive(Debug, Default)]
pub(super) struct Sticky {
    partition: Option<usize>,
    bytes: usize,
}

impl Sticky {
    /// The partition for the next record without a key. `leaders` has a node id per partition, negative if there is none.
    pub fn partition(&mut self, leaders: &[i32], rng: &Rng) -> usize {
        match self.partition.filter(|&partition| partition < leaders.len()) {
            Some(partition) => partition,
            None => {
                let chosen = choose(leaders, rng);
                self.partition = Some(chosen);
                self.bytes = 0;
                chosen
            }
        }
    }

    /// Notes that `bytes` went to the current partition; from `batch_size_bytes` on another one is chosen.
    pub fn sent(&mut self, bytes: usize, batch_size_bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= batch_size_bytes {
            self.partition = None;
        }
    }
}

/// A random partition, if possible one that has a leader.
fn choose(leaders: &[i32], rng: &Rng) -> usize {
    let led = leaders.iter().filter(|&&leader| leader >= 0).count() as u64;
    if led == 0 {
        return rng.below(leaders.len() as u64) as usize;
    }
    let nth = rng.below(led) as usize;
    leaders
        .iter()
        .enumerate()
        .filter(|(_, leader)| **leader >= 0)
        .nth(nth)
        .map_or(0, |(partition, _)| partition)
}
