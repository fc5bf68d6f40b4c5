//! Damaged logs: looked at, shown and mended on a stopped node, which then serves everything but what is lost.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::node::NodeProcess;
use crate::{klamm, printed, shown};

/// Records of one line each, enough of them for several segments.
const RECORDS: usize = 3000;

/// A stopped node with one log, `t-0`, of which the first segment is sealed.
struct Stopped {
    _folder: tempfile::TempDir,
    data: PathBuf,
}

impl Stopped {
    fn new() -> Stopped {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let node = NodeProcess::dev(&data);
        printed(&node.klamm(&["topic", "create", "t", "--config", "segment.bytes=1048576"]));
        for part in 0..10 {
            let lines: String = (part * RECORDS / 10..(part + 1) * RECORDS / 10).map(line).collect();
            printed(&node.klamm_with_input(&["produce", "t", "-f", "lines"], lines.as_bytes()));
        }
        assert_eq!(node.terminate(), Some(0));
        Stopped { _folder: folder, data }
    }

    fn log(&self) -> PathBuf {
        self.data.join("t-0")
    }

    fn segment(&self, base: i64) -> PathBuf {
        self.log().join(format!("{base:020}.log"))
    }

    fn verify(&self) -> (i32, Value) {
        let output = klamm(&["segment", "verify", &text(&self.data), "-o", "json"]);
        let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let logs = shown[0]["logs"].as_array().expect("logs").clone();
        let log = logs.into_iter().find(|log| log["log"] == "t-0").expect("the log");
        (output.status.code().expect("it ends"), log)
    }

    /// The node, killed while it wrote to a topic of this name only.
    fn kill_at_work_on(&self, topic: &str) {
        let node = NodeProcess::dev(&self.data);
        printed(&node.klamm(&["produce", topic, "one"]));
        node.kill9();
    }

    /// The node, killed at work; everything before its last start is proven.
    fn kill_at_work(&self) {
        let node = NodeProcess::dev(&self.data);
        printed(&node.klamm(&["produce", "other", "one"]));
        printed(&node.klamm_with_input(&["produce", "t", "-f", "lines"], line(RECORDS).as_bytes()));
        node.kill9();
    }

    /// Waits until a node that was started has found the damage of the log, and gives its report.
    fn await_damage(&self) -> PathBuf {
        let report = self.log().join("klamm-damage");
        while !report.exists() {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        report
    }

    fn consumed(&self) -> String {
        let node = NodeProcess::dev(&self.data);
        let values = printed(&node.klamm(&["consume", "t", "-o", "start", "--exit", "-f", "%o %v\\n"]));
        assert_eq!(node.terminate(), Some(0));
        values
    }
}

fn line(number: usize) -> String {
    format!("{number:05}-{}\n", "x".repeat(1000))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What a consumer gets of the offsets outside a range.
fn all_but(lost: std::ops::Range<i64>) -> String {
    first_but(RECORDS, lost)
}

fn first_but(records: usize, lost: std::ops::Range<i64>) -> String {
    (0..records)
        .filter(|number| !lost.contains(&(*number as i64)))
        .map(|number| format!("{number} {}", line(number)))
        .collect()
}

/// Start of each batch of a file.
fn batches(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut starts) = (0, Vec::new());
    while at < bytes.len() {
        starts.push(at);
        at += 12 + i32::from_be_bytes(bytes[at + 8..at + 12].try_into().expect("four bytes")) as usize;
    }
    starts
}

fn base_offset(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("read");
    bytes[at] ^= 4;
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn a_rotten_batch_is_named_given_up_and_everything_else_is_served() {
    let stopped = Stopped::new();
    let (code, log) = stopped.verify();
    assert_eq!((code, &log["state"], log["end_offset"].as_i64()), (0, &"ok".into(), Some(RECORDS as i64)));
    let first = stopped.segment(0);
    let bytes = std::fs::read(&first).expect("read");
    let starts = batches(&bytes);
    assert!(log["segments"].as_array().expect("segments").len() > 1 && starts.len() > 3, "{log}");
    let middle = starts.len() / 2;
    let (from, to) = (starts[middle], starts[middle + 1]);
    let (lost, end) = (base_offset(&bytes, from), base_offset(&bytes, to));
    flip(&first, from + 300);

    let (code, log) = stopped.verify();
    assert_eq!((code, &log["state"]), (1, &"damaged".into()));
    let damage = &log["damages"][0];
    let number = |key: &str| damage[key].as_i64().expect("a number");
    assert_eq!((number("from"), number("to")), (from as i64, to as i64));
    assert_eq!((number("first_offset"), number("end_offset")), (lost, end));
    assert_eq!(damage["mendable"], false);

    let log_dir = text(&stopped.log());
    let refused = shown(&klamm(&["segment", "repair", &log_dir]));
    assert!(refused.starts_with("1\nwould be lost: t-0 of "), "{refused}");
    assert!(refused.contains("--accept-data-loss"), "{refused}");
    let unasked = shown(&klamm(&["segment", "repair", &log_dir, "--accept-data-loss"]));
    assert!(unasked.starts_with("2\n") && unasked.contains("--yes"), "{unasked}");
    assert_eq!(stopped.verify().0, 1, "nothing was changed");

    printed(&klamm(&["segment", "repair", &log_dir, "--accept-data-loss", "--yes"]));
    let audit = std::fs::read_to_string(stopped.data.join("klamm-data-loss.jsonl")).expect("written down");
    let audit: Value = serde_json::from_str(audit.trim_end()).expect("one line of JSON");
    assert_eq!((audit["first_offset"].as_i64(), audit["end_offset"].as_i64()), (Some(lost), Some(end)));
    let kept = std::fs::read(audit["kept_in"].as_str().expect("a path")).expect("kept");
    assert_eq!(kept.len(), to - from);
    let (code, log) = stopped.verify();
    assert_eq!((code, &log["state"], log["end_offset"].as_i64()), (0, &"ok".into(), Some(RECORDS as i64)));
    assert!(stopped.consumed() == all_but(lost..end), "everything else is there, at its offset");
}

/// The whole way: a node is killed, a bit rots, the next start keeps the partition offline and serves all others, the tool
/// names the place and gives it up, and then everything else is served.
#[test]
fn rot_after_a_kill_is_reported_named_given_up_and_everything_else_is_served() {
    let stopped = Stopped::new();
    stopped.kill_at_work();
    let first = stopped.segment(0);
    let bytes = std::fs::read(&first).expect("read");
    let starts = batches(&bytes);
    let (from, to) = (starts[1], starts[2]);
    let (lost, end) = (base_offset(&bytes, from), base_offset(&bytes, to));
    flip(&first, from + 300);
    let rotten = std::fs::read(&first).expect("read");

    let node = NodeProcess::dev(&stopped.data);
    let report = stopped.await_damage();
    let told: Value = serde_json::from_slice(&std::fs::read(&report).expect("read")).expect("a line of JSON");
    let number = |value: &Value, key: &str| value[key].as_i64().expect("a number");
    let place = |value: &Value| {
        ["first_offset", "end_offset", "from", "to"].map(|key| value[key].as_i64().expect("a number"))
    };
    assert_eq!(place(&told), [lost, end, from as i64, to as i64]);
    assert!(told["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{told}");
    let in_no_time = ["-X", "delivery.timeout.ms=500", "-X", "request.timeout.ms=400", "-X", "linger.ms=0"];
    let refused = shown(&node.klamm(&[in_no_time.as_slice(), &["produce", "t", "x"]].concat()));
    assert!(refused.contains("delivery to t-0 did not succeed"), "{refused}");
    printed(&node.klamm(&["produce", "other", "two"]));
    let values = printed(&node.klamm(&["consume", "other", "-o", "start", "--exit", "-f", "%v\\n"]));
    assert_eq!(values, "one\ntwo\n");
    assert_eq!(node.terminate(), Some(0));
    assert!(std::fs::read(&first).expect("read") == rotten, "nothing is cut");

    let (code, log) = stopped.verify();
    assert_eq!((code, &log["state"]), (1, &"damaged".into()));
    assert_eq!(place(&log["damages"][0]), [lost, end, from as i64, to as i64]);
    let log_dir = text(&stopped.log());
    let refused = shown(&klamm(&["segment", "repair", &log_dir]));
    assert!(refused.starts_with("1\n") && refused.contains("--accept-data-loss"), "{refused}");
    printed(&klamm(&["segment", "repair", &log_dir, "--accept-data-loss", "--yes"]));
    let audit = std::fs::read_to_string(stopped.data.join("klamm-data-loss.jsonl")).expect("written down");
    let audit: Value = serde_json::from_str(audit.trim_end()).expect("one line of JSON");
    assert_eq!([number(&audit, "first_offset"), number(&audit, "end_offset")], [lost, end]);
    let kept = std::fs::read(audit["kept_in"].as_str().expect("a path")).expect("kept");
    assert!(kept == rotten[from..to], "what was given up is in a file of its own");
    assert!(!report.exists());
    assert!(stopped.consumed() == first_but(RECORDS + 1, lost..end), "everything else, at its offset");
}

#[test]
fn a_rotten_base_offset_is_mended_without_a_loss() {
    let stopped = Stopped::new();
    let first = stopped.segment(0);
    let bytes = std::fs::read(&first).expect("read");
    flip(&first, batches(&bytes)[2] + 7);
    let (code, log) = stopped.verify();
    assert_eq!((code, &log["damages"][0]["mendable"]), (1, &true.into()), "{log}");
    let repaired = printed(&klamm(&["segment", "repair", &text(&stopped.log())]));
    assert!(repaired.starts_with("mended "), "{repaired}");
    assert!(std::fs::read(&first).expect("read") == bytes, "to the byte");
    assert!(!stopped.data.join("klamm-data-loss.jsonl").exists());
    assert!(stopped.consumed() == all_but(0..0));
}

#[test]
fn every_file_of_a_log_can_be_shown() {
    let stopped = Stopped::new();
    let dump = |arguments: &[&str]| printed(&klamm(&[&["segment", "dump"], arguments].concat()));
    let first = text(&stopped.segment(0));
    let records = dump(&[&first, "--records", "--offset", "5..7"]);
    let values: Vec<&str> = records.lines().filter(|line| line.contains("  value \"0000")).collect();
    assert!(
        values.len() == 2 && values[0].contains("offset 5 ") && values[1].contains("offset 6 "),
        "{records}"
    );
    let lines = dump(&[&first, "--records", "-o", "json"]);
    let objects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of_type = |name: &str| objects.iter().filter(|object| object["type"] == name).count();
    let bytes = std::fs::read(stopped.segment(0)).expect("read");
    assert_eq!(of_type("batch"), batches(&bytes).len());
    assert_eq!(of_type("batch") + of_type("record"), objects.len());

    flip(&stopped.segment(0), batches(&bytes)[1] + 300);
    let damaged = dump(&[&first, "-o", "json"]);
    assert!(damaged.contains("\"type\":\"damage\""), "{damaged}");
    for (file, expected) in [
        ("t-0/00000000000000000000.index", "  offset "),
        ("t-0/00000000000000000000.timeindex", " up to offset "),
        ("t-0/leader-epoch-checkpoint", "epoch 0 starts at offset 0"),
        ("t-0/partition.metadata", "topic id "),
        ("recovery-point-offset-checkpoint", "t-0 3000"),
    ] {
        let shown = dump(&[&text(&stopped.data.join(file))]);
        assert!(shown.contains(expected), "{file}: {shown}");
    }
    let metadata = text(&stopped.data.join("__cluster_metadata-0/00000000000000000000.log"));
    let metadata = dump(&[&metadata, "--records"]);
    assert!(metadata.contains("Topic(TopicRecord { name: \"t\","), "{metadata}");
    let unknown = shown(&klamm(&["segment", "dump", &text(&stopped.data.join(".lock"))]));
    assert!(unknown.starts_with("2\n"), "{unknown}");
}

#[test]
fn commands_say_which_partition_they_wait_for_and_what_to_do() {
    let stopped = Stopped::new();
    let first = stopped.segment(0);
    let bytes = std::fs::read(&first).expect("read");
    flip(&first, batches(&bytes)[2] + 200);
    stopped.kill_at_work_on("other");
    let node = NodeProcess::dev(&stopped.data);
    stopped.await_damage();
    let impatient = ["-X", "default.api.timeout.ms=4500", "-X", "request.timeout.ms=2000"];
    let run = |arguments: &[&str]| shown(&node.klamm(&[&impatient, arguments].concat()));
    let told = "waiting: partition t-0 is offline (KAFKA_STORAGE_ERROR)";
    for (code, arguments) in [
        ("7\n", &["-X", "delivery.timeout.ms=4500", "produce", "t", "x"][..]),
        ("7\n", &["consume", "t", "--exit"]),
        ("0\n", &["topic", "offsets", "t"]),
    ] {
        let shown = run(arguments);
        assert!(shown.starts_with(code), "{arguments:?}: {shown}");
        assert_eq!(shown.matches(told).count(), 1, "{arguments:?}: {shown}");
        assert!(shown.contains("klamm segment verify"), "{arguments:?}: {shown}");
        let is_named = code == "0\n" || shown.contains("the last error: t-0: KAFKA_STORAGE_ERROR");
        assert!(is_named, "{arguments:?}: {shown}");
    }
    assert_eq!(node.terminate(), Some(0));
}

#[test]
fn the_second_copy_of_the_metadata_log_can_be_seen() {
    let stopped = Stopped::new();
    stopped.kill_at_work();
    let verify = || {
        let output = klamm(&["segment", "verify", &text(&stopped.data), "-o", "json"]);
        let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let logs = shown[0]["logs"].as_array().expect("logs").clone();
        logs.into_iter().find(|log| log["log"] == "__cluster_metadata-0").expect("the log")
    };
    let log = verify();
    assert_eq!(log["state"], "ok", "{log}");
    let file = stopped.data.join("__cluster_metadata-0/klamm-tail.deleted");
    let shown = printed(&klamm(&["segment", "dump", &text(&file), "--records", "-o", "json"]));
    let objects: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(objects[0]["type"], "tail_file", "{shown}");
    let copies = objects.iter().filter(|object| object["type"] == "tail_copy");
    assert!(copies.clone().count() > 0 && objects.iter().any(|object| object["type"] == "record"), "{shown}");
    assert_eq!(
        copies.map(|copy| &copy["end_offset"]).max_by_key(|end| end.as_i64()),
        Some(&log["end_offset"])
    );
    let shown = printed(&klamm(&["segment", "dump", &text(&file), "--records"]));
    assert!(shown.contains("  copy of offsets ") && shown.contains("Topic(TopicRecord"), "{shown}");

    let at = std::fs::read(&file).expect("read").iter().rposition(|byte| *byte != 0).expect("a copy");
    flip(&file, at);
    let log = verify();
    assert_eq!(log["state"], "warning", "{log}");
}

#[test]
fn a_node_that_runs_keeps_its_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = NodeProcess::dev(folder.path());
    printed(&node.klamm(&["produce", "t", "one"]));
    let data = text(folder.path());
    let pid = node.pid().to_string();
    for arguments in [["segment", "verify", data.as_str()], ["segment", "repair", &format!("{data}/t-0")]] {
        let refused = shown(&klamm(&arguments));
        assert!(refused.starts_with("2\n") && refused.contains(&pid), "{refused}");
    }
    printed(&klamm(&["segment", "verify", &data, "--unlocked"]));
    let missing = shown(&klamm(&["segment", "verify", &format!("{data}/nothing-0")]));
    assert!(missing.starts_with("2\n"), "{missing}");
}
