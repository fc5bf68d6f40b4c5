//! Producing and consuming without a group.

use std::sync::Arc;
use std::time::Duration;

use krafka::consumer::IsolationLevel;
use krafka::producer::Acks;
use krafka::{Compression, Kafka, Record};

use crate::Outcome;
use crate::world::{World, fails, number, take, whole};

async fn codec(world: Arc<World>, codec: Compression) -> Outcome {
    let topic = world.topic(&format!("codec-{codec:?}").to_lowercase(), 3, &[]).await?;
    let producer = world.kafka.producer().compression(codec).linger(Duration::from_millis(5)).build().await?;
    let mut handles = Vec::new();
    for n in 0..500 {
        handles.push(producer.enqueue(World::record(&topic, n)).await?);
    }
    for handle in handles {
        let _ = handle.await?;
    }
    producer.close().await?;
    let consumer = world.reader(&topic, 3).await?;
    whole(&take(&consumer, 500).await?, 500);
    Ok(consumer.close().await?)
}

pub async fn codec_none(world: Arc<World>) -> Outcome {
    codec(world, Compression::None).await
}

pub async fn codec_gzip(world: Arc<World>) -> Outcome {
    codec(world, Compression::Gzip).await
}

pub async fn codec_snappy(world: Arc<World>) -> Outcome {
    codec(world, Compression::Snappy).await
}

pub async fn codec_lz4(world: Arc<World>) -> Outcome {
    codec(world, Compression::Lz4).await
}

pub async fn codec_zstd(world: Arc<World>) -> Outcome {
    codec(world, Compression::Zstd).await
}

async fn acks(world: Arc<World>, stem: &str, acks: Acks) -> Outcome {
    let topic = world.topic(stem, 1, &[]).await?;
    let producer = world.kafka.producer().acks(acks).idempotent(false).build().await?;
    for n in 0..50 {
        let sent = producer.send(World::record(&topic, n)).await?;
        assert_eq!((0, n as i64), (sent.partition, sent.offset));
    }
    producer.close().await?;
    let consumer = world.reader(&topic, 1).await?;
    whole(&take(&consumer, 50).await?, 50);
    Ok(consumer.close().await?)
}

pub async fn acks_leader(world: Arc<World>) -> Outcome {
    acks(world, "acks-leader", Acks::Leader).await
}

pub async fn acks_all_not_idempotent(world: Arc<World>) -> Outcome {
    acks(world, "acks-all", Acks::All).await
}

pub async fn idempotent_order(world: Arc<World>) -> Outcome {
    let topic = world.topic("order", 1, &[]).await?;
    let producer = world.kafka.producer().batch_size(500).build().await?;
    let mut handles = Vec::new();
    for n in 0..1000 {
        handles.push(producer.enqueue(World::record(&topic, n)).await?);
    }
    for handle in handles {
        let _ = handle.await?;
    }
    producer.close().await?;
    let consumer = world.reader(&topic, 1).await?;
    let got: Vec<usize> = take(&consumer, 1000).await?.iter().map(number).collect();
    assert_eq!((0..1000).collect::<Vec<_>>(), got, "order");
    Ok(consumer.close().await?)
}

pub async fn headers_and_nulls(world: Arc<World>) -> Outcome {
    let topic = world.topic("nulls", 1, &[]).await?;
    let producer = world.kafka.producer().build().await?;
    let _ = producer.send(Record::new(&topic, "").header("a", "1").null_header("b").header("a", "2")).await?;
    let _ = producer.send(Record::tombstone(&topic, "gone")).await?;
    producer.close().await?;
    let consumer = world.reader(&topic, 1).await?;
    let got = take(&consumer, 2).await?;
    assert_eq!((None, Some("")), (got[0].key_str(), got[0].value_str()));
    let of_a = got[0].headers_by_key("a");
    assert_eq!(
        vec![Some(&b"1"[..]), Some(&b"2"[..])],
        of_a.into_iter().map(|v| v.map(|v| &v[..])).collect::<Vec<_>>()
    );
    assert_eq!(Some(None), got[0].header("b"));
    assert!(got[1].is_tombstone());
    Ok(consumer.close().await?)
}

pub async fn timestamps(world: Arc<World>) -> Outcome {
    let topic = world.topic("timestamps", 1, &[]).await?;
    let by_log = world.topic("timestamps-log", 1, &[("message.timestamp.type", "LogAppendTime")]).await?;
    let producer = world.kafka.producer().build().await?;
    let _ = producer.send(World::record(&topic, 0).timestamp(1_700_000_000_123)).await?;
    let _ = producer.send(World::record(&by_log, 0).timestamp(1)).await?;
    producer.close().await?;
    let consumer = world.reader(&topic, 1).await?;
    assert_eq!(1_700_000_000_123, take(&consumer, 1).await?[0].timestamp);
    consumer.close().await?;
    let consumer = world.reader(&by_log, 1).await?;
    let got = take(&consumer, 1).await?;
    assert_eq!(krafka::TimestampType::LogAppendTime, got[0].timestamp_type);
    Ok(consumer.close().await?)
}

pub async fn watermarks_and_seek(world: Arc<World>) -> Outcome {
    let topic = world.topic("seek", 1, &[]).await?;
    world.fill(&topic, 60).await?;
    let consumer = world.reader(&topic, 1).await?;
    assert_eq!((0, 60), consumer.fetch_watermarks(&topic, 0).await?);
    consumer.seek(&topic, 0, 42).await?;
    assert_eq!(42, take(&consumer, 18).await?[0].offset);
    consumer.seek_to_beginning(&topic, 0).await?;
    whole(&take(&consumer, 60).await?, 60);
    Ok(consumer.close().await?)
}

pub async fn offsets_for_times(world: Arc<World>) -> Outcome {
    let topic = world.topic("times", 1, &[]).await?;
    let producer = world.kafka.producer().build().await?;
    for n in 0..20 {
        let _ =
            producer.send(World::record(&topic, n).timestamp(1_700_000_000_000 + n as i64 * 1000)).await?;
    }
    producer.close().await?;
    let consumer = world.reader(&topic, 1).await?;
    let mut found = consumer.offsets_for_times(&[(topic.as_str(), 0)], 1_700_000_007_500).await;
    assert_eq!(8, found.remove(&(topic.clone(), 0)).expect("its answer")?);
    consumer.seek_to_timestamp(&topic, 0, 1_700_000_018_000).await?;
    assert_eq!(18, take(&consumer, 2).await?[0].offset);
    Ok(consumer.close().await?)
}

pub async fn pause_and_resume(world: Arc<World>) -> Outcome {
    let topic = world.topic("pause", 2, &[]).await?;
    world.fill(&topic, 40).await?;
    let consumer = world.reader(&topic, 2).await?;
    consumer.pause(&topic, &[0]).await;
    let (_, end) = consumer.fetch_watermarks(&topic, 1).await?;
    let got = take(&consumer, end as usize).await?;
    assert!(got.iter().all(|record| record.partition == 1), "only the other partition");
    consumer.resume(&topic, &[0]).await;
    take(&consumer, 40 - end as usize).await?;
    Ok(consumer.close().await?)
}

pub async fn too_large(world: Arc<World>) -> Outcome {
    let topic = world.topic("too-large", 1, &[("max.message.bytes", "2000")]).await?;
    let producer = world.kafka.producer().build().await?;
    fails("MessageTooLarge", producer.send(Record::new(&topic, "x".repeat(5000))).await);
    assert_eq!(0, producer.send(Record::new(&topic, "small")).await?.offset);
    Ok(producer.close().await?)
}

pub async fn auto_create(world: Arc<World>) -> Outcome {
    let topic = world.name("auto");
    let kafka = Kafka::builder(&world.bootstrap).allow_auto_create_topics(true).connect().await?;
    let producer = kafka.producer().build().await?;
    let _ = producer.send(World::record(&topic, 0).partition(0)).await?;
    producer.close().await?;
    let consumer = world.reader(&topic, 1).await?;
    whole(&take(&consumer, 1).await?, 1);
    Ok(consumer.close().await?)
}

pub async fn small_fetches(world: Arc<World>) -> Outcome {
    let topic = world.topic("small", 3, &[]).await?;
    world.fill(&topic, 300).await?;
    let consumer = world
        .reader_with(&topic, 3, |builder| {
            builder.max_partition_fetch_bytes(300).fetch_max_bytes(700).max_poll_records(7)
        })
        .await?;
    whole(&take(&consumer, 300).await?, 300);
    Ok(consumer.close().await?)
}

pub async fn transactions(world: Arc<World>) -> Outcome {
    let topic = world.topic("transactions", 1, &[]).await?;
    let producer = world.kafka.producer().build_transactional(topic.as_str()).await?;
    for n in 0..4 {
        producer.begin()?;
        let _ = producer.send(World::record(&topic, n)).await?;
        if n % 2 == 0 { producer.commit().await? } else { producer.abort().await? }
    }
    producer.close().await?;
    let consumer = world
        .reader_with(&topic, 1, |builder| builder.isolation_level(IsolationLevel::ReadCommitted))
        .await?;
    let got: Vec<usize> = take(&consumer, 2).await?.iter().map(number).collect();
    assert_eq!(vec![0, 2], got);
    Ok(consumer.close().await?)
}
