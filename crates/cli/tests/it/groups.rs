//! Groups: how far they are, and moving them.

use std::process::{Child, Command, Stdio};

use crate::node::NodeProcess;
use crate::{printed, shown};

/// A node with ten records in each of two partitions of `t`, and a group `g` that has read four of the first.
fn node() -> NodeProcess {
    let node = NodeProcess::start(&["dev", "--memory", "--port", "0"]);
    printed(&node.klamm(&["topic", "create", "t", "-p", "2"]));
    let values: Vec<String> = (0..10).map(|value| value.to_string()).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    for partition in ["0", "1"] {
        printed(&node.klamm(&[&["produce", "t", "-p", partition], values.as_slice()].concat()));
    }
    printed(&node.klamm(&["group", "seek", "g", "--set", "t:0=4", "-y"]));
    node
}

fn group(node: &NodeProcess, arguments: &[&str]) -> String {
    shown(&node.klamm(&[&["group"], arguments].concat()))
}

fn json(node: &NodeProcess, arguments: &[&str]) -> serde_json::Value {
    let text = printed(&node.klamm(&[&["group"], arguments, &["--json"]].concat()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON but {text:?}: {error}"))
}

/// Where the group is after a seek: offsets of partitions 0 and 1.
fn sought(node: &NodeProcess, arguments: &[&str]) -> Vec<i64> {
    let steps = json(node, &[&["seek", "g"], arguments, &["-y"]].concat());
    let steps = steps.as_array().expect("an array");
    steps.iter().map(|step| step["to"].as_i64().expect("a number")).collect()
}

#[test]
fn lag_is_told_by_partition_and_in_total() {
    let node = node();
    assert_eq!(
        group(&node, &["lag"]),
        "0\nGROUP  TOPIC  PARTITION  COMMITTED  END  LAG\ng      t      0          4          10   6\n"
    );
    let expected = serde_json::json!([
        {"group": "g", "topic": "t", "partition": 0, "committed": 4, "end": 10, "lag": 6}
    ]);
    assert_eq!(json(&node, &["lag", "g"]), expected);
    assert_eq!(group(&node, &["lag", "g", "--total"]), "0\nGROUP  PARTITIONS  LAG\ng      1           6\n");
    let far = group(&node, &["lag", "g", "--total", "--max", "5"]);
    assert!(
        far.ends_with("error: g is 6 records behind, and 5 are allowed\n") && far.starts_with("1\n"),
        "{far}"
    );
    let missing = group(&node, &["lag", "nope"]);
    assert!(missing.starts_with("4\nerror: there is no group nope\n  fix: "), "{missing}");
}

#[test]
fn groups_go_wherever_offsets_times_and_files_say() {
    let node = node();
    let both = ["-t", "t"];
    let to = |place: &str| sought(&node, &[&["--to", place], &both[..]].concat());
    assert_eq!(to("start"), [0, 0]);
    assert_eq!(to("end"), [10, 10]);
    assert_eq!(to("7"), [7, 7]);
    assert_eq!(to("700"), [10, 10], "not beyond the end");
    assert_eq!(to("+3"), [3, 3]);
    assert_eq!(to("-2"), [8, 8]);
    assert_eq!(to("@-1h"), [0, 0], "a duration back from here");
    assert_eq!(to("@2001-01-01T00:00:00Z"), [0, 0], "a point in time");
    assert_eq!(to("@2999-01-01"), [10, 10], "what is to come");
    assert_eq!(sought(&node, &["--by", "-4"]), [6, 6]);
    assert_eq!(sought(&node, &["--by", "1", "-t", "t:1"]), [7]);
    assert_eq!(sought(&node, &["--by", "-100"]), [0, 0]);
    assert_eq!(sought(&node, &["--set", "t:0=3", "--set", "t:1=5"]), [3, 5]);
    assert_eq!(to("current"), [3, 5]);

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("offsets.csv");
    let file = path.to_string_lossy();
    std::fs::write(&path, "t,0,1\nt, 1, 2\n").expect("written");
    assert_eq!(sought(&node, &["--from-file", &file]), [1, 2]);
    std::fs::write(&path, "\"g\",\"t\",0,8\nother,t,1,9\n").expect("written");
    assert_eq!(sought(&node, &["--from-file", &file]), [8]);
    std::fs::write(&path, "t,0\n").expect("written");
    let refused = group(&node, &["seek", "g", "--from-file", &file, "-y"]);
    assert!(
        refused.starts_with("2\nerror: ") && refused.contains("line 1 is not topic,partition,offset"),
        "{refused}"
    );
}

#[test]
fn a_seek_shows_itself_asks_and_can_be_taken_back() {
    let node = node();
    let dry = group(&node, &["seek", "g", "--to", "end", "-t", "t", "--dry-run"]);
    assert_eq!(
        dry,
        "0\nTOPIC  PARTITION  FROM  TO  LAG\nt      0          4     10  0\nt      1          -     10  0\n\
         nothing was changed: this is a dry run\n"
    );
    let unasked = group(&node, &["seek", "g", "--to", "end"]);
    assert!(unasked.starts_with("2\n") && unasked.contains("fix: add --yes"), "{unasked}");
    let done = group(&node, &["seek", "g", "--to", "end", "-t", "t", "-y"]);
    let undo =
        ["undo: klamm group seek g --set t:0=4 --yes", "undo: klamm group delete-offsets g -t t:1 --yes"];
    assert!(undo.iter().all(|line| done.contains(line)), "{done}");
    for line in undo {
        let words: Vec<&str> = line.split(' ').skip(2).collect();
        printed(&node.klamm(&words));
    }
    assert!(group(&node, &["lag", "g"]).ends_with("g      t      0          4          10   6\n"));

    let nowhere = group(&node, &["seek", "new", "--to", "start", "-y"]);
    assert!(
        nowhere.contains("new has committed nothing") && nowhere.contains("fix: name topics with -t"),
        "{nowhere}"
    );
    let unknown = group(&node, &["seek", "g", "--by", "1", "-t", "t", "-y"]);
    assert!(unknown.contains("g has committed nothing for t-1, so it cannot be moved by 1"), "{unknown}");
    assert!(group(&node, &["seek", "g", "-y"]).starts_with("2\n"), "it must be said where to");
    assert!(group(&node, &["seek", "g", "--to", "1:2", "-y"]).starts_with("2\n"), "a range is no place");
    assert!(group(&node, &["seek", "g", "--to", "end", "-t", "nope", "-y"]).starts_with("4\n"));
}

#[test]
fn groups_are_cloned_forgotten_and_deleted() {
    let node = node();
    let cloned = json(&node, &["clone", "g", "copy of g", "-y"]);
    let step = serde_json::json!({"topic": "t", "partition": 0, "from": null, "to": 4, "lag": 6});
    assert_eq!(cloned, serde_json::json!([step]));
    let forgotten = group(&node, &["delete-offsets", "copy of g", "-t", "t", "-y"]);
    assert!(
        forgotten.starts_with("0\nt-0 forgotten\nundo: klamm group seek 'copy of g' --set t:0=4"),
        "{forgotten}"
    );
    let nothing = group(&node, &["delete-offsets", "g", "-t", "t:1", "-y"]);
    assert!(nothing.starts_with("1\nerror: g has committed nothing for these partitions"), "{nothing}");
    assert_eq!(group(&node, &["delete", "g", "-y"]), "0\ng deleted\n");
    let gone = group(&node, &["get", "g"]);
    assert_eq!(gone, "4\nerror: there is no group g\n  fix: klamm group list shows those that there are\n");
}

/// A console consumer that reads until it is dropped.
struct Reader(Child);

impl Drop for Reader {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_group_with_members_is_left_alone() {
    let node = node();
    let arguments =
        ["kafka-console-consumer", "--bootstrap-server", &node.bootstrap, "--topic", "t", "--group", "g"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    let child =
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _reader = Reader(child.expect("klamm runs"));
    let members = loop {
        let members = json(&node, &["members", "g"]);
        if members[0]["partitions"] == serde_json::json!(["t-0", "t-1"]) {
            break members;
        }
    };
    let id = members[0]["id"].as_str().expect("a text");
    assert_eq!(group(&node, &["members", "g", "-o", "name"]), format!("0\n{id}\n"));
    assert_eq!(members[0]["client_id"], "console-consumer");
    let keys: Vec<&String> = members[0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["client_id", "host", "id", "instance_id", "partitions"], "as docs/cli.md says");
    let shown = json(&node, &["get", "g"]);
    assert_eq!(shown["members"], members, "the same in both");
    let fix = "fix: stop";
    for arguments in
        [&["seek", "g", "--to", "end"][..], &["delete", "g"], &["delete-offsets", "g", "-t", "t"]]
    {
        let refused = group(&node, &[arguments, &["-y"]].concat());
        assert!(refused.starts_with("1\n") && refused.contains(fix), "{arguments:?}: {refused}");
    }
    let found = json(&node, &["list", "--state", "Stable"]);
    assert_eq!((&found[0]["id"], found.as_array().map(Vec::len)), (&"g".into(), Some(1)));
}
