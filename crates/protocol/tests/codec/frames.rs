//! Headers and whole frames. Owns the vectors of headers, uuids and varints, and the gaps of external records.

use protocol::fetch_response::{FetchableTopicResponse, PartitionData};
use protocol::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, DecodeError, EncodeError, ErrorCode, FetchResponse, Gap,
    Message, MetadataRequest, Reader, Records, RequestHeader, ResponseHeader, Uuid, Writer,
    decode_request_header, decode_response, encode_request, encode_response, encode_response_into,
    from_slice, to_vec,
};
use serde_json::Value as Json;

use crate::corpus::{testdata, unhex};

fn primitives(kind: &str) -> Vec<Json> {
    let lines: Vec<Json> = testdata("primitives.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap())
        .filter(|json| json["kind"] == kind)
        .collect();
    assert!(!lines.is_empty(), "{kind}");
    lines
}

#[test]
fn request_headers() {
    for json in primitives("request-header") {
        let version = json["headerVersion"].as_i64().unwrap() as i16;
        let header = RequestHeader {
            request_api_key: json["apiKey"].as_i64().unwrap() as i16,
            request_api_version: json["apiVersion"].as_i64().unwrap() as i16,
            correlation_id: json["correlationId"].as_i64().unwrap() as i32,
            client_id: json["clientId"].as_str().map(Into::into),
        };
        let bytes = unhex(json["hex"].as_str().unwrap());
        assert_eq!(to_vec(&header, version).unwrap(), bytes);
        assert_eq!(from_slice::<RequestHeader<'_>>(&bytes, version).unwrap(), header);
    }
}

#[test]
fn response_headers() {
    for json in primitives("response-header") {
        let version = json["headerVersion"].as_i64().unwrap() as i16;
        let header = ResponseHeader { correlation_id: json["correlationId"].as_i64().unwrap() as i32 };
        let bytes = unhex(json["hex"].as_str().unwrap());
        assert_eq!(to_vec(&header, version).unwrap(), bytes);
        assert_eq!(from_slice::<ResponseHeader>(&bytes, version).unwrap(), header);
    }
}

#[test]
fn unsigned_varints() {
    for json in primitives("varint") {
        let value = json["value"].as_i64().unwrap() as i32 as u32;
        let bytes = unhex(json["unsigned"].as_str().unwrap());
        let mut writer = Writer::appending(Vec::new(), Vec::new());
        writer.uvarint(value);
        assert_eq!(writer.into_parts().0, bytes);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.uvarint(), Ok(value));
        assert_eq!(reader.finish(), Ok(()));
    }
}

#[test]
fn uuid_texts() {
    for json in primitives("uuid") {
        let half = |key: &str| json[key].as_i64().unwrap().to_be_bytes();
        let uuid = Uuid([half("msb"), half("lsb")].concat().try_into().unwrap());
        let text = json["string"].as_str().unwrap();
        assert_eq!(uuid.to_string(), text);
        assert_eq!(text.parse(), Ok(uuid));
        assert_eq!(format!("{text}==").parse(), Ok(uuid));
    }
    for bad in ["", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAA+A"] {
        assert!(bad.parse::<Uuid>().is_err(), "{bad}");
    }
}

#[test]
fn requests_of_both_header_versions() {
    for version in 0..=13 {
        let request = MetadataRequest { topics: Some(Vec::new()), ..MetadataRequest::default() };
        let frame = encode_request(7, Some("me"), version, &request).unwrap();
        let (length, rest) = frame.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_be_bytes(*length) as usize, rest.len());
        let (header, body) = decode_request_header(rest).unwrap();
        assert_eq!((header.request_api_key, header.request_api_version), (3, version));
        assert_eq!((header.correlation_id, header.client_id.as_deref()), (7, Some("me")));
        assert_eq!(from_slice::<MetadataRequest<'_>>(body, version).unwrap(), request);
    }
}

#[test]
fn the_header_of_an_unknown_version_can_be_read() {
    let mut frame = encode_request(9, None, 5, &ApiVersionsRequest::default()).unwrap();
    frame[6..8].copy_from_slice(&99i16.to_be_bytes());
    let (header, _) = decode_request_header(&frame[4..]).unwrap();
    assert_eq!((header.request_api_version, header.correlation_id), (99, 9));
}

#[test]
fn an_unknown_key_is_named() {
    for key in [-1i16, 4, 7, 95, i16::MAX] {
        let frame = [&key.to_be_bytes()[..], &[0; 20]].concat();
        assert_eq!(decode_request_header(&frame), Err(DecodeError::UnknownApiKey(key)));
    }
    assert!(decode_request_header(&[0, 3]).is_err());
}

#[test]
fn every_truncation_of_a_request_header_is_an_error() {
    for version in [8, 9] {
        let frame = encode_request(7, Some("me"), version, &MetadataRequest::default()).unwrap();
        let (_, body) = decode_request_header(&frame[4..]).unwrap();
        let header = frame.len() - body.len();
        for end in 4..header {
            assert!(decode_request_header(&frame[4..end]).is_err(), "{end}");
        }
    }
}

#[test]
fn responses_of_both_header_versions() {
    for version in 0..=5 {
        let response = ApiVersionsResponse { error_code: ErrorCode::NONE, ..ApiVersionsResponse::default() };
        let frame = encode_response(ApiKey::ApiVersions, version, 3, &response).unwrap();
        assert_eq!(frame[4..8], [0, 0, 0, 3]);
        assert_eq!(frame[8..10], [0, 0], "the header of ApiVersions has no tags");
        let (correlation, again) =
            decode_response::<ApiVersionsResponse<'_>>(ApiKey::ApiVersions, version, &frame[4..]).unwrap();
        assert_eq!((correlation, again), (3, response));
    }
    let frame = encode_response(ApiKey::Fetch, 12, 3, &FetchResponse::default()).unwrap();
    assert_eq!(frame[8], 0, "the header of Fetch has an empty tag section");
    assert!(decode_response::<FetchResponse<'_>>(ApiKey::Fetch, 12, &frame[4..]).is_ok());
}

fn fetch(records: [Records<'static>; 2]) -> FetchResponse<'static> {
    let partitions =
        records.map(|records| PartitionData { records, ..PartitionData::default() }).into_iter().collect();
    let responses =
        vec![FetchableTopicResponse { topic: "t".into(), partitions, ..FetchableTopicResponse::default() }];
    FetchResponse { responses, ..FetchResponse::default() }
}

#[test]
fn external_records_leave_gaps_and_are_counted() {
    for version in 4..=12 {
        let held = fetch([Records::Borrowed(b"hello"), Records::Borrowed(b"world!")]);
        let sent = fetch([Records::External { len: 5, token: 1 }, Records::External { len: 6, token: 2 }]);
        let expected = encode_response(ApiKey::Fetch, version, 1, &held).unwrap();
        let mut out = b"earlier".to_vec();
        let mut gaps = vec![Gap { position: 3, token: 0, len: 0 }];
        encode_response_into(ApiKey::Fetch, version, 1, &sent, &mut out, &mut gaps).unwrap();
        assert_eq!(out.len(), 7 + expected.len() - 11, "the buffer holds no external byte");
        assert_eq!(gaps.iter().map(|g| (g.token, g.len)).collect::<Vec<_>>(), [(0, 0), (1, 5), (2, 6)]);
        for (gap, bytes) in gaps[1..].iter().zip([&b"hello"[..], b"world!"]).rev() {
            out.splice(gap.position..gap.position, bytes.iter().copied());
        }
        assert_eq!(&out[7..], expected);
    }
}

#[test]
fn external_records_reserve_no_memory() {
    let big = fetch([Records::External { len: 1 << 30, token: 1 }, Records::Null]);
    let mut out = Vec::new();
    encode_response_into(ApiKey::Fetch, 12, 1, &big, &mut out, &mut Vec::new()).unwrap();
    assert!(out.capacity() < 1000, "{}", out.capacity());
    assert!(u32::from_be_bytes(out[..4].try_into().unwrap()) > 1 << 30);
}

#[test]
fn a_frame_beyond_two_gib_is_refused_and_leaves_the_buffer_alone() {
    let record = || Records::External { len: i32::MAX as u32, token: 1 };
    let mut out = b"earlier".to_vec();
    let mut gaps = Vec::new();
    let outcome =
        encode_response_into(ApiKey::Fetch, 12, 1, &fetch([record(), record()]), &mut out, &mut gaps);
    assert!(matches!(outcome, Err(EncodeError::TooLong { .. })), "{outcome:?}");
    assert_eq!((out.as_slice(), gaps.len()), (&b"earlier"[..], 0));
    let unfit = Records::External { len: u32::MAX, token: 1 };
    assert!(encode_response(ApiKey::Fetch, 12, 1, &fetch([unfit, Records::Null])).is_err());
}

#[test]
fn the_buffer_is_allocated_once_at_its_size() {
    let bytes = to_vec(&fetch([Records::Borrowed(b"hello"), Records::Null]), 12).unwrap();
    assert_eq!(bytes.capacity(), bytes.len());
    let frame = encode_request(1, Some("x"), 9, &MetadataRequest::default()).unwrap();
    assert!(frame.capacity() < frame.len() + 8, "{} for {}", frame.capacity(), frame.len());
    assert_eq!(<MetadataRequest<'_> as Message<'_>>::FLEXIBLE_FROM, 9);
}
