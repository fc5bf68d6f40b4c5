//! Reading: bounds, sizes, segments, and every offset.

use super::fixture::*;
use crate::{LogConfig, ReadError};

#[test]
fn outside_the_log_is_out_of_range_and_at_the_end_is_nothing() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    let view = log.view();
    assert!(view.read(0, 100, 0, true).expect("in range").is_none());
    assert!(matches!(view.read(1, 100, 0, true), Err(ReadError::OffsetOutOfRange { offset: 1, .. })));
    fill(&mut log, 0, 3);
    log.delete_records_before(1).expect("in range");
    assert!(matches!(
        view.read(0, 100, 3, true),
        Err(ReadError::OffsetOutOfRange { log_start_offset: 1, .. })
    ));
    assert!(view.read(3, 100, 3, true).expect("in range").is_none());
    assert!(view.read(4, 100, 3, true).is_err());
}

#[test]
fn whole_batches_come_and_at_least_one_if_asked() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    let size = append(&mut log, &batch(&["a", "b"])).bytes as usize;
    append(&mut log, &batch(&["c", "d"]));
    append(&mut log, &batch(&["e", "f"]));
    let view = log.view();
    let len = |offset, max, upper, min_one| {
        let slice = view.read(offset, max, upper, min_one).expect("in range");
        slice.map(|s| (s.len / size, s.next_offset))
    };
    assert_eq!(len(0, size - 1, 6, false), None);
    assert_eq!(len(0, size - 1, 6, true), Some((1, 2)));
    assert_eq!(len(0, 0, 6, true), Some((1, 2)));
    assert_eq!(len(0, 0, 6, false), None);
    assert_eq!(len(0, size, 6, false), Some((1, 2)));
    assert_eq!(len(0, 2 * size + 1, 6, false), Some((2, 4)));
    assert_eq!(len(0, 3 * size, 6, false), Some((3, 6)));
    assert_eq!(len(1, 3 * size, 6, false), Some((3, 6)), "the batch that holds the offset comes whole");
    assert_eq!(len(3, 3 * size, 6, false), Some((2, 6)));
    assert_eq!(len(0, 3 * size, 4, false), Some((2, 4)), "nothing at or beyond the bound");
    assert_eq!(len(0, 3 * size, 3, false), Some((1, 3)), "not even a part of a batch");
    assert_eq!(len(4, 3 * size, 4, false), None);
}

#[test]
fn every_offset_reads_alike_with_any_index_and_size() {
    for (interval, segment_bytes) in [(1, 1 << 20), (150, 1 << 20), (4096, 1 << 20), (1, 700), (300, 1500)] {
        let home = Home::simulated();
        let (dir, _) = home.open();
        let config = LogConfig { segment_bytes, index_interval_bytes: interval, ..LogConfig::default() };
        let mut log = create(&dir, config);
        fill(&mut log, 0, 200);
        let view = log.view();
        for offset in (0..=200).rev().step_by(7).chain((0..=200).step_by(3)) {
            for max_bytes in [1, 500, 1 << 20] {
                assert_eq!(
                    read_to(&view, offset, 200, max_bytes),
                    filled(offset, 200),
                    "{interval} {offset}"
                );
            }
            let upper = (offset + 5).min(200);
            assert_eq!(read_to(&view, offset, upper, 1 << 20), filled(offset, upper));
        }
    }
}

#[test]
fn a_slice_outlives_its_segment() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig { retention_ms: 1000, file_delete_delay_ms: 0, ..small(300) });
    fill(&mut log, 0, 10);
    let view = log.view();
    let slice = view.read(0, 1 << 20, 10, true).expect("in range").expect("there");
    assert!(log.retention(NOW + 10_000).expect("retention").segments > 1);
    log.expired_files(NOW + 10_000).expect("files wait").run();
    assert_eq!(slice.to_vec().expect("still readable").len(), slice.len);
    assert!(view.read(0, 1 << 20, 10, true).is_err());
}
