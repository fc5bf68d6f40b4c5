//! Kafka's tools by their own names. That they say the same as Kafka's is proven in `tests/compat`.

use std::process::Command;

use crate::node::NodeProcess;
use crate::{klamm, klamm_with_input, printed, shown};

#[test]
fn applets_answer_to_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bin");
    let installed = printed(&klamm(&["applets", "install", &path.to_string_lossy()]));
    let names = printed(&klamm(&["applets", "list"]));
    assert_eq!(installed, format!("{} tools in {}\n", names.lines().count(), path.display()));
    for name in names.lines() {
        for link in [name.to_owned(), format!("{name}.sh")] {
            let output = Command::new(path.join(&link)).output().expect("it runs");
            assert_eq!(output.status.code(), Some(1), "{link}: {}", shown(&output));
        }
        let direct = klamm(&[name]);
        let linked = Command::new(path.join(name)).output().expect("it runs");
        assert_eq!(shown(&direct), shown(&linked), "{name}");
    }
}

#[test]
fn links_replace_links_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_string_lossy().into_owned();
    printed(&klamm(&["applets", "install", &path]));
    printed(&klamm(&["applets", "install", &path]));
    let file = folder.path().join("kafka-topics.sh");
    std::fs::remove_file(&file).expect("it is there");
    std::fs::write(&file, "mine").expect("it can be written");
    let refused = shown(&klamm(&["applets", "install", &path]));
    assert!(refused.contains("kafka-topics.sh exists and is no link"), "{refused}");
    assert!(refused.contains("fix: "), "{refused}");
    assert_eq!(std::fs::read(&file).expect("it is there"), b"mine");
    printed(&klamm(&["applets", "install", "--force", &path]));
    assert!(std::fs::read_link(&file).is_ok());
}

#[test]
fn kafka_topics_creates_and_describes() {
    let node = NodeProcess::start(&["dev", "--memory", "--port", "0"]);
    let topics = |arguments: &[&str]| {
        shown(&klamm(&[&["kafka-topics", "--bootstrap-server", &node.bootstrap], arguments].concat()))
    };
    assert_eq!(topics(&["--create", "--topic", "orders", "--partitions", "2"]), "0\nCreated topic orders.\n");
    assert_eq!(
        topics(&["--create", "--topic", "orders"]),
        "1\nError while executing topic command : Topic 'orders' already exists.\n"
    );
    let described = topics(&["--describe", "--topic", "ord.*"]);
    let lines: Vec<&str> = described.lines().collect();
    assert!(lines[1].starts_with("Topic: orders\tTopicId: "), "{described}");
    assert!(
        lines[1].ends_with("\tPartitionCount: 2\tReplicationFactor: 1\tConfigs: min.insync.replicas=1"),
        "{described}"
    );
    assert_eq!(
        lines[3],
        "\tTopic: orders\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: "
    );
}

#[test]
fn console_tools_write_read_and_commit() {
    let node = NodeProcess::start(&["dev", "--memory", "--port", "0"]);
    let bootstrap = ["--bootstrap-server", &node.bootstrap, "--topic", "lines"];
    let written = klamm_with_input(
        &[&["kafka-console-producer"], &bootstrap[..], &["--reader-property", "parse.key=true"]].concat(),
        b"a\t1\nb\t2\nc\t3\n",
    );
    assert_eq!(shown(&written), "0\n");
    let read = |arguments: &[&str]| {
        let group = ["--group", "readers", "--from-beginning"];
        shown(&klamm(&[&["kafka-console-consumer"], &bootstrap[..], &group, arguments].concat()))
    };
    assert_eq!(
        read(&["--max-messages", "2", "--formatter-property", "print.key=true"]),
        "0\na\t1\nb\t2\nProcessed a total of 2 messages\n"
    );
    assert_eq!(
        read(&["--max-messages", "1"]),
        "0\n3\nProcessed a total of 1 messages\n",
        "what was printed is committed"
    );
}
