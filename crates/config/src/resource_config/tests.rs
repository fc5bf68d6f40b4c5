//! Validation of group and client-metrics keys.

use std::collections::BTreeMap;

use super::{client_match, validate_client_metrics, validate_group_configs};
use crate::broker_config::BrokerConfig;
use crate::config_error::{ConfigError, ConfigErrorKind};

fn overrides(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn group(pairs: &[(&str, &str)]) -> Result<(), String> {
    let broker = BrokerConfig::from_pairs(&[]).expect("valid");
    validate_group_configs(&broker, &overrides(pairs)).map_err(|error| error.message)
}

fn metrics(name: &str, pairs: &[(&str, &str)]) -> Result<(), ConfigError> {
    validate_client_metrics(name, &overrides(pairs))
}

#[test]
fn group_values_stay_within_the_brokers_bounds() {
    assert_eq!(group(&[("consumer.session.timeout.ms", "50000")]), Ok(()));
    assert_eq!(
        group(&[("consumer.session.timeout.ms", "100")]).unwrap_err(),
        "consumer.session.timeout.ms must be in the range 45000 to 60000 inclusive."
    );
    assert_eq!(
        group(&[("streams.num.standby.replicas", "3")]).unwrap_err(),
        "streams.num.standby.replicas must be less than or equal to 2"
    );
    assert_eq!(
        group(&[("streams.task.offset.interval.ms", "3")]).unwrap_err(),
        "streams.task.offset.interval.ms must be greater than or equal to 15000"
    );
    assert_eq!(group(&[("nothing", "3")]).unwrap_err(), "Unknown group config name: nothing");
}

#[test]
fn group_values_agree_with_each_other() {
    assert!(group(&[("streams.assignor.name", "lazy")]).unwrap_err().ends_with("are: [sticky]."));
    assert!(group(&[("streams.rack.aware.assignment.tags", "a,b,a")]).unwrap_err().contains("duplicate"));
    assert!(group(&[("errors.deadletterqueue.topic.name", "__x")]).unwrap_err().contains("must not start"));
}

#[test]
fn client_metrics_values() {
    assert_eq!(
        metrics("s", &[("interval.ms", "1000"), ("match", "client_id=a.*"), ("metrics", "*")]),
        Ok(())
    );
    let kind = |result: Result<(), ConfigError>| result.expect_err("refused").kind;
    assert_eq!(kind(metrics("", &[])), ConfigErrorKind::InvalidRequest);
    assert_eq!(kind(metrics("s", &[("interval.ms", "99")])), ConfigErrorKind::InvalidRequest);
    assert_eq!(kind(metrics("s", &[("nothing", "1")])), ConfigErrorKind::InvalidRequest);
    assert_eq!(kind(metrics("s", &[("match", "color=red")])), ConfigErrorKind::InvalidConfig);
}

#[test]
fn client_matches_are_expressions_of_the_whole_value() {
    let matches = |pattern, value| client_match(pattern).map(|(name, regex)| (name, regex.is_match(value)));
    assert_eq!(matches(" client_id = a.*b ", "a-b"), Some(("client_id", true)));
    assert_eq!(matches("client_id=a|b", "ab"), Some(("client_id", false)));
    assert_eq!(
        matches("client_id=a=", "a"),
        Some(("client_id", true)),
        "Java's split drops what is empty at the end"
    );
    for bad in [
        "client_id",
        "client_id=",
        "client_id==",
        "a=b=c",
        "colour=red",
        "client_id=[",
        "client_id=a)(b",
        "client_id=(?!x)a",
    ] {
        assert_eq!(matches(bad, ""), None, "{bad}");
    }
}
