//! The ways from one set of replicas to another.

use super::{Reassignment, Settled};

fn settled(replicas: &[i32], isr: &[i32]) -> Option<Settled> {
    Some(Settled { replicas: replicas.to_vec(), isr: isr.to_vec(), is_unclean: false })
}

#[test]
fn what_comes_and_what_goes() {
    let check = |current: &[i32], target: &[i32], replicas: &[i32], removing: &[i32], adding: &[i32]| {
        let reassignment = Reassignment::between(current, target);
        let expected = Reassignment {
            replicas: replicas.to_vec(),
            removing: removing.to_vec(),
            adding: adding.to_vec(),
        };
        assert_eq!(reassignment, expected, "{current:?} -> {target:?}");
    };
    check(&[1], &[1], &[1], &[], &[]);
    check(&[1, 2, 3], &[3, 1, 2], &[3, 1, 2], &[], &[]);
    check(&[3, 2, 1], &[5, 4], &[5, 4, 1, 2, 3], &[1, 2, 3], &[4, 5]);
    check(&[1, 2], &[2, 3], &[2, 3, 1], &[1], &[3]);
    assert_eq!(Reassignment::between(&[1, 2], &[2, 3]).replication_factor(), 2);
}

#[test]
fn a_reassignment_ends_when_the_isr_is_ready() {
    let check = |current: &[i32], target: &[i32], isr: &[i32], expected| {
        let completed = Reassignment::between(current, target).completed(isr);
        assert_eq!(completed, expected, "{current:?} -> {target:?} with {isr:?}");
    };
    check(&[1, 2], &[2, 1], &[1, 2], None);
    check(&[1, 2], &[1, 2, 3], &[1, 2], None);
    check(&[1, 2], &[1, 2, 3], &[1, 3], settled(&[1, 2, 3], &[1, 3]));
    check(&[1, 2], &[3, 4], &[1, 2, 3], None);
    check(&[1, 2], &[3, 4], &[1, 3, 4], settled(&[3, 4], &[3, 4]));
    check(&[1, 2, 3], &[1, 2], &[3], None);
    // Fewer replicas: all that stay must be in sync.
    check(&[1, 2, 3], &[1, 2], &[1, 3], None);
    check(&[1, 2, 3], &[1, 2], &[1, 2], settled(&[1, 2], &[1, 2]));
}

#[test]
fn a_reassignment_can_be_taken_back() {
    let reassignment = Reassignment::between(&[1, 2], &[3, 4]);
    assert_eq!(reassignment.reverted(&[2, 3, 4]), settled(&[1, 2], &[2]));
    let unclean = Settled { replicas: vec![1, 2], isr: vec![1], is_unclean: true };
    assert_eq!(reassignment.reverted(&[3, 4]), Some(unclean));
    let nothing_left = Reassignment { replicas: vec![3], removing: vec![], adding: vec![3] };
    assert_eq!(nothing_left.reverted(&[3]), None);
}
