//! What may be asked of the task, and what comes back.

use group_coordinator::Response;
use protocol::describe_groups_response::DescribedGroup;
use protocol::list_groups_response::ListedGroup;
use protocol::offset_fetch_request::OffsetFetchRequestGroup;
use protocol::{
    ErrorCode, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest,
    OffsetDeleteRequest, SyncGroupRequest,
};
use tokio::sync::oneshot;

/// The part of a request's surroundings that outlives the request.
#[derive(Clone, Debug)]
pub(super) struct CallContext {
    pub api_version: i16,
    pub client_id: String,
    pub client_host: String,
}

/// A request about one group, or about all.
#[derive(Debug)]
pub(super) enum Call {
    JoinGroup(CallContext, JoinGroupRequest<'static>),
    SyncGroup(SyncGroupRequest<'static>),
    Heartbeat(HeartbeatRequest<'static>),
    LeaveGroup(LeaveGroupRequest<'static>),
    OffsetCommit(CallContext, OffsetCommitRequest<'static>),
    OffsetFetch { request: OffsetFetchRequestGroup<'static>, require_stable: bool },
    OffsetDelete(OffsetDeleteRequest<'static>),
    DeleteGroup(String),
    DescribeGroup { api_version: i16, group_id: String },
}

impl Call {
    /// The group it is about.
    pub fn group_id(&self) -> &str {
        match self {
            Call::JoinGroup(_, request) => &request.group_id,
            Call::SyncGroup(request) => &request.group_id,
            Call::Heartbeat(request) => &request.group_id,
            Call::LeaveGroup(request) => &request.group_id,
            Call::OffsetCommit(_, request) => &request.group_id,
            Call::OffsetFetch { request, .. } => &request.group_id,
            Call::OffsetDelete(request) => &request.group_id,
            Call::DeleteGroup(group_id) | Call::DescribeGroup { group_id, .. } => group_id,
        }
    }

    /// Is it refused before a coordinator is looked for, as it names no group where one has to be named?
    pub fn lacks_group(&self) -> bool {
        let needs_name = match self {
            Call::JoinGroup(..)
            | Call::SyncGroup(_)
            | Call::Heartbeat(_)
            | Call::LeaveGroup(_)
            | Call::OffsetDelete(_) => true,
            Call::OffsetCommit(..)
            | Call::OffsetFetch { .. }
            | Call::DeleteGroup(_)
            | Call::DescribeGroup { .. } => false,
        };
        needs_name && self.group_id().is_empty()
    }
}

/// What the task answers to a call.
#[derive(Debug)]
pub(super) enum Answer {
    Response(Box<Response>),
    Described(Box<DescribedGroup<'static>>),
}

/// Where an answer goes.
pub(super) type AnswerSender = oneshot::Sender<Result<Answer, ErrorCode>>;

/// What lies in the task's queue.
#[derive(Debug)]
pub(super) enum Command {
    /// A call about one group.
    Call(Call, AnswerSender),
    /// ListGroups: all groups this node coordinates.
    List {
        states: Vec<String>,
        types: Vec<String>,
        answer: oneshot::Sender<Result<Vec<ListedGroup<'static>>, ErrorCode>>,
    },
    /// Hand everything over and end.
    ShutDown(oneshot::Sender<()>),
}
