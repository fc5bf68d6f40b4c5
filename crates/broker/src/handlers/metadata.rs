//! Metadata (key 3): brokers, topics and their leaders, as clients find their way by.

use std::borrow::Cow;

use metadata::{MetadataImage, TopicImage};
use protocol::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use protocol::{ErrorCode, MetadataRequest, MetadataResponse, Uuid};

use crate::authorized_operations::{CLUSTER_OPERATIONS, TOPIC_OPERATIONS};
use crate::context::RequestContext;
use crate::node::Node;
use crate::topic_names::{is_internal, is_valid_topic_name};

/// First version in which topics may be named by id.
const TOPIC_ID_VERSION_MIN: i16 = 12;
/// First version in which an empty list means none.
const EMPTY_IS_NONE_VERSION_MIN: i16 = 1;

/// Answers from the current image; creates missing topics if both sides allow it.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: MetadataRequest<'_>,
) -> MetadataResponse<'static> {
    let image = node.image.load_full();
    let topics = match &request.topics {
        None => all_topics(&image),
        Some(topics) if topics.is_empty() && ctx.api_version < EMPTY_IS_NONE_VERSION_MIN => {
            all_topics(&image)
        }
        Some(topics) => {
            let by_id = topics.iter().any(|topic| topic.name.is_none() || !topic.topic_id.is_zero());
            if by_id && ctx.api_version < TOPIC_ID_VERSION_MIN {
                let refused = |name: &str| refused(name, ErrorCode::INVALID_REQUEST);
                topics.iter().map(|topic| refused(topic.name.as_deref().unwrap_or_default())).collect()
            } else {
                named_topics(node, &image, &request).await
            }
        }
    };
    let with_operations = request.include_topic_authorized_operations;
    let topics = topics.into_iter().map(|mut topic| {
        if with_operations && topic.error_code == ErrorCode::NONE {
            topic.topic_authorized_operations = TOPIC_OPERATIONS;
        }
        topic
    });
    let mut response = MetadataResponse {
        brokers: brokers(node, ctx, &image),
        cluster_id: Some(Cow::Owned(node.cluster_id.to_string())),
        controller_id: node.node_id,
        topics: topics.collect(),
        ..MetadataResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

fn brokers(
    node: &Node,
    ctx: &RequestContext<'_>,
    image: &MetadataImage,
) -> Vec<MetadataResponseBroker<'static>> {
    let alive = image.cluster().brokers().filter(|broker| !broker.fenced);
    alive
        .filter_map(|broker| {
            let (host, port) = node.reachable_endpoint(ctx, broker)?;
            Some(MetadataResponseBroker {
                node_id: broker.id,
                host: Cow::Owned(host),
                port,
                rack: broker.rack.clone().map(Cow::Owned),
            })
        })
        .collect()
}

fn all_topics(image: &MetadataImage) -> Vec<MetadataResponseTopic<'static>> {
    image.topics().iter().map(|topic| describe(image, topic)).collect()
}

async fn named_topics(
    node: &Node,
    image: &MetadataImage,
    request: &MetadataRequest<'_>,
) -> Vec<MetadataResponseTopic<'static>> {
    let asked = request.topics.as_deref().unwrap_or_default();
    let mut missing = Vec::new();
    let mut topics: Vec<MetadataResponseTopic<'static>> = Vec::with_capacity(asked.len());
    for topic in asked {
        let Some(name) = topic.name.as_deref() else {
            topics.push(match image.topics().by_id(topic.topic_id) {
                Some(topic) => describe(image, topic),
                None => MetadataResponseTopic {
                    name: None,
                    topic_id: topic.topic_id,
                    ..refused("", ErrorCode::UNKNOWN_TOPIC_ID)
                },
            });
            continue;
        };
        if topics.iter().any(|known| known.name.as_deref() == Some(name)) {
            continue;
        }
        match image.topics().by_name(name) {
            Some(topic) => topics.push(describe(image, topic)),
            None if is_valid_topic_name(name) => {
                missing.push(name.to_owned());
                topics.push(refused(name, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
            }
            None => topics.push(refused(name, ErrorCode::INVALID_TOPIC_EXCEPTION)),
        }
    }
    if !missing.is_empty() && request.allow_auto_topic_creation && node.config.auto_create_topics_enable {
        // The answer stays "unknown", as Kafka's does; the client's next look finds the topic.
        node.auto_create_topics(missing).await;
    }
    topics
}

fn refused(name: &str, error_code: ErrorCode) -> MetadataResponseTopic<'static> {
    MetadataResponseTopic {
        error_code,
        name: Some(Cow::Owned(name.to_owned())),
        topic_id: Uuid::ZERO,
        is_internal: is_internal(name),
        ..MetadataResponseTopic::default()
    }
}

fn describe(image: &MetadataImage, topic: &TopicImage) -> MetadataResponseTopic<'static> {
    let partitions = topic.partitions().map(|(partition_index, partition)| {
        let offline =
            partition.replicas.iter().filter(|id| image.cluster().broker(**id).is_none_or(|b| b.fenced));
        MetadataResponsePartition {
            error_code: if partition.has_leader() {
                ErrorCode::NONE
            } else {
                ErrorCode::LEADER_NOT_AVAILABLE
            },
            partition_index,
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            offline_replicas: offline.copied().collect(),
        }
    });
    MetadataResponseTopic {
        name: Some(Cow::Owned(topic.name().to_owned())),
        topic_id: topic.id(),
        is_internal: is_internal(topic.name()),
        partitions: partitions.collect(),
        ..MetadataResponseTopic::default()
    }
}
