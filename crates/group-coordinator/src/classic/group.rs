//! A classic group's membership and state, and the few ways they change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use coordinator::Token;
use protocol::{ErrorCode, JoinGroupResponse, SyncGroupResponse};

use super::ClassicGroupState;
use super::member::{Member, MemberProtocol};
use super::subscription::subscribed_topics;
use crate::response::Response;
use crate::timer::TimerKey;
use crate::turn::Turn;

/// The protocol type of consumers; only for it the coordinator reads the members' blobs.
pub(super) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// The initial join phase of a group, which is prolonged while new members arrive.
#[derive(Clone, Copy, Debug)]
pub(super) struct InitialDelay {
    pub delay_ms: i64,
    pub remaining_ms: i64,
}

/// A classic group.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    pub(super) id: Arc<str>,
    pub(super) state: ClassicGroupState,
    pub(super) previous_state: ClassicGroupState,
    pub(super) state_since_ms: Option<i64>,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol_name: Option<String>,
    pub(super) generation: i32,
    pub(super) leader: Option<Arc<str>>,
    pub(super) members: BTreeMap<Arc<str>, Member>,
    /// Member id by instance id.
    pub(super) static_members: BTreeMap<String, Arc<str>>,
    /// Member ids that were given out but have not joined yet.
    pub(super) pending_joins: BTreeSet<Arc<str>>,
    /// Members that have not sent SyncGroup in this generation yet.
    pub(super) pending_syncs: BTreeSet<Arc<str>>,
    /// How many members have a parked JoinGroup.
    pub(super) awaiting_joins: usize,
    /// How many members know each protocol.
    pub(super) supported: BTreeMap<String, usize>,
    /// The topics of all members, if the group is made of consumers and their blobs could be read.
    pub(super) subscribed_topics: Option<BTreeSet<String>>,
    /// Whether a member has joined since the initial delay was last prolonged.
    pub(super) new_member_added: bool,
    pub(super) initial_delay: Option<InitialDelay>,
    /// Whether a record of the group is committed. Until then nobody but its members may see it.
    pub(super) persisted: bool,
    next_joined_seq: u64,
}

impl ClassicGroup {
    /// A group without members. `state_since_ms` is unknown for old records.
    pub fn new_empty(id: Arc<str>, state_since_ms: Option<i64>) -> ClassicGroup {
        ClassicGroup {
            id,
            state: ClassicGroupState::Empty,
            previous_state: ClassicGroupState::Dead,
            state_since_ms,
            protocol_type: None,
            protocol_name: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_joins: BTreeSet::new(),
            pending_syncs: BTreeSet::new(),
            awaiting_joins: 0,
            supported: BTreeMap::new(),
            subscribed_topics: None,
            new_member_added: false,
            initial_delay: None,
            persisted: false,
            next_joined_seq: 0,
        }
    }

    /// The group id.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The state.
    pub fn state(&self) -> ClassicGroupState {
        self.state
    }

    /// Whether a record of the group is committed.
    pub fn is_persisted(&self) -> bool {
        self.persisted
    }

    /// Notes that a record of the group is committed.
    pub fn set_persisted(&mut self) {
        self.persisted = true;
    }

    /// When the group came into its state, if known.
    pub fn state_since_ms(&self) -> Option<i64> {
        self.state_since_ms
    }

    /// Whether the group was ever used by members. If not it only keeps offsets that were committed by hand.
    pub fn has_protocol_type(&self) -> bool {
        self.protocol_type.is_some()
    }

    /// Whether members have an id but have not joined yet.
    pub fn has_pending_joins(&self) -> bool {
        !self.pending_joins.is_empty()
    }

    /// Whether the group is made of consumers.
    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// Whether the coordinator knows what the members subscribe to.
    pub fn knows_subscriptions(&self) -> bool {
        self.subscribed_topics.is_some()
    }

    /// Whether the offsets of `topic` are in use by members. If the subscriptions of consumers could not be read, all
    /// topics count as subscribed.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    pub(super) fn transition(&mut self, next: ClassicGroupState, now_ms: i64) {
        assert!(
            self.state.may_become(next),
            "a group in state {} does not become {}",
            self.state.name(),
            next.name()
        );
        self.previous_state = self.state;
        self.state = next;
        self.state_since_ms = Some(now_ms);
    }

    pub(super) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// The leader's id as responses carry it.
    pub(super) fn leader_id(&self) -> String {
        self.leader.as_deref().unwrap_or_default().to_owned()
    }

    /// The longest rebalance time-out of all members.
    pub(super) fn rebalance_timeout_ms(&self) -> i64 {
        self.members.values().map(|member| i64::from(member.rebalance_timeout_ms)).max().unwrap_or(0)
    }

    pub(super) fn has_all_members_joined(&self) -> bool {
        self.members.len() == self.awaiting_joins && self.pending_joins.is_empty()
    }

    /// Whether every member knows `protocol`.
    pub(super) fn is_candidate(&self, protocol: &str) -> bool {
        self.supported.get(protocol) == Some(&self.members.len())
    }

    /// Whether a member with these protocols could join: an empty group takes any, others need the same type and one
    /// protocol that everybody knows.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[MemberProtocol]) -> bool {
        if self.state == ClassicGroupState::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|protocol| self.is_candidate(&protocol.name))
    }

    /// The protocol of the next generation: each member votes for the first of its protocols that all members know.
    /// Between equal votes the one that was voted for by the earliest member wins.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let mut voters: Vec<&Member> = self.members.values().collect();
        voters.sort_by_key(|member| member.joined_seq);
        let mut votes: Vec<(&str, usize)> = Vec::new();
        for member in voters {
            let Some(name) = member.vote(|name| self.is_candidate(name)) else { continue };
            match votes.iter_mut().find(|(candidate, _)| *candidate == name) {
                Some((_, count)) => *count += 1,
                None => votes.push((name, 1)),
            }
        }
        let most = votes.iter().map(|(_, count)| *count).max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.to_owned())
    }

    /// Puts a member in. The first becomes the leader and decides the protocol type.
    pub(super) fn add_member(&mut self, mut member: Member, protocol_type: &str) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        member.joined_seq = self.next_joined_seq;
        self.next_joined_seq += 1;
        self.pending_joins.remove(&member.id);
        self.leader.get_or_insert_with(|| member.id.clone());
        self.insert_member(member);
    }

    /// Puts a member in, without making it the leader.
    pub(super) fn insert_member(&mut self, member: Member) {
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member.id.clone());
        }
        self.count_protocols(&member.protocols);
        self.awaiting_joins += usize::from(member.awaiting_join.is_some());
        let replaced = self.members.insert(member.id.clone(), member);
        assert!(replaced.is_none(), "a member id is in a group once");
    }

    /// Takes a member out and leaves everything else as it is.
    pub(super) fn take_member(&mut self, member_id: &str) -> Option<Member> {
        let member = self.members.remove(member_id)?;
        self.uncount_protocols(&member.protocols);
        self.awaiting_joins -= usize::from(member.awaiting_join.is_some());
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        Some(member)
    }

    /// Removes a member or a pending member. Parked requests of it are answered with UNKNOWN_MEMBER_ID, so that a
    /// client that is still there joins again.
    pub(super) fn remove_member(&mut self, turn: &mut Turn<'_>, member_id: &str) {
        if let Some(member) = self.take_member(member_id) {
            if let Some(token) = member.awaiting_join {
                turn.reply(token, join_error("", ErrorCode::UNKNOWN_MEMBER_ID));
            }
            if let Some(token) = member.awaiting_sync {
                turn.reply(token, sync_error(ErrorCode::UNKNOWN_MEMBER_ID));
            }
        }
        if self.is_leader(member_id) {
            self.leader =
                self.members.values().min_by_key(|member| member.joined_seq).map(|member| member.id.clone());
        }
        self.pending_joins.remove(member_id);
        self.pending_syncs.remove(member_id);
        turn.cancel_timer(&self.session_timer(member_id));
    }

    /// Gives a member new settings and parks its JoinGroup.
    pub(super) fn update_member(
        &mut self,
        turn: &mut Turn<'_>,
        member_id: &str,
        protocols: Vec<MemberProtocol>,
        timeouts: Timeouts,
        token: Token,
    ) {
        self.set_member_settings(member_id, protocols, timeouts);
        let member = self.members.get_mut(member_id).expect("the caller has looked the member up");
        match member.awaiting_join.replace(token) {
            // The client has asked again on another connection; nobody reads the older answer.
            Some(displaced) => {
                turn.reply(displaced, join_error(member_id, ErrorCode::REBALANCE_IN_PROGRESS));
            }
            None => self.awaiting_joins += 1,
        }
    }

    /// Gives a member new protocols and time-outs and returns the old ones.
    pub(super) fn set_member_settings(
        &mut self,
        member_id: &str,
        protocols: Vec<MemberProtocol>,
        timeouts: Timeouts,
    ) -> (Vec<MemberProtocol>, Timeouts) {
        let member = self.members.get_mut(member_id).expect("the caller has looked the member up");
        let old_protocols = std::mem::replace(&mut member.protocols, protocols);
        let old_timeouts =
            Timeouts { rebalance_ms: member.rebalance_timeout_ms, session_ms: member.session_timeout_ms };
        member.rebalance_timeout_ms = timeouts.rebalance_ms;
        member.session_timeout_ms = timeouts.session_ms;
        self.uncount_protocols(&old_protocols);
        let member = &self.members[member_id];
        for protocol in &member.protocols {
            *self.supported.entry(protocol.name.clone()).or_default() += 1;
        }
        (old_protocols, old_timeouts)
    }

    /// Answers a member's parked JoinGroup, if there is one.
    pub(super) fn complete_join_of(
        &mut self,
        turn: &mut Turn<'_>,
        member_id: &str,
        response: JoinGroupResponse<'static>,
    ) {
        let Some(member) = self.members.get_mut(member_id) else { return };
        if let Some(token) = member.awaiting_join.take() {
            self.awaiting_joins -= 1;
            turn.reply(token, Response::JoinGroup(response));
        }
    }

    /// Starts a member's session anew.
    pub(super) fn restart_session(&self, turn: &mut Turn<'_>, member_id: &str) {
        let Some(member) = self.members.get(member_id) else { return };
        let key = TimerKey::Session(self.id.clone(), member.id.clone());
        turn.set_timer(&key, i64::from(member.session_timeout_ms));
    }

    pub(super) fn session_timer(&self, member_id: &str) -> TimerKey {
        TimerKey::Session(self.id.clone(), Arc::from(member_id))
    }

    /// Works out the topics of all members from the blobs of the selected protocol.
    pub(super) fn update_subscribed_topics(&mut self) {
        self.subscribed_topics = if !self.uses_consumer_protocol() {
            None
        } else if self.members.is_empty() {
            Some(BTreeSet::new())
        } else {
            self.protocol_name.as_deref().and_then(|protocol| {
                subscribed_topics(self.members.values().map(|member| member.metadata(protocol)))
            })
        };
    }

    fn count_protocols(&mut self, protocols: &[MemberProtocol]) {
        for protocol in protocols {
            *self.supported.entry(protocol.name.clone()).or_default() += 1;
        }
    }

    fn uncount_protocols(&mut self, protocols: &[MemberProtocol]) {
        for protocol in protocols {
            let count = self.supported.get_mut(&protocol.name).expect("every member's protocols are counted");
            *count -= 1;
            if *count == 0 {
                self.supported.remove(&protocol.name);
            }
        }
    }
}

/// A member's two time-outs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub rebalance_ms: i32,
    pub session_ms: i32,
}

/// A JoinGroup answer that carries only an error.
pub(crate) fn join_error(member_id: &str, error: ErrorCode) -> Response {
    Response::JoinGroup(JoinGroupResponse {
        error_code: error,
        member_id: member_id.to_owned().into(),
        ..Default::default()
    })
}

/// A SyncGroup answer that carries only an error.
pub(crate) fn sync_error(error: ErrorCode) -> Response {
    Response::SyncGroup(SyncGroupResponse { error_code: error, ..Default::default() })
}
