//! One JSON line per run in bench/history.jsonl, so that figures can be followed over commits.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::Failure;
use crate::broker::Kind;
use crate::figures::{Bound, Figures, Verdict};

/// Appends the run.
pub fn append(repository: &Path, figures: &Figures, kinds: &[Kind], quick: bool) -> Result<(), Failure> {
    let mut scenarios = Map::new();
    for row in &figures.rows {
        let mut brokers = Map::new();
        for kind in kinds {
            if let (Some(median), Some(samples)) = (row.median(*kind), row.samples.get(kind)) {
                let rounded: Vec<f64> = samples.iter().map(|value| round(*value)).collect();
                brokers.insert(kind.to_string(), json!({"median": round(median), "samples": rounded}));
            }
        }
        let name = format!("{}/{}", row.scenario, row.figure.name);
        let mut entry = json!({"unit": row.figure.unit, "brokers": brokers});
        let verdicts = row.figure.bounds.iter().filter_map(|bound| row.judge(*bound));
        let verdicts: Vec<Value> = verdicts.map(|verdict| verdict_of(&verdict)).collect();
        if !verdicts.is_empty() {
            entry["bounds"] = Value::Array(verdicts);
        }
        scenarios.insert(name, entry);
    }
    let line = json!({
        "time": said_by("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"], repository),
        "commit": said_by("git", &["describe", "--always", "--dirty"], repository),
        "quick": quick,
        "machine": machine(),
        "figures": scenarios,
    });
    let directory = repository.join("bench");
    fs::create_dir_all(&directory)?;
    let mut file = File::options().create(true).append(true).open(directory.join("history.jsonl"))?;
    writeln!(file, "{line}")?;
    Ok(())
}

fn verdict_of(verdict: &Verdict) -> Value {
    let (times, of) = match verdict.bound {
        Bound::Times(times, kind) => (times, json!(kind.to_string())),
        Bound::Value(value) => (value, Value::Null),
    };
    json!({
        "bound": times,
        "of": of,
        "ratio": round(verdict.ratio),
        "met": verdict.is_met,
        "rounds": [verdict.rounds.0, verdict.rounds.1],
    })
}

fn said_by(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(directory).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn machine() -> Value {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = processors.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim()).to_owned()
    };
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({"cores": cores, "processor": field("model name"), "kernel": release.trim()})
}

/// Four figures that count; more is noise.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}
