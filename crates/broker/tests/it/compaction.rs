//! Compacted topics, from the outside: what is produced, what is left, what groups find.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::{
    AlterConfigsRequest, AlterConfigsResponse, ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use records::{BatchBuilder, BatchSettings, batches};
use testkit::{TestConnection, TestNode};

use crate::directories;
use crate::setup::*;

/// Longer than any cleaning takes; reached only when the test fails.
const LIMIT: Duration = Duration::from_secs(60);

const CLEANER: &[(&str, &str)] = &[
    ("log.cleaner.backoff.ms", "50"),
    ("log.flush.offset.checkpoint.interval.ms", "100"),
    ("log.initial.task.delay.ms", "100"),
];

/// Rolls a segment whenever a batch is more than a second younger than the first one.
const COMPACTED: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("segment.ms", "1000"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("delete.retention.ms", "0"),
];

/// A batch of keys and values, an empty value being a tombstone, `seconds` ago.
fn keyed(seconds: i64, records: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchSettings::default());
    let timestamp = platform::Clock::os().wall_ms() - seconds * 1000;
    for (key, value) in records {
        let value = (!value.is_empty()).then_some(value.as_bytes());
        builder.append(Some(key.as_bytes()), value, &[], timestamp).expect("a record fits");
    }
    builder.build().expect("a batch can be built")
}

/// Every record: offset, key and value.
async fn all(connection: &mut TestConnection, topic: Topic) -> BTreeMap<i64, (String, String)> {
    let mut found = BTreeMap::new();
    let mut next = 0;
    loop {
        let data = fetch(connection, topic, next).await;
        assert_eq!(data.error_code, ErrorCode::NONE);
        let bytes = data.records.as_slice().unwrap_or_default();
        if bytes.is_empty() {
            return found;
        }
        for batch in batches(bytes) {
            let Ok(batch) = batch else { break };
            batch.verify_crc().expect("stored batches keep their checksum");
            next = batch.header.next_offset();
            let mut plain = Vec::new();
            for record in batch.open(1 << 20, &mut plain).expect("a batch can be read") {
                let record = record.expect("a record can be read");
                let text =
                    |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or_default()).into_owned();
                found.insert(record.offset, (text(record.key), text(record.value)));
            }
        }
    }
}

/// Reads until the records are as wished.
async fn until(
    connection: &mut TestConnection,
    topic: Topic,
    wished: impl Fn(&BTreeMap<i64, (String, String)>) -> bool,
) -> BTreeMap<i64, (String, String)> {
    let end = tokio::time::Instant::now() + LIMIT;
    loop {
        let found = all(connection, topic).await;
        if wished(&found) {
            return found;
        }
        assert!(tokio::time::Instant::now() < end, "it never came to be: {found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Ten values for each of three keys, each round older than a segment may be, and one more batch that is never cleaned.
async fn fill(connection: &mut TestConnection, topic: Topic) {
    fill_of(connection, topic, 0).await;
}

/// [`fill`] so many seconds ago.
async fn fill_of(connection: &mut TestConnection, topic: Topic, seconds: i64) {
    for round in 0..10 {
        let value = format!("{round}");
        let batch = keyed(seconds + 100 - 2 * round, &[("a", &value), ("b", &value), ("c", &value)]);
        assert_eq!(produce(connection, topic, &batch).await.error_code, ErrorCode::NONE);
    }
    produce(connection, topic, &keyed(seconds, &[("last", "1")])).await;
}

fn offsets(found: &BTreeMap<i64, (String, String)>) -> Vec<i64> {
    found.keys().copied().collect()
}

#[tokio::test]
async fn a_compacted_topic_keeps_the_last_values_at_their_offsets() {
    let mut node = TestNode::start(CLEANER).await;
    let mut connection = node.connect().await;
    let topic = create_topic(&mut connection, "t", 1, COMPACTED).await;
    fill(&mut connection, topic).await;
    let found = until(&mut connection, topic, |found| found.len() == 4).await;
    assert_eq!(offsets(&found), [27, 28, 29, 30]);
    assert_eq!(found[&27], ("a".to_owned(), "9".to_owned()));
    // From inside a hole reading goes on at the next record.
    assert_eq!(values(&fetch(&mut connection, topic, 7).await, 7), ["9", "9", "9"]);
    for restart in [true, false] {
        if restart {
            node.restart().await
        } else {
            node.kill_and_restart().await
        }
        connection = node.connect().await;
        assert_eq!(all(&mut connection, topic).await, found);
    }
    assert_eq!(produce(&mut connection, topic, &keyed(0, &[("a", "10")])).await.base_offset, 31);
}

#[tokio::test]
async fn tombstones_take_their_keys_away() {
    let node = TestNode::start(CLEANER).await;
    let mut connection = node.connect().await;
    let topic = create_topic(&mut connection, "t", 1, COMPACTED).await;
    produce(&mut connection, topic, &keyed(50, &[("a", "1"), ("b", "1")])).await;
    produce(&mut connection, topic, &keyed(40, &[("a", "")])).await;
    produce(&mut connection, topic, &keyed(30, &[("c", "1")])).await;
    let found = until(&mut connection, topic, |found| !found.contains_key(&0)).await;
    assert!(found.contains_key(&1) && found.contains_key(&3));
    // The first cleaning gives the tombstone its time, the second takes it.
    let mut round = 0;
    let end = tokio::time::Instant::now() + LIMIT;
    while all(&mut connection, topic).await.values().any(|(_, value)| value.is_empty()) {
        round += 1;
        let batch = keyed(20 - 2 * round.min(10), &[("c", &round.to_string())]);
        produce(&mut connection, topic, &batch).await;
        assert!(tokio::time::Instant::now() < end, "the tombstone never goes");
    }
    let found = all(&mut connection, topic).await;
    assert!(found.values().all(|(key, _)| key != "a"), "{found:?}");
}

/// Gives the topic `t` these configurations and no others.
async fn configure(connection: &mut TestConnection, configs: &[(&str, &str)]) {
    let configs: Vec<AlterableConfig<'_>> = configs
        .iter()
        .map(|(name, value)| AlterableConfig { name: (*name).into(), value: Some((*value).into()) })
        .collect();
    let resource = AlterConfigsResource { resource_type: 2, resource_name: "t".into(), configs };
    let request = AlterConfigsRequest { resources: vec![resource], validate_only: false };
    let response: AlterConfigsResponse<'_> = connection.ask(2, &request).await;
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
}

/// Looks until a directory's checkpoint of the cleaner has this line, or has it no more.
async fn until_remembered(path: &str, line: &str, is_there: bool) {
    let look = async {
        loop {
            let text = std::fs::read_to_string(format!("{path}/cleaner-offset-checkpoint"));
            if text.is_ok_and(|text| text.lines().any(|found| found == line)) == is_there {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, look).await.expect("the checkpoint becomes as wished");
}

#[tokio::test]
async fn what_was_cleaned_is_remembered_in_the_directory_that_a_log_moves_to() {
    let mut pair = directories::pair(CLEANER).await;
    let topic = create_topic(&mut pair.connection, "t", 1, COMPACTED).await;
    fill(&mut pair.connection, topic).await;
    let found = until(&mut pair.connection, topic, |found| found.len() == 4).await;
    until_remembered(&pair.paths[0], "t 0 30", true).await;
    // So that nothing can be cleaned anew.
    configure(&mut pair.connection, &[]).await;
    let b = pair.paths[1].clone();
    assert_eq!(directories::alter(&mut pair.connection, &b, "t", 0).await, ErrorCode::NONE);
    directories::until_gone(&mut pair, 0, "t-0").await;
    until_remembered(&pair.paths[1], "t 0 30", true).await;
    until_remembered(&pair.paths[0], "t 0 30", false).await;
    assert_eq!(all(&mut pair.connection, topic).await, found);
}

#[tokio::test]
async fn a_log_is_cleaned_before_it_moves_or_after() {
    let mut pair = directories::pair(CLEANER).await;
    let topic = create_topic(&mut pair.connection, "t", 1, COMPACTED).await;
    directories::set_pace(&mut pair.connection, "1").await;
    // The first of them is copied at once, and its bytes take their time.
    for _ in 0..2 {
        produce(&mut pair.connection, topic, &keyed(200, &[("a", &"x".repeat(100_000))])).await;
    }
    let [a, b] = [pair.paths[0].clone(), pair.paths[1].clone()];
    assert_eq!(directories::alter(&mut pair.connection, &b, "t", 0).await, ErrorCode::NONE);
    fill(&mut pair.connection, topic).await;
    // Another log is cleaned twice meanwhile, the second time when it is by far the cleaner of the two.
    let other = create_topic(&mut pair.connection, "u", 1, COMPACTED).await;
    for (seconds, count) in [(200, 4), (0, 5)] {
        fill_of(&mut pair.connection, other, seconds).await;
        until(&mut pair.connection, other, |found| found.len() == count).await;
    }
    assert_eq!(all(&mut pair.connection, topic).await.len(), 33, "it is being copied");
    assert_eq!(directories::alter(&mut pair.connection, &a, "t", 0).await, ErrorCode::NONE);
    let found = until(&mut pair.connection, topic, |found| found.len() == 4).await;
    assert_eq!(offsets(&found), [29, 30, 31, 32]);
}

#[tokio::test]
async fn a_topic_may_become_compacted_later() {
    let node = TestNode::start(CLEANER).await;
    let mut connection = node.connect().await;
    let topic = create_topic(&mut connection, "t", 1, &[("segment.ms", "1000")]).await;
    fill(&mut connection, topic).await;
    assert_eq!(all(&mut connection, topic).await.len(), 31);
    configure(&mut connection, COMPACTED).await;
    let found = until(&mut connection, topic, |found| found.len() == 4).await;
    assert_eq!(offsets(&found), [27, 28, 29, 30]);
}

#[tokio::test]
async fn without_a_cleaner_nothing_goes() {
    let properties = [CLEANER, &[("log.cleaner.enable", "false")]].concat();
    let node = TestNode::start(&properties).await;
    let mut connection = node.connect().await;
    let topic = create_topic(&mut connection, "t", 1, COMPACTED).await;
    let other =
        create_topic(&mut connection, "u", 1, &[("retention.bytes", "0"), ("segment.ms", "1000")]).await;
    fill(&mut connection, topic).await;
    assert_eq!(all(&mut connection, topic).await.len(), 31);
    assert_eq!(all(&mut connection, other).await.len(), 0);
}

/// Commits once; the coordinator may have to be found first.
async fn commit(connection: &mut TestConnection, topic: Topic, group: &str, offset: i64) -> ErrorCode {
    let partition =
        OffsetCommitRequestPartition { committed_offset: offset, ..OffsetCommitRequestPartition::default() };
    let topics = vec![OffsetCommitRequestTopic {
        name: topic.name.into(),
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    }];
    let request = OffsetCommitRequest {
        group_id: group.to_owned().into(),
        generation_id_or_member_epoch: -1,
        topics,
        ..OffsetCommitRequest::default()
    };
    let response: OffsetCommitResponse<'static> = connection.ask(8, &request).await;
    response.topics[0].partitions[0].error_code
}

async fn committed(connection: &mut TestConnection, topic: Topic, group: &str) -> (ErrorCode, i64) {
    let topics = vec![OffsetFetchRequestTopics {
        name: topic.name.into(),
        partition_indexes: vec![0],
        ..OffsetFetchRequestTopics::default()
    }];
    let asked = OffsetFetchRequestGroup {
        group_id: group.to_owned().into(),
        topics: Some(topics),
        ..OffsetFetchRequestGroup::default()
    };
    let request = OffsetFetchRequest { groups: vec![asked], ..OffsetFetchRequest::default() };
    let response: OffsetFetchResponse<'static> = connection.ask(8, &request).await;
    let group = &response.groups[0];
    let offset = group.topics.first().map_or(-1, |topic| topic.partitions[0].committed_offset);
    (group.error_code, offset)
}

async fn until_served(connection: &mut TestConnection, topic: Topic, group: &str, offset: i64) {
    let find = FindCoordinatorRequest { key: group.to_owned().into(), ..FindCoordinatorRequest::default() };
    let _: FindCoordinatorResponse<'static> = connection.ask(3, &find).await;
    let look = async { while committed(connection, topic, group).await != (ErrorCode::NONE, offset) {} };
    tokio::time::timeout(LIMIT, look).await.expect("the group's offset is there");
}

#[tokio::test]
async fn committed_offsets_are_compacted_and_found_again() {
    const GROUPS: usize = 3;
    const LAST: i64 = 200;
    let properties = [
        CLEANER,
        &[
            ("offsets.topic.num.partitions", "1"),
            ("offsets.topic.segment.bytes", "1048576"),
            ("log.cleaner.min.cleanable.ratio", "0.01"),
        ],
    ]
    .concat();
    let mut node = TestNode::start(&properties).await;
    let mut connection = node.connect().await;
    let topic = create_topic(&mut connection, "t", 1, &[]).await;
    let groups: Vec<String> = (0..GROUPS).map(|number| format!("group-{number}")).collect();
    let serve = async { while commit(&mut connection, topic, &groups[0], 0).await != ErrorCode::NONE {} };
    let find = FindCoordinatorRequest { key: "group-0".into(), ..FindCoordinatorRequest::default() };
    let mut other = node.connect().await;
    let _: FindCoordinatorResponse<'static> = other.ask(3, &find).await;
    tokio::time::timeout(LIMIT, serve).await.expect("the group is served");
    for offset in 1..=LAST {
        for group in &groups {
            assert_eq!(commit(&mut connection, topic, group, offset).await, ErrorCode::NONE);
        }
    }
    let dir = node.partition_dir("__consumer_offsets", 0);
    let log_bytes = || -> u64 {
        let entries = std::fs::read_dir(&dir).expect("the directory is there").flatten();
        let logs = entries.filter(|entry| entry.path().extension().is_some_and(|suffix| suffix == "log"));
        logs.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
    };
    let end = tokio::time::Instant::now() + LIMIT;
    // Of 2.4 MB two segments at most: what is left of all that went before, and the one that is written to.
    while log_bytes() > 1_100_000 {
        assert!(tokio::time::Instant::now() < end, "{} bytes are left", log_bytes());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for restart in [true, false] {
        if restart {
            node.restart().await
        } else {
            node.kill_and_restart().await
        }
        connection = node.connect().await;
        for group in &groups {
            until_served(&mut connection, topic, group, LAST).await;
        }
    }
}
