//! Fetch requests.
//!
//! Owns asking one broker for records of the partitions it leads. It never keeps a position.

use std::collections::BTreeMap;

use protocol::fetch_request::{FetchPartition, FetchTopic};
use protocol::{ApiKey, FetchRequest, Uuid};

use crate::cluster::{Cluster, Lane};
use crate::config::IsolationLevel;
use crate::connection::Response;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// A partition in a fetch.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub partition: TopicPartition,
    pub topic_id: Uuid,
    pub leader_epoch: i32,
    pub offset: i64,
}

/// What came of a fetch.
#[derive(Debug)]
pub(super) struct Fetched {
    pub generation: u64,
    pub node: i32,
    pub wanted: Vec<Wanted>,
    pub result: Result<Response, ClientError>,
}

/// Fetches from a broker. One try.
pub(super) async fn fetch(cluster: &Cluster, node: i32, wanted: &[Wanted]) -> Result<Response, ClientError> {
    let connection = cluster.node(node, Lane::Fetch).await?;
    let config = &cluster.config;
    // Version 13 names topics by id only.
    let max =
        if wanted.iter().all(|wanted| !wanted.topic_id.is_zero()) { ApiKey::Fetch.max_version() } else { 12 };
    let version = connection.versions().pick(ApiKey::Fetch, 4, max)?;
    let mut topics: BTreeMap<(&str, Uuid), Vec<FetchPartition>> = BTreeMap::new();
    for wanted in wanted {
        topics.entry((&wanted.partition.topic, wanted.topic_id)).or_default().push(FetchPartition {
            partition: wanted.partition.partition,
            current_leader_epoch: wanted.leader_epoch,
            fetch_offset: wanted.offset,
            partition_max_bytes: config.max_partition_fetch_bytes,
            ..FetchPartition::default()
        });
    }
    let request = FetchRequest {
        max_wait_ms: i32::try_from(config.fetch_max_wait.as_millis()).unwrap_or(i32::MAX),
        min_bytes: config.fetch_min_bytes,
        max_bytes: config.fetch_max_bytes,
        isolation_level: i8::from(config.isolation_level == IsolationLevel::ReadCommitted),
        // No session: every fetch names all its partitions.
        session_id: 0,
        session_epoch: -1,
        topics: topics
            .into_iter()
            .map(|((topic, topic_id), partitions)| FetchTopic { topic: topic.into(), topic_id, partitions })
            .collect(),
        ..FetchRequest::default()
    };
    let timeout = config.request_timeout + config.fetch_max_wait;
    connection.send_at(&request, version, timeout).await?.response().await
}
