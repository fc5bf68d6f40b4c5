//! Decoding against a second codec, bounds, and hostile bytes.

mod otlp_messages;

use std::collections::BTreeMap;

use prost::Message;
use protocol::{ErrorCode, GetTelemetrySubscriptionsRequest, PushTelemetryRequest, Uuid};

use otlp_messages::{MetricsData, gauge, sum};

use crate::{Client, ClientMetrics, INSTANCES_MAX, Payload, SERIES_PER_INSTANCE_MAX};

fn client(connection_id: u64) -> Client {
    Client {
        connection_id,
        client_id: "c".into(),
        software_name: "lib".into(),
        software_version: "1".into(),
        source_address: "127.0.0.1".into(),
        source_port: 1234,
    }
}

fn uuid(number: u64) -> Uuid {
    Uuid((u128::from(number) + 16).to_be_bytes())
}

/// All metrics, twice a second.
fn subscribed() -> ClientMetrics {
    let mut metrics = ClientMetrics::new(1 << 20);
    let configs = [("metrics", "*"), ("interval.ms", "500")];
    let configs: BTreeMap<_, _> = configs.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    metrics.set_subscription("all", &configs);
    metrics
}

fn subscribe(metrics: &mut ClientMetrics, now_ms: i64, id: Uuid) -> i32 {
    let request = GetTelemetrySubscriptionsRequest { client_instance_id: id };
    let response = metrics.handle_get(now_ms, &request, &client(1), &mut || uuid(99));
    assert_eq!(response.error_code, ErrorCode::NONE);
    response.subscription_id
}

fn push(metrics: &mut ClientMetrics, now_ms: i64, id: Uuid, data: &MetricsData) -> ErrorCode {
    push_bytes(metrics, now_ms, id, data.encode_to_vec())
}

fn push_bytes(metrics: &mut ClientMetrics, now_ms: i64, id: Uuid, bytes: Vec<u8>) -> ErrorCode {
    let request = PushTelemetryRequest {
        client_instance_id: id,
        subscription_id: subscribe(metrics, now_ms, id),
        metrics: bytes.into(),
        ..PushTelemetryRequest::default()
    };
    let ticket = metrics.admit_push(now_ms, &request, &client(1)).expect("it is admitted");
    let payload = Payload::unpack(&request, 1 << 20);
    metrics.finish_push(now_ms, ticket, payload)
}

/// What clients told, without what the node counts itself.
fn told(metrics: &mut ClientMetrics, now_ms: i64) -> Vec<String> {
    let id = format!("client_instance_id=\"{}\",client_id=\"c\"", uuid(1));
    let text = metrics.exposition(now_ms).replace(&id, "i");
    let is_own = |line: &&str| line.contains("kafka_server_client_metrics") || line.contains("klamm_");
    text.lines().filter(|line| !is_own(line)).map(str::to_owned).collect()
}

#[test]
fn what_another_codec_writes_is_read() {
    let mut metrics = subscribed();
    let data = MetricsData::of(vec![
        gauge("org.apache.kafka.a.rate", 1.5, &[("node_id", "1"), ("a-b", "q\"\\\n")]),
        gauge("org.apache.kafka.a.rate", f64::INFINITY, &[]),
        sum("a.total", 3.0, true, true),
        sum("a.total.cumulative", 3.0, true, false),
        sum("a.level", -2.0, false, true),
    ]);
    assert_eq!(push(&mut metrics, 1000, uuid(1), &data), ErrorCode::NONE);
    assert_eq!(push(&mut metrics, 2000, uuid(1), &data), ErrorCode::NONE);
    assert_eq!(
        told(&mut metrics, 2000),
        [
            "# TYPE a_level gauge",
            "a_level{i} -4",
            "# TYPE a_total counter",
            "a_total{i} 6",
            "# TYPE a_total_cumulative counter",
            "a_total_cumulative{i} 3",
            "# TYPE org_apache_kafka_a_rate gauge",
            "org_apache_kafka_a_rate{i} +Inf",
            "org_apache_kafka_a_rate{i,a_b=\"q\\\"\\\\\\n\",node_id=\"1\"} 1.5",
        ]
    );
}

#[test]
fn silence_makes_values_go_away() {
    let mut metrics = subscribed();
    let data = MetricsData::of(vec![gauge("a", 1.0, &[])]);
    push(&mut metrics, 1000, uuid(1), &data);
    metrics.connection_closed(1);
    assert_eq!(
        told(&mut metrics, 60_999).len(),
        2,
        "the last push of a client that left is kept for a while"
    );
    assert!(told(&mut metrics, 61_000).is_empty());
}

#[test]
fn broken_bytes_are_invalid_and_leave_nothing_behind() {
    let mut metrics = subscribed();
    let good = MetricsData::of(vec![gauge("a", 1.0, &[("k", "v")])]).encode_to_vec();
    let mut now_ms = 1000;
    for length in 1..good.len() {
        now_ms += 1000;
        let cut = good[..length].to_vec();
        assert_eq!(push_bytes(&mut metrics, now_ms, uuid(1), cut), ErrorCode::INVALID_RECORD, "{length}");
    }
    for bytes in [vec![0xff; 20], vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], vec![0x0b], vec![0x08, 0x01]] {
        now_ms += 1000;
        assert_eq!(push_bytes(&mut metrics, now_ms, uuid(1), bytes), ErrorCode::INVALID_RECORD);
    }
    assert!(told(&mut metrics, now_ms).is_empty());
}

#[test]
fn random_bytes_do_no_harm() {
    let mut metrics = subscribed();
    let mut seed = 7_u64;
    for round in 0..2000 {
        let bytes: Vec<u8> = (0..64)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 33) as u8
            })
            .collect();
        push_bytes(&mut metrics, 1000 * (round + 1), uuid(1), bytes);
    }
}

#[test]
fn a_client_has_a_bounded_number_of_series() {
    let mut metrics = subscribed();
    let many = (0..SERIES_PER_INSTANCE_MAX + 10).map(|n| gauge(&format!("m{n}"), 1.0, &[]));
    assert_eq!(push(&mut metrics, 1000, uuid(1), &MetricsData::of(many.collect())), ErrorCode::NONE);
    assert_eq!(told(&mut metrics, 1000).len(), 2 * SERIES_PER_INSTANCE_MAX);
    assert!(metrics.exposition(1000).contains("klamm_client_metrics_dropped_values_total 10\n"));
    let long = "x".repeat(300);
    let data = MetricsData::of(vec![gauge(&long, 1.0, &[]), gauge("m1", 1.0, &[("k", &"v".repeat(3000))])]);
    push(&mut metrics, 2000, uuid(1), &data);
    assert!(metrics.exposition(2000).contains("klamm_client_metrics_dropped_values_total 12\n"));
}

#[test]
fn a_flood_of_instances_is_bounded_and_takes_the_place_of_the_eldest() {
    let mut metrics = subscribed();
    let first = subscribe(&mut metrics, 1000, uuid(0));
    for number in 1..=INSTANCES_MAX as u64 {
        subscribe(&mut metrics, 1000, uuid(number));
    }
    assert!(metrics.exposition(1000).contains(&format!("instance_count {INSTANCES_MAX}\n")));
    assert_eq!(subscribe(&mut metrics, 1001, uuid(0)), first, "the eldest was forgotten: it may ask at once");
}

#[test]
fn decompression_is_bounded() {
    let mut packed = Vec::new();
    records::Compression::Zstd.compress(None, &vec![0; 1 << 20], &mut packed).unwrap();
    let request = PushTelemetryRequest {
        compression_type: 4,
        metrics: packed.into(),
        ..PushTelemetryRequest::default()
    };
    assert_eq!(Payload::unpack(&request, 1000), Err(ErrorCode::INVALID_RECORD));
}
