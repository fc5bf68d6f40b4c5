//! Deadlines by key, cheap to move later. It never reads a clock: the caller says what time it is.

use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod tests;

/// A set of keys, each with one deadline in milliseconds.
///
/// Heartbeats move deadlines later all the time, so a move to a later time only notes the new target: the ordered
/// entry stays where it is and is moved when it reaches the front. A heartbeat therefore costs one look-up.
#[derive(Debug)]
pub struct Deadlines<K> {
    targets: BTreeMap<K, Target>,
    order: BTreeSet<(i64, K)>,
}

#[derive(Clone, Copy, Debug)]
struct Target {
    deadline_ms: i64,
    /// Where the key stands in `order`; never later than the deadline.
    queued_ms: i64,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Deadlines { targets: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Deadlines<K> {
    /// Sets the deadline of `key`, replacing an earlier one.
    pub fn set(&mut self, key: &K, deadline_ms: i64) {
        match self.targets.get_mut(key) {
            Some(target) if target.queued_ms <= deadline_ms => {
                target.deadline_ms = deadline_ms;
            }
            Some(target) => {
                self.order.remove(&(target.queued_ms, key.clone()));
                *target = Target { deadline_ms, queued_ms: deadline_ms };
                self.order.insert((deadline_ms, key.clone()));
            }
            None => {
                self.targets.insert(key.clone(), Target { deadline_ms, queued_ms: deadline_ms });
                self.order.insert((deadline_ms, key.clone()));
            }
        }
        self.settle();
    }

    /// Forgets the deadline of `key`, if it has one.
    pub fn cancel(&mut self, key: &K) {
        if let Some(target) = self.targets.remove(key) {
            self.order.remove(&(target.queued_ms, key.clone()));
            self.settle();
        }
    }

    /// The deadline of `key`.
    pub fn get(&self, key: &K) -> Option<i64> {
        self.targets.get(key).map(|target| target.deadline_ms)
    }

    /// The earliest deadline of all.
    pub fn next_ms(&self) -> Option<i64> {
        self.order.first().map(|(queued_ms, _)| *queued_ms)
    }

    /// Takes out the earliest key whose deadline is not after `now_ms`. Keys with one deadline come in key order.
    pub fn pop_expired(&mut self, now_ms: i64) -> Option<K> {
        let (queued_ms, _) = self.order.first()?;
        if *queued_ms > now_ms {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.targets.remove(&key);
        self.settle();
        Some(key)
    }

    /// How many keys have a deadline.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether no key has a deadline.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Moves entries whose deadline has moved until the front entry stands at its true deadline.
    fn settle(&mut self) {
        while let Some((queued_ms, key)) = self.order.first() {
            let target = self.targets.get_mut(key).expect("every ordered entry has a target");
            if target.deadline_ms == *queued_ms {
                return;
            }
            target.queued_ms = target.deadline_ms;
            let deadline_ms = target.deadline_ms;
            let (_, key) = self.order.pop_first().expect("the front entry was just seen");
            self.order.insert((deadline_ms, key));
        }
    }
}
