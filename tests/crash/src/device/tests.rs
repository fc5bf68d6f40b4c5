//! The device alone: what is flushed stays, what is not may go, and calls fail when they are told to.

use super::*;

const DISK_BYTES: usize = 64 * SECTOR_BYTES;

fn sector(byte: u8) -> Vec<u8> {
    vec![byte; SECTOR_BYTES]
}

fn written(device: &Device, number: usize) -> u8 {
    device.image()[number * SECTOR_BYTES]
}

fn write(device: &Device, number: usize, byte: u8) {
    assert_eq!(device.write((number * SECTOR_BYTES) as u64, &sector(byte)), Answer::Done(()));
}

#[test]
fn what_is_flushed_survives_and_what_is_not_does_not() {
    let device = Device::new(vec![0; DISK_BYTES]);
    write(&device, 1, 1);
    write(&device, 2, 1);
    assert_eq!(device.flush(), Answer::Done(()));
    write(&device, 2, 2);
    write(&device, 3, 2);
    device.cut();
    assert_eq!(device.write(0, &sector(9)), Answer::Held);
    assert_eq!(device.flush(), Answer::Held);
    let report = device.power_on(Survival::Nothing, &Rng::seeded(1));
    assert_eq!((written(&device, 1), written(&device, 2), written(&device, 3)), (1, 1, 0));
    assert_eq!(report, CutReport { pending_writes: 2, pending_sectors: 2, lost_sectors: 2 });
}

#[test]
fn every_subset_of_unflushed_writes_comes_about_and_nothing_else_does() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..400 {
        let device = Device::new(vec![0; DISK_BYTES]);
        write(&device, 1, 1);
        device.flush();
        write(&device, 1, 2);
        write(&device, 2, 2);
        write(&device, 1, 3);
        device.cut();
        let rng = Rng::seeded(seed);
        device.power_on(Survival::choose(&rng), &rng);
        seen.insert((written(&device, 1), written(&device, 2)));
    }
    let all = [1, 2, 3].into_iter().flat_map(|first| [(first, 0), (first, 2)]);
    assert_eq!(seen, all.collect());
}

#[test]
fn a_write_is_torn_between_sectors_only() {
    let torn = (0..200).any(|seed| {
        let device = Device::new(vec![0; DISK_BYTES]);
        device.write(0, &vec![7; 8 * SECTOR_BYTES]);
        device.cut();
        device.power_on(Survival::Sectors { percent: 50 }, &Rng::seeded(seed));
        let image = device.image();
        let sectors = image.chunks_exact(SECTOR_BYTES).take(8);
        assert!(sectors.clone().all(|s| s.iter().all(|byte| *byte == s[0])), "a sector is whole");
        let kept = sectors.filter(|s| s[0] == 7).count();
        kept > 0 && kept < 8
    });
    assert!(torn);
}

#[test]
fn the_same_seed_leaves_the_same_bytes() {
    let run = || {
        let device = Device::new(vec![0; DISK_BYTES]);
        (0..60).for_each(|n| write(&device, n, 5));
        device.cut();
        device.power_on(Survival::Sectors { percent: 50 }, &Rng::seeded(77));
        device.image()
    };
    assert_eq!(run(), run());
}

#[test]
fn trouble_comes_at_the_call_it_is_armed_for() {
    let device = Device::new(vec![0; DISK_BYTES]);
    let second_flush = Trigger::at(Call::Flush, 2);
    device.arm(Some((second_flush, Trouble::FailOnce)));
    write(&device, 1, 1);
    assert_eq!(device.flush(), Answer::Done(()));
    write(&device, 1, 2);
    assert_eq!(device.flush(), Answer::Failed);
    assert_eq!(device.counts().failed, 1);
    assert_eq!(device.flush(), Answer::Done(()), "a disk that failed once takes the next flush");
    device.arm(Some((Trigger::at(Call::Write, 1), Trouble::FailFromHere)));
    assert_eq!(device.write(0, &sector(9)), Answer::Failed);
    assert_eq!(device.write(0, &sector(9)), Answer::Failed);
    assert_eq!(written(&device, 0), 0);
    device.arm(Some((second_flush, Trouble::Cut)));
    device.flush();
    assert!(!device.is_cut());
    write(&device, 4, 4);
    assert_eq!(device.flush(), Answer::Held);
    assert!(device.wait_for_cut(Duration::ZERO));
    device.give_errors();
    assert_eq!(device.read(0, 1), Answer::Failed);
    device.power_on(Survival::Nothing, &Rng::seeded(0));
    assert_eq!(written(&device, 4), 0);
}

#[test]
fn a_cut_comes_some_calls_after_a_file_of_the_log_is_used() {
    let device = Device::new(vec![0; DISK_BYTES]);
    device.arm(Some((Trigger { call: Call::Header, number: 2, later: 2 }, Trouble::Cut)));
    let mut header = sector(0);
    header[..HEADER_MAGIC.len()].copy_from_slice(HEADER_MAGIC);
    write(&device, 1, 1);
    assert_eq!(device.write(0, &header), Answer::Done(()));
    write(&device, 2, 1);
    write(&device, 3, 1);
    assert_eq!(device.write(0, &header), Answer::Done(()));
    write(&device, 2, 1);
    assert_eq!(device.flush(), Answer::Held);
    assert_eq!(device.counts().headers, 2);
}

#[test]
fn long_zeros_are_known() {
    let device = Device::new(vec![1; 2 * ZEROS_BYTES_MIN]);
    device.arm(Some((Trigger::at(Call::Zeros, 1), Trouble::Cut)));
    assert_eq!(device.write(0, &sector(0)), Answer::Done(()));
    assert_eq!(device.write(0, &vec![1; ZEROS_BYTES_MIN]), Answer::Done(()));
    assert_eq!(device.write(0, &vec![0; ZEROS_BYTES_MIN]), Answer::Held);
}
