//! Credentials are stored as keys; answers as a running Kafka 4.4 gave them.

use protocol::AlterUserScramCredentialsRequest;
use protocol::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};

use super::cluster::Cluster;

const SHA_256: i8 = 1;
const SHA_512: i8 = 2;

fn delete(name: &'static str, mechanism: i8) -> ScramCredentialDeletion<'static> {
    ScramCredentialDeletion { name: name.into(), mechanism }
}

fn upsert(name: &'static str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion<'static> {
    ScramCredentialUpsertion {
        name: name.into(),
        mechanism,
        iterations,
        salt: b"salt".as_slice().into(),
        salted_password: b"salted".as_slice().into(),
    }
}

fn alter(
    cluster: &mut Cluster,
    deletions: Vec<ScramCredentialDeletion<'static>>,
    upsertions: Vec<ScramCredentialUpsertion<'static>>,
) -> Vec<String> {
    let request = AlterUserScramCredentialsRequest { deletions, upsertions };
    let outcome = cluster.controller.handle_alter_user_scram_credentials(&request);
    let results = cluster.apply(outcome).results.into_iter();
    let answers = results.map(|result| {
        let message = result.error_message.as_deref().unwrap_or("-");
        format!("{} {} {message}", result.user, result.error_code.name())
    });
    answers.collect()
}

fn stored(cluster: &Cluster) -> Vec<(i8, String)> {
    let scram = cluster.controller.image().scram();
    scram.iter().map(|(mechanism, user, _)| (mechanism, user.to_owned())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The user of RFC 7677's example.
#[test]
fn the_keys_are_those_of_the_rfc() {
    let mut cluster = Cluster::of_one(&[]);
    let salted_password = [
        0xc4, 0xa4, 0x95, 0x10, 0x32, 0x3a, 0xb4, 0xf9, 0x52, 0xca, 0xc1, 0xfa, 0x99, 0x44, 0x19, 0x39, 0xe7,
        0x8e, 0xa7, 0x4d, 0x6b, 0xe8, 0x1d, 0xdf, 0x70, 0x96, 0xe8, 0x75, 0x13, 0xdc, 0x61, 0x5d,
    ];
    let upsertion = ScramCredentialUpsertion {
        salted_password: salted_password.to_vec().into(),
        ..upsert("user", SHA_256, 4096)
    };
    assert_eq!(alter(&mut cluster, vec![], vec![upsertion]), ["user NONE -"]);
    let image = cluster.controller.image();
    let credential = image.scram().get(SHA_256, "user").expect("it was stored");
    assert_eq!(
        (credential.iterations, hex(&credential.stored_key), hex(&credential.server_key)),
        (
            4096,
            "586e5df283e6dceb5c3e791d8b8528ec191e664045ce971792e2e6b5bb13e2a6".to_owned(),
            "c1f3cbc1c13a9d35a14c0990eed97629ea225863e566a4314ab99f3f00e5d9d5".to_owned()
        )
    );
}

#[test]
fn one_user_may_have_both_mechanisms() {
    let mut cluster = Cluster::of_one(&[]);
    assert_eq!(alter(&mut cluster, vec![], vec![upsert("u", SHA_256, 4096)]), ["u NONE -"]);
    assert_eq!(alter(&mut cluster, vec![], vec![upsert("u", SHA_512, 16_384)]), ["u NONE -"]);
    assert_eq!(stored(&cluster), [(SHA_256, "u".to_owned()), (SHA_512, "u".to_owned())]);
    assert_eq!(
        cluster.controller.image().scram().get(SHA_512, "u").map(|credential| credential.stored_key.len()),
        Some(64)
    );
    assert_eq!(alter(&mut cluster, vec![delete("u", SHA_256)], vec![]), ["u NONE -"]);
    assert_eq!(stored(&cluster), [(SHA_512, "u".to_owned())]);
}

#[test]
fn what_cannot_be_stored_is_refused_user_by_user() {
    let mut cluster = Cluster::of_one(&[]);
    let upsertions = vec![
        upsert("few", SHA_256, 4095),
        upsert("many", SHA_512, 16_385),
        upsert("", SHA_256, 4096),
        upsert("odd", 3, 4096),
        upsert("good", SHA_256, 4096),
        ScramCredentialUpsertion { salted_password: Vec::new().into(), ..upsert("bare", SHA_256, 4096) },
    ];
    assert_eq!(
        alter(&mut cluster, vec![delete("gone", SHA_256), delete("older", 0)], upsertions),
        [
            "gone RESOURCE_NOT_FOUND Attempt to delete a user credential that does not exist",
            "older UNSUPPORTED_SASL_MECHANISM Unknown SCRAM mechanism",
            "few UNACCEPTABLE_CREDENTIAL Too few iterations",
            "many UNACCEPTABLE_CREDENTIAL Too many iterations",
            " UNACCEPTABLE_CREDENTIAL Username must not be empty",
            "odd UNSUPPORTED_SASL_MECHANISM Unknown SCRAM mechanism",
            "good NONE -",
            "bare UNKNOWN_SERVER_ERROR -",
        ]
    );
    assert_eq!(stored(&cluster), [(SHA_256, "good".to_owned())]);
}

#[test]
fn a_user_named_twice_is_left_as_it_was() {
    let mut cluster = Cluster::of_one(&[]);
    let twice = "DUPLICATE_RESOURCE A user credential cannot be altered twice in the same request";
    let both = vec![upsert("u", SHA_256, 4096), upsert("u", SHA_512, 4096)];
    assert_eq!(alter(&mut cluster, vec![], both), [format!("u {twice}")]);
    assert!(stored(&cluster).is_empty());
    alter(&mut cluster, vec![], vec![upsert("u", SHA_256, 4096)]);
    let replaced = alter(&mut cluster, vec![delete("u", SHA_256)], vec![upsert("u", SHA_256, 8192)]);
    assert_eq!(replaced, [format!("u {twice}")]);
    let first_wrong = vec![upsert("w", SHA_256, 1), upsert("w", SHA_256, 4096)];
    assert_eq!(
        alter(&mut cluster, vec![], first_wrong),
        ["w UNACCEPTABLE_CREDENTIAL Too few iterations"],
        "what is wrong first is told"
    );
    assert_eq!(stored(&cluster), [(SHA_256, "u".to_owned())]);
}
