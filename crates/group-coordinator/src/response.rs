//! The answers of a shard, and what becomes of an answer whose records could not be written.

use protocol::ErrorCode;
use protocol::delete_groups_response::DeletableGroupResult;
use protocol::offset_fetch_response::OffsetFetchResponseGroup;
use protocol::{
    HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse, OffsetCommitResponse, OffsetDeleteResponse,
    SyncGroupResponse,
};

/// The body of an answer, as the newest version of its API has it. The handler of the API cuts it down to the version
/// that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// JoinGroup (11)
    JoinGroup(JoinGroupResponse<'static>),
    /// SyncGroup (14)
    SyncGroup(SyncGroupResponse<'static>),
    /// Heartbeat (12)
    Heartbeat(HeartbeatResponse),
    /// LeaveGroup (13)
    LeaveGroup(LeaveGroupResponse<'static>),
    /// OffsetCommit (8)
    OffsetCommit(OffsetCommitResponse<'static>),
    /// OffsetFetch (9), one group of it
    OffsetFetch(OffsetFetchResponseGroup<'static>),
    /// OffsetDelete (47)
    OffsetDelete(OffsetDeleteResponse<'static>),
    /// DeleteGroups (42), the groups of this shard
    DeleteGroups(Vec<DeletableGroupResult<'static>>),
}

impl Response {
    /// The answer to send in place of this one because its records were not written.
    pub(crate) fn failed(self, error: ErrorCode) -> Response {
        match self {
            Response::JoinGroup(response) => Response::JoinGroup(JoinGroupResponse {
                error_code: error,
                member_id: response.member_id,
                ..Default::default()
            }),
            Response::SyncGroup(_) => {
                Response::SyncGroup(SyncGroupResponse { error_code: error, ..Default::default() })
            }
            Response::Heartbeat(_) => {
                Response::Heartbeat(HeartbeatResponse { error_code: error, ..Default::default() })
            }
            Response::LeaveGroup(_) => {
                Response::LeaveGroup(LeaveGroupResponse { error_code: error, ..Default::default() })
            }
            Response::OffsetCommit(mut response) => {
                for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                    partition.error_code = error;
                }
                Response::OffsetCommit(response)
            }
            Response::OffsetFetch(response) => Response::OffsetFetch(OffsetFetchResponseGroup {
                group_id: response.group_id,
                error_code: error,
                ..Default::default()
            }),
            Response::OffsetDelete(_) => {
                Response::OffsetDelete(OffsetDeleteResponse { error_code: error, ..Default::default() })
            }
            Response::DeleteGroups(mut results) => {
                for result in &mut results {
                    result.error_code = error;
                }
                Response::DeleteGroups(results)
            }
        }
    }
}
