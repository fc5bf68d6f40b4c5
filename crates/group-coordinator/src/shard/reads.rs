//! DescribeGroups and ListGroups: what is committed, answered at once.

use protocol::describe_groups_response::DescribedGroup;
use protocol::list_groups_response::ListedGroup;
use protocol::{ErrorCode, error_text};

use super::GroupShard;
use crate::classic::{ClassicGroup, GROUP_TYPE};

/// The first DescribeGroups version whose clients understand that a group does not exist; older ones see state Dead.
const GROUP_ID_NOT_FOUND_FROM_VERSION: i16 = 6;

impl GroupShard {
    /// Describes groups, in the order asked for.
    pub fn describe_groups(&self, api_version: i16, group_ids: &[&str]) -> Vec<DescribedGroup<'static>> {
        group_ids
            .iter()
            .map(|group_id| match self.visible(group_id) {
                Some(group) => group.describe(),
                None => unknown_group(api_version, group_id),
            })
            .collect()
    }

    /// Lists the groups that are in one of `states` and of one of `types`. An empty filter lets everything through;
    /// upper and lower case are the same.
    pub fn list_groups(&self, states: &[&str], types: &[&str]) -> Vec<ListedGroup<'static>> {
        let type_matches = types.is_empty() || types.iter().any(|name| name.eq_ignore_ascii_case(GROUP_TYPE));
        if !type_matches {
            return Vec::new();
        }
        self.groups
            .values()
            .filter(|group| group.is_persisted())
            .filter(|group| {
                let state = group.visible_state().name();
                states.is_empty() || states.iter().any(|name| name.trim().eq_ignore_ascii_case(state))
            })
            .map(ClassicGroup::list)
            .collect()
    }

    fn visible(&self, group_id: &str) -> Option<&ClassicGroup> {
        self.groups.get(group_id).filter(|group| group.is_persisted())
    }
}

fn unknown_group(api_version: i16, group_id: &str) -> DescribedGroup<'static> {
    let (error_code, error_message) = if api_version >= GROUP_ID_NOT_FOUND_FROM_VERSION {
        (ErrorCode::GROUP_ID_NOT_FOUND, Some(error_text(format!("Group {group_id} not found."))))
    } else {
        (ErrorCode::NONE, None)
    };
    DescribedGroup {
        error_code,
        error_message,
        group_id: group_id.to_owned().into(),
        group_state: "Dead".into(),
        ..Default::default()
    }
}
