//! Bytes that are no request: the connection ends, the node does not.

use protocol::{ApiVersionsRequest, ApiVersionsResponse, ErrorCode, decode_response, from_slice};

use crate::setup::*;

/// A request header v1 of this key and version, with this body.
fn raw(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(7_i32.to_be_bytes());
    frame.extend((-1_i16).to_be_bytes());
    frame.extend(body);
    [&i32::try_from(frame.len()).unwrap().to_be_bytes()[..], &frame].concat()
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let (node, mut good, topic) = node_with_topic(&[]).await;
    let mut random = vec![0x5a_u8; 4096];
    random[..4].copy_from_slice(&4092_i32.to_be_bytes());
    let cases: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        random,
        vec![0xff; 64],
        0_i32.to_be_bytes().to_vec(),
        3_i32.to_be_bytes().iter().copied().chain([1, 2, 3]).collect(),
        raw(999, 0, &[]),
        raw(-1, 0, &[]),
        raw(0, 99, &[]),
        raw(0, 2, &[]),
        raw(4, 0, &[]),
        raw(3, 1, &i32::MAX.to_be_bytes()),
        raw(3, 1, &(-2_i32).to_be_bytes()),
        raw(1, 4, &[0xff; 20]),
        raw(11, 0, &[0x7f; 40]),
        raw(19, 2, &i32::MAX.to_be_bytes()),
    ];
    for (n, bytes) in cases.into_iter().enumerate() {
        let mut connection = node.connect().await;
        connection.send_raw(&bytes).await;
        assert_eq!(connection.receive().await, None, "case {n}");
        assert_eq!(produce(&mut good, topic, &batch(&["still here"])).await.error_code, ErrorCode::NONE);
    }
}

#[tokio::test]
async fn bytes_behind_a_body_are_passed_over() {
    let (_node, mut connection, _) = node_with_topic(&[]).await;
    // Metadata version 1 for no topic, and three bytes too many.
    connection.send_raw(&raw(3, 1, &[0, 0, 0, 0, 1, 2, 3])).await;
    let frame = connection.receive().await.expect("the request is whole");
    assert_eq!(&frame[..4], 7_i32.to_be_bytes());
}

#[tokio::test]
async fn an_unknown_api_versions_version_is_answered_in_version_0() {
    let (_node, mut connection, _) = node_with_topic(&[]).await;
    for version in [6, 99, i16::MAX, -1] {
        connection.send_raw(&raw(18, version, &[0, 1, 2, 3])).await;
        let frame = connection.receive().await.expect("ApiVersions is answered at every version");
        assert_eq!(&frame[..4], 7_i32.to_be_bytes());
        let response: ApiVersionsResponse<'_> = from_slice(&frame[4..], 0).unwrap();
        assert_eq!(response.error_code, ErrorCode::UNSUPPORTED_VERSION);
        let own: Vec<_> =
            response.api_keys.iter().map(|a| (a.api_key, a.min_version, a.max_version)).collect();
        assert_eq!(own, [(18, 0, 5)]);
    }
    // A header without the tags that its version has is no header, as Kafka sees it.
    connection.send_raw(&raw(18, 99, &[])).await;
    assert_eq!(connection.receive().await, None);
}

#[tokio::test]
async fn every_api_versions_version_lists_the_same_apis() {
    let (_node, mut connection, _) = node_with_topic(&[]).await;
    let request = ApiVersionsRequest {
        client_software_name: "test".into(),
        client_software_version: "1.0".into(),
        ..ApiVersionsRequest::default()
    };
    for version in 0..=5 {
        connection.send(version, &request).await;
        let frame = connection.receive().await.unwrap();
        let (_, response) =
            decode_response::<ApiVersionsResponse<'_>>(protocol::ApiKey::ApiVersions, version, &frame)
                .unwrap();
        assert_eq!(response.error_code, ErrorCode::NONE);
        // Without a page that shows it, client telemetry is served and not advertised.
        assert_eq!(response.api_keys.len(), broker::SERVED.len() - 2);
        assert_eq!((response.api_keys[0].api_key, response.api_keys[0].min_version), (0, 0));
    }
    let unnamed: ApiVersionsResponse<'static> = connection.ask(3, &ApiVersionsRequest::default()).await;
    assert_eq!(unnamed.error_code, ErrorCode::INVALID_REQUEST);
    let misrouted = ApiVersionsRequest { cluster_id: Some("other".into()), node_id: 1, ..request };
    let answer: ApiVersionsResponse<'static> = connection.ask(5, &misrouted).await;
    assert_eq!(answer.error_code, ErrorCode::REBOOTSTRAP_REQUIRED);
}

#[tokio::test]
async fn a_frame_beyond_the_limit_is_refused_unread() {
    let (node, _, _) = node_with_topic(&[("socket.request.max.bytes", "100000")]).await;
    let mut connection = node.connect().await;
    connection.send_raw(&100_001_i32.to_be_bytes()).await;
    assert_eq!(connection.receive().await, None);
}
