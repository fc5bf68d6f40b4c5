//! Topics, groups and the cluster from the command line.

use crate::node::NodeProcess;
use crate::{klamm, printed, shown};

#[test]
fn topics_live_and_die() {
    let node = NodeProcess::start(&["dev", "--memory", "--port", "0"]);
    let created = node.klamm(&["topic", "create", "orders", "-p", "3", "-c", "retention.ms=60000"]);
    assert_eq!(printed(&created), "orders created: 3 partitions\n");
    let again = shown(&node.klamm(&["topic", "create", "orders"]));
    assert!(again.starts_with("1\nerror: orders: TOPIC_ALREADY_EXISTS"), "{again}");
    assert_eq!(shown(&node.klamm(&["topic", "create", "orders", "--if-not-exists"])), "0\n");

    assert_eq!(
        printed(&node.klamm(&["topic", "list"])),
        "NAME    PARTITIONS  REPLICAS\norders  3           1\n"
    );
    assert_eq!(printed(&node.klamm(&["topic", "list", "-o", "name"])), "orders\n");
    let json: serde_json::Value =
        serde_json::from_str(&printed(&node.klamm(&["topic", "list", "-o", "json"]))).expect("JSON");
    assert_eq!((&json[0]["name"], &json[0]["partitions"]), (&"orders".into(), &3.into()));

    let got = printed(&node.klamm(&["topic", "get", "orders"]));
    assert!(got.contains("retention.ms") && got.contains("60000") && got.contains("topic"), "{got}");
    let changed = node.klamm(&["topic", "alter", "orders", "--set", "segment.bytes=2000000", "-p", "4"]);
    assert_eq!(printed(&changed), "orders changed: segment.bytes\norders changed: 4 partitions\n");
    let refused = shown(&node.klamm(&["topic", "alter", "orders", "--set", "segment.bytes=5"]));
    assert!(
        refused.contains("Invalid value 5 for configuration segment.bytes: Value must be at least 1048576"),
        "{refused}"
    );

    let unasked = shown(&node.klamm(&["topic", "delete", "orders"]));
    assert!(unasked.starts_with("2\nerror: deleting needs a yes"), "{unasked}");
    let partly = shown(&node.klamm(&["topic", "delete", "orders", "nothing", "--yes"]));
    assert!(partly.starts_with("3\norders deleted\nerror: nothing: UNKNOWN_TOPIC_OR_PARTITION"), "{partly}");
    assert_eq!(printed(&node.klamm(&["topic", "list", "-o", "name"])), "");
}

#[test]
fn what_is_not_there_is_exit_code_4() {
    let node = NodeProcess::start(&["dev", "--memory", "--port", "0"]);
    for arguments in [&["topic", "get", "nope"][..], &["consume", "nope"], &["group", "get", "nope"]] {
        let output = shown(&node.klamm(arguments));
        assert!(output.starts_with("4\nerror: "), "{arguments:?}: {output}");
    }
    printed(&node.klamm(&["topic", "create", "one"]));
    let output = shown(&node.klamm(&["consume", "one", "-p", "7"]));
    assert_eq!(output, "4\nerror: one has 1 partitions, so there is no partition 7\n");
}

#[test]
fn the_cluster_is_shown() {
    let node = NodeProcess::start(&["dev", "--memory", "--port", "0"]);
    let info: serde_json::Value =
        serde_json::from_str(&printed(&node.klamm(&["cluster", "info", "-o", "json"]))).expect("JSON");
    assert_eq!(info["brokers"][0]["id"], 1);
    assert_eq!(info["quorum"]["voters"], serde_json::json!([1]));
    assert!(printed(&node.klamm(&["cluster", "info"])).contains(&node.bootstrap));
    assert_eq!(printed(&node.klamm(&["group", "list", "-o", "name"])), "");
}

#[test]
fn nobody_at_home_is_exit_code_6() {
    // Port 1 of the loopback address has no listener.
    let output = shown(&klamm(&["-b", "127.0.0.1:1", "topic", "list"]));
    assert!(output.starts_with("6\nerror: no broker can be reached: 127.0.0.1:1"), "{output}");
    assert!(output.contains("fix: start a node with `klamm dev`"), "{output}");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for arguments in [
        &["topic", "creat"][..],
        &["-X", "no.such.property=1", "topic", "list"],
        &["-b", "nonsense", "topic", "list"],
        &["consume", "t", "-o", "yesterday"],
        &["consume", "t", "-f", "%z"],
        &["produce", "t", "-f", "csv", "--key", "k", "--file", "/nonexistent"],
    ] {
        let output = shown(&klamm(arguments));
        assert!(output.starts_with("2\n"), "{arguments:?}: {output}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = printed(&klamm(&["completion", shell]));
        assert!(script.contains("klamm") && script.contains("produce"), "{shell}");
    }
}
