//! Nodes: starting, refusing, stopping, coming back.

use std::path::Path;

use crate::node::NodeProcess;
use crate::{klamm, printed, shown};

fn properties(folder: &Path, lines: &str) -> String {
    let path = folder.join("server.properties");
    let data = folder.join("data");
    let text = format!("listeners=PLAINTEXT://127.0.0.1:0\nlog.dirs={}\n{lines}", data.display());
    std::fs::write(&path, text).expect("written");
    path.to_string_lossy().into_owned()
}

#[test]
fn records_survive_a_stop_and_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = NodeProcess::dev(folder.path());
    printed(&node.klamm(&["produce", "t", "before the stop"]));
    assert_eq!(node.terminate(), Some(0), "SIGTERM is a clean stop");

    let node = NodeProcess::dev(folder.path());
    printed(&node.klamm(&["produce", "t", "before the kill"]));
    node.kill9();

    let node = NodeProcess::dev(folder.path());
    assert_eq!(
        printed(&node.klamm(&["consume", "t", "--exit", "-f", "lines"])),
        "before the stop\nbefore the kill\n"
    );
}

#[test]
fn a_kafka_properties_file_is_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = properties(folder.path(), "node.id=5\nprocess.roles=broker,controller\nnum.partitions=2\n");
    let node = NodeProcess::start(&["server", "-c", &file, "--set", "num.partitions=3"]);
    printed(&node.klamm(&["produce", "t", "x"]));
    let info = printed(&node.klamm(&["cluster", "info", "-o", "json"]));
    assert!(info.contains("\"id\": 5"), "{info}");
    let topic: serde_json::Value =
        serde_json::from_str(&printed(&node.klamm(&["topic", "get", "t", "-o", "json"]))).expect("JSON");
    assert_eq!(topic["partitions"].as_array().map(Vec::len), Some(3), "--set is stronger than the file");
}

#[test]
fn a_second_node_on_a_folder_names_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = NodeProcess::dev(folder.path());
    let second = klamm(&["dev", "--port", "0", "--data", &folder.path().to_string_lossy()]);
    let text = shown(&second);
    assert!(text.starts_with("1\nerror: "), "{text}");
    assert!(text.contains(&node.pid().to_string()), "{text} names pid {}", node.pid());
}

#[test]
fn bad_keys_are_refused_together_with_the_nearest_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = properties(folder.path(), "log.retention.hrs=3\nnum.partitions=none\n");
    assert_eq!(
        shown(&klamm(&["server", "-c", &file])),
        "2\nerror: the configuration has 2 errors:\n  \
         Unknown configuration log.retention.hrs. Did you mean log.retention.hours?\n  \
         Invalid value none for configuration num.partitions: Not a number of type INT\n"
    );
    assert!(
        !folder.path().join("data").exists(),
        "nothing is written before the configuration is understood"
    );
    let missing = shown(&klamm(&["server", "-c", "/nonexistent/server.properties"]));
    assert!(missing.starts_with("2\nerror: /nonexistent/server.properties: No such file"), "{missing}");
}

#[test]
fn a_busy_port_names_its_holder() {
    let node = NodeProcess::start(&["dev", "--memory", "--port", "0"]);
    let port = node.bootstrap.rsplit(':').next().expect("host:port");
    let text = shown(&klamm(&["dev", "--memory", "--port", port]));
    assert!(
        text.starts_with(&format!("1\nerror: port {port} is taken by klamm (pid {})", node.pid())),
        "{text}"
    );
}

#[test]
fn meaningless_keys_get_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    // The port is taken, so that the program ends by itself after it has spoken.
    let node = NodeProcess::start(&["dev", "--memory", "--port", "0"]);
    let file = properties(folder.path(), "zookeeper.connect=x:2181\nnum.io.threads=16\n");
    let listeners = format!("listeners=PLAINTEXT://{}", node.bootstrap);
    let text = shown(&klamm(&["server", "-c", &file, "--set", &listeners]));
    assert!(text.contains("note: num.io.threads is ignored: Klamm sizes its own threads\n"), "{text}");
    assert!(text.contains("note: zookeeper.connect is ignored: there is no ZooKeeper\n"), "{text}");
}
