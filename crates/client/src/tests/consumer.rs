//! Reading chosen partitions: where to begin, what is seen, and what goes wrong.

use std::time::Duration;

use protocol::{ApiKey, ErrorCode};
use records::{BatchBuilder, BatchSettings, Compression, end_txn_marker_batch};
use tokio::time::Instant;

use super::fake_broker::{FakeCluster, Fault};
use crate::{AssignedConsumer, ClientError, OffsetSpec, StartOffset, TopicPartition};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn at(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// Batches of `per_batch` records whose values and timestamps count up from the log's end.
pub(super) fn fill(
    cluster: &FakeCluster,
    partition: usize,
    batches: usize,
    per_batch: usize,
    compression: Compression,
) {
    let mut state = cluster.state();
    let partition = &mut state.topics.get_mut("t").unwrap().partitions[partition];
    for _ in 0..batches {
        let mut builder = BatchBuilder::new(BatchSettings { compression, ..BatchSettings::default() });
        for i in 0..per_batch as i64 {
            let number = partition.end_offset() + i;
            builder.append(Some(b"k"), Some(number.to_string().as_bytes()), &[], 1_000 + number).unwrap();
        }
        partition.append(&builder.build().unwrap());
    }
}

pub(super) async fn setup(
    nodes: i32,
    partitions: usize,
    properties: &[(&str, &str)],
) -> (FakeCluster, AssignedConsumer) {
    let cluster = FakeCluster::start(31, nodes).await;
    cluster.create_topic("t", partitions);
    let mut config = cluster.config();
    for (key, value) in properties {
        config.set(key, value).unwrap();
    }
    let consumer = AssignedConsumer::connect(&cluster.client(), config).await.unwrap();
    (cluster, consumer)
}

/// Reads to the end: partition and value of each record. Checks that each value is its offset.
async fn drain(consumer: &mut AssignedConsumer) -> Vec<(i32, i64)> {
    let mut seen = Vec::new();
    while !consumer.is_at_end() {
        for records in consumer.poll(SECOND).await.unwrap() {
            for record in records.records() {
                let record = record.unwrap();
                let value: i64 = std::str::from_utf8(record.value.unwrap()).unwrap().parse().unwrap();
                assert_eq!((record.offset, record.timestamp), (value, 1_000 + value));
                assert_eq!((record.topic, record.key), ("t", Some(&b"k"[..])));
                seen.push((record.partition, value));
            }
        }
    }
    seen
}

#[allow(dead_code)]
fn reading_can_be_spawned(consumer: &mut AssignedConsumer) {
    fn spawnable(_: impl Send) {}
    spawnable(consumer.poll(SECOND));
    spawnable(consumer.assign(&[]));
    spawnable(consumer.list_offsets(&[]));
}

#[tokio::test(start_paused = true)]
async fn every_place_to_begin_at() {
    let (cluster, mut consumer) = setup(1, 1, &[]).await;
    fill(&cluster, 0, 10, 10, Compression::None);
    for (start, first) in [
        (StartOffset::Beginning, 0),
        (StartOffset::Offset(0), 0),
        (StartOffset::Offset(37), 37),
        (StartOffset::Offset(99), 99),
        (StartOffset::Timestamp(1_055), 55),
        (StartOffset::Timestamp(0), 0),
    ] {
        consumer.assign(&[(at(0), start)]).await.unwrap();
        let seen = drain(&mut consumer).await;
        assert_eq!(seen, (first..100).map(|n| (0, n)).collect::<Vec<_>>(), "{start:?}");
        assert_eq!(consumer.position(&at(0)), Some(100));
        assert_eq!(consumer.high_watermark(&at(0)), Some(100));
    }
    for start in [StartOffset::End, StartOffset::Timestamp(5_000), StartOffset::Offset(100)] {
        consumer.assign(&[(at(0), start)]).await.unwrap();
        assert_eq!(drain(&mut consumer).await, [], "{start:?}");
    }
    // What comes later is seen, without waiting for the poll's time to be over.
    let late = cluster.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1_700)).await;
        fill(&late, 0, 1, 1, Compression::None);
    });
    let began = Instant::now();
    let records = consumer.poll(Duration::from_secs(60)).await.unwrap();
    assert_eq!(records[0].records().next().unwrap().unwrap().offset, 100);
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn an_empty_poll_takes_its_time_and_no_more() {
    let (_cluster, mut consumer) = setup(1, 1, &[]).await;
    consumer.assign(&[(at(0), StartOffset::Beginning)]).await.unwrap();
    // The first poll finds that there is nothing and says so early.
    let began = Instant::now();
    assert!(consumer.poll(Duration::from_secs(10)).await.unwrap().is_empty());
    assert!(consumer.is_at_end() && began.elapsed() < SECOND);
    let began = Instant::now();
    assert!(consumer.poll(Duration::from_secs(10)).await.unwrap().is_empty());
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn all_partitions_of_all_brokers_in_every_codec() {
    for compression in Compression::ALL {
        let (cluster, mut consumer) = setup(3, 7, &[("max.partition.fetch.bytes", "300")]).await;
        for partition in 0..7 {
            fill(&cluster, partition, 5, 20, compression);
        }
        let partitions = consumer.partitions("t").await.unwrap();
        assert_eq!(partitions.len(), 7);
        let start: Vec<_> = partitions.into_iter().map(|tp| (tp, StartOffset::Beginning)).collect();
        consumer.assign(&start).await.unwrap();
        let seen = drain(&mut consumer).await;
        assert_eq!(seen.len(), 700);
        for partition in 0..7 {
            let own: Vec<_> = seen.iter().filter(|(p, _)| *p == partition).map(|(_, n)| *n).collect();
            assert_eq!(own, (0..100).collect::<Vec<_>>());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn topic_ids_and_old_brokers() {
    for (version, ids) in [((4, 18), true), ((4, 18), false), ((4, 11), true), ((4, 4), true)] {
        let cluster = FakeCluster::start(32, 1).await;
        cluster.create_topic("t", 1);
        cluster.state().versions.insert(ApiKey::Fetch, version);
        cluster.state().no_topic_ids = !ids;
        fill(&cluster, 0, 2, 3, Compression::None);
        let mut consumer = AssignedConsumer::connect(&cluster.client(), cluster.config()).await.unwrap();
        consumer.assign(&[(at(0), StartOffset::Beginning)]).await.unwrap();
        assert_eq!(drain(&mut consumer).await.len(), 6);
        let wanted = if ids { version.1 } else { 12 };
        assert!(cluster.state().served.contains(&(1, ApiKey::Fetch, wanted)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_hands_out_a_bounded_amount() {
    let (cluster, mut consumer) = setup(1, 1, &[("max.partition.fetch.bytes", "50000000")]).await;
    let zeros = vec![0; 1 << 20];
    {
        let mut state = cluster.state();
        let partition = &mut state.topics.get_mut("t").unwrap().partitions[0];
        for _ in 0..40 {
            let settings = BatchSettings { compression: Compression::Zstd, ..BatchSettings::default() };
            let mut builder = BatchBuilder::new(settings);
            builder.append(None, Some(&zeros), &[], 5).unwrap();
            partition.append(&builder.build().unwrap());
        }
    }
    consumer.assign(&[(at(0), StartOffset::Beginning)]).await.unwrap();
    let mut polls = 0;
    let mut seen = 0;
    while !consumer.is_at_end() {
        for records in consumer.poll(SECOND).await.unwrap() {
            polls += 1;
            seen += records.records_count();
            assert!(records.records_count() <= 5);
            assert_eq!(consumer.position(&at(0)), Some(seen as i64));
        }
    }
    assert_eq!(seen, 40);
    assert!(polls >= 8);
    // All of it came in one answer, and the next one was asked for when it had been handed out.
    assert!(cluster.served(ApiKey::Fetch) <= 2);
}

/// A batch of one record, of a transaction unless the producer is -1.
fn data(producer_id: i64) -> Vec<u8> {
    let settings = BatchSettings { producer_id, transactional: producer_id >= 0, ..BatchSettings::default() };
    let mut builder = BatchBuilder::new(settings);
    builder.append(None, Some(b"v"), &[], 5).unwrap();
    builder.build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn transactions_and_markers() {
    for (isolation, wanted) in [("read_uncommitted", vec![0, 1, 3, 5, 7]), ("read_committed", vec![0, 3, 7])]
    {
        let (cluster, mut consumer) = setup(1, 1, &[("isolation.level", isolation)]).await;
        {
            let mut state = cluster.state();
            let partition = &mut state.topics.get_mut("t").unwrap().partitions[0];
            let marker =
                |producer_id, commit| end_txn_marker_batch(0, 0, 5, producer_id, 0, commit, 1).unwrap();
            for batch in [
                data(-1),         // 0
                data(7),          // 1, aborted
                marker(7, false), // 2
                data(7),          // 3, committed
                marker(7, true),  // 4
                data(8),          // 5, aborted
                marker(8, false), // 6
                data(-1),         // 7
            ] {
                partition.append(&batch);
            }
            partition.aborted = vec![(1, 7), (5, 8)];
        }
        consumer.assign(&[(at(0), StartOffset::Beginning)]).await.unwrap();
        let mut seen = Vec::new();
        while !consumer.is_at_end() {
            for records in consumer.poll(SECOND).await.unwrap() {
                seen.extend(records.records().map(|record| record.unwrap().offset));
            }
        }
        assert_eq!(seen, wanted, "{isolation}");
        // The markers are behind it as well.
        assert_eq!(consumer.position(&at(0)), Some(8));
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_committed_records_is_the_last_stable_offset() {
    let (cluster, mut consumer) = setup(1, 1, &[("isolation.level", "read_committed")]).await;
    fill(&cluster, 0, 3, 1, Compression::None);
    cluster.state().topics.get_mut("t").unwrap().partitions[0].last_stable_offset = Some(3);
    fill(&cluster, 0, 2, 1, Compression::None);
    consumer.assign(&[(at(0), StartOffset::Beginning)]).await.unwrap();
    drain(&mut consumer).await;
    assert!(consumer.position(&at(0)).unwrap() >= 3);
    assert_eq!(consumer.high_watermark(&at(0)), Some(5));
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_is_gone_follows_the_rule() {
    for (rule, first) in [("earliest", Some(10)), ("latest", Some(30)), ("none", None)] {
        let (cluster, mut consumer) = setup(1, 1, &[("auto.offset.reset", rule)]).await;
        fill(&cluster, 0, 3, 10, Compression::None);
        {
            let mut state = cluster.state();
            let partition = &mut state.topics.get_mut("t").unwrap().partitions[0];
            partition.start_offset = 10;
            partition.log.remove(0);
        }
        consumer.assign(&[(at(0), StartOffset::Offset(5))]).await.unwrap();
        match first {
            Some(first) => {
                let seen = drain(&mut consumer).await;
                assert_eq!(seen, (first..30).map(|n| (0, n)).collect::<Vec<_>>());
            }
            None => {
                let error = consumer.poll(SECOND).await.unwrap_err();
                assert_eq!(error.code(), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
                assert!(error.hint().is_some());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn faults_are_ridden_out() {
    for seed in 0..20 {
        let (cluster, mut consumer) = setup(3, 3, &[("max.partition.fetch.bytes", "400")]).await;
        for partition in 0..3 {
            fill(&cluster, partition, 10, 10, Compression::Snappy);
        }
        let rng = platform::Rng::seeded(seed);
        let faults: Vec<Fault> = (0..30)
            .map(|_| match rng.below(8) {
                0 => Fault::DropBefore,
                1 => Fault::DropAfter,
                2 => Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
                3 => Fault::Error(ErrorCode::FENCED_LEADER_EPOCH),
                4 => Fault::Error(ErrorCode::UNKNOWN_TOPIC_ID),
                5 => Fault::Delay(700),
                _ => Fault::None,
            })
            .collect();
        cluster.fault(ApiKey::Fetch, &faults);
        cluster.fault(ApiKey::ListOffsets, &faults[..5]);
        cluster.fault(
            ApiKey::Metadata,
            &[Fault::None, Fault::DropBefore, Fault::Error(ErrorCode::LEADER_NOT_AVAILABLE)],
        );
        let start: Vec<_> = (0..3).map(|p| (at(p), StartOffset::Beginning)).collect();
        consumer.assign(&start).await.unwrap();
        let mover = {
            let cluster = cluster.clone();
            tokio::spawn(async move {
                for step in 0..6usize {
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    let mut state = cluster.state();
                    let partition = &mut state.topics.get_mut("t").unwrap().partitions[step % 3];
                    partition.leader = 1 + (partition.leader % 3);
                    partition.leader_epoch += 1;
                }
            })
        };
        let mut seen = drain(&mut consumer).await;
        mover.await.unwrap();
        for partition in 0..3 {
            let own: Vec<_> = seen.iter().filter(|(p, _)| *p == partition).map(|(_, n)| *n).collect();
            assert_eq!(own, (0..100).collect::<Vec<_>>(), "seed {seed}");
        }
        seen.clear();
    }
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_batch_is_an_error_behind_what_was_good() {
    let (cluster, mut consumer) = setup(1, 1, &[]).await;
    fill(&cluster, 0, 3, 10, Compression::None);
    *cluster.state().topics.get_mut("t").unwrap().partitions[0].log[2].last_mut().unwrap() ^= 1;
    consumer.assign(&[(at(0), StartOffset::Beginning)]).await.unwrap();
    let records = consumer.poll(SECOND).await.unwrap();
    assert_eq!(records[0].records_count(), 20);
    for _ in 0..2 {
        let error = consumer.poll(SECOND).await.unwrap_err();
        assert!(
            matches!(error, ClientError::Batch { error: records::BatchError::Crc { .. }, .. }),
            "{error}"
        );
        assert_eq!(consumer.position(&at(0)), Some(20));
    }
    // It can be stepped over.
    consumer.seek(&at(0), 30).unwrap();
    consumer.poll(SECOND).await.unwrap();
    assert!(consumer.is_at_end());
    // Without the check the checksum is not looked at.
    let (cluster, mut consumer) = setup(1, 1, &[("check.crcs", "false")]).await;
    fill(&cluster, 0, 1, 10, Compression::None);
    cluster.state().topics.get_mut("t").unwrap().partitions[0].log[0][17] ^= 1;
    consumer.assign(&[(at(0), StartOffset::Beginning)]).await.unwrap();
    assert_eq!(consumer.poll(SECOND).await.unwrap()[0].records_count(), 10);
}

#[tokio::test(start_paused = true)]
async fn seeking_forgets_what_was_fetched_ahead() {
    let (cluster, mut consumer) = setup(1, 2, &[("max.partition.fetch.bytes", "200")]).await;
    fill(&cluster, 0, 10, 10, Compression::None);
    fill(&cluster, 1, 10, 10, Compression::None);
    consumer.assign(&[(at(0), StartOffset::Beginning), (at(1), StartOffset::Beginning)]).await.unwrap();
    consumer.poll(SECOND).await.unwrap();
    let other = consumer.position(&at(1)).unwrap();
    consumer.seek(&at(0), 90).unwrap();
    let seen = drain(&mut consumer).await;
    let own: Vec<_> = seen.iter().filter(|(p, _)| *p == 0).map(|(_, n)| *n).collect();
    assert_eq!(own, (90..100).collect::<Vec<_>>());
    let rest: Vec<_> = seen.iter().filter(|(p, _)| *p == 1).map(|(_, n)| *n).collect();
    assert_eq!(rest, (other..100).collect::<Vec<_>>());
    assert!(consumer.seek(&at(9), 0).is_err());
    // An assignment replaces the one before.
    consumer.assign(&[(at(1), StartOffset::Offset(95))]).await.unwrap();
    assert_eq!(consumer.assignment().cloned().collect::<Vec<_>>(), [at(1)]);
    assert_eq!(drain(&mut consumer).await, (95..100).map(|n| (1, n)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_said() {
    let (cluster, mut consumer) = setup(1, 1, &[("default.api.timeout.ms", "5000")]).await;
    let error = consumer.partitions("nope").await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let error = consumer.assign(&[(at(3), StartOffset::Beginning)]).await.unwrap_err();
    assert!(matches!(error, ClientError::NoPartition { partitions: 1, .. }), "{error}");
    consumer.assign(&[(at(3), StartOffset::Offset(1))]).await.unwrap();
    let error = consumer.poll(SECOND).await.unwrap_err();
    assert!(matches!(error, ClientError::NoPartition { .. }), "{error}");
    cluster.fault(ApiKey::Fetch, &[Fault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED)]);
    consumer.assign(&[(at(0), StartOffset::Offset(0))]).await.unwrap();
    let error = consumer.poll(SECOND).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    // A cluster that is gone is waited for, but not for ever.
    consumer.assign(&[(at(0), StartOffset::Offset(0))]).await.unwrap();
    cluster.world.kill(super::fake_broker::ip(1));
    let began = Instant::now();
    let error = loop {
        if let Err(error) = consumer.poll(SECOND).await {
            break error;
        }
        assert!(began.elapsed() < Duration::from_secs(30));
    };
    assert!(matches!(error, ClientError::DeadlineExceeded { after_ms: 5_000, .. }), "{error}");
    assert!(error.hint().is_some());
    cluster.start_node(1).await;
    fill(&cluster, 0, 1, 1, Compression::None);
    let mut seen = 0;
    for _ in 0..20 {
        seen += consumer.poll(SECOND).await.map_or(0, |records| records.len());
    }
    assert_eq!(seen, 1);
}

#[tokio::test(start_paused = true)]
async fn offsets_are_looked_up_without_moving() {
    let (cluster, consumer) = setup(2, 2, &[]).await;
    fill(&cluster, 1, 2, 5, Compression::Gzip);
    let asked =
        [(at(1), OffsetSpec::Latest), (at(0), OffsetSpec::Latest), (at(1), OffsetSpec::Timestamp(1_003))];
    let found = consumer.list_offsets(&asked).await;
    let offsets: Vec<_> = found.into_iter().map(|found| found.unwrap().offset).collect();
    assert_eq!(offsets, [10, 0, 3]);
}
