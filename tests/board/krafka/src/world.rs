//! What the cases share: connections, fresh topics, records and how they are taken back. Knows no case.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use krafka::admin::{AdminClient, NewTopic, OffsetSpec, TopicPartition};
use krafka::consumer::{AutoOffsetReset, Consumer, ConsumerBuilder};
use krafka::{ConsumerRecord, Kafka, Record};

pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long anything may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct World {
    pub kafka: Kafka,
    pub admin: AdminClient,
    pub bootstrap: String,
    run: String,
}

impl World {
    pub async fn connect(bootstrap: &str) -> Result<World, Error> {
        let kafka = connection(bootstrap).await?;
        let admin = kafka.admin();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        Ok(World { kafka, admin, bootstrap: bootstrap.to_owned(), run: format!("{:x}", now.as_millis()) })
    }

    /// A name that no other case and no earlier run has.
    pub fn name(&self, stem: &str) -> String {
        format!("board-krafka-{stem}-{}", self.run)
    }

    pub async fn topic(
        &self,
        stem: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Result<String, Error> {
        let name = self.name(stem);
        let new = configs
            .iter()
            .fold(NewTopic::new(&name, partitions, 1)?, |new, (key, value)| new.with_config(*key, *value));
        self.admin.create_topics([new], Default::default()).await?.remove(&name).expect("its answer")?;
        // Kafka names leaders before their logs are there.
        let asked: Vec<_> =
            (0..partitions).map(|p| (TopicPartition::new(&name, p), OffsetSpec::Latest)).collect();
        until("the topic's logs", async || {
            let found = self.admin.list_offsets(asked.clone(), Default::default()).await;
            Ok(found.is_ok_and(|found| found.values().all(Result::is_ok)))
        })
        .await?;
        Ok(name)
    }

    /// Records "k0"="v0", "k1"="v1", … with a header "n".
    pub fn record(topic: &str, n: usize) -> Record {
        Record::new(topic, format!("v{n}")).key(format!("k{n}")).header("n", n.to_string())
    }

    pub async fn fill(&self, topic: &str, count: usize) -> Result<(), Error> {
        let producer = self.kafka.producer().build().await?;
        let mut handles = Vec::new();
        for n in 0..count {
            handles.push(producer.enqueue(World::record(topic, n)).await?);
        }
        for handle in handles {
            let _ = handle.await?;
        }
        producer.close().await?;
        Ok(())
    }

    /// A consumer without a group on all `partitions` of the topic, from the beginning.
    pub async fn reader(&self, topic: &str, partitions: i32) -> Result<Consumer, Error> {
        self.reader_with(topic, partitions, |builder| builder).await
    }

    pub async fn reader_with(
        &self,
        topic: &str,
        partitions: i32,
        more: impl FnOnce(ConsumerBuilder) -> ConsumerBuilder,
    ) -> Result<Consumer, Error> {
        let builder = self
            .kafka
            .consumer_without_group()
            .auto_offset_reset(AutoOffsetReset::Earliest)
            .enable_auto_commit(false);
        let consumer = more(builder).build().await?;
        consumer.assign(topic, (0..partitions).collect()).await?;
        Ok(consumer)
    }

    /// A member with connections of its own: a JoinGroup that waits for the others holds up all behind it.
    pub async fn member(&self, group: &str) -> Result<ConsumerBuilder, Error> {
        let kafka = connection(&self.bootstrap).await?;
        Ok(kafka.consumer(group).auto_offset_reset(AutoOffsetReset::Earliest).enable_auto_commit(false))
    }
}

async fn connection(bootstrap: &str) -> Result<Kafka, Error> {
    let kafka = Kafka::builder(bootstrap).client_id("board").metadata_max_age(Duration::from_secs(1));
    Ok(kafka.connect().await?)
}

/// Polls until `count` records are there.
pub async fn take(consumer: &Consumer, count: usize) -> Result<Vec<ConsumerRecord>, Error> {
    let mut records = Vec::new();
    let end = Instant::now() + PATIENCE;
    while records.len() < count && Instant::now() < end {
        records.extend(consumer.poll(Duration::from_millis(200)).await?);
    }
    assert_eq!(count, records.len(), "number of records");
    Ok(records)
}

/// Are these exactly the records that `fill` sent?
pub fn whole(records: &[ConsumerRecord], count: usize) {
    let mut seen = BTreeSet::new();
    for record in records {
        let n = number(record);
        assert_eq!(Some(format!("k{n}").as_str()), record.key_str(), "key");
        assert_eq!(Some(n.to_string().as_str()), record.header_str("n"), "header");
        seen.insert(n);
    }
    assert_eq!((0..count).collect::<BTreeSet<_>>(), seen, "records");
    assert_eq!(count, records.len(), "number of records");
}

/// The number of a record that `fill` sent.
pub fn number(record: &ConsumerRecord) -> usize {
    let value = record.value_str().expect("a value in UTF-8");
    value[1..].parse().expect("v and a number")
}

/// Waits until the condition holds.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> Result<bool, Error>) -> Result<(), Error> {
    let end = Instant::now() + PATIENCE;
    while !condition().await? {
        assert!(Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    Ok(())
}

/// The error's text must have this in it.
pub fn fails<T: std::fmt::Debug, E: std::fmt::Display>(wanted: &str, result: Result<T, E>) {
    match result {
        Ok(value) => panic!("wanted {wanted}, got {value:?}"),
        Err(error) => assert!(error.to_string().contains(wanted), "wanted {wanted}, got {error}"),
    }
}
