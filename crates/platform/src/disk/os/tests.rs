//! Short writes, which the kernel gives too rarely to wait for.

use std::io::{self, IoSlice};

use super::write_all;

#[test]
fn short_writes_are_continued_where_they_stopped() {
    let pieces: Vec<Vec<u8>> = (0..20_u8).map(|n| vec![n; usize::from(n % 5)]).collect();
    let slices: Vec<_> = pieces.iter().map(|p| IoSlice::new(p)).collect();
    for longest in 1..12 {
        let mut written = Vec::new();
        let write_some = |slices: &[IoSlice<'_>], position: u64| {
            assert_eq!(position, 100 + written.len() as u64, "the next write continues the last");
            let bytes: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).take(longest).collect();
            written.extend_from_slice(&bytes);
            Ok(bytes.len())
        };
        write_all(&slices, 100, write_some).unwrap();
        assert_eq!(written, pieces.concat());
    }
}

#[test]
fn an_error_ends_the_write() {
    let mut calls = 0;
    let result = write_all(&[IoSlice::new(b"abc"), IoSlice::new(b"d")], 0, |_, _| {
        calls += 1;
        if calls == 2 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(2) }
    });
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(calls, 2);
}
