//! How the rest of the node talks to the task.

use std::sync::Arc;

use group_coordinator::{DeletedTopic, Response};
use protocol::delete_groups_response::DeletableGroupResult;
use protocol::describe_groups_response::DescribedGroup;
use protocol::list_groups_response::ListedGroup;
use protocol::offset_fetch_request::OffsetFetchRequestGroup;
use protocol::offset_fetch_response::OffsetFetchResponseGroup;
use protocol::{
    ErrorCode, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    SyncGroupRequest, SyncGroupResponse,
};
use tokio::sync::{mpsc, oneshot};

use super::call::{Answer, Call, CallContext, Command};
use super::changes::Changes;
use crate::context::RequestContext;

/// A way to the task; clones lead to the same one.
///
/// Every call fails with the error that the whole answer should carry: NOT_COORDINATOR (another node, or nobody, leads the
/// group's partition, or the topic does not exist yet), COORDINATOR_LOAD_IN_PROGRESS, or COORDINATOR_NOT_AVAILABLE (the
/// node is on its way down).
#[derive(Clone, Debug)]
pub struct GroupCoordinatorHandle {
    commands: mpsc::Sender<Command>,
    changes: Arc<Changes>,
}

/// An answer that is on its way.
pub struct PendingAnswer(Result<oneshot::Receiver<Result<Answer, ErrorCode>>, ErrorCode>);

impl PendingAnswer {
    async fn wait(self) -> Result<Answer, ErrorCode> {
        self.0?.await.unwrap_or(Err(ErrorCode::COORDINATOR_NOT_AVAILABLE))
    }
}

/// Takes the expected kind of response out of an answer.
macro_rules! expect_response {
    ($answer:expr, $kind:ident) => {
        match $answer {
            Answer::Response(response) => match *response {
                Response::$kind(response) => Ok(response),
                other => unreachable!("the answer to another request: {other:?}"),
            },
            Answer::Described(_) => unreachable!("a description was not asked for"),
        }
    };
}

impl GroupCoordinatorHandle {
    pub(super) fn new(commands: mpsc::Sender<Command>, changes: Arc<Changes>) -> GroupCoordinatorHandle {
        GroupCoordinatorHandle { commands, changes }
    }

    /// Tells the task that leaderships of `__consumer_offsets` may have changed, and which topics are gone. Never waits.
    pub fn metadata_changed(&self, deleted_topics: Vec<DeletedTopic>) {
        self.changes.tell(deleted_topics);
    }

    /// Ends the task: parked requests are answered with NOT_COORDINATOR, later ones with COORDINATOR_NOT_AVAILABLE.
    /// Returns when that is done.
    pub async fn shut_down(&self) {
        let (done, is_done) = oneshot::channel();
        if self.commands.send(Command::ShutDown(done)).await.is_ok() {
            // An error means that the task has ended, which is what was wanted.
            let _ = is_done.await;
        }
    }

    /// JoinGroup; comes back when the join phase ends.
    pub async fn join_group(
        &self,
        ctx: &RequestContext<'_>,
        request: JoinGroupRequest<'_>,
    ) -> Result<JoinGroupResponse<'static>, ErrorCode> {
        let call = Call::JoinGroup(call_context(ctx), request.into_owned());
        expect_response!(self.call(call).await?, JoinGroup)
    }

    /// SyncGroup; comes back when the leader's assignment is committed.
    pub async fn sync_group(
        &self,
        request: SyncGroupRequest<'_>,
    ) -> Result<SyncGroupResponse<'static>, ErrorCode> {
        expect_response!(self.call(Call::SyncGroup(request.into_owned())).await?, SyncGroup)
    }

    /// Heartbeat.
    pub async fn heartbeat(&self, request: HeartbeatRequest<'_>) -> Result<HeartbeatResponse, ErrorCode> {
        expect_response!(self.call(Call::Heartbeat(request.into_owned())).await?, Heartbeat)
    }

    /// LeaveGroup, with all leaving members in `members`.
    pub async fn leave_group(
        &self,
        request: LeaveGroupRequest<'_>,
    ) -> Result<LeaveGroupResponse<'static>, ErrorCode> {
        expect_response!(self.call(Call::LeaveGroup(request.into_owned())).await?, LeaveGroup)
    }

    /// OffsetCommit, of topics that exist, with both name and id.
    pub async fn offset_commit(
        &self,
        ctx: &RequestContext<'_>,
        request: OffsetCommitRequest<'_>,
    ) -> Result<OffsetCommitResponse<'static>, ErrorCode> {
        let call = Call::OffsetCommit(call_context(ctx), request.into_owned());
        expect_response!(self.call(call).await?, OffsetCommit)
    }

    /// OffsetDelete, of topics that exist.
    pub async fn offset_delete(
        &self,
        request: OffsetDeleteRequest<'_>,
    ) -> Result<OffsetDeleteResponse<'static>, ErrorCode> {
        expect_response!(self.call(Call::OffsetDelete(request.into_owned())).await?, OffsetDelete)
    }

    /// Asks for the offsets of one group; [`GroupCoordinatorHandle::fetched_offsets`] waits for them.
    pub async fn fetch_offsets(
        &self,
        request: OffsetFetchRequestGroup<'_>,
        require_stable: bool,
    ) -> PendingAnswer {
        self.send(Call::OffsetFetch { request: request.into_owned(), require_stable }).await
    }

    /// The offsets that were asked for.
    pub async fn fetched_offsets(
        &self,
        pending: PendingAnswer,
    ) -> Result<OffsetFetchResponseGroup<'static>, ErrorCode> {
        expect_response!(pending.wait().await?, OffsetFetch)
    }

    /// Asks for one group to be deleted; [`GroupCoordinatorHandle::deleted_group`] waits for it.
    pub async fn delete_group(&self, group_id: &str) -> PendingAnswer {
        self.send(Call::DeleteGroup(group_id.to_owned())).await
    }

    /// What became of the group that was to be deleted.
    pub async fn deleted_group(
        &self,
        pending: PendingAnswer,
    ) -> Result<DeletableGroupResult<'static>, ErrorCode> {
        let mut results = expect_response!(pending.wait().await?, DeleteGroups)?;
        Ok(results.pop().expect("one group asked for, one answered"))
    }

    /// Describes one group.
    pub async fn describe_group(
        &self,
        api_version: i16,
        group_id: &str,
    ) -> Result<DescribedGroup<'static>, ErrorCode> {
        match self.call(Call::DescribeGroup { api_version, group_id: group_id.to_owned() }).await? {
            Answer::Described(group) => Ok(*group),
            Answer::Response(other) => unreachable!("the answer to another request: {other:?}"),
        }
    }

    /// Lists the groups this node coordinates.
    pub async fn list_groups(
        &self,
        states: Vec<String>,
        types: Vec<String>,
    ) -> Result<Vec<ListedGroup<'static>>, ErrorCode> {
        let (answer, answered) = oneshot::channel();
        let gone = |_| ErrorCode::COORDINATOR_NOT_AVAILABLE;
        self.commands.send(Command::List { states, types, answer }).await.map_err(gone)?;
        answered.await.unwrap_or(Err(ErrorCode::COORDINATOR_NOT_AVAILABLE))
    }

    async fn call(&self, call: Call) -> Result<Answer, ErrorCode> {
        self.send(call).await.wait().await
    }

    async fn send(&self, call: Call) -> PendingAnswer {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(Command::Call(call, answer)).await;
        PendingAnswer(sent.map(|()| answered).map_err(|_| ErrorCode::COORDINATOR_NOT_AVAILABLE))
    }
}

fn call_context(ctx: &RequestContext<'_>) -> CallContext {
    CallContext {
        api_version: ctx.api_version,
        client_id: ctx.client_id.to_owned(),
        client_host: ctx.client_host(),
    }
}
