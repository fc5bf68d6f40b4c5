//! What DescribeGroups and ListGroups say about a classic group.

use protocol::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use protocol::list_groups_response::ListedGroup;

use super::ClassicGroupState;
use super::group::ClassicGroup;
use super::member::Member;

/// The type of these groups as clients see it.
pub(crate) const GROUP_TYPE: &str = "classic";

impl ClassicGroup {
    /// The state as others may know it: until the tombstone is committed, a dying group is just empty.
    pub fn visible_state(&self) -> ClassicGroupState {
        match self.state {
            ClassicGroupState::Dead => ClassicGroupState::Empty,
            state => state,
        }
    }

    /// The group with its members. Protocol and blobs are shown only when they are settled.
    pub fn describe(&self) -> DescribedGroup<'static> {
        let protocol = match self.state {
            ClassicGroupState::Stable => self.protocol_name.as_deref(),
            _ => None,
        };
        DescribedGroup {
            group_id: self.id.to_string().into(),
            group_state: self.visible_state().name().into(),
            protocol_type: self.protocol_type.clone().unwrap_or_default().into(),
            protocol_data: protocol.unwrap_or_default().to_owned().into(),
            members: self.members.values().map(|member| describe_member(member, protocol)).collect(),
            ..Default::default()
        }
    }

    /// The group in one line.
    pub fn list(&self) -> ListedGroup<'static> {
        ListedGroup {
            group_id: self.id.to_string().into(),
            protocol_type: self.protocol_type.clone().unwrap_or_default().into(),
            group_state: self.visible_state().name().into(),
            group_type: GROUP_TYPE.into(),
        }
    }
}

fn describe_member(member: &Member, protocol: Option<&str>) -> DescribedGroupMember<'static> {
    DescribedGroupMember {
        member_id: member.id.to_string().into(),
        group_instance_id: member.instance_id.clone().map(Into::into),
        client_id: member.client_id.clone().into(),
        client_host: member.client_host.clone().into(),
        member_metadata: protocol.map_or(Vec::new(), |name| member.metadata(name).to_vec()).into(),
        member_assignment: member.assignment.clone().into(),
    }
}
