//! AlterUserScramCredentials (KIP-554): which credentials may be stored, and the keys that are stored of them.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use protocol::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use protocol::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use protocol::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ErrorCode, MetadataRecord,
    RemoveUserScramCredentialRecord, UserScramCredentialRecord,
};
use sha2::{Digest, Sha256, Sha512};

use crate::{ApiError, Controller, Outcome};

/// Rounds of the key derivation, at least (RFC 5802) and at most (KIP-554).
const ITERATIONS: std::ops::RangeInclusive<i32> = 4096..=16_384;

/// The two mechanisms, by their number in requests and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Sha256,
    Sha512,
}

impl Mechanism {
    fn from_id(id: i8) -> Option<Self> {
        match id {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// What one user asked for; a user can be named once in a request.
enum Change<'a> {
    Delete(&'a ScramCredentialDeletion<'a>),
    Upsert(Box<UserScramCredentialRecord<'static>>),
    Refused(ApiError),
}

impl Controller {
    /// Stores and removes SCRAM credentials. Each user succeeds or fails by itself; the answer has each once.
    pub fn handle_alter_user_scram_credentials(
        &self,
        request: &AlterUserScramCredentialsRequest<'_>,
    ) -> Outcome<AlterUserScramCredentialsResponse<'static>> {
        let mut order = Vec::new();
        let mut changes: BTreeMap<&str, Change<'_>> = BTreeMap::new();
        for deletion in &request.deletions {
            let change = self.check_deletion(deletion).map(|()| Change::Delete(deletion));
            note(&mut order, &mut changes, deletion.name.as_ref(), change);
        }
        for upsertion in &request.upsertions {
            let change = upsert(upsertion).map(|record| Change::Upsert(Box::new(record)));
            note(&mut order, &mut changes, upsertion.name.as_ref(), change);
        }
        let mut records = Vec::new();
        let mut results = Vec::new();
        for user in order {
            let mut result = AlterUserScramCredentialsResult {
                user: user.to_owned().into(),
                error_code: ErrorCode::NONE,
                error_message: None,
            };
            match changes.remove(user) {
                Some(Change::Delete(deletion)) => {
                    records.push(MetadataRecord::RemoveUserScramCredential(RemoveUserScramCredentialRecord {
                        name: user.to_owned().into(),
                        mechanism: deletion.mechanism,
                    }))
                }
                Some(Change::Upsert(record)) => records.push(MetadataRecord::UserScramCredential(*record)),
                Some(Change::Refused(error)) => {
                    result.error_code = error.code;
                    result.error_message = Some(error.message).filter(|message| !message.is_empty());
                }
                None => {}
            }
            results.push(result);
        }
        Outcome::atomic(records, AlterUserScramCredentialsResponse { results, throttle_time_ms: 0 })
    }

    fn check_deletion(&self, deletion: &ScramCredentialDeletion<'_>) -> Result<(), ApiError> {
        check_name_and_mechanism(&deletion.name, deletion.mechanism)?;
        if self.image().scram().get(deletion.mechanism, &deletion.name).is_none() {
            let message = "Attempt to delete a user credential that does not exist";
            return Err(ApiError::new(ErrorCode::RESOURCE_NOT_FOUND, message));
        }
        Ok(())
    }
}

fn note<'a>(
    order: &mut Vec<&'a str>,
    changes: &mut BTreeMap<&'a str, Change<'a>>,
    user: &'a str,
    change: Result<Change<'a>, ApiError>,
) {
    let change = match changes.get(user) {
        None => {
            order.push(user);
            change.unwrap_or_else(Change::Refused)
        }
        // What was wrong first is told, whatever comes after it.
        Some(Change::Refused(_)) => return,
        Some(_) => Change::Refused(ApiError::new(
            ErrorCode::DUPLICATE_RESOURCE,
            "A user credential cannot be altered twice in the same request",
        )),
    };
    changes.insert(user, change);
}

fn upsert(upsertion: &ScramCredentialUpsertion<'_>) -> Result<UserScramCredentialRecord<'static>, ApiError> {
    let mechanism = check_name_and_mechanism(&upsertion.name, upsertion.mechanism)?;
    let unacceptable = |message| Err(ApiError::new(ErrorCode::UNACCEPTABLE_CREDENTIAL, message));
    if upsertion.iterations < *ITERATIONS.start() {
        return unacceptable("Too few iterations");
    }
    if upsertion.iterations > *ITERATIONS.end() {
        return unacceptable("Too many iterations");
    }
    if upsertion.salted_password.is_empty() {
        // Java makes no key of nothing, so that Kafka stumbles here; it has no words for it.
        return Err(ApiError::new(ErrorCode::UNKNOWN_SERVER_ERROR, ""));
    }
    let (stored_key, server_key) = keys(mechanism, &upsertion.salted_password);
    Ok(UserScramCredentialRecord {
        name: upsertion.name.clone().into_owned().into(),
        mechanism: upsertion.mechanism,
        salt: upsertion.salt.to_vec().into(),
        stored_key: stored_key.into(),
        server_key: server_key.into(),
        iterations: upsertion.iterations,
    })
}

fn check_name_and_mechanism(name: &str, mechanism: i8) -> Result<Mechanism, ApiError> {
    if name.is_empty() {
        return Err(ApiError::new(ErrorCode::UNACCEPTABLE_CREDENTIAL, "Username must not be empty"));
    }
    let unknown = || ApiError::new(ErrorCode::UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism");
    Mechanism::from_id(mechanism).ok_or_else(unknown)
}

/// The record of a password that a user gets before there is a controller, when a directory is formatted. `None` for a
/// mechanism that is none.
pub fn scram_credential_record(
    name: &str,
    mechanism: i8,
    salt: &[u8],
    salted_password: &[u8],
    iterations: i32,
) -> Option<UserScramCredentialRecord<'static>> {
    let (stored_key, server_key) = keys(Mechanism::from_id(mechanism)?, salted_password);
    Some(UserScramCredentialRecord {
        name: name.to_owned().into(),
        mechanism,
        salt: salt.to_vec().into(),
        stored_key: stored_key.into(),
        server_key: server_key.into(),
        iterations,
    })
}

/// `StoredKey` and `ServerKey` of a salted password (RFC 5802, section 3).
fn keys(mechanism: Mechanism, salted_password: &[u8]) -> (Vec<u8>, Vec<u8>) {
    match mechanism {
        Mechanism::Sha256 => {
            let client_key = sign(Hmac::<Sha256>::new_from_slice(salted_password), b"Client Key");
            let server_key = sign(Hmac::<Sha256>::new_from_slice(salted_password), b"Server Key");
            (Sha256::digest(client_key).to_vec(), server_key)
        }
        Mechanism::Sha512 => {
            let client_key = sign(Hmac::<Sha512>::new_from_slice(salted_password), b"Client Key");
            let server_key = sign(Hmac::<Sha512>::new_from_slice(salted_password), b"Server Key");
            (Sha512::digest(client_key).to_vec(), server_key)
        }
    }
}

fn sign<M: Mac>(mac: Result<M, hmac::digest::InvalidLength>, text: &[u8]) -> Vec<u8> {
    let mut mac = mac.expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}
