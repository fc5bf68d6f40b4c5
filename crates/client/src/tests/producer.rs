//! Sending records: batching, partitions, bounds, and what the broker refuses.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::{ApiKey, ErrorCode};
use records::{Batch, Compression, Header, partition_for_key};
use tokio::time::Instant;

use super::fake_broker::{FakeCluster, Fault};
use crate::{ClientConfig, ClientError, Delivery, Producer, ProducerRecord};

async fn setup(nodes: i32, partitions: usize, properties: &[(&str, &str)]) -> (FakeCluster, Producer) {
    let cluster = FakeCluster::start(21, nodes).await;
    cluster.create_topic("t", partitions);
    let producer = connect(&cluster, properties).await;
    (cluster, producer)
}

async fn connect(cluster: &FakeCluster, properties: &[(&str, &str)]) -> Producer {
    let mut config = cluster.config();
    for (key, value) in properties {
        config.set(key, value).unwrap();
    }
    Producer::connect(&cluster.client(), config).await.unwrap()
}

fn record<'a>(key: Option<&'a str>, value: &'a str) -> ProducerRecord<'a> {
    let (key, value) = (key.map(str::as_bytes), Some(value.as_bytes()));
    ProducerRecord { topic: "t", key, value, ..ProducerRecord::default() }
}

/// Number of records per partition, and number of batches in all.
fn sizes(cluster: &FakeCluster) -> (Vec<usize>, usize) {
    let state = cluster.state();
    let partitions = &state.topics["t"].partitions;
    (partitions.iter().map(|p| p.records().len()).collect(), partitions.iter().map(|p| p.log.len()).sum())
}

/// A producer is used from many tasks at once.
#[allow(dead_code)]
fn sending_can_be_spawned(producer: &Producer) {
    fn spawnable(_: impl Send) {}
    spawnable(producer.send(ProducerRecord::default()));
    spawnable(producer.flush());
    fn shareable(_: impl Sync) {}
    shareable(producer);
}

#[tokio::test(start_paused = true)]
async fn a_record_arrives_as_it_was_sent() {
    let (cluster, producer) = setup(1, 1, &[]).await;
    let headers = [Header { key: b"h", value: Some(b"1") }, Header { key: b"h", value: None }];
    let sent = ProducerRecord { headers: &headers, timestamp: Some(77), ..record(Some("k"), "v") };
    let metadata = producer.send(sent).await.unwrap().await.unwrap();
    assert_eq!((metadata.topic.as_str(), metadata.partition, metadata.offset), ("t", 0, 0));
    assert_eq!(metadata.timestamp, 77);
    let tombstone = ProducerRecord { topic: "t", key: Some(b"k"), ..ProducerRecord::default() };
    let metadata = producer.send(tombstone).await.unwrap().await.unwrap();
    assert_eq!(metadata.offset, 1);
    let kept = cluster.state().topics["t"].partitions[0].records();
    assert_eq!((kept[0].key.as_deref(), kept[0].value.as_deref()), (Some(&b"k"[..]), Some(&b"v"[..])));
    assert_eq!(kept[0].headers, [(b"h".to_vec(), Some(b"1".to_vec())), (b"h".to_vec(), None)]);
    assert_eq!(kept[0].timestamp, 77);
    assert_eq!(kept[1].value, None);
    // Without a timestamp it is the client's time.
    assert!((kept[1].timestamp - cluster.world.wall_ms()).abs() < 1_000);
    let stats = producer.close().await.unwrap();
    assert_eq!((stats.records_sent, stats.records_acknowledged, stats.records_failed), (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn records_share_batches_that_linger_or_are_full() {
    let (cluster, producer) = setup(1, 1, &[("linger.ms", "100"), ("batch.size", "1000")]).await;
    // 20 records of some 50 bytes are a batch and a bit.
    let began = Instant::now();
    let mut deliveries = Vec::new();
    for i in 0..30 {
        deliveries.push(producer.send(record(None, &format!("{i:040}"))).await.unwrap());
    }
    for (i, delivery) in deliveries.into_iter().enumerate() {
        assert_eq!(delivery.wait().await.unwrap().offset, i as i64);
    }
    assert!(began.elapsed() >= Duration::from_millis(100));
    let (records, batches) = sizes(&cluster);
    assert_eq!(records, [30]);
    assert_eq!(batches, 2);
    for batch in &cluster.state().topics["t"].partitions[0].log {
        assert!(batch.len() <= 1000, "{}", batch.len());
    }
    // A flush does not wait for the linger.
    let began = Instant::now();
    producer.send(record(None, "last")).await.unwrap();
    producer.flush().await;
    assert!(began.elapsed() < Duration::from_millis(60), "{:?}", began.elapsed());
    assert_eq!(sizes(&cluster).0, [31]);
}

#[tokio::test(start_paused = true)]
async fn keys_choose_their_partition_and_the_rest_sticks() {
    let (cluster, producer) = setup(2, 7, &[("batch.size", "500")]).await;
    let mut wanted: BTreeMap<i32, usize> = BTreeMap::new();
    for i in 0..100 {
        let key = format!("key-{i}");
        let delivery = producer.send(record(Some(&key), "v")).await.unwrap();
        let partition = partition_for_key(key.as_bytes(), 7) as i32;
        assert_eq!(delivery.partition(), partition);
        *wanted.entry(partition).or_default() += 1;
    }
    producer.flush().await;
    let (records, _) = sizes(&cluster);
    assert_eq!(records, (0..7).map(|p| wanted.get(&p).copied().unwrap_or(0)).collect::<Vec<_>>());
    // Without a key: long runs in one partition, but over time all of them.
    let mut partitions = Vec::new();
    for i in 0..600 {
        partitions.push(producer.send(record(None, &format!("{i:020}"))).await.unwrap().partition());
    }
    let changes = partitions.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes < 60, "{changes}");
    partitions.sort_unstable();
    partitions.dedup();
    assert_eq!(partitions, [0, 1, 2, 3, 4, 5, 6]);
    // A partition that was asked for is taken, whatever the key.
    let fixed = ProducerRecord { partition: Some(3), ..record(Some("key-1"), "v") };
    assert_eq!(producer.send(fixed).await.unwrap().partition(), 3);
    producer.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn keys_can_be_ignored() {
    let (_cluster, producer) = setup(1, 7, &[("partitioner.ignore.keys", "true")]).await;
    let first = producer.send(record(Some("a"), "v")).await.unwrap().partition();
    for key in ["b", "c", "d", "e"] {
        assert_eq!(producer.send(record(Some(key), "v")).await.unwrap().partition(), first);
    }
}

#[tokio::test(start_paused = true)]
async fn every_codec_and_old_brokers() {
    for compression in Compression::ALL {
        for (version, topic_ids) in [((0, 13), true), ((0, 13), false), ((3, 7), true)] {
            let cluster = FakeCluster::start(22, 1).await;
            cluster.create_topic("t", 1);
            cluster.state().versions.insert(ApiKey::Produce, version);
            cluster.state().no_topic_ids = !topic_ids;
            let producer =
                connect(&cluster, &[("compression.type", compression.name()), ("linger.ms", "50")]).await;
            for i in 0..200 {
                producer.send(record(None, &format!("the same words again and again {i}"))).await.unwrap();
            }
            let stats = producer.close().await.unwrap();
            assert_eq!(stats.records_acknowledged, 200);
            let state = cluster.state();
            let partition = &state.topics["t"].partitions[0];
            let values: Vec<_> = partition.records().into_iter().map(|kept| kept.value.unwrap()).collect();
            assert_eq!(values[199], b"the same words again and again 199");
            let header = Batch::parse(&partition.log[0]).unwrap().header;
            assert_eq!(header.compression(), Ok(compression));
            let wanted = if !topic_ids { 12 } else { version.1 };
            assert!(state.served.iter().any(|(_, key, v)| (*key, *v) == (ApiKey::Produce, wanted)));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn zstd_is_not_sent_to_a_broker_that_is_too_old() {
    let cluster = FakeCluster::start(23, 1).await;
    cluster.create_topic("t", 1);
    cluster.state().versions.insert(ApiKey::Produce, (3, 6));
    let producer = connect(&cluster, &[("compression.type", "zstd")]).await;
    let error = producer.send(record(None, "v")).await.unwrap().await.unwrap_err();
    assert!(matches!(error, ClientError::UnsupportedVersion { client: (7, _), .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn compressed_batches_grow_until_they_are_as_large_as_wanted() {
    let (cluster, producer) = setup(1, 1, &[("compression.type", "zstd"), ("linger.ms", "20")]).await;
    // Every value a hundred times over: compressed, some forty bytes each.
    for i in 0..6_000 {
        if i % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        producer.send(record(None, &format!("{i}-").repeat(100))).await.unwrap();
    }
    producer.flush().await;
    let state = cluster.state();
    let log = &state.topics["t"].partitions[0].log;
    let largest = log.iter().map(|batch| Batch::parse(batch).unwrap().header.records_count).max().unwrap();
    // 16 KiB hold some 35 of these records plain.
    assert!(largest > 100, "{largest}");
    assert!(log.iter().all(|batch| batch.len() < 2 * 16_384));
}

#[tokio::test(start_paused = true)]
async fn records_too_large_are_refused_at_once() {
    let (_cluster, producer) = setup(1, 1, &[("max.request.size", "1000")]).await;
    let error = producer.send(record(None, &"x".repeat(1_000))).await.unwrap_err();
    assert!(matches!(error, ClientError::RecordTooLarge { key: "max.request.size", max_bytes: 1_000, .. }));
    assert!(error.hint().is_some());
    producer.send(record(None, &"x".repeat(900))).await.unwrap().await.unwrap();
    let (_cluster, producer) = setup(1, 1, &[("buffer.memory", "2000"), ("batch.size", "500")]).await;
    let error = producer.send(record(None, &"x".repeat(2_000))).await.unwrap_err();
    assert!(matches!(error, ClientError::RecordTooLarge { key: "buffer.memory", .. }));
}

#[tokio::test(start_paused = true)]
async fn full_memory_makes_senders_wait_and_then_fails() {
    let properties = [
        ("buffer.memory", "10000"),
        ("batch.size", "1000"),
        ("max.block.ms", "3000"),
        ("linger.ms", "60000"),
        ("delivery.timeout.ms", "200000"),
    ];
    let (cluster, producer) = setup(1, 1, &properties).await;
    // More than fits at once: a batch never lingers while somebody waits for its memory.
    let began = Instant::now();
    for i in 0..500 {
        producer.send(record(None, &format!("{i:0100}"))).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(30));
    producer.flush().await;
    assert_eq!(sizes(&cluster).0, [500]);
    // A broker that does not answer lets memory run full.
    cluster.fault(ApiKey::Produce, &[Fault::Silence; 50]);
    let mut sent = 0;
    let error = loop {
        match producer.send(record(None, &format!("{sent:0100}"))).await {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ClientError::BufferFull { after_ms: 3_000 }), "{error}");
    assert!((50..100).contains(&sent), "{sent}");
    assert!(error.hint().unwrap().contains("buffer.memory"));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_does_not_exist_is_created_or_named() {
    let cluster = FakeCluster::start(24, 1).await;
    let producer = connect(&cluster, &[]).await;
    let began = Instant::now();
    let error = producer.send(record(None, "v")).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert!(began.elapsed() < Duration::from_secs(20));
    cluster.state().auto_create = Some(4);
    producer.send(record(None, "v")).await.unwrap().await.unwrap();
    assert_eq!(sizes(&cluster).0.iter().sum::<usize>(), 1);
    let error = producer.send(ProducerRecord { partition: Some(4), ..record(None, "v") }).await.unwrap_err();
    assert!(matches!(error, ClientError::NoPartition { partitions: 4, .. }), "{error}");
    // The topic grows, and the producer learns of it when it has to.
    let more = super::fake_log::FakePartition::led_by(1);
    cluster.state().topics.get_mut("t").unwrap().partitions.push(more);
    producer.send(ProducerRecord { partition: Some(4), ..record(None, "v") }).await.unwrap().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn acks_none_asks_for_no_answer() {
    let (cluster, producer) = setup(1, 1, &[("acks", "0")]).await;
    let metadata = producer.send(record(None, "v")).await.unwrap().await.unwrap();
    assert_eq!(metadata.offset, -1);
    for _ in 0..20 {
        producer.send(record(None, "v")).await.unwrap();
    }
    producer.close().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(sizes(&cluster).0, [21]);
    assert_eq!(cluster.served(ApiKey::InitProducerId), 0);
}

#[tokio::test(start_paused = true)]
async fn a_batch_too_large_for_the_topic_is_split_until_it_fits() {
    // Without idempotence only one request in flight keeps the order.
    for (idempotent, in_flight) in [("true", "5"), ("false", "1")] {
        let properties = [
            ("batch.size", "16000"),
            ("linger.ms", "50"),
            ("enable.idempotence", idempotent),
            ("max.in.flight.requests.per.connection", in_flight),
        ];
        let (cluster, producer) = setup(1, 1, &properties).await;
        cluster.state().max_message_bytes = 2_000;
        let mut deliveries = Vec::new();
        for i in 0..100 {
            deliveries.push(producer.send(record(None, &format!("{i:0200}"))).await.unwrap());
        }
        for (i, delivery) in deliveries.into_iter().enumerate() {
            assert_eq!(delivery.wait().await.unwrap().offset, i as i64, "{i}");
        }
        // One record that does not fit can only fail, and the next ones do not suffer.
        let large = producer.send(record(None, &"x".repeat(3_000))).await.unwrap();
        let next = producer.send(record(None, "next")).await.unwrap();
        let error = large.await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
        assert!(error.hint().unwrap().contains("max.message.bytes"));
        assert_eq!(next.await.unwrap().offset, 100);
        assert_eq!(sizes(&cluster).0, [101]);
        assert!(producer.close().await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_does_not_stop_those_after_it() {
    let (cluster, producer) = setup(1, 1, &[("linger.ms", "0"), ("batch.size", "200")]).await;
    producer.send(record(None, "first")).await.unwrap().await.unwrap();
    cluster.fault(ApiKey::Produce, &[Fault::Error(ErrorCode::INVALID_RECORD)]);
    let mut deliveries: Vec<Delivery> = Vec::new();
    for i in 0..20 {
        deliveries.push(producer.send(record(None, &format!("{i:0100}"))).await.unwrap());
    }
    let mut failed = 0;
    let mut offsets = Vec::new();
    for delivery in deliveries {
        match delivery.wait().await {
            Ok(metadata) => offsets.push(metadata.offset),
            Err(error) => {
                assert_eq!(error.code(), Some(ErrorCode::INVALID_RECORD));
                failed += 1;
            }
        }
    }
    assert!((1..=2).contains(&failed), "{failed}");
    assert_eq!(offsets, (1..=offsets.len() as i64).collect::<Vec<_>>());
    let stats = producer.stats();
    assert_eq!((stats.records_failed, stats.records_acknowledged), (failed, 21 - failed));
    assert_eq!(producer.first_error().unwrap().code(), Some(ErrorCode::INVALID_RECORD));
}

#[tokio::test(start_paused = true)]
async fn closing_sends_the_rest_and_dropping_fails_it() {
    let (cluster, producer) = setup(1, 3, &[("linger.ms", "60000"), ("delivery.timeout.ms", "200000")]).await;
    for i in 0..10 {
        producer.send(record(Some(&i.to_string()), "v")).await.unwrap();
    }
    producer.close().await.unwrap();
    assert_eq!(sizes(&cluster).0.iter().sum::<usize>(), 10);
    let (_cluster, producer) =
        setup(1, 3, &[("linger.ms", "60000"), ("delivery.timeout.ms", "200000")]).await;
    let delivery = producer.send(record(None, "v")).await.unwrap();
    drop(producer);
    assert_eq!(delivery.await.unwrap_err(), ClientError::Closed);
}

#[tokio::test(start_paused = true)]
async fn settings_that_contradict_each_other_are_refused() {
    let cluster = FakeCluster::start(25, 1).await;
    let mut config: ClientConfig = cluster.config();
    config.set("enable.idempotence", "true").unwrap().set("acks", "1").unwrap();
    let error = Producer::connect(&cluster.client(), config).await.unwrap_err();
    assert!(matches!(error, ClientError::Config(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn many_tasks_send_through_one_producer() {
    let (cluster, producer) = setup(3, 6, &[]).await;
    let producer = std::sync::Arc::new(producer);
    let mut tasks = Vec::new();
    for task in 0..20 {
        let producer = std::sync::Arc::clone(&producer);
        tasks.push(tokio::spawn(async move {
            for i in 0..50 {
                let key = task.to_string();
                producer.send(record(Some(&key), &i.to_string())).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    producer.flush().await;
    assert_eq!(producer.stats().records_acknowledged, 1_000);
    // Each key's records are in order.
    let state = cluster.state();
    let mut next: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for kept in state.topics["t"].partitions.iter().flat_map(|partition| partition.records()) {
        let expected = next.entry(kept.key.unwrap()).or_default();
        assert_eq!(kept.value.unwrap(), expected.to_string().as_bytes());
        *expected += 1;
    }
    assert_eq!(next.len(), 20);
}
