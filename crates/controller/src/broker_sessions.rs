//! When brokers were last heard of. Never in the log: a new active controller starts with everyone just heard of.

use std::collections::BTreeMap;

/// Contacts of brokers with the active controller.
#[derive(Debug, Clone)]
pub(crate) struct BrokerSessions {
    node_id: i32,
    timeout_ms: i64,
    sessions: BTreeMap<i32, Session>,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    epoch: i64,
    contact_ms: i64,
    /// How far the broker has applied the metadata log.
    metadata_offset: i64,
    /// End of the log when its controlled shutdown began.
    shutdown_offset: Option<i64>,
}

impl BrokerSessions {
    pub(crate) fn new(node_id: i32, timeout_ms: i64) -> BrokerSessions {
        BrokerSessions { node_id, timeout_ms, sessions: BTreeMap::new() }
    }

    pub(crate) fn set_timeout_ms(&mut self, timeout_ms: i64) {
        self.timeout_ms = timeout_ms;
    }

    pub(crate) fn forget(&mut self, broker_id: i32) {
        self.sessions.remove(&broker_id);
    }

    /// Notes that a broker was heard of.
    pub(crate) fn contact(&mut self, broker_id: i32, epoch: i64, metadata_offset: i64, now_ms: i64) {
        let session = Session { epoch, contact_ms: now_ms, metadata_offset, shutdown_offset: None };
        let known = self.sessions.entry(broker_id).or_insert(session);
        if known.epoch == epoch {
            known.contact_ms = now_ms;
            known.metadata_offset = known.metadata_offset.max(metadata_offset);
        } else {
            *known = session;
        }
    }

    /// Notes at which end of the log a broker's controlled shutdown began.
    pub(crate) fn begin_shutdown(&mut self, broker_id: i32, end_offset: i64) {
        if let Some(session) = self.sessions.get_mut(&broker_id) {
            session.shutdown_offset.get_or_insert(end_offset);
        }
    }

    pub(crate) fn shutdown_offset(&self, broker_id: i32) -> Option<i64> {
        self.sessions.get(&broker_id)?.shutdown_offset
    }

    /// The least metadata offset that one of these brokers has applied.
    pub(crate) fn lowest_metadata_offset(&self, broker_ids: impl Iterator<Item = i32>) -> Option<i64> {
        broker_ids.map(|id| self.sessions.get(&id).map_or(-1, |session| session.metadata_offset)).min()
    }

    /// True if this incarnation must be taken for alive. The broker in the controller's own process cannot have two
    /// living incarnations, so its old one never stands in the way of a new one.
    pub(crate) fn is_valid(&self, broker_id: i32, epoch: i64, now_ms: i64) -> bool {
        broker_id != self.node_id
            && self.sessions.get(&broker_id).is_some_and(|session| {
                session.epoch == epoch && now_ms.saturating_sub(session.contact_ms) < self.timeout_ms
            })
    }

    /// When the next session of these brokers runs out. The broker in the controller's own process is alive as long
    /// as the controller is.
    pub(crate) fn next_expiry_ms(&self, broker_ids: impl Iterator<Item = i32>) -> Option<i64> {
        broker_ids.filter_map(|id| self.expiry_ms(id)).min()
    }

    /// When this broker's session runs out.
    pub(crate) fn expiry_ms(&self, broker_id: i32) -> Option<i64> {
        if broker_id == self.node_id {
            return None;
        }
        self.sessions.get(&broker_id).map(|session| session.contact_ms.saturating_add(self.timeout_ms))
    }
}
