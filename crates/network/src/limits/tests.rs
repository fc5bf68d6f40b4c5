//! Who gets a place, who waits for one, and who does not get one.

use super::*;

fn ip(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

fn limits(connections_max: usize, connections_per_ip_max: usize) -> ConnectionLimits {
    ConnectionLimits { connections_max, connections_per_ip_max, ..ConnectionLimits::default() }
}

/// Whether the connection is admitted without waiting; `None` when it waits.
async fn at_once(count: &ConnectionCount, listener: &str, last: u8) -> Option<bool> {
    tokio::time::timeout(Duration::ZERO, count.admit(listener, ip(last))).await.ok()
}

#[tokio::test(start_paused = true)]
async fn limits_hold_in_total_per_address_and_by_override() {
    let per_ip_overrides = BTreeMap::from([(ip(2), 2)]);
    let count = ConnectionCount::new(ConnectionLimits { per_ip_overrides, ..limits(4, 1) });
    assert_eq!(at_once(&count, "A", 1).await, Some(true));
    assert_eq!(at_once(&count, "A", 1).await, Some(false));
    assert_eq!(at_once(&count, "A", 2).await, Some(true));
    assert_eq!(at_once(&count, "B", 2).await, Some(true));
    assert_eq!(at_once(&count, "A", 2).await, Some(false));
    assert_eq!(at_once(&count, "A", 3).await, Some(true));
    assert_eq!(at_once(&count, "A", 4).await, None, "it waits for a place");
    count.release("A", ip(1));
    assert_eq!(at_once(&count, "A", 4).await, Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_place_goes_to_who_waits_when_somebody_leaves_or_the_limit_grows() {
    let count = Arc::new(ConnectionCount::new(limits(1, 9)));
    assert_eq!(at_once(&count, "A", 1).await, Some(true));
    let waiting = tokio::spawn({
        let count = count.clone();
        async move { count.admit("A", ip(2)).await }
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!waiting.is_finished());
    count.release("A", ip(1));
    assert!(waiting.await.unwrap());
    assert_eq!(at_once(&count, "A", 3).await, None);
    count.set_limits(limits(2, 9));
    assert_eq!(at_once(&count, "A", 3).await, Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_have_less_than_all() {
    let own = ListenerLimits { connections_max: Some(1), creation_rate_max: None };
    let listeners = BTreeMap::from([("A".to_owned(), own)]);
    let count = ConnectionCount::new(ConnectionLimits { listeners, ..limits(9, 9) });
    assert_eq!(at_once(&count, "A", 1).await, Some(true));
    assert_eq!(at_once(&count, "A", 1).await, None);
    assert_eq!(at_once(&count, "B", 1).await, Some(true));
    count.release("A", ip(1));
    assert_eq!(at_once(&count, "A", 1).await, Some(true));
}

#[tokio::test(start_paused = true)]
async fn connections_come_at_the_pace_that_is_set() {
    let own = ListenerLimits { connections_max: None, creation_rate_max: Some(10) };
    let listeners = BTreeMap::from([("A".to_owned(), own)]);
    let count = ConnectionCount::new(ConnectionLimits { listeners, ..limits(999, 999) });
    let began = Instant::now();
    for _ in 0..10 {
        assert!(count.admit("A", ip(1)).await);
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "a second's worth may come at once");
    for _ in 0..20 {
        assert!(count.admit("A", ip(1)).await);
    }
    let took = began.elapsed();
    assert!((Duration::from_millis(1900)..=Duration::from_millis(2100)).contains(&took), "{took:?}");
    assert_eq!(at_once(&count, "A", 1).await, None);
    assert_eq!(at_once(&count, "B", 1).await, Some(true), "the pace is that of one listener");
    count.set_limits(limits(999, 999));
    assert_eq!(at_once(&count, "A", 1).await, Some(true), "without a rate nobody waits");
}

#[tokio::test(start_paused = true)]
async fn large_frames_share_memory_and_the_largest_always_fits() {
    let memory = FrameMemory::new(1, 100_000);
    let first = memory.take(100_000).await;
    let wait = Duration::from_secs(1);
    assert!(tokio::time::timeout(wait, memory.take(50_000)).await.is_err(), "it waits");
    drop(first);
    assert!(tokio::time::timeout(wait, memory.take(50_000)).await.is_ok());
}
