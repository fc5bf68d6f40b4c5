//! Large requests and responses as real clients and clusters make them. Owns the check that the memory budget does
//! not stand in their way.

use std::borrow::Cow;

use protocol::fetch_request::{FetchPartition, FetchTopic};
use protocol::metadata_request::MetadataRequestTopic;
use protocol::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::offset_fetch_request::OffsetFetchRequestTopic;
use protocol::{
    DescribeGroupsRequest, FetchRequest, Message, MetadataRequest, MetadataResponse, OffsetCommitRequest,
    OffsetFetchRequest, from_slice, to_vec,
};

use crate::allocator::{allowed_bytes, peak_bytes};

fn passes<'a, M: Message<'a> + PartialEq + std::fmt::Debug>(
    message: &M,
    version: i16,
    bytes: &'a mut Vec<u8>,
) {
    *bytes = to_vec(message, version).unwrap();
    let bytes: &'a [u8] = bytes;
    let (decoded, peak) = peak_bytes(|| from_slice::<M>(bytes, version));
    // Not `assert_eq`: the messages are too large to print.
    assert!(decoded.is_ok_and(|d| d == *message), "{} {version}", M::NAME);
    assert!(peak <= allowed_bytes(bytes.len()));
}

fn topic(index: usize) -> Cow<'static, str> {
    Cow::Owned(format!("topic-{index}"))
}

#[test]
fn metadata_of_ten_thousand_topics() {
    let topics = (0..10_000)
        .map(|i| MetadataRequestTopic { name: Some(topic(i)), ..MetadataRequestTopic::default() })
        .collect();
    let request = MetadataRequest { topics: Some(topics), ..MetadataRequest::default() };
    for version in 4..=13 {
        passes(&request, version, &mut Vec::new());
    }
}

#[test]
fn metadata_of_very_many_very_short_names() {
    let letters = || (b'a'..=b'z').chain(b'A'..=b'Z').map(char::from);
    let short = letters().flat_map(|a| letters().map(move |b| format!("{a}{b}")));
    let names = short.cycle().take(200_000);
    let topics = names
        .map(|name| MetadataRequestTopic { name: Some(Cow::Owned(name)), ..MetadataRequestTopic::default() })
        .collect();
    let request = MetadataRequest { topics: Some(topics), ..MetadataRequest::default() };
    for version in 4..=9 {
        passes(&request, version, &mut Vec::new());
    }
}

#[test]
fn metadata_answer_for_thousands_of_single_partitions() {
    let partition = || MetadataResponsePartition {
        replica_nodes: vec![1],
        isr_nodes: vec![1],
        ..MetadataResponsePartition::default()
    };
    let topics = (0..10_000)
        .map(|i| MetadataResponseTopic {
            name: Some(topic(i)),
            partitions: vec![partition()],
            ..MetadataResponseTopic::default()
        })
        .collect();
    let brokers =
        vec![MetadataResponseBroker { node_id: 1, host: "localhost".into(), port: 9092, rack: None }];
    let response = MetadataResponse { topics, brokers, ..MetadataResponse::default() };
    for version in 0..=12 {
        passes(&response, version, &mut Vec::new());
    }
}

#[test]
fn fetch_of_thousands_of_single_partitions() {
    let topics = (0..5_000)
        .map(|i| FetchTopic {
            topic: topic(i),
            partitions: vec![FetchPartition::default()],
            ..FetchTopic::default()
        })
        .collect();
    let request = FetchRequest { topics, ..FetchRequest::default() };
    for version in 4..=12 {
        passes(&request, version, &mut Vec::new());
    }
}

#[test]
fn fetch_of_many_partitions_of_one_topic() {
    let partitions =
        (0..50_000).map(|i| FetchPartition { partition: i, ..FetchPartition::default() }).collect();
    let topics = vec![FetchTopic { partitions, ..FetchTopic::default() }];
    for version in [4, 12, 13, 18] {
        passes(&FetchRequest { topics: topics.clone(), ..FetchRequest::default() }, version, &mut Vec::new());
    }
}

#[test]
fn offsets_of_thousands_of_single_partitions() {
    let commit = OffsetCommitRequest {
        topics: (0..5_000)
            .map(|i| OffsetCommitRequestTopic {
                name: topic(i),
                partitions: vec![OffsetCommitRequestPartition::default()],
                ..OffsetCommitRequestTopic::default()
            })
            .collect(),
        ..OffsetCommitRequest::default()
    };
    for version in 2..=9 {
        passes(&commit, version, &mut Vec::new());
    }
    let topics =
        (0..5_000).map(|i| OffsetFetchRequestTopic { name: topic(i), partition_indexes: vec![0] }).collect();
    let fetch = OffsetFetchRequest { topics: Some(topics), ..OffsetFetchRequest::default() };
    for version in 2..=7 {
        passes(&fetch, version, &mut Vec::new());
    }
}

#[test]
fn groups_by_the_thousand() {
    let groups = (0..20_000).map(|i| Cow::Owned(format!("g{i}"))).collect();
    let request = DescribeGroupsRequest { groups, ..DescribeGroupsRequest::default() };
    for version in 0..=6 {
        passes(&request, version, &mut Vec::new());
    }
}
