//! Records in and out.

use crate::node::NodeProcess;
use crate::{printed, shown};

fn memory_node() -> NodeProcess {
    NodeProcess::start(&["dev", "--memory", "--port", "0"])
}

#[test]
fn arguments_pipes_and_copies() {
    let node = memory_node();
    let output = shown(&node.klamm(&["produce", "a", "one", "two"]));
    assert_eq!(output, "0\n2 records to a\n");
    let piped = node.klamm_with_input(&["produce", "a", "-k", "key", "-H", "h=1"], b"{\"hi\":1}\n");
    assert_eq!(shown(&piped), "0\n1 record to a\n");
    printed(&node.klamm(&["produce", "a", "--tombstone", "-k", "gone"]));

    let format = "%p@%o %k|%v|%h{%k=%v}\\n";
    let all = "0@0 |one|\n0@1 |two|\n0@2 key|{\"hi\":1}|h=1\n0@3 gone||\n";
    assert_eq!(printed(&node.klamm(&["consume", "a", "--exit", "-f", format])), all);

    let lines = node.klamm(&["consume", "a", "--exit"]);
    let copied = node.klamm_with_input(&["produce", "b"], &lines.stdout);
    assert_eq!(shown(&copied), "0\n4 records to b\n");
    assert_eq!(printed(&node.klamm(&["consume", "b", "--exit", "-f", format])), all);
    let same = |topic: &str| printed(&node.klamm(&["consume", topic, "--exit", "-f", "%d %k %v\\n"]));
    assert_eq!(same("a"), same("b"), "timestamps are copied too");
}

#[test]
fn ranges_bound_what_is_read() {
    let node = memory_node();
    let values: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let arguments: Vec<&str> =
        ["produce", "t"].into_iter().chain(values.iter().map(String::as_str)).collect();
    printed(&node.klamm(&arguments));
    let read = |range: &str| {
        let output = node.klamm(&["consume", "t", "-o", range, "--exit", "-f", "%v "]);
        printed(&output).trim_end().to_owned()
    };
    assert_eq!(read("3:5"), "3 4");
    assert_eq!(read(":2"), "0 1");
    assert_eq!(read("+8"), "8 9");
    assert_eq!(read("-2"), "8 9");
    assert_eq!(read("-4:-2"), "6 7");
    assert_eq!(read("end"), "");
    assert_eq!(read("@-1h"), "0 1 2 3 4 5 6 7 8 9");
    assert_eq!(read("@-2h:-1h"), "");
    assert_eq!(read("1000"), "");
    let counted = printed(&node.klamm(&["consume", "t", "-n", "3", "-f", "%v "]));
    assert_eq!(counted, "0 1 2 ");
}

#[test]
fn csv_files_become_json_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("flights.csv");
    std::fs::write(&path, "year,carrier,tailnum,dep_time\n2013,UA,N1,517\n2013,AA,NA,NA\n").expect("written");
    let node = memory_node();
    let file = path.to_string_lossy();
    let output = node.klamm(&["produce", "flights", "--file", &file, "-f", "csv", "--key", "tailnum"]);
    assert_eq!(shown(&output), "0\n2 records to flights\n");
    assert_eq!(
        printed(&node.klamm(&["consume", "flights", "--exit", "-f", "%k %v\\n"])),
        "N1 {\"year\":2013,\"carrier\":\"UA\",\"tailnum\":\"N1\",\"dep_time\":517}\n \
         {\"year\":2013,\"carrier\":\"AA\",\"tailnum\":null,\"dep_time\":null}\n"
    );
    let output = shown(&node.klamm(&["produce", "flights", "--file", &file, "-f", "csv", "--key", "id"]));
    assert_eq!(
        output,
        "2\nerror: there is no column \"id\"; the columns are year, carrier, tailnum, dep_time\n"
    );
}

#[test]
fn a_bad_line_is_named_and_what_came_before_is_written() {
    let node = memory_node();
    let output = node.klamm_with_input(&["produce", "t", "-f", "json"], b"{\"value\":\"a\"}\nnonsense\n");
    let text = shown(&output);
    assert!(text.starts_with("2\n1 record to t\nerror: line 2: no JSON"), "{text}");
    assert_eq!(printed(&node.klamm(&["consume", "t", "--exit", "-f", "lines"])), "a\n");
}
