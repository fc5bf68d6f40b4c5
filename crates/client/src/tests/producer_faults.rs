//! An idempotent producer writes each record once and in order, whatever the network and the brokers do.

use std::collections::BTreeMap;
use std::time::Duration;

use platform::Rng;
use protocol::{ApiKey, ErrorCode};
use records::Batch;

use super::fake_broker::{FakeCluster, Fault, ip};
use crate::{ClientError, Delivery, Producer, ProducerRecord};

fn random_fault(rng: &Rng) -> Fault {
    match rng.below(12) {
        0 => Fault::DropBefore,
        1 => Fault::DropAfter,
        2 => Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        3 => Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS),
        4 => Fault::Error(ErrorCode::REQUEST_TIMED_OUT),
        5 => Fault::Delay(rng.below(2_000)),
        6 if rng.one_in(4) => Fault::Silence,
        _ => Fault::None,
    }
}

/// Checks that the partitions hold exactly the records 0.. of each key, in order, and that deliveries told the truth.
async fn check(cluster: &FakeCluster, deliveries: Vec<(usize, Delivery)>, context: &str) {
    let count = deliveries.len();
    let mut told: BTreeMap<(i32, i64), usize> = BTreeMap::new();
    for (number, delivery) in deliveries {
        let metadata = delivery.wait().await.unwrap_or_else(|error| panic!("{context}: {number}: {error}"));
        told.insert((metadata.partition, metadata.offset), number);
    }
    assert_eq!(told.len(), count, "{context}: two records have one offset");
    let state = cluster.state();
    let mut seen = 0;
    for (partition, kept) in state.topics["t"].partitions.iter().enumerate() {
        let mut last = None;
        for record in kept.records() {
            let number: usize = String::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
            assert_eq!(told.get(&(partition as i32, record.offset)), Some(&number), "{context}");
            assert!(last < Some(number), "{context}: {number} comes after {last:?} in {partition}");
            last = Some(number);
            seen += 1;
        }
    }
    assert_eq!(seen, count, "{context}: records lost or written twice");
}

async fn produce(producer: &Producer, numbers: std::ops::Range<usize>, rng: &Rng) -> Vec<(usize, Delivery)> {
    let mut deliveries = Vec::new();
    for number in numbers {
        let value = number.to_string();
        let partition = Some(rng.below(3) as i32);
        let record = ProducerRecord {
            topic: "t",
            partition,
            value: Some(value.as_bytes()),
            ..ProducerRecord::default()
        };
        deliveries.push((number, producer.send(record).await.unwrap()));
        if rng.one_in(10) {
            tokio::time::sleep(Duration::from_millis(rng.below(30))).await;
        }
    }
    deliveries
}

async fn setup(seed: u64) -> (FakeCluster, Producer) {
    let cluster = FakeCluster::start(seed, 3).await;
    cluster.create_topic("t", 3);
    let mut config = cluster.config();
    config.set("batch.size", "150").unwrap().set("linger.ms", "2").unwrap();
    let producer = Producer::connect(&cluster.client(), config).await.unwrap();
    (cluster, producer)
}

#[tokio::test(start_paused = true)]
async fn random_faults_lose_and_double_nothing() {
    for seed in 0..60 {
        let (cluster, producer) = setup(seed).await;
        let rng = Rng::seeded(seed);
        for key in [ApiKey::Produce, ApiKey::Metadata, ApiKey::InitProducerId] {
            let faults: Vec<Fault> = (0..60).map(|_| random_fault(&rng)).collect();
            let harmless = |fault: &Fault| key == ApiKey::Produce || !matches!(fault, Fault::Silence);
            cluster.fault(key, &faults.into_iter().filter(harmless).collect::<Vec<_>>());
        }
        let deliveries = produce(&producer, 0..300, &rng).await;
        check(&cluster, deliveries, &format!("seed {seed}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn leaders_that_move_and_die_lose_and_double_nothing() {
    for seed in 100..130 {
        let (cluster, producer) = setup(seed).await;
        let rng = Rng::seeded(seed);
        let chaos = {
            let (cluster, rng) = (cluster.clone(), rng.fork());
            tokio::spawn(async move {
                for _ in 0..15 {
                    tokio::time::sleep(Duration::from_millis(20 + rng.below(100))).await;
                    let node = 1 + rng.below(3) as i32;
                    if rng.one_in(3) {
                        // The process dies and starts again with its log.
                        cluster.world.kill(ip(node));
                        tokio::time::sleep(Duration::from_millis(rng.below(500))).await;
                        cluster.start_node(node).await;
                    } else {
                        let mut state = cluster.state();
                        let topic = state.topics.get_mut("t").unwrap();
                        let partition = &mut topic.partitions[rng.below(3) as usize];
                        partition.leader = node;
                        partition.leader_epoch += 1;
                    }
                }
            })
        };
        let deliveries = produce(&producer, 0..400, &rng).await;
        chaos.await.unwrap();
        check(&cluster, deliveries, &format!("seed {seed}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_sends_the_same_bytes_at_the_same_times() {
    let mut digests = Vec::new();
    for _ in 0..2 {
        let (cluster, producer) = setup(7).await;
        let rng = Rng::seeded(7);
        let faults: Vec<Fault> = (0..60).map(|_| random_fault(&rng)).collect();
        cluster.fault(ApiKey::Produce, &faults);
        let deliveries = produce(&producer, 0..200, &rng).await;
        check(&cluster, deliveries, "replay").await;
        digests.push((cluster.world.trace().digest(), cluster.state().served.clone()));
    }
    assert!(digests[0].0 != 0 && !digests[0].1.is_empty());
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_got_lost_is_not_written_again() {
    let (cluster, producer) = setup(8).await;
    cluster.fault(ApiKey::Produce, &[Fault::DropAfter]);
    let record =
        ProducerRecord { topic: "t", partition: Some(0), value: Some(b"v"), ..ProducerRecord::default() };
    assert_eq!(producer.send(record).await.unwrap().await.unwrap().offset, 0);
    assert_eq!(cluster.served(ApiKey::Produce), 2);
    assert_eq!(cluster.state().topics["t"].partitions[0].records().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_lost_what_it_acknowledged_fails_one_batch_and_goes_on() {
    let (cluster, producer) = setup(9).await;
    let record =
        ProducerRecord { topic: "t", partition: Some(0), value: Some(b"v"), ..ProducerRecord::default() };
    for _ in 0..2 {
        producer.send(record).await.unwrap().await.unwrap();
    }
    cluster.state().topics.get_mut("t").unwrap().partitions[0].lose_last_batch();
    let error = producer.send(record).await.unwrap().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    // From here on under a new epoch, from sequence 0.
    for offset in 1..4 {
        assert_eq!(producer.send(record).await.unwrap().await.unwrap().offset, offset);
    }
    let state = cluster.state();
    let last = Batch::parse(state.topics["t"].partitions[0].log.last().unwrap()).unwrap().header;
    assert_eq!((last.producer_epoch, last.base_sequence), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_first_batches_of_a_partition_cannot_overtake_each_other() {
    // A broker that has just become leader refuses the first request and would take the second.
    for faults in 1..4 {
        let (cluster, producer) = setup(15).await;
        cluster.fault(ApiKey::Produce, &[Fault::Error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)].repeat(faults));
        let mut deliveries = Vec::new();
        for number in 0..200 {
            let value = format!("{number}");
            let value = Some(value.as_bytes());
            let record =
                ProducerRecord { topic: "t", partition: Some(0), value, ..ProducerRecord::default() };
            deliveries.push((number, producer.send(record).await.unwrap()));
        }
        check(&cluster, deliveries, &format!("{faults} faults")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_producer_unknown_to_the_broker_is_sent_under_a_new_epoch() {
    for code in [ErrorCode::UNKNOWN_PRODUCER_ID, ErrorCode::INVALID_PRODUCER_EPOCH] {
        let (cluster, producer) = setup(10).await;
        let record =
            ProducerRecord { topic: "t", partition: Some(0), value: Some(b"v"), ..ProducerRecord::default() };
        cluster.fault(ApiKey::Produce, &[Fault::None, Fault::Error(code)]);
        for offset in 0..3 {
            assert_eq!(producer.send(record).await.unwrap().await.unwrap().offset, offset);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn delivery_ends_when_its_time_is_over() {
    let cluster = FakeCluster::start(12, 1).await;
    cluster.create_topic("t", 1);
    let mut config = cluster.config();
    config.set("delivery.timeout.ms", "20000").unwrap().set("request.timeout.ms", "5000").unwrap();
    let producer = Producer::connect(&cluster.client(), config).await.unwrap();
    let record = ProducerRecord { topic: "t", value: Some(b"v"), ..ProducerRecord::default() };
    producer.send(record).await.unwrap().await.unwrap();
    cluster.world.kill(ip(1));
    let began = tokio::time::Instant::now();
    let error = producer.send(record).await.unwrap().await.unwrap_err();
    assert!(
        matches!(&error, ClientError::DeadlineExceeded { after_ms: 20_000, .. }) || error.is_retriable(),
        "{error}"
    );
    assert!((18..30).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    // The broker comes back, and the producer with it.
    cluster.start_node(1).await;
    assert_eq!(producer.send(record).await.unwrap().await.unwrap().offset, 1);
}

#[tokio::test(start_paused = true)]
async fn without_idempotence_one_in_flight_keeps_the_order() {
    for seed in 200..215 {
        let cluster = FakeCluster::start(seed, 1).await;
        cluster.create_topic("t", 3);
        let mut config = cluster.config();
        for (key, value) in [
            ("enable.idempotence", "false"),
            ("max.in.flight.requests.per.connection", "1"),
            ("batch.size", "150"),
        ] {
            config.set(key, value).unwrap();
        }
        let producer = Producer::connect(&cluster.client(), config).await.unwrap();
        let rng = Rng::seeded(seed);
        // Only faults in which nothing was written, so that nothing is doubled.
        let faults: Vec<Fault> = (0..50)
            .map(
                |_| if rng.one_in(3) { Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER) } else { Fault::None },
            )
            .collect();
        cluster.fault(ApiKey::Produce, &faults);
        let deliveries = produce(&producer, 0..200, &rng).await;
        check(&cluster, deliveries, &format!("seed {seed}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn retries_can_be_forbidden() {
    let cluster = FakeCluster::start(13, 1).await;
    cluster.create_topic("t", 1);
    let mut config = cluster.config();
    config.set("retries", "0").unwrap();
    let producer = Producer::connect(&cluster.client(), config).await.unwrap();
    cluster.fault(ApiKey::Produce, &[Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS)]);
    let record = ProducerRecord { topic: "t", value: Some(b"v"), ..ProducerRecord::default() };
    let error = producer.send(record).await.unwrap().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NOT_ENOUGH_REPLICAS));
    assert_eq!(cluster.served(ApiKey::Produce), 1);
}

#[tokio::test(start_paused = true)]
async fn no_permission_for_a_producer_id_is_said_at_once() {
    let (cluster, producer) = setup(14).await;
    cluster.fault(ApiKey::InitProducerId, &[Fault::Error(ErrorCode::CLUSTER_AUTHORIZATION_FAILED)]);
    let record = ProducerRecord { topic: "t", value: Some(b"v"), ..ProducerRecord::default() };
    let error = producer.send(record).await.unwrap().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
}
