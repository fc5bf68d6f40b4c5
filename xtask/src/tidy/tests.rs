//! The repository obeys its rules, and each rule notices a breach.

use super::source::SourceFile;
use super::{bans, check, effects, modules, repository_root, shape};

#[test]
fn the_repository_is_tidy() {
    let violations = check(&repository_root()).expect("the sources are readable");
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

fn breaches(path: &str, text: &str) -> String {
    let file = SourceFile::new(path, &format!("//! Header.\n{text}"));
    let mut violations = Vec::new();
    bans::check(&file, &mut violations);
    shape::check(&file, &mut violations);
    shape::check_exceptions(&[file], &mut violations);
    violations.join("\n")
}

fn is_clean(path: &str, text: &str) {
    assert_eq!(breaches(path, text), "", "{text}");
}

#[test]
fn cores_may_not_touch_the_machine() {
    let core = "crates/raft/src/election.rs";
    for code in [
        "use std::time::SystemTime;",
        "let t = Instant::now();",
        "use std::fs;",
        "std::net::IpAddr",
        "tokio::spawn(x)",
        "std::thread::spawn(f)",
        "rand::random()",
        "pub async fn f() {}",
        "println!(\"x\")",
        "x.unwrap()",
    ] {
        assert!(breaches(core, code).contains("is not for this crate"), "{code}");
    }
    is_clean(core, "// std::fs and tokio\nlet s = \"SystemTime\"; let c = '\"'; let operand = core::net::x;");
    is_clean("crates/raft/src/election/tests.rs", "use std::fs; x.unwrap();");
    is_clean(core, "#[cfg(test)]\nmod tests { fn f() { x.unwrap(); } }");
}

#[test]
fn shells_use_the_door() {
    let shell = "crates/network/src/listener.rs";
    assert!(breaches(shell, "tokio::net::TcpStream").contains("platform::Net"));
    assert!(breaches(shell, "spawn_blocking(f)").contains("platform::Blocking"));
    assert!(breaches(shell, "tokio::select! { a = b => {} }").contains("biased"));
    is_clean(shell, "tokio::select! { biased; a = b => {} }\nuse std::net::SocketAddr;\ntokio::spawn(x);");
    is_clean("crates/platform/src/disk/os.rs", "use std::fs;");
}

#[test]
fn hash_maps_are_looked_up_not_walked() {
    let core = "crates/controller/src/topics.rs";
    let declared = "struct A { topics: HashMap<u8, u8> }\n";
    for walk in ["self.topics.values()", "for x in &self.topics {", "topics.retain(|_, _| true)"] {
        assert!(breaches(core, &format!("{declared}{walk}")).contains("walks through"), "{walk}");
    }
    is_clean(core, &format!("{declared}self.topics.get(&1); other.values();"));
}

#[test]
fn shape_is_checked() {
    let path = "crates/raft/src/election.rs";
    assert!(breaches(path, &"\n".repeat(1000)).contains("lines; split"));
    assert!(breaches(path, "struct QuorumManager;").contains("manager"));
    assert!(breaches("crates/raft/src/election_utils.rs", "").contains("utils"));
    assert!(breaches("crates/raft/src/election/mod.rs", "").contains("never foo/mod.rs"));
    assert!(
        breaches(path, "#[expect(clippy::too_many_lines, reason = \"\")]\nfn f() {}").contains("70 lines")
    );
    is_clean(path, "struct Managed; // a manager");
    let headless = SourceFile::new(path, "use x;");
    let mut violations = Vec::new();
    shape::check(&headless, &mut violations);
    assert_eq!(violations.len(), 1);
}

#[test]
fn dead_files_are_found() {
    let file = |path: &str, text: &str| SourceFile::new(path, text);
    let files = [
        file(
            "crates/a/src/lib.rs",
            "mod b;\npub(crate) mod c;\nmod gone;\n#[path = \"../elsewhere/d.rs\"]\nmod d;",
        ),
        file("crates/a/elsewhere/d.rs", ""),
        file("crates/a/src/b.rs", "#[cfg(test)]\nmod tests;"),
        file("crates/a/src/b/tests.rs", ""),
        file("crates/a/src/c.rs", ""),
        file("crates/a/src/dead.rs", ""),
        file("crates/a/tests/it/main.rs", "mod one;"),
        file("crates/a/tests/it/one.rs", ""),
    ];
    let mut violations = Vec::new();
    modules::check(&files, &mut violations);
    assert_eq!(violations.len(), 2, "{violations:?}");
    assert!(violations[0].contains("`mod gone` has no file"));
    assert!(violations[1].starts_with("crates/a/src/dead.rs"));
}

#[test]
fn the_scanner_keeps_lines_and_drops_text() {
    let file = SourceFile::new(
        "crates/a/src/lib.rs",
        "a /* b\n/* c */ d */ e\n\"f\\\"\n g\" h r#\"i\"j\"# k 'l' '\\'' m<'n>",
    );
    assert_eq!(file.code.split_whitespace().collect::<Vec<_>>(), ["a", "e", "h", "k", "m<'n>"]);
    assert_eq!(file.code.lines().count(), file.text.lines().count());
}

#[test]
fn a_key_that_nobody_reads_is_not_enforced() {
    let file = |path: &str, text: &str| SourceFile::new(path, text);
    let row = |key: &str| {
        format!("    key(\"{key}\", Int, Text(\"1\"), Any, Low, ReadOnly, Enforced,\n        \"…\"),\n")
    };
    let table = row("num.partitions") + &row("group.max.size") + &row("log.roll.hours");
    let files = [
        file("crates/config/src/keys/broker_keys.rs", &table),
        file("crates/config/src/broker_config.rs", "pub num_partitions: i32, pub max_size: i32,"),
        file("crates/controller/src/topics.rs", "config.num_partitions"),
        file("crates/controller/src/topics/tests.rs", "config.max_size"),
    ];
    let mut violations = Vec::new();
    effects::check(&files, &mut violations);
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert!(violations[0].contains("group.max.size is called Enforced"));
}
