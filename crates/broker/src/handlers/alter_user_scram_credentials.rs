//! AlterUserScramCredentials (key 51): stores and removes what a broker needs to know of a password (KIP-554).

use std::collections::BTreeSet;

use protocol::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use protocol::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Lets the controller change the credentials.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: AlterUserScramCredentialsRequest<'_>,
) -> AlterUserScramCredentialsResponse<'static> {
    let request = request.into_owned();
    let deleted = request.deletions.iter().map(|deletion| deletion.name.clone());
    let users: BTreeSet<_> =
        deleted.chain(request.upsertions.iter().map(|upsertion| upsertion.name.clone())).collect();
    match node.controller.alter_user_scram_credentials(request).await {
        Ok(response) => response,
        Err(error) => {
            let results = users.into_iter().map(|user| AlterUserScramCredentialsResult {
                user,
                error_code: error.code,
                error_message: Some(error.message.clone()),
            });
            AlterUserScramCredentialsResponse { results: results.collect(), throttle_time_ms: 0 }
        }
    }
}
