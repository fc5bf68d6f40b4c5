//! OffsetFetch (key 9): how far groups have read.

use std::mem::take;

use metadata::MetadataImage;
use protocol::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use protocol::{ErrorCode, OffsetFetchRequest, OffsetFetchResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// First version with an error for the whole group; before it every partition carries the error.
const GROUP_ERROR_VERSION_MIN: i16 = 2;
/// First version in which several groups may be asked for.
const GROUPS_VERSION_MIN: i16 = 8;
/// First version in which topics are named by id.
const TOPIC_ID_VERSION_MIN: i16 = 10;

/// Answers each group on its own.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: OffsetFetchRequest<'_>,
) -> OffsetFetchResponse<'static> {
    let image = node.image.load_full();
    let require_stable = request.require_stable;
    let mut pending = Vec::new();
    // All groups are asked before the first answer is awaited.
    for mut group in groups(request, ctx.api_version) {
        let unknown = resolve(&image, ctx.api_version, &mut group);
        let asked = group.clone();
        pending.push((asked, unknown, node.groups.fetch_offsets(group, require_stable).await));
    }
    let mut answers = Vec::with_capacity(pending.len());
    for (asked, unknown, pending) in pending {
        let answer = match node.groups.fetched_offsets(pending).await {
            Err(error) => group_error(&asked, error, ctx.api_version),
            Ok(mut answer) if answer.error_code == ErrorCode::NONE => {
                if ctx.api_version >= TOPIC_ID_VERSION_MIN {
                    fill_in_ids(&image, &mut answer);
                }
                answer.topics.extend(unknown);
                answer
            }
            Ok(answer) => answer,
        };
        answers.push(answer);
    }
    respond(answers, ctx.api_version)
}

/// The groups of a request in the shape of the newest version.
fn groups(request: OffsetFetchRequest<'_>, api_version: i16) -> Vec<OffsetFetchRequestGroup<'_>> {
    if api_version >= GROUPS_VERSION_MIN {
        return request.groups;
    }
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..OffsetFetchRequestTopics::default()
        });
        topics.collect()
    });
    vec![OffsetFetchRequestGroup { group_id: request.group_id, topics, ..OffsetFetchRequestGroup::default() }]
}

/// Finds the names behind ids. Topics nobody knows are taken out and answered.
fn resolve(
    image: &MetadataImage,
    api_version: i16,
    group: &mut OffsetFetchRequestGroup<'_>,
) -> Vec<OffsetFetchResponseTopics<'static>> {
    let mut unknown = Vec::new();
    if api_version < TOPIC_ID_VERSION_MIN {
        return unknown;
    }
    let Some(topics) = &mut group.topics else { return unknown };
    for mut topic in take(topics) {
        match image.topics().by_id(topic.topic_id) {
            Some(found) => {
                topic.name = found.name().to_owned().into();
                topics.push(topic);
            }
            None => unknown.push(topic_error(&topic, ErrorCode::UNKNOWN_TOPIC_ID)),
        }
    }
    unknown
}

/// Offsets are stored by name, so an answer about all topics lacks ids; topics that have none cannot be answered.
fn fill_in_ids(image: &MetadataImage, answer: &mut OffsetFetchResponseGroup<'static>) {
    answer.topics.retain_mut(|topic| {
        if topic.topic_id.is_zero()
            && let Some(found) = image.topics().by_name(&topic.name)
        {
            topic.topic_id = found.id();
        }
        !topic.topic_id.is_zero()
    });
}

fn group_error(
    group: &OffsetFetchRequestGroup<'_>,
    error: ErrorCode,
    api_version: i16,
) -> OffsetFetchResponseGroup<'static> {
    let answer = OffsetFetchResponseGroup {
        group_id: group.group_id.to_string().into(),
        ..OffsetFetchResponseGroup::default()
    };
    if api_version >= GROUP_ERROR_VERSION_MIN {
        return OffsetFetchResponseGroup { error_code: error, ..answer };
    }
    let topics = group.topics.iter().flatten().map(|topic| topic_error(topic, error)).collect();
    OffsetFetchResponseGroup { topics, ..answer }
}

fn topic_error(
    topic: &OffsetFetchRequestTopics<'_>,
    error_code: ErrorCode,
) -> OffsetFetchResponseTopics<'static> {
    let partitions = topic.partition_indexes.iter().map(|partition| OffsetFetchResponsePartitions {
        partition_index: *partition,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some("".into()),
        error_code,
    });
    OffsetFetchResponseTopics {
        name: topic.name.to_string().into(),
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
    }
}

/// The answers in the shape of the version that was asked for.
fn respond(
    mut groups: Vec<OffsetFetchResponseGroup<'static>>,
    api_version: i16,
) -> OffsetFetchResponse<'static> {
    if api_version >= GROUPS_VERSION_MIN {
        return OffsetFetchResponse { groups, ..OffsetFetchResponse::default() };
    }
    let group = groups.pop().expect("before version 8 exactly one group is asked for");
    let topics = group.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(single_group_partition).collect(),
    });
    OffsetFetchResponse {
        topics: topics.collect(),
        error_code: group.error_code,
        ..OffsetFetchResponse::default()
    }
}

fn single_group_partition(
    partition: OffsetFetchResponsePartitions<'static>,
) -> OffsetFetchResponsePartition<'static> {
    OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    }
}

#[cfg(test)]
mod tests;
