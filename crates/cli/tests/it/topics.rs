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
    assert!(
        unasked.starts_with("2\nerror: this needs a yes, and nobody can be asked here: Delete orders"),
        "{unasked}"
    );
    let partly = shown(&node.klamm(&["topic", "delete", "orders", "nothing", "--yes"]));
    assert!(partly.starts_with("3\norders deleted\nerror: nothing: UNKNOWN_TOPIC_OR_PARTITION"), "{partly}");
    assert_eq!(printed(&node.klamm(&["topic", "list", "-o", "name"])), "");
}

#[test]
fn topics_are_cloned_looked_into_and_trimmed() {
    let node = NodeProcess::start(&["dev", "--memory", "--port", "0"]);
    let topic = |arguments: &[&str]| shown(&node.klamm(&[&["topic"], arguments].concat()));
    printed(&node.klamm(&["topic", "create", "a", "-p", "2", "-c", "retention.ms=60000"]));
    assert_eq!(topic(&["clone", "a", "b"]), "0\nb created: 2 partitions, 1 configs\n");
    assert!(topic(&["get", "b"]).contains("retention.ms"));
    let missing = topic(&["clone", "nope", "c"]);
    assert_eq!(
        missing,
        "4\nerror: there is no topic nope\n  fix: klamm topic list shows those that there are\n"
    );
    for value in ["1", "2", "3"] {
        printed(&node.klamm(&["produce", "b", value, "-p", "1"]));
    }
    let table = "TOPIC  PARTITION  START  END  OFFSETS\nb      0          0      0    0\nb      1          0      3    3\n";
    assert_eq!(topic(&["offsets", "b"]), format!("0\n{table}"));
    let json = printed(&node.klamm(&["topic", "offsets", "b:1", "--at", "@-1h", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let expected =
        serde_json::json!([{"topic": "b", "partition": 1, "start": 0, "end": 3, "offsets": 3, "at": 0}]);
    assert_eq!(json, expected);
    let refused = topic(&["trim", "b", "--before", "end"]);
    assert!(refused.starts_with("2\nerror: this needs a yes"), "{refused}");
    assert_eq!(topic(&["trim", "b", "--before", "+2", "-y"]), "0\nb-0 begins at 0\nb-1 begins at 2\n");
    assert_eq!(
        topic(&["trim", "b:1", "--before", "@-1h", "-y"]),
        "0\nb-1 begins at 2\n",
        "nothing is as old"
    );
    assert_eq!(topic(&["trim", "b:1", "--before", "end", "-y"]), "0\nb-1 begins at 3\n");
    let wrong = topic(&["offsets", "b:2"]);
    assert_eq!(wrong, "4\nerror: b has 2 partitions, so there is no partition 2\n");
}

#[test]
fn partitions_are_listed_moved_and_get_leaders() {
    let node = NodeProcess::start(&["dev", "--memory", "--port", "0"]);
    let partitions = |arguments: &[&str]| shown(&node.klamm(&[&["topic", "partitions"], arguments].concat()));
    printed(&node.klamm(&["topic", "create", "a", "-p", "2"]));
    assert_eq!(
        partitions(&["list", "a:1"]),
        "0\nTOPIC  PARTITION  LEADER  REPLICAS  IN SYNC  ADDING  REMOVING\na      1          1       1         1\n"
    );
    assert_eq!(partitions(&["list", "--moving", "--json"]), "0\n[]\n");
    assert_eq!(partitions(&["elect", "a:0"]), "0\na-0 keeps its leader\n");
    assert_eq!(partitions(&["elect"]), "0\n");
    assert_eq!(partitions(&["move", "a:0", "-r", "1", "-y"]), "0\na-0 moves\n");
    let refused = partitions(&["move", "a:0", "-r", "9", "-y"]);
    assert!(refused.starts_with("1\nerror: a-0: INVALID_REPLICA_ASSIGNMENT"), "{refused}");
    let idle = partitions(&["move", "a:0", "--cancel", "-y"]);
    assert!(idle.starts_with("1\nerror: a-0: NO_REASSIGNMENT_IN_PROGRESS"), "{idle}");
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
