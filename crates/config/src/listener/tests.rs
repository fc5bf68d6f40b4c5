//! Entries of `listeners`.

use super::{check_distinct_ports, parse_endpoints, parse_protocol_map};

fn endpoints(entries: &[&str]) -> Result<Vec<super::Endpoint>, String> {
    let protocols = parse_protocol_map("PLAINTEXT:PLAINTEXT,B:plaintext,C:SASL_SSL").expect("valid");
    let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
    parse_endpoints("listeners", &entries, &protocols).map_err(|error| error.message)
}

#[test]
fn entries_round_trip() {
    let all = ["PLAINTEXT://:9092", "B://localhost:0", "C://[::1]:9094"];
    let shown: Vec<String> = endpoints(&all).expect("valid").iter().map(ToString::to_string).collect();
    assert_eq!(shown, all);
    assert_eq!(endpoints(&["plaintext://h:1"]).expect("valid")[0].listener_name, "PLAINTEXT");
}

#[test]
fn malformed_entries_show_the_form() {
    for bad in [
        "PLAINTEXT",
        "PLAINTEXT://",
        "PLAINTEXT://h",
        "://h:1",
        "PLAINTEXT://h:70000",
        "B://[::1:9",
        "B://a b:9",
    ] {
        assert!(endpoints(&[bad]).unwrap_err().contains("expected NAME://host:port"), "{bad}");
    }
    assert!(endpoints(&["B://:1", "B://:2"]).unwrap_err().contains("different name"));
}

#[test]
fn ports_are_distinct_unless_v4_beside_v6() {
    let distinct = |entries: &[&str]| check_distinct_ports(&endpoints(entries).expect("valid")).is_ok();
    assert!(distinct(&["PLAINTEXT://:0", "B://:0"]));
    assert!(distinct(&["PLAINTEXT://127.0.0.1:9092", "B://[::1]:9092"]));
    assert!(!distinct(&["PLAINTEXT://127.0.0.1:9092", "B://127.0.0.2:9092"]));
    assert!(!distinct(&["PLAINTEXT://a:9092", "B://[::1]:9092"]));
}

#[test]
fn protocol_map_entries_are_checked() {
    assert!(parse_protocol_map("A").is_err());
    let error = parse_protocol_map("A:TLS").expect_err("unknown");
    assert_eq!(error.message, "Invalid security protocol `TLS` defined in listener.security.protocol.map");
}
