//! Dynamic configurations are changed whole or key by key.

use metadata::ConfigResource;
use protocol::{
    AlterConfigsRequest, IncrementalAlterConfigsRequest, MetadataRecord, alter_configs_request,
    incremental_alter_configs_request,
};

use super::cluster::{Cluster, topic, with_configs};
use crate::ApiError;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

type Change<'a> = (&'a str, i8, Option<&'a str>);

fn incremental<'a>(
    resource_type: i8,
    name: &'a str,
    changes: &[Change<'a>],
) -> incremental_alter_configs_request::AlterConfigsResource<'a> {
    let configs =
        changes.iter().map(|(key, operation, value)| incremental_alter_configs_request::AlterableConfig {
            name: (*key).into(),
            config_operation: *operation,
            value: value.map(Into::into),
        });
    incremental_alter_configs_request::AlterConfigsResource {
        resource_type,
        resource_name: name.into(),
        configs: configs.collect(),
    }
}

fn alter_all(
    cluster: &mut Cluster,
    resources: Vec<incremental_alter_configs_request::AlterConfigsResource<'_>>,
) -> Vec<&'static str> {
    let request = IncrementalAlterConfigsRequest { resources, validate_only: false }.into();
    let outcome = cluster.controller.handle_alter_configs(&request);
    cluster.apply(outcome).iter().map(code).collect()
}

fn code(result: &Result<(), ApiError>) -> &'static str {
    result.as_ref().err().map_or("NONE", |error| error.code.name())
}

fn alter(cluster: &mut Cluster, resource_type: i8, name: &str, changes: &[Change<'_>]) -> &'static str {
    alter_all(cluster, vec![incremental(resource_type, name, changes)])[0]
}

fn replace(
    cluster: &mut Cluster,
    resource_type: i8,
    name: &str,
    configs: &[(&str, Option<&str>)],
) -> &'static str {
    let configs = configs.iter().map(|(key, value)| alter_configs_request::AlterableConfig {
        name: (*key).into(),
        value: value.map(Into::into),
    });
    let resource = alter_configs_request::AlterConfigsResource {
        resource_type,
        resource_name: name.into(),
        configs: configs.collect(),
    };
    let request = AlterConfigsRequest { resources: vec![resource], validate_only: false }.into();
    let outcome = cluster.controller.handle_alter_configs(&request);
    code(&cluster.apply(outcome)[0])
}

fn stored(cluster: &Cluster, resource: &ConfigResource) -> Vec<(String, String)> {
    let configs = cluster.controller.image().configs().get(resource);
    configs.map(|configs| configs.iter().map(|(k, v)| (k.clone(), v.clone())).collect()).unwrap_or_default()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn with_topic() -> Cluster {
    let mut cluster = Cluster::of_one(&[]);
    cluster.create(vec![with_configs(topic("a", 1, 1), &[("retention.ms", Some("5"))])]);
    cluster
}

#[test]
fn keys_are_set_and_deleted() {
    let mut cluster = with_topic();
    let a = ConfigResource::topic("a");
    assert_eq!(alter(&mut cluster, TOPIC, "a", &[("segment.ms", SET, Some("7"))]), "NONE");
    assert_eq!(stored(&cluster, &a), pairs(&[("retention.ms", "5"), ("segment.ms", "7")]));
    assert_eq!(alter(&mut cluster, TOPIC, "a", &[("retention.ms", DELETE, None)]), "NONE");
    assert_eq!(stored(&cluster, &a), pairs(&[("segment.ms", "7")]));
    let before = cluster.next_offset;
    assert_eq!(alter(&mut cluster, TOPIC, "a", &[("segment.ms", SET, Some("7"))]), "NONE");
    assert_eq!(cluster.next_offset, before, "a value that stays is not written");
}

#[test]
fn lists_grow_and_shrink() {
    let mut cluster = with_topic();
    let a = ConfigResource::topic("a");
    let policy = |cluster: &Cluster| {
        cluster.controller.image().configs().value(&a, "cleanup.policy").map(str::to_owned)
    };
    assert_eq!(alter(&mut cluster, TOPIC, "a", &[("cleanup.policy", APPEND, Some("compact"))]), "NONE");
    assert_eq!(policy(&cluster).as_deref(), Some("delete,compact"), "the default is what is appended to");
    assert_eq!(alter(&mut cluster, TOPIC, "a", &[("cleanup.policy", APPEND, Some("compact"))]), "NONE");
    assert_eq!(
        alter(&mut cluster, TOPIC, "a", &[("cleanup.policy", SUBTRACT, Some("delete,delete"))]),
        "NONE"
    );
    assert_eq!(policy(&cluster).as_deref(), Some("compact"));
    assert_eq!(alter(&mut cluster, TOPIC, "a", &[("retention.ms", APPEND, Some("5"))]), "INVALID_CONFIG");
    assert_eq!(alter(&mut cluster, TOPIC, "a", &[("no.such.key", SUBTRACT, Some("5"))]), "INVALID_CONFIG");
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut cluster = with_topic();
    let before = cluster.next_offset;
    let set = |key, value| [(key, SET, Some(value))];
    assert_eq!(alter(&mut cluster, TOPIC, "a", &set("retention.ms", "soon")), "INVALID_CONFIG");
    assert_eq!(alter(&mut cluster, TOPIC, "a", &set("no.such.key", "1")), "INVALID_CONFIG");
    assert_eq!(alter(&mut cluster, TOPIC, "b", &set("retention.ms", "1")), "UNKNOWN_TOPIC_OR_PARTITION");
    assert_eq!(alter(&mut cluster, TOPIC, "", &set("retention.ms", "1")), "INVALID_REQUEST");
    assert_eq!(alter(&mut cluster, TOPIC, "a/b", &set("retention.ms", "1")), "INVALID_TOPIC_EXCEPTION");
    assert_eq!(alter(&mut cluster, TOPIC, "a", &[("retention.ms", SET, None)]), "INVALID_REQUEST");
    let twice = [("retention.ms", SET, Some("1")), ("retention.ms", DELETE, None)];
    assert_eq!(alter(&mut cluster, TOPIC, "a", &twice), "INVALID_REQUEST");
    assert_eq!(alter(&mut cluster, 99, "a", &set("retention.ms", "1")), "INVALID_REQUEST");
    assert_eq!(
        alter(&mut cluster, GROUP, "", &set("consumer.session.timeout.ms", "50000")),
        "INVALID_REQUEST"
    );
    assert_eq!(alter(&mut cluster, CLIENT_METRICS, "", &set("interval.ms", "100")), "INVALID_REQUEST");
    assert_eq!(alter(&mut cluster, CLIENT_METRICS, "m", &set("no.such.key", "1")), "INVALID_REQUEST");
    assert_eq!(cluster.next_offset, before);
}

#[test]
fn a_resource_named_twice_is_refused_and_the_others_are_not() {
    let mut cluster = with_topic();
    cluster.create(vec![topic("b", 1, 1)]);
    let codes = alter_all(
        &mut cluster,
        vec![
            incremental(TOPIC, "a", &[("retention.ms", SET, Some("1"))]),
            incremental(TOPIC, "b", &[("retention.ms", SET, Some("1"))]),
            incremental(TOPIC, "a", &[("segment.ms", SET, Some("1"))]),
        ],
    );
    assert_eq!(codes, ["INVALID_REQUEST", "NONE", "INVALID_REQUEST"]);
    assert_eq!(stored(&cluster, &ConfigResource::topic("a")), pairs(&[("retention.ms", "5")]));
}

#[test]
fn groups_and_subscriptions_need_not_exist() {
    let mut cluster = Cluster::of_one(&[]);
    assert_eq!(
        alter(&mut cluster, GROUP, "g", &[("consumer.session.timeout.ms", SET, Some("50000"))]),
        "NONE"
    );
    assert_eq!(alter(&mut cluster, CLIENT_METRICS, "m", &[("interval.ms", SET, Some("1000"))]), "NONE");
    assert_eq!(
        alter(&mut cluster, CLIENT_METRICS, "m", &[("interval.ms", SET, Some("1"))]),
        "INVALID_REQUEST"
    );
}

#[test]
fn brokers_are_configured_together_or_alone() {
    let mut cluster = Cluster::of_one(&[]);
    let set = |key, value| [(key, SET, Some(value))];
    assert_eq!(alter(&mut cluster, BROKER, "", &set("log.retention.ms", "5000")), "NONE");
    assert_eq!(alter(&mut cluster, BROKER, "1", &set("log.retention.ms", "6000")), "NONE");
    assert_eq!(cluster.controller.config().topic_defaults.retention_ms, 6000);
    assert_eq!(alter(&mut cluster, BROKER, "1", &[("log.retention.ms", DELETE, None)]), "NONE");
    assert_eq!(cluster.controller.config().topic_defaults.retention_ms, 5000);
    let before = cluster.next_offset;
    assert_eq!(alter(&mut cluster, BROKER, "", &set("log.retention.ms", "5000")), "NONE");
    assert_eq!(cluster.next_offset, before + 1, "a broker is told again even if the value stays");
    assert_eq!(alter(&mut cluster, BROKER, "2", &set("log.retention.ms", "1")), "BROKER_ID_NOT_REGISTERED");
    assert_eq!(alter(&mut cluster, BROKER, "x", &set("log.retention.ms", "1")), "INVALID_REQUEST");
    assert_eq!(alter(&mut cluster, BROKER, "-1", &set("log.retention.ms", "1")), "INVALID_REQUEST");
    assert_eq!(alter(&mut cluster, BROKER, "1", &set("a.plugins.key", "3")), "NONE", "plugins may have keys");
    cluster.failover();
    assert_eq!(cluster.controller.config().topic_defaults.retention_ms, 5000);
}

#[test]
fn with_elr_min_insync_replicas_is_one_value_for_the_cluster() {
    let mut cluster = with_topic();
    let key = "min.insync.replicas";
    assert_eq!(alter(&mut cluster, BROKER, "1", &[(key, SET, Some("2"))]), "INVALID_CONFIG");
    assert_eq!(alter(&mut cluster, BROKER, "", &[(key, DELETE, None)]), "INVALID_CONFIG");
    let request = IncrementalAlterConfigsRequest {
        resources: vec![
            incremental(BROKER, "", &[(key, SET, Some("2"))]),
            incremental(TOPIC, "a", &[(key, SET, Some("3"))]),
        ],
        validate_only: false,
    };
    let outcome = cluster.controller.handle_alter_configs(&request.into());
    let cleared: Vec<_> = outcome
        .records
        .iter()
        .filter_map(|record| match record {
            MetadataRecord::ClearElr(record) => Some(record.topic_name.clone().into_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(cleared, ["", "a"]);
    cluster.apply(outcome);
}

#[test]
fn validation_alone_writes_nothing() {
    let mut cluster = with_topic();
    let request = IncrementalAlterConfigsRequest {
        resources: vec![incremental(TOPIC, "a", &[("retention.ms", SET, Some("1"))])],
        validate_only: true,
    };
    let outcome = cluster.controller.handle_alter_configs(&request.into());
    assert!(outcome.records.is_empty());
    assert_eq!(code(&cluster.apply(outcome)[0]), "NONE");
}

#[test]
fn loggers_are_not_stored() {
    let mut cluster = Cluster::of_one(&[]);
    let change = [("kafka", SET, Some("INFO"))];
    assert_eq!(alter(&mut cluster, BROKER_LOGGER, "1", &change), "INVALID_REQUEST");
}

#[test]
fn an_unknown_operation_fails_the_whole_request_as_in_kafka() {
    let mut cluster = with_topic();
    let good = incremental(TOPIC, "a", &[("retention.ms", SET, Some("1"))]);
    let odd = incremental(GROUP, "g", &[("consumer.session.timeout.ms", 9, Some("50000"))]);
    assert_eq!(alter_all(&mut cluster, vec![good, odd]), ["UNKNOWN_SERVER_ERROR", "UNKNOWN_SERVER_ERROR"]);
    assert_eq!(stored(&cluster, &ConfigResource::topic("a")), pairs(&[("retention.ms", "5")]));
}

#[test]
fn the_old_request_replaces_everything() {
    let mut cluster = with_topic();
    let a = ConfigResource::topic("a");
    assert_eq!(replace(&mut cluster, TOPIC, "a", &[("segment.ms", Some("7"))]), "NONE");
    assert_eq!(stored(&cluster, &a), pairs(&[("segment.ms", "7")]));
    assert_eq!(replace(&mut cluster, TOPIC, "a", &[("segment.ms", None)]), "INVALID_REQUEST");
    assert_eq!(replace(&mut cluster, TOPIC, "a", &[("no.such.key", Some("7"))]), "INVALID_CONFIG");
    assert_eq!(replace(&mut cluster, TOPIC, "b", &[]), "UNKNOWN_TOPIC_OR_PARTITION");
    assert_eq!(replace(&mut cluster, BROKER_LOGGER, "1", &[]), "INVALID_REQUEST");
    assert_eq!(replace(&mut cluster, TOPIC, "a", &[]), "NONE");
    assert_eq!(stored(&cluster, &a), []);
    // It would take min.insync.replicas away without naming it.
    assert_eq!(replace(&mut cluster, BROKER, "", &[("log.retention.ms", Some("5000"))]), "INVALID_CONFIG");
}
