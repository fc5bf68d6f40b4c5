//! One member of a classic group.

use std::sync::Arc;

use coordinator::Token;
use protocol::join_group_request::JoinGroupRequestProtocol;

/// A protocol (an assignor) a member can use, with the blob it wants the leader to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberProtocol {
    pub name: String,
    pub metadata: Vec<u8>,
}

/// A member, with the requests of it that are parked.
#[derive(Debug)]
pub(crate) struct Member {
    pub id: Arc<str>,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// In the member's order of preference, each name once.
    pub protocols: Vec<MemberProtocol>,
    pub assignment: Vec<u8>,
    /// The parked JoinGroup request.
    pub awaiting_join: Option<Token>,
    /// The parked SyncGroup request.
    pub awaiting_sync: Option<Token>,
    /// Whether the member has not yet been through the end of a join phase.
    pub is_new: bool,
    /// Members that joined earlier have a smaller number; a static member keeps its number.
    pub joined_seq: u64,
}

impl Member {
    /// The blob for `protocol`; empty if the member does not know the protocol.
    pub fn metadata(&self, protocol: &str) -> &[u8] {
        self.protocols
            .iter()
            .find(|candidate| candidate.name == protocol)
            .map_or(&[], |candidate| candidate.metadata.as_slice())
    }

    /// The first of the member's protocols that `is_candidate` lets through.
    pub fn vote(&self, is_candidate: impl Fn(&str) -> bool) -> Option<&str> {
        self.protocols.iter().map(|protocol| protocol.name.as_str()).find(|name| is_candidate(name))
    }

    /// Whether the member may live on although its session has run out: it is known to be there because a request of
    /// it is parked. A new member may not: its client may have given up and come back under another id.
    pub fn has_satisfied_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}

/// The protocols of a JoinGroup request, each name once.
pub(crate) fn distinct_protocols(protocols: &[JoinGroupRequestProtocol<'_>]) -> Vec<MemberProtocol> {
    let mut distinct: Vec<MemberProtocol> = Vec::new();
    for protocol in protocols {
        if distinct.iter().all(|known| known.name != protocol.name) {
            distinct.push(MemberProtocol {
                name: protocol.name.to_string(),
                metadata: protocol.metadata.to_vec(),
            });
        }
    }
    distinct
}
