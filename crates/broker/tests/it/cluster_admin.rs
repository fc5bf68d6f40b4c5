//! Elections, reassignments, features and voters of a cluster of one, at every version.

use protocol::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use protocol::elect_leaders_request::TopicPartitions;
use protocol::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use protocol::update_features_request::FeatureUpdateKey;
use protocol::{
    AddRaftVoterRequest, AddRaftVoterResponse, AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse, ApiVersionsRequest, ApiVersionsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, ElectLeadersRequest, ElectLeadersResponse, ErrorCode,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, MetadataRequest, MetadataResponse,
    RemoveRaftVoterRequest, RemoveRaftVoterResponse, UnregisterBrokerRequest, UnregisterBrokerResponse,
    UnregisterControllerRequest, UnregisterControllerResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
    Uuid, add_raft_voter_request,
};
use testkit::TestConnection;

use crate::setup::*;

/// Code of the whole, and of each partition.
async fn elect(
    connection: &mut TestConnection,
    version: i16,
    request: &ElectLeadersRequest<'_>,
) -> (&'static str, Vec<&'static str>) {
    let response: ElectLeadersResponse<'static> = connection.ask(version, request).await;
    let partitions = response.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
    (response.error_code.name(), partitions.map(|partition| partition.error_code.name()).collect())
}

#[tokio::test]
async fn elections_are_not_needed() {
    let (_node, mut connection, _topic) = node_with_topic(&[]).await;
    let asked = |election_type, partitions: &[i32], timeout_ms| ElectLeadersRequest {
        election_type,
        topic_partitions: Some(vec![TopicPartitions { topic: "t".into(), partitions: partitions.to_vec() }]),
        timeout_ms,
    };
    let c = &mut connection;
    for version in 0..=2 {
        let codes = vec!["ELECTION_NOT_NEEDED", "UNKNOWN_TOPIC_OR_PARTITION"];
        assert_eq!(elect(c, version, &asked(0, &[0, 1], 5000)).await, ("NONE", codes), "v{version}");
        let all = ElectLeadersRequest { topic_partitions: None, ..asked(0, &[], 5000) };
        assert_eq!(elect(c, version, &all).await, ("NONE", vec![]), "v{version}");
        let late = if version == 0 { "NONE" } else { "REQUEST_TIMED_OUT" };
        assert_eq!(
            elect(c, version, &asked(0, &[0], 0)).await,
            (late, vec!["REQUEST_TIMED_OUT"]),
            "v{version}"
        );
    }
    let unknown = elect(c, 2, &asked(7, &[0], 5000)).await;
    assert_eq!(unknown, ("INVALID_REQUEST", vec!["INVALID_REQUEST"]));
}

#[tokio::test]
async fn replicas_have_nowhere_to_go() {
    let (_node, mut connection, _topic) = node_with_topic(&[]).await;
    let asked = |replicas: Option<&[i32]>, timeout_ms| AlterPartitionReassignmentsRequest {
        topics: vec![ReassignableTopic {
            name: "t".into(),
            partitions: vec![ReassignablePartition {
                partition_index: 0,
                replicas: replicas.map(<[i32]>::to_vec),
            }],
        }],
        timeout_ms,
        ..AlterPartitionReassignmentsRequest::default()
    };
    for version in 0..=1 {
        for (replicas, timeout_ms, of_all, of_partition) in [
            (Some(&[1][..]), 5000, "NONE", "NONE"),
            (Some(&[1, 2][..]), 5000, "NONE", "INVALID_REPLICA_ASSIGNMENT"),
            (None, 5000, "NONE", "NO_REASSIGNMENT_IN_PROGRESS"),
            (Some(&[1][..]), 0, "REQUEST_TIMED_OUT", "REQUEST_TIMED_OUT"),
        ] {
            let response: AlterPartitionReassignmentsResponse<'static> =
                connection.ask(version, &asked(replicas, timeout_ms)).await;
            let partition = &response.responses[0].partitions[0];
            let codes = (response.error_code.name(), partition.error_code.name());
            assert_eq!(codes, (of_all, of_partition), "v{version} {replicas:?}");
        }
    }
    let topics = vec![ListPartitionReassignmentsTopics { name: "t".into(), partition_indexes: vec![0] }];
    for topics in [None, Some(topics)] {
        let request = ListPartitionReassignmentsRequest { topics, ..Default::default() };
        let response: ListPartitionReassignmentsResponse<'static> = connection.ask(0, &request).await;
        assert_eq!((response.error_code, response.topics.len()), (ErrorCode::NONE, 0));
    }
}

#[tokio::test]
async fn a_changed_feature_is_told_to_clients_and_survives() {
    const ELR: &str = "eligible.leader.replicas.version";
    let (mut node, mut connection, _topic) = node_with_topic(&[]).await;
    let update = |level, upgrade_type| UpdateFeaturesRequest {
        feature_updates: vec![FeatureUpdateKey {
            feature: ELR.into(),
            max_version_level: level,
            upgrade_type,
            ..FeatureUpdateKey::default()
        }],
        ..UpdateFeaturesRequest::default()
    };
    for version in 0..=2 {
        let response: UpdateFeaturesResponse<'static> = connection.ask(version, &update(1, 1)).await;
        assert_eq!((response.error_code, &response.error_message), (ErrorCode::NONE, &None), "v{version}");
        assert_eq!(response.results.len(), usize::from(version < 2), "v{version}");
        let response: UpdateFeaturesResponse<'static> = connection.ask(version, &update(0, 1)).await;
        assert_eq!(response.error_code, ErrorCode::INVALID_UPDATE_VERSION, "v{version}");
        assert!(response.results.is_empty() && response.error_message.is_some(), "v{version}");
    }
    let response: UpdateFeaturesResponse<'static> = connection.ask(2, &update(0, 2)).await;
    assert_eq!(response.error_code, ErrorCode::NONE);
    node.kill_and_restart().await;
    let mut connection = node.connect().await;
    let request = ApiVersionsRequest {
        client_software_name: "test".into(),
        client_software_version: "1".into(),
        ..ApiVersionsRequest::default()
    };
    let versions: ApiVersionsResponse<'static> = connection.ask(4, &request).await;
    assert!(versions.finalized_features.iter().all(|feature| feature.name != ELR));
}

#[tokio::test]
async fn who_is_unknown_cannot_leave() {
    let (_node, mut connection, _topic) = node_with_topic(&[]).await;
    let broker: UnregisterBrokerResponse<'static> =
        connection.ask(0, &UnregisterBrokerRequest { broker_id: 9 }).await;
    assert_eq!(broker.error_code, ErrorCode::BROKER_ID_NOT_REGISTERED);
    for (controller_id, code) in
        [(9, ErrorCode::CONTROLLER_ID_NOT_REGISTERED), (1, ErrorCode::INVALID_REQUEST)]
    {
        let request = UnregisterControllerRequest { controller_id };
        let controller: UnregisterControllerResponse<'static> = connection.ask(0, &request).await;
        assert_eq!(controller.error_code, code);
    }
}

/// Brokers that are told, and the leader of `t`.
async fn brokers_and_leader(connection: &mut TestConnection) -> (usize, i32, &'static str) {
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let response: MetadataResponse<'static> = connection.ask(12, &request).await;
    let topic = response.topics.iter().find(|topic| topic.name.as_deref() == Some("t")).expect("it exists");
    let partition = &topic.partitions[0];
    (response.brokers.len(), partition.leader_id, partition.error_code.name())
}

#[tokio::test]
async fn a_broker_that_was_unregistered_serves_nothing_until_it_registers_again() {
    let (mut node, mut connection, topic) = node_with_topic(&[]).await;
    let doomed = create_topic(&mut connection, "doomed", 1, &[]).await;
    for topic in [topic, doomed] {
        assert_eq!(produce(&mut connection, topic, &batch(&["a"])).await.error_code, ErrorCode::NONE);
    }
    let request = UnregisterBrokerRequest { broker_id: 1 };
    let response: UnregisterBrokerResponse<'static> = connection.ask(0, &request).await;
    assert_eq!((response.error_code, response.error_message.as_deref()), (ErrorCode::NONE, Some("")));
    assert_eq!(brokers_and_leader(&mut connection).await, (0, -1, "LEADER_NOT_AVAILABLE"));
    let refused = produce(&mut connection, topic, &batch(&["b"])).await;
    assert_eq!(refused.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!((refused.current_leader.leader_id, refused.current_leader.leader_epoch), (-1, 1));
    assert_eq!(fetch(&mut connection, topic, 0).await.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let again: UnregisterBrokerResponse<'static> = connection.ask(0, &request).await;
    assert_eq!(again.error_code, ErrorCode::BROKER_ID_NOT_REGISTERED);
    let unclean = ElectLeadersRequest { election_type: 1, topic_partitions: None, timeout_ms: 5000 };
    let codes = vec!["ELIGIBLE_LEADERS_NOT_AVAILABLE"; 2];
    assert_eq!(elect(&mut connection, 2, &unclean).await, ("NONE", codes));
    let delete = DeleteTopicsRequest {
        topic_names: vec!["doomed".into()],
        timeout_ms: 5000,
        ..DeleteTopicsRequest::default()
    };
    let deleted: DeleteTopicsResponse<'static> = connection.ask(5, &delete).await;
    assert_eq!(deleted.responses[0].error_code, ErrorCode::NONE);
    assert!(!node.partition_dir("doomed", 0).exists(), "its log is gone though nobody led it");
    drop(connection);
    node.restart().await;
    let mut connection = node.connect().await;
    assert_eq!(brokers_and_leader(&mut connection).await, (1, 1, "NONE"));
    assert_eq!(produce(&mut connection, topic, &batch(&["c"])).await.base_offset, 1);
    assert_eq!(values(&fetch(&mut connection, topic, 0).await, 0), ["a", "c"]);
}

#[tokio::test]
async fn the_voters_stay_as_they_are() {
    let (_node, mut connection, _topic) = node_with_topic(&[]).await;
    let add = |voter_id, listener: &'static str, cluster: Option<&'static str>| AddRaftVoterRequest {
        cluster_id: cluster.map(Into::into),
        voter_id,
        voter_directory_id: Uuid([3; 16]),
        listeners: vec![add_raft_voter_request::Listener {
            name: listener.into(),
            host: "localhost".into(),
            port: 1,
        }],
        ..AddRaftVoterRequest::default()
    };
    for version in 0..=1 {
        for (request, code) in [
            (add(2, "CONTROLLER", Some("another")), "INCONSISTENT_CLUSTER_ID"),
            (add(2, "ELSEWHERE", None), "INVALID_REQUEST"),
            (add(1, "CONTROLLER", None), "DUPLICATE_VOTER"),
            (add(2, "CONTROLLER", None), "REQUEST_TIMED_OUT"),
        ] {
            let response: AddRaftVoterResponse<'static> = connection.ask(version, &request).await;
            assert_eq!((response.error_code.name(), response.error_message.is_some()), (code, true));
        }
    }
    let remove =
        |voter_id| RemoveRaftVoterRequest { cluster_id: None, voter_id, voter_directory_id: Uuid([3; 16]) };
    for (voter_id, code) in [(-1, "INVALID_REQUEST"), (1, "VOTER_NOT_FOUND")] {
        let response: RemoveRaftVoterResponse<'static> = connection.ask(0, &remove(voter_id)).await;
        assert_eq!(response.error_code.name(), code);
    }
}
