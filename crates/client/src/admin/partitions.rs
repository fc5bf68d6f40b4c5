//! What concerns single partitions: offsets, deleting records.
//!
//! Owns DeleteRecords. It never reads a record.

use protocol::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::Admin;
use crate::config::IsolationLevel;
use crate::connection::Connection;
use crate::error::ClientError;
use crate::leaders::{self, Answers, LeaderRounds};
use crate::offsets::{self, ListedOffset, OffsetSpec};
use crate::topic_partition::TopicPartition;

impl Admin {
    /// Looks up one offset per partition. The results are in order.
    ///
    /// # Errors
    /// Per partition, for example [`ClientError::NoPartition`].
    pub async fn list_offsets(
        &self,
        asked: &[(TopicPartition, OffsetSpec)],
        isolation: IsolationLevel,
    ) -> Vec<(TopicPartition, Result<ListedOffset, ClientError>)> {
        let found =
            offsets::list(&self.cluster, self.cluster.retry("looking up offsets"), asked, isolation).await;
        asked.iter().map(|(partition, _)| partition.clone()).zip(found).collect()
    }

    /// Deletes the records before an offset (-1: all that consumers can see) and returns the offset of the first record
    /// that is left. The results are in order.
    ///
    /// # Errors
    /// Per partition, for example `OFFSET_OUT_OF_RANGE` or `POLICY_VIOLATION` on a compacted topic.
    pub async fn delete_records(
        &self,
        before: &[(TopicPartition, i64)],
    ) -> Vec<(TopicPartition, Result<i64, ClientError>)> {
        let partitions: Vec<TopicPartition> = before.iter().map(|(partition, _)| partition.clone()).collect();
        let retry = self.cluster.retry("deleting records");
        let mut rounds = LeaderRounds::new(&self.cluster, retry, &partitions);
        while let Some((connection, indexes)) = rounds.next().await {
            let answers = self.ask_delete_records(&connection, before, &partitions, &indexes).await;
            rounds.take(&indexes, answers);
        }
        let found = rounds.finish();
        partitions.into_iter().zip(found).collect()
    }

    async fn ask_delete_records(
        &self,
        connection: &Connection,
        before: &[(TopicPartition, i64)],
        partitions: &[TopicPartition],
        indexes: &[usize],
    ) -> Result<Answers<i64>, ClientError> {
        let topics =
            leaders::by_topic(partitions, indexes).into_iter().map(|(name, indexes)| DeleteRecordsTopic {
                name: name.into(),
                partitions: indexes
                    .into_iter()
                    .map(|index| DeleteRecordsPartition {
                        partition_index: partitions[index].partition,
                        offset: before[index].1,
                    })
                    .collect(),
            });
        let request = DeleteRecordsRequest { topics: topics.collect(), timeout_ms: self.timeout_ms() };
        let response = connection.call(&request).await?;
        let answer = response.decode::<DeleteRecordsResponse<'_>>()?;
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
                    Ok(found.low_watermark)
                };
                answers.push((index, result));
            }
        }
        Ok(answers)
    }
}
