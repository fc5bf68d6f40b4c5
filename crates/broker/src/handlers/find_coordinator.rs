//! FindCoordinator (key 10): which node a group has to talk to.

use coordinator::partition_for;
use protocol::find_coordinator_response::Coordinator;
use protocol::{ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse};

use crate::context::RequestContext;
use crate::mutation_ticket::MutationTicket;
use crate::node::Node;
use crate::offsets_partitions::OFFSETS_TOPIC;

/// First version in which several keys may be asked for.
const BATCH_VERSION_MIN: i16 = 4;

/// The key is a group id. Transactional ids (1) and share partitions (2) have no coordinators here.
const KEY_TYPE_GROUP: i8 = 0;

/// Where a coordinator is reached.
struct Address {
    node_id: i32,
    host: String,
    port: i32,
}

/// Answers each key on its own. The first question brings the internal topic into being.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: FindCoordinatorRequest<'_>,
) -> FindCoordinatorResponse<'static> {
    if ctx.api_version < BATCH_VERSION_MIN {
        let found = find(node, ctx, request.key_type, &request.key).await;
        return single(found);
    }
    let mut response = FindCoordinatorResponse::default();
    for key in &request.coordinator_keys {
        let found = find(node, ctx, request.key_type, key).await;
        response.coordinators.push(one_of_many(key, found));
    }
    response
}

async fn find(node: &Node, ctx: &RequestContext<'_>, key_type: i8, key: &str) -> Result<Address, ErrorCode> {
    if key_type != KEY_TYPE_GROUP {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    if node.image.load().topics().by_name(OFFSETS_TOPIC).is_none() {
        node.auto_create_topics(vec![OFFSETS_TOPIC.to_owned()], MutationTicket::free()).await;
    }
    let image = node.image.load_full();
    let topic = image.topics().by_name(OFFSETS_TOPIC).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
    let partition_count = i32::try_from(topic.partition_count()).unwrap_or(i32::MAX);
    let partition = topic.partition(partition_for(key, partition_count));
    let broker = partition
        .filter(|partition| partition.has_leader())
        .and_then(|partition| image.cluster().broker(partition.leader))
        .filter(|broker| !broker.fenced)
        .ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
    let (host, port) = node.reachable_endpoint(ctx, broker).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
    Ok(Address { node_id: broker.id, host, port })
}

fn single(found: Result<Address, ErrorCode>) -> FindCoordinatorResponse<'static> {
    let (error_code, address) = split(found);
    FindCoordinatorResponse {
        error_code,
        error_message: Some(message(error_code).into()),
        node_id: address.node_id,
        host: address.host.into(),
        port: address.port,
        ..FindCoordinatorResponse::default()
    }
}

fn one_of_many(key: &str, found: Result<Address, ErrorCode>) -> Coordinator<'static> {
    let (error_code, address) = split(found);
    Coordinator {
        key: key.to_owned().into(),
        node_id: address.node_id,
        host: address.host.into(),
        port: address.port,
        error_code,
        error_message: Some(if error_code == ErrorCode::NONE { "" } else { message(error_code) }.into()),
    }
}

fn split(found: Result<Address, ErrorCode>) -> (ErrorCode, Address) {
    match found {
        Ok(address) => (ErrorCode::NONE, address),
        Err(error) => (error, Address { node_id: -1, host: String::new(), port: -1 }),
    }
}

/// Words for the error; Kafka says NONE where there is none.
fn message(error: ErrorCode) -> &'static str {
    if error == ErrorCode::NONE { "NONE" } else { error.message() }
}

#[cfg(test)]
mod tests;
