//! Which requests are refused.

use protocol::{InitProducerIdRequest, to_vec};

use super::{failed, refuse};

fn code(transactional_id: Option<&str>, producer_id: i64, producer_epoch: i16) -> Option<&'static str> {
    let request = InitProducerIdRequest {
        transactional_id: transactional_id.map(Into::into),
        producer_id,
        producer_epoch,
        ..InitProducerIdRequest::default()
    };
    refuse(&request).map(|code| code.name())
}

#[test]
fn an_idempotent_producer_needs_no_more_than_to_ask() {
    assert_eq!(code(None, -1, -1), None);
    assert_eq!(code(None, 5, 7), None);
    assert_eq!(code(None, 5, -1), Some("INVALID_REQUEST"));
    assert_eq!(code(None, -1, 7), Some("INVALID_REQUEST"));
}

#[test]
fn transactions_are_refused_for_good() {
    assert_eq!(code(Some("t"), -1, -1), Some("UNSUPPORTED_VERSION"));
    assert_eq!(code(Some(""), -1, -1), Some("INVALID_REQUEST"));
}

#[test]
fn a_refusal_can_be_written_in_every_version() {
    for version in 0..=5 {
        to_vec(&failed(protocol::ErrorCode::UNSUPPORTED_VERSION), version).expect("it is encodable");
    }
}
