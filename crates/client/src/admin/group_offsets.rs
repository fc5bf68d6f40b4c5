//! What groups committed: reading it, writing it for them, taking it away.
//!
//! Owns the requests for it. It never writes for a group that has members: the coordinator refuses that.

use std::collections::BTreeMap;

use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use protocol::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::{
    ApiKey, ErrorCode, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetFetchRequest, OffsetFetchResponse, Uuid,
};

use super::Admin;
use super::groups::coordinator;
use crate::cluster::Lane;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

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
        let coordinator = coordinator(&self.cluster, id, Lane::Prompt).await?;
        // Version 2 brought "all"; version 10 names topics by id only, which an administrator does not have.
        let version = coordinator.connection.versions().pick(ApiKey::OffsetFetch, 2, 9)?;
        let request = offsets_request(id, partitions, version);
        let response = coordinator.connection.call_at(&request, version).await?;
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

    /// Commits offsets for a group that has no members; a group that does not exist comes into being. The results are in the
    /// order of the partitions.
    ///
    /// # Errors
    /// Per partition as the coordinator says, for example `UNKNOWN_MEMBER_ID` while the group has members.
    pub async fn alter_group_offsets(
        &self,
        id: &str,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<Vec<(TopicPartition, Result<(), ClientError>)>, ClientError> {
        let mut retry = self.cluster.retry(format!("committing offsets for group {id}"));
        loop {
            let error = match self.ask_commit(id, offsets).await {
                Ok(results) => match results.iter().find_map(|(_, result)| retriable(result)) {
                    Some(error) => error,
                    None => return Ok(results),
                },
                Err(error) => error,
            };
            retry.pause(error).await?;
        }
    }

    async fn ask_commit(
        &self,
        id: &str,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<Vec<(TopicPartition, Result<(), ClientError>)>, ClientError> {
        let coordinator = coordinator(&self.cluster, id, Lane::Prompt).await?;
        // Version 10 names topics by id only, which an administrator does not have.
        let version = coordinator.connection.versions().pick(ApiKey::OffsetCommit, 2, 9)?;
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition<'_>>> = BTreeMap::new();
        for (partition, committed) in offsets {
            topics.entry(&partition.topic).or_default().push(OffsetCommitRequestPartition {
                partition_index: partition.partition,
                committed_offset: committed.offset,
                committed_leader_epoch: committed.leader_epoch,
                committed_metadata: Some(committed.metadata.as_str().into()),
            });
        }
        let topics = topics.into_iter().map(|(name, partitions)| OffsetCommitRequestTopic {
            name: name.into(),
            topic_id: Uuid::ZERO,
            partitions,
        });
        let request = OffsetCommitRequest {
            group_id: id.into(),
            topics: topics.collect(),
            ..OffsetCommitRequest::default()
        };
        let response = coordinator.connection.call_at(&request, version).await?;
        let answer = response.decode::<OffsetCommitResponse<'_>>()?;
        let found = answer.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|partition| {
                (TopicPartition::new(topic.name.as_ref(), partition.partition_index), partition.error_code)
            })
        });
        Ok(results(id, found))
    }

    /// Forgets what a group committed for these partitions.
    ///
    /// # Errors
    /// Per partition, for example `GROUP_SUBSCRIBED_TO_TOPIC`; as a whole for example `GROUP_ID_NOT_FOUND`.
    pub async fn delete_group_offsets(
        &self,
        id: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Result<(), ClientError>)>, ClientError> {
        let mut retry = self.cluster.retry(format!("deleting offsets of group {id}"));
        loop {
            match self.ask_offset_deletion(id, partitions).await {
                Ok(results) => return Ok(results),
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    async fn ask_offset_deletion(
        &self,
        id: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Result<(), ClientError>)>, ClientError> {
        let coordinator = coordinator(&self.cluster, id, Lane::Prompt).await?;
        let mut topics: BTreeMap<&str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for partition in partitions {
            let named = OffsetDeleteRequestPartition { partition_index: partition.partition };
            topics.entry(&partition.topic).or_default().push(named);
        }
        let topics = topics
            .into_iter()
            .map(|(name, partitions)| OffsetDeleteRequestTopic { name: name.into(), partitions });
        let request = OffsetDeleteRequest { group_id: id.into(), topics: topics.collect() };
        let response = coordinator.connection.call(&request).await?;
        let answer = response.decode::<OffsetDeleteResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api(id, answer.error_code, None));
        }
        let found = answer.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|partition| {
                (TopicPartition::new(topic.name.as_ref(), partition.partition_index), partition.error_code)
            })
        });
        Ok(results(id, found))
    }
}

fn results(
    group: &str,
    codes: impl Iterator<Item = (TopicPartition, ErrorCode)>,
) -> Vec<(TopicPartition, Result<(), ClientError>)> {
    let result = |(partition, code): (TopicPartition, ErrorCode)| {
        let subject = format!("{group} on {partition}");
        let result = if code.is_error() { Err(ClientError::api(subject, code, None)) } else { Ok(()) };
        (partition, result)
    };
    codes.map(result).collect()
}

/// An error after which the whole request is sent again. An unknown topic stays unknown.
fn retriable(result: &Result<(), ClientError>) -> Option<ClientError> {
    let error = result.as_ref().err()?;
    let may_pass = error.is_retriable() && error.code() != Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    may_pass.then(|| error.clone())
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
