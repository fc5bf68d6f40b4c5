//! A member of a classic group: joining, staying, letting go, leaving.
//!
//! Owns the rules of the protocol, without IO: inputs come in with the time in ms, effects go out, and `poll_timeout` says
//! when to look again. Partitions are shared out anew from scratch each time (the eager protocol): before a member joins
//! again it lets go of all it has. It never sends a request and never knows what a partition is.

use protocol::ErrorCode;

/// How often things happen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MembershipConfig {
    pub heartbeat_interval_ms: i64,
    /// How long the application may take between two polls.
    pub poll_interval_ms_max: i64,
    pub retry_backoff_ms: i64,
    pub retry_backoff_ms_max: i64,
    /// A member with a `group.instance.id` never leaves: it is expected back.
    pub is_static: bool,
}

/// Why a request brought nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The coordinator said so.
    Code(ErrorCode),
    /// There was no answer.
    Lost,
}

/// A generation of the group, as its coordinator announced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generation {
    pub id: i32,
    pub member_id: String,
    /// The rule for sharing partitions out.
    pub protocol: String,
    /// All members with their subscriptions, if this one is the leader.
    pub members: Option<Vec<MemberMetadata>>,
}

/// What the leader is told of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberMetadata {
    pub id: String,
    pub instance_id: Option<String>,
    pub subscription: Vec<u8>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// The member wants to be one.
    Started,
    /// The search for the coordinator ended.
    Coordinator(Result<(), Failed>),
    /// The coordinator gave the member an id to join with.
    MemberId(String),
    /// The group is complete, or the join failed.
    Joined(Result<Generation, Failed>),
    /// The leader's decision came, or did not.
    Synced(Result<Vec<u8>, Failed>),
    /// The answer to a heartbeat of this generation.
    Beaten(i32, Result<(), Failed>),
    /// The application has let go of its partitions.
    Released,
    /// The application asked for records.
    Polled,
    /// The application wants other topics, or a topic has grown.
    SubscriptionChanged,
    /// A commit was refused because the coordinator does not know this member any more.
    Fenced,
    /// The application is done.
    Leaving,
}

/// What to do. Requests are answered by an [`Input`] each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    FindCoordinator,
    Join {
        member_id: String,
    },
    /// Asks for the leader's decision; the leader brings it along.
    Sync(Generation),
    Heartbeat {
        generation: i32,
        member_id: String,
    },
    /// The application must let go of its partitions and say [`Input::Released`]. If they are lost, others may have them
    /// already and nothing can be committed.
    Release {
        lost: bool,
    },
    /// The application has these partitions.
    Assigned {
        generation: i32,
        member_id: String,
        assignment: Vec<u8>,
    },
    Leave {
        member_id: String,
    },
    /// This cannot be mended by trying again.
    Fail(ErrorCode),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Not in the group. Joins when there is a coordinator and the time has come.
    Outside {
        join_at_ms: i64,
    },
    Joining,
    Syncing,
    /// In the group with partitions.
    Stable,
    /// Waiting for the application to let go.
    Releasing,
    /// Out of the group because the application did not poll; goes back when it does.
    Idle,
    /// Out for good.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coordinator {
    Known,
    Searching,
    /// Search at this time.
    Unknown(i64),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Membership {
    config: MembershipConfig,
    phase: Phase,
    coordinator: Coordinator,
    member_id: String,
    generation: i32,
    /// Whether the application has partitions that it must let go of first.
    holds: bool,
    /// The subscription changed while the member was joining.
    again: bool,
    beat_at_ms: i64,
    beating: bool,
    polled_ms: i64,
    /// Failures in a row, for the backoff.
    failures: u32,
}

/// The generation of a member that is in none.
const NO_GENERATION: i32 = -1;

impl Membership {
    /// A member that has not begun.
    pub fn new(config: MembershipConfig, now_ms: i64) -> Membership {
        Membership {
            config,
            phase: Phase::Ended,
            coordinator: Coordinator::Unknown(now_ms),
            member_id: String::new(),
            generation: NO_GENERATION,
            holds: false,
            again: false,
            beat_at_ms: now_ms,
            beating: false,
            polled_ms: now_ms,
            failures: 0,
        }
    }

    /// When [`Membership::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<i64> {
        let mut next: Option<i64> = None;
        let mut at = |ms: i64| next = Some(next.map_or(ms, |next| next.min(ms)));
        if self.phase == Phase::Ended || self.phase == Phase::Idle {
            return None;
        }
        match (self.coordinator, &self.phase) {
            (Coordinator::Unknown(search_at), _) => at(search_at),
            (Coordinator::Known, Phase::Outside { join_at_ms }) => at(*join_at_ms),
            (Coordinator::Known, Phase::Stable | Phase::Releasing) if !self.beating => at(self.beat_at_ms),
            _ => {}
        }
        if self.is_watched() {
            at(self.polled_ms.saturating_add(self.config.poll_interval_ms_max));
        }
        next
    }

    /// Whether an application that does not poll costs the member its place.
    fn is_watched(&self) -> bool {
        matches!(self.phase, Phase::Stable | Phase::Releasing)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Ended || self.phase == Phase::Idle {
            return;
        }
        if self.is_watched() && now_ms >= self.polled_ms.saturating_add(self.config.poll_interval_ms_max) {
            return self.give_up_place(effects);
        }
        match (self.coordinator, &self.phase) {
            (Coordinator::Unknown(search_at), _) if now_ms >= search_at => {
                self.coordinator = Coordinator::Searching;
                effects.push(Effect::FindCoordinator);
            }
            (Coordinator::Known, Phase::Outside { join_at_ms }) if now_ms >= *join_at_ms => {
                self.join(effects)
            }
            (Coordinator::Known, Phase::Stable | Phase::Releasing)
                if !self.beating && now_ms >= self.beat_at_ms =>
            {
                self.beating = true;
                let (generation, member_id) = (self.generation, self.member_id.clone());
                effects.push(Effect::Heartbeat { generation, member_id });
            }
            _ => {}
        }
    }

    /// Takes over what happened.
    pub fn handle(&mut self, now_ms: i64, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Started => {
                self.phase = Phase::Outside { join_at_ms: now_ms };
                self.polled_ms = now_ms;
                self.handle_timeout(now_ms, effects);
            }
            Input::Coordinator(result) => self.on_coordinator(now_ms, result, effects),
            Input::MemberId(id) if self.phase == Phase::Joining => {
                self.member_id = id;
                self.join(effects);
            }
            Input::Joined(result) if self.phase == Phase::Joining => self.on_joined(now_ms, result, effects),
            Input::Synced(result) if self.phase == Phase::Syncing => self.on_synced(now_ms, result, effects),
            Input::Beaten(generation, result) if generation == self.generation => {
                self.on_beaten(now_ms, result, effects);
            }
            Input::Released => {
                self.holds = false;
                if self.phase == Phase::Releasing {
                    self.phase = Phase::Outside { join_at_ms: now_ms };
                    self.handle_timeout(now_ms, effects);
                }
            }
            Input::Polled => {
                self.polled_ms = now_ms;
                if self.phase == Phase::Idle && !self.holds {
                    self.phase = Phase::Outside { join_at_ms: now_ms };
                    self.handle_timeout(now_ms, effects);
                }
            }
            Input::SubscriptionChanged => match self.phase {
                Phase::Stable => self.release(now_ms, false, effects),
                Phase::Joining | Phase::Syncing => self.again = true,
                _ => {}
            },
            Input::Fenced if self.phase == Phase::Stable => self.lose(now_ms, effects),
            Input::Leaving => self.leave(effects),
            // Answers to what is no longer asked.
            Input::MemberId(_) | Input::Joined(_) | Input::Synced(_) | Input::Beaten(..) | Input::Fenced => {}
        }
    }

    fn on_coordinator(&mut self, now_ms: i64, result: Result<(), Failed>, effects: &mut Vec<Effect>) {
        if self.coordinator != Coordinator::Searching {
            return;
        }
        match result {
            Ok(()) => {
                self.coordinator = Coordinator::Known;
                self.beat_at_ms = now_ms;
                self.handle_timeout(now_ms, effects);
            }
            Err(Failed::Code(code)) if !code.is_retriable() => self.fail(code, effects),
            Err(_) => self.coordinator = Coordinator::Unknown(now_ms + self.backoff_ms()),
        }
    }

    fn on_joined(&mut self, now_ms: i64, result: Result<Generation, Failed>, effects: &mut Vec<Effect>) {
        match result {
            Ok(generation) => {
                self.member_id.clone_from(&generation.member_id);
                self.generation = generation.id;
                self.phase = Phase::Syncing;
                effects.push(Effect::Sync(generation));
            }
            Err(failed) => self.on_refused(now_ms, failed, effects),
        }
    }

    fn on_synced(&mut self, now_ms: i64, result: Result<Vec<u8>, Failed>, effects: &mut Vec<Effect>) {
        match result {
            Ok(assignment) => {
                self.phase = Phase::Stable;
                self.failures = 0;
                self.beating = false;
                self.beat_at_ms = now_ms + self.config.heartbeat_interval_ms;
                // The application could not poll for its records while there was nothing to give.
                self.polled_ms = now_ms;
                self.holds = true;
                let (generation, member_id) = (self.generation, self.member_id.clone());
                effects.push(Effect::Assigned { generation, member_id, assignment });
                if std::mem::take(&mut self.again) {
                    self.release(now_ms, false, effects);
                }
            }
            Err(failed) => self.on_refused(now_ms, failed, effects),
        }
    }

    /// A join or a sync did not succeed.
    fn on_refused(&mut self, now_ms: i64, failed: Failed, effects: &mut Vec<Effect>) {
        let join_at_ms = now_ms + self.backoff_ms();
        self.generation = NO_GENERATION;
        self.phase = Phase::Outside { join_at_ms };
        match failed {
            Failed::Lost
            | Failed::Code(ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE) => {
                self.coordinator = Coordinator::Unknown(join_at_ms);
            }
            Failed::Code(ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION) => {
                self.member_id.clear();
            }
            Failed::Code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::REBALANCE_IN_PROGRESS) => {}
            Failed::Code(code) if code.is_retriable() => {}
            Failed::Code(code) => self.fail(code, effects),
        }
    }

    fn on_beaten(&mut self, now_ms: i64, result: Result<(), Failed>, effects: &mut Vec<Effect>) {
        if !self.is_watched() {
            return;
        }
        self.beating = false;
        self.beat_at_ms = now_ms + self.config.heartbeat_interval_ms;
        match result {
            Ok(()) => self.failures = 0,
            Err(Failed::Code(ErrorCode::REBALANCE_IN_PROGRESS)) => {
                if self.phase == Phase::Stable {
                    self.release(now_ms, false, effects);
                }
            }
            Err(Failed::Code(ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION)) => {
                self.lose(now_ms, effects);
            }
            Err(Failed::Code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)) => {}
            Err(Failed::Code(code)) if !code.is_retriable() && code != ErrorCode::NOT_COORDINATOR => {
                self.fail(code, effects);
            }
            Err(_) => self.coordinator = Coordinator::Unknown(now_ms + self.backoff_ms()),
        }
    }

    fn join(&mut self, effects: &mut Vec<Effect>) {
        self.phase = Phase::Joining;
        self.again = false;
        effects.push(Effect::Join { member_id: self.member_id.clone() });
    }

    /// The coordinator does not know the member any more.
    fn lose(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        self.member_id.clear();
        self.generation = NO_GENERATION;
        if self.phase == Phase::Stable {
            self.release(now_ms, true, effects);
        }
    }

    /// Has the application let go, and then joins again.
    fn release(&mut self, now_ms: i64, lost: bool, effects: &mut Vec<Effect>) {
        if self.holds {
            self.phase = Phase::Releasing;
            effects.push(Effect::Release { lost });
        } else {
            self.phase = Phase::Outside { join_at_ms: now_ms };
            self.handle_timeout(now_ms, effects);
        }
    }

    /// Leaves because the application does not poll, so that others get its partitions.
    fn give_up_place(&mut self, effects: &mut Vec<Effect>) {
        let was_releasing = self.phase == Phase::Releasing;
        self.phase = Phase::Idle;
        self.beating = false;
        self.generation = NO_GENERATION;
        if !self.config.is_static && !self.member_id.is_empty() {
            effects.push(Effect::Leave { member_id: std::mem::take(&mut self.member_id) });
        }
        if self.holds && !was_releasing {
            effects.push(Effect::Release { lost: true });
        }
    }

    fn leave(&mut self, effects: &mut Vec<Effect>) {
        let was_in = self.phase != Phase::Ended && !self.member_id.is_empty();
        self.phase = Phase::Ended;
        if was_in && !self.config.is_static {
            effects.push(Effect::Leave { member_id: std::mem::take(&mut self.member_id) });
        }
    }

    fn fail(&mut self, code: ErrorCode, effects: &mut Vec<Effect>) {
        self.phase = Phase::Ended;
        effects.push(Effect::Fail(code));
    }

    /// The next pause, twice as long as the last.
    fn backoff_ms(&mut self) -> i64 {
        let doubled = self.config.retry_backoff_ms.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.config.retry_backoff_ms_max)
    }
}

#[cfg(test)]
mod tests;
