//! Replicas are spread, and the same seed spreads them the same way.

use std::collections::{BTreeMap, BTreeSet};

use super::{ReplicaPlacer, UsableBroker};

fn broker(id: i32, rack: Option<&str>, is_fenced: bool) -> UsableBroker {
    UsableBroker { id, rack: rack.map(str::to_owned), is_fenced }
}

fn place(seed: u64, brokers: &[UsableBroker], partitions: usize, factor: usize) -> Vec<Vec<i32>> {
    let mut placer = ReplicaPlacer::new(seed, brokers.iter().cloned());
    (0..partitions).map(|_| placer.place(factor).expect("there are enough brokers")).collect()
}

#[test]
fn one_broker_gets_everything() {
    assert_eq!(place(7, &[broker(1, None, false)], 3, 1), [[1], [1], [1]]);
}

#[test]
fn the_same_seed_gives_the_same_placement() {
    let brokers: Vec<_> =
        (0..9).map(|id| broker(id, Some(["a", "b", "c"][id as usize % 3]), false)).collect();
    assert_eq!(place(1, &brokers, 50, 3), place(1, &brokers, 50, 3));
    assert_ne!(place(1, &brokers, 50, 3), place(2, &brokers, 50, 3));
}

#[test]
fn replicas_are_distinct_and_leaders_are_balanced() {
    for seed in 0..50 {
        let brokers: Vec<_> = (0..6).map(|id| broker(id, None, false)).collect();
        let mut leaders: BTreeMap<i32, usize> = BTreeMap::new();
        for replicas in place(seed, &brokers, 60, 3) {
            assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 3, "seed {seed}: {replicas:?}");
            *leaders.entry(replicas[0]).or_default() += 1;
        }
        assert!(leaders.values().all(|count| *count == 10), "seed {seed}: {leaders:?}");
    }
}

#[test]
fn each_replica_goes_to_another_rack_while_there_are_racks() {
    for seed in 0..50 {
        let brokers: Vec<_> =
            (0..9).map(|id| broker(id, Some(["a", "b", "c"][id as usize % 3]), false)).collect();
        for replicas in place(seed, &brokers, 40, 3) {
            let racks: BTreeSet<i32> = replicas.iter().map(|id| id % 3).collect();
            assert_eq!(racks.len(), 3, "seed {seed}: {replicas:?}");
        }
    }
}

#[test]
fn fenced_brokers_never_lead_and_come_last() {
    for seed in 0..50 {
        let brokers = [broker(1, None, false), broker(2, None, true), broker(3, None, false)];
        for replicas in place(seed, &brokers, 20, 3) {
            assert_eq!(replicas[2], 2, "seed {seed}: {replicas:?}");
        }
    }
}

#[test]
fn any_mix_of_racks_and_fences_ends() {
    for seed in 0..300_u64 {
        let brokers: Vec<_> = (0..(seed % 7 + 1) as i32)
            .map(|id| {
                broker(
                    id,
                    ["a", "b", "c"].get((seed as usize + id as usize) % 4).copied(),
                    id > 0 && (seed + id as u64).is_multiple_of(3),
                )
            })
            .collect();
        for factor in 1..=brokers.len() {
            for replicas in place(seed, &brokers, 30, factor) {
                assert_eq!(
                    replicas.iter().collect::<BTreeSet<_>>().len(),
                    factor,
                    "seed {seed} factor {factor}"
                );
            }
        }
    }
}

#[test]
fn too_few_brokers_are_refused() {
    let refuse = |brokers: &[UsableBroker], factor| {
        ReplicaPlacer::new(0, brokers.iter().cloned()).place(factor).expect_err("it cannot be").message
    };
    // Word for word Kafka's: kafka-topics shows it.
    assert!(refuse(&[broker(1, None, false)], 2).ends_with(
        "cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned."
    ));
    assert!(refuse(&[broker(1, None, true)], 1).contains("fenced"));
    assert!(refuse(&[], 1).contains("fenced"));
    assert!(refuse(&[broker(1, None, false)], 0).contains("positive"));
}
