//! SCRAM credentials are stored, described without a secret, and there after a restart.

use protocol::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use protocol::describe_user_scram_credentials_request::UserName;
use protocol::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse, ErrorCode,
};
use testkit::{TestConnection, TestNode};

fn upsert(name: &'static str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion<'static> {
    ScramCredentialUpsertion {
        name: name.into(),
        mechanism,
        iterations,
        salt: b"salt".as_slice().into(),
        salted_password: b"salted".as_slice().into(),
    }
}

async fn describe(connection: &mut TestConnection, users: Option<&[&'static str]>) -> Vec<String> {
    let users = users.map(|users| users.iter().map(|name| UserName { name: (*name).into() }).collect());
    let response: DescribeUserScramCredentialsResponse<'static> =
        connection.ask(0, &DescribeUserScramCredentialsRequest { users }).await;
    assert_eq!(response.error_code, ErrorCode::NONE);
    let rows = response.results.into_iter().map(|result| {
        let infos = result.credential_infos.iter().map(|info| (info.mechanism, info.iterations));
        format!("{} {} {:?}", result.user, result.error_code.name(), infos.collect::<Vec<_>>())
    });
    rows.collect()
}

#[tokio::test]
async fn credentials_survive_a_restart_and_are_described() {
    let mut node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    assert!(describe(&mut connection, None).await.is_empty());
    let request = AlterUserScramCredentialsRequest {
        deletions: vec![ScramCredentialDeletion { name: "nobody".into(), mechanism: 1 }],
        upsertions: vec![upsert("alice", 1, 4096), upsert("bob", 2, 16_384)],
    };
    let response: AlterUserScramCredentialsResponse<'static> = connection.ask(0, &request).await;
    let codes: Vec<_> = response.results.iter().map(|r| (r.user.as_ref(), r.error_code)).collect();
    assert_eq!(
        codes,
        [("nobody", ErrorCode::RESOURCE_NOT_FOUND), ("alice", ErrorCode::NONE), ("bob", ErrorCode::NONE)]
    );
    node.restart().await;
    let mut connection = node.connect().await;
    let all = ["alice NONE [(1, 4096)]", "bob NONE [(2, 16384)]"];
    assert_eq!(describe(&mut connection, None).await, all);
    assert_eq!(describe(&mut connection, Some(&[])).await, all, "naming nobody asks for all");
    assert_eq!(
        describe(&mut connection, Some(&["bob", "alice", "bob", "carol"])).await,
        ["alice NONE [(1, 4096)]", "bob DUPLICATE_RESOURCE []", "carol RESOURCE_NOT_FOUND []"]
    );
}
