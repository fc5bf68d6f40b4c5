//! Groups: which there are, who coordinates them, taking them away.
//!
//! Owns the requests for it and the search for a group's coordinator. It never joins a group.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::{
    ApiKey, DeleteGroupsRequest, DeleteGroupsResponse, ErrorCode, FindCoordinatorRequest,
    FindCoordinatorResponse, ListGroupsRequest, ListGroupsResponse,
};

use super::{Admin, Outcomes, newest};
use crate::cluster::{Cluster, Lane};
use crate::connection::Connection;
use crate::error::ClientError;
use crate::metadata::Broker;

/// A group as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Group id.
    pub id: String,
    /// What its members use it for, `consumer` for consumers.
    pub protocol_type: String,
    /// State, empty from brokers before 2.6.
    pub state: String,
    /// Type, as `Classic` or `Consumer`; empty from brokers before 3.8.
    pub kind: String,
    /// Node id of its coordinator.
    pub coordinator: i32,
}

impl Admin {
    /// All groups of all brokers, by id. Empty filters let everything pass; state and type names are Kafka's.
    ///
    /// # Errors
    /// When a broker does not answer in time.
    pub async fn list_groups(
        &self,
        states: &[String],
        kinds: &[String],
    ) -> Result<Vec<GroupListing>, ClientError> {
        let mut retry = self.cluster.retry("listing groups");
        loop {
            match self.ask_groups(states, kinds).await {
                Ok(groups) => return Ok(groups.into_values().collect()),
                Err(error) => {
                    self.cluster.mark_stale();
                    retry.pause(error).await?;
                }
            }
        }
    }

    async fn ask_groups(
        &self,
        states: &[String],
        kinds: &[String],
    ) -> Result<BTreeMap<String, GroupListing>, ClientError> {
        let metadata = self.cluster.topics(&[], false).await?;
        let mut found = BTreeMap::new();
        let mut request = ListGroupsRequest {
            states_filter: states.iter().map(|state| state.as_str().into()).collect(),
            types_filter: kinds.iter().map(|kind| kind.as_str().into()).collect(),
        };
        // Brokers before version 5 have no groups but classic ones.
        let classic_too = kinds.is_empty() || kinds.iter().any(|kind| kind.eq_ignore_ascii_case("classic"));
        let min = match (states.is_empty(), classic_too) {
            (_, false) => 5,
            (false, true) => 4,
            (true, true) => 0,
        };
        for &id in metadata.brokers.keys() {
            let connection = self.cluster.node(id, Lane::Prompt).await?;
            let version =
                connection.versions().pick(ApiKey::ListGroups, min, ApiKey::ListGroups.max_version())?;
            if version < 5 {
                request.types_filter.clear();
            }
            let response = connection.call_at(&request, version).await?;
            let answer = response.decode::<ListGroupsResponse<'_>>()?;
            if answer.error_code.is_error() {
                return Err(ClientError::api(format!("groups of broker {id}"), answer.error_code, None));
            }
            for group in &answer.groups {
                let listing = GroupListing {
                    id: group.group_id.to_string(),
                    protocol_type: group.protocol_type.to_string(),
                    state: group.group_state.to_string(),
                    kind: group.group_type.to_string(),
                    coordinator: id,
                };
                found.insert(listing.id.clone(), listing);
            }
        }
        Ok(found)
    }

    /// Deletes groups without members, and what they committed.
    ///
    /// # Errors
    /// Per group, for example `NON_EMPTY_GROUP`.
    pub async fn delete_groups(&self, ids: &[String]) -> Result<Outcomes<()>, ClientError> {
        let mut outcomes = Vec::with_capacity(ids.len());
        for id in ids {
            let mut retry = self.cluster.retry(format!("deleting group {id}"));
            let outcome = loop {
                match self.ask_deletion(id).await {
                    Ok(()) => break Ok(()),
                    Err(error) => {
                        if let Err(error) = retry.pause(error).await {
                            break Err(error);
                        }
                    }
                }
            };
            outcomes.push((id.clone(), outcome));
        }
        Ok(outcomes)
    }

    async fn ask_deletion(&self, id: &str) -> Result<(), ClientError> {
        let coordinator = coordinator(&self.cluster, id, Lane::Prompt).await?;
        let response =
            coordinator.connection.call(&DeleteGroupsRequest { groups_names: vec![id.into()] }).await?;
        let answer = response.decode::<DeleteGroupsResponse<'_>>()?;
        match answer.results.iter().find(|result| result.error_code.is_error()) {
            None => Ok(()),
            Some(result) => Err(ClientError::api(id, result.error_code, result.error_message.as_deref())),
        }
    }
}

/// A group's coordinator, and a connection to it.
#[derive(Debug)]
pub(crate) struct Coordinator {
    pub broker: Broker,
    pub connection: Arc<Connection>,
}

/// Finds the broker that coordinates a group. One try.
pub(crate) async fn coordinator(
    cluster: &Cluster,
    group: &str,
    lane: Lane,
) -> Result<Coordinator, ClientError> {
    let connection = cluster.any().await?;
    let version = newest(&connection, ApiKey::FindCoordinator)?;
    let mut request = FindCoordinatorRequest::default();
    if version >= 4 {
        request.coordinator_keys = vec![group.into()];
    } else {
        request.key = group.into();
    }
    let response = connection.call_at(&request, version).await?;
    let answer = response.decode::<FindCoordinatorResponse<'_>>()?;
    let (code, message, id, host, port) = if version >= 4 {
        match answer.coordinators.first() {
            Some(found) => (found.error_code, &found.error_message, found.node_id, &found.host, found.port),
            None => return Err(ClientError::api(group, ErrorCode::COORDINATOR_NOT_AVAILABLE, None)),
        }
    } else {
        (answer.error_code, &answer.error_message, answer.node_id, &answer.host, answer.port)
    };
    if code.is_error() {
        return Err(ClientError::api(group, code, message.as_deref()));
    }
    let broker = Broker { id, host: host.to_string(), port: u16::try_from(port).unwrap_or(0), rack: None };
    let connection = cluster.at(&broker.host, broker.port, lane).await?;
    Ok(Coordinator { broker, connection })
}
