//! What was found: differences by kind, accepted or not, and what ran. Owns counting and how the result reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use crate::compare::Difference;
use crate::tables::Accepted;
use crate::value::Value;

/// One difference with the run that showed it.
struct Found {
    case: String,
    version: i16,
    path: String,
    pattern_path: String,
    kafka: String,
    ours: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { case, version, path, kafka, ours, .. } = self;
        write!(f, "{case} v{version} | {path} | Kafka {kafka} | ours {ours}")
    }
}

/// All that a run found.
pub struct Report {
    /// Requests sent to each broker and compared.
    pub requests: u64,
    accepted: Vec<Accepted>,
    hits: Vec<u64>,
    found: Vec<Found>,
    failures: Vec<String>,
    tested: BTreeMap<String, BTreeSet<i16>>,
    is_quiet: bool,
    /// Takes each difference as it is found, for who does not want to wait.
    log: Option<File>,
}

impl Report {
    /// An empty report.
    pub fn new(accepted: Vec<Accepted>, is_quiet: bool, log: Option<File>) -> Report {
        let hits = vec![0; accepted.len()];
        Report {
            requests: 0,
            accepted,
            hits,
            found: Vec::new(),
            failures: Vec::new(),
            tested: BTreeMap::new(),
            is_quiet,
            log,
        }
    }

    /// Counts a request under test.
    pub fn tested(&mut self, api: &str, version: i16) {
        self.tested.entry(api.to_owned()).or_default().insert(version);
    }

    /// Takes in a difference. A version of -1 is a case without versions.
    pub fn difference(&mut self, case: &str, version: i16, difference: Difference) {
        let pattern_path = difference.pattern_path();
        let show = |value: &Option<Value>| value.as_ref().map_or("absent".to_owned(), Value::to_string);
        let (kafka, ours) =
            (named(&pattern_path, &show(&difference.kafka)), named(&pattern_path, &show(&difference.ours)));
        let entry = self.accepted.iter().position(|accepted| {
            accepted.matches(case, version, &difference.path, &kafka, &ours)
                || accepted.matches(case, version, &pattern_path, &kafka, &ours)
        });
        match entry {
            Some(at) => self.hits[at] += 1,
            None => {
                let found = Found {
                    case: case.to_owned(),
                    version,
                    path: difference.path,
                    pattern_path,
                    kafka,
                    ours,
                };
                if let Some(log) = &mut self.log {
                    let _ = writeln!(log, "{found}");
                }
                self.found.push(found);
            }
        }
    }

    /// Takes in something that kept a case from running.
    pub fn failure(&mut self, text: String) {
        eprintln!("FAILED {text}");
        self.failures.push(text);
    }

    /// Says that a case is done.
    pub fn progress(&self, api: &str, case: &str, requests: u64, took: Duration) {
        if !self.is_quiet {
            let open = self.found.len();
            eprintln!(
                "{api}/{case}: {requests} requests, {:.1} s; {open} differences so far",
                took.as_secs_f64()
            );
        }
    }

    /// An API that is served and has no case at some version is a hole in the tables.
    pub fn holes(&mut self, served: impl Iterator<Item = (String, i16, i16)>) {
        for (api, min, max) in served {
            let tested = self.tested.get(&api);
            let missing: Vec<i16> = (min..=max)
                .filter(|version| !tested.is_some_and(|tested| tested.contains(version)))
                .collect();
            if !missing.is_empty() {
                self.failures.push(format!("{api} is served and has no case at versions {missing:?}"));
            }
        }
    }

    /// The result as text, and whether all is well. `is_whole` says that every case ran.
    pub fn render(&self, is_whole: bool, lists_all: bool) -> (String, bool) {
        let mut out = String::new();
        let stale = self.stale(is_whole);
        if lists_all {
            self.list(&mut out);
        } else {
            self.groups(&mut out);
        }
        for failure in &self.failures {
            let _ = writeln!(out, "FAILED {failure}");
        }
        for entry in &stale {
            let _ = writeln!(out, "{}: matches nothing any more; take it out", entry.place);
        }
        let tested: usize = self.tested.values().map(BTreeSet::len).sum();
        let accepted: u64 = self.hits.iter().sum();
        let _ = writeln!(
            out,
            "{} requests compared; {} APIs at {tested} versions; {} differences, {accepted} accepted by {} entries, {} failures",
            self.requests,
            self.tested.len(),
            self.found.len(),
            self.hits.iter().filter(|hits| **hits > 0).count(),
            self.failures.len() + stale.len(),
        );
        (out, self.found.is_empty() && self.failures.is_empty() && stale.is_empty())
    }

    fn stale(&self, is_whole: bool) -> Vec<&Accepted> {
        let unused = self.accepted.iter().zip(&self.hits).filter(|(_, hits)| **hits == 0);
        if is_whole { unused.map(|(entry, _)| entry).collect() } else { Vec::new() }
    }

    fn list(&self, out: &mut String) {
        for found in &self.found {
            let _ = fmt::Write::write_fmt(out, format_args!("{found}\n"));
        }
    }

    /// Differences of one kind together: many variations stumble over one cause.
    fn groups(&self, out: &mut String) {
        let mut groups: BTreeMap<(&str, &str, &str, &str), Vec<&Found>> = BTreeMap::new();
        for found in &self.found {
            let api = found.case.split('/').next().unwrap_or_default();
            groups.entry((api, &found.pattern_path, &found.kafka, &found.ours)).or_default().push(found);
        }
        let mut last_api = "";
        for ((api, path, kafka, ours), group) in groups {
            if api != last_api {
                let _ = writeln!(out, "\n{api}");
                last_api = api;
            }
            let _ = writeln!(out, "  {path}: Kafka {kafka}, ours {ours}  ×{}", group.len());
            let mut by_case: BTreeMap<&str, Vec<i16>> = BTreeMap::new();
            for found in group {
                by_case.entry(&found.case).or_default().push(found.version);
            }
            let count = by_case.len();
            for (case, versions) in by_case.into_iter().take(4) {
                let _ = writeln!(out, "      {case} {}", ranges(&versions));
            }
            if count > 4 {
                let _ = writeln!(out, "      and {} more", count - 4);
            }
        }
    }
}

/// Error codes read better with their names.
fn named(path: &str, shown: &str) -> String {
    match shown.parse::<i16>() {
        Ok(code) if path.ends_with("ErrorCode") => format!("{code} {}", crate::errors::name(code)),
        _ => shown.to_owned(),
    }
}

fn ranges(versions: &[i16]) -> String {
    let mut sorted = versions.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut out: Vec<String> = Vec::new();
    let mut at = 0;
    while at < sorted.len() {
        let mut end = at;
        while end + 1 < sorted.len() && sorted[end + 1] == sorted[end] + 1 {
            end += 1;
        }
        out.push(if end == at {
            format!("v{}", sorted[at])
        } else {
            format!("v{}-{}", sorted[at], sorted[end])
        });
        at = end + 1;
    }
    out.join(",")
}
