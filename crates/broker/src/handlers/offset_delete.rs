//! OffsetDelete (key 47): an administrator takes back what a group has stored for some partitions.

use std::collections::BTreeMap;
use std::mem::take;

use metadata::MetadataImage;
use protocol::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use protocol::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use protocol::{ErrorCode, OffsetDeleteRequest, OffsetDeleteResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Answers when the offsets are gone. Partitions that do not exist are refused one by one.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    mut request: OffsetDeleteRequest<'_>,
) -> OffsetDeleteResponse<'static> {
    let topics = take(&mut request.topics);
    let (known, refused) = sort_out(&node.image.load_full(), topics);
    request.topics = known;
    // The group is asked even if nothing is left to delete: whether it exists is part of the answer.
    let failed = |error_code| OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() };
    let mut response = node.groups.offset_delete(request).await.unwrap_or_else(failed);
    if response.error_code == ErrorCode::NONE && !refused.is_empty() {
        // As in Kafka, what was refused here comes first.
        let deleted = std::mem::replace(&mut response.topics, refused);
        merge(&mut response.topics, deleted);
    }
    response
}

fn sort_out<'a>(
    image: &MetadataImage,
    topics: Vec<OffsetDeleteRequestTopic<'a>>,
) -> (Vec<OffsetDeleteRequestTopic<'a>>, Vec<OffsetDeleteResponseTopic<'static>>) {
    let mut known = Vec::with_capacity(topics.len());
    let mut refused = Vec::new();
    for mut topic in topics {
        let found = image.topics().by_name(&topic.name);
        let exists = |partition: &OffsetDeleteRequestPartition| {
            found.is_some_and(|topic| topic.partition(partition.partition_index).is_some())
        };
        let (exist, missing): (Vec<_>, Vec<_>) = take(&mut topic.partitions).into_iter().partition(exists);
        // As in Kafka, a topic that does not exist is answered even if none of its partitions is named.
        if !missing.is_empty() || found.is_none() {
            let partitions = missing.iter().map(|partition| OffsetDeleteResponsePartition {
                partition_index: partition.partition_index,
                error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            });
            let name = topic.name.to_string().into();
            refused.push(OffsetDeleteResponseTopic { name, partitions: partitions.collect() });
        }
        if !exist.is_empty() {
            topic.partitions = exist;
            known.push(topic);
        }
    }
    (known, refused)
}

/// Puts the answers together; each topic stands in the answer once.
fn merge(
    topics: &mut Vec<OffsetDeleteResponseTopic<'static>>,
    further: Vec<OffsetDeleteResponseTopic<'static>>,
) {
    // A map, since a hostile request names very many.
    let mut places = BTreeMap::new();
    for (place, topic) in topics.iter().enumerate() {
        places.entry(topic.name.clone()).or_insert(place);
    }
    for topic in further {
        let place = *places.entry(topic.name.clone()).or_insert(topics.len());
        match topics.get_mut(place) {
            Some(other) => other.partitions.extend(topic.partitions),
            None => topics.push(topic),
        }
    }
}
