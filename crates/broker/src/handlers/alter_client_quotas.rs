//! AlterClientQuotas (key 49): how much of the node a user, a client id or an address may use (KIP-546).

use std::collections::BTreeSet;

use controller::address_of;
use protocol::alter_client_quotas_response::{EntityData, EntryData};
use protocol::{AlterClientQuotasRequest, AlterClientQuotasResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Lets the controller change the quotas. When the answer leaves, they are in force here.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: AlterClientQuotasRequest<'_>,
) -> AlterClientQuotasResponse<'static> {
    let request = request.into_owned();
    let known_hosts = known_hosts(node, &request).await;
    match node.controller.alter_client_quotas(request.clone(), known_hosts).await {
        Ok(response) => response,
        Err(error) => {
            let entries = request.entries.into_iter().map(|entry| EntryData {
                error_code: error.code,
                error_message: Some(error.message.clone()),
                entity: entry.entity.into_iter().map(to_answer).collect(),
            });
            AlterClientQuotasResponse { entries: entries.collect(), throttle_time_ms: 0 }
        }
    }
}

fn to_answer(part: protocol::alter_client_quotas_request::EntityData<'static>) -> EntityData<'static> {
    EntityData { entity_type: part.entity_type, entity_name: part.entity_name }
}

/// Host names among the addresses that somebody knows.
async fn known_hosts(node: &Node, request: &AlterClientQuotasRequest<'_>) -> BTreeSet<String> {
    let parts = request.entries.iter().flat_map(|entry| &entry.entity);
    let names = parts.filter(|part| part.entity_type == "ip").filter_map(|part| part.entity_name.as_deref());
    let names: BTreeSet<&str> = names.filter(|name| !name.is_empty() && address_of(name).is_none()).collect();
    let mut known = BTreeSet::new();
    for name in names {
        if node.platform.net.resolve(name).await.is_ok() {
            known.insert(name.to_owned());
        }
    }
    known
}
