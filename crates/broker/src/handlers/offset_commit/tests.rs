//! What exists is sorted from what does not, by name and by id, and comes together again in the answer.

use metadata::{MetadataDelta, MetadataImage, Provenance};
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use protocol::{ErrorCode, MetadataRecord, OffsetCommitResponse, PartitionRecord, TopicRecord, Uuid, to_vec};

use super::{merge, sort_out};

const T: Uuid = Uuid([1; 16]);
const U: Uuid = Uuid([2; 16]);

/// Topic `t` with partitions 0 and 1.
fn image() -> MetadataImage {
    let mut delta = MetadataDelta::new(MetadataImage::empty());
    let topic = TopicRecord { name: "t".into(), topic_id: T };
    delta.replay(&MetadataRecord::Topic(topic)).unwrap();
    for partition_id in 0..2 {
        let partition = PartitionRecord {
            partition_id,
            topic_id: T,
            replicas: vec![1],
            isr: vec![1],
            leader: 1,
            directories: vec![Uuid([9; 16])],
            ..PartitionRecord::default()
        };
        delta.replay(&MetadataRecord::Partition(partition)).unwrap();
    }
    delta.into_image(Provenance::default())
}

fn asked(name: &'static str, topic_id: Uuid, partitions: &[i32]) -> OffsetCommitRequestTopic<'static> {
    let partitions = partitions.iter().map(|partition| OffsetCommitRequestPartition {
        partition_index: *partition,
        committed_offset: 5,
        ..OffsetCommitRequestPartition::default()
    });
    OffsetCommitRequestTopic { name: name.into(), topic_id, partitions: partitions.collect() }
}

fn errors(response: &OffsetCommitResponse<'_>) -> Vec<(String, Uuid, i32, ErrorCode)> {
    let mut errors = Vec::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            let name = topic.name.to_string();
            errors.push((name, topic.topic_id, partition.partition_index, partition.error_code));
        }
    }
    errors
}

#[test]
fn by_name_until_version_9() {
    for api_version in 2..10 {
        let topics = vec![asked("t", Uuid::ZERO, &[0, 7]), asked("u", Uuid::ZERO, &[0])];
        let (known, response) = sort_out(&image(), false, topics);
        assert_eq!(known, [asked("t", T, &[0])]);
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let expected = [("t".to_owned(), T, 7, unknown), ("u".to_owned(), Uuid::ZERO, 0, unknown)];
        assert_eq!(errors(&response), expected);
        to_vec(&response, api_version).unwrap();
    }
}

#[test]
fn by_id_from_version_10_on() {
    let topics = vec![asked("", T, &[0, 1]), asked("", U, &[0])];
    let (known, response) = sort_out(&image(), true, topics);
    assert_eq!(known, [asked("t", T, &[0, 1])]);
    assert_eq!(errors(&response), [(String::new(), U, 0, ErrorCode::UNKNOWN_TOPIC_ID)]);
    to_vec(&response, 10).unwrap();
}

#[test]
fn a_topic_stands_in_the_answer_once() {
    let (_, mut response) = sort_out(&image(), false, vec![asked("t", Uuid::ZERO, &[0, 7])]);
    let committed = OffsetCommitResponsePartition { partition_index: 0, error_code: ErrorCode::NONE };
    let topic =
        OffsetCommitResponseTopic { name: "t".into(), topic_id: T, partitions: vec![committed.clone()] };
    let other = OffsetCommitResponseTopic { name: "v".into(), topic_id: U, partitions: vec![committed] };
    merge(&mut response, vec![topic, other], true);
    assert_eq!(response.topics.len(), 2);
    assert_eq!(response.topics[0].partitions.len(), 2);
}
