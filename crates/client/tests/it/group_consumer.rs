//! Reading as a member of a group.

use std::collections::BTreeSet;
use std::time::Duration;

use client::{ClientConfig, GroupConsumer, NewTopic, Producer, ProducerRecord, Subscription};
use platform::Platform;

use crate::{admin, node};

const WAIT: Duration = Duration::from_millis(50);

fn grouped(config: &ClientConfig) -> ClientConfig {
    let mut config = config.clone();
    config.set("group.id", "readers").expect("known");
    config.set("auto.offset.reset", "earliest").expect("known");
    config
}

async fn member(config: &ClientConfig) -> GroupConsumer {
    let subscription = Subscription::Topics(vec!["t".to_owned()]);
    GroupConsumer::connect(&Platform::os(), config.clone(), subscription).await.expect("the node answers")
}

async fn write(config: &ClientConfig, values: std::ops::Range<i32>) {
    let producer = Producer::connect(&Platform::os(), config.clone()).await.expect("the node answers");
    for value in values {
        let text = value.to_string();
        let bytes = Some(text.as_bytes());
        let record = ProducerRecord { topic: "t", key: bytes, value: bytes, ..ProducerRecord::default() };
        producer.send(record).await.expect("queued");
    }
    producer.close().await.expect("written");
}

/// Polls once and adds the values to those that were seen.
async fn read(consumer: &mut GroupConsumer, seen: &mut Vec<i32>) {
    for records in consumer.poll(WAIT).await.expect("readable") {
        for record in records.records() {
            let value = record.expect("whole").value.expect("there is one").to_vec();
            seen.push(String::from_utf8(value).expect("text").parse().expect("a number"));
        }
    }
}

#[tokio::test]
async fn members_share_partitions_and_go_on_where_others_stopped() {
    let (_node, config) = node(&[]).await;
    let config = grouped(&config);
    let new = NewTopic::new("t").with_partitions(4);
    let created = admin(&config).await.create_topics(&[new], false).await.expect("answered");
    assert!(created[0].1.is_ok());
    write(&config, 0..50).await;

    let mut seen = Vec::new();
    let mut first = member(&config).await;
    while seen.len() < 50 {
        read(&mut first, &mut seen).await;
    }
    assert_eq!(first.assignment().count(), 4);
    let mut second = member(&config).await;
    let mut nothing = Vec::new();
    while first.assignment().count() != 2 || second.assignment().count() != 2 {
        read(&mut first, &mut nothing).await;
        read(&mut second, &mut nothing).await;
    }
    assert!(nothing.is_empty(), "what was read is committed before partitions change hands: {nothing:?}");
    let parts: Vec<BTreeSet<_>> =
        [&first, &second].map(|one| one.assignment().cloned().collect::<BTreeSet<_>>()).into();
    assert!(parts[0].is_disjoint(&parts[1]));

    write(&config, 50..100).await;
    while seen.len() < 100 {
        read(&mut first, &mut seen).await;
        read(&mut second, &mut seen).await;
    }
    first.close().await.expect("it leaves");
    while second.assignment().count() != 4 {
        read(&mut second, &mut seen).await;
    }
    second.close().await.expect("it leaves");
    let distinct: BTreeSet<i32> = seen.iter().copied().collect();
    assert_eq!((seen.len(), distinct.len()), (100, 100), "every record once");
}
