//! The task that keeps a consumer in its group while the application does other things.
//!
//! Owns the requests to the group's coordinator and the time that the [`Membership`] is told. It never touches records or
//! offsets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use protocol::join_group_request::JoinGroupRequestProtocol;
use protocol::leave_group_request::MemberIdentity;
use protocol::sync_group_request::SyncGroupRequestAssignment;
use protocol::{
    ApiKey, ErrorCode, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, SyncGroupRequest, SyncGroupResponse,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::assignor::{Assignor, Subscriber};
use super::consumer_protocol;
use super::membership::{Effect, Failed, Generation, Input, MemberMetadata, Membership, MembershipConfig};
use crate::admin::groups;
use crate::cluster::{Cluster, Lane, Topics};
use crate::connection::Connection;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// What the consumer tells its task.
#[derive(Debug)]
pub(super) enum Command {
    /// The application asked for records.
    Polled,
    /// The application has let go of its partitions.
    Released,
    /// These topics are wanted from now on, or have other partitions.
    Subscribe(Vec<String>),
    /// A commit was refused.
    Fenced,
    /// Leave the group, and say when that is done.
    Leave(oneshot::Sender<()>),
}

/// What the task tells the consumer.
#[derive(Debug)]
pub(super) enum Event {
    /// Let go of all partitions; if they are not lost, commit first.
    Release { lost: bool },
    /// These are the partitions now.
    Assigned { identity: Identity, partitions: Vec<TopicPartition> },
    /// The group cannot be joined.
    Failed(ClientError),
}

/// Who the member is in the present generation, as commits say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub generation: i32,
    pub member_id: String,
}

/// What requests are made of.
#[derive(Debug)]
struct Member {
    cluster: Arc<Cluster>,
    group: String,
    topics: Vec<String>,
}

/// Commands and events that may wait. Every event is answered by a command before the next one comes.
const WAITING_MAX: usize = 16;

/// How long a join may take beyond the time that all members have to come back.
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// How long leaving may take before the connection is simply closed.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts the task. Nothing is joined before the first subscription.
pub(super) fn start(cluster: Arc<Cluster>, group: String) -> (mpsc::Sender<Command>, mpsc::Receiver<Event>) {
    let (commands, inbox) = mpsc::channel(WAITING_MAX);
    let (outbox, events) = mpsc::channel(WAITING_MAX);
    let member = Member { cluster, group, topics: Vec::new() };
    tokio::spawn(async move { Task::new(member, outbox).run(inbox).await });
    (commands, events)
}

struct Task {
    member: Arc<Member>,
    membership: Membership,
    began: Instant,
    is_begun: bool,
    requests: JoinSet<Input>,
    outbox: mpsc::Sender<Event>,
}

impl Task {
    fn new(member: Member, outbox: mpsc::Sender<Event>) -> Task {
        let config = &member.cluster.config;
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let membership = MembershipConfig {
            heartbeat_interval_ms: ms(config.heartbeat_interval).max(1),
            poll_interval_ms_max: ms(config.max_poll_interval).max(1),
            retry_backoff_ms: ms(config.retry_backoff).max(1),
            retry_backoff_ms_max: ms(config.retry_backoff_max).max(1),
            is_static: config.group_instance_id.is_some(),
        };
        Task {
            membership: Membership::new(membership, 0),
            member: Arc::new(member),
            began: Instant::now(),
            is_begun: false,
            requests: JoinSet::new(),
            outbox,
        }
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        loop {
            let wake = self
                .membership
                .poll_timeout()
                .map(|ms| self.began + Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
            let mut effects = Vec::new();
            tokio::select! {
                biased;
                command = inbox.recv() => match command {
                    // A consumer that was dropped without closing leaves its group to the session time-out.
                    None => return,
                    Some(Command::Leave(done)) => {
                        self.leave().await;
                        // Whoever waited may be gone.
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.obey(command, &mut effects),
                },
                Some(answered) = self.requests.join_next(), if !self.requests.is_empty() => {
                    // A request that panicked brings nothing; the time-out of what it was for helps on.
                    if let Ok(input) = answered {
                        self.membership.handle(self.now_ms(), input, &mut effects);
                    }
                }
                () = sleep_until(wake) => {
                    self.membership.handle_timeout(self.now_ms(), &mut effects);
                }
            }
            for effect in effects {
                if !self.perform(effect).await {
                    return;
                }
            }
        }
    }

    fn obey(&mut self, command: Command, effects: &mut Vec<Effect>) {
        let now_ms = self.now_ms();
        let input = match command {
            Command::Polled => Input::Polled,
            Command::Released => Input::Released,
            Command::Fenced => Input::Fenced,
            Command::Subscribe(topics) => {
                let Member { cluster, group, .. } = &*self.member;
                let (cluster, group) = (Arc::clone(cluster), group.clone());
                self.member = Arc::new(Member { cluster, group, topics });
                if std::mem::replace(&mut self.is_begun, true) {
                    Input::SubscriptionChanged
                } else {
                    Input::Started
                }
            }
            Command::Leave(_) => Input::Leaving,
        };
        self.membership.handle(now_ms, input, effects);
    }

    /// Does what the membership asks for. False when there is no consumer any more.
    async fn perform(&mut self, effect: Effect) -> bool {
        let member = Arc::clone(&self.member);
        let event = match effect {
            Effect::FindCoordinator => {
                self.requests.spawn(async move { Input::Coordinator(member.find().await) });
                return true;
            }
            Effect::Join { member_id } => {
                self.requests.spawn(async move { member.join(&member_id).await });
                return true;
            }
            Effect::Sync(generation) => {
                self.requests.spawn(async move { Input::Synced(member.sync(generation).await) });
                return true;
            }
            Effect::Heartbeat { generation, member_id } => {
                self.requests.spawn(async move {
                    Input::Beaten(generation, member.heartbeat(generation, &member_id).await)
                });
                return true;
            }
            Effect::Leave { member_id } => {
                self.requests.abort_all();
                member.leave(&member_id).await;
                return true;
            }
            Effect::Release { lost } => Event::Release { lost },
            Effect::Assigned { generation, member_id, assignment } => Event::Assigned {
                identity: Identity { generation, member_id },
                partitions: consumer_protocol::assigned_partitions(&assignment),
            },
            Effect::Fail(code) => Event::Failed(ClientError::api(member.group.clone(), code, None)),
        };
        self.outbox.send(event).await.is_ok()
    }

    async fn leave(&mut self) {
        self.requests.abort_all();
        let mut effects = Vec::new();
        self.membership.handle(self.now_ms(), Input::Leaving, &mut effects);
        for effect in effects {
            if let Effect::Leave { member_id } = effect {
                self.member.leave(&member_id).await;
            }
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

fn failed(error: &ClientError) -> Failed {
    match error {
        ClientError::Api { code, .. } => Failed::Code(*code),
        ClientError::UnsupportedVersion { .. } | ClientError::Encode { .. } => {
            Failed::Code(ErrorCode::UNSUPPORTED_VERSION)
        }
        _ => Failed::Lost,
    }
}

fn checked(code: ErrorCode) -> Result<(), Failed> {
    if code.is_error() { Err(Failed::Code(code)) } else { Ok(()) }
}

impl Member {
    /// Joining and staying have a connection of their own: a join is answered when all members are there.
    async fn coordinator(&self) -> Result<Arc<Connection>, Failed> {
        let found = groups::coordinator(&self.cluster, &self.group, Lane::Group).await;
        found.map(|found| found.connection).map_err(|error| failed(&error))
    }

    async fn find(&self) -> Result<(), Failed> {
        self.coordinator().await.map(drop)
    }

    async fn join(&self, member_id: &str) -> Input {
        match self.ask_join(member_id).await {
            Ok(input) => input,
            Err(failed) => Input::Joined(Err(failed)),
        }
    }

    async fn ask_join(&self, member_id: &str) -> Result<Input, Failed> {
        let connection = self.coordinator().await?;
        let config = &self.cluster.config;
        let ms = |duration: Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
        let subscription = consumer_protocol::subscription(&self.topics).map_err(|error| failed(&error))?;
        let protocols = config.assignors.iter().map(|assignor| JoinGroupRequestProtocol {
            name: assignor.name().into(),
            metadata: subscription.as_slice().into(),
        });
        let request = JoinGroupRequest {
            group_id: self.group.as_str().into(),
            session_timeout_ms: ms(config.session_timeout),
            rebalance_timeout_ms: ms(config.max_poll_interval),
            member_id: member_id.into(),
            group_instance_id: config.group_instance_id.as_deref().map(Into::into),
            protocol_type: "consumer".into(),
            protocols: protocols.collect(),
            ..JoinGroupRequest::default()
        };
        // Static members came with version 5.
        let min = if config.group_instance_id.is_some() { 5 } else { 0 };
        let version = connection.versions().pick(ApiKey::JoinGroup, min, ApiKey::JoinGroup.max_version());
        let version = version.map_err(|error| failed(&error))?;
        let timeout = config.max_poll_interval + JOIN_GRACE;
        let pending = connection.send_at(&request, version, timeout).await.map_err(|error| failed(&error))?;
        let response = pending.response().await.map_err(|error| failed(&error))?;
        let answer = response.decode::<JoinGroupResponse<'_>>().map_err(|error| failed(&error))?;
        if answer.error_code == ErrorCode::MEMBER_ID_REQUIRED {
            return Ok(Input::MemberId(answer.member_id.to_string()));
        }
        checked(answer.error_code)?;
        let is_leader = answer.leader == answer.member_id && !answer.skip_assignment;
        let members = answer.members.iter().map(|member| MemberMetadata {
            id: member.member_id.to_string(),
            instance_id: member.group_instance_id.as_deref().map(str::to_owned),
            subscription: member.metadata.to_vec(),
        });
        Ok(Input::Joined(Ok(Generation {
            id: answer.generation_id,
            member_id: answer.member_id.to_string(),
            protocol: answer.protocol_name.as_deref().unwrap_or_default().to_owned(),
            members: is_leader.then(|| members.collect()),
        })))
    }

    async fn sync(&self, generation: Generation) -> Result<Vec<u8>, Failed> {
        let assignments = match &generation.members {
            Some(members) => self.assign(&generation.protocol, members).await?,
            None => Vec::new(),
        };
        let connection = self.coordinator().await?;
        let assignments = assignments.into_iter().map(|(member_id, assignment)| SyncGroupRequestAssignment {
            member_id: member_id.into(),
            assignment: assignment.into(),
        });
        let request = SyncGroupRequest {
            group_id: self.group.as_str().into(),
            generation_id: generation.id,
            member_id: generation.member_id.as_str().into(),
            group_instance_id: self.cluster.config.group_instance_id.as_deref().map(Into::into),
            protocol_type: Some("consumer".into()),
            protocol_name: Some(generation.protocol.as_str().into()),
            assignments: assignments.collect(),
        };
        let version = connection.versions().pick(ApiKey::SyncGroup, 0, ApiKey::SyncGroup.max_version());
        let version = version.map_err(|error| failed(&error))?;
        // The answer waits for the leader, who may be as slow as any member.
        let timeout = self.cluster.config.max_poll_interval + JOIN_GRACE;
        let pending = connection.send_at(&request, version, timeout).await.map_err(|error| failed(&error))?;
        let response = pending.response().await.map_err(|error| failed(&error))?;
        let answer = response.decode::<SyncGroupResponse<'_>>().map_err(|error| failed(&error))?;
        checked(answer.error_code)?;
        Ok(answer.assignment.to_vec())
    }

    /// Shares out the partitions of all topics that members want.
    async fn assign(
        &self,
        protocol: &str,
        members: &[MemberMetadata],
    ) -> Result<Vec<(String, Vec<u8>)>, Failed> {
        // The coordinator only chooses what every member offered, this one too.
        let assignor =
            Assignor::from_name(protocol).ok_or(Failed::Code(ErrorCode::INCONSISTENT_GROUP_PROTOCOL))?;
        let members: Vec<Subscriber> = members
            .iter()
            .map(|member| Subscriber {
                id: member.id.clone(),
                instance_id: member.instance_id.clone(),
                topics: consumer_protocol::subscribed_topics(&member.subscription),
            })
            .collect();
        let mut wanted: Vec<String> = members.iter().flat_map(|member| member.topics.clone()).collect();
        wanted.sort();
        wanted.dedup();
        let metadata = self.cluster.refresh(&Topics::Named(wanted.clone()), false).await;
        let metadata = metadata.map_err(|error| failed(&error))?;
        let counts = wanted.into_iter().filter_map(|topic| {
            let count = metadata.topics.get(&topic)?.partitions.len();
            Some((topic, i32::try_from(count).unwrap_or(i32::MAX)))
        });
        let counts: BTreeMap<String, i32> = counts.collect();
        let mut assignments = Vec::with_capacity(members.len());
        for (member, partitions) in assignor.assign(&members, &counts) {
            let assignment = consumer_protocol::assignment(&partitions).map_err(|error| failed(&error))?;
            assignments.push((member, assignment));
        }
        Ok(assignments)
    }

    async fn heartbeat(&self, generation: i32, member_id: &str) -> Result<(), Failed> {
        let connection = self.coordinator().await?;
        let request = HeartbeatRequest {
            group_id: self.group.as_str().into(),
            generation_id: generation,
            member_id: member_id.into(),
            group_instance_id: self.cluster.config.group_instance_id.as_deref().map(Into::into),
        };
        let response = connection.call(&request).await.map_err(|error| failed(&error))?;
        let answer = response.decode::<HeartbeatResponse>().map_err(|error| failed(&error))?;
        checked(answer.error_code)
    }

    /// Says good-bye. If nobody hears it, the session time-out does the same.
    async fn leave(&self, member_id: &str) {
        let leaving = async {
            // A join that is still under way would hold back whatever is sent behind it.
            let found = groups::coordinator(&self.cluster, &self.group, Lane::Prompt).await?;
            let api = ApiKey::LeaveGroup;
            let version = found.connection.versions().pick(api, 0, api.max_version())?;
            let mut request =
                LeaveGroupRequest { group_id: self.group.as_str().into(), ..LeaveGroupRequest::default() };
            if version >= 3 {
                request.members = vec![MemberIdentity {
                    member_id: member_id.into(),
                    reason: Some("the consumer is being closed".into()),
                    ..MemberIdentity::default()
                }];
            } else {
                request.member_id = member_id.into();
            }
            found.connection.call_at(&request, version).await
        };
        match tokio::time::timeout(LEAVE_TIMEOUT, leaving).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, group = self.group, "leaving the group failed"),
            Err(_) => tracing::debug!(group = self.group, "leaving the group took too long"),
        }
    }
}
