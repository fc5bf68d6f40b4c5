//! An allocator that counts per thread. Owns the measurement of peak memory; never changes what is allocated.

#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn add(bytes: isize) {
    let live = LIVE.get() + bytes;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: every call is passed on unchanged to the system's allocator. `realloc` keeps its default, which
// allocates, copies and frees, so that both blocks count while they live.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `f` and returns the highest number of heap bytes that it held at once.
pub fn peak_bytes<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let out = f();
    (out, usize::try_from(PEAK.get() - before).unwrap())
}

/// What decoding `frame_bytes` may hold at most.
pub fn allowed_bytes(frame_bytes: usize) -> usize {
    4 * frame_bytes + (12 * frame_bytes).min(12 << 20) + 64 * 1024
}

#[test]
fn the_peak_is_seen() {
    let ((), peak) = peak_bytes(|| {
        let mut list: Vec<u8> = Vec::with_capacity(1000);
        list.push(1);
        list.reserve_exact(2000);
        drop(list);
        drop(vec![0u8; 10]);
    });
    assert_eq!(peak, 1000 + 2001, "both blocks live while one is moved into the other");
}
