//! The way to the controller: one typed method per request.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use config::BrokerConfig;
use controller::{
    ApiError, ConfigAlterations, Controller, Outcome, QuorumFeatures, has_topics_to_create,
    has_topics_to_delete, has_topics_to_grow,
};
use protocol::assign_replicas_to_dirs_request::DirectoryData;
use protocol::{
    AddRaftVoterRequest, AlterClientQuotasRequest, AlterClientQuotasResponse,
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, AssignReplicasToDirsRequest,
    AssignReplicasToDirsResponse, BrokerHeartbeatRequest, BrokerHeartbeatResponse, CreatePartitionsRequest,
    CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest,
    DeleteTopicsResponse, ElectLeadersRequest, ElectLeadersResponse, ErrorCode, RemoveRaftVoterRequest,
    UpdateFeaturesRequest, UpdateFeaturesResponse, Uuid,
};
use raft::{QuorumView, ReplicaKey, VoterChangeError, VoterSet};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::mutation_ticket::MutationTicket;

use super::decision::{Context, Decision, Request};
use super::on_demand::on_demand;

/// Most requests that wait for the controller; further ones wait to wait.
pub(super) const REQUESTS_WAITING_MAX: usize = 1024;
/// Name of the controllers' listener where none is configured.
const DEFAULT_CONTROLLER_LISTENER: &str = "CONTROLLER";
/// How often a stopping broker asks whether it may go, and how many times.
const SHUTDOWN_POLL: Duration = Duration::from_millis(20);
const SHUTDOWN_POLLS_MAX: usize = 100;

/// The quorum as its leader sees it.
#[derive(Debug, Clone)]
pub struct QuorumDescription {
    /// Offsets and times.
    pub view: QuorumView,
    /// The voters with their listeners.
    pub voters: VoterSet,
}

/// Asks the controller. Clones ask the same one. Every answer means that what it says is on stable storage, and that the
/// publisher has acted on it.
#[derive(Clone)]
pub struct ControllerHandle {
    requests: mpsc::Sender<Request>,
    config: Arc<BrokerConfig>,
    broker_epoch: i64,
    kraft_version: i16,
}

impl ControllerHandle {
    pub(super) fn new(
        requests: mpsc::Sender<Request>,
        config: Arc<BrokerConfig>,
        broker_epoch: i64,
        kraft_version: i16,
    ) -> ControllerHandle {
        ControllerHandle { requests, config, broker_epoch, kraft_version }
    }

    /// Finalized level of `kraft.version`: it lives in the quorum's own records, not in the image.
    pub fn kraft_version(&self) -> i16 {
        self.kraft_version
    }

    /// Creates topics, at the expense of the ticket's client.
    ///
    /// # Errors
    /// NOT_CONTROLLER when the node stops; REQUEST_TIMED_OUT after the request's own time. Topics that cannot be created
    /// are in the answer.
    pub async fn create_topics(
        &self,
        request: CreateTopicsRequest<'static>,
        ticket: MutationTicket,
    ) -> Result<CreateTopicsResponse<'static>, ApiError> {
        let deadline = Deadline::after(request.timeout_ms);
        self.ask_until(deadline, move |controller, context| {
            deadline.check(has_topics_to_create(&request))?;
            let ids: Vec<Uuid> = request.topics.iter().map(|_| context.new_id()).collect();
            controller
                .handle_create_topics(&request, &ids, context.rng.next_u64(), &|count| ticket.charge(count))
        })
        .await
    }

    /// Creates topics on demand, with the broker's defaults; `__consumer_offsets` with its own. A topic that exists is
    /// no error.
    ///
    /// # Errors
    /// The first topic's that could not be created.
    pub async fn auto_create_topics(
        &self,
        names: Vec<String>,
        ticket: MutationTicket,
    ) -> Result<(), ErrorCode> {
        let topics = names.into_iter().map(|name| on_demand(&self.config, name)).collect();
        let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
        let response = self.create_topics(request, ticket).await.map_err(|error| error.code)?;
        let failed = response.topics.iter().map(|topic| topic.error_code);
        let mut failed =
            failed.filter(|code| !matches!(*code, ErrorCode::NONE | ErrorCode::TOPIC_ALREADY_EXISTS));
        failed.next().map_or(Ok(()), Err)
    }

    /// Deletes topics, at the expense of the ticket's client.
    ///
    /// # Errors
    /// As [`ControllerHandle::create_topics`]; TOPIC_DELETION_DISABLED.
    pub async fn delete_topics(
        &self,
        request: DeleteTopicsRequest<'static>,
        ticket: MutationTicket,
    ) -> Result<DeleteTopicsResponse<'static>, ApiError> {
        let deadline = Deadline::after(request.timeout_ms);
        self.ask_until(deadline, move |controller, _| {
            controller.check_topic_deletion()?;
            deadline.check(has_topics_to_delete(&request))?;
            controller.handle_delete_topics(&request, &|count| ticket.charge(count))
        })
        .await
    }

    /// Adds partitions to topics, at the expense of the ticket's client.
    ///
    /// # Errors
    /// As [`ControllerHandle::create_topics`].
    pub async fn create_partitions(
        &self,
        request: CreatePartitionsRequest<'static>,
        ticket: MutationTicket,
    ) -> Result<CreatePartitionsResponse<'static>, ApiError> {
        let deadline = Deadline::after(request.timeout_ms);
        self.ask_until(deadline, move |controller, context| {
            deadline.check(has_topics_to_grow(&request))?;
            Ok(controller
                .handle_create_partitions(&request, context.rng.next_u64(), &|count| ticket.charge(count)))
        })
        .await
    }

    /// Changes configurations; one result for each resource.
    ///
    /// # Errors
    /// NOT_CONTROLLER when the node stops. Resources that cannot be changed have their error in the answer.
    pub async fn alter_configs(
        &self,
        request: ConfigAlterations,
    ) -> Result<Vec<Result<(), ApiError>>, ApiError> {
        self.ask(move |controller, _| Ok(controller.handle_alter_configs(&request))).await
    }

    /// Changes client quotas; `known_hosts` are the host names in it that could be resolved.
    ///
    /// # Errors
    /// As [`ControllerHandle::alter_configs`]. Entities that cannot be changed are in the answer.
    pub async fn alter_client_quotas(
        &self,
        request: AlterClientQuotasRequest<'static>,
        known_hosts: BTreeSet<String>,
    ) -> Result<AlterClientQuotasResponse<'static>, ApiError> {
        self.ask(move |controller, _| Ok(controller.handle_alter_client_quotas(&request, &known_hosts))).await
    }

    /// Stores and removes SCRAM credentials.
    ///
    /// # Errors
    /// As [`ControllerHandle::alter_configs`]. Users whose credentials cannot be changed are in the answer.
    pub async fn alter_user_scram_credentials(
        &self,
        request: AlterUserScramCredentialsRequest<'static>,
    ) -> Result<AlterUserScramCredentialsResponse<'static>, ApiError> {
        self.ask(move |controller, _| Ok(controller.handle_alter_user_scram_credentials(&request))).await
    }

    /// Elects leaders.
    ///
    /// # Errors
    /// As [`ControllerHandle::create_topics`]; INVALID_REQUEST for an unknown type of election.
    pub async fn elect_leaders(
        &self,
        request: ElectLeadersRequest<'static>,
    ) -> Result<ElectLeadersResponse<'static>, ApiError> {
        let deadline = Deadline::after(request.timeout_ms);
        self.ask_until(deadline, move |controller, _| {
            deadline.check(request.topic_partitions.as_ref().is_none_or(|asked| !asked.is_empty()))?;
            controller.handle_elect_leaders(&request)
        })
        .await
    }

    /// Moves replicas.
    ///
    /// # Errors
    /// As [`ControllerHandle::create_topics`].
    pub async fn alter_partition_reassignments(
        &self,
        request: AlterPartitionReassignmentsRequest<'static>,
    ) -> Result<AlterPartitionReassignmentsResponse<'static>, ApiError> {
        let deadline = Deadline::after(request.timeout_ms);
        self.ask_until(deadline, move |controller, _| {
            deadline.check(!request.topics.is_empty())?;
            Ok(controller.handle_alter_partition_reassignments(&request))
        })
        .await
    }

    /// Finalizes levels of features.
    ///
    /// # Errors
    /// NOT_CONTROLLER when the node stops. What cannot be is in the answer.
    pub async fn update_features(
        &self,
        request: UpdateFeaturesRequest<'static>,
    ) -> Result<UpdateFeaturesResponse<'static>, ApiError> {
        self.ask(move |controller, context| {
            let voters = context.voter_ids();
            let kraft_version = context.raft.kraft_version();
            let quorum = QuorumFeatures { kraft_version, voters: &voters };
            Ok(controller.handle_update_features(&request, quorum))
        })
        .await
    }

    /// Takes a broker out of the cluster.
    ///
    /// # Errors
    /// NOT_CONTROLLER when the node stops; BROKER_ID_NOT_REGISTERED.
    pub async fn unregister_broker(&self, broker_id: i32) -> Result<(), ApiError> {
        self.ask(move |controller, _| controller.handle_unregister_broker(broker_id)).await
    }

    /// Takes a controller out of the cluster.
    ///
    /// # Errors
    /// NOT_CONTROLLER when the node stops; INVALID_REQUEST, UNSUPPORTED_VERSION, CONTROLLER_ID_NOT_REGISTERED.
    pub async fn unregister_controller(&self, controller_id: i32) -> Result<(), ApiError> {
        self.ask(move |controller, context| {
            controller.handle_unregister_controller(controller_id, &context.voter_ids())
        })
        .await
    }

    /// Says why a voter cannot be added to the quorum of this node alone.
    ///
    /// # Errors
    /// NOT_CONTROLLER when the node stops; otherwise the reason.
    pub async fn add_raft_voter(&self, request: AddRaftVoterRequest<'static>) -> Result<(), ApiError> {
        let default_listener = match self.config.controller_listeners.first() {
            Some(listener) => listener.listener_name.clone(),
            None => DEFAULT_CONTROLLER_LISTENER.to_owned(),
        };
        self.ask(move |controller, context| {
            controller.check_cluster_id(request.cluster_id.as_deref())?;
            let voter = ReplicaKey::new(request.voter_id, request.voter_directory_id);
            let names: Vec<&str> = request.listeners.iter().map(|listener| listener.name.as_ref()).collect();
            Err(refused(&context.raft.reason_against_adding(voter, &names, &default_listener)))
        })
        .await
    }

    /// Says why a voter cannot be removed from the quorum of this node alone.
    ///
    /// # Errors
    /// As [`ControllerHandle::add_raft_voter`].
    pub async fn remove_raft_voter(&self, request: RemoveRaftVoterRequest<'static>) -> Result<(), ApiError> {
        self.ask(move |controller, context| {
            controller.check_cluster_id(request.cluster_id.as_deref())?;
            let voter = ReplicaKey::new(request.voter_id, request.voter_directory_id);
            Err(refused(&context.raft.reason_against_removing(voter)))
        })
        .await
    }

    /// A producer id that nobody ever had.
    ///
    /// # Errors
    /// NOT_CONTROLLER when the node stops; KAFKA_STORAGE_ERROR when a block of ids cannot be written down.
    pub async fn next_producer_id(&self) -> Result<i64, ApiError> {
        let (sender, receiver) = oneshot::channel();
        self.send(Request::NextProducerId(sender), receiver).await
    }

    /// The quorum as its leader sees it.
    ///
    /// # Errors
    /// NOT_LEADER_OR_FOLLOWER when this node does not lead; NOT_CONTROLLER when the node stops.
    pub async fn describe_quorum(&self) -> Result<QuorumDescription, ApiError> {
        self.ask(|_, context| {
            let view = context.raft.view(context.now_ms).ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
            Ok(Outcome::answer(QuorumDescription { view, voters: context.raft.voters().clone() }))
        })
        .await
    }

    /// Hands over what the local broker leads, so that its next start finds it to have lost nothing. Returns when it may
    /// stop, or after about two seconds.
    ///
    /// # Errors
    /// STALE_BROKER_EPOCH; NOT_CONTROLLER when the task has ended.
    pub async fn controlled_shutdown(&self) -> Result<(), ApiError> {
        for poll in 0..SHUTDOWN_POLLS_MAX {
            if self.heartbeat(|request| request.want_shut_down = true).await?.should_shut_down {
                return Ok(());
            }
            // The first question makes the broker hand over; alone in its cluster, it may go at the second.
            if poll > 0 {
                tokio::time::sleep(SHUTDOWN_POLL).await;
            }
        }
        tracing::warn!("the controller did not let the broker go in time");
        Ok(())
    }

    /// Ends the task: what was asked before is answered, what is asked after is refused, and the metadata log is closed.
    /// Returns when that is done.
    pub async fn stop(&self) {
        let (stopped, done) = oneshot::channel();
        if self.requests.send(Request::Stop(stopped)).await.is_ok() {
            // An error means that the task has ended already.
            _ = done.await;
        }
    }

    /// Says in which directories replicas of the local broker lie.
    ///
    /// # Errors
    /// STALE_BROKER_EPOCH; NOT_CONTROLLER when the node stops; KAFKA_STORAGE_ERROR when it cannot be written down. What
    /// the controller refuses of single partitions is in the answer.
    pub async fn assign_replicas_to_dirs(
        &self,
        directories: Vec<DirectoryData>,
    ) -> Result<AssignReplicasToDirsResponse, ApiError> {
        let (broker_id, broker_epoch) = (self.config.node_id, self.broker_epoch);
        let request = AssignReplicasToDirsRequest { broker_id, broker_epoch, directories };
        self.ask(move |controller, _| controller.handle_assign_replicas_to_dirs(&request)).await
    }

    /// Says that a log directory of the local broker has failed.
    ///
    /// # Errors
    /// As [`ControllerHandle::assign_replicas_to_dirs`].
    pub async fn report_offline_directory(&self, directory: Uuid) -> Result<(), ApiError> {
        self.heartbeat(move |request| request.offline_log_dirs = vec![directory]).await.map(drop)
    }

    /// A heartbeat of the local broker.
    async fn heartbeat(
        &self,
        set: impl FnOnce(&mut BrokerHeartbeatRequest) + Send + 'static,
    ) -> Result<BrokerHeartbeatResponse, ApiError> {
        let (broker_id, broker_epoch) = (self.config.node_id, self.broker_epoch);
        let (sender, receiver) = oneshot::channel();
        let decide = Box::new(move |controller: &Controller, context: &Context<'_>| {
            let mut request = BrokerHeartbeatRequest {
                broker_id,
                broker_epoch,
                // The local broker applies what is committed before it is told so.
                current_metadata_offset: context.next_offset - 1,
                ..BrokerHeartbeatRequest::default()
            };
            set(&mut request);
            let mut decision = Decision::new(controller.handle_broker_heartbeat(&request), sender);
            decision.note = Some(Box::new(move |controller, now_ms, end_offset| {
                controller.note_heartbeat(now_ms, end_offset, &request);
            }));
            decision
        });
        self.send(Request::Decide(decide), receiver).await
    }

    async fn ask<R: Send + 'static>(
        &self,
        decide: impl FnOnce(&Controller, &Context<'_>) -> Result<Outcome<R>, ApiError> + Send + 'static,
    ) -> Result<R, ApiError> {
        let (sender, receiver) = oneshot::channel();
        let decide = Box::new(move |controller: &Controller, context: &Context<'_>| {
            Decision::new(decide(controller, context), sender)
        });
        self.send(Request::Decide(decide), receiver).await
    }

    async fn ask_until<R: Send + 'static>(
        &self,
        deadline: Deadline,
        decide: impl FnOnce(&Controller, &Context<'_>) -> Result<Outcome<R>, ApiError> + Send + 'static,
    ) -> Result<R, ApiError> {
        match tokio::time::timeout(deadline.patience(), self.ask(decide)).await {
            Ok(result) => result,
            Err(_) => Err(ErrorCode::REQUEST_TIMED_OUT.into()),
        }
    }

    async fn send<R>(
        &self,
        request: Request,
        receiver: oneshot::Receiver<Result<R, ApiError>>,
    ) -> Result<R, ApiError> {
        let stopped = || ApiError::from(ErrorCode::NOT_CONTROLLER);
        self.requests.send(request).await.map_err(|_| stopped())?;
        receiver.await.map_err(|_| stopped())?
    }
}

/// A change of the voter set that cannot be, in Kafka's codes.
fn refused(reason: &VoterChangeError) -> ApiError {
    let code = match reason {
        VoterChangeError::NoVoter(_) | VoterChangeError::NoEndpoint(_) => ErrorCode::INVALID_REQUEST,
        VoterChangeError::StaticVoters => ErrorCode::UNSUPPORTED_VERSION,
        VoterChangeError::Duplicate(_) => ErrorCode::DUPLICATE_VOTER,
        VoterChangeError::NotCaughtUp(_) => ErrorCode::REQUEST_TIMED_OUT,
        VoterChangeError::Unknown(_) | VoterChangeError::Last(_) => ErrorCode::VOTER_NOT_FOUND,
    };
    ApiError::new(code, reason.to_string())
}

/// How long a client waits for a request to be done.
#[derive(Clone, Copy)]
struct Deadline {
    at: Instant,
}

impl Deadline {
    fn after(timeout_ms: i32) -> Deadline {
        let timeout_ms = u64::try_from(timeout_ms).unwrap_or(0);
        Deadline { at: Instant::now() + Duration::from_millis(timeout_ms) }
    }

    /// Called when the request's turn has come: one whose time is up is not begun, if it has anything to begin.
    fn check(self, has_work: bool) -> Result<(), ApiError> {
        match has_work && Instant::now() >= self.at {
            true => Err(ErrorCode::REQUEST_TIMED_OUT.into()),
            false => Ok(()),
        }
    }

    /// How long to wait for the answer: at least a second, since what has begun is finished anyhow.
    fn patience(self) -> Duration {
        const PATIENCE_MIN: Duration = Duration::from_secs(1);
        self.at.saturating_duration_since(Instant::now()).max(PATIENCE_MIN)
    }
}
