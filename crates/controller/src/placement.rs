//! Which brokers get the replicas of new partitions: striped over racks and brokers, from a seed.

use std::collections::BTreeMap;

use protocol::ErrorCode;

use crate::{ApiError, Controller};

/// A broker that may get replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsableBroker {
    pub(crate) id: i32,
    pub(crate) rack: Option<String>,
    pub(crate) is_fenced: bool,
}

/// Numbers from a seed; the same seed gives the same numbers everywhere (SplitMix64).
#[derive(Debug, Clone)]
struct SeededNumbers {
    state: u64,
}

impl SeededNumbers {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if there is none.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).expect("a number below a usize is a usize")
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// Brokers of one kind in one rack, handed out in a circle that turns by one with each partition.
#[derive(Debug, Clone, Default)]
struct Circle {
    brokers: Vec<i32>,
    offset: usize,
    taken: usize,
    round: u64,
}

impl Circle {
    fn next(&mut self, round: u64) -> Option<i32> {
        if self.brokers.is_empty() {
            return None;
        }
        if self.round != round {
            self.round = round;
            self.taken = 0;
            self.offset = (self.offset + 1) % self.brokers.len();
        }
        if self.taken == self.brokers.len() {
            return None;
        }
        let broker = self.brokers[(self.offset + self.taken) % self.brokers.len()];
        self.taken += 1;
        Some(broker)
    }
}

#[derive(Debug, Clone, Default)]
struct Rack {
    unfenced: Circle,
    fenced: Circle,
}

impl Rack {
    fn circles(&mut self) -> [&mut Circle; 2] {
        [&mut self.unfenced, &mut self.fenced]
    }
}

/// Hands out replica lists.
///
/// Leaders go round the racks and, within a rack, round its unfenced brokers; the other replicas go on from there,
/// rack by rack, fenced brokers last. When each unfenced broker has led once, racks and brokers are shuffled, so that
/// the same brokers do not follow each other everywhere.
#[derive(Debug, Clone)]
pub(crate) struct ReplicaPlacer {
    numbers: SeededNumbers,
    racks: Vec<Rack>,
    broker_count: usize,
    unfenced_count: usize,
    offset: usize,
    round: u64,
}

impl ReplicaPlacer {
    pub(crate) fn new(seed: u64, brokers: impl Iterator<Item = UsableBroker>) -> ReplicaPlacer {
        let mut numbers = SeededNumbers { state: seed };
        let mut racks: BTreeMap<Option<String>, Rack> = BTreeMap::new();
        let (mut broker_count, mut unfenced_count) = (0, 0);
        for broker in brokers {
            let rack = racks.entry(broker.rack).or_default();
            let circle = if broker.is_fenced { &mut rack.fenced } else { &mut rack.unfenced };
            circle.brokers.push(broker.id);
            broker_count += 1;
            unfenced_count += usize::from(!broker.is_fenced);
        }
        let mut racks: Vec<Rack> = racks.into_values().collect();
        for circle in racks.iter_mut().flat_map(Rack::circles) {
            circle.brokers.sort_unstable();
            circle.offset = numbers.below(circle.brokers.len());
        }
        let offset = numbers.below(racks.len());
        ReplicaPlacer { numbers, racks, broker_count, unfenced_count, offset, round: 0 }
    }

    /// Replicas of the next partition, leader first.
    ///
    /// # Errors
    /// INVALID_REPLICATION_FACTOR.
    pub(crate) fn place(&mut self, replication_factor: usize) -> Result<Vec<i32>, ApiError> {
        self.check(replication_factor)?;
        if self.round == self.unfenced_count as u64 && self.unfenced_count > 1 {
            self.shuffle();
            self.round = 0;
        }
        let rack_count = self.racks.len();
        self.offset %= rack_count;
        let mut replicas = Vec::with_capacity(replication_factor);
        let mut leader_rack = self.offset;
        let leader = loop {
            match self.racks[leader_rack].unfenced.next(self.round) {
                Some(broker) => break broker,
                None => leader_rack = (leader_rack + 1) % rack_count,
            }
        };
        replicas.push(leader);
        // The leader's rack has given its share of the first turn.
        let mut skip = Some(leader_rack);
        let mut rack = self.offset;
        while replicas.len() < replication_factor {
            if skip == Some(rack) {
                skip = None;
            } else if let Some(broker) = self.next_in_rack(rack) {
                replicas.push(broker);
            }
            rack = (rack + 1) % rack_count;
        }
        self.round += 1;
        self.offset += 1;
        Ok(replicas)
    }

    fn next_in_rack(&mut self, rack: usize) -> Option<i32> {
        let round = self.round;
        let rack = &mut self.racks[rack];
        rack.unfenced.next(round).or_else(|| rack.fenced.next(round))
    }

    fn check(&self, replication_factor: usize) -> Result<(), ApiError> {
        let invalid = |message: String| Err(ApiError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
        if replication_factor == 0 {
            return invalid("Invalid replication factor 0: it must be positive.".to_owned());
        }
        if self.unfenced_count == 0 {
            return invalid("All brokers are fenced, or have all their log directories cordoned.".to_owned());
        }
        if replication_factor > self.broker_count {
            return invalid(format!(
                "The target replication factor of {replication_factor} cannot be reached because only {} broker(s) \
                 are registered or some brokers have all their log directories cordoned.",
                self.broker_count
            ));
        }
        Ok(())
    }

    fn shuffle(&mut self) {
        self.numbers.shuffle(&mut self.racks);
        for circle in self.racks.iter_mut().flat_map(Rack::circles) {
            self.numbers.shuffle(&mut circle.brokers);
            circle.taken = 0;
        }
    }
}

impl Controller {
    pub(crate) fn replica_placer(&self, seed: u64) -> ReplicaPlacer {
        let usable = self
            .image()
            .cluster()
            .brokers()
            .filter(|broker| broker.has_uncordoned_directories() && !broker.in_controlled_shutdown);
        ReplicaPlacer::new(
            seed,
            usable.map(|broker| UsableBroker {
                id: broker.id,
                rack: broker.rack.clone(),
                is_fenced: broker.fenced,
            }),
        )
    }
}

#[cfg(test)]
mod tests;
