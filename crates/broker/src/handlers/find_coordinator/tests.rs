//! Both shapes of the answer, at every version.

use protocol::{ErrorCode, FindCoordinatorResponse, to_vec};

use super::{Address, one_of_many, single};

fn found() -> Result<Address, ErrorCode> {
    Ok(Address { node_id: 1, host: "h".into(), port: 9092 })
}

#[test]
fn one_key_before_version_4() {
    for api_version in 0..4 {
        let response = single(found());
        to_vec(&response, api_version).unwrap();
        assert_eq!((response.error_code, response.node_id, &*response.host), (ErrorCode::NONE, 1, "h"));
        let response = single(Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
        to_vec(&response, api_version).unwrap();
        assert_eq!((response.error_code, response.node_id), (ErrorCode::COORDINATOR_NOT_AVAILABLE, -1));
    }
}

#[test]
fn many_keys_from_version_4_on() {
    for api_version in 4..=6 {
        let coordinators =
            vec![one_of_many("g", found()), one_of_many("h", Err(ErrorCode::COORDINATOR_NOT_AVAILABLE))];
        let response = FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() };
        to_vec(&response, api_version).unwrap();
        assert_eq!((&*response.coordinators[0].key, response.coordinators[0].port), ("g", 9092));
        assert_eq!(response.coordinators[1].error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    }
}
