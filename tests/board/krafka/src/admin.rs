//! The admin client.

use std::collections::BTreeMap;
use std::sync::Arc;

use std::time::Duration;

use krafka::admin::{
    ClientQuotaAlteration, ClientQuotaEntity, ClientQuotaFilter, ConfigOp, ConfigResource, ElectionType,
    ListOffsetsOptions, NewTopic, OffsetSpec, QuotaMatch, TopicPartition,
};

use crate::Outcome;
use crate::world::{Error, World, fails, take, until};

pub async fn topics(world: Arc<World>) -> Outcome {
    let name = world.topic("topics", 3, &[("retention.ms", "1234567")]).await?;
    let described =
        world.admin.describe_topics([&name], Default::default()).await?.remove(&name).expect("its answer")?;
    assert_eq!((3, false), (described.partitions.len(), described.is_internal));
    assert!(described.topic_id != [0; 16], "a topic id");
    assert!(
        described.partitions.iter().all(|p| p.leader.is_some() && p.replicas == p.isr),
        "leaders and replicas"
    );
    assert!(world.admin.list_topics(Default::default()).await?.contains(&name));
    world.admin.delete_topics([&name], Default::default()).await?.remove(&name).expect("its answer")?;
    until("the deletion", async || Ok(!world.admin.list_topics(Default::default()).await?.contains(&name)))
        .await
}

pub async fn topic_errors(world: Arc<World>) -> Outcome {
    let name = world.topic("errors", 1, &[]).await?;
    let other = world.name("errors-other");
    let create = async |topic: NewTopic| -> Result<Result<(), krafka::KrafkaError>, Error> {
        let name = topic.name.clone();
        Ok(world.admin.create_topics([topic], Default::default()).await?.remove(&name).expect("its answer"))
    };
    fails("TopicAlreadyExists", create(NewTopic::new(&name, 1, 1)?).await?);
    fails("InvalidReplicationFactor", create(NewTopic::new(&other, 1, 99)?).await?);
    fails("InvalidConfig", create(NewTopic::new(&other, 1, 1)?.with_config("retention.ms", "soon")).await?);
    let unknown =
        world.admin.delete_topics([&other], Default::default()).await?.remove(&other).expect("its answer");
    fails("UnknownTopicOrPartition", unknown);
    Ok(())
}

pub async fn partitions(world: Arc<World>) -> Outcome {
    let name = world.topic("partitions", 1, &[]).await?;
    world
        .admin
        .create_partitions([(&name, 4)], Default::default())
        .await?
        .remove(&name)
        .expect("its answer")?;
    until("four partitions", async || {
        let described = world
            .admin
            .describe_topics([&name], Default::default())
            .await?
            .remove(&name)
            .expect("its answer")?;
        Ok(described.partitions.len() == 4)
    })
    .await?;
    let fewer = world
        .admin
        .create_partitions([(&name, 2)], Default::default())
        .await?
        .remove(&name)
        .expect("its answer");
    fails("InvalidPartitions", fewer);
    Ok(())
}

pub async fn configs(world: Arc<World>) -> Outcome {
    let name = world.topic("configs", 1, &[("retention.ms", "1234567")]).await?;
    let resource = ConfigResource::topic(&name);
    let value = async |key: &str| -> Result<Option<String>, Error> {
        let mut all = world.admin.describe_configs([resource.clone()], Default::default()).await?;
        let entries = all.remove(&resource).expect("its answer")?;
        Ok(entries.into_iter().find(|entry| entry.name == key).expect("the key").value)
    };
    assert_eq!(Some("1234567"), value("retention.ms").await?.as_deref());
    let alter = async |ops: Vec<ConfigOp>| -> Result<Result<(), krafka::KrafkaError>, Error> {
        let mut all =
            world.admin.incremental_alter_configs([(resource.clone(), ops)], Default::default()).await?;
        Ok(all.remove(&resource).expect("its answer"))
    };
    alter(vec![ConfigOp::set("segment.ms", "777777"), ConfigOp::delete("retention.ms")]).await??;
    until("the new values", async || {
        Ok(value("segment.ms").await?.as_deref() == Some("777777")
            && value("retention.ms").await?.as_deref() == Some("604800000"))
    })
    .await?;
    alter(vec![ConfigOp::Append { name: "cleanup.policy".into(), value: "compact".into() }]).await??;
    until("both policies", async || Ok(value("cleanup.policy").await?.as_deref() == Some("delete,compact")))
        .await?;
    fails("InvalidConfig", alter(vec![ConfigOp::set("segment.ms", "soon")]).await?);
    Ok(())
}

pub async fn delete_records(world: Arc<World>) -> Outcome {
    let name = world.topic("records", 1, &[]).await?;
    world.fill(&name, 50).await?;
    let place = TopicPartition::new(name.as_str(), 0);
    let delete = async |before: i64| -> Result<Result<i64, krafka::KrafkaError>, Error> {
        Ok(world
            .admin
            .delete_records([(place.clone(), before)], Default::default())
            .await?
            .remove(&place)
            .expect("its answer"))
    };
    assert_eq!(20, delete(20).await??);
    fails("OffsetOutOfRange", delete(51).await?);
    let consumer = world.reader(&name, 1).await?;
    assert_eq!(20, take(&consumer, 30).await?[0].offset);
    Ok(consumer.close().await?)
}

pub async fn list_offsets(world: Arc<World>) -> Outcome {
    let name = world.topic("list-offsets", 1, &[]).await?;
    let producer = world.kafka.producer().build().await?;
    for (n, seconds) in [1, 5, 3].into_iter().enumerate() {
        let _ = producer.send(World::record(&name, n).timestamp(1_700_000_000_000 + seconds * 1000)).await?;
    }
    producer.close().await?;
    let place = TopicPartition::new(name.as_str(), 0);
    let specs = [
        (OffsetSpec::Earliest, 0),
        (OffsetSpec::Latest, 3),
        (OffsetSpec::MaxTimestamp, 1),
        (OffsetSpec::EarliestLocal, 0),
        (OffsetSpec::Timestamp(1_700_000_002_000), 1),
    ];
    for (spec, wanted) in specs {
        let mut found = world
            .admin
            .list_offsets(
                [(place.clone(), spec)],
                ListOffsetsOptions::default().timeout(Duration::from_secs(10)),
            )
            .await?;
        assert_eq!(
            wanted,
            found.remove(&place).expect("its answer").map_err(|error| format!("{spec:?}: {error}"))?.offset,
            "{spec:?}"
        );
    }
    Ok(())
}

pub async fn consumer_groups(world: Arc<World>) -> Outcome {
    let name = world.topic("groups", 2, &[]).await?;
    world.fill(&name, 10).await?;
    let consumer = world.member(&name).await?.build().await?;
    consumer.subscribe([&name]).await?;
    take(&consumer, 10).await?;
    consumer.commit().await?;
    let group = world
        .admin
        .describe_consumer_groups([&name], Default::default())
        .await?
        .remove(&name)
        .expect("its answer")?;
    assert_eq!(("Stable", 1), (group.state.as_str(), group.members.len()));
    let not_empty = world
        .admin
        .delete_consumer_groups([&name], Default::default())
        .await?
        .remove(&name)
        .expect("its answer");
    fails("NonEmptyGroup", not_empty);
    consumer.close().await?;
    until("an empty group", async || {
        let mut described = world.admin.describe_consumer_groups([&name], Default::default()).await?;
        Ok(described.remove(&name).expect("its answer")?.state == "Empty")
    })
    .await?;
    let mut listed = Vec::new();
    for (_, groups) in world.admin.list_consumer_groups(Default::default()).await? {
        listed.extend(groups?.into_iter().map(|group| group.group_id));
    }
    assert!(listed.contains(&name), "listed");
    world
        .admin
        .delete_consumer_groups([&name], Default::default())
        .await?
        .remove(&name)
        .expect("its answer")?;
    let again = world
        .admin
        .delete_consumer_groups([&name], Default::default())
        .await?
        .remove(&name)
        .expect("its answer");
    fails("GroupIdNotFound", again);
    Ok(())
}

pub async fn group_offsets(world: Arc<World>) -> Outcome {
    let name = world.topic("group-offsets", 2, &[]).await?;
    world.fill(&name, 20).await?;
    let places = [TopicPartition::new(name.as_str(), 0), TopicPartition::new(name.as_str(), 1)];
    let set = places.iter().map(|place| (place.clone(), 3));
    for (_, result) in
        world.admin.alter_consumer_group_offsets(name.as_str(), set, Default::default()).await?
    {
        result?;
    }
    let mut lag = 0;
    for (_, found) in world.admin.consumer_group_lag(name.as_str(), Default::default()).await? {
        lag += found?.lag.expect("a lag");
    }
    assert_eq!(20 - 2 * 3, lag);
    for (_, result) in world
        .admin
        .delete_consumer_group_offsets(name.as_str(), [places[0].clone()], Default::default())
        .await?
    {
        result?;
    }
    let left = world.admin.list_consumer_group_offsets(name.as_str(), Default::default()).await?;
    assert_eq!(vec![&places[1]], left.keys().collect::<Vec<_>>());
    Ok(())
}

pub async fn cluster(world: Arc<World>) -> Outcome {
    let cluster = world.admin.describe_cluster(Default::default()).await?;
    assert_eq!((22, 1), (cluster.cluster_id.len(), cluster.brokers.len()));
    assert!(!cluster.brokers[0].is_fenced);
    Ok(())
}

pub async fn log_dirs(world: Arc<World>) -> Outcome {
    let name = world.topic("log-dirs", 1, &[]).await?;
    world.fill(&name, 10).await?;
    let id = world.admin.describe_cluster(Default::default()).await?.brokers[0].id;
    let dirs =
        world.admin.describe_log_dirs([id], Default::default()).await?.remove(&id).expect("its answer")?;
    let place = TopicPartition::new(name.as_str(), 0);
    let mut size = 0;
    for (_, dir) in dirs {
        let dir = dir?;
        assert!(dir.total_bytes > Some(0) && dir.usable_bytes > Some(0), "bytes of the volume");
        size += dir.replicas.get(&place).map_or(0, |replica| replica.size);
    }
    assert!(size > 0, "bytes of the replica");
    Ok(())
}

pub async fn quorum_and_features(world: Arc<World>) -> Outcome {
    let id = world.admin.describe_cluster(Default::default()).await?.brokers[0].id;
    let quorum = world.admin.describe_metadata_quorum(Default::default()).await?;
    assert_eq!(id, quorum.leader_id);
    let features = world.admin.describe_features(Default::default()).await?;
    assert!(features.finalized.iter().any(|feature| feature.name == "metadata.version"), "metadata.version");
    Ok(())
}

pub async fn producers(world: Arc<World>) -> Outcome {
    let name = world.topic("producers", 1, &[]).await?;
    world.fill(&name, 10).await?;
    let place = TopicPartition::new(name.as_str(), 0);
    let found = world
        .admin
        .describe_producers([place.clone()], Default::default())
        .await?
        .remove(&place)
        .expect("its answer")?;
    assert_eq!(1, found.len());
    Ok(())
}

pub async fn elections(world: Arc<World>) -> Outcome {
    let name = world.topic("elections", 1, &[]).await?;
    let place = TopicPartition::new(name.as_str(), 0);
    let mut found = world
        .admin
        .elect_leaders(ElectionType::Preferred, Some(vec![place.clone()]), Default::default())
        .await?;
    // The client takes "not needed" for done.
    found.remove(&place).expect("its answer")?;
    Ok(())
}

pub async fn reassignments(world: Arc<World>) -> Outcome {
    assert!(world.admin.list_partition_reassignments(Default::default()).await?.is_empty());
    Ok(())
}

pub async fn quotas(world: Arc<World>) -> Outcome {
    let client = world.name("client");
    let entity = ClientQuotaEntity(BTreeMap::from([("client-id".to_owned(), Some(client.clone()))]));
    let alter = async |value: Option<f64>| -> Outcome {
        let change =
            ClientQuotaAlteration::new(entity.clone(), vec![("producer_byte_rate".to_owned(), value)]);
        for (_, result) in world.admin.alter_client_quotas(vec![change], Default::default()).await? {
            result?;
        }
        Ok(())
    };
    alter(Some(1e9)).await?;
    until("the quota", async || {
        let filter =
            ClientQuotaFilter::all().component("client-id", QuotaMatch::Exact(client.clone())).strict(true);
        let found = world.admin.describe_client_quotas(filter, Default::default()).await?;
        Ok(found.get(&entity).and_then(|quotas| quotas.get("producer_byte_rate")) == Some(&1e9))
    })
    .await?;
    alter(None).await
}
