//! Levels are checked, kept, inherited and handed on.

use std::collections::BTreeMap;
use std::sync::Arc;

use controller::{AlterOperation, KeyAlteration, ResourceAlteration};
use parking_lot::Mutex;

use super::{LogLevel, LogLevels, Loggers};

fn alteration(node: &str, keys: &[(&str, AlterOperation, Option<&str>)]) -> ResourceAlteration {
    let keys = keys.iter().map(|(key, operation, value)| KeyAlteration {
        key: (*key).to_owned(),
        operation: *operation,
        value: value.map(str::to_owned),
    });
    ResourceAlteration { resource_type: 8, name: node.to_owned(), replaces_all: false, keys: keys.collect() }
}

fn shown(loggers: &Loggers) -> String {
    let all = loggers.describe();
    all.iter().map(|(name, level)| format!("{name}={}", level.name())).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_level_is_set_inherited_and_taken_away() {
    let applied = Arc::new(Mutex::new(Vec::new()));
    let seen = applied.clone();
    let levels = LogLevels {
        root: LogLevel::Info,
        own: BTreeMap::from([("storage::log".to_owned(), LogLevel::Warn)]),
    };
    let loggers = Loggers::new(levels, move |levels| seen.lock().push(levels.clone()));
    assert_eq!(
        shown(&loggers),
        "broker=INFO cli=INFO client=INFO network=INFO root=INFO storage=INFO storage::log=WARN"
    );
    let set = alteration(
        "1",
        &[("root", AlterOperation::Set, Some("ERROR")), ("network", AlterOperation::Set, Some("TRACE"))],
    );
    assert_eq!(loggers.alter(1, &set, true), Ok(()));
    assert!(applied.lock().is_empty(), "a check alone changes nothing");
    assert_eq!(loggers.alter(1, &set, false), Ok(()));
    assert_eq!(
        shown(&loggers),
        "broker=ERROR cli=ERROR client=ERROR network=TRACE root=ERROR storage=ERROR storage::log=WARN"
    );
    let delete = alteration("1", &[("network", AlterOperation::Delete, None)]);
    assert_eq!(loggers.alter(1, &delete, false), Ok(()));
    assert!(shown(&loggers).contains("network=ERROR"));
    let last = applied.lock().last().cloned().expect("applied twice");
    assert_eq!((last.root, last.own.len()), (LogLevel::Error, 1));
}

#[test]
fn what_is_not_for_loggers_is_refused_and_changes_nothing() {
    let loggers = Loggers::silent();
    let before = shown(&loggers);
    let refused = |node: &str, key: &str, operation, value| {
        let good = ("broker", AlterOperation::Set, Some("TRACE"));
        let error = loggers
            .alter(1, &alteration(node, &[good, (key, operation, value)]), false)
            .expect_err("refused");
        format!("{} {}", error.code.0, error.message)
    };
    assert_eq!(
        refused("2", "root", AlterOperation::Set, Some("INFO")),
        "42 Unexpected node id. Expected 1, but received 2"
    );
    assert_eq!(
        refused("x", "root", AlterOperation::Set, Some("INFO")),
        "42 Node id must be an integer, but it is: x"
    );
    assert_eq!(refused("1", "kafka", AlterOperation::Delete, None), "40 Logger kafka does not exist!");
    assert!(
        refused("1", "root", AlterOperation::Set, Some("info"))
            .starts_with("40 Cannot set the log level of root to info")
    );
    assert!(refused("1", "root", AlterOperation::Delete, None).starts_with("42 Removing"));
    assert!(refused("1", "root", AlterOperation::Append, Some("INFO")).starts_with("42 APPEND operation"));
    assert!(
        refused("1", "root", AlterOperation::Unknown(7), None).starts_with("42 Unknown operation type 7")
    );
    assert_eq!(shown(&loggers), before);
}
