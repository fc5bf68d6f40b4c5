//! Requests that each partition's leader answers for itself.
//!
//! Owns asking every leader once, and those again whose answer says that it may be different later. It never knows what
//! is asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use protocol::ErrorCode;

use crate::cluster::{Cluster, Lane};
use crate::connection::Connection;
use crate::error::ClientError;
use crate::retry::Retry;
use crate::topic_partition::TopicPartition;

/// What a leader said about some of the partitions it was asked for, by their index.
pub(crate) type Answers<T> = Vec<(usize, Result<T, ClientError>)>;

/// An operation on partitions that goes on in rounds: each round asks every leader once for what has no final answer.
///
/// ```text
/// while let Some((connection, indexes)) = rounds.next().await {
///     let answers = one request to this leader about the partitions with these indexes;
///     rounds.take(&indexes, answers);
/// }
/// ```
#[derive(Debug)]
pub(crate) struct LeaderRounds<'a, T> {
    cluster: &'a Cluster,
    retry: Retry,
    partitions: &'a [TopicPartition],
    results: Vec<Option<Result<T, ClientError>>>,
    /// Leaders of this round that were not asked yet.
    queue: VecDeque<(i32, Vec<usize>)>,
    /// What made another round necessary.
    again: Option<ClientError>,
    begun: bool,
}

impl<'a, T> LeaderRounds<'a, T> {
    /// An operation on `partitions`.
    pub fn new(cluster: &'a Cluster, retry: Retry, partitions: &'a [TopicPartition]) -> LeaderRounds<'a, T> {
        LeaderRounds {
            cluster,
            retry,
            partitions,
            results: partitions.iter().map(|_| None).collect(),
            queue: VecDeque::new(),
            again: None,
            begun: false,
        }
    }

    /// The next leader to ask, and the indexes of the partitions to ask it for. `None` when all is answered or the time is
    /// over.
    pub async fn next(&mut self) -> Option<(Arc<Connection>, Vec<usize>)> {
        loop {
            while let Some((leader, indexes)) = self.queue.pop_front() {
                match self.cluster.node(leader, Lane::Prompt).await {
                    Ok(connection) => return Some((connection, indexes)),
                    Err(error) => self.take(&indexes, Err(error)),
                }
            }
            match self.again.take() {
                Some(error) => {
                    if let Err(error) = self.retry.pause(error).await {
                        for result in &mut self.results {
                            result.get_or_insert_with(|| Err(error.clone()));
                        }
                        return None;
                    }
                }
                None if self.begun => return None,
                None => {}
            }
            self.begun = true;
            self.place().await;
        }
    }

    /// Takes over what a leader answered for the partitions it was asked for.
    pub fn take(&mut self, indexes: &[usize], answers: Result<Answers<T>, ClientError>) {
        match answers {
            Ok(answers) => {
                for (index, answer) in answers {
                    self.settle(index, answer);
                }
            }
            Err(error) => {
                for &index in indexes {
                    self.settle(index, Err(error.clone()));
                }
            }
        }
    }

    fn settle(&mut self, index: usize, answer: Result<T, ClientError>) {
        let partition = &self.partitions[index];
        match &answer {
            Ok(_) => self.cluster.offline.clear(&partition.topic, partition.partition),
            Err(error) => self.cluster.offline.note(partition, error),
        }
        match answer {
            Err(error) if error.is_retriable() => {
                if error.means_stale_metadata() {
                    self.cluster.mark_stale();
                }
                self.again = Some(error);
            }
            done => self.results[index] = Some(done),
        }
    }

    /// Queues the partitions without an answer by their leaders.
    async fn place(&mut self) {
        let mut leaders: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
        let partitions = self.partitions;
        for (index, TopicPartition { topic, partition }) in partitions.iter().enumerate() {
            if self.results[index].is_some() {
                continue;
            }
            let found = match self.cluster.topics(std::slice::from_ref(topic), false).await {
                Ok(metadata) => metadata.leader(topic, *partition),
                Err(error) => Err(error),
            };
            match found {
                Ok((leader, _)) => leaders.entry(leader).or_default().push(index),
                Err(error) => {
                    // Without any broker the other partitions cannot be placed either.
                    let hopeless = matches!(error, ClientError::NoBroker { .. });
                    self.settle(index, Err(error));
                    if hopeless {
                        break;
                    }
                }
            }
        }
        self.queue = leaders.into_iter().collect();
    }

    /// The results, in the order of the partitions.
    pub fn finish(self) -> Vec<Result<T, ClientError>> {
        let partitions = self.partitions;
        // A broker that leaves out a partition it was asked for has not answered.
        let unanswered = |index: usize| {
            ClientError::api(partitions[index].to_string(), ErrorCode::UNKNOWN_SERVER_ERROR, None)
        };
        let results = self.results.into_iter().enumerate();
        results.map(|(index, result)| result.unwrap_or_else(|| Err(unanswered(index)))).collect()
    }
}

/// The indexes grouped by topic, for requests that name each topic once.
pub(crate) fn by_topic<'a>(
    partitions: &'a [TopicPartition],
    indexes: &[usize],
) -> BTreeMap<&'a str, Vec<usize>> {
    let mut topics: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &index in indexes {
        topics.entry(&partitions[index].topic).or_default().push(index);
    }
    topics
}

/// The index of a partition among those asked for.
pub(crate) fn index_of(
    partitions: &[TopicPartition],
    indexes: &[usize],
    topic: &str,
    partition: i32,
) -> Option<usize> {
    indexes
        .iter()
        .copied()
        .find(|&index| partitions[index].partition == partition && partitions[index].topic == topic)
}
