//! The bounded memory of who used how much.

use std::collections::BTreeMap;

use crate::limits::Client;

/// Most entities remembered for one kind of quota. Who comes when it is full takes the place of those silent longest.
pub const TRACKED_MAX: usize = 16_384;

/// An entity that used nothing for this long is forgotten, as in Kafka.
const IDLE_MS: i64 = 3_600_000;
/// How often idle entities are looked for, at most.
const SWEEP_MS: i64 = 60_000;

#[derive(Debug, Clone)]
struct Entry<S> {
    used_ms: i64,
    state: S,
}

/// State of each entity that has used something lately.
#[derive(Debug, Clone)]
pub(crate) struct Tracked<S> {
    users: BTreeMap<String, BTreeMap<String, Entry<S>>>,
    count: usize,
    swept_ms: i64,
}

impl<S> Default for Tracked<S> {
    fn default() -> Self {
        Self { users: BTreeMap::new(), count: 0, swept_ms: 0 }
    }
}

impl<S: Default> Tracked<S> {
    /// The entity's state, a new one if it is not remembered.
    pub(crate) fn state(&mut self, counted: Client<'_>, now_ms: i64) -> &mut S {
        let Client { user, client_id } = counted;
        let is_known = self.users.get(user).is_some_and(|clients| clients.contains_key(client_id));
        if !is_known {
            self.make_room(now_ms);
            let clients = self.users.entry(user.to_owned()).or_default();
            clients.insert(client_id.to_owned(), Entry { used_ms: now_ms, state: S::default() });
            self.count += 1;
        }
        let entry = self.users.get_mut(user).and_then(|clients| clients.get_mut(client_id));
        let entry = entry.expect("it was there or has just been put there");
        entry.used_ms = now_ms;
        &mut entry.state
    }

    /// How many entities are remembered.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    fn make_room(&mut self, now_ms: i64) {
        if now_ms.saturating_sub(self.swept_ms) >= SWEEP_MS {
            self.swept_ms = now_ms;
            self.forget_before(now_ms.saturating_sub(IDLE_MS));
        }
        if self.count < TRACKED_MAX {
            return;
        }
        // An eighth at once, so that a flood of names does not search all of them for each.
        let mut used: Vec<i64> =
            self.users.values().flat_map(BTreeMap::values).map(|entry| entry.used_ms).collect();
        let (_, oldest_kept_ms, _) = used.select_nth_unstable(TRACKED_MAX / 8);
        let oldest_kept_ms = *oldest_kept_ms;
        self.forget_before(oldest_kept_ms);
        if self.count >= TRACKED_MAX {
            // All were used in the same millisecond.
            self.users.clear();
            self.count = 0;
        }
    }

    fn forget_before(&mut self, time_ms: i64) {
        for clients in self.users.values_mut() {
            clients.retain(|_, entry| entry.used_ms >= time_ms);
        }
        self.users.retain(|_, clients| !clients.is_empty());
        self.count = self.users.values().map(BTreeMap::len).sum();
    }
}

#[cfg(test)]
mod tests;
