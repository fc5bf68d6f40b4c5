//! OffsetCommit (key 8): a group stores how far it has read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem::take;

use metadata::MetadataImage;
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use protocol::{ErrorCode, OffsetCommitRequest, OffsetCommitResponse, Uuid};

use crate::context::RequestContext;
use crate::node::Node;

/// First version in which topics are named by id.
const TOPIC_ID_VERSION_MIN: i16 = 10;

/// Answers when the offsets are committed. Partitions that do not exist are refused one by one.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    mut request: OffsetCommitRequest<'_>,
) -> OffsetCommitResponse<'static> {
    let topics = take(&mut request.topics);
    let by_id = ctx.api_version >= TOPIC_ID_VERSION_MIN;
    let (known, mut response) = sort_out(&node.image.load_full(), by_id, topics);
    if known.is_empty() {
        return response;
    }
    request.topics = known;
    let asked: Vec<OffsetCommitResponseTopic<'static>> =
        request.topics.iter().map(|topic| answer(topic, ErrorCode::NONE)).collect();
    match node.groups.offset_commit(ctx, request).await {
        Ok(committed) => merge(&mut response, committed.topics, by_id),
        Err(error) => merge(&mut response, with_error(asked, error), by_id),
    }
    response
}

/// Tells apart what exists, which gets both name and id, from what does not, which is answered.
fn sort_out<'a>(
    image: &MetadataImage,
    by_id: bool,
    topics: Vec<OffsetCommitRequestTopic<'a>>,
) -> (Vec<OffsetCommitRequestTopic<'a>>, OffsetCommitResponse<'static>) {
    let mut known = Vec::with_capacity(topics.len());
    let mut response = OffsetCommitResponse::default();
    let mut places = Places { by_id, at: BTreeMap::new() };
    for mut topic in topics {
        let found = match by_id {
            true => image.topics().by_id(topic.topic_id),
            false => image.topics().by_name(&topic.name),
        };
        let Some(found) = found else {
            let error = match by_id {
                true => ErrorCode::UNKNOWN_TOPIC_ID,
                false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            };
            places.put(&mut response, answer(&topic, error));
            continue;
        };
        topic.name = found.name().to_owned().into();
        topic.topic_id = found.id();
        let (exist, missing): (Vec<_>, Vec<_>) = take(&mut topic.partitions)
            .into_iter()
            .partition(|partition| found.partition(partition.partition_index).is_some());
        if !missing.is_empty() {
            let partitions = refuse(&missing, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            let refused = OffsetCommitResponseTopic { partitions, ..answer(&topic, ErrorCode::NONE) };
            places.put(&mut response, refused);
        }
        if !exist.is_empty() {
            topic.partitions = exist;
            known.push(topic);
        }
    }
    (known, response)
}

fn answer(topic: &OffsetCommitRequestTopic<'_>, error: ErrorCode) -> OffsetCommitResponseTopic<'static> {
    OffsetCommitResponseTopic {
        name: topic.name.to_string().into(),
        topic_id: topic.topic_id,
        partitions: refuse(&topic.partitions, error),
    }
}

fn refuse(
    partitions: &[OffsetCommitRequestPartition<'_>],
    error_code: ErrorCode,
) -> Vec<OffsetCommitResponsePartition> {
    let refused = |partition: &OffsetCommitRequestPartition<'_>| OffsetCommitResponsePartition {
        partition_index: partition.partition_index,
        error_code,
    };
    partitions.iter().map(refused).collect()
}

fn with_error(
    mut topics: Vec<OffsetCommitResponseTopic<'static>>,
    error: ErrorCode,
) -> Vec<OffsetCommitResponseTopic<'static>> {
    for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.error_code = error;
    }
    topics
}

/// Puts the answers of the coordinator beside those that were refused here; each topic then stands in the answer once.
/// If nothing was refused, a topic that the request names twice is answered twice, as in Kafka.
fn merge(
    response: &mut OffsetCommitResponse<'static>,
    topics: Vec<OffsetCommitResponseTopic<'static>>,
    by_id: bool,
) {
    if response.topics.is_empty() {
        response.topics = topics;
        return;
    }
    let refused = take(&mut response.topics);
    let mut places = Places { by_id, at: BTreeMap::new() };
    for topic in refused.into_iter().chain(topics) {
        places.put(response, topic);
    }
}

/// Where the topics stand in an answer: a map, since a hostile request names very many.
struct Places {
    by_id: bool,
    at: BTreeMap<(Uuid, Cow<'static, str>), usize>,
}

impl Places {
    /// Adds the partitions to those of the same topic, if it is there.
    fn put(
        &mut self,
        response: &mut OffsetCommitResponse<'static>,
        topic: OffsetCommitResponseTopic<'static>,
    ) {
        let key = match self.by_id {
            true => (topic.topic_id, Cow::Borrowed("")),
            false => (Uuid::ZERO, topic.name.clone()),
        };
        let end = response.topics.len();
        // The zero id is no topic's: such topics are not the same.
        let place =
            if self.by_id && topic.topic_id.is_zero() { end } else { *self.at.entry(key).or_insert(end) };
        match response.topics.get_mut(place) {
            Some(other) => other.partitions.extend(topic.partitions),
            None => response.topics.push(topic),
        }
    }
}

#[cfg(test)]
mod tests;
