//! The only member of a classic group: it joins, commits as a member, leaves, and comes back to the same node after a
//! restart as if nothing had happened.

use platform::Rng;
use protocol::join_group_request::JoinGroupRequestProtocol;
use protocol::leave_group_request::MemberIdentity;
use protocol::sync_group_request::SyncGroupRequestAssignment;
use protocol::{
    ErrorCode, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

use super::{Client, Committer, Scene};
use crate::history::{Event, Membership};
use crate::wire::{Lost, Wire};

/// The group.
pub const MEMBERS_GROUP: &str = "group-members";

/// No life of a directory is longer.
const SESSION_TIMEOUT_MS: i32 = 600_000;

/// The member.
pub struct Member {
    rng: Rng,
    committer: Committer,
    id: String,
    generation: Option<i32>,
    highest: i32,
    is_away: bool,
}

impl Member {
    /// One that never joined.
    pub fn new(rng: Rng) -> Self {
        let committer = Committer::new(MEMBERS_GROUP, rng.fork());
        Self { rng, committer, id: String::new(), generation: None, highest: 0, is_away: false }
    }

    /// Goes on as an earlier member, or stays away if nobody knows what became of it.
    pub fn resume(&mut self, earlier: Option<&Membership>) {
        self.is_away = earlier.is_none();
        if let Some(earlier) = earlier {
            self.id.clone_from(&earlier.id);
            (self.generation, self.highest) = (Some(earlier.generation), earlier.generation);
        }
        self.committer.skip_numbers();
    }

    /// Joins, anew or again; what the group was before counts no more as soon as it is asked for.
    fn join(&mut self, wire: &mut Wire, events: &mut Vec<Event>) -> Result<(), Lost> {
        self.generation = None;
        events.push(Event::Member(None));
        let request = JoinGroupRequest {
            group_id: MEMBERS_GROUP.into(),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: 20_000,
            member_id: self.id.clone().into(),
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata: b"m"[..].into() }],
            ..JoinGroupRequest::default()
        };
        let joined: JoinGroupResponse<'_> = wire.call(&request)?;
        match joined.error_code {
            ErrorCode::NONE => {}
            ErrorCode::MEMBER_ID_REQUIRED => {
                self.id = joined.member_id.into_owned();
                return Ok(());
            }
            // An id that was only given out is nowhere on disk.
            ErrorCode::UNKNOWN_MEMBER_ID => {
                self.id.clear();
                return Ok(());
            }
            error if error.is_retriable() => return Ok(()),
            error => {
                events.push(Event::Wrong(format!("JoinGroup is refused: {error}")));
                return Ok(());
            }
        }
        let generation = joined.generation_id;
        if generation <= self.highest {
            events.push(Event::Wrong(format!(
                "the group is of generation {generation} after {}",
                self.highest
            )));
        }
        let request = SyncGroupRequest {
            group_id: MEMBERS_GROUP.into(),
            generation_id: generation,
            member_id: self.id.clone().into(),
            assignments: vec![SyncGroupRequestAssignment {
                member_id: self.id.clone().into(),
                assignment: generation.to_be_bytes().to_vec().into(),
            }],
            ..SyncGroupRequest::default()
        };
        let synced: SyncGroupResponse<'_> = wire.call(&request)?;
        if synced.error_code == ErrorCode::NONE {
            self.generation = Some(generation);
            self.highest = generation;
            events.push(Event::Member(Some(Membership { id: self.id.clone(), generation })));
        }
        Ok(())
    }

    fn leave(&mut self, wire: &mut Wire, events: &mut Vec<Event>) -> Result<(), Lost> {
        events.push(Event::Member(None));
        self.generation = None;
        let member = MemberIdentity { member_id: self.id.clone().into(), ..MemberIdentity::default() };
        let request = LeaveGroupRequest {
            group_id: MEMBERS_GROUP.into(),
            members: vec![member],
            ..LeaveGroupRequest::default()
        };
        let answer: LeaveGroupResponse<'_> = wire.call(&request)?;
        if answer.error_code == ErrorCode::NONE {
            self.id.clear();
        }
        Ok(())
    }
}

/// A heartbeat of a member.
///
/// # Errors
/// The connection is gone.
pub fn heartbeat(wire: &mut Wire, member: &Membership) -> Result<ErrorCode, Lost> {
    let request = HeartbeatRequest {
        group_id: MEMBERS_GROUP.into(),
        generation_id: member.generation,
        member_id: member.id.clone().into(),
        ..HeartbeatRequest::default()
    };
    let answer: HeartbeatResponse = wire.call(&request)?;
    Ok(answer.error_code)
}

impl Client for Member {
    fn play(&mut self, scene: &Scene, events: &mut Vec<Event>) -> Result<(), Lost> {
        let mut wire = Wire::connect(scene.address)?;
        while !scene.is_over() && !self.is_away {
            match self.generation {
                None => self.join(&mut wire, events)?,
                Some(_) if self.rng.one_in(40) => self.leave(&mut wire, events)?,
                Some(_) if self.rng.one_in(15) => self.join(&mut wire, events)?,
                Some(generation) => {
                    let member = Membership { id: self.id.clone(), generation };
                    match heartbeat(&mut wire, &member)? {
                        ErrorCode::NONE => {
                            self.committer.commit_one(Some(&member), scene, &mut wire, events)?;
                        }
                        error if error.is_retriable() => {}
                        error => {
                            events.push(Event::Wrong(format!("{member:?} is told {error}")));
                            self.generation = None;
                        }
                    }
                }
            }
            scene.pause(&self.rng, 15);
        }
        Ok(())
    }
}
