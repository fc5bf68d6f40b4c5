//! Quotas are set and removed entity by entity; answers as a running Kafka 4.4 gave them.

use std::collections::BTreeSet;

use protocol::AlterClientQuotasRequest;
use protocol::alter_client_quotas_request::{EntityData, EntryData, OpData};

use super::cluster::Cluster;

type Entity<'a> = &'a [(&'a str, Option<&'a str>)];
type Ops<'a> = &'a [(&'a str, Option<f64>)];

const USER: Entity<'static> = &[("user", Some("u"))];
const ADDRESS: Entity<'static> = &[("ip", Some("10.0.0.1"))];

fn request(entries: &[(Entity<'_>, Ops<'_>)], validate_only: bool) -> AlterClientQuotasRequest<'static> {
    let entries = entries.iter().map(|(entity, ops)| EntryData {
        entity: entity
            .iter()
            .map(|(entity_type, name)| EntityData {
                entity_type: (*entity_type).to_owned().into(),
                entity_name: name.map(|name| name.to_owned().into()),
            })
            .collect(),
        ops: ops
            .iter()
            .map(|(key, value)| OpData {
                key: (*key).to_owned().into(),
                value: value.unwrap_or(0.0),
                remove: value.is_none(),
            })
            .collect(),
    });
    AlterClientQuotasRequest { entries: entries.collect(), validate_only }
}

fn send(cluster: &mut Cluster, request: &AlterClientQuotasRequest<'_>) -> Vec<String> {
    let known_hosts = BTreeSet::from(["a.host".to_owned()]);
    let outcome = cluster.controller.handle_alter_client_quotas(request, &known_hosts);
    let answers = cluster.apply(outcome).entries.into_iter().map(|entry| match entry.error_message {
        Some(message) => format!("{}: {message}", entry.error_code.name()),
        None => entry.error_code.name().to_owned(),
    });
    answers.collect()
}

fn alter(cluster: &mut Cluster, entity: Entity<'_>, ops: Ops<'_>) -> String {
    send(cluster, &request(&[(entity, ops)], false)).remove(0)
}

fn stored(cluster: &Cluster) -> Vec<String> {
    let quotas = cluster.controller.image().client_quotas();
    let rows = quotas.iter().map(|(entity, values)| {
        let entity = entity.iter().map(|(kind, name)| format!("{kind}={}", name.as_deref().unwrap_or("*")));
        let values = values.iter().map(|(key, value)| format!("{key}={value}"));
        format!("{} {}", entity.collect::<Vec<_>>().join(","), values.collect::<Vec<_>>().join(","))
    });
    rows.collect()
}

#[test]
fn quotas_are_set_changed_and_removed() {
    let mut cluster = Cluster::of_one(&[]);
    let pair: Entity<'_> = &[("user", None), ("client-id", Some("c"))];
    let ops: Ops<'_> = &[("producer_byte_rate", Some(1024.0)), ("request_percentage", Some(12.5))];
    assert_eq!(alter(&mut cluster, USER, ops), "NONE");
    assert_eq!(alter(&mut cluster, pair, &[("controller_mutation_rate", Some(0.5))]), "NONE");
    assert_eq!(alter(&mut cluster, &[("ip", None)], &[("connection_creation_rate", Some(3.0))]), "NONE");
    assert_eq!(
        stored(&cluster),
        [
            "client-id=c,user=* controller_mutation_rate=0.5",
            "ip=* connection_creation_rate=3",
            "user=u producer_byte_rate=1024,request_percentage=12.5",
        ]
    );
    let before = cluster.next_offset;
    assert_eq!(alter(&mut cluster, USER, ops), "NONE");
    assert_eq!(cluster.next_offset, before, "a value that stays is not written");
    assert_eq!(alter(&mut cluster, USER, &[("producer_byte_rate", None), ("no_such_key", None)]), "NONE");
    assert_eq!(alter(&mut cluster, USER, &[("request_percentage", None)]), "NONE");
    assert_eq!(stored(&cluster).len(), 2, "an entity without quotas is gone");
}

#[test]
fn entities_that_cannot_be_are_refused() {
    let mut cluster = Cluster::of_one(&[]);
    let rate: Ops<'_> = &[("producer_byte_rate", Some(1.0))];
    let cases: &[(Entity<'_>, &str)] = &[
        (&[], "Invalid empty client quota entity"),
        (&[("topic", Some("t"))], "Unhandled client quota entity type: topic"),
        (&[("user", Some(""))], "Empty user not supported"),
        (
            &[("user", Some("u")), ("ip", None)],
            "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId",
        ),
        (&[("ip", Some("no.host"))], "no.host is not a valid IP or resolvable host."),
    ];
    for (entity, message) in cases {
        assert_eq!(alter(&mut cluster, entity, rate), format!("INVALID_REQUEST: {message}"));
    }
    for ip in ["a.host", "::1", "[::1]", "10.0.0.1"] {
        let ops: Ops<'_> = &[("connection_creation_rate", Some(1.0))];
        assert_eq!(alter(&mut cluster, &[("ip", Some(ip))], ops), "NONE", "{ip}");
    }
}

#[test]
fn values_that_cannot_be_are_refused() {
    let mut cluster = Cluster::of_one(&[]);
    let cases = [
        (USER, "producer_byte_rate", 0.0, "Quota producer_byte_rate must be greater than 0"),
        (USER, "request_percentage", -1.0, "Quota request_percentage must be greater than 0"),
        (USER, "request_percentage", f64::NAN, "Quota request_percentage must be a finite number"),
        (USER, "consumer_byte_rate", 1.5, "consumer_byte_rate cannot be a fractional value."),
        (USER, "consumer_byte_rate", 1e19, "Proposed value for consumer_byte_rate is too large for a LONG."),
        (
            ADDRESS,
            "connection_creation_rate",
            3e9,
            "Proposed value for connection_creation_rate is too large for an INT.",
        ),
        (ADDRESS, "producer_byte_rate", 1.0, "Invalid configuration key producer_byte_rate"),
        (USER, "connection_creation_rate", 1.0, "Invalid configuration key connection_creation_rate"),
    ];
    for (entity, key, value, message) in cases {
        let answer = alter(&mut cluster, entity, &[(key, Some(value))]);
        assert_eq!(answer, format!("INVALID_REQUEST: {message}"));
    }
    assert_eq!(alter(&mut cluster, USER, &[("consumer_byte_rate", Some(1.000_000_1))]), "NONE");
    assert_eq!(stored(&cluster).len(), 1, "nothing of what was refused is stored");
}

#[test]
fn one_bad_entity_leaves_the_others_alone() {
    let mut cluster = Cluster::of_one(&[]);
    let good: Ops<'_> = &[("producer_byte_rate", Some(5.0))];
    let other: Entity<'_> = &[("user", Some("other"))];
    let bad: Ops<'_> = &[("producer_byte_rate", Some(5.0)), ("nonsense", Some(1.0))];
    let answers = send(&mut cluster, &request(&[(USER, bad), (other, good)], false));
    assert_eq!(answers, ["INVALID_REQUEST: Invalid configuration key nonsense", "NONE"]);
    assert_eq!(stored(&cluster), ["user=other producer_byte_rate=5"]);
}

#[test]
fn of_an_entity_named_twice_the_first_change_stays_and_an_error_is_told() {
    let mut cluster = Cluster::of_one(&[]);
    let produce: Ops<'_> = &[("producer_byte_rate", Some(5.0))];
    let fetch: Ops<'_> = &[("consumer_byte_rate", Some(5.0))];
    let refusal = "INVALID_REQUEST: Ignoring duplicate entity ClientQuotaEntity(entries={user=u})";
    assert_eq!(send(&mut cluster, &request(&[(USER, produce), (USER, fetch)], false)), [refusal]);
    assert_eq!(stored(&cluster), ["user=u producer_byte_rate=5"]);
    let twice: Ops<'_> = &[("producer_byte_rate", Some(6.0)), ("producer_byte_rate", Some(7.0))];
    assert_eq!(alter(&mut cluster, USER, twice), refusal);
    assert_eq!(stored(&cluster), ["user=u producer_byte_rate=5"]);
}

#[test]
fn validation_alone_changes_nothing() {
    let mut cluster = Cluster::of_one(&[]);
    let ops: Ops<'_> = &[("producer_byte_rate", Some(5.0))];
    assert_eq!(send(&mut cluster, &request(&[(USER, ops)], true)), ["NONE"]);
    assert!(stored(&cluster).is_empty());
}
