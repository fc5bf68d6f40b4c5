//! Requests that each partition's leader answers for itself.
//!
//! Owns asking every leader once, and those again whose answer says that it may be different later. It never knows what
//! is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::{Cluster, Lane};
use crate::connection::Connection;
use crate::error::ClientError;
use crate::retry::Retry;
use crate::topic_partition::TopicPartition;

/// What a leader said about some of the partitions it was asked for, by their index.
pub(crate) type Answers<T> = Vec<(usize, Result<T, ClientError>)>;

/// Asks the leaders of `partitions`. `ask` sends one request about the partitions with the given indexes to their leader.
/// The results are in the order of `partitions`.
pub(crate) async fn ask_leaders<T>(
    cluster: &Cluster,
    mut retry: Retry,
    partitions: &[TopicPartition],
    ask: impl AsyncFn(Arc<Connection>, Vec<usize>) -> Result<Answers<T>, ClientError>,
) -> Vec<Result<T, ClientError>> {
    let mut results: Vec<Option<Result<T, ClientError>>> = partitions.iter().map(|_| None).collect();
    loop {
        let open: Vec<usize> = (0..results.len()).filter(|&index| results[index].is_none()).collect();
        let mut again = None;
        let (leaders, unplaced) = place(cluster, partitions, &open).await;
        let mut answers: Answers<T> =
            unplaced.into_iter().map(|(index, error)| (index, Err(error))).collect();
        for (leader, indexes) in leaders {
            let answer = match cluster.node(leader, Lane::Prompt).await {
                Ok(connection) => ask(connection, indexes.clone()).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(found) => answers.extend(found),
                Err(error) => answers.extend(indexes.into_iter().map(|index| (index, Err(error.clone())))),
            }
        }
        for (index, answer) in answers {
            match answer {
                Err(error) if error.is_retriable() => {
                    if error.means_stale_metadata() {
                        cluster.mark_stale();
                    }
                    again = Some(error);
                }
                done => results[index] = Some(done),
            }
        }
        let Some(error) = again else { break };
        if let Err(error) = retry.pause(error).await {
            for result in &mut results {
                result.get_or_insert_with(|| Err(error.clone()));
            }
            break;
        }
    }
    // A broker that leaves out a partition it was asked for has not answered.
    let unanswered = |index: usize| {
        ClientError::api(partitions[index].to_string(), protocol::ErrorCode::UNKNOWN_SERVER_ERROR, None)
    };
    results
        .into_iter()
        .enumerate()
        .map(|(index, result)| result.unwrap_or_else(|| Err(unanswered(index))))
        .collect()
}

type Placed = (BTreeMap<i32, Vec<usize>>, Vec<(usize, ClientError)>);

/// The partitions with the given indexes by their leaders, and those whose leader cannot be found.
async fn place(cluster: &Cluster, partitions: &[TopicPartition], indexes: &[usize]) -> Placed {
    let mut leaders: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    let mut unplaced = Vec::new();
    for &index in indexes {
        let TopicPartition { topic, partition } = &partitions[index];
        let found = match cluster.topics(std::slice::from_ref(topic), false).await {
            Ok(metadata) => metadata.leader(topic, *partition),
            Err(error) => Err(error),
        };
        match found {
            Ok((leader, _)) => leaders.entry(leader).or_default().push(index),
            Err(error) => {
                // Without any broker the other partitions cannot be placed either.
                let hopeless = matches!(error, ClientError::NoBroker { .. });
                unplaced.push((index, error.clone()));
                if hopeless {
                    return (leaders, unplaced);
                }
            }
        }
    }
    (leaders, unplaced)
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
