//! Groups: which there are, who is in them, what they committed.
//!
//! Owns the requests for it and the search for a group's coordinator. It never joins a group.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use protocol::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::{
    ApiKey, ConsumerProtocolAssignment, DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, ListGroupsRequest,
    ListGroupsResponse, Message, OffsetFetchRequest, OffsetFetchResponse, Reader, Uuid,
};

use super::{Admin, Outcomes, newest};
use crate::cluster::Lane;
use crate::connection::Connection;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// A group as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Group id.
    pub id: String,
    /// What its members use it for, `consumer` for consumers.
    pub protocol_type: String,
    /// State, empty from brokers before 2.6.
    pub state: String,
    /// Type, as `Classic` or `Consumer`; empty from brokers before 3.8.
    pub kind: String,
    /// Node id of its coordinator.
    pub coordinator: i32,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Group id.
    pub id: String,
    /// State, as `Stable` or `Empty`.
    pub state: String,
    /// What its members use it for, `consumer` for consumers.
    pub protocol_type: String,
    /// The assignor in use, empty while there is none.
    pub protocol: String,
    /// Its members.
    pub members: Vec<GroupMember>,
    /// Address of its coordinator.
    pub coordinator: String,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Member id.
    pub id: String,
    /// `group.instance.id`, if it is a static member.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// The address it comes from.
    pub host: String,
    /// Its partitions, empty if the group is not one of consumers.
    pub assignment: Vec<TopicPartition>,
}

/// An offset that a group committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset of the next record to read.
    pub offset: i64,
    /// Epoch of the leader of the record before it, -1 if unknown.
    pub leader_epoch: i32,
    /// What the consumer wrote beside it.
    pub metadata: String,
}

impl Admin {
    /// The broker that coordinates a group.
    async fn coordinator(&self, group: &str) -> Result<Arc<Connection>, ClientError> {
        let connection = self.cluster.any().await?;
        let version = newest(&connection, ApiKey::FindCoordinator)?;
        let mut request = FindCoordinatorRequest::default();
        if version >= 4 {
            request.coordinator_keys = vec![group.into()];
        } else {
            request.key = group.into();
        }
        let response = connection.call_at(&request, version).await?;
        let answer = response.decode::<FindCoordinatorResponse<'_>>()?;
        let (code, message, host, port) = if version >= 4 {
            match answer.coordinators.first() {
                Some(found) => (found.error_code, &found.error_message, &found.host, found.port),
                None => return Err(ClientError::api(group, ErrorCode::COORDINATOR_NOT_AVAILABLE, None)),
            }
        } else {
            (answer.error_code, &answer.error_message, &answer.host, answer.port)
        };
        if code.is_error() {
            return Err(ClientError::api(group, code, message.as_deref()));
        }
        self.cluster.at(host, u16::try_from(port).unwrap_or(0)).await
    }

    /// All groups of all brokers, by id. Empty filters let everything pass; state and type names are Kafka's.
    ///
    /// # Errors
    /// When a broker does not answer in time.
    pub async fn list_groups(
        &self,
        states: &[String],
        kinds: &[String],
    ) -> Result<Vec<GroupListing>, ClientError> {
        let mut retry = self.cluster.retry("listing groups");
        loop {
            match self.ask_groups(states, kinds).await {
                Ok(groups) => return Ok(groups.into_values().collect()),
                Err(error) => {
                    self.cluster.mark_stale();
                    retry.pause(error).await?;
                }
            }
        }
    }

    async fn ask_groups(
        &self,
        states: &[String],
        kinds: &[String],
    ) -> Result<BTreeMap<String, GroupListing>, ClientError> {
        let metadata = self.cluster.topics(&[], false).await?;
        let mut found = BTreeMap::new();
        let request = ListGroupsRequest {
            states_filter: states.iter().map(|state| state.as_str().into()).collect(),
            types_filter: kinds.iter().map(|kind| kind.as_str().into()).collect(),
        };
        // The filters came with versions 4 and 5.
        let min = match (states.is_empty(), kinds.is_empty()) {
            (_, false) => 5,
            (false, true) => 4,
            (true, true) => 0,
        };
        for &id in metadata.brokers.keys() {
            let connection = self.cluster.node(id, Lane::Prompt).await?;
            let version =
                connection.versions().pick(ApiKey::ListGroups, min, ApiKey::ListGroups.max_version())?;
            let response = connection.call_at(&request, version).await?;
            let answer = response.decode::<ListGroupsResponse<'_>>()?;
            if answer.error_code.is_error() {
                return Err(ClientError::api(format!("groups of broker {id}"), answer.error_code, None));
            }
            for group in &answer.groups {
                let listing = GroupListing {
                    id: group.group_id.to_string(),
                    protocol_type: group.protocol_type.to_string(),
                    state: group.group_state.to_string(),
                    kind: group.group_type.to_string(),
                    coordinator: id,
                };
                found.insert(listing.id.clone(), listing);
            }
        }
        Ok(found)
    }

    /// Groups with their members.
    ///
    /// # Errors
    /// Per group; one that does not exist is `GROUP_ID_NOT_FOUND`.
    pub async fn describe_groups(&self, ids: &[String]) -> Result<Outcomes<GroupDescription>, ClientError> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in ids {
            let mut retry = self.cluster.retry(format!("describing group {id}"));
            let outcome = loop {
                match self.ask_group(id).await {
                    Err(error) => {
                        if let Err(error) = retry.pause(error).await {
                            break Err(error);
                        }
                    }
                    done => break done,
                }
            };
            outcomes.push((id.clone(), outcome));
        }
        Ok(outcomes)
    }

    async fn ask_group(&self, id: &str) -> Result<GroupDescription, ClientError> {
        let connection = self.coordinator(id).await?;
        let request = DescribeGroupsRequest { groups: vec![id.into()], ..DescribeGroupsRequest::default() };
        let response = connection.call(&request).await?;
        let answer = response.decode::<DescribeGroupsResponse<'_>>()?;
        let Some(group) = answer.groups.first() else {
            return Err(ClientError::api(id, ErrorCode::GROUP_ID_NOT_FOUND, None));
        };
        if group.error_code.is_error() {
            return Err(ClientError::api(id, group.error_code, group.error_message.as_deref()));
        }
        // Before version 6 a group that does not exist is described as dead.
        if group.group_state == "Dead" {
            return Err(ClientError::api(id, ErrorCode::GROUP_ID_NOT_FOUND, None));
        }
        Ok(description(group, connection.address()))
    }

    /// Deletes groups without members, and what they committed.
    ///
    /// # Errors
    /// Per group, for example `NON_EMPTY_GROUP`.
    pub async fn delete_groups(&self, ids: &[String]) -> Result<Outcomes<()>, ClientError> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in ids {
            let mut retry = self.cluster.retry(format!("deleting group {id}"));
            let outcome = loop {
                match self.ask_deletion(id).await {
                    Ok(()) => break Ok(()),
                    Err(error) => {
                        if let Err(error) = retry.pause(error).await {
                            break Err(error);
                        }
                    }
                }
            };
            outcomes.push((id.clone(), outcome));
        }
        Ok(outcomes)
    }

    async fn ask_deletion(&self, id: &str) -> Result<(), ClientError> {
        let connection = self.coordinator(id).await?;
        let response = connection.call(&DeleteGroupsRequest { groups_names: vec![id.into()] }).await?;
        let answer = response.decode::<DeleteGroupsResponse<'_>>()?;
        match answer.results.iter().find(|result| result.error_code.is_error()) {
            None => Ok(()),
            Some(result) => Err(ClientError::api(id, result.error_code, result.error_message.as_deref())),
        }
    }

    /// What a group committed: for these partitions, or for all it has. Partitions without a commit are left out.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn group_offsets(
        &self,
        id: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
        let mut retry = self.cluster.retry(format!("fetching the offsets of group {id}"));
        loop {
            match self.ask_offsets(id, partitions).await {
                Ok(offsets) => return Ok(offsets),
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    async fn ask_offsets(
        &self,
        id: &str,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
        let connection = self.coordinator(id).await?;
        // Version 2 brought "all"; version 10 names topics by id only, which an administrator does not have.
        let version = connection.versions().pick(ApiKey::OffsetFetch, 2, 9)?;
        let request = offsets_request(id, partitions, version);
        let response = connection.call_at(&request, version).await?;
        let answer = response.decode::<OffsetFetchResponse<'_>>()?;
        let mut found = BTreeMap::new();
        let mut note = |topic: &str,
                        partition: i32,
                        offset: i64,
                        leader_epoch: i32,
                        metadata: Option<&str>,
                        code: ErrorCode| {
            if code.is_error() {
                return Err(ClientError::api(format!("{id} on {topic}-{partition}"), code, None));
            }
            if offset >= 0 {
                let metadata = metadata.unwrap_or_default().to_owned();
                let committed = CommittedOffset { offset, leader_epoch, metadata };
                found.insert(TopicPartition::new(topic, partition), committed);
            }
            Ok(())
        };
        let group = answer.groups.first();
        let code = group.map_or(answer.error_code, |group| group.error_code);
        if code.is_error() {
            return Err(ClientError::api(id, code, None));
        }
        for topic in &answer.topics {
            for p in &topic.partitions {
                let metadata = p.metadata.as_deref();
                note(
                    &topic.name,
                    p.partition_index,
                    p.committed_offset,
                    p.committed_leader_epoch,
                    metadata,
                    p.error_code,
                )?;
            }
        }
        for topic in group.iter().flat_map(|group| &group.topics) {
            for p in &topic.partitions {
                let metadata = p.metadata.as_deref();
                note(
                    &topic.name,
                    p.partition_index,
                    p.committed_offset,
                    p.committed_leader_epoch,
                    metadata,
                    p.error_code,
                )?;
            }
        }
        Ok(found)
    }
}

fn offsets_request<'a>(
    id: &'a str,
    partitions: Option<&'a [TopicPartition]>,
    version: i16,
) -> OffsetFetchRequest<'a> {
    let topics = partitions.map(|partitions| {
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for partition in partitions {
            topics.entry(&partition.topic).or_default().push(partition.partition);
        }
        topics
    });
    let mut request = OffsetFetchRequest::default();
    if version >= 8 {
        let topics = topics.map(|topics| {
            let named = topics.into_iter().map(|(name, partition_indexes)| OffsetFetchRequestTopics {
                name: name.into(),
                topic_id: Uuid::ZERO,
                partition_indexes,
            });
            named.collect()
        });
        request.groups = vec![OffsetFetchRequestGroup {
            group_id: id.into(),
            topics,
            ..OffsetFetchRequestGroup::default()
        }];
    } else {
        request.group_id = id.into();
        request.topics = topics.map(|topics| {
            let named = topics.into_iter().map(|(name, partition_indexes)| OffsetFetchRequestTopic {
                name: name.into(),
                partition_indexes,
            });
            named.collect()
        });
    }
    request
}

fn description(group: &DescribedGroup<'_>, coordinator: &str) -> GroupDescription {
    let consumers = group.protocol_type == "consumer";
    GroupDescription {
        id: group.group_id.to_string(),
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        protocol: group.protocol_data.to_string(),
        members: group.members.iter().map(|found| member(found, consumers)).collect(),
        coordinator: coordinator.to_owned(),
    }
}

fn member(found: &DescribedGroupMember<'_>, consumer: bool) -> GroupMember {
    GroupMember {
        id: found.member_id.to_string(),
        instance_id: found.group_instance_id.as_deref().map(str::to_owned),
        client_id: found.client_id.to_string(),
        host: found.client_host.to_string(),
        assignment: if consumer { assignment(&found.member_assignment) } else { Vec::new() },
    }
}

/// The partitions in a member's assignment, which only the members themselves define: what cannot be read is left out.
fn assignment(bytes: &[u8]) -> Vec<TopicPartition> {
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
