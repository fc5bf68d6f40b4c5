//! Looking after a cluster: topics, configs, groups, offsets, log directories.
//!
//! Owns [`Admin`], whose operations retry what may succeed later for at most `default.api.timeout.ms`. An operation on
//! several things answers for each of them; only what concerns all of them is an error of the whole. It never keeps
//! anything between operations but connections and the picture of the cluster.

mod cluster_view;
mod configs;
mod elections;
mod features;
mod group_description;
mod group_offsets;
pub(crate) mod groups;
mod partitions;
mod quotas;
mod reassignments;
mod replica_log_dirs;
mod scram;
mod topic_partitions;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;

use platform::Platform;
use protocol::{ApiKey, ErrorCode, Request};

use crate::cluster::{Cluster, Topics};
use crate::config::ClientConfig;
use crate::connection::{Connection, Response};
use crate::error::ClientError;
use crate::offline::OfflinePartitions;
use crate::retry::Retry;
use crate::topic_partition::TopicPartition;
pub use cluster_view::{
    ApiVersionRange, ClusterBroker, ClusterDescription, LogDirDescription, QuorumDescription, QuorumNode,
    QuorumReplica, ReplicaSize,
};
pub use configs::{
    ConfigAlteration, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym, ResourceKind,
};
pub use elections::ElectionType;
pub use features::{FeatureDescription, FeatureUpdate, FeatureUpgrade};
pub use group_description::{GroupDescription, GroupMember};
pub use group_offsets::CommittedOffset;
pub use groups::GroupListing;
pub use quotas::{QuotaEntity, QuotaMatch, Quotas};
pub use reassignments::PartitionReassignment;
pub use scram::{ScramChange, ScramMechanism};
pub use topic_partitions::{EligibleLeaders, TopicDescription};
pub use topics::{CreatedTopic, NewPartitions, NewTopic};

/// One result per name, in the order asked.
pub type Outcomes<T> = Vec<(String, Result<T, ClientError>)>;

/// One result per partition.
pub type PartitionOutcomes = Vec<(TopicPartition, Result<(), ClientError>)>;

/// See the module.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Arc<Cluster>,
}

impl Admin {
    /// Connects to the cluster.
    ///
    /// # Errors
    /// [`ClientError::NoBroker`] when none of `bootstrap.servers` answers; this first contact is not retried.
    pub async fn connect(platform: &Platform, config: ClientConfig) -> Result<Admin, ClientError> {
        let cluster = Arc::new(Cluster::new(platform, config));
        cluster.refresh(&Topics::Named(Vec::new()), false).await?;
        Ok(Admin { cluster })
    }

    /// The partitions that it waits for because they are offline.
    pub fn offline(&self) -> OfflinePartitions {
        self.cluster.offline.clone()
    }

    /// An administrator that shares the connections of others.
    pub(crate) fn of(cluster: Arc<Cluster>) -> Admin {
        Admin { cluster }
    }

    /// Sends a request that any broker answers, or passes on.
    async fn any<'a, R: Request<'a>>(&self, request: &R) -> Result<Response, ClientError> {
        self.cluster.any().await?.call(request).await
    }

    /// How long a broker may take for an operation, as requests say it.
    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.cluster.config.request_timeout.as_millis()).unwrap_or(i32::MAX)
    }
}

fn partition_outcome(
    partition: TopicPartition,
    code: ErrorCode,
    message: Option<&str>,
) -> (TopicPartition, Result<(), ClientError>) {
    let subject = partition.to_string();
    (partition, if code.is_error() { Err(ClientError::api(subject, code, message)) } else { Ok(()) })
}

/// The newest version of `api` that both sides know.
fn newest(connection: &Connection, api: ApiKey) -> Result<i16, ClientError> {
    connection.versions().pick(api, api.min_version(), api.max_version())
}

/// An operation on named things that goes on until each of them has a final answer.
///
/// ```text
/// while let Some(open) = rounds.open() {
///     let answers = one request about the open names;
///     rounds.take(answers).await?;
/// }
/// ```
#[derive(Debug)]
struct NameRounds<'a, T> {
    names: &'a [String],
    retry: Retry,
    done: BTreeMap<&'a str, Result<T, ClientError>>,
    over: bool,
}

impl<'a, T> NameRounds<'a, T> {
    fn new(admin: &Admin, what: &str, names: &'a [String]) -> NameRounds<'a, T> {
        NameRounds { names, retry: admin.cluster.retry(what), done: BTreeMap::new(), over: false }
    }

    /// The names without a final answer; `None` when there is nothing left to ask.
    fn open(&self) -> Option<Vec<&'a str>> {
        let open: Vec<&str> =
            self.names.iter().map(String::as_str).filter(|name| !self.done.contains_key(name)).collect();
        (!self.over && !open.is_empty()).then_some(open)
    }

    /// Takes over an answer and waits, if there is to be another round.
    async fn take(&mut self, answers: Result<Outcomes<T>, ClientError>) -> Result<(), ClientError> {
        let error = match answers {
            Err(error) => error,
            Ok(answers) => {
                let mut again = None;
                for (name, answer) in answers {
                    let Some(name) = self.names.iter().find(|known| **known == name) else { continue };
                    match answer {
                        Err(error) if error.is_retriable() => again = Some(error),
                        answer => drop(self.done.insert(name, answer)),
                    }
                }
                match again {
                    Some(error) => error,
                    None => {
                        self.over = true;
                        return Ok(());
                    }
                }
            }
        };
        if let Err(error) = self.retry.pause(error).await {
            self.over = true;
            // What cannot succeed must not hide what was done to the others.
            if self.done.is_empty() && self.names.len() > 1 {
                return Err(error);
            }
            for name in self.names {
                self.done.entry(name).or_insert_with(|| Err(error.clone()));
            }
        }
        Ok(())
    }

    /// The results, in the order of the names.
    fn finish(mut self) -> Outcomes<T> {
        let mut outcomes = Vec::with_capacity(self.names.len());
        for name in self.names {
            if let Some(outcome) = self.done.remove(name.as_str()) {
                outcomes.push((name.clone(), outcome));
            }
        }
        outcomes
    }
}
