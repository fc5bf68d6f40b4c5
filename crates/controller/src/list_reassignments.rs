//! ListPartitionReassignments: what moves. Never when it will be done.

use std::borrow::Cow;

use metadata::{MetadataImage, PartitionRegistration, TopicImage};
use protocol::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};

use crate::reassignment::Reassignment;

/// The reassignments in progress: all, or those of the partitions that are asked for, in that order.
pub fn ongoing_reassignments(
    image: &MetadataImage,
    asked: Option<&[(&str, &[i32])]>,
) -> Vec<OngoingTopicReassignment<'static>> {
    let topics = image.topics();
    match asked {
        None => topics.iter().filter_map(|topic| of_topic(topic, topic.partitions())).collect(),
        Some(asked) => asked
            .iter()
            .filter_map(|(name, indexes)| {
                let topic = topics.by_name(name)?;
                let partitions = indexes.iter().filter_map(|index| Some((*index, topic.partition(*index)?)));
                of_topic(topic, partitions)
            })
            .collect(),
    }
}

fn of_topic<'a>(
    topic: &TopicImage,
    partitions: impl Iterator<Item = (i32, &'a PartitionRegistration)>,
) -> Option<OngoingTopicReassignment<'static>> {
    let moving = partitions.filter(|(_, partition)| Reassignment::of(partition).is_in_progress());
    let partitions: Vec<_> = moving
        .map(|(partition_index, partition)| OngoingPartitionReassignment {
            partition_index,
            replicas: partition.replicas.clone(),
            adding_replicas: partition.adding_replicas.clone(),
            removing_replicas: partition.removing_replicas.clone(),
        })
        .collect();
    (!partitions.is_empty())
        .then(|| OngoingTopicReassignment { name: Cow::Owned(topic.name().to_owned()), partitions })
}
