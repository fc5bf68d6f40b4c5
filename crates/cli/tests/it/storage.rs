//! Directories formatted before the first start.

use std::path::Path;

use crate::node::NodeProcess;
use crate::{klamm, printed, shown};

fn properties(folder: &Path, lines: &str) -> String {
    let path = folder.join("server.properties");
    let data = folder.join("data");
    let text = format!("node.id=5\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs={}\n{lines}", data.display());
    std::fs::write(&path, text).expect("written");
    path.to_string_lossy().into_owned()
}

fn format(arguments: &[&str]) -> String {
    shown(&klamm(&[&["kafka-storage", "format"], arguments].concat()))
}

#[test]
fn a_formatted_directory_starts_as_the_cluster_that_was_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = properties(folder.path(), "");
    let id = printed(&klamm(&["kafka-storage", "random-uuid"]));
    let id = id.trim_end();
    let arguments =
        ["-c", &file, "-t", id, "--standalone", "-S", "SCRAM-SHA-256=[name=alice,password=secret]"];
    let formatted = format(&arguments);
    assert!(formatted.starts_with("0\nBootstrap metadata: "), "{formatted}");
    assert!(formatted.contains("Formatting dynamic metadata voter directory "), "{formatted}");
    let again = format(&arguments);
    assert!(again.starts_with("1\nLog directory ") && again.contains(" is already formatted."), "{again}");
    let info = printed(&klamm(&["kafka-storage", "info", "-c", &file]));
    assert!(info.contains(&format!("cluster.id={id}, directory.id=")), "{info}");

    let node = NodeProcess::start(&["server", "-c", &file]);
    let info = printed(&node.klamm(&["cluster", "info", "-o", "json"]));
    assert!(info.contains(id), "{info}");
    let users = shown(&klamm(&[
        "kafka-configs",
        "--bootstrap-server",
        &node.bootstrap,
        "--describe",
        "--entity-type",
        "users",
    ]));
    let expected = "SCRAM credential configs for user-principal 'alice' are SCRAM-SHA-256=iterations=4096";
    assert!(users.contains(expected), "{users}");
}

#[test]
fn a_fixed_quorum_of_this_node_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = properties(folder.path(), "controller.quorum.voters=5@localhost:9093\n");
    let refused = format(&["-c", &file, "-t", "fixed", "--standalone"]);
    assert!(
        refused.starts_with("1\nYou cannot specify controller.quorum.voters and format the node"),
        "{refused}"
    );
    assert!(!folder.path().join("data").exists(), "nothing was written");
    let formatted = format(&["-c", &file, "-t", "fixed"]);
    assert!(formatted.contains("Formatting metadata directory "), "{formatted}");
    for value in ["first", "second"] {
        let node = NodeProcess::start(&["server", "-c", &file]);
        printed(&node.klamm(&["produce", "t", value]));
        assert_eq!(node.terminate(), Some(0));
    }
    let node = NodeProcess::start(&["server", "-c", &file]);
    assert_eq!(printed(&node.klamm(&["consume", "t", "--exit", "-f", "lines"])), "first\nsecond\n");
}
