//! Clients are told what to push, push it, and somebody can look at it.

use platform::{Net, OsNet};
use protocol::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode, GetTelemetrySubscriptionsRequest,
    GetTelemetrySubscriptionsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    PushTelemetryRequest, PushTelemetryResponse,
};
use records::Compression;
use testkit::{TestConnection, TestNode};

const LISTENER: (&str, &str) = ("metrics.http.listener", "127.0.0.1:0");
const CLIENT_METRICS: i8 = 16;

async fn subscribe(connection: &mut TestConnection, configs: &[(&'static str, &'static str)]) {
    let configs = configs.iter().map(|(key, value)| AlterableConfig {
        name: (*key).into(),
        config_operation: 0,
        value: Some((*value).into()),
    });
    let resource = AlterConfigsResource {
        resource_type: CLIENT_METRICS,
        resource_name: "s".into(),
        configs: configs.collect(),
    };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let response: IncrementalAlterConfigsResponse<'static> = connection.ask(1, &request).await;
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
}

/// A field of a message: its number and its bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// OTLP of one gauge.
fn gauge(name: &str, value: f64) -> Vec<u8> {
    let point = [&[4 << 3 | 1], &value.to_le_bytes()[..]].concat();
    let metric = [field(1, name.as_bytes()), field(5, &field(1, &point))].concat();
    field(1, &field(2, &field(2, &metric)))
}

/// One HTTP request and all of its answer.
async fn http(node: &TestNode, request: &str) -> String {
    let stream = Net::Os(OsNet).connect(node.metrics_address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return String::from_utf8(answer).unwrap(),
            Ok(bytes) => answer.extend_from_slice(&chunk[..bytes]),
        }
    }
}

async fn advertised(connection: &mut TestConnection) -> bool {
    let request = ApiVersionsRequest {
        client_software_name: "lib".into(),
        client_software_version: "1.0".into(),
        ..ApiVersionsRequest::default()
    };
    let response: ApiVersionsResponse<'static> = connection.ask(3, &request).await;
    let is_there = |key: ApiKey| response.api_keys.iter().any(|api| api.api_key == key as i16);
    assert_eq!(is_there(ApiKey::PushTelemetry), is_there(ApiKey::GetTelemetrySubscriptions));
    is_there(ApiKey::PushTelemetry)
}

#[tokio::test]
async fn telemetry_is_advertised_only_where_it_can_be_looked_at() {
    let with = TestNode::start(&[LISTENER]).await;
    assert!(advertised(&mut with.connect().await).await);
    let without = TestNode::start(&[]).await;
    assert!(!advertised(&mut without.connect().await).await);
}

#[tokio::test]
async fn what_a_client_pushes_can_be_looked_at() {
    let node = TestNode::start(&[LISTENER]).await;
    let mut admin = node.connect().await;
    let configs =
        [("metrics", "a."), ("interval.ms", "100"), ("match", "client_id=app-.*,client_software_name=lib")];
    subscribe(&mut admin, &configs).await;
    let mut client = TestConnection::open_as(node.address(), "app-1").await;
    assert!(advertised(&mut client).await);
    let told: GetTelemetrySubscriptionsResponse<'static> =
        client.ask(0, &GetTelemetrySubscriptionsRequest::default()).await;
    assert_eq!((told.error_code, told.push_interval_ms), (ErrorCode::NONE, 100));
    assert_eq!(told.requested_metrics, ["a."]);
    assert_eq!(told.telemetry_max_bytes, 1 << 20);
    let mut packed = Vec::new();
    Compression::Zstd.compress(None, &gauge("a.b.rate", 2.5), &mut packed).unwrap();
    let push = PushTelemetryRequest {
        client_instance_id: told.client_instance_id,
        subscription_id: told.subscription_id,
        compression_type: 4,
        metrics: packed.into(),
        terminating: false,
    };
    let unknown = PushTelemetryRequest { subscription_id: told.subscription_id ^ 1, ..push.clone() };
    let response: PushTelemetryResponse = client.ask(0, &unknown).await;
    assert_eq!(response.error_code, ErrorCode::UNKNOWN_SUBSCRIPTION_ID);
    let last = PushTelemetryRequest { terminating: true, ..push };
    let response: PushTelemetryResponse = client.ask(0, &last).await;
    assert_eq!(response.error_code, ErrorCode::NONE);
    let page = http(&node, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let id = told.client_instance_id;
    let line = format!("a_b_rate{{client_instance_id=\"{id}\",client_id=\"app-1\"}} 2.5\n");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains(&line), "{page}");
    let files = page.lines().filter(|line| line.starts_with("klamm_log_open_files"));
    assert_eq!(files.count(), 2, "one directory has files open and may have so many: {page}");
    let other: GetTelemetrySubscriptionsResponse<'static> =
        admin.ask(0, &GetTelemetrySubscriptionsRequest::default()).await;
    assert!(other.requested_metrics.is_empty(), "another client is not asked for anything");
}

#[tokio::test]
async fn subscriptions_are_there_after_a_restart() {
    let mut node = TestNode::start(&[LISTENER]).await;
    subscribe(&mut node.connect().await, &[("metrics", "*"), ("interval.ms", "200")]).await;
    node.restart().await;
    let mut client = node.connect().await;
    let told: GetTelemetrySubscriptionsResponse<'static> =
        client.ask(0, &GetTelemetrySubscriptionsRequest::default()).await;
    assert_eq!((told.push_interval_ms, told.requested_metrics), (200, vec!["*".into()]));
}

#[tokio::test]
async fn odd_requests_for_the_page_are_refused() {
    let node = TestNode::start(&[LISTENER]).await;
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(10_000));
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
        ("nonsense\r\n\r\n", "400"),
        (long.as_str(), "400"),
        ("HEAD /metrics?x=y HTTP/1.0\r\n\r\n", "200"),
    ];
    for (request, status) in cases {
        let answer = http(&node, request).await;
        // A request that was not read to its end may cost the answer.
        assert!(
            answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request}: {answer}"
        );
    }
}
