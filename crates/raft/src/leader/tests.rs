//! The high watermark of any number of voters.

use std::collections::BTreeSet;

use protocol::Uuid;

use super::LeaderState;
use crate::ReplicaKey;

fn key(id: i32) -> ReplicaKey {
    ReplicaKey::new(id, Uuid([id as u8; 16]))
}

fn leader(voters: i32, epoch_start_offset: i64) -> LeaderState {
    LeaderState::new(3, epoch_start_offset, (1..=voters).map(key), BTreeSet::from([key(1)]))
}

#[test]
fn a_single_voter_commits_what_it_has() {
    let mut state = leader(1, 5);
    assert_eq!(state.update_end_offset(key(1), 5), None, "its own epoch has nothing yet");
    assert_eq!(state.update_end_offset(key(1), 6), Some(6));
    assert_eq!(state.update_end_offset(key(1), 6), None, "nothing moved");
}

#[test]
fn a_majority_commits_and_only_once_it_has_the_leaders_epoch() {
    let mut state = leader(3, 10);
    assert_eq!(state.update_end_offset(key(1), 12), None);
    assert_eq!(state.update_end_offset(key(2), 10), None, "offset 10 is the epoch's first");
    assert_eq!(state.update_end_offset(key(2), 11), Some(11));
    assert_eq!(state.update_end_offset(key(3), 12), Some(12));
    assert_eq!(state.high_watermark(), Some(12));
}

#[test]
fn of_four_voters_three_are_a_majority() {
    let mut state = leader(4, 0);
    for id in 1..=2 {
        assert_eq!(state.update_end_offset(key(id), 7), None);
    }
    assert_eq!(state.update_end_offset(key(3), 4), Some(4));
}

#[test]
fn neither_strangers_nor_lost_disks_count_and_no_end_goes_back() {
    let mut state = leader(3, 0);
    assert_eq!(state.update_end_offset(key(9), 100), None);
    assert_eq!(state.update_end_offset(ReplicaKey::new(2, Uuid::ZERO), 100), None);
    state.update_end_offset(key(1), 9);
    assert_eq!(state.update_end_offset(key(2), 9), Some(9));
    assert_eq!(state.update_end_offset(key(2), 3), None);
    assert_eq!(state.high_watermark(), Some(9));
    assert_eq!(state.end_offset(&key(2)), 9);
}
