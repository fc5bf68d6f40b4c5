//! Topics are created, grown and deleted; what cannot be is refused with Kafka's code.

use protocol::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use protocol::delete_topics_request::DeleteTopicState;
use protocol::{
    AllocateProducerIdsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, ErrorCode,
    MetadataRecord, Uuid,
};

use super::cluster::{Cluster, assigned, directory, topic, uuid, with_configs};

/// The code each topic of the request gets.
fn codes(
    cluster: &mut Cluster,
    topics: Vec<protocol::create_topics_request::CreatableTopic<'_>>,
) -> Vec<&'static str> {
    cluster.create(topics).topics.iter().map(|topic| topic.error_code.name()).collect()
}

#[test]
fn a_topic_has_what_was_asked_for_and_the_answer_says_so() {
    let mut cluster = Cluster::of_one(&[("num.partitions", "3")]);
    let response = cluster.create(vec![
        with_configs(topic("a", 2, 1), &[("retention.ms", Some("1000"))]),
        topic("defaults", -1, -1),
    ]);
    let first = &response.topics[0];
    assert_eq!((first.error_code, &first.error_message), (ErrorCode::NONE, &None));
    assert_eq!((first.num_partitions, first.replication_factor, first.topic_id), (2, 1, uuid(1)));
    let configs = first.configs.as_ref().expect("they are told");
    let retention = configs.iter().find(|config| config.name == "retention.ms").expect("it is listed");
    assert_eq!((retention.value.as_deref(), retention.config_source), (Some("1000"), 1));
    let policy = configs.iter().find(|config| config.name == "cleanup.policy").expect("it is listed");
    assert_eq!((policy.value.as_deref(), policy.config_source), (Some("delete"), 5));
    assert!(configs.windows(2).all(|pair| pair[0].name < pair[1].name));
    assert_eq!(response.topics[1].num_partitions, 3);

    let image = cluster.controller.image();
    let a = image.topics().by_name("a").expect("it exists");
    let partition = a.partition(1).expect("it has two");
    assert_eq!((partition.directories.as_slice(), partition.partition_epoch), (&[directory(1)][..], 0));
    assert_eq!(cluster.partition("a", 1), "[1] isr [1] elr [] leader 1 epoch 0");
    assert_eq!(image.configs().topic("a").map(|configs| configs.len()), Some(1));
}

#[test]
fn names_are_checked() {
    let mut cluster = Cluster::of_one(&[]);
    assert_eq!(codes(&mut cluster, vec![topic("a.b", 1, 1)]), ["NONE"]);
    let long = "x".repeat(250);
    let refused = ["", ".", "..", "a b", "ä", "a_b", &long];
    let topics = refused.iter().map(|name| topic(name, 1, 1)).collect();
    assert_eq!(codes(&mut cluster, topics), ["INVALID_TOPIC_EXCEPTION"; 7]);
    assert_eq!(codes(&mut cluster, vec![topic("a.b", 1, 1)]), ["TOPIC_ALREADY_EXISTS"]);
    assert_eq!(codes(&mut cluster, vec![topic("__cluster_metadata", 1, 1)]), ["INVALID_REQUEST"]);
    let longest = "x".repeat(249);
    assert_eq!(codes(&mut cluster, vec![topic(&longest, 1, 1)]), ["NONE"]);
}

#[test]
fn a_deleted_name_no_longer_collides() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.create(vec![topic("a.b", 1, 1)]);
    let request = DeleteTopicsRequest { topic_names: vec!["a.b".into()], ..DeleteTopicsRequest::default() };
    let outcome = cluster.controller.handle_delete_topics(&request, &|_| Ok(())).expect("it may be deleted");
    cluster.apply(outcome);
    assert_eq!(codes(&mut cluster, vec![topic("a_b", 1, 1)]), ["NONE"]);
    cluster.failover();
    assert_eq!(codes(&mut cluster, vec![topic("a.b", 1, 1)]), ["INVALID_TOPIC_EXCEPTION"]);
}

#[test]
fn a_name_given_twice_is_refused_once() {
    let mut cluster = Cluster::of_one(&[]);
    let response = cluster.create(vec![topic("a", 1, 1), topic("b", 1, 1), topic("a", 2, 1)]);
    let names: Vec<_> =
        response.topics.iter().map(|topic| (topic.name.as_ref(), topic.error_code.name())).collect();
    assert_eq!(names, [("b", "NONE"), ("a", "INVALID_REQUEST")]);
}

#[test]
fn what_is_not_looked_at_does_not_count() {
    let mut cluster = Cluster::of_one(&[]);
    let topics = vec![topic("a", 20_000, 1), topic("__cluster_metadata", 20_000, 1), topic("a", 1, 1)];
    let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
    assert!(!crate::has_topics_to_create(&request));
    let response = cluster.create_with(request);
    let codes: Vec<_> = response.topics.iter().map(|topic| topic.error_code.name()).collect();
    assert_eq!(codes, ["INVALID_REQUEST"; 2]);
}

/// The code of a request that is refused as a whole.
fn refusal(
    cluster: &Cluster,
    topics: Vec<protocol::create_topics_request::CreatableTopic<'_>>,
) -> &'static str {
    let ids: Vec<Uuid> = topics.iter().map(|_| uuid(1)).collect();
    let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
    cluster
        .controller
        .handle_create_topics(&request, &ids, 0, &|_| Ok(()))
        .expect_err("it is too large")
        .code
        .name()
}

#[test]
fn counts_are_checked() {
    let mut cluster = Cluster::of_one(&[]);
    let topics =
        vec![topic("a", 0, 1), topic("b", -2, 1), topic("c", 1, 0), topic("d", 1, -2), topic("e", 1, 2)];
    let expected = [
        "INVALID_PARTITIONS",
        "INVALID_PARTITIONS",
        "INVALID_REPLICATION_FACTOR",
        "INVALID_REPLICATION_FACTOR",
        "INVALID_REPLICATION_FACTOR",
    ];
    assert_eq!(codes(&mut cluster, topics), expected);
    // The whole request is judged by its sum.
    assert_eq!(refusal(&cluster, vec![topic("a", 6000, 1), topic("b", 6000, 1)]), "POLICY_VIOLATION");
    assert_eq!(refusal(&cluster, vec![topic("a", i32::MAX, 1), topic("b", i32::MAX, 1)]), "POLICY_VIOLATION");
    assert!(cluster.controller.image().topics().is_empty());
}

#[test]
fn assignments_are_checked() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.join(2);
    let good = assigned("good", &[(1, &[2, 1]), (0, &[1, 2])]);
    let response = cluster.create(vec![good]);
    assert_eq!((response.topics[0].num_partitions, response.topics[0].replication_factor), (2, 2));
    assert_eq!(cluster.partition("good", 1), "[2, 1] isr [2, 1] elr [] leader 2 epoch 0");
    let refused = vec![
        assigned("empty", &[(0, &[])]),
        assigned("unknown-broker", &[(0, &[9])]),
        assigned("twice", &[(0, &[1, 1])]),
        assigned("uneven", &[(0, &[1]), (1, &[1, 2])]),
        assigned("gap", &[(0, &[1]), (2, &[1])]),
        assigned("repeated", &[(0, &[1]), (0, &[2])]),
    ];
    assert_eq!(codes(&mut cluster, refused), ["INVALID_REPLICA_ASSIGNMENT"; 6]);
    let mut with_count = assigned("count", &[(0, &[1])]);
    with_count.num_partitions = 1;
    let mut with_factor = assigned("factor", &[(0, &[1])]);
    with_factor.replication_factor = 1;
    assert_eq!(codes(&mut cluster, vec![with_count, with_factor]), ["INVALID_REQUEST"; 2]);
    cluster.heartbeat(2, |request| request.want_fence = true);
    assert_eq!(codes(&mut cluster, vec![assigned("fenced", &[(0, &[2])])]), ["INVALID_REPLICA_ASSIGNMENT"]);
    let half = cluster.create(vec![assigned("half", &[(0, &[2, 1])])]);
    assert_eq!(half.topics[0].error_code, ErrorCode::NONE);
    assert_eq!(cluster.partition("half", 0), "[2, 1] isr [1] elr [] leader 1 epoch 0");
}

#[test]
fn configs_are_checked() {
    let mut cluster = Cluster::of_one(&[]);
    let refused = vec![
        with_configs(topic("a", 1, 1), &[("retention.ms", None)]),
        with_configs(topic("b", 1, 1), &[("no.such.key", Some("1"))]),
        with_configs(topic("c", 1, 1), &[("retention.ms", Some("soon"))]),
    ];
    assert_eq!(codes(&mut cluster, refused), ["INVALID_CONFIG"; 3]);
    let long = "x".repeat(40_000);
    let too_long =
        with_configs(topic("d", 1, 1), &[("follower.replication.throttled.replicas", Some(&long))]);
    assert_eq!(codes(&mut cluster, vec![too_long]), ["INVALID_CONFIG"]);
}

#[test]
fn validation_alone_writes_nothing() {
    let mut cluster = Cluster::of_one(&[]);
    let request = CreateTopicsRequest {
        topics: vec![topic("a", 2, 1)],
        validate_only: true,
        ..CreateTopicsRequest::default()
    };
    let before = cluster.next_offset;
    let response = cluster.create_with(request);
    assert_eq!((response.topics[0].error_code, response.topics[0].num_partitions), (ErrorCode::NONE, 2));
    assert_eq!(cluster.next_offset, before);
}

#[test]
fn records_come_in_kafkas_order() {
    let mut cluster = Cluster::of_one(&[]);
    let request = CreateTopicsRequest {
        topics: vec![with_configs(topic("a", 1, 1), &[("min.insync.replicas", Some("1"))])],
        ..CreateTopicsRequest::default()
    };
    let id = cluster.new_id();
    let outcome =
        cluster.controller.handle_create_topics(&request, &[id], 0, &|_| Ok(())).expect("it is small");
    assert!(outcome.is_atomic);
    assert!(matches!(
        outcome.records.as_slice(),
        [
            MetadataRecord::Topic(_),
            MetadataRecord::Config(_),
            MetadataRecord::ClearElr(_),
            MetadataRecord::Partition(_)
        ]
    ));
    cluster.apply(outcome);
}

fn grow(
    cluster: &mut Cluster,
    name: &'static str,
    count: i32,
    assignments: Option<&[&[i32]]>,
) -> &'static str {
    let assignments = assignments.map(|lists| {
        lists.iter().map(|ids| CreatePartitionsAssignment { broker_ids: ids.to_vec() }).collect()
    });
    let request = CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic { name: name.into(), count, assignments }],
        ..CreatePartitionsRequest::default()
    };
    let outcome = cluster.controller.handle_create_partitions(&request, 1, &|_| Ok(()));
    cluster.apply(outcome).results[0].error_code.name()
}

#[test]
fn topics_grow_and_never_shrink() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.create(vec![topic("a", 1, 1)]);
    assert_eq!(grow(&mut cluster, "a", 3, None), "NONE");
    assert_eq!(cluster.partition("a", 2), "[1] isr [1] elr [] leader 1 epoch 0");
    assert_eq!(grow(&mut cluster, "a", 3, None), "INVALID_PARTITIONS");
    assert_eq!(grow(&mut cluster, "a", 2, None), "INVALID_PARTITIONS");
    assert_eq!(grow(&mut cluster, "a", -1, None), "INVALID_PARTITIONS");
    assert_eq!(grow(&mut cluster, "b", 3, None), "UNKNOWN_TOPIC_OR_PARTITION");
    assert_eq!(grow(&mut cluster, "a", 5, Some(&[&[1]])), "INVALID_REPLICA_ASSIGNMENT");
    assert_eq!(grow(&mut cluster, "a", 4, Some(&[&[1, 1]])), "INVALID_REPLICA_ASSIGNMENT");
    assert_eq!(grow(&mut cluster, "a", 4, Some(&[&[1]])), "NONE");
    assert_eq!(grow(&mut cluster, "a", i32::MAX, None), "POLICY_VIOLATION");
    assert_eq!(cluster.controller.image().topics().partition_count(), 4);
}

#[test]
fn growing_is_validated_without_writing_and_names_are_answered_once() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.create(vec![topic("a", 1, 1), topic("b", 1, 1)]);
    let grown = |name: &'static str| CreatePartitionsTopic { name: name.into(), count: 2, assignments: None };
    let request = CreatePartitionsRequest {
        topics: vec![grown("a"), grown("b"), grown("a")],
        validate_only: true,
        ..CreatePartitionsRequest::default()
    };
    let outcome = cluster.controller.handle_create_partitions(&request, 1, &|_| Ok(()));
    assert!(outcome.records.is_empty());
    let codes: Vec<_> = outcome.response.results.iter().map(|result| result.error_code.name()).collect();
    assert_eq!(codes, ["INVALID_REQUEST", "NONE"]);
}

fn delete(
    cluster: &mut Cluster,
    request: &DeleteTopicsRequest<'_>,
) -> Vec<(Option<String>, Uuid, &'static str)> {
    let outcome = cluster.controller.handle_delete_topics(request, &|_| Ok(())).expect("deletion is on");
    let responses = cluster.apply(outcome).responses;
    let text = |name: std::borrow::Cow<'_, str>| name.into_owned();
    responses
        .into_iter()
        .map(|result| (result.name.map(text), result.topic_id, result.error_code.name()))
        .collect()
}

#[test]
fn topics_are_deleted_by_name_or_by_id() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.create(vec![topic("a", 1, 1), topic("b", 1, 1), topic("c", 1, 1)]);
    let by = |name: Option<&'static str>, topic_id| DeleteTopicState { name: name.map(Into::into), topic_id };
    let request = DeleteTopicsRequest {
        topics: vec![
            by(Some("a"), Uuid::ZERO),
            by(None, uuid(2)),
            by(None, uuid(9)),
            by(Some("nobody"), Uuid::ZERO),
            by(None, Uuid::ZERO),
            by(Some("c"), uuid(3)),
            by(None, Uuid::ZERO),
        ],
        ..DeleteTopicsRequest::default()
    };
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(
        delete(&mut cluster, &request),
        [
            (None, Uuid::ZERO, "INVALID_REQUEST"),
            (name("c"), uuid(3), "INVALID_REQUEST"),
            (None, Uuid::ZERO, "INVALID_REQUEST"),
            (None, uuid(9), "UNKNOWN_TOPIC_ID"),
            (name("nobody"), Uuid::ZERO, "UNKNOWN_TOPIC_OR_PARTITION"),
            (name("a"), uuid(1), "NONE"),
            (name("b"), uuid(2), "NONE"),
        ]
    );
    let left: Vec<_> =
        cluster.controller.image().topics().iter().map(|topic| topic.name().to_owned()).collect();
    assert_eq!(left, ["c"]);
}

#[test]
fn a_topic_named_twice_is_not_deleted() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.create(vec![topic("a", 1, 1), topic("b", 1, 1), topic("c", 1, 1)]);
    let (a, b, c) = (uuid(1), uuid(2), uuid(3));
    let name = |name: &str| Some(name.to_owned());
    let mut deleted = |names: &[&'static str], ids: &[Uuid]| {
        let by_id = |id: &Uuid| DeleteTopicState { name: None, topic_id: *id };
        let request = DeleteTopicsRequest {
            topic_names: names.iter().map(|name| (*name).into()).collect(),
            topics: ids.iter().map(by_id).collect(),
            ..DeleteTopicsRequest::default()
        };
        delete(&mut cluster, &request)
    };
    assert_eq!(deleted(&["a", "a", "a"], &[]), [(name("a"), Uuid::ZERO, "INVALID_REQUEST")]);
    assert_eq!(deleted(&[], &[a, a]), [(None, a, "INVALID_REQUEST")]);
    assert_eq!(deleted(&["b"], &[b]), [(name("b"), b, "INVALID_REQUEST")]);
    assert_eq!(deleted(&["b"], &[b, b]), [(None, b, "INVALID_REQUEST"), (name("b"), b, "INVALID_REQUEST")]);
    assert_eq!(
        deleted(&["c", "c"], &[c]),
        [(name("c"), Uuid::ZERO, "INVALID_REQUEST"), (name("c"), c, "NONE")]
    );
    let left: Vec<_> =
        cluster.controller.image().topics().iter().map(|topic| topic.name().to_owned()).collect();
    assert_eq!(left, ["a", "b"]);
}

#[test]
fn deletion_can_be_off() {
    let cluster = Cluster::of_one(&[("delete.topic.enable", "false")]);
    let request = DeleteTopicsRequest { topic_names: vec!["a".into()], ..DeleteTopicsRequest::default() };
    let error = cluster.controller.handle_delete_topics(&request, &|_| Ok(())).expect_err("it is off");
    assert_eq!(error.code, ErrorCode::TOPIC_DELETION_DISABLED);
}

#[test]
fn producer_id_blocks_never_overlap() {
    let mut cluster = Cluster::new(&[]);
    let broker_epoch = cluster.join(1);
    let request = AllocateProducerIdsRequest { broker_id: 1, broker_epoch };
    let mut next = || {
        let outcome = cluster.controller.handle_allocate_producer_ids(&request).expect("the epoch is right");
        let response = cluster.apply(outcome);
        cluster.failover();
        (response.producer_id_start, response.producer_id_len)
    };
    assert_eq!([next(), next(), next()], [(0, 1000), (1000, 1000), (2000, 1000)]);
    let stale = AllocateProducerIdsRequest { broker_id: 1, broker_epoch: broker_epoch - 1 };
    let error = cluster.controller.handle_allocate_producer_ids(&stale).expect_err("the epoch is old");
    assert_eq!(error.code, ErrorCode::STALE_BROKER_EPOCH);
}
