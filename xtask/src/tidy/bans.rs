//! What a room's code may not touch.

use super::SourceFile;
use super::arrows::{Kind, kind_of};

/// Words that are banned in some kinds of rooms, and what to write there.
struct Ban {
    needle: &'static str,
    kinds: &'static [Kind],
    fix: &'static str,
}

const DETERMINISTIC: &[Kind] = &[Kind::Words, Kind::Core];
const SIMULATED: &[Kind] = &[Kind::Words, Kind::Core, Kind::Shell];
const ALL_BUT_DOOR: &[Kind] = &[Kind::Words, Kind::Core, Kind::Shell, Kind::Tool];
const EVERYWHERE: &[Kind] = &[Kind::Words, Kind::Core, Kind::Door, Kind::Shell, Kind::Tool];

const fn ban(needle: &'static str, kinds: &'static [Kind], fix: &'static str) -> Ban {
    Ban { needle, kinds, fix }
}

static BANS: &[Ban] = &[
    ban("SystemTime", SIMULATED, "take `now_ms` as an argument, or ask platform::Clock"),
    ban(
        "std::time::Instant",
        SIMULATED,
        "take `now_ms` as an argument, or use tokio::time::Instant in a shell",
    ),
    ban("Instant::now", DETERMINISTIC, "take `now_ms` as an argument"),
    ban("std::fs", SIMULATED, "go through platform::Disk"),
    ban("tokio::fs", SIMULATED, "go through platform::Disk"),
    ban("std::thread", SIMULATED, "cores start nothing; shells use tokio::spawn or platform::Blocking"),
    ban("thread::spawn", SIMULATED, "cores start nothing; shells use tokio::spawn or platform::Blocking"),
    ban("spawn_blocking", ALL_BUT_DOOR, "use platform::Blocking, which the simulation runs inline"),
    ban("rand", SIMULATED, "take random values as arguments, or ask platform::Rng"),
    ban("getrandom", SIMULATED, "take random values as arguments, or ask platform::Rng"),
    ban("RandomState", SIMULATED, "use BTreeMap or IndexMap"),
    ban("std::net", DETERMINISTIC, "cores know no sockets; core::net holds the plain address types"),
    ban("TcpListener", SIMULATED, "go through platform::Net"),
    ban("TcpStream", SIMULATED, "go through platform::Net"),
    ban("UdpSocket", SIMULATED, "go through platform::Net"),
    ban("tokio", DETERMINISTIC, "cores have no async"),
    ban("async fn", DETERMINISTIC, "cores have no async"),
    ban("std::env", SIMULATED, "take settings as arguments"),
    ban("std::process", SIMULATED, "end through an error that the command line handles"),
    ban("println!", SIMULATED, "return it, or log it with tracing"),
    ban("eprintln!", SIMULATED, "return it, or log it with tracing"),
    ban("todo!", EVERYWHERE, "write it, or leave it out"),
    ban("unimplemented!", EVERYWHERE, "write it, or leave it out"),
    ban(".unwrap()", EVERYWHERE, "return the error, or expect(\"why it cannot happen\")"),
];

/// Iteration over maps whose order changes from run to run.
const HASH_TYPES: [&str; 2] = ["HashMap", "HashSet"];
const ITERATING: [&str; 9] = [
    ".iter()",
    ".iter_mut()",
    ".keys()",
    ".values()",
    ".values_mut()",
    ".into_iter()",
    ".drain(",
    ".retain(",
    ".into_values()",
];

pub(crate) fn check(file: &SourceFile, violations: &mut Vec<String>) {
    if file.text.contains("#[ignore") && !file.path.starts_with("xtask/src/tidy") {
        violations.push(format!("{}:1: an ignored test; mend it or delete it", file.path));
    }
    let Some(kind) = kind_of(file.crate_name()) else { return };
    if file.is_test() {
        return;
    }
    for ban in BANS.iter().filter(|ban| ban.kinds.contains(&kind)) {
        for line in file.lines_with(ban.needle) {
            violations
                .push(format!("{}:{line}: `{}` is not for this crate: {}", file.path, ban.needle, ban.fix));
        }
    }
    if matches!(kind, Kind::Words | Kind::Core | Kind::Shell) {
        check_hash_iteration(file, violations);
        check_select(file, violations);
    }
}

/// Finds names declared with a hash type in this file, and places that walk through them.
fn check_hash_iteration(file: &SourceFile, violations: &mut Vec<String>) {
    let mut names: Vec<&str> = Vec::new();
    for hash_type in HASH_TYPES {
        for (at, _) in file.code.match_indices(hash_type) {
            names.extend(declared_name(&file.code[..at]));
        }
    }
    names.sort_unstable();
    names.dedup();
    for name in names {
        let walks = ITERATING.iter().map(|call| format!("{name}{call}"));
        let loops = ["in &", "in &mut ", "in "].iter().map(|prefix| format!("{prefix}{name} {{"));
        let own_loops = ["in &", "in &mut ", "in "].iter().map(|prefix| format!("{prefix}self.{name} {{"));
        for needle in walks.chain(loops).chain(own_loops) {
            for line in file.lines_with(&needle) {
                violations.push(format!(
                    "{}:{line}: walks through the hash map `{name}`, in an order that differs from run to run; \
                     use BTreeMap or IndexMap",
                    file.path
                ));
            }
        }
    }
}

/// The name in `name: HashMap` or `let name = HashMap`, given the code before the type.
fn declared_name(before: &str) -> Option<&str> {
    let before = before.trim_end().trim_end_matches("std::collections::").trim_end_matches('&').trim_end();
    let before = before.strip_suffix(':').or_else(|| before.strip_suffix('='))?.trim_end();
    let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    let name = &before[start..];
    (!name.is_empty()).then_some(name)
}

/// `tokio::select!` polls its branches in random order unless it is `biased`.
fn check_select(file: &SourceFile, violations: &mut Vec<String>) {
    for (at, _) in file.code.match_indices("select!") {
        let body = file.code[at + "select!".len()..].trim_start();
        if !body.trim_start_matches(['{', '(']).trim_start().starts_with("biased;") {
            let line = file.line_of(at);
            violations.push(format!("{}:{line}: `select!` without `biased;` is not repeatable", file.path));
        }
    }
}
