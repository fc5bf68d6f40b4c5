//! Plays the shell: a clock, a log, and the names under which the script knows its clients.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use coordinator::{AppendId, LogRecord, Token};
use protocol::{ErrorCode, JoinGroupResponse};

use super::arguments::Arguments;
use super::render;
use crate::{Effect, GroupCoordinatorConfig, GroupShard, Response};

/// What the script knows of one client.
#[derive(Default)]
pub(super) struct Client {
    pub member_id: String,
    pub generation: i32,
}

pub(super) struct Driver {
    pub shard: GroupShard,
    pub config: GroupCoordinatorConfig,
    pub now_ms: i64,
    pub effects: Vec<Effect>,
    pub clients: BTreeMap<String, Client>,
    tokens: BTreeMap<Token, String>,
    next_token: u64,
    next_uuid: u8,
    log: Vec<LogRecord>,
    appends: VecDeque<(AppendId, Vec<LogRecord>)>,
    holds: bool,
    output: String,
}

impl Driver {
    pub fn new() -> Driver {
        let config = GroupCoordinatorConfig::default();
        let mut shard = GroupShard::new(config.clone());
        shard.handle_loaded(0, &mut Vec::new());
        Driver {
            shard,
            config,
            now_ms: 0,
            effects: Vec::new(),
            clients: BTreeMap::new(),
            tokens: BTreeMap::new(),
            next_token: 0,
            next_uuid: 0,
            log: Vec::new(),
            appends: VecDeque::new(),
            holds: false,
            output: String::new(),
        }
    }

    /// Runs one command and returns what happened.
    pub fn command(&mut self, line: &str) -> String {
        let arguments = Arguments::parse(line);
        match arguments.word(0) {
            "config" => self.configure(&arguments),
            "tick" => self.tick(arguments.word(1).parse().unwrap()),
            "hold" => self.holds = true,
            "release" => {
                self.holds = false;
                self.settle();
            }
            "commit" => self.commit_oldest(),
            "fail" => self.fail_oldest(arguments.word(1)),
            "restart" => self.restart(),
            "resign" => {
                self.appends.clear();
                self.shard.handle_resigned(self.now_ms, &mut self.effects);
                self.settle();
            }
            "forget" => {
                self.clients.remove(arguments.word(1));
            }
            "log" => {
                for line in render::compacted(&self.log) {
                    self.say(&line);
                }
            }
            "timeout" => {
                let line = format!("next timeout {:?}", self.shard.poll_timeout());
                self.say(&line);
            }
            _ => self.request(&arguments),
        }
        std::mem::take(&mut self.output)
    }

    /// A new token under which answers are printed as `label`.
    pub fn token(&mut self, label: &str) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        self.tokens.insert(token, label.to_owned());
        token
    }

    /// Bytes for the next member id, all different.
    pub fn uuid(&mut self) -> [u8; 16] {
        self.next_uuid += 1;
        [self.next_uuid; 16]
    }

    pub fn say(&mut self, line: &str) {
        let mut line = line.to_owned();
        for (label, client) in &self.clients {
            if !client.member_id.is_empty() {
                line = line.replace(&client.member_id, &format!("${label}"));
            }
        }
        writeln!(self.output, "{line}").unwrap();
    }

    /// Does what the shard has asked for, until it asks for nothing more.
    pub fn settle(&mut self) {
        loop {
            let effects = std::mem::take(&mut self.effects);
            // Member ids are printed as the names of their clients, so those come first.
            for effect in &effects {
                if let Effect::Reply { token, response } = effect
                    && let Response::JoinGroup(response) = &**response
                {
                    let label = self.tokens[token].clone();
                    self.note_join(&label, response);
                }
            }
            for effect in effects {
                match effect {
                    Effect::Reply { token, response } => self.answer(token, *response),
                    Effect::Append { id, records, atomic } => {
                        assert!(!records.is_empty());
                        let cut = if atomic { "" } else { " (may be cut)" };
                        for record in &records {
                            let line = format!("append {}{cut}: {}", id.0, render::record(record));
                            self.say(&line);
                        }
                        self.appends.push_back((id, records));
                    }
                }
            }
            if self.holds || self.appends.is_empty() {
                return;
            }
            self.end_oldest(None);
        }
    }

    fn answer(&mut self, token: Token, response: Response) {
        let label = self.tokens.remove(&token).expect("a request is answered once");
        let line = format!("{label} <- {}", render::response(&response));
        self.say(&line);
    }

    fn note_join(&mut self, label: &str, response: &JoinGroupResponse<'_>) {
        let client = self.clients.entry(label.to_owned()).or_default();
        if matches!(response.error_code, ErrorCode::NONE | ErrorCode::MEMBER_ID_REQUIRED) {
            client.member_id = response.member_id.to_string();
            client.generation = response.generation_id;
        }
    }

    fn commit_oldest(&mut self) {
        self.end_oldest(None);
        self.settle();
    }

    fn fail_oldest(&mut self, error: &str) {
        let error = ErrorCode::all().find(|code| code.name() == error).unwrap();
        self.end_oldest(Some(error));
        self.settle();
    }

    fn end_oldest(&mut self, error: Option<ErrorCode>) {
        let (id, records) = self.appends.pop_front().expect("an append is under way");
        match error {
            None => {
                self.log.extend(records);
                self.shard.handle_committed(self.now_ms, id, &mut self.effects);
            }
            Some(error) => self.shard.handle_append_failed(self.now_ms, id, error, &mut self.effects),
        }
    }

    /// Lets time pass, stopping wherever the shard wants to be called.
    fn tick(&mut self, ms: i64) {
        let until_ms = self.now_ms + ms;
        while let Some(deadline_ms) = self.shard.poll_timeout().filter(|deadline_ms| *deadline_ms <= until_ms)
        {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.shard.handle_timeout(self.now_ms, &mut self.effects);
            let before = self.output.len();
            self.settle();
            if self.output.len() > before {
                let happened = self.output.split_off(before);
                writeln!(self.output, "at {}", self.now_ms).unwrap();
                self.output.push_str(&happened);
            }
        }
        self.now_ms = until_ms;
    }

    /// A crash: what is not in the log is gone, parked requests are never answered.
    fn restart(&mut self) {
        self.tokens.clear();
        self.appends.clear();
        self.effects.clear();
        self.shard = GroupShard::new(self.config.clone());
        for record in &self.log {
            self.shard.replay(&record.key, record.value.as_deref()).unwrap();
        }
        self.shard.handle_loaded(self.now_ms, &mut self.effects);
        self.settle();
    }

    fn configure(&mut self, arguments: &Arguments<'_>) {
        let config = &mut self.config;
        config.group_max_size = arguments.number("max_size", config.group_max_size);
        config.initial_rebalance_delay_ms =
            arguments.number("initial_delay_ms", config.initial_rebalance_delay_ms);
        config.offset_metadata_max_bytes =
            arguments.number("metadata_max_bytes", config.offset_metadata_max_bytes);
        config.offsets_retention_ms = arguments.number("retention_ms", config.offsets_retention_ms);
        config.offsets_retention_check_interval_ms =
            arguments.number("check_interval_ms", config.offsets_retention_check_interval_ms);
        self.restart();
    }
}
