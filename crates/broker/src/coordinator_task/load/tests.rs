//! Offsets that were committed within transactions, as Kafka writes them.

use coordinator::Token;
use group_coordinator::{Effect, GroupCoordinatorConfig, GroupShard, Response};
use protocol::offset_fetch_request::OffsetFetchRequestGroup;
use protocol::{GroupRecordKey, GroupRecordValue, OffsetCommitKey, OffsetCommitValue};
use records::{BatchBuilder, BatchSettings, end_txn_marker_batch};

use super::ShardLoad;

const PLAIN: i64 = -1;

/// A log that grows, and what is known of it.
struct Log {
    load: ShardLoad,
    next_offset: i64,
}

impl Log {
    fn new() -> Log {
        Log { load: ShardLoad::new(GroupShard::new(GroupCoordinatorConfig::default())), next_offset: 0 }
    }

    /// Producer `producer_id` commits this offset of partition `partition`, `None` deletes it.
    fn commit(&mut self, producer_id: i64, partition: i32, offset: Option<i64>) {
        let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition };
        let key = GroupRecordKey::OffsetCommit(key).encode().expect("encodable");
        let value = offset.map(|offset| {
            let value = OffsetCommitValue { offset, ..OffsetCommitValue::default() };
            GroupRecordValue::OffsetCommit(value).encode(3).expect("encodable")
        });
        let mut batch = BatchBuilder::new(BatchSettings {
            base_offset: self.next_offset,
            producer_id,
            transactional: producer_id != PLAIN,
            ..BatchSettings::default()
        });
        batch.append(Some(&key), value.as_deref(), &[], 0).expect("it fits");
        self.take(&batch.build().expect("it has a record"));
    }

    fn end(&mut self, producer_id: i64, commit: bool) {
        let marker = end_txn_marker_batch(self.next_offset, 0, 0, producer_id, 0, commit, 0);
        self.take(&marker.expect("encodable"));
    }

    /// Each batch comes in a read of its own.
    fn take(&mut self, bytes: &[u8]) {
        self.next_offset += 1;
        assert_eq!(self.load.replay(bytes, 0), Ok(Some(self.next_offset)));
    }

    /// What is committed for partition 0 and 1; -1 is nothing.
    #[track_caller]
    fn check(&mut self, want: [i64; 2]) {
        let request = OffsetFetchRequestGroup {
            group_id: "g".into(),
            topics: Some(vec![protocol::offset_fetch_request::OffsetFetchRequestTopics {
                name: "t".into(),
                partition_indexes: vec![0, 1],
                ..Default::default()
            }]),
            ..Default::default()
        };
        let mut effects = Vec::new();
        self.load.shard.handle_offset_fetch(0, &request, false, Token(1), &mut effects);
        let [Effect::Reply { response, .. }] = effects.as_slice() else { panic!("no answer: {effects:?}") };
        let Response::OffsetFetch(group) = &**response else { panic!("another answer") };
        let found: Vec<i64> = group.topics[0].partitions.iter().map(|p| p.committed_offset).collect();
        assert_eq!(found, want);
    }
}

#[test]
fn offsets_of_a_transaction_count_when_it_is_committed() {
    let mut log = Log::new();
    log.commit(7, 0, Some(10));
    log.commit(7, 1, Some(11));
    log.check([-1, -1]);
    log.end(7, true);
    log.check([10, 11]);
    log.commit(7, 0, Some(20));
    log.end(7, false);
    log.check([10, 11]);
    log.end(7, true);
    log.check([10, 11]);
    log.commit(7, 0, Some(30));
    log.check([10, 11]);
}

#[test]
fn of_two_commits_the_later_in_the_log_counts() {
    let mut log = Log::new();
    log.commit(7, 0, Some(10));
    log.commit(7, 1, Some(11));
    log.commit(PLAIN, 0, Some(20));
    log.end(7, true);
    log.check([20, 11]);
    log.commit(7, 0, Some(30));
    log.commit(8, 0, Some(40));
    log.end(8, true);
    log.check([40, 11]);
    log.end(7, true);
    log.check([40, 11]);
    // A deletion is no commit: what is committed later by the marker's place comes back, as in Kafka.
    log.commit(7, 1, Some(50));
    log.commit(PLAIN, 1, None);
    log.check([40, -1]);
    log.end(7, true);
    log.check([40, 50]);
}

#[test]
fn an_offset_that_a_transaction_deletes_is_gone_when_it_is_committed() {
    let mut log = Log::new();
    log.commit(PLAIN, 0, Some(10));
    log.commit(7, 0, None);
    log.check([10, -1]);
    log.end(7, true);
    log.check([-1, -1]);
}
