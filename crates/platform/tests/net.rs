//! One suite of behaviour for both halves of the network, and what only the simulated one can show.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::io::{ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use platform::sim::SimWorld;
use platform::{BindOptions, Listener, OpenMode, Platform, Stream};
use tokio::time::{Instant, timeout};

/// Runs each check on the machine and in a simulated world.
macro_rules! on_both {
    ($($check:ident),* $(,)?) => {
        mod os { $( #[tokio::test] async fn $check() {
            let dir = tempfile::tempdir().unwrap();
            super::$check(platform::Platform::os(), dir.path()).await;
        } )* }
        mod sim { $( #[tokio::test(start_paused = true)] async fn $check() {
            super::$check(platform::Platform::sim(1), std::path::Path::new("/")).await;
        } )* }
    };
}

on_both!(
    bytes_arrive_in_order,
    nobody_listens_means_refused,
    an_address_is_bound_once_unless_shared,
    an_idle_stream_would_block,
    a_writer_waits_for_a_reader,
    the_end_of_writing_is_read_as_the_end,
    a_file_is_sent_as_it_is,
    a_file_that_ends_early_is_an_error,
    a_stream_moves_to_another_runtime,
    addresses_are_those_of_the_two_ends,
    a_host_name_is_resolved,
);

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn pair(platform: &Platform) -> (Listener, Stream, Stream) {
    let listener = platform.net.bind(any_port(), BindOptions::default()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(platform.net.connect(address), listener.accept());
    (listener, client.unwrap(), server.unwrap().0)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251).to_le_bytes()[0]).collect()
}

async fn bytes_arrive_in_order(platform: Platform, _: &std::path::Path) {
    let (_listener, client, server) = pair(&platform).await;
    let sent = pattern(3_000_000);
    let (head, tail) = sent.split_at(7);
    let (middle, tail) = tail.split_at(1_000_000);
    let mut slices = [IoSlice::new(head), IoSlice::new(&[]), IoSlice::new(middle)];
    let write = async {
        client.write_all_vectored_more(&mut slices).await.unwrap();
        client.write_all(tail).await.unwrap();
    };
    let mut received = vec![0; sent.len()];
    let ((), read) = tokio::join!(write, server.read_exact(&mut received));
    read.unwrap();
    assert!(sent == received);
}

async fn nobody_listens_means_refused(platform: Platform, _: &std::path::Path) {
    let (listener, client, server) = pair(&platform).await;
    let address = listener.local_addr().unwrap();
    drop((listener, client, server));
    let refused = platform.net.connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(refused.to_string().starts_with(&format!("cannot connect to {address}: ")), "{refused}");
}

async fn an_address_is_bound_once_unless_shared(platform: Platform, _: &std::path::Path) {
    let shared = BindOptions { reuse_port: true, ..BindOptions::default() };
    let first = platform.net.bind(any_port(), BindOptions::default()).await.unwrap();
    let address = first.local_addr().unwrap();
    for options in [BindOptions::default(), shared] {
        let refused = platform.net.bind(address, options).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
        assert!(refused.to_string().starts_with(&format!("cannot listen on {address}: ")), "{refused}");
    }
    drop(first);
    let first = platform.net.bind(address, shared).await.unwrap();
    let second = platform.net.bind(address, shared).await.unwrap();
    assert_eq!(first.local_addr().unwrap(), second.local_addr().unwrap());
}

async fn an_idle_stream_would_block(platform: Platform, _: &std::path::Path) {
    let (_listener, client, server) = pair(&platform).await;
    let mut buffer = [0; 4];
    assert_eq!(server.try_read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(timeout(Duration::from_millis(50), server.read(&mut buffer)).await.is_err());
    client.write_all(b"ab").await.unwrap();
    server.readable().await.unwrap();
    let mut grows = Vec::with_capacity(16);
    while server.try_read_buf(&mut grows).is_err() {
        server.readable().await.unwrap();
    }
    assert_eq!(grows.first(), Some(&b'a'));
    assert!(timeout(Duration::from_secs(1), server.writable()).await.is_ok());
}

async fn a_writer_waits_for_a_reader(platform: Platform, _: &std::path::Path) {
    let (_listener, client, server) = pair(&platform).await;
    let sent = pattern(24 << 20);
    let mut write = std::pin::pin!(client.write_all(&sent));
    assert!(timeout(Duration::from_millis(300), &mut write).await.is_err(), "nobody reads 24 MiB");
    let mut received = vec![0; sent.len()];
    let (written, read) = tokio::join!(write, server.read_exact(&mut received));
    written.unwrap();
    read.unwrap();
    assert!(sent == received);
}

async fn the_end_of_writing_is_read_as_the_end(platform: Platform, _: &std::path::Path) {
    let (_listener, client, server) = pair(&platform).await;
    client.write_all(b"last").await.unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut buffer = [0; 4];
    server.read_exact(&mut buffer).await.unwrap();
    assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
    assert_eq!(server.read_exact(&mut buffer).await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    // The other direction still works.
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut buffer = [0; 6];
    client.read_exact(&mut buffer).await.unwrap();
    assert_eq!(client.read(&mut buffer).await.unwrap(), 0);
    assert_eq!(client.write_all(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
}

async fn a_file_is_sent_as_it_is(platform: Platform, root: &std::path::Path) {
    let (_listener, client, server) = pair(&platform).await;
    let bytes = pattern(2_500_000);
    let file = platform.disk.open(&root.join("file"), OpenMode::Create).unwrap();
    file.write_at(&bytes, 0).unwrap();
    let mut received = vec![0; 2_000_000];
    let send = client.send_file(&file, 123, 2_000_000);
    let (sent, read) = tokio::join!(send, server.read_exact(&mut received));
    sent.unwrap();
    read.unwrap();
    assert!(received == bytes[123..2_000_123]);
    client.send_file(&file, 0, 0).await.unwrap();
}

async fn a_file_that_ends_early_is_an_error(platform: Platform, root: &std::path::Path) {
    let (_listener, client, _server) = pair(&platform).await;
    let file = platform.disk.open(&root.join("file"), OpenMode::Create).unwrap();
    file.write_at(b"0123456789", 0).unwrap();
    let error = client.send_file(&file, 4, 7).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(error.to_string().contains("ends at 10, 1 bytes before"), "{error}");
}

async fn a_stream_moves_to_another_runtime(platform: Platform, _: &std::path::Path) {
    let (_listener, client, server) = pair(&platform).await;
    let detached = server.into_std().unwrap();
    // The simulation has one runtime only; leaving it and coming back is all it can do.
    if matches!(platform.net, platform::Net::Sim(_)) {
        Stream::from_std(detached).unwrap().write_all(b"moved").await.unwrap();
    } else {
        let thread = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { Stream::from_std(detached).unwrap().write_all(b"moved").await })
        });
        thread.join().unwrap().unwrap();
    }
    let mut buffer = [0; 5];
    client.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"moved");
}

async fn addresses_are_those_of_the_two_ends(platform: Platform, _: &std::path::Path) {
    let (listener, client, server) = pair(&platform).await;
    assert_eq!(client.peer_addr().unwrap(), listener.local_addr().unwrap());
    assert_eq!(server.local_addr().unwrap(), listener.local_addr().unwrap());
    assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
}

async fn a_host_name_is_resolved(platform: Platform, _: &std::path::Path) {
    let listener = platform.net.bind(any_port(), BindOptions::default()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["localhost", "127.0.0.1"] {
        platform.net.connect_host(host, port).await.unwrap();
    }
    assert!(platform.net.connect_host("no-such-host.invalid", port).await.is_err());
}

#[tokio::test]
async fn the_pool_runs_no_more_calls_than_it_has_threads() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let pool = platform::Blocking::os(2);
    let running = Arc::new(AtomicUsize::new(0));
    let calls = (0..8).map(|n| {
        let (pool, running) = (pool.clone(), Arc::clone(&running));
        tokio::spawn(async move {
            pool.run(move || {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                std::thread::sleep(Duration::from_millis(10));
                running.fetch_sub(1, Ordering::SeqCst);
                assert!(now <= 2, "{now} at a time");
                n
            })
            .await
        })
    });
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(call.await.unwrap(), n);
    }
}

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

async fn connected(world: &SimWorld) -> (Listener, Stream, Stream) {
    let (a, b) = (world.boot(A), world.boot(B));
    let listener = b.net.bind(SocketAddr::new(B, 9092), BindOptions::default()).await.unwrap();
    let (client, server) = tokio::join!(a.net.connect(SocketAddr::new(B, 9092)), listener.accept());
    (listener, client.unwrap(), server.unwrap().0)
}

#[tokio::test(start_paused = true)]
async fn a_killed_node_resets_its_connections_and_refuses_new_ones() {
    let world = SimWorld::new(3);
    let (_listener, client, server) = connected(&world).await;
    world.kill(B);
    let mut buffer = [0; 1];
    assert_eq!(client.read(&mut buffer).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(client.write_all(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let refused = world.boot(A).net.connect(SocketAddr::new(B, 9092)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    // What the dead process still holds is frozen, whatever it waits for.
    let frozen = async { tokio::join!(server.read(&mut buffer), server.write_all(b"zombie")) };
    assert!(timeout(Duration::from_secs(3600), frozen).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_node_without_power_is_silent_or_resets() {
    let mut silent = 0;
    for seed in 0..32 {
        let world = SimWorld::new(seed);
        let (_listener, client, _server) = connected(&world).await;
        world.power_off(B);
        let mut buffer = [0; 1];
        if timeout(Duration::from_secs(60), client.read(&mut buffer)).await.is_err() {
            silent += 1;
            world.boot(B);
        }
        assert_eq!(client.read(&mut buffer).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    assert!((8..=24).contains(&silent), "{silent} of 32 were silent");
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_for_a_node_without_power() {
    let world = SimWorld::new(3);
    let (a, _) = (world.boot(A), world.boot(B));
    world.power_off(B);
    let started = Instant::now();
    let error = a.net.connect(SocketAddr::new(B, 9092)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(started.elapsed() > Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_cut_link_holds_back_one_direction_until_it_heals() {
    let world = SimWorld::new(3);
    let (_listener, client, server) = connected(&world).await;
    world.net().cut(A, B);
    client.write_all(b"held").await.unwrap();
    server.write_all(b"free").await.unwrap();
    let mut buffer = [0; 4];
    client.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"free");
    assert!(timeout(Duration::from_secs(60), server.read(&mut buffer)).await.is_err());
    let a = world.boot(A);
    let connect = a.net.connect(SocketAddr::new(B, 9092));
    assert!(timeout(Duration::from_secs(60), connect).await.is_err());
    world.net().heal(A, B);
    server.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"held");
    a.net.connect(SocketAddr::new(B, 9092)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn closing_with_unread_bytes_resets_the_peer() {
    let world = SimWorld::new(3);
    let (_listener, client, server) = connected(&world).await;
    client.write_all(b"unread").await.unwrap();
    drop(server);
    let mut buffer = [0; 1];
    assert_eq!(client.read(&mut buffer).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn a_full_backlog_makes_the_next_connect_wait() {
    let world = SimWorld::new(3);
    let (a, b) = (world.boot(A), world.boot(B));
    let options = BindOptions { backlog: 1, ..BindOptions::default() };
    let listener = b.net.bind(SocketAddr::new(B, 9092), options).await.unwrap();
    let _first = a.net.connect(SocketAddr::new(B, 9092)).await.unwrap();
    let mut second = std::pin::pin!(a.net.connect(SocketAddr::new(B, 9092)));
    assert!(timeout(Duration::from_millis(900), &mut second).await.is_err());
    listener.accept().await.unwrap();
    second.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn wall_clocks_follow_simulated_time_and_jump_alone() {
    let world = SimWorld::new(3);
    let (a, b) = (world.boot(A), world.boot(B));
    let start = a.clock.wall_ms();
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(a.clock.wall_ms(), start + 7_000);
    world.jump_clock(B, -3_600_000);
    assert_eq!(a.clock.wall_ms(), start + 7_000);
    assert_eq!(b.clock.wall_ms(), start + 7_000 - 3_600_000);
}

#[tokio::test]
async fn the_real_clock_tells_this_century() {
    let now = platform::Clock::os().wall_ms();
    assert!((1_700_000_000_000..4_000_000_000_000).contains(&now), "{now}");
}
