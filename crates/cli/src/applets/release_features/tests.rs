//! The table of versions and features.

use super::*;

fn refusal<T: std::fmt::Debug>(result: Result<T, ToolError>) -> String {
    result.expect_err("it is refused").to_string()
}

#[test]
fn versions_are_known_by_short_and_long_names() {
    assert_eq!(version_level("3.3"), Some(7));
    assert_eq!(version_level("3.7"), Some(19));
    assert_eq!(version_level("4.0-IV0"), Some(22));
    assert_eq!(version_level("4.0.1"), Some(25));
    assert_eq!(version_level("4.4"), Some(33));
    for text in ["4.5", "4", "", "4.0-IV9", "3.3-IV0"] {
        assert_eq!(version_level(text), None, "{text:?}");
    }
}

#[test]
fn a_version_brings_the_features_that_were_finished_with_it() {
    let levels = levels(Some("4.0"), &[], true).expect("possible");
    let expected = [("group.version", 1), ("transaction.version", 2)];
    assert_eq!(levels, Levels { metadata_version: 25, features: expected.into(), kraft_version: 1 });
    assert_eq!(super::levels(Some("3.3"), &[], false).expect("possible").kraft_version, 0);
}

#[test]
fn levels_that_do_not_go_together_are_refused() {
    let asked = |features: &[&str], release, is_dynamic| {
        let features: Vec<String> = features.iter().map(|feature| (*feature).to_owned()).collect();
        levels(release, &features, is_dynamic)
    };
    assert_eq!(
        refusal(asked(&["eligible.leader.replicas.version=1"], Some("3.9"), true)),
        "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23"
    );
    assert_eq!(
        refusal(asked(&["group.version=2"], None, true)),
        "No feature:group.version with feature level 2"
    );
    assert!(
        refusal(asked(&["kraft.version=1"], None, false)).starts_with("Cannot set kraft.version to 1 unless")
    );
    assert!(refusal(asked(&["kraft.version=0"], None, true)).starts_with("Cannot set kraft.version to 0 if"));
    let removed = asked(&["group.version=1", "group.version=0"], None, true).expect("the last one counts");
    assert!(!removed.features.contains_key("group.version"));
}
