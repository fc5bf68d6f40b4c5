//! Looking after a cluster: topics, configs, groups, offsets, log directories.
//!
//! Owns [`Admin`], whose operations retry what may succeed later for at most `default.api.timeout.ms`. An operation on
//! several things answers for each of them; only what concerns all of them is an error of the whole. It never keeps
//! anything between operations but connections and the picture of the cluster.

mod cluster_view;
mod configs;
mod groups;
mod partitions;
mod topics;

use std::sync::Arc;

use platform::Platform;
use protocol::{ApiKey, Request};

use crate::cluster::{Cluster, Topics};
use crate::config::ClientConfig;
use crate::connection::{Connection, Response};
use crate::error::ClientError;
pub use cluster_view::{
    ClusterBroker, ClusterDescription, LogDirDescription, QuorumDescription, QuorumNode, QuorumReplica,
    ReplicaSize,
};
pub use configs::{
    ConfigAlteration, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym, ResourceKind,
};
pub use groups::{CommittedOffset, GroupDescription, GroupListing, GroupMember};
pub use topics::{CreatedTopic, NewTopic};

/// One result per name, in the order asked.
pub type Outcomes<T> = Vec<(String, Result<T, ClientError>)>;

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

    /// Sends a request that any broker answers, or passes on.
    async fn any<'a, R: Request<'a>>(&self, request: &R) -> Result<Response, ClientError> {
        self.cluster.any().await?.call(request).await
    }

    /// How long a broker may take for an operation, as requests say it.
    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.cluster.config.request_timeout.as_millis()).unwrap_or(i32::MAX)
    }
}

/// The newest version of `api` that both sides know.
fn newest(connection: &Connection, api: ApiKey) -> Result<i16, ClientError> {
    connection.versions().pick(api, api.min_version(), api.max_version())
}

/// Runs an operation on named things until each of them has a final answer. `ask` sends one request about some of the
/// names and gives the answers it got.
async fn each<T>(
    admin: &Admin,
    what: &str,
    names: &[String],
    ask: impl AsyncFn(Vec<String>) -> Result<Outcomes<T>, ClientError>,
) -> Result<Outcomes<T>, ClientError> {
    let mut retry = admin.cluster.retry(what);
    let mut done: Outcomes<T> = Vec::with_capacity(names.len());
    loop {
        let open: Vec<String> = names
            .iter()
            .filter(|name| !done.iter().any(|(finished, _)| finished == *name))
            .cloned()
            .collect();
        if open.is_empty() {
            break;
        }
        let error = match ask(open).await {
            Err(error) => error,
            Ok(answers) => {
                let mut again = None;
                for (name, answer) in answers {
                    match answer {
                        Err(error) if error.is_retriable() => again = Some((name, error)),
                        answer => done.push((name, answer)),
                    }
                }
                let Some((name, error)) = again else { break };
                // One thing that cannot succeed must not hide what was done to the others.
                if let Err(error) = retry.pause(error).await {
                    done.push((name, Err(error)));
                }
                continue;
            }
        };
        match retry.pause(error).await {
            Ok(()) => {}
            Err(error) if done.is_empty() => return Err(error),
            Err(error) => {
                let missing: Vec<_> = names
                    .iter()
                    .filter(|name| !done.iter().any(|(finished, _)| finished == *name))
                    .cloned()
                    .collect();
                done.extend(missing.into_iter().map(|name| (name, Err(error.clone()))));
            }
        }
    }
    let mut ordered = Vec::with_capacity(names.len());
    for name in names {
        if let Some(at) = done.iter().position(|(finished, _)| finished == name) {
            ordered.push(done.swap_remove(at));
        }
    }
    Ok(ordered)
}
