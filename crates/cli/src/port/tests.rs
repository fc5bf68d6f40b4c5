//! A port that this test itself occupies.

use std::net::{Ipv4Addr, TcpListener};

use super::{is_free, listening_inodes, listening_process, next_free};

#[test]
fn a_busy_port_is_passed_over_and_its_holder_named() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    assert!(!is_free(port).expect("loopback exists"));
    let next = next_free(port).expect("loopback exists").expect("a free port nearby");
    assert!(next > port);
    if cfg!(target_os = "linux") {
        let holder = listening_process(port).expect("our own process");
        assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
    }
}

#[test]
fn socket_tables_are_read() {
    let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
        0: 0100007F:2384 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11111 1 0\n   \
        1: 0100007F:2384 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 22222 1 0\n   \
        2: 0100007F:2385 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 33333 1 0\n";
    assert_eq!(listening_inodes(table, 9092), ["11111"]);
    assert!(listening_inodes("", 9092).is_empty());
}
