//! A real connection on loopback against a handler that does what the frame says.

use std::time::Duration;

use platform::{BindOptions, Net, OsNet};

use super::*;
use crate::{ConnectionLimits, ListenerConfig, Listeners};

/// Frame `e<text>` is echoed, `w<text>` after a wait, `l<text>` later and beside others of
/// its kind, `s` is not answered, `c` closes; `t<text>` is echoed and mutes for
/// an hour, `b<text>` for a moment, `u` mutes for an hour without an answer.
#[derive(Default)]
struct Script {
    /// New connections are held for an hour.
    holds: AtomicBool,
}

const HOUR: Duration = Duration::from_secs(3600);

impl RequestHandler for Script {
    async fn handle<'a>(
        &'a self,
        _connection: &'a ConnectionInfo,
        frame: &'a [u8],
        reply: &'a mut Reply,
    ) -> Outcome {
        match frame.first() {
            Some(b's') => return Outcome::Silent,
            Some(b'u') => return Outcome::Throttled(HOUR),
            Some(b'c') => return Outcome::Close("asked to".into()),
            Some(b'l') => {
                let answer = self::frame(frame);
                // The first of several waits longest.
                let wait = Duration::from_millis(if frame == b"l0" { 60 } else { 5 });
                return Outcome::Later(Box::pin(async move {
                    tokio::time::sleep(wait).await;
                    Reply { bytes: answer, ..Reply::default() }
                }));
            }
            Some(b'w') => tokio::time::sleep(Duration::from_millis(20)).await,
            _ => {}
        }
        reply.bytes.extend((frame.len() as i32).to_be_bytes());
        reply.bytes.extend(frame);
        match frame.first() {
            Some(b't') => Outcome::Throttled(HOUR),
            Some(b'b') => Outcome::Throttled(Duration::from_millis(1)),
            _ => Outcome::Answered,
        }
    }

    async fn admit(&self, _listener_name: &str, _peer: IpAddr) -> Admission {
        if self.holds.load(Ordering::Relaxed) { Admission::Hold(HOUR) } else { Admission::Open }
    }

    fn overlaps(&self, frame: &[u8]) -> bool {
        frame.first() == Some(&b'l')
    }

    fn closed(&self, _connection: &ConnectionInfo) {}
}

async fn start(idle_ms_max: u64) -> (Listeners<Script>, Stream) {
    start_with(Arc::default(), idle_ms_max).await
}

async fn start_with(script: Arc<Script>, idle_ms_max: u64) -> (Listeners<Script>, Stream) {
    let config = ListenerConfig {
        frames: FrameLimits { frame_bytes_max: 1 << 20, memory: None },
        connections: ConnectionLimits { connections_max: 2, connections_per_ip_max: 2, ..Default::default() },
        idle_ms_max,
    };
    let net = Net::Os(OsNet);
    let listeners = Listeners::new(script, config, Vec::new());
    let listener = net.bind(([127, 0, 0, 1], 0).into(), BindOptions::default()).await.unwrap();
    let address = listener.local_addr().unwrap();
    listeners.accept(listener, "PLAINTEXT".into());
    (listeners, net.connect(address).await.unwrap())
}

fn frame(text: &[u8]) -> Vec<u8> {
    [&(text.len() as i32).to_be_bytes()[..], text].concat()
}

async fn expect(stream: &Stream, text: &[u8]) {
    let mut got = vec![0; text.len() + 4];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(got, frame(text));
}

async fn expect_end(stream: &Stream) {
    let mut got = [0; 1];
    assert!(matches!(stream.read(&mut got).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn answers_leave_in_request_order_and_before_a_wait() {
    let (_listeners, stream) = start(60_000).await;
    let sent = [frame(b"e1"), frame(b"w2"), frame(b"s"), frame(b"e3"), frame(b"w4")].concat();
    stream.write_all(&sent).await.unwrap();
    for text in [b"e1", b"w2", b"e3", b"w4"] {
        expect(&stream, text).await;
    }
}

#[tokio::test]
async fn a_throttled_connection_is_answered_and_not_read() {
    for throttled in [frame(b"t1"), [frame(b"e1"), frame(b"u")].concat()] {
        let (listeners, stream) = start(60_000).await;
        let answered = throttled[4..6].to_vec();
        stream.write_all(&[throttled, frame(b"e2")].concat()).await.unwrap();
        expect(&stream, &answered).await;
        listeners.drain(HOUR).await;
        expect_end(&stream).await;
    }
}

#[tokio::test]
async fn after_its_time_a_throttled_connection_is_read_again() {
    let (_listeners, stream) = start(60_000).await;
    stream.write_all(&[frame(b"b1"), frame(b"e2")].concat()).await.unwrap();
    expect(&stream, b"b1").await;
    expect(&stream, b"e2").await;
}

#[tokio::test]
async fn a_throttled_connection_may_be_idle_for_too_long() {
    let (_listeners, stream) = start(10).await;
    stream.write_all(&frame(b"t1")).await.unwrap();
    expect(&stream, b"t1").await;
    expect_end(&stream).await;
}

#[tokio::test]
async fn a_held_connection_is_not_answered_and_not_counted() {
    let script = Arc::new(Script::default());
    let (listeners, one) = start_with(script.clone(), 60_000).await;
    one.write_all(&frame(b"e1")).await.unwrap();
    expect(&one, b"e1").await;
    script.holds.store(true, Ordering::Relaxed);
    let held = Net::Os(OsNet).connect(one.peer_addr().unwrap()).await.unwrap();
    held.write_all(&frame(b"e2")).await.unwrap();
    one.write_all(&frame(b"e3")).await.unwrap();
    expect(&one, b"e3").await;
    assert_eq!(listeners.connection_count(), 1);
    listeners.stop_accepting().await;
    expect_end(&held).await;
}

#[tokio::test]
async fn large_frames_pass_whole() {
    let (_listeners, stream) = start(60_000).await;
    for size in [200_000, 70_000, 70_000, 10, 1 << 20] {
        let text: Vec<u8> = std::iter::once(b'e').chain((1..size).map(|i| i as u8)).collect();
        tokio::join!(async { stream.write_all(&frame(&text)).await.unwrap() }, expect(&stream, &text));
    }
}

#[tokio::test]
async fn a_close_still_sends_what_was_answered() {
    let (_listeners, stream) = start(60_000).await;
    stream.write_all(&[frame(b"e1"), frame(b"c"), frame(b"e2")].concat()).await.unwrap();
    expect(&stream, b"e1").await;
    expect_end(&stream).await;
}

#[tokio::test]
async fn an_impossible_length_closes_the_connection_alone() {
    let (listeners, stream) = start(60_000).await;
    stream.write_all(&i32::MAX.to_be_bytes()).await.unwrap();
    expect_end(&stream).await;
    drop(listeners);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_waiting_one_is_not() {
    let (_listeners, stream) = start(10).await;
    stream.write_all(&frame(b"w1")).await.unwrap();
    expect(&stream, b"w1").await;
    expect_end(&stream).await;
}

#[test]
fn a_connection_that_is_not_served_yet_is_not_idle_since_the_start_of_the_node() {
    let activity = Activity::accepted(1_000_000);
    assert_eq!(activity.idle_ms(1_000_005), Some(5));
}

#[tokio::test]
async fn the_third_connection_finds_no_place() {
    let (listeners, one) = start(60_000).await;
    one.write_all(&frame(b"e1")).await.unwrap();
    expect(&one, b"e1").await;
    let net = Net::Os(OsNet);
    let address = one.peer_addr().unwrap();
    let two = net.connect(address).await.unwrap();
    two.write_all(&frame(b"e2")).await.unwrap();
    expect(&two, b"e2").await;
    let three = net.connect(address).await.unwrap();
    expect_end(&three).await;
    assert_eq!(listeners.connection_count(), 2);
}

#[tokio::test]
async fn a_drain_lets_the_request_at_work_finish() {
    let (listeners, stream) = start(60_000).await;
    stream.write_all(&frame(b"w1")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    listeners.drain(Duration::from_secs(5)).await;
    expect(&stream, b"w1").await;
    expect_end(&stream).await;
}

#[tokio::test]
async fn answers_left_for_later_leave_in_order() {
    let (_listeners, stream) = start(60_000).await;
    let texts: [&[u8]; 6] = [b"l0", b"l1", b"l2", b"e3", b"l4", b"w5"];
    let all: Vec<u8> = texts.iter().flat_map(|text| frame(text)).collect();
    stream.write_all(&all).await.unwrap();
    for text in texts {
        expect(&stream, text).await;
    }
    // Requests that came with a close are answered before it.
    let all: Vec<u8> = [&b"l0"[..], b"l1", b"c"].iter().flat_map(|text| frame(text)).collect();
    stream.write_all(&all).await.unwrap();
    expect(&stream, b"l0").await;
    expect(&stream, b"l1").await;
    expect_end(&stream).await;
}

#[tokio::test]
async fn more_answers_than_may_be_left_for_later_wait_their_turn() {
    let (_listeners, stream) = start(60_000).await;
    let texts: Vec<Vec<u8>> = (0..3 * LATER_COUNT_MAX).map(|n| format!("l{n}").into_bytes()).collect();
    let all: Vec<u8> = texts.iter().flat_map(|text| frame(text)).collect();
    stream.write_all(&all).await.unwrap();
    for text in &texts {
        expect(&stream, text).await;
    }
}
