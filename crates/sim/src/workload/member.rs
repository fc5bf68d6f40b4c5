//! Owns a member of the classic group: find the coordinator, join, sync, fetch, heartbeat, commit, join again, leave.
//! It commits only what it has read.

mod membership;

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::{
    ErrorCode, FindCoordinatorRequest, HeartbeatRequest, LeaveGroupRequest, OffsetCommitRequest, Uuid,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Phase;
use super::fetcher::Fetcher;
use super::reader::{new_fetcher, poll, seek};
use super::session::{GROUP, Session};
use crate::history::Event;
use crate::wire::{Lost, Wire};
use membership::Membership;

/// Shortest session that Kafka's default allows.
const SESSION_TIMEOUT_MS: i32 = 6_000;
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Member {
    session: Session,
    phase: watch::Receiver<Phase>,
    own_phase: watch::Receiver<Phase>,
    member_id: String,
    /// What this member owns, while it is in the group.
    membership: Option<Membership>,
    fetcher: Option<Fetcher>,
}

/// Why a member stops doing what it does.
enum Interrupt {
    Lost(Lost),
    /// The group rebalances: join again under the same id.
    Rejoin,
    /// The coordinator does not know this member (any more): join as a new one.
    Forgotten,
    /// The node cannot answer now.
    Later,
}

impl From<Lost> for Interrupt {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl Interrupt {
    /// What an error of the coordinator asks for.
    fn of(error: ErrorCode, what: &str) -> Result<(), Self> {
        match error {
            ErrorCode::NONE => Ok(()),
            ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION => Err(Self::Rejoin),
            // The power may take a whole group.
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::GROUP_ID_NOT_FOUND => Err(Self::Forgotten),
            error if error.is_retriable() => Err(Self::Later),
            error => panic!("{what}: {error}"),
        }
    }
}

impl Member {
    pub(super) fn new(
        session: Session,
        phase: watch::Receiver<Phase>,
        own_phase: watch::Receiver<Phase>,
    ) -> Self {
        Self { session, phase, own_phase, member_id: String::new(), membership: None, fetcher: None }
    }

    fn is_leaving(&self) -> bool {
        *self.phase.borrow() >= Phase::Leave || *self.own_phase.borrow() >= Phase::Leave
    }

    /// Takes part in the group until it is told to leave.
    pub(super) async fn run(mut self) {
        while !self.is_leaving() || !self.member_id.is_empty() {
            let (mut wire, topic_id) = self.session.open().await;
            self.fetcher.iter_mut().for_each(Fetcher::forget_session);
            let lost = loop {
                match self.step(&mut wire, topic_id).await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(Interrupt::Lost(lost)) => break lost,
                    Err(Interrupt::Rejoin) => self.membership = None,
                    Err(Interrupt::Forgotten) => self.forget(),
                    Err(Interrupt::Later) => self.session.pause().await,
                }
            };
            self.session.recover(lost).await;
        }
    }

    fn forget(&mut self) {
        self.membership = None;
        self.member_id.clear();
    }

    /// Joins if need be and takes part until something happens; true when it has left.
    async fn step(&mut self, wire: &mut Wire, topic_id: Uuid) -> Result<bool, Interrupt> {
        if self.is_leaving() {
            self.leave(wire).await?;
            return Ok(true);
        }
        if self.membership.is_none() {
            self.find_coordinator(wire).await?;
            let membership = self.join(wire).await?;
            self.begin(wire, topic_id, &membership).await?;
            self.membership = Some(membership);
        }
        self.take_part(wire, topic_id).await?;
        Ok(false)
    }

    async fn find_coordinator(&mut self, wire: &mut Wire) -> Result<(), Interrupt> {
        let version = wire.version(protocol::ApiKey::FindCoordinator);
        let request = match version {
            0..4 => FindCoordinatorRequest { key: GROUP.into(), ..FindCoordinatorRequest::default() },
            _ => FindCoordinatorRequest {
                coordinator_keys: vec![GROUP.into()],
                ..FindCoordinatorRequest::default()
            },
        };
        let answer = wire.call(&request).await?;
        let error = match version {
            0..4 => answer.error_code,
            _ => answer.coordinators.first().expect("each key is answered").error_code,
        };
        Interrupt::of(error, "FindCoordinator")
    }

    /// Takes over the partitions where the group has committed.
    async fn begin(&mut self, wire: &mut Wire, topic_id: Uuid, own: &Membership) -> Result<(), Interrupt> {
        self.session.history.add(Event::Assigned {
            member: self.session.name.clone(),
            generation: own.generation,
            partitions: own.partitions.clone(),
        });
        let mut positions = BTreeMap::new();
        if !own.partitions.is_empty() {
            let committed = self.session.committed(wire, topic_id, &own.partitions).await?;
            positions = committed.ok_or(Interrupt::Later)?;
        }
        // Where nothing is committed, reading begins at the start.
        positions.values_mut().for_each(|offset| *offset = (*offset).max(0));
        for (partition, offset) in &positions {
            seek(&self.session, *partition, *offset);
        }
        self.fetcher = Some(new_fetcher(&self.session.rng, positions));
        Ok(())
    }

    async fn take_part(&mut self, wire: &mut Wire, topic_id: Uuid) -> Result<(), Interrupt> {
        let mut next_heartbeat = Instant::now();
        let mut next_commit = Instant::now() + self.commit_interval();
        while !self.is_leaving() {
            let fetcher = self.fetcher.as_mut().expect("a member that is in the group has positions");
            if fetcher.positions.is_empty() {
                sleep(Duration::from_millis(200)).await;
            } else {
                poll(&self.session, fetcher, wire, topic_id).await?;
            }
            if Instant::now() >= next_commit {
                self.commit(wire, topic_id).await?;
                next_commit = Instant::now() + self.commit_interval();
            }
            if Instant::now() >= next_heartbeat {
                next_heartbeat = Instant::now() + HEARTBEAT_INTERVAL;
                match self.heartbeat(wire).await {
                    Err(Interrupt::Rejoin) => {
                        // What was read is committed before the partitions may go to somebody else, if that still
                        // is possible; if it is not, they are read again.
                        self.commit(wire, topic_id).await?;
                        return Err(Interrupt::Rejoin);
                    }
                    other => other?,
                }
            }
        }
        self.commit(wire, topic_id).await
    }

    fn commit_interval(&self) -> Duration {
        Duration::from_millis(100 + self.session.rng.below(2_000))
    }

    async fn heartbeat(&mut self, wire: &mut Wire) -> Result<(), Interrupt> {
        let generation_id = self.generation();
        let request = HeartbeatRequest {
            group_id: GROUP.into(),
            generation_id,
            member_id: self.member_id.clone().into(),
            ..HeartbeatRequest::default()
        };
        Interrupt::of(wire.call(&request).await?.error_code, "Heartbeat")
    }

    fn generation(&self) -> i32 {
        self.membership.as_ref().map_or(-1, |m| m.generation)
    }

    /// Commits all positions, moved or not: what was committed before may be lost with the power. Whether a commit
    /// without an answer took effect stays unknown, and it may still take effect later: this member then starts over
    /// under a new id, so that the old commit is fenced by the next generation and cannot undo a newer one.
    async fn commit(&mut self, wire: &mut Wire, topic_id: Uuid) -> Result<(), Interrupt> {
        let Some(fetcher) = &self.fetcher else { return Ok(()) };
        let positions = fetcher.positions.clone();
        if positions.is_empty() || self.membership.is_none() {
            return Ok(());
        }
        let began = self.session.history.now();
        for (partition, offset) in &positions {
            self.session.history.add(Event::Committing { partition: *partition, offset: *offset });
        }
        let request = self.commit_request(topic_id, &positions);
        let answer = match wire.call(&request).await {
            Ok(answer) => answer,
            Err(lost) => {
                self.forget();
                return Err(lost.into());
            }
        };
        let generation = self.generation();
        for answered in answer.topics.iter().flat_map(|t| &t.partitions) {
            Interrupt::of(answered.error_code, "OffsetCommit")?;
            let (partition, member) = (answered.partition_index, self.session.name.clone());
            let offset = positions[&partition];
            self.session.history.add_since(began, Event::Committed { member, generation, partition, offset });
        }
        Ok(())
    }

    fn commit_request(&self, topic_id: Uuid, positions: &BTreeMap<i32, i64>) -> OffsetCommitRequest<'static> {
        let partition = |(partition, offset): (&i32, &i64)| OffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: *offset,
            committed_metadata: Some("".into()),
            ..OffsetCommitRequestPartition::default()
        };
        OffsetCommitRequest {
            group_id: GROUP.into(),
            generation_id_or_member_epoch: self.generation(),
            member_id: self.member_id.clone().into(),
            topics: vec![OffsetCommitRequestTopic {
                name: self.session.plan.topic.clone().into(),
                topic_id,
                partitions: positions.iter().map(partition).collect(),
            }],
            ..OffsetCommitRequest::default()
        }
    }

    async fn leave(&mut self, wire: &mut Wire) -> Result<(), Interrupt> {
        if self.member_id.is_empty() {
            return Ok(());
        }
        let member_id = self.member_id.clone();
        let request = match wire.version(protocol::ApiKey::LeaveGroup) {
            0..3 => LeaveGroupRequest {
                group_id: GROUP.into(),
                member_id: member_id.into(),
                ..LeaveGroupRequest::default()
            },
            _ => LeaveGroupRequest {
                group_id: GROUP.into(),
                members: vec![protocol::leave_group_request::MemberIdentity {
                    member_id: member_id.into(),
                    ..protocol::leave_group_request::MemberIdentity::default()
                }],
                ..LeaveGroupRequest::default()
            },
        };
        let answer = wire.call(&request).await?;
        let mut error = answer.error_code;
        if let Some(member) = answer.members.first().filter(|_| !error.is_error()) {
            error = member.error_code;
        }
        match Interrupt::of(error, "LeaveGroup") {
            // Whoever is not known has left.
            Ok(()) | Err(Interrupt::Forgotten) => {
                self.forget();
                Ok(())
            }
            Err(interrupt) => Err(interrupt),
        }
    }
}
