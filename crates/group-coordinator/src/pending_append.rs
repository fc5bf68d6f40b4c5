//! What is to be done when an append ends. It never says whether an append ends well.

use std::collections::BTreeMap;
use std::sync::Arc;

use coordinator::Token;
use protocol::offset_fetch_request::OffsetFetchRequestGroup;

use crate::classic::StaticMemberUpdate;
use crate::record::GroupRecord;
use crate::response::Response;

/// An append under way, with everything that waits for it.
#[derive(Debug)]
pub(crate) struct PendingAppend {
    /// The change of state that the records stand for.
    pub action: Action,
    /// Answers that leave once the records are committed; they turn into errors if the append fails.
    pub replies: Vec<(Token, Response)>,
    /// OffsetFetch requests that want to see everything that was asked for before them.
    pub stable_fetches: Vec<(Token, OffsetFetchRequestGroup<'static>)>,
}

impl PendingAppend {
    /// The groups whose records these are.
    pub fn groups(&self) -> Vec<&Arc<str>> {
        match &self.action {
            Action::Replay(records) => records.iter().map(GroupRecord::group).collect(),
            Action::NewGroup(group) | Action::EmptyGroup(group) | Action::Assignment { group, .. } => {
                vec![group]
            }
            Action::StaticMember(update) => vec![&update.group],
        }
    }
}

/// The change of state that comes with a commit.
#[derive(Debug)]
pub(crate) enum Action {
    /// Replay the records: the state changes as it would on a restart.
    Replay(Vec<GroupRecord>),
    /// A group that was created by a JoinGroup becomes visible.
    NewGroup(Arc<str>),
    /// A group has lost its last member; the state has changed already.
    EmptyGroup(Arc<str>),
    /// The leader's assignment takes effect, if the group is still in that generation.
    Assignment {
        /// The group.
        group: Arc<str>,
        /// The generation the assignment was made for.
        generation: i32,
        /// Assignment by member id.
        assignment: BTreeMap<Arc<str>, Vec<u8>>,
    },
    /// A static member has come back under a new member id without a rebalance.
    StaticMember(StaticMemberUpdate),
}
