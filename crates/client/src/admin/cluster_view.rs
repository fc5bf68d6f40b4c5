//! Describing the cluster itself: brokers, quorum, log directories.
//!
//! Owns the requests for it. It never changes anything.

use std::collections::BTreeMap;

use protocol::describe_log_dirs_response::DescribeLogDirsResult;
use protocol::describe_quorum_request;
use protocol::describe_quorum_response::ReplicaState;
use protocol::{
    DescribeClusterRequest, DescribeClusterResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeQuorumRequest, DescribeQuorumResponse, ErrorCode, UnregisterBrokerRequest,
    UnregisterBrokerResponse, Uuid,
};

use super::Admin;
use crate::cluster::{Lane, Topics};
use crate::error::ClientError;
use crate::metadata::Broker;
use crate::topic_partition::TopicPartition;

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id.
    pub cluster_id: Option<String>,
    /// The node id clients take for the controller, -1 if there is none.
    pub controller_id: i32,
    /// Its brokers by node id.
    pub brokers: Vec<ClusterBroker>,
}

/// A broker of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterBroker {
    /// Id, address, rack.
    pub broker: Broker,
    /// Whether it is registered and not to be used at present.
    pub is_fenced: bool,
}

/// The versions in which a broker serves a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiVersionRange {
    /// The request's API key, which this client may not know.
    pub key: i16,
    /// Lowest version.
    pub min: i16,
    /// Highest version.
    pub max: i16,
}

/// The metadata quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumDescription {
    /// Node id of the leader, -1 while there is none.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
    /// The offset up to which metadata is committed.
    pub high_watermark: i64,
    /// Who votes.
    pub voters: Vec<QuorumReplica>,
    /// Who follows without a vote.
    pub observers: Vec<QuorumReplica>,
    /// Where the nodes listen, if the broker tells.
    pub nodes: Vec<QuorumNode>,
}

/// A node that follows the metadata log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReplica {
    /// Node id.
    pub id: i32,
    /// Id of its metadata directory, zero if unknown.
    pub directory_id: Uuid,
    /// How far its log goes.
    pub log_end_offset: i64,
    /// When (ms) it last fetched, -1 if unknown.
    pub last_fetch_timestamp: i64,
    /// When (ms) it last had everything, -1 if unknown.
    pub last_caught_up_timestamp: i64,
}

/// Listeners of a quorum node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumNode {
    /// Node id.
    pub id: i32,
    /// Listener name, host and port.
    pub listeners: Vec<(String, String, u16)>,
}

/// A log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirDescription {
    /// Its path on the broker.
    pub path: String,
    /// What is wrong with it, for example `KAFKA_STORAGE_ERROR`.
    pub error: Option<ErrorCode>,
    /// Size of its file system in bytes, -1 if unknown.
    pub total_bytes: i64,
    /// Free bytes of its file system, -1 if unknown.
    pub usable_bytes: i64,
    /// The partitions in it.
    pub replicas: Vec<ReplicaSize>,
}

/// A partition's share of a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSize {
    /// The partition.
    pub partition: TopicPartition,
    /// Bytes of its log.
    pub size_bytes: i64,
    /// How far it is behind the high watermark, or behind the log it will replace.
    pub offset_lag: i64,
    /// Whether it is being moved here.
    pub is_future: bool,
}

impl Admin {
    /// The cluster's id, controller and brokers. Asks DescribeCluster, and Metadata where a broker has no such request.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, ClientError> {
        self.describe_cluster_brokers(false).await
    }

    /// The same, if `fenced_too` with the brokers that are registered and not to be used at present.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn describe_cluster_brokers(
        &self,
        fenced_too: bool,
    ) -> Result<ClusterDescription, ClientError> {
        let mut retry = self.cluster.retry("describing the cluster");
        loop {
            let error = match self.ask_cluster(fenced_too).await {
                Ok(description) => return Ok(description),
                Err(ClientError::UnsupportedVersion { .. }) => match self.cluster_from_metadata().await {
                    Ok(description) => return Ok(description),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            retry.pause(error).await?;
        }
    }

    async fn ask_cluster(&self, include_fenced_brokers: bool) -> Result<ClusterDescription, ClientError> {
        let request = DescribeClusterRequest {
            endpoint_type: 1,
            include_fenced_brokers,
            ..DescribeClusterRequest::default()
        };
        let response = self.any(&request).await?;
        let answer = response.decode::<DescribeClusterResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api("the cluster", answer.error_code, answer.error_message.as_deref()));
        }
        let mut brokers: Vec<ClusterBroker> = answer
            .brokers
            .iter()
            .map(|broker| ClusterBroker {
                broker: Broker {
                    id: broker.broker_id,
                    host: broker.host.to_string(),
                    port: u16::try_from(broker.port).unwrap_or(0),
                    rack: broker.rack.as_deref().map(str::to_owned),
                },
                is_fenced: broker.is_fenced,
            })
            .collect();
        brokers.sort_by_key(|broker| broker.broker.id);
        Ok(ClusterDescription {
            cluster_id: Some(answer.cluster_id.to_string()),
            controller_id: answer.controller_id,
            brokers,
        })
    }

    /// Which requests each broker serves.
    ///
    /// # Errors
    /// Per broker, when it cannot be reached; as a whole when none can.
    pub async fn broker_api_versions(
        &self,
    ) -> Result<Vec<(Broker, Result<Vec<ApiVersionRange>, ClientError>)>, ClientError> {
        let metadata = self.cluster.refresh(&Topics::Named(Vec::new()), false).await?;
        let mut found = Vec::new();
        for broker in metadata.brokers.values() {
            let connection = self.cluster.node(broker.id, Lane::Prompt).await;
            let ranges = connection.map(|connection| {
                let ranges = connection.versions().ranges();
                ranges.map(|(key, (min, max))| ApiVersionRange { key, min, max }).collect()
            });
            found.push((broker.clone(), ranges));
        }
        Ok(found)
    }

    /// Makes the cluster forget a broker that will not come back.
    ///
    /// # Errors
    /// As the controller says, for example `BROKER_ID_NOT_REGISTERED`.
    pub async fn unregister_broker(&self, id: i32) -> Result<(), ClientError> {
        let mut retry = self.cluster.retry(format!("unregistering broker {id}"));
        loop {
            let answer = self.any(&UnregisterBrokerRequest { broker_id: id }).await;
            let error = match answer {
                Ok(response) => {
                    let answer = response.decode::<UnregisterBrokerResponse<'_>>()?;
                    if !answer.error_code.is_error() {
                        return Ok(());
                    }
                    let message = answer.error_message.as_deref();
                    ClientError::api(format!("broker {id}"), answer.error_code, message)
                }
                Err(error) => error,
            };
            retry.pause(error).await?;
        }
    }

    async fn cluster_from_metadata(&self) -> Result<ClusterDescription, ClientError> {
        let metadata = self.cluster.refresh(&Topics::Named(Vec::new()), false).await?;
        Ok(ClusterDescription {
            cluster_id: metadata.cluster_id.clone(),
            controller_id: metadata.controller_id,
            brokers: metadata
                .brokers
                .values()
                .map(|broker| ClusterBroker { broker: broker.clone(), is_fenced: false })
                .collect(),
        })
    }

    /// The metadata quorum: leader, voters, how far they are.
    ///
    /// # Errors
    /// When the quorum has no leader or no broker answers in time.
    pub async fn describe_quorum(&self) -> Result<QuorumDescription, ClientError> {
        let mut retry = self.cluster.retry("describing the quorum");
        loop {
            match self.ask_quorum().await {
                Ok(description) => return Ok(description),
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    async fn ask_quorum(&self) -> Result<QuorumDescription, ClientError> {
        let request = DescribeQuorumRequest {
            topics: vec![describe_quorum_request::TopicData {
                topic_name: "__cluster_metadata".into(),
                partitions: vec![describe_quorum_request::PartitionData { partition_index: 0 }],
            }],
        };
        let response = self.any(&request).await?;
        let answer = response.decode::<DescribeQuorumResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api("the quorum", answer.error_code, answer.error_message.as_deref()));
        }
        let Some(partition) = answer.topics.first().and_then(|topic| topic.partitions.first()) else {
            return Err(ClientError::api("the quorum", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None));
        };
        if partition.error_code.is_error() {
            return Err(ClientError::api(
                "the quorum",
                partition.error_code,
                partition.error_message.as_deref(),
            ));
        }
        Ok(QuorumDescription {
            leader_id: partition.leader_id,
            leader_epoch: partition.leader_epoch,
            high_watermark: partition.high_watermark,
            voters: partition.current_voters.iter().map(quorum_replica).collect(),
            observers: partition.observers.iter().map(quorum_replica).collect(),
            nodes: answer
                .nodes
                .iter()
                .map(|node| QuorumNode {
                    id: node.node_id,
                    listeners: node
                        .listeners
                        .iter()
                        .map(|listener| (listener.name.to_string(), listener.host.to_string(), listener.port))
                        .collect(),
                })
                .collect(),
        })
    }

    /// The log directories of these brokers, or of all.
    ///
    /// # Errors
    /// When a broker does not answer in time; what is wrong with one directory is in its description.
    pub async fn describe_log_dirs(
        &self,
        brokers: Option<&[i32]>,
    ) -> Result<BTreeMap<i32, Vec<LogDirDescription>>, ClientError> {
        let mut retry = self.cluster.retry("describing log directories");
        let mut found = BTreeMap::new();
        loop {
            let error = match self.ask_log_dirs(brokers, &mut found).await {
                Ok(()) => return Ok(found),
                Err(error) => error,
            };
            self.cluster.mark_stale();
            retry.pause(error).await?;
        }
    }

    async fn ask_log_dirs(
        &self,
        brokers: Option<&[i32]>,
        found: &mut BTreeMap<i32, Vec<LogDirDescription>>,
    ) -> Result<(), ClientError> {
        let metadata = self.cluster.topics(&[], false).await?;
        let ids = brokers.map_or_else(|| metadata.brokers.keys().copied().collect(), <[i32]>::to_vec);
        for id in ids {
            if found.contains_key(&id) {
                continue;
            }
            let connection = self.cluster.node(id, Lane::Prompt).await?;
            let response = connection.call(&DescribeLogDirsRequest { topics: None }).await?;
            let answer = response.decode::<DescribeLogDirsResponse<'_>>()?;
            if answer.error_code.is_error() {
                return Err(ClientError::api(format!("broker {id}"), answer.error_code, None));
            }
            found.insert(id, answer.results.iter().map(log_dir).collect());
        }
        Ok(())
    }
}

fn quorum_replica(replica: &ReplicaState) -> QuorumReplica {
    QuorumReplica {
        id: replica.replica_id,
        directory_id: replica.replica_directory_id,
        log_end_offset: replica.log_end_offset,
        last_fetch_timestamp: replica.last_fetch_timestamp,
        last_caught_up_timestamp: replica.last_caught_up_timestamp,
    }
}

fn log_dir(dir: &DescribeLogDirsResult<'_>) -> LogDirDescription {
    let replicas = dir.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| ReplicaSize {
            partition: TopicPartition::new(topic.name.as_ref(), partition.partition_index),
            size_bytes: partition.partition_size,
            offset_lag: partition.offset_lag,
            is_future: partition.is_future_key,
        })
    });
    LogDirDescription {
        path: dir.log_dir.to_string(),
        error: dir.error_code.is_error().then_some(dir.error_code),
        total_bytes: dir.total_bytes,
        usable_bytes: dir.usable_bytes,
        replicas: replicas.collect(),
    }
}
