//! Readers beside the writer: whatever is appended, rolled and removed meanwhile, what they get is whole, in order and
//! committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use records::batches;

use super::fixture::*;
use crate::{LogConfig, LogView, ReadError};

const BATCHES: usize = 3000;

/// Reads to the end again and again until the writer is done; the offsets seen.
fn follow(view: &LogView, max_bytes: usize, done: &AtomicBool) -> usize {
    let (mut next, mut seen) = (0, 0);
    loop {
        let finished = done.load(Ordering::Acquire);
        let high_watermark = view.high_watermark();
        match view.read(next, max_bytes, high_watermark, true) {
            Ok(None) if finished && next >= view.log_end_offset() => return seen,
            Ok(None) => thread::yield_now(),
            Ok(Some(slice)) => {
                let bytes = slice.to_vec().expect("the slice can be read");
                for batch in batches(&bytes) {
                    let batch = batch.expect("whole batches come");
                    batch.verify_crc().expect("the batch is whole");
                    assert!(batch.header.base_offset <= next && batch.header.next_offset() <= high_watermark);
                    next = batch.header.next_offset();
                    seen += 1;
                }
                assert_eq!(next, slice.next_offset);
            }
            // Retention overtook the reader.
            Err(ReadError::OffsetOutOfRange { log_start_offset, .. }) => next = log_start_offset,
            Err(error) => panic!("{error}"),
        }
        let latest = view.offset_of_max_timestamp().expect("readable");
        assert!(latest.is_none_or(|found| found.offset < view.log_end_offset()));
        let end = view.log_end_offset();
        let epoch = view.epoch_of_offset(end - 1);
        // Retention may have taken everything there was meanwhile.
        assert!(end == 0 || epoch.is_some() || view.log_start_offset() >= end);
    }
}

#[test]
fn readers_never_see_anything_half_done() {
    for retention_bytes in [-1, 5000] {
        let home = Home::new();
        let (dir, _) = home.open();
        let config =
            LogConfig { retention_bytes, file_delete_delay_ms: 0, index_interval_bytes: 200, ..small(2000) };
        let mut log = create(&dir, config);
        let view = log.view();
        let done = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = [1, 500, 1 << 20]
            .map(|max_bytes| {
                let (view, done) = (Arc::clone(&view), Arc::clone(&done));
                thread::spawn(move || follow(&view, max_bytes, &done))
            })
            .into();
        for number in 0..BATCHES {
            append_in(&mut log, &batch_at(NOW + number as i64, &["a", "b"]), (number / 500) as i32);
            if number % 50 == 0 {
                log.retention(NOW).expect("done");
                log.expired_files(NOW).into_iter().for_each(|files| files.run());
            }
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            let seen = reader.join().expect("the reader is content");
            assert!(seen > 0);
            assert!(retention_bytes >= 0 || seen == BATCHES, "without retention every batch is seen");
        }
    }
}
