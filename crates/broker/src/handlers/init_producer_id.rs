//! InitProducerId (key 22), for producers without a transactional id.

use protocol::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// "None" as producer id and producer epoch.
const NONE: i64 = -1;

/// Gives an idempotent producer an id of its own, with epoch 0.
///
/// A transactional id is refused with UNSUPPORTED_VERSION: there is no transaction coordinator here, no version of the
/// transactional requests is advertised, and that code ends a producer at once, while NOT_COORDINATOR or
/// COORDINATOR_NOT_AVAILABLE would let it look for one until it times out.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: InitProducerIdRequest<'_>,
) -> InitProducerIdResponse {
    if let Some(error_code) = refuse(&request) {
        return failed(error_code);
    }
    match node.controller.next_producer_id().await {
        Ok(producer_id) => {
            InitProducerIdResponse { producer_id, producer_epoch: 0, ..InitProducerIdResponse::default() }
        }
        Err(error) => {
            tracing::warn!(%error, "no producer id could be given");
            // The code that all clients take for "try again".
            failed(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)
        }
    }
}

fn refuse(request: &InitProducerIdRequest<'_>) -> Option<ErrorCode> {
    let has_id = request.producer_id != NONE;
    let has_epoch = i64::from(request.producer_epoch) != NONE;
    match request.transactional_id.as_deref() {
        // An id without its epoch says nothing. With both, a producer whose epochs ran out asks for a new id.
        _ if has_id != has_epoch => Some(ErrorCode::INVALID_REQUEST),
        None => None,
        Some("") => Some(ErrorCode::INVALID_REQUEST),
        Some(_) => Some(ErrorCode::UNSUPPORTED_VERSION),
    }
}

fn failed(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code,
        producer_id: NONE,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    }
}

#[cfg(test)]
mod tests;
