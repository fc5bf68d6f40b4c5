//! DescribeUserScramCredentials (key 50): who has credentials for which mechanism (KIP-554). Never a key or a salt.

use std::collections::BTreeMap;

use controller::ApiError;
use metadata::ScramImage;
use protocol::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use protocol::{DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, ErrorCode};

use crate::context::RequestContext;
use crate::node::Node;

/// SCRAM-SHA-256 and SCRAM-SHA-512.
const MECHANISMS: [i8; 2] = [1, 2];

/// Answers from the metadata. Naming no user asks for all.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: DescribeUserScramCredentialsRequest<'_>,
) -> DescribeUserScramCredentialsResponse<'static> {
    let image = node.image.load();
    let scram = image.scram();
    let named = request.users.unwrap_or_default();
    let mut times_named: BTreeMap<&str, usize> = BTreeMap::new();
    if named.is_empty() {
        scram.iter().for_each(|(_, user, _)| _ = times_named.insert(user, 1));
    } else {
        named.iter().for_each(|user| *times_named.entry(user.name.as_ref()).or_default() += 1);
    }
    let results = times_named.into_iter().map(|(user, times)| describe(scram, user, times > 1));
    DescribeUserScramCredentialsResponse {
        results: results.collect(),
        ..DescribeUserScramCredentialsResponse::default()
    }
}

fn describe(
    scram: &ScramImage,
    user: &str,
    is_repeated: bool,
) -> DescribeUserScramCredentialsResult<'static> {
    let mut result =
        DescribeUserScramCredentialsResult { user: user.to_owned().into(), ..Default::default() };
    if is_repeated {
        result.error_code = ErrorCode::DUPLICATE_RESOURCE;
        let message = "Cannot describe SCRAM credentials for the same user twice in a single request: ";
        result.error_message = Some(ApiError::new(result.error_code, format!("{message}{user}")).message);
        return result;
    }
    let own = MECHANISMS.into_iter().filter_map(|mechanism| Some((mechanism, scram.get(mechanism, user)?)));
    result.credential_infos = own
        .map(|(mechanism, credential)| CredentialInfo { mechanism, iterations: credential.iterations })
        .collect();
    if result.credential_infos.is_empty() {
        result.error_code = ErrorCode::RESOURCE_NOT_FOUND;
        let message = "Attempt to describe a user credential that does not exist: ";
        result.error_message = Some(ApiError::new(result.error_code, format!("{message}{user}")).message);
    }
    result
}
