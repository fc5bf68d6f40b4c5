//! Looking up offsets (ListOffsets).
//!
//! Owns what may be asked for and how it is asked. It never moves a consumer.

use std::collections::BTreeSet;

use protocol::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::{ApiKey, ListOffsetsRequest, ListOffsetsResponse};

use crate::cluster::Cluster;
use crate::config::IsolationLevel;
use crate::connection::Connection;
use crate::error::ClientError;
use crate::leaders::{self, Answers, LeaderRounds};
use crate::retry::Retry;
use crate::topic_partition::TopicPartition;

/// Which offset is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first there is.
    Earliest,
    /// The one the next record will get, as far as consumers see.
    Latest,
    /// That of the record with the largest timestamp (KIP-734).
    MaxTimestamp,
    /// The first that the broker has on its own disk (KIP-405).
    EarliestLocal,
    /// The last in tiered storage (KIP-1005).
    LatestTiered,
    /// The first that is not in tiered storage yet (KIP-1023).
    EarliestPendingUpload,
    /// That of the first record that is not older than this time, in ms.
    Timestamp(i64),
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            OffsetSpec::Latest => -1,
            OffsetSpec::Earliest => -2,
            OffsetSpec::MaxTimestamp => -3,
            OffsetSpec::EarliestLocal => -4,
            OffsetSpec::LatestTiered => -5,
            OffsetSpec::EarliestPendingUpload => -6,
            OffsetSpec::Timestamp(ms) => ms.max(0),
        }
    }

    fn min_version(self) -> i16 {
        match self {
            OffsetSpec::MaxTimestamp => 7,
            OffsetSpec::EarliestLocal => 8,
            OffsetSpec::LatestTiered => 9,
            OffsetSpec::EarliestPendingUpload => 11,
            _ => 1,
        }
    }
}

/// An offset that was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; -1 if there is no such record.
    pub offset: i64,
    /// The timestamp (ms) of the record, -1 where none was asked for or found.
    pub timestamp: i64,
    /// The leader epoch of the record, -1 if unknown.
    pub leader_epoch: i32,
}

/// Looks up one offset per entry; the results are in order. A partition may be asked for several offsets.
pub(crate) async fn list(
    cluster: &Cluster,
    retry: Retry,
    asked: &[(TopicPartition, OffsetSpec)],
    isolation: IsolationLevel,
) -> Vec<Result<ListedOffset, ClientError>> {
    let mut results: Vec<Option<Result<ListedOffset, ClientError>>> = asked.iter().map(|_| None).collect();
    let mut rest: Vec<usize> = (0..asked.len()).collect();
    // A request names each partition once, so further questions about it go into further requests.
    while !rest.is_empty() {
        let mut once: BTreeSet<&TopicPartition> = BTreeSet::new();
        let (now, later): (Vec<usize>, Vec<usize>) =
            rest.iter().partition(|&&index| once.insert(&asked[index].0));
        let unique: Vec<_> = now.iter().map(|&index| asked[index].clone()).collect();
        let found = list_unique(cluster, retry.clone(), &unique, isolation).await;
        for (index, result) in now.into_iter().zip(found) {
            results[index] = Some(result);
        }
        rest = later;
    }
    results.into_iter().map(|result| result.unwrap_or(Err(ClientError::Closed))).collect()
}

async fn list_unique(
    cluster: &Cluster,
    retry: Retry,
    asked: &[(TopicPartition, OffsetSpec)],
    isolation: IsolationLevel,
) -> Vec<Result<ListedOffset, ClientError>> {
    let partitions: Vec<TopicPartition> = asked.iter().map(|(partition, _)| partition.clone()).collect();
    let mut rounds = LeaderRounds::new(cluster, retry, &partitions);
    while let Some((connection, indexes)) = rounds.next().await {
        let answers = ask(&connection, asked, &partitions, &indexes, isolation).await;
        rounds.take(&indexes, answers);
    }
    rounds.finish()
}

async fn ask(
    connection: &Connection,
    asked: &[(TopicPartition, OffsetSpec)],
    partitions: &[TopicPartition],
    indexes: &[usize],
    isolation: IsolationLevel,
) -> Result<Answers<ListedOffset>, ClientError> {
    let min = indexes.iter().map(|&index| asked[index].1.min_version()).max().unwrap_or(1);
    // Version 2 brought the isolation level.
    let min = if isolation == IsolationLevel::ReadCommitted { min.max(2) } else { min };
    let version = connection.versions().pick(ApiKey::ListOffsets, min, ApiKey::ListOffsets.max_version())?;
    let topics = leaders::by_topic(partitions, indexes).into_iter().map(|(name, indexes)| ListOffsetsTopic {
        name: name.into(),
        partitions: indexes
            .into_iter()
            .map(|index| ListOffsetsPartition {
                partition_index: partitions[index].partition,
                timestamp: asked[index].1.timestamp(),
                ..ListOffsetsPartition::default()
            })
            .collect(),
    });
    let request = ListOffsetsRequest {
        replica_id: -1,
        isolation_level: i8::from(isolation == IsolationLevel::ReadCommitted),
        topics: topics.collect(),
        ..ListOffsetsRequest::default()
    };
    let response = connection.call_at(&request, version).await?;
    let answer = response.decode::<ListOffsetsResponse<'_>>()?;
    let mut answers = Vec::new();
    for topic in &answer.topics {
        for found in &topic.partitions {
            let Some(index) = leaders::index_of(partitions, indexes, &topic.name, found.partition_index)
            else {
                continue;
            };
            let result = if found.error_code.is_error() {
                Err(ClientError::api(partitions[index].to_string(), found.error_code, None))
            } else {
                let &protocol::list_offsets_response::ListOffsetsPartitionResponse {
                    offset,
                    timestamp,
                    leader_epoch,
                    ..
                } = found;
                Ok(ListedOffset { offset, timestamp, leader_epoch })
            };
            answers.push((index, result));
        }
    }
    Ok(answers)
}
