//! A real connection on loopback against a handler that does what the frame says.

use std::time::Duration;

use platform::{BindOptions, Net, OsNet};

use super::*;
use crate::{ConnectionLimits, ListenerConfig, Listeners};

/// Frame `e<text>` is echoed, `w<text>` after a wait, `s` is not answered, `c` closes.
struct Script;

impl RequestHandler for Script {
    async fn handle<'a>(
        &'a self,
        _connection: &'a ConnectionInfo,
        frame: &'a [u8],
        reply: &'a mut Reply,
    ) -> Outcome {
        match frame.first() {
            Some(b's') => return Outcome::Silent,
            Some(b'c') => return Outcome::Close("asked to".into()),
            Some(b'w') => tokio::time::sleep(Duration::from_millis(20)).await,
            _ => {}
        }
        reply.bytes.extend((frame.len() as i32).to_be_bytes());
        reply.bytes.extend(frame);
        Outcome::Answered
    }

    fn closed(&self, _connection: &ConnectionInfo) {}
}

async fn start(idle_ms_max: u64) -> (Listeners<Script>, Stream) {
    let config = ListenerConfig {
        frames: FrameLimits { frame_bytes_max: 1 << 20 },
        connections: ConnectionLimits { connections_max: 2, connections_per_ip_max: 2, ..Default::default() },
        idle_ms_max,
    };
    let net = Net::Os(OsNet);
    let listeners = Listeners::new(Arc::new(Script), config, Vec::new());
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
