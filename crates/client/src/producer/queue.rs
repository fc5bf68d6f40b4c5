//! The batches of one partition that are not written yet.
//!
//! Owns their order and their sequence numbers: a partition's records are written in the order in which they were sent, or
//! not at all. It never sends anything.

use std::collections::{BTreeSet, VecDeque};

use tokio::time::Instant;

use super::batch::{Batch, Content, Identity, Order};
use crate::config::MAX_IDEMPOTENT_IN_FLIGHT;

/// What bounds the sending of a partition's batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueRules {
    pub idempotent: bool,
    /// Whether batches may overtake each other on failure, which without idempotence they may only not with one request in
    /// flight.
    pub strictly_ordered: bool,
}

#[derive(Debug, Default)]
pub(super) struct PartitionQueue {
    /// Waiting batches in order; only the last may still take records.
    pub batches: VecDeque<Batch>,
    in_flight: BTreeSet<Order>,
    identity: Option<Identity>,
    next_sequence: i32,
    /// Whether the broker has written a batch under this identity. Before, it would take any sequence for the first one: if
    /// two batches were on their way and only the second arrived, the first could never be written.
    established: bool,
    /// Whether the broker's idea of the next sequence can no longer be met, so that a new epoch must begin.
    broken: bool,
}

/// Whether the first batch of a queue may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sendable {
    Now,
    /// Not before this time.
    At(Instant),
    /// Not before something else happens.
    Not,
}

impl PartitionQueue {
    /// The batch that takes records, if there is one.
    pub fn open(&mut self) -> Option<&mut Batch> {
        // A batch that has its sequence, as a piece of a split one has, must keep its number of records.
        self.batches
            .back_mut()
            .filter(|batch| matches!(batch.content, Content::Plain(_)) && batch.sequence.is_none())
    }

    /// Whether the first batch may be sent, as far as order and backoff are concerned.
    pub fn sendable(&self, rules: QueueRules, identity: Option<Identity>, now: Instant) -> Sendable {
        let Some(first) = self.batches.front() else { return Sendable::Not };
        if let Some(not_before) = first.not_before.filter(|&at| at > now) {
            return Sendable::At(not_before);
        }
        let free = if !rules.idempotent {
            !rules.strictly_ordered || self.in_flight.is_empty()
        } else if self.broken {
            self.in_flight.is_empty() && !self.is_exhausted(identity)
        } else if first.sequence.is_some() {
            // A batch that is sent again waits for those before it: the broker takes sequences in order only.
            self.in_flight.first().is_none_or(|&earliest| earliest > first.order)
        } else {
            let limit = if self.established { MAX_IDEMPOTENT_IN_FLIGHT } else { 1 };
            (self.identity.is_some() || identity.is_some()) && self.in_flight.len() < limit
        };
        if free { Sendable::Now } else { Sendable::Not }
    }

    /// Takes the first batch out to be sent, with its sequence. The caller has asked [`PartitionQueue::sendable`].
    /// `None` also when a new producer id is needed first.
    pub fn take(&mut self, rules: QueueRules, identity: Option<Identity>) -> Option<Batch> {
        if rules.idempotent {
            if self.broken {
                self.restart();
            }
            self.identity = self.identity.or(identity);
            let identity = self.identity?;
            let first = self.batches.front_mut()?;
            if first.sequence.is_none() {
                first.sequence = Some((identity, self.next_sequence));
                self.next_sequence = first.next_sequence().unwrap_or(0);
            }
        }
        let mut batch = self.batches.pop_front()?;
        batch.attempts += 1;
        batch.not_before = None;
        self.in_flight.insert(batch.order);
        Some(batch)
    }

    /// Begins a new epoch, in which sequences start at 0 (KIP-360). After the last epoch the next producer id is taken.
    fn restart(&mut self) {
        self.identity = match self.identity {
            Some(Identity { producer_id, epoch }) if epoch < i16::MAX => {
                Some(Identity { producer_id, epoch: epoch + 1 })
            }
            _ => None,
        };
        self.next_sequence = 0;
        self.established = false;
        self.broken = false;
        for batch in &mut self.batches {
            batch.sequence = None;
        }
    }

    /// Whether a new epoch must begin and the producer id, which is still the one in use, has none left.
    pub fn is_exhausted(&self, in_use: Option<Identity>) -> bool {
        self.broken
            && self.identity.is_some_and(|own| {
                own.epoch == i16::MAX && in_use.is_none_or(|in_use| in_use.producer_id == own.producer_id)
            })
    }

    /// Whether a batch before this one is still to be written.
    pub fn has_earlier(&self, order: Order) -> bool {
        self.in_flight.first().is_some_and(|&earliest| earliest < order)
            || self.batches.front().is_some_and(|first| first.order < order)
    }

    /// Whether a new epoch is about to begin.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Has a new epoch begin as soon as nothing is in flight.
    pub fn mark_broken(&mut self) {
        self.broken = true;
    }

    /// Notes that a batch was written.
    pub fn written(&mut self) {
        self.established = true;
    }

    /// Notes that a batch is no longer in flight.
    pub fn landed(&mut self, order: Order) {
        self.in_flight.remove(&order);
    }

    /// Puts a batch back to its place.
    pub fn put_back(&mut self, batch: Batch) {
        let at = self.batches.partition_point(|queued| queued.order < batch.order);
        self.batches.insert(at, batch);
    }
}
