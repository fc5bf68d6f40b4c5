//! Consumers in groups.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use krafka::ConsumerRecord;
use krafka::admin::{ConfigOp, ConfigResource};
use krafka::consumer::{
    Consumer, ConsumerBuilder, GroupProtocol, OffsetAndMetadata, PartitionAssignmentStrategy, TopicPartition,
};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::Outcome;
use crate::world::{Error, World, take, until, whole};

const PARTITIONS: usize = 4;

/// A member that polls on a task of its own until it is closed.
struct Member {
    consumer: Arc<Consumer>,
    records: Arc<Mutex<Vec<ConsumerRecord>>>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<(), Error>>,
}

impl Member {
    async fn join(builder: ConsumerBuilder, topic: &str) -> Result<Member, Error> {
        let consumer = Arc::new(builder.build().await?);
        consumer.subscribe([topic]).await?;
        let records = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn({
            let (consumer, records, stop) = (consumer.clone(), records.clone(), stop.clone());
            async move {
                while !stop.load(Ordering::Relaxed) {
                    let got = consumer.poll(Duration::from_millis(50)).await?;
                    records.lock().await.extend(got);
                }
                consumer.close().await?;
                Ok(())
            }
        });
        Ok(Member { consumer, records, stop, task })
    }

    async fn partitions(&self) -> Vec<i32> {
        self.consumer.assignment().await.into_values().flatten().collect()
    }

    async fn close(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?
    }
}

/// Waits until all partitions are shared out and nobody is without.
async fn balanced(members: &[&Member]) -> Outcome {
    until("a share for each", async || {
        let mut all = Vec::new();
        for member in members {
            if member.task.is_finished() {
                return Err("a member ended".into());
            }
            let partitions = member.partitions().await;
            if partitions.is_empty() {
                return Ok(false);
            }
            all.extend(partitions);
        }
        Ok(all.len() == PARTITIONS && all.iter().collect::<BTreeSet<_>>().len() == PARTITIONS)
    })
    .await
}

async fn come_and_go(
    world: Arc<World>,
    stem: &str,
    settings: impl Fn(ConsumerBuilder) -> ConsumerBuilder,
) -> Outcome {
    let topic = world.topic(stem, PARTITIONS as i32, &[]).await?;
    let first = Member::join(settings(world.member(&topic).await?), &topic).await?;
    balanced(&[&first]).await?;
    let second = Member::join(settings(world.member(&topic).await?), &topic).await?;
    balanced(&[&first, &second]).await?;
    world.fill(&topic, 200).await?;
    until("200 records", async || {
        Ok(first.records.lock().await.len() + second.records.lock().await.len() >= 200)
    })
    .await?;
    let mut all = first.records.lock().await.clone();
    all.extend(second.records.lock().await.clone());
    whole(&all, 200);
    second.close().await?;
    balanced(&[&first]).await?;
    first.close().await
}

fn classic(builder: ConsumerBuilder, strategy: PartitionAssignmentStrategy) -> ConsumerBuilder {
    builder
        .group_protocol(GroupProtocol::Classic)
        .partition_assignment_strategy(strategy)
        .session_timeout(Duration::from_secs(6))
        .heartbeat_interval(Duration::from_millis(300))
}

pub async fn classic_range(world: Arc<World>) -> Outcome {
    come_and_go(world, "range", |builder| classic(builder, PartitionAssignmentStrategy::Range)).await
}

pub async fn classic_round_robin(world: Arc<World>) -> Outcome {
    come_and_go(world, "round-robin", |builder| classic(builder, PartitionAssignmentStrategy::RoundRobin))
        .await
}

pub async fn classic_cooperative(world: Arc<World>) -> Outcome {
    come_and_go(world, "cooperative", |builder| {
        classic(builder, PartitionAssignmentStrategy::CooperativeSticky)
    })
    .await
}

pub async fn consumer_protocol(world: Arc<World>) -> Outcome {
    come_and_go(world, "protocol", |builder| builder.group_protocol(GroupProtocol::Consumer)).await
}

pub async fn static_member(world: Arc<World>) -> Outcome {
    let topic = world.topic("static", PARTITIONS as i32, &[]).await?;
    let member = async || -> Result<_, Error> {
        let builder = classic(world.member(&topic).await?, PartitionAssignmentStrategy::Range);
        Ok(builder.group_instance_id("one"))
    };
    let first = Member::join(member().await?, &topic).await?;
    balanced(&[&first]).await?;
    first.close().await?;
    let again = Member::join(member().await?, &topic).await?;
    balanced(&[&again]).await?;
    again.close().await
}

pub async fn commit_and_resume(world: Arc<World>) -> Outcome {
    let topic = world.topic("resume", 1, &[]).await?;
    world.fill(&topic, 30).await?;
    let consumer = world.member(&topic).await?.build().await?;
    consumer.subscribe([&topic]).await?;
    take(&consumer, 30).await?;
    let place = TopicPartition::new(topic.as_str(), 0);
    consumer.commit_offsets([(&place, OffsetAndMetadata::with_metadata(12, "a note"))]).await?;
    consumer.close().await?;
    let consumer = world.member(&topic).await?.build().await?;
    consumer.subscribe([&topic]).await?;
    assert_eq!(12, take(&consumer, 18).await?[0].offset, "first record after the commit");
    Ok(consumer.close().await?)
}

pub async fn auto_commit_on_close(world: Arc<World>) -> Outcome {
    let topic = world.topic("auto-commit", 1, &[]).await?;
    world.fill(&topic, 10).await?;
    let consumer = world.member(&topic).await?.enable_auto_commit(true).build().await?;
    consumer.subscribe([&topic]).await?;
    take(&consumer, 10).await?;
    consumer.close().await?;
    let mut offsets = world.admin.list_consumer_group_offsets(topic.as_str(), Default::default()).await?;
    let found = offsets.remove(&TopicPartition::new(topic.as_str(), 0)).expect("its answer")?;
    assert_eq!(Some(10), found.offset);
    Ok(())
}

pub async fn share_group(world: Arc<World>) -> Outcome {
    let topic = world.topic("share", 1, &[]).await?;
    world.fill(&topic, 20).await?;
    let resource = ConfigResource::group(&topic);
    let earliest = vec![ConfigOp::set("share.auto.offset.reset", "earliest")];
    for (_, result) in
        world.admin.incremental_alter_configs([(resource, earliest)], Default::default()).await?
    {
        result?;
    }
    let consumer = world.kafka.share_consumer(topic.as_str()).build().await?;
    consumer.subscribe([&topic]).await?;
    let mut count = 0;
    until("20 records", async || {
        count += consumer.poll(Duration::from_millis(200)).await?.len();
        Ok(count >= 20)
    })
    .await?;
    Ok(consumer.close().await?)
}
