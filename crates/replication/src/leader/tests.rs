//! What a leader does with appends and fetches, told as short stories.

use super::*;

fn leader(replicas: &[i32], isr: &[i32], min_isr: usize) -> Leader {
    let config = LeaderConfig {
        node_id: 1,
        leader_epoch: 3,
        replicas: replicas.to_vec(),
        isr: isr.to_vec(),
        min_insync_replicas: min_isr,
    };
    Leader::new(config, 0, 0, 0)
}

fn append(leader: &mut Leader, end: i64) -> Vec<Effect> {
    let mut effects = Vec::new();
    leader.handle_local_end(end, end, &mut effects);
    effects
}

fn fetch(leader: &mut Leader, replica: i32, offset: i64) -> Vec<Effect> {
    let mut effects = Vec::new();
    leader.handle_follower_fetch(replica, offset, &mut effects);
    effects
}

#[test]
fn a_sole_replica_commits_what_it_appends() {
    let mut leader = leader(&[1], &[1], 1);
    assert_eq!(append(&mut leader, 10), [Effect::AdvanceHighWatermark(10)]);
    assert_eq!(leader.high_watermark(), 10);
    assert_eq!(append(&mut leader, 10), []);
}

#[test]
fn a_sole_replica_opens_at_its_log_end() {
    let config =
        LeaderConfig { node_id: 1, leader_epoch: 0, replicas: vec![1], isr: vec![1], min_insync_replicas: 2 };
    assert_eq!(Leader::new(config, 7, 7, 3).high_watermark(), 7);
}

#[test]
fn what_is_not_on_stable_storage_is_not_committed() {
    let config =
        LeaderConfig { node_id: 1, leader_epoch: 0, replicas: vec![1], isr: vec![1], min_insync_replicas: 1 };
    let mut leader = Leader::new(config, 7, 5, 3);
    assert_eq!(leader.high_watermark(), 5);
    let mut effects = Vec::new();
    leader.handle_local_end(9, 5, &mut effects);
    assert_eq!(effects, []);
    leader.handle_local_end(9, 8, &mut effects);
    assert_eq!(effects, [Effect::AdvanceHighWatermark(8)]);
    leader.handle_local_end(9, 6, &mut effects);
    assert_eq!(leader.high_watermark(), 8, "news that comes late takes nothing back");
}

#[test]
fn the_slowest_in_sync_replica_decides() {
    let mut leader = leader(&[1, 2, 3], &[1, 2, 3], 2);
    assert_eq!(append(&mut leader, 10), []);
    assert_eq!(fetch(&mut leader, 2, 8), []);
    assert_eq!(fetch(&mut leader, 3, 5), [Effect::AdvanceHighWatermark(5)]);
    assert_eq!(fetch(&mut leader, 3, 10), [Effect::AdvanceHighWatermark(8)]);
}

#[test]
fn a_replica_out_of_sync_does_not_hold_the_watermark() {
    let mut leader = leader(&[1, 2], &[1], 1);
    assert_eq!(append(&mut leader, 4), [Effect::AdvanceHighWatermark(4)]);
}

#[test]
fn a_stranger_changes_nothing() {
    let mut leader = leader(&[1, 2], &[1, 2], 1);
    append(&mut leader, 4);
    assert_eq!(fetch(&mut leader, 9, 4), []);
}

#[test]
fn below_the_minimum_nothing_commits_and_acks_all_is_refused() {
    let mut leader = leader(&[1, 2], &[1], 2);
    assert_eq!(leader.check_min_isr(), Err(NotEnoughReplicas { isr_count: 1, required_count: 2 }));
    assert_eq!(append(&mut leader, 4), []);
    let mut effects = Vec::new();
    leader.handle_min_isr_change(1, &mut effects);
    assert_eq!(effects, [Effect::AdvanceHighWatermark(4)]);
}

#[test]
fn the_minimum_is_capped_at_the_replicas() {
    assert_eq!(leader(&[1], &[1], 3).check_min_isr(), Ok(()));
}
