//! Random conversations: whatever is asked in whatever order, every request is answered once, no group contradicts
//! itself, nobody is waited for forever, and the log alone brings back what was committed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use coordinator::{AppendId, LogRecord, Token};
use protocol::join_group_request::JoinGroupRequestProtocol;
use protocol::leave_group_request::MemberIdentity;
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use protocol::offset_fetch_request::OffsetFetchRequestGroup;
use protocol::sync_group_request::SyncGroupRequestAssignment;
use protocol::{
    ErrorCode, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest,
    OffsetDeleteRequest, SyncGroupRequest, Uuid,
};

use crate::{DeletedTopic, Effect, GroupCoordinatorConfig, GroupShard, RequestContext, Response};

const SEEDS: u64 = 300;
const STEPS: usize = 400;
const GROUPS: [&str; 3] = ["g", "h", "i"];
const TOPICS: [&str; 2] = ["t", "u"];

#[test]
fn random_conversations_keep_the_rules() {
    for seed in 1..=SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
            world.shard.check();
        }
        world.finish();
    }
}

#[test]
fn the_same_seed_twice_gives_the_same_log() {
    let run = |seed| {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        (world.log, world.trace)
    };
    for seed in [1, 77, 4_711] {
        let (log, trace) = run(seed);
        assert!(!log.is_empty() && !trace.is_empty());
        assert_eq!((log, trace), run(seed));
    }
}

/// Where a client believes to be.
#[derive(Clone, Default)]
struct Belief {
    member_id: String,
    generation: i32,
}

struct World {
    seed: u64,
    shard: GroupShard,
    config: GroupCoordinatorConfig,
    now_ms: i64,
    effects: Vec<Effect>,
    next_token: u64,
    /// Requests that were not answered yet, and who asked.
    asked: BTreeMap<Token, (usize, usize)>,
    beliefs: Vec<Vec<Belief>>,
    appends: VecDeque<(AppendId, Vec<LogRecord>)>,
    log: Vec<LogRecord>,
    trace: Vec<String>,
}

impl World {
    fn new(seed: u64) -> World {
        let config = GroupCoordinatorConfig {
            initial_rebalance_delay_ms: 500,
            group_max_size: 4,
            offsets_retention_ms: 60_000,
            offsets_retention_check_interval_ms: 20_000,
            ..Default::default()
        };
        let mut shard = GroupShard::new(config.clone());
        shard.handle_loaded(0, &mut Vec::new());
        World {
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            shard,
            config,
            now_ms: 0,
            effects: Vec::new(),
            next_token: 0,
            asked: BTreeMap::new(),
            beliefs: vec![vec![Belief::default(); 6]; GROUPS.len()],
            appends: VecDeque::new(),
            log: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 16) % below
    }

    fn step(&mut self) {
        match self.random(100) {
            0..30 => self.join(),
            30..50 => self.sync(),
            50..58 => self.heartbeat(),
            58..63 => self.leave(),
            63..75 => self.commit(),
            75..78 => self.fetch(),
            78..80 => self.delete_offsets(),
            80..82 => self.delete_group(),
            82..83 => self.delete_topic(),
            83..93 => self.end_append(),
            93..99 => self.tick(),
            _ => self.restart(),
        }
        self.run_effects();
        // Mostly the log is fast.
        while self.random(3) > 0 && !self.appends.is_empty() {
            self.end_append();
            self.run_effects();
        }
    }

    fn token(&mut self, group: usize, client: usize) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.asked.insert(token, (group, client));
        token
    }

    fn who(&mut self) -> (usize, usize, Belief, Token) {
        let group = self.random(GROUPS.len() as u64) as usize;
        let client = self.random(6) as usize;
        let token = self.token(group, client);
        (group, client, self.beliefs[group][client].clone(), token)
    }

    fn context(&mut self) -> RequestContext<'static> {
        let mut member_uuid = [0; 16];
        member_uuid[..8].copy_from_slice(&self.next_token.to_be_bytes());
        let api_version = [0, 3, 5, 8, 9][self.random(5) as usize];
        RequestContext { api_version, client_id: "c", client_host: "/h", member_uuid }
    }

    /// The last two clients are static members.
    fn instance(client: usize) -> Option<&'static str> {
        [None, None, None, None, Some("one"), Some("two")][client]
    }

    fn join(&mut self) {
        let (group, client, mut belief, token) = self.who();
        if self.random(4) == 0 {
            belief.member_id.clear();
        }
        let sets: [&[&str]; 4] = [&["range"], &["range", "sticky"], &["sticky", "range"], &["sticky"]];
        let names = sets[self.random(4) as usize];
        let metadata = [b'm', self.random(2) as u8];
        let protocols = names.iter().map(|name| JoinGroupRequestProtocol {
            name: (*name).into(),
            metadata: metadata.to_vec().into(),
        });
        let request = JoinGroupRequest {
            group_id: GROUPS[group].into(),
            session_timeout_ms: 6_000,
            rebalance_timeout_ms: [1_000, 9_000][self.random(2) as usize],
            member_id: belief.member_id.into(),
            group_instance_id: Self::instance(client).map(Into::into),
            protocol_type: if self.random(20) == 0 { "connect".into() } else { "consumer".into() },
            protocols: protocols.collect(),
            reason: None,
        };
        let context = self.context();
        self.shard.handle_join_group(self.now_ms, context, &request, token, &mut self.effects);
    }

    fn sync(&mut self) {
        let (group, client, belief, token) = self.who();
        let assignments = self.beliefs[group].iter().map(|belief| SyncGroupRequestAssignment {
            member_id: belief.member_id.clone().into(),
            assignment: vec![self.next_token as u8].into(),
        });
        let request = SyncGroupRequest {
            group_id: GROUPS[group].into(),
            generation_id: belief.generation,
            member_id: belief.member_id.into(),
            group_instance_id: Self::instance(client).map(Into::into),
            assignments: assignments.collect(),
            ..Default::default()
        };
        self.shard.handle_sync_group(self.now_ms, &request, token, &mut self.effects);
    }

    fn heartbeat(&mut self) {
        let (group, client, belief, token) = self.who();
        let request = HeartbeatRequest {
            group_id: GROUPS[group].into(),
            generation_id: belief.generation,
            member_id: belief.member_id.into(),
            group_instance_id: Self::instance(client).map(Into::into),
        };
        self.shard.handle_heartbeat(self.now_ms, &request, token, &mut self.effects);
    }

    fn leave(&mut self) {
        let (group, client, belief, token) = self.who();
        let member = MemberIdentity {
            member_id: belief.member_id.into(),
            group_instance_id: Self::instance(client).map(Into::into),
            reason: None,
        };
        let request =
            LeaveGroupRequest { group_id: GROUPS[group].into(), members: vec![member], ..Default::default() };
        self.shard.handle_leave_group(self.now_ms, &request, token, &mut self.effects);
    }

    fn commit(&mut self) {
        let (group, client, mut belief, token) = self.who();
        if self.random(2) == 0 {
            belief = Belief { member_id: String::new(), generation: -1 };
        }
        let partition = OffsetCommitRequestPartition {
            partition_index: self.random(3) as i32,
            committed_offset: self.next_token as i64,
            ..Default::default()
        };
        let name = TOPICS[self.random(2) as usize];
        let request = OffsetCommitRequest {
            group_id: GROUPS[group].into(),
            generation_id_or_member_epoch: belief.generation,
            member_id: belief.member_id.clone().into(),
            group_instance_id: Self::instance(client)
                .filter(|_| !belief.member_id.is_empty())
                .map(Into::into),
            topics: vec![OffsetCommitRequestTopic {
                name: name.into(),
                topic_id: Uuid([1; 16]),
                partitions: vec![partition],
            }],
            ..Default::default()
        };
        let context = self.context();
        self.shard.handle_offset_commit(self.now_ms, context, &request, token, &mut self.effects);
    }

    fn fetch(&mut self) {
        let (group, _, _, token) = self.who();
        let request =
            OffsetFetchRequestGroup { group_id: GROUPS[group].into(), topics: None, ..Default::default() };
        let stable = self.random(2) == 0;
        self.shard.handle_offset_fetch(self.now_ms, &request, stable, token, &mut self.effects);
    }

    fn delete_offsets(&mut self) {
        let (group, _, _, token) = self.who();
        let request = OffsetDeleteRequest {
            group_id: GROUPS[group].into(),
            topics: vec![OffsetDeleteRequestTopic {
                name: TOPICS[self.random(2) as usize].into(),
                partitions: vec![OffsetDeleteRequestPartition { partition_index: self.random(3) as i32 }],
            }],
        };
        self.shard.handle_offset_delete(self.now_ms, &request, token, &mut self.effects);
    }

    fn delete_group(&mut self) {
        let (group, _, _, token) = self.who();
        self.shard.handle_delete_groups(self.now_ms, &[GROUPS[group]], token, &mut self.effects);
    }

    fn delete_topic(&mut self) {
        let name = TOPICS[self.random(2) as usize].to_owned();
        let topic = DeletedTopic { id: Uuid([1; 16]), name };
        self.shard.handle_topics_deleted(self.now_ms, &[topic], &mut self.effects);
    }

    /// The oldest append ends, now and then badly.
    fn end_append(&mut self) {
        let Some((id, records)) = self.appends.pop_front() else { return };
        if self.random(8) == 0 {
            let error = ErrorCode::NOT_ENOUGH_REPLICAS;
            self.shard.handle_append_failed(self.now_ms, id, error, &mut self.effects);
        } else {
            self.log.extend(records);
            self.shard.handle_committed(self.now_ms, id, &mut self.effects);
        }
    }

    fn tick(&mut self) {
        self.now_ms += [1, 500, 2_000, 10_000][self.random(4) as usize];
        self.shard.handle_timeout(self.now_ms, &mut self.effects);
    }

    /// What was committed is there again, and nothing else.
    fn restart(&mut self) {
        self.asked.clear();
        self.appends.clear();
        self.effects.clear();
        let mut shard = GroupShard::new(self.config.clone());
        for record in &self.log {
            shard.replay(&record.key, record.value.as_deref()).unwrap();
        }
        assert_eq!(shard.offsets(), self.shard.offsets());
        self.shard = shard;
        self.shard.handle_loaded(self.now_ms, &mut self.effects);
    }

    fn run_effects(&mut self) {
        for effect in std::mem::take(&mut self.effects) {
            self.trace.push(format!("{} {effect:?}", self.now_ms));
            match effect {
                Effect::Append { id, records, .. } => {
                    assert!(!records.is_empty());
                    self.appends.push_back((id, records));
                }
                Effect::Reply { token, response } => {
                    let (group, client) = self.asked.remove(&token).expect("a request is answered once");
                    if let Response::JoinGroup(response) = *response {
                        let knows =
                            matches!(response.error_code, ErrorCode::NONE | ErrorCode::MEMBER_ID_REQUIRED);
                        self.beliefs[group][client] = Belief {
                            member_id: if knows { response.member_id.into_owned() } else { String::new() },
                            generation: response.generation_id,
                        };
                    }
                }
            }
        }
    }

    /// Everything that is under way comes to its end, and then nobody is left without an answer.
    fn finish(&mut self) {
        while !self.appends.is_empty() {
            self.end_append();
            self.run_effects();
        }
        assert_eq!(self.shard.appends_under_way(), 0);
        self.shard.handle_resigned(self.now_ms, &mut self.effects);
        self.run_effects();
        let left: BTreeSet<&Token> = self.asked.keys().collect();
        assert!(left.is_empty(), "never answered: {left:?}");
    }
}
