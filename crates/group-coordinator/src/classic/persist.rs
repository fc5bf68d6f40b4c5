//! A classic group as a record, and a record as a classic group.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::GroupMetadataValue;
use protocol::group_metadata_value::MemberMetadata;

use super::ClassicGroupState;
use super::group::ClassicGroup;
use super::member::{Member, MemberProtocol};
use crate::record::GroupRecord;
use crate::turn::Turn;

impl ClassicGroup {
    /// The group's record. Assignments come from `assignment` if given, else from the members themselves.
    pub(super) fn record(&self, assignment: Option<&BTreeMap<Arc<str>, Vec<u8>>>) -> GroupRecord {
        let protocol = self.protocol_name.as_deref();
        let members = self
            .members
            .values()
            .map(|member| MemberMetadata {
                member_id: member.id.to_string().into(),
                group_instance_id: member.instance_id.clone().map(Into::into),
                client_id: member.client_id.clone().into(),
                client_host: member.client_host.clone().into(),
                rebalance_timeout: member.rebalance_timeout_ms,
                session_timeout: member.session_timeout_ms,
                subscription: member.metadata(protocol.unwrap_or_default()).to_vec().into(),
                assignment: assignment
                    .map_or(&member.assignment, |assignment| &assignment[&member.id])
                    .clone()
                    .into(),
            })
            .collect();
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default().into(),
            generation: self.generation,
            protocol: self.protocol_name.clone().map(Into::into),
            leader: self.leader.as_ref().map(|leader| leader.to_string().into()),
            current_state_timestamp: self.state_since_ms.unwrap_or(-1),
            members,
        };
        GroupRecord::Group { group: self.id.clone(), value: Some(Box::new(value)) }
    }

    /// The record of a group that was created by a JoinGroup and has had no generation yet.
    pub fn new_group_record(&self) -> GroupRecord {
        let value = GroupMetadataValue {
            protocol: None,
            leader: None,
            current_state_timestamp: self.state_since_ms.unwrap_or(-1),
            ..Default::default()
        };
        GroupRecord::Group { group: self.id.clone(), value: Some(Box::new(value)) }
    }

    /// The group that `value` stands for. Members know only the protocol that was selected.
    pub fn from_record(id: Arc<str>, value: &GroupMetadataValue<'_>) -> ClassicGroup {
        let since_ms = (value.current_state_timestamp != -1).then_some(value.current_state_timestamp);
        let mut group = ClassicGroup::new_empty(id, since_ms);
        group.persisted = true;
        group.generation = value.generation;
        group.protocol_name = value.protocol.as_ref().map(ToString::to_string);
        for member in &value.members {
            if group.members.contains_key(&*member.member_id) {
                continue;
            }
            group.add_member(member_from_record(member, value), &value.protocol_type);
        }
        group.protocol_type = (!value.protocol_type.is_empty()).then(|| value.protocol_type.to_string());
        if !group.members.is_empty() {
            group.state = ClassicGroupState::Stable;
        }
        if let Some(leader) = &value.leader {
            group.leader = Some(Arc::from(&**leader));
        }
        group.update_subscribed_topics();
        group
    }

    /// All records are replayed: sessions begin, and a group that has become too large starts over.
    pub fn loaded(&mut self, turn: &mut Turn<'_>) {
        let member_ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for member_id in &member_ids {
            self.restart_session(turn, member_id);
        }
        if self.members.len() > turn.config.group_max_size {
            self.prepare_rebalance(turn);
        }
    }
}

fn member_from_record(member: &MemberMetadata<'_>, value: &GroupMetadataValue<'_>) -> Member {
    let protocol = MemberProtocol {
        name: value.protocol.as_deref().unwrap_or_default().to_owned(),
        metadata: member.subscription.to_vec(),
    };
    Member {
        id: Arc::from(&*member.member_id),
        instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        // Version 0 of the record has no rebalance time-out.
        rebalance_timeout_ms: match member.rebalance_timeout {
            -1 => member.session_timeout,
            rebalance_timeout_ms => rebalance_timeout_ms,
        },
        session_timeout_ms: member.session_timeout,
        protocols: vec![protocol],
        assignment: member.assignment.to_vec(),
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
        joined_seq: 0,
    }
}
