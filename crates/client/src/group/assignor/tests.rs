//! The rules on small groups.

use super::*;

/// Members as `id[@instance]:topic,topic`, topics as `topic=partitions`; what each gets, as `id: topic-partition …`.
fn check(assignor: Assignor, members: &[&str], topics: &[&str], expected: &[&str]) {
    let members: Vec<Subscriber> = members
        .iter()
        .map(|text| {
            let (who, topics) = text.split_once(':').expect("a colon");
            let (id, instance) = match who.split_once('@') {
                Some((id, instance)) => (id, Some(instance.to_owned())),
                None => (who, None),
            };
            let topics = topics.split(',').map(str::to_owned).collect();
            Subscriber { id: id.to_owned(), instance_id: instance, topics }
        })
        .collect();
    let partitions = topics
        .iter()
        .map(|text| {
            let (topic, count) = text.split_once('=').expect("an equals sign");
            (topic.to_owned(), count.parse().expect("a number"))
        })
        .collect();
    let assigned = assignor.assign(&members, &partitions);
    let shown: Vec<String> = assigned
        .iter()
        .map(|(id, own)| {
            let own: Vec<String> = own.iter().map(TopicPartition::to_string).collect();
            format!("{id}: {}", own.join(" "))
        })
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn ranges_are_neighbours() {
    check(Assignor::Range, &["a:t", "b:t"], &["t=3"], &["a: t-0 t-1", "b: t-2"]);
    check(Assignor::Range, &["b:t,u", "a:t,u"], &["t=3", "u=3"], &["a: t-0 t-1 u-0 u-1", "b: t-2 u-2"]);
    check(Assignor::Range, &["a:t", "b:u", "c:t,u"], &["t=2", "u=1"], &["a: t-0", "b: u-0", "c: t-1"]);
    check(Assignor::Range, &["a:t", "b:t", "c:t"], &["t=2"], &["a: t-0", "b: t-1", "c: "]);
    check(Assignor::Range, &["a:nothing"], &["t=2"], &["a: "]);
    check(Assignor::Range, &["a:t", "z@1:t"], &["t=3"], &["a: t-2", "z: t-0 t-1"]);
}

#[test]
fn round_robin_goes_round() {
    check(Assignor::RoundRobin, &["a:t,u", "b:t,u"], &["t=3", "u=3"], &["a: t-0 t-2 u-1", "b: t-1 u-0 u-2"]);
    check(Assignor::RoundRobin, &["a:t", "b:t,u"], &["t=1", "u=2"], &["a: t-0", "b: u-0 u-1"]);
    check(Assignor::RoundRobin, &["a:nothing"], &["t=2"], &["a: "]);
}
