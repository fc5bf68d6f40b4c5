//! What members of a group of consumers tell each other: subscriptions and assignments.
//!
//! Owns their encoding, which the coordinator does not look into. It never decides who gets what.

use std::collections::BTreeMap;

use protocol::{
    ApiKey, ConsumerProtocolAssignment, ConsumerProtocolSubscription, Message, Reader,
    consumer_protocol_assignment,
};

use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// The version written; every client since Kafka 3.5 reads it, and older ones read what they know of it.
const VERSION: i16 = 3;

/// The topics that a member wants.
///
/// # Errors
/// A name is too long for any topic.
pub(super) fn subscription(topics: &[String]) -> Result<Vec<u8>, ClientError> {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().map(|topic| topic.as_str().into()).collect(),
        user_data: None,
        ..ConsumerProtocolSubscription::default()
    };
    framed(&subscription)
}

/// The topics in a member's subscription; one that cannot be read wants nothing.
pub(super) fn subscribed_topics(bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(bytes);
    let Ok(version) = reader.i16() else { return Vec::new() };
    // Newer versions may only append.
    let version = version.clamp(0, <ConsumerProtocolSubscription<'_> as Message<'_>>::MAX_VERSION);
    let Ok(decoded) = ConsumerProtocolSubscription::decode(&mut reader, version) else { return Vec::new() };
    decoded.topics.iter().map(|topic| topic.to_string()).collect()
}

/// The partitions that a member gets.
///
/// # Errors
/// A name is too long for any topic.
pub(super) fn assignment(partitions: &[TopicPartition]) -> Result<Vec<u8>, ClientError> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let assigned = topics.into_iter().map(|(topic, partitions)| {
        consumer_protocol_assignment::TopicPartition { topic: topic.into(), partitions }
    });
    framed(&ConsumerProtocolAssignment { assigned_partitions: assigned.collect(), user_data: None })
}

/// The partitions in an assignment. An empty one, which a member gets that has nothing to do, has none.
pub(crate) fn assigned_partitions(bytes: &[u8]) -> Vec<TopicPartition> {
    let mut reader = Reader::new(bytes);
    let Ok(version) = reader.i16() else { return Vec::new() };
    // Newer versions may only append.
    let version = version.clamp(0, <ConsumerProtocolAssignment<'_> as Message<'_>>::MAX_VERSION);
    let Ok(decoded) = ConsumerProtocolAssignment::decode(&mut reader, version) else { return Vec::new() };
    let mut partitions: Vec<TopicPartition> = decoded
        .assigned_partitions
        .iter()
        .flat_map(|topic| {
            topic.partitions.iter().map(|&partition| TopicPartition::new(topic.topic.as_ref(), partition))
        })
        .collect();
    partitions.sort();
    partitions
}

fn framed<'a, M: Message<'a>>(message: &M) -> Result<Vec<u8>, ClientError> {
    let body = protocol::to_vec(message, VERSION)
        .map_err(|error| ClientError::Encode { api: ApiKey::JoinGroup.name(), error })?;
    Ok([VERSION.to_be_bytes().as_slice(), body.as_slice()].concat())
}

#[cfg(test)]
mod tests;
