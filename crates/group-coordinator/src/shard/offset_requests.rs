//! The requests about offsets: OffsetCommit, OffsetFetch, OffsetDelete; and the end of topics.

use std::sync::Arc;

use coordinator::Token;
use protocol::offset_fetch_request::OffsetFetchRequestGroup;
use protocol::{ErrorCode, OffsetCommitRequest, OffsetDeleteRequest, OffsetDeleteResponse};

use super::GroupShard;
use crate::classic::Committer;
use crate::context::RequestContext;
use crate::effect::Effect;
use crate::offsets::{self, DeletedTopic};
use crate::record::STORED_STRING_BYTES_MAX;
use crate::response::Response;

/// The first OffsetCommit version whose clients understand that a group does not exist.
const GROUP_ID_NOT_FOUND_FROM_VERSION: i16 = 9;

impl GroupShard {
    /// Handles an OffsetCommit request. Topics must carry name and id; which of them exist is for the caller to check.
    pub fn handle_offset_commit(
        &mut self,
        now_ms: i64,
        context: RequestContext<'_>,
        request: &OffsetCommitRequest<'_>,
        token: Token,
        effects: &mut Vec<Effect>,
    ) {
        match self.check_commit(now_ms, context, request, effects) {
            Err(error) => {
                let (_, _, mut turn) = self.turn(now_ms, effects);
                turn.reply(token, Response::OffsetCommit(offsets::commit_failed(request, error)));
            }
            Ok(group) => {
                let metadata_bytes_max = self.config.offset_metadata_max_bytes;
                let (records, response) = offsets::commit(now_ms, &group, request, metadata_bytes_max);
                let (_, _, mut turn) = self.turn(now_ms, effects);
                if !records.is_empty() {
                    turn.append_and_replay(records);
                }
                turn.reply_when_committed(token, Response::OffsetCommit(response));
            }
        }
    }

    /// Whether the sender may commit; the group's id if it may. A group that does not exist comes into being when
    /// the offsets of its first, simple commit are replayed.
    fn check_commit(
        &mut self,
        now_ms: i64,
        context: RequestContext<'_>,
        request: &OffsetCommitRequest<'_>,
        effects: &mut Vec<Effect>,
    ) -> Result<Arc<str>, ErrorCode> {
        if request.group_id.len() > STORED_STRING_BYTES_MAX {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let committer = Committer {
            member_id: &request.member_id,
            instance_id: request.group_instance_id.as_deref(),
            generation: request.generation_id_or_member_epoch,
        };
        let (groups, _, mut turn) = self.turn(now_ms, effects);
        match groups.get_mut(&*request.group_id) {
            Some(group) => {
                group.validate_offset_commit(committer)?;
                group.note_commit(&mut turn, committer);
                Ok(group.id().clone())
            }
            None if committer.generation < 0 => Ok(Arc::from(&*request.group_id)),
            None if context.api_version >= GROUP_ID_NOT_FOUND_FROM_VERSION => {
                Err(ErrorCode::GROUP_ID_NOT_FOUND)
            }
            None => Err(ErrorCode::ILLEGAL_GENERATION),
        }
    }

    /// Handles one group of an OffsetFetch request. With `require_stable` the answer waits for everything that is on
    /// its way to the log.
    pub fn handle_offset_fetch(
        &mut self,
        now_ms: i64,
        request: &OffsetFetchRequestGroup<'_>,
        require_stable: bool,
        token: Token,
        effects: &mut Vec<Effect>,
    ) {
        let (_, offsets, mut turn) = self.turn(now_ms, effects);
        match turn.appends.newest_mut() {
            Some(pending) if require_stable => {
                pending.stable_fetches.push((token, request.clone().into_owned()));
            }
            _ => turn.reply(token, Response::OffsetFetch(offsets::fetch(offsets, request))),
        }
    }

    /// Handles an OffsetDelete request. Which of the topics exist is for the caller to check.
    pub fn handle_offset_delete(
        &mut self,
        now_ms: i64,
        request: &OffsetDeleteRequest<'_>,
        token: Token,
        effects: &mut Vec<Effect>,
    ) {
        let (groups, offsets, mut turn) = self.turn(now_ms, effects);
        let validated = match groups.get(&*request.group_id) {
            _ if request.group_id.is_empty() => Err(ErrorCode::INVALID_GROUP_ID),
            None => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            Some(group) => group.validate_offset_delete().map(|()| group),
        };
        let response = match validated {
            Err(error_code) => OffsetDeleteResponse { error_code, ..Default::default() },
            Ok(group) => {
                let is_subscribed = |topic: &str| group.is_subscribed_to(topic);
                let (records, response) =
                    offsets::delete(offsets, turn.appends, group.id(), request, is_subscribed);
                if !records.is_empty() {
                    turn.append_and_replay(records);
                }
                response
            }
        };
        turn.reply_when_committed(token, Response::OffsetDelete(response));
    }

    /// The topics no longer exist: their offsets go too.
    pub fn handle_topics_deleted(&mut self, now_ms: i64, topics: &[DeletedTopic], effects: &mut Vec<Effect>) {
        let (_, offsets, mut turn) = self.turn(now_ms, effects);
        let records = offsets::delete_topics(offsets, turn.appends, topics);
        if !records.is_empty() {
            turn.append_piecewise_and_replay(records);
        }
    }
}
