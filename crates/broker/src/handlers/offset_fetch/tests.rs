//! One group or many, names or ids, errors where the version has room for them.

use metadata::{MetadataDelta, MetadataImage, Provenance};
use protocol::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::offset_fetch_response::{OffsetFetchResponseGroup, OffsetFetchResponseTopics};
use protocol::{ErrorCode, MetadataRecord, OffsetFetchRequest, TopicRecord, Uuid, to_vec};

use super::{fill_in_ids, group_error, groups, resolve, respond};

const T: Uuid = Uuid([1; 16]);
const U: Uuid = Uuid([2; 16]);

fn image() -> MetadataImage {
    let mut delta = MetadataDelta::new(MetadataImage::empty());
    let topic = TopicRecord { name: "t".into(), topic_id: T };
    delta.replay(&MetadataRecord::Topic(topic)).unwrap();
    delta.into_image(Provenance::default())
}

fn asked(name: &'static str, topic_id: Uuid) -> OffsetFetchRequestTopics<'static> {
    OffsetFetchRequestTopics { name: name.into(), topic_id, partition_indexes: vec![0, 1] }
}

fn group(topics: Option<Vec<OffsetFetchRequestTopics<'static>>>) -> OffsetFetchRequestGroup<'static> {
    OffsetFetchRequestGroup { group_id: "g".into(), topics, ..OffsetFetchRequestGroup::default() }
}

#[test]
fn one_group_until_version_7() {
    for api_version in 1..8 {
        let topic = OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0, 1] };
        let request = OffsetFetchRequest {
            group_id: "g".into(),
            topics: Some(vec![topic]),
            ..OffsetFetchRequest::default()
        };
        assert_eq!(groups(request, api_version), [group(Some(vec![asked("t", Uuid::ZERO)]))]);
    }
    let all = OffsetFetchRequest { group_id: "g".into(), topics: None, ..OffsetFetchRequest::default() };
    assert_eq!(groups(all, 7), [group(None)]);
}

#[test]
fn the_error_of_a_group_stands_where_the_version_has_room() {
    for api_version in 1..=10 {
        let error = ErrorCode::NOT_COORDINATOR;
        let answer = group_error(&group(Some(vec![asked("t", T)])), error, api_version);
        let response = respond(vec![answer], api_version);
        to_vec(&response, api_version).unwrap();
        match api_version {
            1 => {
                assert_eq!(response.error_code, ErrorCode::NONE);
                let partitions = &response.topics[0].partitions;
                assert!(partitions.iter().all(|p| p.error_code == error && p.committed_offset == -1));
            }
            2..8 => assert_eq!((response.error_code, response.topics.len()), (error, 0)),
            _ => assert_eq!(response.groups[0].error_code, error),
        }
    }
}

#[test]
fn ids_are_resolved_from_version_10_on() {
    let mut by_id = group(Some(vec![asked("", U), asked("", T)]));
    let unknown = resolve(&image(), 10, &mut by_id);
    assert_eq!(by_id.topics, Some(vec![asked("t", T)]));
    assert_eq!((unknown.len(), unknown[0].topic_id), (1, U));
    assert!(unknown[0].partitions.iter().all(|p| p.error_code == ErrorCode::UNKNOWN_TOPIC_ID));
    let mut by_name = group(Some(vec![asked("x", Uuid::ZERO)]));
    assert!(resolve(&image(), 9, &mut by_name).is_empty());
    assert_eq!(by_name.topics, Some(vec![asked("x", Uuid::ZERO)]));
}

#[test]
fn an_answer_about_all_topics_gets_ids_and_leaves_out_topics_that_are_gone() {
    let topic = |name: &'static str| OffsetFetchResponseTopics {
        name: name.into(),
        ..OffsetFetchResponseTopics::default()
    };
    let mut answer = OffsetFetchResponseGroup {
        topics: vec![topic("gone"), topic("t")],
        ..OffsetFetchResponseGroup::default()
    };
    fill_in_ids(&image(), &mut answer);
    assert_eq!(answer.topics.len(), 1);
    assert_eq!(answer.topics[0].topic_id, T);
}
