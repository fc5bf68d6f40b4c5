//! When something is said, and what.

use std::time::Duration;

use parking_lot::Mutex;
use storage::{RecoveryProgress, RecoveryState};

use super::{RecoveryStanding, RecoveryWatcher, watch};

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl RecoveryWatcher for Seen {
    fn show(&self, standing: &RecoveryStanding) {
        self.0.lock().push(format!("{} ms", standing.elapsed.as_millis()));
    }

    fn finish(&self) {
        self.0.lock().push("finished".to_owned());
    }
}

async fn seen_of_a_start_of(ms: u64) -> Vec<String> {
    let seen = Seen::default();
    let work = async {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        ms
    };
    assert_eq!(watch(work, &RecoveryProgress::default(), Some(&seen)).await, ms);
    seen.0.into_inner()
}

#[tokio::test(start_paused = true)]
async fn only_a_start_that_takes_long_is_shown() {
    assert!(seen_of_a_start_of(999).await.is_empty());
    assert_eq!(seen_of_a_start_of(1_500).await, ["1000 ms", "1200 ms", "1400 ms", "finished"]);
}

#[test]
fn share_rate_and_rest_are_said() {
    let state =
        RecoveryState { logs: 1000, logs_done: 500, checked_bytes: 3_000_000_000, ..Default::default() };
    let mut standing = RecoveryStanding { state, elapsed: Duration::from_secs(4) };
    assert_eq!(standing.to_string(), "500 of 1000 logs, 50 %, 3000 MB checked at 750 MB/s, about 4 s left");
    standing.state.wal_bytes = 1 << 30;
    assert_eq!(standing.to_string(), "500 of 1000 logs, 25 %, 3000 MB checked at 750 MB/s, about 12 s left");
    standing.state = RecoveryState { logs: 20, ..Default::default() };
    assert_eq!(standing.to_string(), "0 of 20 logs, 0 %", "how long it takes cannot be known yet");
}
