//! Values that a version cannot carry. Owns the examples; the rule itself is checked for all fields in `properties`.

use std::borrow::Cow;

use protocol::metadata_request::MetadataRequestTopic;
use protocol::{
    DecodeError, EncodeError, FetchRequest, MetadataRequest, ProduceRequest, SaslAuthenticateRequest, Uuid,
    from_slice, to_vec,
};

#[test]
fn a_field_of_a_later_version_is_named() {
    let request = ProduceRequest { transactional_id: Some("tx".into()), ..ProduceRequest::default() };
    assert!(to_vec(&request, 3).is_ok());
    let topics = vec![MetadataRequestTopic { topic_id: Uuid([1; 16]), name: Some("a".into()) }];
    let request = MetadataRequest {
        include_topic_authorized_operations: true,
        topics: Some(topics),
        ..MetadataRequest::default()
    };
    let error = to_vec(&request, 4).unwrap_err();
    assert_eq!(
        error.to_string(),
        "MetadataRequest: IncludeTopicAuthorizedOperations is set but version 4 does not carry it"
    );
}

#[test]
fn an_ignorable_field_is_dropped() {
    let request = FetchRequest { rack_id: "r".into(), ..FetchRequest::default() };
    let bytes = to_vec(&request, 10).unwrap();
    assert_eq!(from_slice::<FetchRequest<'_>>(&bytes, 10).unwrap(), FetchRequest::default());
}

#[test]
fn null_is_refused_where_the_version_has_none() {
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    let error = EncodeError::UnexpectedNull { message: "MetadataRequest", field: "Topics", version: 0 };
    assert_eq!(to_vec(&request, 0), Err(error));
    assert!(to_vec(&request, 1).is_ok());
    assert_eq!(from_slice::<MetadataRequest<'_>>(&[0xff; 4], 0), Err(DecodeError::UnexpectedNull { at: 4 }));
}

#[test]
fn versions_outside_the_range_are_refused() {
    for version in [-1, 19, i16::MAX] {
        assert_eq!(
            to_vec(&FetchRequest::default(), version),
            Err(EncodeError::UnsupportedVersion { message: "FetchRequest", version })
        );
        assert_eq!(
            from_slice::<FetchRequest<'_>>(&[], version),
            Err(DecodeError::UnsupportedVersion { message: "FetchRequest", version })
        );
    }
}

#[test]
fn strings_end_at_32767_bytes() {
    let longest = "x".repeat(32_767);
    for version in [0, 8, 9] {
        let request = |name: &str| MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some(Cow::Owned(name.to_owned())),
                ..MetadataRequestTopic::default()
            }]),
            ..MetadataRequest::default()
        };
        let bytes = to_vec(&request(&longest), version).unwrap();
        assert_eq!(from_slice::<MetadataRequest<'_>>(&bytes, version), Ok(request(&longest)));
        let error = EncodeError::TooLong { length: 32_768 };
        assert_eq!(to_vec(&request(&format!("{longest}x")), version), Err(error));
    }
    // One topic with a name of 32768 bytes, in the compact form.
    let mut bytes = vec![2, 0x81, 0x80, 2];
    bytes.extend(vec![b'x'; 32_768]);
    bytes.extend([0, 0, 0, 0, 0]);
    assert_eq!(
        from_slice::<MetadataRequest<'_>>(&bytes, 9),
        Err(DecodeError::StringTooLong { at: 1, length: 32_768 })
    );
}

#[test]
fn bytes_may_be_longer_than_strings() {
    let request = SaslAuthenticateRequest { auth_bytes: Cow::Owned(vec![7; 100_000]) };
    for version in 0..=2 {
        let bytes = to_vec(&request, version).unwrap();
        assert_eq!(from_slice::<SaslAuthenticateRequest<'_>>(&bytes, version), Ok(request.clone()));
    }
}

#[test]
fn bytes_that_are_no_utf8_become_replacement_characters() {
    let bytes = [0, 4, b'a', 0xff, 0xc3, b'b', 0, 0];
    let request: protocol::SaslHandshakeRequest<'_> = from_slice(&bytes[..6], 1).unwrap();
    assert_eq!(request.mechanism, "a\u{fffd}\u{fffd}b");
}
