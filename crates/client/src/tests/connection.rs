//! One connection: versions, order, time-outs, and services that are no brokers.

use std::net::SocketAddr;
use std::time::Duration;

use platform::BindOptions;
use protocol::*;

use super::fake_broker::{FakeCluster, Fault, ip};
use crate::connection::Connection;
use crate::{Admin, ClientError};

async fn open(cluster: &FakeCluster) -> Result<Connection, ClientError> {
    Connection::open(&cluster.client().net, "10.0.1.1", 9092, &cluster.config()).await
}

#[tokio::test(start_paused = true)]
async fn the_newest_common_version_is_spoken() {
    let cluster = FakeCluster::start(1, 1).await;
    cluster.state().versions.insert(ApiKey::Metadata, (4, 7));
    let connection = open(&cluster).await.unwrap();
    connection.call(&MetadataRequest::default()).await.unwrap().decode::<MetadataResponse<'_>>().unwrap();
    let served = cluster.state().served.clone();
    assert_eq!(served, [(1, ApiKey::ApiVersions, 5), (1, ApiKey::Metadata, 7)]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_know_our_api_versions_is_asked_again() {
    for max in 0..5 {
        let cluster = FakeCluster::start(2, 1).await;
        cluster.state().versions.insert(ApiKey::ApiVersions, (0, max));
        let connection = open(&cluster).await.unwrap();
        assert_eq!(connection.versions().pick(ApiKey::Fetch, 4, 11).unwrap(), 11);
        let served = cluster.state().served.clone();
        assert_eq!(served, [(1, ApiKey::ApiVersions, 5), (1, ApiKey::ApiVersions, max)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_common_version_is_not_sent() {
    let cluster = FakeCluster::start(3, 1).await;
    cluster.state().versions.insert(ApiKey::Metadata, (99, 100));
    cluster.state().versions.insert(ApiKey::Fetch, (-1, -1));
    let connection = open(&cluster).await.unwrap();
    let error = connection.call(&MetadataRequest::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::UnsupportedVersion { broker: Some((99, 100)), .. }), "{error}");
    let error = connection.call(&FetchRequest::default()).await.unwrap_err();
    assert!(error.to_string().contains("serves Fetch in no version"), "{error}");
    assert!(error.hint().is_some());
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_requests() {
    let cluster = FakeCluster::start(4, 1).await;
    for topic in 0..50 {
        cluster.create_topic(&format!("t{topic}"), 1);
    }
    let connection = std::sync::Arc::new(open(&cluster).await.unwrap());
    let mut calls = Vec::new();
    for topic in 0..50 {
        let connection = std::sync::Arc::clone(&connection);
        calls.push(tokio::spawn(async move {
            let name = format!("t{topic}");
            let asked = metadata_request::MetadataRequestTopic {
                name: Some(name.clone().into()),
                topic_id: Uuid::ZERO,
            };
            let request = MetadataRequest { topics: Some(vec![asked]), ..MetadataRequest::default() };
            let response = connection.call(&request).await.unwrap();
            let answer: MetadataResponse<'_> = response.decode().unwrap();
            assert_eq!(answer.topics[0].name.as_deref(), Some(name.as_str()));
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_silent_loses_the_connection() {
    let cluster = FakeCluster::start(5, 1).await;
    let connection = open(&cluster).await.unwrap();
    cluster.fault(ApiKey::Metadata, &[Fault::Silence]);
    let request = MetadataRequest::default();
    let (first, second) = tokio::join!(connection.call(&request), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // This one is answered, but its answer cannot overtake the missing one: it is an answer to the wrong request.
        connection.call(&request).await
    });
    let first = first.unwrap_err();
    assert!(matches!(first, ClientError::Disconnected { .. }), "{first}");
    assert!(matches!(second.unwrap_err(), ClientError::Disconnected { .. }));
    assert!(!connection.is_open());
    assert!(matches!(connection.call(&request).await.unwrap_err(), ClientError::Disconnected { .. }));

    let connection = open(&cluster).await.unwrap();
    cluster.fault(ApiKey::Metadata, &[Fault::Silence]);
    let began = tokio::time::Instant::now();
    let error = connection.call(&request).await.unwrap_err();
    assert!(matches!(error, ClientError::RequestTimeout { after_ms: 30_000, .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(31));
    assert!(!connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn an_unused_connection_is_given_up() {
    let cluster = FakeCluster::start(6, 1).await;
    let connection = open(&cluster).await.unwrap();
    tokio::time::sleep(Duration::from_secs(530)).await;
    assert!(connection.is_open());
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(!connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn nobody_listening_is_said_with_what_to_do() {
    let cluster = FakeCluster::start(7, 1).await;
    let config = crate::ClientConfig::new("10.0.1.1:1234,10.0.1.1:1235").unwrap();
    let error = Admin::connect(&cluster.client(), config).await.unwrap_err();
    let ClientError::NoBroker { tried } = &error else { panic!("{error}") };
    assert_eq!(tried.len(), 2);
    assert_eq!(tried[0].0, "10.0.1.1:1234");
    assert!(error.hint().unwrap().contains("klamm dev"));
    assert!(error.is_retriable());
}

#[tokio::test(start_paused = true)]
async fn another_service_is_not_taken_for_a_broker() {
    let cluster = FakeCluster::start(8, 1).await;
    let address = SocketAddr::new(ip(1), 80);
    let replies: [&'static [u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0, 0, 0, 2, 0, 0],
        &[0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        &[0, 0, 0, 5, 0, 0, 0, 0, 7],
    ];
    for reply in replies {
        let listener = cluster.world.boot(ip(1)).net.bind(address, BindOptions::default()).await.unwrap();
        let service = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            stream.write_all(reply).await.unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
        });
        let opened = Connection::open(&cluster.client().net, "10.0.1.1", 80, &cluster.config()).await;
        let error = opened.unwrap_err();
        let known = matches!(error, ClientError::Malformed { .. } | ClientError::Disconnected { .. });
        assert!(known, "{error}");
        assert!(error.hint().is_some(), "{error}");
        service.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_on_an_os_socket_speaks_too() {
    use platform::Platform;
    let platform = Platform::os();
    let listener = platform.net.bind("127.0.0.1:0".parse().unwrap(), BindOptions::default()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).await.unwrap();
        let mut frame = vec![0; i32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame).await.unwrap();
        let (header, _) = decode_request_header(&frame).unwrap();
        assert_eq!(header.client_id.as_deref(), Some("me"));
        let api_keys = vec![api_versions_response::ApiVersion { api_key: 3, min_version: 4, max_version: 9 }];
        let answer = ApiVersionsResponse { api_keys, ..ApiVersionsResponse::default() };
        let bytes =
            encode_response(ApiKey::ApiVersions, header.request_api_version, header.correlation_id, &answer)
                .unwrap();
        stream.write_all(&bytes).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    });
    let mut config = crate::ClientConfig::new(&format!("127.0.0.1:{port}")).unwrap();
    config.set("client.id", "me").unwrap();
    let connection = Connection::open(&platform.net, "127.0.0.1", port, &config).await.unwrap();
    assert_eq!(connection.versions().pick(ApiKey::Metadata, 0, 13).unwrap(), 9);
    assert_eq!(connection.address(), format!("127.0.0.1:{port}"));
}
