//! Which crate may depend on which. A new arrow is a decision: it needs a record in docs/decisions and a line here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// What a crate is allowed to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Names, tables, encodings: no behaviour towards the world.
    Words,
    /// Sans-IO and deterministic.
    Core,
    /// The door to the machine.
    Door,
    /// Async or on disk, and simulated: reaches the machine only through the door.
    Shell,
    /// What a person or a test runs.
    Tool,
}

/// A crate and its arrows.
pub(crate) struct Room {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) may_use: &'static [&'static str],
}

const fn room(name: &'static str, kind: Kind, may_use: &'static [&'static str]) -> Room {
    Room { name, kind, may_use }
}

/// All rooms, in reading order.
pub(crate) static ROOMS: &[Room] = &[
    room("config", Kind::Words, &[]),
    room("records", Kind::Words, &[]),
    room("protocol", Kind::Words, &[]),
    room("metadata", Kind::Core, &["protocol"]),
    room("raft", Kind::Core, &["protocol", "records"]),
    room("controller", Kind::Core, &["config", "metadata", "protocol"]),
    room("replication", Kind::Core, &["protocol"]),
    room("quota", Kind::Core, &[]),
    room("client-metrics", Kind::Core, &["config", "protocol", "records"]),
    room("coordinator", Kind::Core, &["protocol", "records"]),
    room("group-coordinator", Kind::Core, &["config", "coordinator", "metadata", "protocol", "records"]),
    room("platform", Kind::Door, &[]),
    room("storage", Kind::Shell, &["config", "platform", "protocol", "records"]),
    room("network", Kind::Shell, &["config", "platform", "protocol"]),
    room("client", Kind::Shell, &["config", "platform", "protocol", "records"]),
    room(
        "broker",
        Kind::Shell,
        &[
            "client-metrics",
            "config",
            "controller",
            "coordinator",
            "group-coordinator",
            "metadata",
            "network",
            "platform",
            "protocol",
            "quota",
            "raft",
            "records",
            "replication",
            "storage",
        ],
    ),
    room("cli", Kind::Tool, &["broker", "client", "config", "platform", "protocol", "records", "storage"]),
    room("testkit", Kind::Tool, &["broker", "client", "config", "platform", "protocol", "records"]),
    room("sim", Kind::Tool, &["broker", "client", "config", "platform", "protocol", "records", "testkit"]),
    room("storage-sim", Kind::Tool, &["platform", "protocol", "records", "storage"]),
    room("bench", Kind::Tool, &["broker", "client", "config", "platform", "protocol", "records", "testkit"]),
    room("crash", Kind::Tool, &["platform", "protocol", "records"]),
    room("differential", Kind::Tool, &["records"]),
    room("xtask", Kind::Tool, &["config"]),
];

/// Crates that words and cores never reach, not even through others.
const MACHINE: [&str; 12] = [
    "async-std",
    "broker",
    "client",
    "mio",
    "network",
    "platform",
    "rand",
    "rustix",
    "smol",
    "socket2",
    "storage",
    "tokio",
];

/// Crates that must not be in the shipped program at all.
const NEVER_SHIPPED: [&str; 5] = ["kafka-protocol", "openssl", "openssl-sys", "protobuf", "rdkafka-sys"];

pub(crate) fn kind_of(crate_name: &str) -> Option<Kind> {
    ROOMS.iter().find(|room| room.name == crate_name).map(|room| room.kind)
}

/// Compares `cargo metadata` with the table.
pub(crate) fn check(root: &Path, violations: &mut Vec<String>) -> Result<(), String> {
    let graph = Graph::load(root)?;
    for name in &graph.members {
        let direct = graph.direct(name);
        let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
            violations.push(format!("{name}: a crate without a line in xtask/src/tidy/arrows.rs"));
            continue;
        };
        for used in direct.iter().filter(|used| graph.members.contains(*used)) {
            if !room.may_use.contains(&used.as_str()) {
                violations.push(format!(
                    "{name}: depends on {used}, an arrow that xtask/src/tidy/arrows.rs does not allow; \
                     a new arrow needs a decision record"
                ));
            }
        }
        if matches!(room.kind, Kind::Words | Kind::Core) {
            let reached = graph.reached(name);
            for machine in MACHINE.iter().filter(|machine| reached.contains(**machine)) {
                violations.push(format!(
                    "{name}: reaches {machine}; cores do no IO, read no clock and draw no lots"
                ));
            }
        }
    }
    for room in ROOMS.iter().filter(|room| !graph.members.contains(room.name)) {
        violations.push(format!("{}: in xtask/src/tidy/arrows.rs, but there is no such crate", room.name));
    }
    let shipped = graph.reached("cli");
    for never in NEVER_SHIPPED.iter().filter(|never| shipped.contains(**never)) {
        violations.push(format!("cli: the shipped program contains {never}"));
    }
    Ok(())
}

/// Normal and build dependencies by crate name, as cargo resolved them.
struct Graph {
    members: BTreeSet<String>,
    edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    fn load(root: &Path) -> Result<Graph, String> {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--all-features"])
            .current_dir(root)
            .output()
            .map_err(|error| format!("cargo metadata: {error}"))?;
        if !output.status.success() {
            return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let metadata: Value =
            serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
        Ok(Graph::from_metadata(&metadata))
    }

    fn from_metadata(metadata: &Value) -> Graph {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let names: BTreeMap<String, String> = list(&metadata["packages"])
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let name_of = |id: &Value| names.get(&text(id)).cloned().unwrap_or_default();
        let members = list(&metadata["workspace_members"]).iter().map(name_of).collect();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let used = edges.entry(name_of(&node["id"])).or_default();
            for dependency in list(&node["deps"]) {
                let is_dev_only = list(&dependency["dep_kinds"]).iter().all(|kind| kind["kind"] == "dev");
                if !is_dev_only {
                    used.insert(name_of(&dependency["pkg"]));
                }
            }
        }
        Graph { members, edges }
    }

    fn direct(&self, name: &str) -> BTreeSet<String> {
        self.edges.get(name).cloned().unwrap_or_default()
    }

    fn reached(&self, name: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(next) = open.pop() {
            for used in self.direct(&next) {
                if reached.insert(used.clone()) {
                    open.push(used);
                }
            }
        }
        reached
    }
}
