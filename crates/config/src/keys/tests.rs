//! The tables hold what Kafka 4.4 has, sorted, and every default obeys its own rule.

use super::{BROKER, BROKER_DYNAMIC_ONLY, CLIENT_METRICS, GROUP, TOPIC, obsolete};
use crate::config_def::{ConfigDef, DefaultValue, Effect, find};
use crate::synonyms::{group_synonym, topic_synonyms};
use crate::value;

#[test]
fn the_tables_have_kafkas_counts_and_are_sorted() {
    assert_eq!([BROKER.len(), TOPIC.len(), GROUP.len(), CLIENT_METRICS.len()], [387, 39, 27, 3]);
    for table in [BROKER, TOPIC, GROUP, CLIENT_METRICS, BROKER_DYNAMIC_ONLY] {
        for pair in table.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} before {}", pair[0].name, pair[1].name);
        }
    }
}

#[test]
fn every_default_parses_and_obeys_its_rule() {
    let has_default = |def: &&ConfigDef| def.default != DefaultValue::Required;
    let tables = [BROKER, TOPIC, GROUP, CLIENT_METRICS, BROKER_DYNAMIC_ONLY];
    for def in tables.into_iter().flatten().filter(has_default) {
        let parsed = value::parse(def, def.default_text());
        assert!(parsed.is_ok(), "{}: {parsed:?}", def.name);
        assert_eq!(parsed.expect("checked above").to_text().as_deref(), def.default_text(), "{}", def.name);
    }
}

#[test]
fn every_key_is_documented_in_a_sentence() {
    for def in [BROKER, TOPIC, GROUP, CLIENT_METRICS, BROKER_DYNAMIC_ONLY].into_iter().flatten() {
        let text = def.documentation;
        assert!(text.len() >= 20 && text.ends_with('.'), "{}: {text:?}", def.name);
    }
}

#[test]
fn every_reason_ends_a_sentence_that_starts_with_the_key() {
    let reason = |def: &'static ConfigDef| match def.effect {
        Effect::Enforced => None,
        Effect::NotYet(reason) | Effect::Meaningless(reason) | Effect::Refused(reason) => Some(reason),
    };
    for reason in BROKER.iter().chain(TOPIC).chain(GROUP).filter_map(reason) {
        assert!(!reason.ends_with('.') && reason.len() > 10, "{reason:?}");
    }
}

#[test]
fn every_synonym_is_a_broker_key() {
    for def in TOPIC {
        for synonym in topic_synonyms(def.name) {
            assert!(find(BROKER, synonym.name).is_some(), "{} -> {}", def.name, synonym.name);
        }
    }
    let with_synonym = TOPIC.iter().filter(|def| !topic_synonyms(def.name).is_empty()).count();
    assert_eq!(with_synonym, 32);
    for name in GROUP.iter().filter_map(|def| group_synonym(def.name)) {
        assert!(find(BROKER, name).is_some(), "{name}");
    }
}

#[test]
fn old_keys_are_found_by_name_or_prefix() {
    assert!(obsolete("zookeeper.connect").is_some_and(|key| !key.is_refused));
    assert!(obsolete("port").is_some_and(|key| key.is_refused));
    assert!(obsolete("portal").is_none());
}
