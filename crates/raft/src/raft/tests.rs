//! Golden scripts of the quorum machine: `testdata/*.txt`, rewritten with `UPDATE_EXPECT=1`.

mod effects;
mod script;

use protocol::Uuid;

use script::Arguments;

use crate::{
    ControlRecord, Effect, Endpoint, QuorumState, Raft, RaftConfig, RecordGroup, ReplayedBatch, ReplicaKey,
    SnapshotId, SnapshotInfo, Voter, VoterSet, encode_snapshot_batches,
};

/// A node under a script.
#[derive(Default)]
struct Harness {
    config: Option<RaftConfig>,
    persisted: Option<QuorumState>,
    snapshots: Vec<SnapshotInfo>,
    raft: Option<Raft>,
}

fn number<T: std::str::FromStr>(arguments: &Arguments<'_>, name: &str) -> T {
    optional(arguments, name).unwrap_or_else(|| panic!("the command needs {name}="))
}

fn optional<T: std::str::FromStr>(arguments: &Arguments<'_>, name: &str) -> Option<T> {
    let text = arguments.get(name)?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn directory(id: i32) -> Uuid {
    Uuid([id as u8; 16])
}

fn voters(arguments: &Arguments<'_>) -> VoterSet {
    let ids = arguments.get("voters").copied().unwrap_or("").split(',').filter(|id| !id.is_empty());
    VoterSet::new(ids.map(|id| {
        let id: i32 = id.parse().expect("a voter is a number");
        let port = optional(arguments, "port").unwrap_or(9093);
        let endpoint = Endpoint { name: "CONTROLLER".to_owned(), host: "localhost".to_owned(), port };
        Voter::local(ReplicaKey::new(id, directory(id)), vec![endpoint])
    }))
}

impl Harness {
    fn run(&mut self, command: &str, arguments: &Arguments<'_>) -> String {
        let mut effects = Vec::new();
        let now_ms = optional(arguments, "now").unwrap_or(0);
        let text = match command {
            "node" => self.node(arguments),
            "persisted" => {
                self.persisted = Some(QuorumState {
                    epoch: number(arguments, "epoch"),
                    leader_id: optional(arguments, "leader"),
                    voted: None,
                });
                String::new()
            }
            "snapshot" => {
                self.snapshots.push(snapshot_info(arguments));
                String::new()
            }
            "load" => self.load(arguments, now_ms),
            "replay" => self.replay(arguments),
            "start" => outcome(self.raft().handle_start(now_ms, &mut effects).map(|()| "started".to_owned())),
            "append" => {
                let groups = arguments.get("records").copied().unwrap_or("").split('|');
                let groups = groups.filter(|group| !group.is_empty()).map(|group| RecordGroup {
                    records: group.split(',').map(|record| record.as_bytes().to_vec()).collect(),
                });
                let groups = groups.collect();
                outcome(
                    self.raft().handle_append(now_ms, groups, &mut effects).map(|end| format!("end {end}")),
                )
            }
            "append-failed" => {
                self.raft().handle_append_failed(number(arguments, "end"));
                String::new()
            }
            "flushed" => {
                self.raft().handle_flushed(now_ms, number(arguments, "end"), &mut effects);
                String::new()
            }
            "snapshot-written" => {
                let log_bytes = optional(arguments, "log-bytes").unwrap_or(0);
                self.raft().handle_snapshot_written(snapshot_info(arguments), log_bytes, &mut effects);
                String::new()
            }
            "snapshot-failed" => {
                self.raft().handle_snapshot_failed(snapshot_info(arguments).id);
                String::new()
            }
            "timeout" => {
                self.raft().handle_timeout(now_ms, &mut effects);
                String::new()
            }
            "poll" => format!("{:?}", self.raft().poll_timeout()),
            "shutdown" => {
                self.raft().handle_shutdown(&mut effects);
                String::new()
            }
            "view" => format!("{:#?}", self.raft().view(now_ms)),
            other => panic!("unknown command {other}"),
        };
        let mut lines: Vec<String> = if text.is_empty() { Vec::new() } else { vec![text] };
        lines.extend(effects.iter().map(effects::describe));
        lines.join("\n")
    }

    fn raft(&mut self) -> &mut Raft {
        self.raft.as_mut().expect("load comes first")
    }

    fn node(&mut self, arguments: &Arguments<'_>) -> String {
        let id = number(arguments, "id");
        let mut config = RaftConfig::new(id, directory(id));
        let port = optional(arguments, "port").unwrap_or(9093);
        config.endpoints.push(Endpoint { name: "CONTROLLER".to_owned(), host: "localhost".to_owned(), port });
        config.is_static_voter = arguments.contains_key("static");
        if let Some(bytes) = optional(arguments, "snapshot-bytes") {
            config.snapshot_record_bytes_max = bytes;
        }
        if let Some(bytes) = optional(arguments, "batch-bytes") {
            config.batch_bytes_max = bytes;
        }
        if let Some(interval) = optional(arguments, "snapshot-interval") {
            config.snapshot_interval_ms_max = interval;
        }
        if let Some(bytes) = optional(arguments, "retention-bytes") {
            config.retention_bytes_max = bytes;
        }
        if let Some(age) = optional(arguments, "retention-ms") {
            config.retention_ms_max = age;
        }
        *self = Harness { config: Some(config), ..Harness::default() };
        String::new()
    }

    /// Makes the node from what its disk holds; `voters` come from the bootstrap snapshot.
    fn load(&mut self, arguments: &Arguments<'_>, now_ms: i64) -> String {
        let config = self.config.clone().expect("node comes first");
        let mut raft = Raft::new(config, self.persisted.clone(), self.snapshots.clone(), now_ms);
        let kraft_version = optional(arguments, "kraft-version").unwrap_or(1);
        // What a directory for a fixed quorum holds says nothing of either.
        let control = match arguments.contains_key("no-voters") {
            true => Vec::new(),
            false => {
                vec![ControlRecord::KRaftVersion(kraft_version), ControlRecord::Voters(voters(arguments))]
            }
        };
        if raft.has_bootstrap_snapshot() {
            raft.load_snapshot_control(SnapshotId::BOOTSTRAP, &control);
        }
        let latest = raft.latest_snapshot();
        if let Some(id) = latest {
            raft.load_snapshot_control(id, &control);
        }
        self.raft = Some(raft);
        format!("latest snapshot {latest:?}")
    }

    fn replay(&mut self, arguments: &Arguments<'_>) -> String {
        let control = match arguments.contains_key("voters") {
            true => vec![ControlRecord::KRaftVersion(1), ControlRecord::Voters(voters(arguments))],
            false => Vec::new(),
        };
        let batch = ReplayedBatch {
            base_offset: number(arguments, "base"),
            last_offset: number(arguments, "last"),
            epoch: number(arguments, "epoch"),
            size_bytes: optional(arguments, "bytes").unwrap_or(100),
            control,
        };
        outcome(self.raft().replay_batch(&batch).map(|()| String::new()))
    }
}

fn snapshot_info(arguments: &Arguments<'_>) -> SnapshotInfo {
    SnapshotInfo {
        id: SnapshotId { offset: number(arguments, "offset"), epoch: number(arguments, "epoch") },
        size_bytes: optional(arguments, "bytes").unwrap_or(100),
        timestamp_ms: optional(arguments, "timestamp").unwrap_or(0),
    }
}

fn outcome(result: Result<String, crate::RaftError>) -> String {
    result.unwrap_or_else(|error| format!("error: {error}"))
}

#[test]
fn golden_scripts() {
    script::check_all(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"), || {
        let mut harness = Harness::default();
        move |command: &str, arguments: &Arguments<'_>| harness.run(command, arguments)
    });
}

#[test]
fn a_snapshot_is_framed_by_control_batches_and_cut_at_the_batch_size() {
    let control = [ControlRecord::KRaftVersion(1)];
    let values = (0..100_u8).map(|number| vec![number; 100]);
    let bytes = encode_snapshot_batches(4, 50, 40, &control, values, 1024).expect("it is encodable");
    let batches: Vec<_> = records::batches(&bytes).map(|batch| batch.expect("a batch")).collect();
    let (first, last) = (&batches[0], &batches[batches.len() - 1]);
    assert!(first.header.is_control() && last.header.is_control());
    assert_eq!((first.header.records_count, last.header.records_count), (2, 1));
    let mut next_offset = 0;
    for batch in &batches {
        batch.verify_crc().expect("the checksum is right");
        assert_eq!(batch.header.base_offset, next_offset, "a snapshot counts its own records");
        assert_eq!(batch.header.partition_leader_epoch, 4);
        assert!(batch.bytes.len() <= 1024);
        next_offset = batch.header.next_offset();
    }
    assert_eq!(next_offset, 2 + 100 + 1);
}

#[test]
fn a_record_larger_than_a_batch_is_refused_and_changes_nothing() {
    let mut harness = Harness::default();
    for (command, arguments) in [
        ("node", vec![("id", "1"), ("batch-bytes", "200")]),
        ("snapshot", vec![("offset", "0"), ("epoch", "0")]),
        ("load", vec![("voters", "1")]),
        ("start", vec![]),
    ] {
        harness.run(command, &arguments.into_iter().collect());
    }
    let raft = harness.raft();
    let before = raft.end_offset();
    let group = RecordGroup { records: vec![vec![7; 100], vec![8; 100]] };
    let mut effects: Vec<Effect> = Vec::new();
    assert!(
        raft.handle_append(1, vec![RecordGroup { records: vec![vec![1]] }, group], &mut effects).is_err()
    );
    assert_eq!((raft.end_offset(), effects.len()), (before, 0));
}
