//! JoinGroup: new members, members with a fresh id, members that come again.

use std::sync::Arc;

use coordinator::Token;
use protocol::join_group_response::JoinGroupResponseMember;
use protocol::{ErrorCode, JoinGroupRequest, JoinGroupResponse};

use super::group::{ClassicGroup, Timeouts, join_error};
use super::member::{Member, MemberProtocol, distinct_protocols};
use super::{ClassicGroupState, NEW_MEMBER_JOIN_TIMEOUT_MS, PENDING_MEMBERS_MAX};
use crate::context::RequestContext;
use crate::response::Response;
use crate::turn::Turn;

/// The first version whose clients are told their member id before they may join.
const MEMBER_ID_REQUIRED_FROM_VERSION: i16 = 4;

/// A JoinGroup request, read once.
pub(super) struct Join<'a> {
    pub context: RequestContext<'a>,
    pub request: &'a JoinGroupRequest<'a>,
    pub protocols: Vec<MemberProtocol>,
    pub token: Token,
}

impl Join<'_> {
    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            // Version 0 has no rebalance time-out.
            rebalance_ms: if self.context.api_version == 0 {
                self.request.session_timeout_ms
            } else {
                self.request.rebalance_timeout_ms
            },
            session_ms: self.request.session_timeout_ms,
        }
    }

    fn refuse(&self, turn: &mut Turn<'_>, member_id: &str, error: ErrorCode) {
        turn.reply(self.token, join_error(member_id, error));
    }
}

impl ClassicGroup {
    /// Handles a JoinGroup request. It is answered at once or parked until the join phase ends.
    pub fn join(
        &mut self,
        turn: &mut Turn<'_>,
        context: RequestContext<'_>,
        request: &JoinGroupRequest<'_>,
        token: Token,
    ) {
        let join = Join { context, request, protocols: distinct_protocols(&request.protocols), token };
        if !self.accepts(&request.member_id, turn.config.group_max_size) {
            let was_member = self.members.contains_key(&*request.member_id);
            self.remove_member(turn, &request.member_id);
            join.refuse(turn, "", ErrorCode::GROUP_MAX_SIZE_REACHED);
            if was_member {
                self.maybe_complete_join(turn);
            }
        } else if request.member_id.is_empty() {
            self.join_new(turn, join);
        } else {
            self.join_known(turn, join);
        }
    }

    /// Whether there is room for this member. During a join phase those who have joined count, so that the last to
    /// rejoin are left out if the limit has shrunk.
    fn accepts(&self, member_id: &str, max_size: usize) -> bool {
        match self.state {
            ClassicGroupState::Empty | ClassicGroupState::Dead => true,
            ClassicGroupState::PreparingRebalance => {
                let is_awaiting =
                    self.members.get(member_id).is_some_and(|member| member.awaiting_join.is_some());
                is_awaiting || self.awaiting_joins < max_size
            }
            ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable => {
                self.members.contains_key(member_id) || self.members.len() < max_size
            }
        }
    }

    fn join_new(&mut self, turn: &mut Turn<'_>, join: Join<'_>) {
        if self.state == ClassicGroupState::Dead {
            return join.refuse(turn, "", ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        if !self.supports(&join.request.protocol_type, &join.protocols) {
            return join.refuse(turn, "", ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match join.request.group_instance_id.as_deref() {
            Some(instance_id) => {
                let member_id = join.context.new_member_id(instance_id);
                match self.static_members.get(instance_id).cloned() {
                    Some(old_id) => self.replace_static_member(turn, join, &old_id, &member_id),
                    None => self.add_and_rebalance(turn, join, &member_id),
                }
            }
            None => {
                let member_id = join.context.new_member_id(join.context.client_id);
                if join.context.api_version >= MEMBER_ID_REQUIRED_FROM_VERSION {
                    self.add_pending_member(turn, &join, &member_id);
                } else {
                    self.add_and_rebalance(turn, join, &member_id);
                }
            }
        }
    }

    /// Gives out a member id and waits for the client to join with it.
    fn add_pending_member(&mut self, turn: &mut Turn<'_>, join: &Join<'_>, member_id: &str) {
        if self.pending_joins.len() >= PENDING_MEMBERS_MAX {
            return join.refuse(turn, "", ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        self.pending_joins.insert(Arc::from(member_id));
        turn.set_timer(&self.session_timer(member_id), i64::from(join.request.session_timeout_ms));
        join.refuse(turn, member_id, ErrorCode::MEMBER_ID_REQUIRED);
    }

    fn join_known(&mut self, turn: &mut Turn<'_>, join: Join<'_>) {
        let member_id = &*join.request.member_id;
        if self.state == ClassicGroupState::Dead {
            return join.refuse(turn, member_id, ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        if !self.supports(&join.request.protocol_type, &join.protocols) {
            return join.refuse(turn, member_id, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        let instance_id = join.request.group_instance_id.as_deref();
        if self.pending_joins.contains(member_id) {
            if instance_id.is_some() {
                // Ids are given out to dynamic members only, so this client mixes up two members. Kafka does not expect
                // it, and so does not name the member in its answer.
                return join.refuse(turn, "", ErrorCode::UNKNOWN_SERVER_ERROR);
            }
            let member_id = member_id.to_owned();
            return self.add_and_rebalance(turn, join, &member_id);
        }
        if let Err(error) = self.validate_member(member_id, instance_id) {
            return join.refuse(turn, member_id, error);
        }
        let is_unchanged = self.members[member_id].protocols == join.protocols;
        match self.state {
            ClassicGroupState::PreparingRebalance => self.update_and_rebalance(turn, join),
            // The member may have missed the answer to its JoinGroup: tell it again.
            ClassicGroupState::CompletingRebalance if is_unchanged => {
                let response = self.join_response(member_id);
                turn.reply(join.token, Response::JoinGroup(response));
            }
            // A follower that has nothing new just gets the generation and can ask for its assignment. The leader's
            // JoinGroup always means that it wants to assign anew.
            ClassicGroupState::Stable if is_unchanged && !self.is_leader(member_id) => {
                let response = self.join_response(member_id);
                turn.reply(join.token, Response::JoinGroup(response));
            }
            ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable => {
                self.update_and_rebalance(turn, join);
            }
            ClassicGroupState::Empty | ClassicGroupState::Dead => {
                join.refuse(turn, member_id, ErrorCode::UNKNOWN_MEMBER_ID);
            }
        }
    }

    fn add_and_rebalance(&mut self, turn: &mut Turn<'_>, join: Join<'_>, member_id: &str) {
        if self.state == ClassicGroupState::PreparingRebalance
            && self.previous_state == ClassicGroupState::Empty
        {
            self.new_member_added = true;
        }
        let timeouts = join.timeouts();
        let member = Member {
            id: Arc::from(member_id),
            instance_id: join.request.group_instance_id.as_deref().map(str::to_owned),
            client_id: join.context.client_id.to_owned(),
            client_host: join.context.client_host.to_owned(),
            rebalance_timeout_ms: timeouts.rebalance_ms,
            session_timeout_ms: timeouts.session_ms,
            protocols: join.protocols,
            assignment: Vec::new(),
            awaiting_join: Some(join.token),
            awaiting_sync: None,
            is_new: true,
            joined_seq: 0,
        };
        self.add_member(member, &join.request.protocol_type);
        turn.set_timer(&self.session_timer(member_id), NEW_MEMBER_JOIN_TIMEOUT_MS);
        self.rebalance_or_complete(turn);
    }

    fn update_and_rebalance(&mut self, turn: &mut Turn<'_>, join: Join<'_>) {
        let timeouts = join.timeouts();
        self.update_member(turn, &join.request.member_id, join.protocols, timeouts, join.token);
        self.rebalance_or_complete(turn);
    }

    /// What the member is told of the current generation. The leader also sees all members.
    pub(super) fn join_response(&self, member_id: &str) -> JoinGroupResponse<'static> {
        let members = if self.is_leader(member_id) { self.join_response_members() } else { Vec::new() };
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone().map(Into::into),
            protocol_name: self.protocol_name.clone().map(Into::into),
            leader: self.leader_id().into(),
            member_id: member_id.to_owned().into(),
            members,
            ..Default::default()
        }
    }

    fn join_response_members(&self) -> Vec<JoinGroupResponseMember<'static>> {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        self.members
            .values()
            .map(|member| JoinGroupResponseMember {
                member_id: member.id.to_string().into(),
                group_instance_id: member.instance_id.clone().map(Into::into),
                metadata: member.metadata(protocol).to_vec().into(),
            })
            .collect()
    }
}
