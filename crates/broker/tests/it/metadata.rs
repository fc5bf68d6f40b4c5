//! How clients may ask for topics, and what they are told of those that do not exist.

use protocol::describe_topic_partitions_request::{Cursor, TopicRequest};
use protocol::metadata_request::MetadataRequestTopic;
use protocol::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, MetadataRequest, MetadataResponse, Uuid,
};
use testkit::TestConnection;

use crate::setup::*;

const UNKNOWN_ID: Uuid = Uuid([9; 16]);
/// All that may be done with a topic.
const OPERATIONS: i32 = 3576;
/// Nobody asked what may be done.
const NOT_ASKED: i32 = i32::MIN;

type Asked = (Option<&'static str>, Uuid);

/// Brokers named, error of the whole, and of each topic: name, id, code and operations.
type Told = (usize, &'static str, Vec<(Option<String>, Uuid, &'static str, i32)>);

async fn metadata(connection: &mut TestConnection, version: i16, asked: &[Asked]) -> Told {
    let topic =
        |(name, topic_id): &Asked| MetadataRequestTopic { name: name.map(Into::into), topic_id: *topic_id };
    let request = MetadataRequest {
        topics: Some(asked.iter().map(topic).collect()),
        allow_auto_topic_creation: false,
        include_topic_authorized_operations: true,
        ..MetadataRequest::default()
    };
    let response: MetadataResponse<'static> = connection.ask(version, &request).await;
    let topics = response.topics.into_iter().map(|topic| {
        let name = topic.name.map(|name| name.into_owned());
        (name, topic.topic_id, topic.error_code.name(), topic.topic_authorized_operations)
    });
    (response.brokers.len(), response.error_code.name(), topics.collect())
}

fn name(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[tokio::test]
async fn a_topic_is_named_by_its_id_or_by_its_name() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let t = (name("t"), topic.id, "NONE", OPERATIONS);
    let unknown = (None, UNKNOWN_ID, "UNKNOWN_TOPIC_ID", NOT_ASKED);
    let by_name: [Asked; 2] = [(Some("t"), Uuid::ZERO), (Some("t"), Uuid::ZERO)];
    let by_id: [Asked; 4] =
        [(None, topic.id), (Some("ignored"), UNKNOWN_ID), (None, topic.id), (None, Uuid::ZERO)];
    for version in 12..=13 {
        assert_eq!(metadata(&mut connection, version, &by_name).await, (1, "NONE", vec![t.clone()]));
        let expected = (1, "NONE", vec![unknown.clone(), t.clone()]);
        assert_eq!(metadata(&mut connection, version, &by_id).await, expected, "v{version}");
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_refused_as_a_whole() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    for version in 10..=11 {
        let told = metadata(&mut connection, version, &[(None, Uuid::ZERO), (Some("t"), topic.id)]).await;
        let refused = |name, id| (name, id, "INVALID_REQUEST", NOT_ASKED);
        let topics = vec![refused(name(""), Uuid::ZERO), refused(name("t"), topic.id)];
        assert_eq!(told, (0, "NONE", topics), "v{version}");
    }
    for (version, error) in [(12, "NONE"), (13, "UNKNOWN_SERVER_ERROR")] {
        let told = metadata(&mut connection, version, &[(Some("t"), Uuid::ZERO), (None, Uuid::ZERO)]).await;
        let refused = |text| (name(text), Uuid::ZERO, "UNKNOWN_SERVER_ERROR", NOT_ASKED);
        assert_eq!(told, (0, error, vec![refused("t"), refused("")]), "v{version}");
    }
}

#[tokio::test]
async fn operations_are_told_of_topics_that_do_not_exist() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let asked: [Asked; 3] =
        [(Some("nobody"), Uuid::ZERO), (Some("a b"), Uuid::ZERO), (Some("t"), Uuid::ZERO)];
    for version in 8..=13 {
        let id = if version < 10 { Uuid::ZERO } else { topic.id };
        let topics = vec![
            (name("t"), id, "NONE", OPERATIONS),
            (name("nobody"), Uuid::ZERO, "UNKNOWN_TOPIC_OR_PARTITION", OPERATIONS),
            (name("a b"), Uuid::ZERO, "INVALID_TOPIC_EXCEPTION", OPERATIONS),
        ];
        assert_eq!(metadata(&mut connection, version, &asked).await, (1, "NONE", topics), "v{version}");
    }
}

/// Topics with their codes and partitions, and where the next page begins.
type Page = (Vec<(String, &'static str, Vec<i32>)>, Option<(String, i32)>);

async fn page(
    connection: &mut TestConnection,
    names: &[&'static str],
    limit: i32,
    cursor: Option<(&'static str, i32)>,
) -> Page {
    let request = DescribeTopicPartitionsRequest {
        topics: names.iter().map(|name| TopicRequest { name: (*name).into() }).collect(),
        response_partition_limit: limit,
        cursor: cursor.map(|(name, partition_index)| Cursor { topic_name: name.into(), partition_index }),
    };
    let response: DescribeTopicPartitionsResponse<'static> = connection.ask(0, &request).await;
    let topics = response.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| partition.partition_index).collect();
        (topic.name.unwrap_or_default().into_owned(), topic.error_code.name(), partitions)
    });
    let next = response.next_cursor.map(|next| (next.topic_name.into_owned(), next.partition_index));
    (topics.collect(), next)
}

#[tokio::test]
async fn partitions_come_by_pages() {
    let (_node, mut connection, _) = node_with_topic(&[]).await;
    create_topic(&mut connection, "u", 3, &[]).await;
    let found = |name: &str, partitions: &[i32]| (name.to_owned(), "NONE", partitions.to_vec());
    let at = |name: &str, partition: i32| Some((name.to_owned(), partition));
    let all: [&str; 2] = ["u", "t"];
    let c = &mut connection;
    assert_eq!(page(c, &all, 2, None).await, (vec![found("t", &[0]), found("u", &[0])], at("u", 1)));
    assert_eq!(page(c, &all, 2, Some(("u", 1))).await, (vec![found("u", &[1, 2])], None));
    assert_eq!(page(c, &[], 1, Some(("t", 0))).await, (vec![found("t", &[0])], at("u", 0)));
    assert_eq!(page(c, &all, 9, Some(("u", i32::MAX))).await, (vec![found("u", &[])], None));
    assert_eq!(page(c, &all, 0, None).await, (vec![found("t", &[0])], at("u", 0)));
    let refused = |name: &str, code| (name.to_owned(), code, vec![]);
    for cursor in [("u", -1), ("v", 0), ("a", 0)] {
        let topics = vec![refused("u", "INVALID_REQUEST"), refused("t", "INVALID_REQUEST")];
        assert_eq!(page(c, &all, 9, Some(cursor)).await, (topics, None), "{cursor:?}");
    }
    let unknown = vec![refused("a b", "INVALID_TOPIC_EXCEPTION"), refused("v", "UNKNOWN_TOPIC_OR_PARTITION")];
    assert_eq!(page(c, &["v", "a b"], 9, None).await, (unknown, None));
    let nameless = vec![refused("t", "UNKNOWN_SERVER_ERROR"), refused("", "UNKNOWN_SERVER_ERROR")];
    assert_eq!(page(c, &["t", ""], 9, None).await, (nameless, None));
}
