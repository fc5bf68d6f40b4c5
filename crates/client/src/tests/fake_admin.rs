//! The administrative side of the test's broker.

use std::collections::BTreeMap;

use protocol::*;

use super::fake_broker::{Call, State};

impl State {
    /// Answers what only administrators ask.
    pub(super) fn administer(&mut self, call: Call, key: ApiKey, body: &[u8]) -> Vec<u8> {
        let version = call.version;
        match key {
            ApiKey::CreateTopics => {
                call.reply(key, &self.create_topics(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::DeleteTopics => {
                call.reply(key, &self.delete_topics(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::CreatePartitions => {
                call.reply(key, &self.grow(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::DescribeCluster => call.reply(key, &self.describe_cluster(call)),
            ApiKey::DescribeConfigs => {
                call.reply(key, &self.describe_configs(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::IncrementalAlterConfigs => {
                call.reply(key, &self.alter_configs(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::FindCoordinator => {
                call.reply(key, &self.find_coordinator(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::ListGroups => call.reply(key, &self.list_groups(call)),
            ApiKey::DescribeGroups => {
                call.reply(key, &self.describe_groups(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::ConsumerGroupDescribe => {
                call.reply(key, &self.describe_consumer_groups(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::OffsetCommit => {
                call.reply(key, &self.offset_commit(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::OffsetDelete => {
                call.reply(key, &self.offset_delete(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::DescribeTopicPartitions => {
                call.reply(key, &self.describe_topic_partitions(&from_slice(body, version).unwrap()))
            }
            ApiKey::DeleteGroups => {
                call.reply(key, &self.delete_groups(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::OffsetFetch => {
                call.reply(key, &self.offset_fetch(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::DeleteRecords => {
                call.reply(key, &self.delete_records(call, &from_slice(body, version).unwrap()))
            }
            ApiKey::DescribeLogDirs => call.reply(key, &self.describe_log_dirs(call)),
            ApiKey::DescribeQuorum => call.reply(key, &self.describe_quorum(call)),
            other => panic!("the test's broker has no {other}"),
        }
    }

    fn create_topics(
        &mut self,
        call: Call,
        request: &CreateTopicsRequest<'_>,
    ) -> CreateTopicsResponse<'static> {
        use protocol::create_topics_response::*;
        let mut topics = Vec::new();
        for topic in &request.topics {
            let mut answer =
                CreatableTopicResult { name: topic.name.to_string().into(), ..Default::default() };
            let partitions = if topic.num_partitions < 0 { 1 } else { topic.num_partitions };
            if let Some(code) = call.error {
                answer.error_code = code;
            } else if self.topics.contains_key(&*topic.name) {
                answer.error_code = ErrorCode::TOPIC_ALREADY_EXISTS;
                answer.error_message = Some("it is there".into());
            } else if partitions == 0 {
                answer.error_code = ErrorCode::INVALID_PARTITIONS;
            } else if !request.validate_only {
                self.create_topic(&topic.name, partitions as usize);
                for config in &topic.configs {
                    let value = config.value.as_deref().unwrap_or_default().to_owned();
                    self.configs.insert((topic.name.to_string(), config.name.to_string()), value);
                }
                answer.topic_id = self.topics[&*topic.name].id;
            }
            answer.num_partitions = partitions;
            answer.replication_factor = 1;
            topics.push(answer);
        }
        CreateTopicsResponse { topics, ..Default::default() }
    }

    fn delete_topics(
        &mut self,
        call: Call,
        request: &DeleteTopicsRequest<'_>,
    ) -> DeleteTopicsResponse<'static> {
        use protocol::delete_topics_response::*;
        let named = request.topics.iter().filter_map(|topic| topic.name.as_deref());
        let names: Vec<String> =
            named.chain(request.topic_names.iter().map(|name| &**name)).map(str::to_owned).collect();
        let responses = names.into_iter().map(|name| {
            let error_code = match call.error {
                Some(code) => code,
                None if self.topics.remove(&name).is_some() => ErrorCode::NONE,
                None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            };
            DeletableTopicResult { name: Some(name.into()), error_code, ..Default::default() }
        });
        DeleteTopicsResponse { responses: responses.collect(), ..Default::default() }
    }

    fn grow(
        &mut self,
        call: Call,
        request: &CreatePartitionsRequest<'_>,
    ) -> CreatePartitionsResponse<'static> {
        use protocol::create_partitions_response::*;
        let results = request.topics.iter().map(|asked| {
            let count = asked.count as usize;
            let error_code = match (call.error, self.topics.get_mut(&*asked.name)) {
                (Some(code), _) => code,
                (None, None) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                (None, Some(topic)) if topic.partitions.len() >= count => ErrorCode::INVALID_PARTITIONS,
                (None, Some(topic)) => {
                    topic.partitions.resize(count, super::fake_log::FakePartition::led_by(1));
                    ErrorCode::NONE
                }
            };
            CreatePartitionsTopicResult {
                name: asked.name.to_string().into(),
                error_code,
                ..Default::default()
            }
        });
        CreatePartitionsResponse { results: results.collect(), ..Default::default() }
    }

    fn describe_cluster(&self, call: Call) -> DescribeClusterResponse<'static> {
        use protocol::describe_cluster_response::*;
        let brokers = self.nodes.iter().map(|(&broker_id, address)| DescribeClusterBroker {
            broker_id,
            host: address.ip().to_string().into(),
            port: i32::from(address.port()),
            ..Default::default()
        });
        DescribeClusterResponse {
            error_code: call.error.unwrap_or_default(),
            cluster_id: "fake".into(),
            controller_id: 1,
            brokers: brokers.collect(),
            ..Default::default()
        }
    }

    fn describe_configs(
        &self,
        call: Call,
        request: &DescribeConfigsRequest<'_>,
    ) -> DescribeConfigsResponse<'static> {
        use protocol::describe_configs_response::*;
        let results = request.resources.iter().map(|resource| {
            let mut answer = DescribeConfigsResult {
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.to_string().into(),
                ..Default::default()
            };
            if resource.resource_type == 4 {
                assert_eq!(
                    *resource.resource_name,
                    call.node.to_string(),
                    "a broker is asked for its own configs"
                );
            } else if !self.topics.contains_key(&*resource.resource_name) {
                answer.error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            }
            let own = self.configs.iter().filter(|((topic, _), _)| **topic == *resource.resource_name);
            answer.configs = own
                .map(|((_, name), value)| DescribeConfigsResourceResult {
                    name: name.clone().into(),
                    value: Some(value.clone().into()),
                    config_source: 1,
                    synonyms: vec![DescribeConfigsSynonym { name: "log.x".into(), value: None, source: 5 }],
                    documentation: request.include_documentation.then(|| "what it does".into()),
                    ..Default::default()
                })
                .collect();
            answer
        });
        DescribeConfigsResponse { results: results.collect(), ..Default::default() }
    }

    fn alter_configs(
        &mut self,
        call: Call,
        request: &IncrementalAlterConfigsRequest<'_>,
    ) -> IncrementalAlterConfigsResponse<'static> {
        use protocol::incremental_alter_configs_response::*;
        let mut responses = Vec::new();
        for resource in &request.resources {
            let mut error_code = call.error.unwrap_or_default();
            for config in &resource.configs {
                let key = (resource.resource_name.to_string(), config.name.to_string());
                match (config.config_operation, config.value.as_deref()) {
                    (0, Some("bad")) => error_code = ErrorCode::INVALID_CONFIG,
                    (0, Some(value)) if !request.validate_only => {
                        drop(self.configs.insert(key, value.to_owned()))
                    }
                    (1, None) => drop(self.configs.remove(&key)),
                    (2, Some(value)) => self.configs.entry(key).or_default().push_str(&format!(",{value}")),
                    _ => {}
                }
            }
            responses.push(AlterConfigsResourceResponse {
                error_code,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.to_string().into(),
                ..Default::default()
            });
        }
        IncrementalAlterConfigsResponse { responses, ..Default::default() }
    }

    /// Groups live on the last node.
    fn coordinator(&self) -> (i32, String, i32) {
        let (node, address) = self.nodes.last_key_value().unwrap();
        (*node, address.ip().to_string(), i32::from(address.port()))
    }

    fn find_coordinator(
        &self,
        call: Call,
        request: &FindCoordinatorRequest<'_>,
    ) -> FindCoordinatorResponse<'static> {
        use protocol::find_coordinator_response::*;
        let (node_id, host, port) = self.coordinator();
        let error_code = call.error.unwrap_or_default();
        if call.version < 4 {
            assert!(!request.key.is_empty());
            return FindCoordinatorResponse {
                error_code,
                node_id,
                host: host.into(),
                port,
                ..Default::default()
            };
        }
        let coordinators = request.coordinator_keys.iter().map(|key| Coordinator {
            key: key.to_string().into(),
            node_id,
            host: host.clone().into(),
            port,
            error_code,
            error_message: None,
        });
        FindCoordinatorResponse { coordinators: coordinators.collect(), ..Default::default() }
    }

    fn wrong_node(&self, call: Call) -> Option<ErrorCode> {
        call.error.or((call.node != self.coordinator().0).then_some(ErrorCode::NOT_COORDINATOR))
    }

    fn list_groups(&self, call: Call) -> ListGroupsResponse<'static> {
        use protocol::list_groups_response::*;
        let here = call.node == self.coordinator().0;
        let groups = self.groups.iter().filter(|_| here).map(|(id, state)| ListedGroup {
            group_id: id.clone().into(),
            protocol_type: "consumer".into(),
            group_state: state.clone().into(),
            group_type: "Classic".into(),
        });
        ListGroupsResponse {
            error_code: call.error.unwrap_or_default(),
            groups: groups.collect(),
            ..Default::default()
        }
    }

    fn describe_groups(
        &self,
        call: Call,
        request: &DescribeGroupsRequest<'_>,
    ) -> DescribeGroupsResponse<'static> {
        use protocol::describe_groups_response::*;
        let groups = request.groups.iter().map(|id| {
            let mut answer = DescribedGroup { group_id: id.to_string().into(), ..Default::default() };
            match (self.wrong_node(call), self.groups.get(&**id)) {
                (Some(code), _) => answer.error_code = code,
                (None, None) if call.version < 6 => answer.group_state = "Dead".into(),
                (None, None) => answer.error_code = ErrorCode::GROUP_ID_NOT_FOUND,
                (None, Some(state)) => {
                    answer.group_state = state.clone().into();
                    answer.protocol_type = "consumer".into();
                    answer.protocol_data = "range".into();
                    answer.members = vec![member()];
                }
            }
            answer
        });
        DescribeGroupsResponse { groups: groups.collect(), ..Default::default() }
    }

    /// Groups whose names begin with `new` are of the consumer protocol.
    fn describe_consumer_groups(
        &mut self,
        call: Call,
        request: &ConsumerGroupDescribeRequest<'_>,
    ) -> ConsumerGroupDescribeResponse<'static> {
        use protocol::consumer_group_describe_response::*;
        let wrong = self.wrong_node(call);
        let assignment = || Assignment {
            topic_partitions: vec![TopicPartitions {
                topic_id: Uuid::ZERO,
                topic_name: "t".into(),
                partitions: vec![1, 0],
            }],
        };
        let groups = request.group_ids.iter().map(|id| {
            let state = self.groups.get(&**id).filter(|_| id.starts_with("new"));
            let error_code = match (wrong, state) {
                (Some(code), _) => code,
                (None, None) => ErrorCode::GROUP_ID_NOT_FOUND,
                (None, Some(_)) => ErrorCode::NONE,
            };
            DescribedGroup {
                error_code,
                error_message: error_code.is_error().then(|| format!("Group {id} not found.").into()),
                group_id: id.to_string().into(),
                group_state: state.cloned().unwrap_or_default().into(),
                group_epoch: 3,
                assignment_epoch: 2,
                assignor_name: "uniform".into(),
                members: vec![Member {
                    member_id: "m".into(),
                    member_epoch: 2,
                    assignment: assignment(),
                    target_assignment: assignment(),
                    member_type: 1,
                    ..Member::default()
                }],
                ..DescribedGroup::default()
            }
        });
        ConsumerGroupDescribeResponse { groups: groups.collect(), ..Default::default() }
    }

    fn offset_commit(
        &mut self,
        call: Call,
        request: &OffsetCommitRequest<'_>,
    ) -> OffsetCommitResponse<'static> {
        use protocol::offset_commit_response::*;
        let wrong = call.error.or(self.wrong_node(call));
        let busy = self.groups.get(&*request.group_id).is_some_and(|state| state == "Stable");
        let mut topics = Vec::new();
        for topic in &request.topics {
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let error_code = match wrong {
                    Some(code) => code,
                    None if busy && request.member_id.is_empty() => ErrorCode::UNKNOWN_MEMBER_ID,
                    None => {
                        let key =
                            (request.group_id.to_string(), topic.name.to_string(), asked.partition_index);
                        self.committed.insert(key, asked.committed_offset);
                        ErrorCode::NONE
                    }
                };
                let partition_index = asked.partition_index;
                partitions.push(OffsetCommitResponsePartition { partition_index, error_code });
            }
            let name = topic.name.to_string().into();
            topics.push(OffsetCommitResponseTopic { name, partitions, ..Default::default() });
        }
        OffsetCommitResponse { topics, ..Default::default() }
    }

    fn offset_delete(
        &mut self,
        call: Call,
        request: &OffsetDeleteRequest<'_>,
    ) -> OffsetDeleteResponse<'static> {
        use protocol::offset_delete_response::*;
        let error_code = match (self.wrong_node(call), self.groups.contains_key(&*request.group_id)) {
            (Some(code), _) => code,
            (None, false) => ErrorCode::GROUP_ID_NOT_FOUND,
            (None, true) => ErrorCode::NONE,
        };
        let mut topics = Vec::new();
        for topic in request.topics.iter().filter(|_| !error_code.is_error()) {
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let key = (request.group_id.to_string(), topic.name.to_string(), asked.partition_index);
                let known = self.committed.remove(&key).is_some();
                partitions.push(OffsetDeleteResponsePartition {
                    partition_index: asked.partition_index,
                    error_code: if known { ErrorCode::NONE } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION },
                });
            }
            topics.push(OffsetDeleteResponseTopic { name: topic.name.to_string().into(), partitions });
        }
        OffsetDeleteResponse { error_code, topics, ..Default::default() }
    }

    /// Answers with at most as many partitions as asked for, and where to go on.
    fn describe_topic_partitions(
        &self,
        request: &DescribeTopicPartitionsRequest<'_>,
    ) -> DescribeTopicPartitionsResponse<'static> {
        use protocol::describe_topic_partitions_response::*;
        let mut answer = DescribeTopicPartitionsResponse::default();
        let mut room = request.response_partition_limit as usize;
        for asked in &request.topics {
            let name = asked.name.to_string();
            let mut topic = DescribeTopicPartitionsResponseTopic {
                name: Some(name.clone().into()),
                ..Default::default()
            };
            let Some(known) = self.topics.get(&name) else {
                topic.error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
                answer.topics.push(topic);
                continue;
            };
            let from = match &request.cursor {
                Some(cursor) if *cursor.topic_name == *name => cursor.partition_index as usize,
                _ => 0,
            };
            for (index, partition) in known.partitions.iter().enumerate().skip(from) {
                if room == 0 {
                    let partition_index = index as i32;
                    answer.next_cursor = Some(Cursor { topic_name: name.clone().into(), partition_index });
                    break;
                }
                room -= 1;
                topic.partitions.push(DescribeTopicPartitionsResponsePartition {
                    partition_index: index as i32,
                    leader_id: partition.leader,
                    eligible_leader_replicas: Some(vec![index as i32]),
                    last_known_elr: Some(Vec::new()),
                    ..Default::default()
                });
            }
            answer.topics.push(topic);
            if answer.next_cursor.is_some() {
                break;
            }
        }
        answer
    }

    fn delete_groups(
        &mut self,
        call: Call,
        request: &DeleteGroupsRequest<'_>,
    ) -> DeleteGroupsResponse<'static> {
        use protocol::delete_groups_response::*;
        let wrong = self.wrong_node(call);
        let results = request.groups_names.iter().map(|id| {
            let error_code = match (wrong, self.groups.get(&**id).map(String::as_str)) {
                (Some(code), _) => code,
                (None, None) => ErrorCode::GROUP_ID_NOT_FOUND,
                (None, Some("Stable")) => ErrorCode::NON_EMPTY_GROUP,
                (None, Some(_)) => {
                    self.groups.remove(&**id);
                    ErrorCode::NONE
                }
            };
            DeletableGroupResult { group_id: id.to_string().into(), error_code, ..Default::default() }
        });
        DeleteGroupsResponse { results: results.collect(), ..Default::default() }
    }

    fn offset_fetch(&self, call: Call, request: &OffsetFetchRequest<'_>) -> OffsetFetchResponse<'static> {
        use protocol::offset_fetch_response::*;
        let code = self.wrong_node(call).unwrap_or_default();
        let group = request.groups.first().map_or(&request.group_id, |group| &group.group_id);
        let mut offsets: BTreeMap<String, Vec<(i32, i64)>> = BTreeMap::new();
        for ((id, topic, partition), offset) in &self.committed {
            if **id == **group {
                offsets.entry(topic.clone()).or_default().push((*partition, *offset));
            }
        }
        let asked = request.groups.first().and_then(|group| group.topics.as_ref());
        if let Some(asked) = asked {
            // A partition without a commit is answered with -1.
            offsets.clear();
            for topic in asked {
                for &p in &topic.partition_indexes {
                    let key = (group.to_string(), topic.name.to_string(), p);
                    let offset = self.committed.get(&key).copied().unwrap_or(-1);
                    offsets.entry(topic.name.to_string()).or_default().push((p, offset));
                }
            }
        }
        let mut answer = OffsetFetchResponse { error_code: code, ..Default::default() };
        if call.version >= 8 {
            let topics = offsets.into_iter().map(|(name, partitions)| OffsetFetchResponseTopics {
                name: name.into(),
                partitions: partitions
                    .into_iter()
                    .map(|(partition_index, committed_offset)| OffsetFetchResponsePartitions {
                        partition_index,
                        committed_offset,
                        metadata: Some("note".into()),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            });
            let group_id = group.to_string().into();
            answer.error_code = ErrorCode::NONE;
            answer.groups =
                vec![OffsetFetchResponseGroup { group_id, topics: topics.collect(), error_code: code }];
        } else {
            answer.topics = offsets
                .into_iter()
                .map(|(name, partitions)| OffsetFetchResponseTopic {
                    name: name.into(),
                    partitions: partitions
                        .into_iter()
                        .map(|(partition_index, committed_offset)| OffsetFetchResponsePartition {
                            partition_index,
                            committed_offset,
                            metadata: Some("note".into()),
                            ..Default::default()
                        })
                        .collect(),
                })
                .collect();
        }
        answer
    }

    fn delete_records(
        &mut self,
        call: Call,
        request: &DeleteRecordsRequest<'_>,
    ) -> DeleteRecordsResponse<'static> {
        use protocol::delete_records_response::*;
        let mut topics = Vec::new();
        for topic in &request.topics {
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let known = self.topics.get_mut(&*topic.name).unwrap();
                let partition = &mut known.partitions[asked.partition_index as usize];
                let before = if asked.offset < 0 { partition.end_offset() } else { asked.offset };
                let error_code = match call.error {
                    Some(code) => code,
                    None if partition.leader != call.node => ErrorCode::NOT_LEADER_OR_FOLLOWER,
                    None if before > partition.end_offset() => ErrorCode::OFFSET_OUT_OF_RANGE,
                    None => {
                        partition.start_offset = before;
                        ErrorCode::NONE
                    }
                };
                let low_watermark = if error_code.is_error() { -1 } else { before };
                let partition_index = asked.partition_index;
                partitions.push(DeleteRecordsPartitionResult { partition_index, low_watermark, error_code });
            }
            topics.push(DeleteRecordsTopicResult { name: topic.name.to_string().into(), partitions });
        }
        DeleteRecordsResponse { topics, ..Default::default() }
    }

    fn describe_log_dirs(&self, call: Call) -> DescribeLogDirsResponse<'static> {
        use protocol::describe_log_dirs_response::*;
        let topics = self.topics.iter().map(|(name, topic)| DescribeLogDirsTopic {
            name: name.clone().into(),
            partitions: topic
                .partitions
                .iter()
                .enumerate()
                .filter(|(_, partition)| partition.leader == call.node)
                .map(|(index, partition)| DescribeLogDirsPartition {
                    partition_index: index as i32,
                    partition_size: partition.log.iter().map(Vec::len).sum::<usize>() as i64,
                    ..Default::default()
                })
                .collect(),
        });
        let result = DescribeLogDirsResult {
            log_dir: format!("/data/{}", call.node).into(),
            topics: topics.collect(),
            ..Default::default()
        };
        DescribeLogDirsResponse {
            error_code: call.error.unwrap_or_default(),
            results: vec![result],
            ..Default::default()
        }
    }

    fn describe_quorum(&self, call: Call) -> DescribeQuorumResponse<'static> {
        use protocol::describe_quorum_response::*;
        let partition = PartitionData {
            leader_id: 1,
            leader_epoch: 4,
            high_watermark: 77,
            current_voters: vec![ReplicaState { replica_id: 1, log_end_offset: 77, ..Default::default() }],
            observers: vec![ReplicaState { replica_id: 2, log_end_offset: 76, ..Default::default() }],
            ..Default::default()
        };
        let topic = TopicData { topic_name: "__cluster_metadata".into(), partitions: vec![partition] };
        DescribeQuorumResponse {
            error_code: call.error.unwrap_or_default(),
            topics: vec![topic],
            ..Default::default()
        }
    }
}

fn member() -> describe_groups_response::DescribedGroupMember<'static> {
    use protocol::consumer_protocol_assignment::TopicPartition;
    let assigned_partitions = vec![TopicPartition { topic: "t".into(), partitions: vec![1, 0] }];
    let assignment = ConsumerProtocolAssignment { assigned_partitions, user_data: None };
    let bytes = [&[0, 3][..], &to_vec(&assignment, 3).unwrap()].concat();
    describe_groups_response::DescribedGroupMember {
        member_id: "m-1".into(),
        client_id: "c".into(),
        client_host: "/10.0.0.1".into(),
        member_assignment: bytes.into(),
        ..Default::default()
    }
}
