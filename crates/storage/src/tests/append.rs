//! Appending: offsets, epochs, origins, refusals.

use records::{BatchHeader, Compression, TargetCompression, TimestampType, batches, control_batch};

use super::fixture::*;
use crate::{AppendError, AppendOrigin, LogConfig};

#[test]
fn offsets_follow_one_another() {
    let home = Home::new();
    let (dir, report) = home.open();
    assert!(!report.clean);
    let mut log = create(&dir, LogConfig::default());
    let first = append(&mut log, &batch(&["a", "b", "c"]));
    assert_eq!((first.first_offset, first.last_offset, first.log_append_time_ms), (0, 2, -1));
    assert_eq!((first.max_timestamp, first.duplicate), (NOW, false));
    let second = append(&mut log, &batch(&["d"]));
    assert_eq!((second.first_offset, second.last_offset), (3, 3));
    let view = log.view();
    assert_eq!((view.log_start_offset(), view.log_end_offset(), view.durable_end_offset()), (0, 4, 0));
    assert_eq!(view.size_bytes(), first.bytes + second.bytes);
    assert_eq!(read_all(&view, 0), [(0, "a".into()), (1, "b".into()), (2, "c".into()), (3, "d".into())]);
}

#[test]
fn the_leaders_epoch_is_stamped_and_remembered() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    append_in(&mut log, &batch(&["a"]), 3);
    append_in(&mut log, &batch(&["b"]), 3);
    append_in(&mut log, &batch(&["c"]), 8);
    let view = log.view();
    let bytes = view.read(0, 1 << 20, 3, true).expect("readable").expect("there").to_vec().expect("bytes");
    let epochs: Vec<i32> = batches(&bytes).map(|b| b.expect("whole").header.partition_leader_epoch).collect();
    assert_eq!(epochs, [3, 3, 8]);
    assert_eq!(view.end_offset_for_epoch(3), (3, 2));
    assert_eq!(view.end_offset_for_epoch(8), (8, 3));
    assert_eq!(view.end_offset_for_epoch(9), (-1, -1));
    assert_eq!(view.epoch_of_offset(1), Some(3));
}

#[test]
fn log_append_time_is_stamped_and_told() {
    let home = Home::new();
    let (dir, _) = home.open();
    let config = LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() };
    let mut log = create(&dir, config);
    let info = append(&mut log, &batch_at(5, &["a", "b"]));
    assert_eq!((info.log_append_time_ms, info.max_timestamp), (NOW, NOW));
    let bytes =
        log.view().read(0, 1 << 20, 2, true).expect("readable").expect("there").to_vec().expect("bytes");
    let batch = batches(&bytes).next().expect("one").expect("whole");
    batch.verify_crc().expect("the checksum was renewed");
    assert_eq!(batch.header.timestamp_type(), TimestampType::LogAppendTime);
}

#[test]
fn the_topics_codec_is_applied() {
    let home = Home::new();
    let (dir, _) = home.open();
    let compression = TargetCompression::Fixed { compression: Compression::Lz4, level: None };
    let mut log = create(&dir, LogConfig { compression, ..LogConfig::default() });
    append(&mut log, &batch(&["a", "b"]));
    append(&mut log, &compressed(Compression::Gzip, NOW, &["c"]));
    let view = log.view();
    let bytes = view.read(0, 1 << 20, 3, true).expect("readable").expect("there").to_vec().expect("bytes");
    for batch in batches(&bytes) {
        assert_eq!(batch.expect("whole").header.compression(), Ok(Compression::Lz4));
    }
    assert_eq!(read_all(&view, 0), [(0, "a".into()), (1, "b".into()), (2, "c".into())]);
}

#[test]
fn a_refused_batch_leaves_no_trace() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log =
        create(&dir, LogConfig { max_message_bytes: 200, segment_bytes: 150, ..LogConfig::default() });
    append(&mut log, &batch(&["a"]));
    let before = (log.view().log_end_offset(), log.view().size_bytes());
    let mut torn = batch(&["b"]);
    *torn.last_mut().expect("bytes") ^= 1;
    let refused = |log: &mut crate::UnifiedLog, bytes: &[u8]| {
        log.append_as_leader(bytes, 0, AppendOrigin::Client, NOW).expect_err("refused").code()
    };
    use protocol::ErrorCode;
    assert_eq!(refused(&mut log, &torn), ErrorCode::CORRUPT_MESSAGE);
    assert_eq!(refused(&mut log, &batch(&[&"x".repeat(200)])), ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(refused(&mut log, &batch(&[&"x".repeat(100)])), ErrorCode::RECORD_LIST_TOO_LARGE);
    assert_eq!(refused(&mut log, &[batch(&["b"]), batch(&["c"])].concat()), ErrorCode::INVALID_RECORD);
    assert_eq!(refused(&mut log, b""), ErrorCode::INVALID_RECORD);
    assert_eq!((log.view().log_end_offset(), log.view().size_bytes()), before);
    assert_eq!(append(&mut log, &batch(&["b"])).first_offset, 1);
}

#[test]
fn this_broker_may_append_many_batches_and_control_records() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, small(1 << 20));
    let control = control_batch(Default::default(), NOW, &[(records::ControlRecordType::LeaderChange, b"x")]);
    let many = [batch(&["a", "b"]), control.expect("a control batch"), batch(&["c"])].concat();
    let info = log.append_as_leader(&many, 2, AppendOrigin::Coordinator, NOW).expect("taken");
    assert_eq!((info.first_offset, info.last_offset), (0, 3));
    let bytes =
        log.view().read(0, 1 << 20, 4, true).expect("readable").expect("there").to_vec().expect("bytes");
    let headers: Vec<BatchHeader> = batches(&bytes).map(|b| b.expect("whole").header).collect();
    assert_eq!(headers.iter().map(|h| h.base_offset).collect::<Vec<_>>(), [0, 2, 3]);
    assert!(headers[1].is_control());
    let cut = &many[..many.len() - 1];
    assert!(log.append_as_leader(cut, 2, AppendOrigin::Coordinator, NOW).is_err(), "all or none");
    assert_eq!(log.view().log_end_offset(), 4);
}

#[test]
fn the_quorums_leader_brings_offsets_and_epoch() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    let made = |base_offset, partition_leader_epoch| {
        let settings = records::BatchSettings { base_offset, partition_leader_epoch, ..Default::default() };
        batch_with(settings, &[(NOW, "x"), (NOW, "y")])
    };
    let mut raft = |bytes: &[u8]| log.append_as_leader(bytes, 4, AppendOrigin::RaftLeader, NOW);
    assert_eq!(raft(&made(0, 4)).expect("taken").last_offset, 1);
    assert!(matches!(raft(&made(0, 4)), Err(AppendError::UnexpectedOffset { expected: 2, found: 0 })));
    assert!(matches!(raft(&made(2, 3)), Err(AppendError::Invalid(_))));
    assert_eq!(raft(&[made(2, 4), made(4, 4)].concat()).expect("taken").last_offset, 5);
}

#[test]
fn a_follower_takes_batches_as_they_are() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut leader = create(&dir, LogConfig::default());
    append_in(&mut leader, &batch(&["a", "b"]), 1);
    append_in(&mut leader, &idempotent(5, 0, 0, &["c"]), 2);
    let bytes =
        leader.view().read(0, 1 << 20, 3, true).expect("readable").expect("there").to_vec().expect("bytes");
    let mut follower = dir.create_log("t", 1, TOPIC_ID, LogConfig::default(), NOW).expect("created");
    let info = follower.append_as_follower(&bytes, 2, NOW).expect("taken");
    assert_eq!((info.first_offset, info.last_offset), (0, 2));
    assert_eq!(read_all(&follower.view(), 0), read_all(&leader.view(), 0));
    assert_eq!(follower.view().end_offset_for_epoch(1), (1, 2));
    assert_eq!(follower.active_producers(), leader.active_producers());
    assert!(matches!(
        follower.append_as_follower(&bytes, 2, NOW),
        Err(AppendError::UnexpectedOffset { expected: 3, found: 0 })
    ));
}
