//! What a client says of partitions that are offline, and how long it waits for them.

use std::time::Duration;

use protocol::{ApiKey, ErrorCode};
use records::Compression;
use tokio::time::Instant;

use super::consumer::{at, fill, setup};
use super::fake_broker::{FakeCluster, Fault};
use crate::{ClientError, OffsetSpec, Producer, ProducerRecord, StartOffset};

const SECOND: Duration = Duration::from_secs(1);

fn broken(cluster: &FakeCluster, key: ApiKey) {
    cluster.fault(key, &vec![Fault::Error(ErrorCode::KAFKA_STORAGE_ERROR); 1000]);
}

fn mended(cluster: &FakeCluster) {
    cluster.state().faults.clear();
}

/// The error of an operation that waited for an offline partition in vain.
fn check(error: &ClientError, code: ErrorCode) {
    assert!(matches!(error, ClientError::DeadlineExceeded { .. }), "{error}");
    assert_eq!(error.code(), Some(code), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("`klamm ")), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_waits_for_a_partition_that_is_offline_and_says_which() {
    let (cluster, mut consumer) = setup(1, 2, &[("default.api.timeout.ms", "5000")]).await;
    fill(&cluster, 0, 1, 10, Compression::None);
    consumer.assign(&[(at(0), StartOffset::Beginning)]).await.unwrap();
    broken(&cluster, ApiKey::Fetch);
    let began = Instant::now();
    while began.elapsed() < 20 * SECOND {
        assert!(consumer.poll(SECOND).await.unwrap().is_empty());
    }
    let offline = consumer.offline().since(15 * SECOND);
    assert_eq!(offline.iter().map(|(partition, _)| partition.clone()).collect::<Vec<_>>(), [at(0)]);
    assert_eq!(offline[0].1.code(), Some(ErrorCode::KAFKA_STORAGE_ERROR));
    assert!(consumer.offline().since(30 * SECOND).is_empty());
    mended(&cluster);
    while consumer.poll(SECOND).await.unwrap().is_empty() {
        assert!(began.elapsed() < 40 * SECOND);
    }
    assert!(consumer.offline().since(Duration::ZERO).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_question_about_a_partition_that_is_offline_ends_with_its_reason() {
    let (cluster, consumer) = setup(1, 1, &[("default.api.timeout.ms", "5000")]).await;
    broken(&cluster, ApiKey::ListOffsets);
    let found = consumer.list_offsets(&[(at(0), OffsetSpec::Latest)]).await;
    check(found[0].as_ref().unwrap_err(), ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(consumer.offline().since(3 * SECOND).len(), 1);
    mended(&cluster);
    consumer.list_offsets(&[(at(0), OffsetSpec::Latest)]).await[0].as_ref().unwrap();
    assert!(consumer.offline().since(Duration::ZERO).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_delivery_to_a_partition_that_is_offline_ends_in_time_with_its_reason() {
    let cluster = FakeCluster::start(1, 1).await;
    cluster.create_topic("t", 1);
    let mut config = cluster.config();
    config.set("delivery.timeout.ms", "20000").unwrap().set("request.timeout.ms", "5000").unwrap();
    let producer = Producer::connect(&cluster.client(), config).await.unwrap();
    let record = ProducerRecord { topic: "t", value: Some(b"v"), ..ProducerRecord::default() };
    for has_leader in [true, false] {
        let began = Instant::now();
        let delivery = producer.send(record).await.unwrap();
        let code = if has_leader {
            broken(&cluster, ApiKey::Produce);
            ErrorCode::KAFKA_STORAGE_ERROR
        } else {
            let mut state = cluster.state();
            let partition = &mut state.topics.get_mut("t").unwrap().partitions[0];
            (partition.leader, partition.leader_epoch) = (-1, partition.leader_epoch + 1);
            state.faults.insert(ApiKey::Produce, [Fault::Error(ErrorCode::KAFKA_STORAGE_ERROR)].into());
            ErrorCode::LEADER_NOT_AVAILABLE
        };
        let error = delivery.await.unwrap_err();
        check(&error, code);
        assert!(began.elapsed() <= 21 * SECOND, "{:?}", began.elapsed());
        assert_eq!(producer.offline().since(10 * SECOND)[0].0, at(0));
        mended(&cluster);
        if has_leader {
            producer.send(record).await.unwrap().await.unwrap();
            assert!(producer.offline().since(Duration::ZERO).is_empty());
        }
    }
}
