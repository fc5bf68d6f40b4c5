//! Groups with their members.
//!
//! Owns the two requests for it, one for each of Kafka's group protocols, and the choice between them. It never joins a
//! group.

use protocol::consumer_group_describe_response::{self, Assignment};
use protocol::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use protocol::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, ErrorCode,
};

use super::groups::{Coordinator, coordinator};
use super::{Admin, Outcomes};
use crate::cluster::Lane;
use crate::error::ClientError;
use crate::group::assigned_partitions;
use crate::metadata::Broker;
use crate::topic_partition::TopicPartition;

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Group id.
    pub id: String,
    /// State, as `Stable` or `Empty`.
    pub state: String,
    /// Its protocol, as `Classic` or `Consumer`.
    pub kind: String,
    /// What its members use it for, `consumer` for consumers.
    pub protocol_type: String,
    /// The assignor in use, empty while there is none.
    pub protocol: String,
    /// Its epoch, if its protocol has one (KIP-848).
    pub epoch: Option<i32>,
    /// The epoch of the assignment it is working towards, if its protocol has one.
    pub assignment_epoch: Option<i32>,
    /// Its members.
    pub members: Vec<GroupMember>,
    /// Its coordinator.
    pub coordinator: Broker,
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
    /// Its epoch, if the group's protocol has one.
    pub epoch: Option<i32>,
    /// Its partitions, empty if the group is not one of consumers.
    pub assignment: Vec<TopicPartition>,
    /// The partitions it is to have, if the group's protocol has such a thing.
    pub target: Option<Vec<TopicPartition>>,
    /// In a group of the consumer protocol, whether it speaks that protocol itself, if the broker tells.
    pub is_upgraded: Option<bool>,
}

impl Admin {
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

    /// Asks as for a group of the consumer protocol; a group that is none, and a broker that knows none, as for a classic one.
    async fn ask_group(&self, id: &str) -> Result<GroupDescription, ClientError> {
        let coordinator = coordinator(&self.cluster, id, Lane::Prompt).await?;
        let not_found = match ask_consumer_group(&coordinator, id).await {
            Err(ClientError::UnsupportedVersion { .. }) => None,
            Err(error) if error.code() == Some(ErrorCode::UNSUPPORTED_VERSION) => None,
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Some(error),
            other => return other,
        };
        match ask_classic_group(&coordinator, id).await {
            // The first answer says more about a group that does not exist at all.
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => {
                Err(not_found.unwrap_or(error))
            }
            other => other,
        }
    }
}

async fn ask_consumer_group(coordinator: &Coordinator, id: &str) -> Result<GroupDescription, ClientError> {
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec![id.into()],
        ..ConsumerGroupDescribeRequest::default()
    };
    let response = coordinator.connection.call(&request).await?;
    let answer = response.decode::<ConsumerGroupDescribeResponse<'_>>()?;
    let Some(group) = answer.groups.first() else {
        return Err(ClientError::api(id, ErrorCode::GROUP_ID_NOT_FOUND, None));
    };
    if group.error_code.is_error() {
        return Err(ClientError::api(id, group.error_code, group.error_message.as_deref()));
    }
    Ok(GroupDescription {
        id: group.group_id.to_string(),
        state: group.group_state.to_string(),
        kind: "Consumer".to_owned(),
        protocol_type: "consumer".to_owned(),
        protocol: group.assignor_name.to_string(),
        epoch: Some(group.group_epoch),
        assignment_epoch: Some(group.assignment_epoch),
        members: group.members.iter().map(consumer_member).collect(),
        coordinator: coordinator.broker.clone(),
    })
}

fn consumer_member(found: &consumer_group_describe_response::Member<'_>) -> GroupMember {
    GroupMember {
        id: found.member_id.to_string(),
        instance_id: found.instance_id.as_deref().map(str::to_owned),
        client_id: found.client_id.to_string(),
        host: found.client_host.to_string(),
        epoch: Some(found.member_epoch),
        assignment: partitions(&found.assignment),
        target: Some(partitions(&found.target_assignment)),
        is_upgraded: (found.member_type >= 0).then_some(found.member_type == 1),
    }
}

fn partitions(assignment: &Assignment<'_>) -> Vec<TopicPartition> {
    let all = assignment.topic_partitions.iter().flat_map(|topic| {
        let name = topic.topic_name.as_ref();
        topic.partitions.iter().map(move |partition| TopicPartition::new(name, *partition))
    });
    let mut all: Vec<TopicPartition> = all.collect();
    all.sort();
    all
}

async fn ask_classic_group(coordinator: &Coordinator, id: &str) -> Result<GroupDescription, ClientError> {
    let request = DescribeGroupsRequest { groups: vec![id.into()], ..DescribeGroupsRequest::default() };
    let response = coordinator.connection.call(&request).await?;
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
    Ok(classic(group, coordinator.broker.clone()))
}

fn classic(group: &DescribedGroup<'_>, coordinator: Broker) -> GroupDescription {
    let consumers = group.protocol_type == "consumer";
    GroupDescription {
        id: group.group_id.to_string(),
        state: group.group_state.to_string(),
        kind: "Classic".to_owned(),
        protocol_type: group.protocol_type.to_string(),
        protocol: group.protocol_data.to_string(),
        epoch: None,
        assignment_epoch: None,
        members: group.members.iter().map(|found| classic_member(found, consumers)).collect(),
        coordinator,
    }
}

fn classic_member(found: &DescribedGroupMember<'_>, consumer: bool) -> GroupMember {
    GroupMember {
        id: found.member_id.to_string(),
        instance_id: found.group_instance_id.as_deref().map(str::to_owned),
        client_id: found.client_id.to_string(),
        host: found.client_host.to_string(),
        epoch: None,
        assignment: if consumer { assigned_partitions(&found.member_assignment) } else { Vec::new() },
        target: None,
        is_upgraded: None,
    }
}
