//! Configurations that change while the node runs: what is answered, what is in force at once, what a restart finds.

use std::net::SocketAddr;
use std::time::Duration;

use protocol::describe_configs_request::DescribeConfigsResource;
use protocol::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::{
    DescribeConfigsRequest, DescribeConfigsResponse, ErrorCode, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, MetadataRequest, MetadataResponse,
};
use testkit::{TestConnection, TestNode};

use super::setup::{batch, node_with_topic, produce};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGER: i8 = 8;

/// Sets keys of one resource; the code and message of the answer.
pub async fn set(
    connection: &mut TestConnection,
    resource: (i8, &str),
    pairs: &[(&str, &str)],
) -> (ErrorCode, String) {
    let configs = pairs.iter().map(|(name, value)| AlterableConfig {
        name: (*name).to_owned().into(),
        config_operation: 0,
        value: Some((*value).to_owned().into()),
    });
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: resource.0,
            resource_name: resource.1.to_owned().into(),
            configs: configs.collect(),
        }],
        validate_only: false,
    };
    let response: IncrementalAlterConfigsResponse<'static> = connection.ask(1, &request).await;
    let answer = &response.responses[0];
    (answer.error_code, answer.error_message.clone().unwrap_or_default().into_owned())
}

/// What DescribeConfigs says of one key: its value and source.
async fn shown(connection: &mut TestConnection, resource: (i8, &str), key: &str) -> Option<(String, i8)> {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: resource.0,
            resource_name: resource.1.to_owned().into(),
            configuration_keys: Some(vec![key.to_owned().into()]),
        }],
        include_synonyms: true,
        include_documentation: false,
    };
    let response: DescribeConfigsResponse<'static> = connection.ask(4, &request).await;
    let entry = response.results[0].configs.first()?;
    Some((entry.value.clone().unwrap_or_default().into_owned(), entry.config_source))
}

const fn ok() -> (ErrorCode, String) {
    (ErrorCode::NONE, String::new())
}

#[tokio::test]
async fn a_brokers_default_is_in_force_at_once_and_after_a_restart() {
    let (mut node, mut connection, topic) = node_with_topic(&[]).await;
    let records = batch(&["x".repeat(300).as_str()]);
    assert_eq!(produce(&mut connection, topic, &records).await.error_code, ErrorCode::NONE);
    assert_eq!(set(&mut connection, (BROKER, ""), &[("message.max.bytes", "200")]).await, ok());
    assert_eq!(produce(&mut connection, topic, &records).await.error_code, ErrorCode::MESSAGE_TOO_LARGE);
    assert_eq!(set(&mut connection, (BROKER, "1"), &[("message.max.bytes", "1000")]).await, ok());
    assert_eq!(produce(&mut connection, topic, &records).await.error_code, ErrorCode::NONE);
    node.kill_and_restart().await;
    let mut connection = node.connect().await;
    let key = "max.message.bytes";
    assert_eq!(shown(&mut connection, (TOPIC, "t"), key).await, Some(("1000".into(), 2)));
    assert_eq!(produce(&mut connection, topic, &records).await.error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn what_is_fixed_at_the_start_stays() {
    let node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    let (code, message) = set(&mut connection, (BROKER, "1"), &[("num.partitions", "7")]).await;
    assert_eq!(code, ErrorCode::INVALID_REQUEST);
    assert_eq!(message, "Cannot update these configs dynamically: [num.partitions]");
    assert_eq!(shown(&mut connection, (BROKER, "1"), "num.partitions").await, Some(("1".into(), 5)));
    assert_eq!(set(&mut connection, (BROKER, "1"), &[("a.plugins.key", "7")]).await, ok());
    assert_eq!(shown(&mut connection, (BROKER, "1"), "a.plugins.key").await, Some((String::new(), 2)));
}

/// Whether a connection is served: a refused one is closed.
async fn is_served(address: SocketAddr) -> bool {
    let Ok(stream) = platform::Net::Os(platform::OsNet).connect(address).await else { return false };
    let request = [0, 0, 0, 12, 0, 18, 0, 0, 0, 0, 0, 7, 0, 2, b'm', b'e'];
    if stream.write_all(&request).await.is_err() {
        return false;
    }
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).await.is_ok()
}

#[tokio::test]
async fn limits_of_connections_change_while_the_node_runs() {
    let node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    assert!(is_served(node.address()).await);
    let one = [("max.connections.per.ip.overrides", "localhost:1"), ("max.connections.per.ip", "5")];
    assert_eq!(set(&mut connection, (BROKER, ""), &one).await, ok());
    // The limits follow the answer; from then on whoever comes is closed.
    let closed = async { while is_served(node.address()).await {} };
    tokio::time::timeout(Duration::from_secs(20), closed).await.expect("the limit is in force");
    let more = [("max.connections.per.ip.overrides", "localhost:3")];
    assert_eq!(set(&mut connection, (BROKER, ""), &more).await, ok());
    let open = async { while !is_served(node.address()).await {} };
    tokio::time::timeout(Duration::from_secs(20), open).await.expect("the limit is lifted");
}

#[tokio::test]
async fn a_listener_is_added_while_the_node_runs() {
    let node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listeners = format!("PLAINTEXT://127.0.0.1:0,EXTRA://127.0.0.1:{free}");
    let map = ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,EXTRA:PLAINTEXT");
    assert_eq!(set(&mut connection, (BROKER, "1"), &[("listeners", &listeners), map]).await, ok());
    let address = SocketAddr::from(([127, 0, 0, 1], free));
    let open = async { while !is_served(address).await {} };
    tokio::time::timeout(Duration::from_secs(20), open).await.expect("it is opened");
    let mut extra = TestConnection::open(address).await;
    let metadata: MetadataResponse<'static> = extra.ask(12, &MetadataRequest::default()).await;
    assert_eq!(metadata.brokers[0].port, i32::from(free), "clients of a listener are sent back to it");
    let (code, _) = set(&mut connection, (BROKER, "1"), &[("listeners", "EXTRA://127.0.0.1:1"), map]).await;
    assert_eq!(code, ErrorCode::INVALID_REQUEST, "a listener that clients know stays");
}

#[tokio::test]
async fn loggers_have_levels() {
    let node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    assert_eq!(shown(&mut connection, (LOGGER, "1"), "network").await, Some(("INFO".into(), 6)));
    assert_eq!(set(&mut connection, (LOGGER, "1"), &[("network", "TRACE")]).await, ok());
    assert_eq!(shown(&mut connection, (LOGGER, "1"), "network").await, Some(("TRACE".into(), 6)));
    let (code, _) = set(&mut connection, (LOGGER, "1"), &[("kafka.server.KafkaApis", "TRACE")]).await;
    assert_eq!(code, ErrorCode::INVALID_CONFIG);
}

#[tokio::test]
async fn large_requests_share_the_memory_that_is_set() {
    let memory = [("socket.request.max.bytes", "1000000"), ("queued.max.request.bytes", "1000000")];
    let (node, mut connection, topic) = node_with_topic(&memory).await;
    let records = batch(&["x".repeat(600_000).as_str()]);
    // Half a large request holds the memory, so that another one waits until its client goes away.
    let half = platform::Net::Os(platform::OsNet).connect(node.address()).await.unwrap();
    half.write_all(&[&900_000_i32.to_be_bytes()[..], &[0; 300_000]].concat()).await.unwrap();
    let served = tokio::spawn(async move { produce(&mut connection, topic, &records).await.error_code });
    assert!(is_served(node.address()).await, "small requests need none of it");
    drop(half);
    let answer =
        tokio::time::timeout(Duration::from_secs(20), served).await.expect("it is served in the end");
    assert_eq!(answer.unwrap(), ErrorCode::NONE);
}
