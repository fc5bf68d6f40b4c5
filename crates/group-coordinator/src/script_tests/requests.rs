//! From commands to requests. A client's member id and generation are those it was told last, unless the command says
//! otherwise.

use protocol::delete_groups_response::DeletableGroupResult;
use protocol::join_group_request::JoinGroupRequestProtocol;
use protocol::leave_group_request::MemberIdentity;
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use protocol::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::sync_group_request::SyncGroupRequestAssignment;
use protocol::{
    ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest,
    OffsetDeleteRequest, SyncGroupRequest, Uuid, to_vec,
};

use super::arguments::Arguments;
use super::driver::Driver;
use super::render;
use crate::{DeletedTopic, RequestContext};

impl Driver {
    pub fn request(&mut self, arguments: &Arguments<'_>) {
        match arguments.word(0) {
            "join" => self.join(arguments),
            "sync" => self.sync(arguments),
            "heartbeat" => self.heartbeat(arguments),
            "leave" => self.leave(arguments),
            "offset-commit" => self.offset_commit(arguments),
            "offset-fetch" => self.offset_fetch(arguments),
            "offset-delete" => self.offset_delete(arguments),
            "delete-groups" => self.delete_groups(arguments),
            "topic-deleted" => self.topic_deleted(arguments),
            "describe" => self.describe(arguments),
            "list" => self.list(arguments),
            verb => panic!("no command {verb}"),
        }
        self.settle();
    }

    /// `join GROUP CLIENT [protocols=NAME:BLOB,…] [type=] [session=] [rebalance=] [instance=] [member=] [version=]`
    fn join(&mut self, arguments: &Arguments<'_>) {
        let label = arguments.word(2);
        let protocols = match arguments.get("protocols") {
            Some(_) => arguments.list("protocols"),
            None => vec!["range:m"],
        };
        let protocols = protocols.into_iter().map(|protocol| {
            let (name, blob) = protocol.split_once(':').unwrap();
            JoinGroupRequestProtocol { name: name.into(), metadata: blob_bytes(blob).into() }
        });
        let request = JoinGroupRequest {
            group_id: group_id(arguments).into(),
            session_timeout_ms: arguments.number("session", 10_000),
            rebalance_timeout_ms: arguments.number("rebalance", 60_000),
            member_id: self.member_id(arguments, label).into(),
            group_instance_id: arguments.get("instance").map(Into::into),
            protocol_type: arguments.get("type").unwrap_or("consumer").into(),
            protocols: protocols.collect(),
            reason: None,
        };
        let context = RequestContext {
            api_version: arguments.number("version", 9),
            client_id: arguments.get("client").unwrap_or("client"),
            client_host: "/127.0.0.1",
            member_uuid: self.uuid(),
        };
        let token = self.token(label);
        self.shard.handle_join_group(self.now_ms, context, &request, token, &mut self.effects);
    }

    /// `sync GROUP CLIENT [assign=CLIENT:BLOB,…] [gen=] [member=] [instance=] [type=] [protocol=]`
    fn sync(&mut self, arguments: &Arguments<'_>) {
        let label = arguments.word(2);
        let assignments = arguments.list("assign").into_iter().map(|assigned| {
            let (client, blob) = assigned.split_once(':').unwrap();
            let member_id = self.clients.get(client).map_or(client, |client| &client.member_id);
            SyncGroupRequestAssignment {
                member_id: member_id.to_owned().into(),
                assignment: blob_bytes(blob).into(),
            }
        });
        let request = SyncGroupRequest {
            group_id: group_id(arguments).into(),
            generation_id: self.generation(arguments, label),
            member_id: self.member_id(arguments, label).into(),
            group_instance_id: arguments.get("instance").map(Into::into),
            protocol_type: arguments.get("type").map(Into::into),
            protocol_name: arguments.get("protocol").map(Into::into),
            assignments: assignments.collect(),
        };
        let token = self.token(label);
        self.shard.handle_sync_group(self.now_ms, &request, token, &mut self.effects);
    }

    /// `heartbeat GROUP CLIENT [gen=] [member=] [instance=]`
    fn heartbeat(&mut self, arguments: &Arguments<'_>) {
        let label = arguments.word(2);
        let request = HeartbeatRequest {
            group_id: group_id(arguments).into(),
            generation_id: self.generation(arguments, label),
            member_id: self.member_id(arguments, label).into(),
            group_instance_id: arguments.get("instance").map(Into::into),
        };
        let token = self.token(label);
        self.shard.handle_heartbeat(self.now_ms, &request, token, &mut self.effects);
    }

    /// `leave GROUP CLIENT…`, where a client may be `@INSTANCE` (administrator) or `CLIENT@INSTANCE`
    fn leave(&mut self, arguments: &Arguments<'_>) {
        let members = arguments.words_from(2).iter().map(|word| {
            let (client, instance) = match word.split_once('@') {
                Some((client, instance)) => (client, Some(instance)),
                None => (*word, None),
            };
            let member_id = self.clients.get(client).map_or(client, |client| &client.member_id);
            MemberIdentity {
                member_id: member_id.to_owned().into(),
                group_instance_id: instance.map(Into::into),
                reason: None,
            }
        });
        let request = LeaveGroupRequest {
            group_id: group_id(arguments).into(),
            members: members.collect(),
            ..Default::default()
        };
        let token = self.token("leave");
        self.shard.handle_leave_group(self.now_ms, &request, token, &mut self.effects);
    }

    /// `offset-commit GROUP CLIENT TOPIC:PARTITION:OFFSET[:METADATA]… [gen=] [member=] [epoch=] [retention=] [id=]`
    fn offset_commit(&mut self, arguments: &Arguments<'_>) {
        let label = arguments.word(2);
        let mut topics: Vec<OffsetCommitRequestTopic<'_>> = Vec::new();
        for word in arguments.words_from(3) {
            let mut parts = word.splitn(4, ':');
            let name = parts.next().unwrap();
            let partition = OffsetCommitRequestPartition {
                partition_index: parts.next().unwrap().parse().unwrap(),
                committed_offset: parts.next().unwrap().parse().unwrap(),
                committed_leader_epoch: arguments.number("epoch", -1),
                committed_metadata: parts.next().map(Into::into),
            };
            match topics.last_mut() {
                Some(topic) if topic.name == name => topic.partitions.push(partition),
                _ => topics.push(OffsetCommitRequestTopic {
                    name: name.into(),
                    topic_id: topic_id(arguments),
                    partitions: vec![partition],
                }),
            }
        }
        let request = OffsetCommitRequest {
            group_id: group_id(arguments).into(),
            generation_id_or_member_epoch: self.generation(arguments, label),
            member_id: self.member_id(arguments, label).into(),
            group_instance_id: arguments.get("instance").map(Into::into),
            retention_time_ms: arguments.number("retention", -1),
            topics,
        };
        let context = RequestContext {
            api_version: arguments.number("version", 10),
            client_id: "client",
            client_host: "/127.0.0.1",
            member_uuid: self.uuid(),
        };
        let token = self.token(label);
        self.shard.handle_offset_commit(self.now_ms, context, &request, token, &mut self.effects);
    }

    /// `offset-fetch GROUP [TOPIC:PARTITION…] [stable=true] [id=]`; without partitions all are asked for
    fn offset_fetch(&mut self, arguments: &Arguments<'_>) {
        let topics: Vec<OffsetFetchRequestTopics<'_>> = arguments
            .words_from(2)
            .iter()
            .map(|word| {
                let (name, partition) = word.split_once(':').unwrap();
                OffsetFetchRequestTopics {
                    name: name.into(),
                    topic_id: topic_id(arguments),
                    partition_indexes: vec![partition.parse().unwrap()],
                }
            })
            .collect();
        let request = OffsetFetchRequestGroup {
            group_id: group_id(arguments).into(),
            topics: (!topics.is_empty()).then_some(topics),
            ..Default::default()
        };
        let stable = arguments.number("stable", false);
        let token = self.token("fetch");
        self.shard.handle_offset_fetch(self.now_ms, &request, stable, token, &mut self.effects);
    }

    /// `offset-delete GROUP TOPIC:PARTITION…`
    fn offset_delete(&mut self, arguments: &Arguments<'_>) {
        let topics = arguments.words_from(2).iter().map(|word| {
            let (name, partition) = word.split_once(':').unwrap();
            OffsetDeleteRequestTopic {
                name: name.into(),
                partitions: vec![OffsetDeleteRequestPartition {
                    partition_index: partition.parse().unwrap(),
                }],
            }
        });
        let request = OffsetDeleteRequest { group_id: group_id(arguments).into(), topics: topics.collect() };
        let token = self.token("delete");
        self.shard.handle_offset_delete(self.now_ms, &request, token, &mut self.effects);
    }

    /// `delete-groups GROUP…`
    fn delete_groups(&mut self, arguments: &Arguments<'_>) {
        let token = self.token("delete");
        let group_ids = arguments.words_from(1);
        self.shard.handle_delete_groups(self.now_ms, group_ids, token, &mut self.effects);
    }

    /// `topic-deleted NAME [id=]`
    fn topic_deleted(&mut self, arguments: &Arguments<'_>) {
        let topic = DeletedTopic { id: topic_id(arguments), name: arguments.word(1).to_owned() };
        self.shard.handle_topics_deleted(self.now_ms, &[topic], &mut self.effects);
    }

    /// `describe GROUP… [version=]`
    fn describe(&mut self, arguments: &Arguments<'_>) {
        let groups = self.shard.describe_groups(arguments.number("version", 6), arguments.words_from(1));
        for group in groups {
            self.say(&render::described(&group));
        }
    }

    /// `list [states=A,B] [types=A,B]`
    fn list(&mut self, arguments: &Arguments<'_>) {
        let groups = self.shard.list_groups(&arguments.list("states"), &arguments.list("types"));
        let count = groups.len();
        for group in groups {
            self.say(&render::listed(&group));
        }
        if count == 0 {
            self.say("no groups");
        }
    }

    fn member_id(&self, arguments: &Arguments<'_>, label: &str) -> String {
        match arguments.get("member") {
            Some("-") => String::new(),
            Some(member) => match member.strip_prefix('$') {
                Some(other) => self.clients[other].member_id.clone(),
                None => member.to_owned(),
            },
            None => self.clients.get(label).map_or(String::new(), |client| client.member_id.clone()),
        }
    }

    fn generation(&self, arguments: &Arguments<'_>, label: &str) -> i32 {
        arguments.number("gen", self.clients.get(label).map_or(-1, |client| client.generation))
    }
}

fn group_id<'a>(arguments: &Arguments<'a>) -> &'a str {
    match arguments.word(1) {
        "-" => "",
        group_id => group_id,
    }
}

/// `id=7` is the topic id with that first byte; no id is the zero id.
fn topic_id(arguments: &Arguments<'_>) -> Uuid {
    let mut bytes = [0; 16];
    bytes[0] = arguments.number("id", 0);
    Uuid(bytes)
}

/// `[t1+t2]` is a consumer's subscription to those topics, anything else stands for itself.
fn blob_bytes(blob: &str) -> Vec<u8> {
    match blob.strip_prefix('[').and_then(|blob| blob.strip_suffix(']')) {
        Some(topics) => {
            let topics = topics.split('+').filter(|topic| !topic.is_empty()).map(Into::into).collect();
            let subscription = ConsumerProtocolSubscription { topics, ..Default::default() };
            let mut bytes = vec![0, 1];
            bytes.extend(to_vec(&subscription, 1).unwrap());
            bytes
        }
        None => blob.as_bytes().to_vec(),
    }
}

/// One group's line of a DeleteGroups answer.
pub(super) fn deleted(result: &DeletableGroupResult<'_>) -> String {
    format!("{}={}", result.group_id, result.error_code)
}
