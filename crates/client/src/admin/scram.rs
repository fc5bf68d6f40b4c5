//! Passwords of users for SCRAM (KIP-554).
//!
//! Owns the requests for them and salting a password, so that it never leaves this machine as it is.

use hmac::{Hmac, KeyInit, Mac};
use protocol::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use protocol::describe_user_scram_credentials_request::UserName;
use protocol::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse, ErrorCode,
};
use sha2::{Sha256, Sha512};

use super::{Admin, Outcomes};
use crate::error::ClientError;

/// A kind of SCRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScramMechanism {
    /// `SCRAM-SHA-256`.
    Sha256,
    /// `SCRAM-SHA-512`.
    Sha512,
}

/// Both kinds.
const MECHANISMS: [ScramMechanism; 2] = [ScramMechanism::Sha256, ScramMechanism::Sha512];

impl ScramMechanism {
    /// Its name in SASL.
    pub fn name(self) -> &'static str {
        match self {
            ScramMechanism::Sha256 => "SCRAM-SHA-256",
            ScramMechanism::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<ScramMechanism> {
        MECHANISMS.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// Its number in requests and records (KIP-554).
    pub fn number(self) -> i8 {
        match self {
            ScramMechanism::Sha256 => 1,
            ScramMechanism::Sha512 => 2,
        }
    }

    /// The password as SCRAM keeps it (RFC 5802, `Hi`), so that it never leaves this machine as it is.
    pub fn salted_password(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            ScramMechanism::Sha256 => salted::<Hmac<Sha256>>(password, salt, iterations),
            ScramMechanism::Sha512 => salted::<Hmac<Sha512>>(password, salt, iterations),
        }
    }
}

fn salted<M: Mac + KeyInit + Clone>(password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    let keyed = <M as KeyInit>::new_from_slice(password).expect("HMAC takes keys of any length");
    let mut first = keyed.clone();
    first.update(salt);
    first.update(&1_u32.to_be_bytes());
    let mut last = first.finalize().into_bytes();
    let mut sum = last.to_vec();
    for _ in 1..iterations {
        let mut next = keyed.clone();
        next.update(&last);
        last = next.finalize().into_bytes();
        for (sum, byte) in sum.iter_mut().zip(&last) {
            *sum ^= byte;
        }
    }
    sum
}

/// A change to what a user may log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScramChange {
    /// Sets a password.
    Upsert {
        /// The kind it is for.
        mechanism: ScramMechanism,
        /// How often it is hashed.
        iterations: i32,
        /// The password.
        password: String,
    },
    /// Takes the password for a kind away.
    Delete(ScramMechanism),
}

impl Admin {
    /// For these users, or all that have any: kinds of SCRAM they have a password for, and how often it is hashed.
    ///
    /// # Errors
    /// Per user, `RESOURCE_NOT_FOUND` for one without.
    pub async fn describe_scram_users(
        &self,
        users: &[String],
    ) -> Result<Outcomes<Vec<(ScramMechanism, i32)>>, ClientError> {
        let mut retry = self.cluster.retry("describing users");
        loop {
            match self.ask_scram_users(users).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn ask_scram_users(
        &self,
        users: &[String],
    ) -> Result<Outcomes<Vec<(ScramMechanism, i32)>>, ClientError> {
        let names = users.iter().map(|name| UserName { name: name.as_str().into() });
        let users = (!users.is_empty()).then(|| names.collect());
        let response = self.any(&DescribeUserScramCredentialsRequest { users }).await?;
        let answer = response.decode::<DescribeUserScramCredentialsResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api("users", answer.error_code, answer.error_message.as_deref()));
        }
        let outcomes = answer.results.iter().map(|result| {
            let name = result.user.to_string();
            if result.error_code.is_error() {
                let message = result.error_message.as_deref();
                return (name.clone(), Err(ClientError::api(name, result.error_code, message)));
            }
            let known = result.credential_infos.iter().filter_map(|info| {
                let mechanism = MECHANISMS.into_iter().find(|known| known.number() == info.mechanism)?;
                Some((mechanism, info.iterations))
            });
            (name, Ok(known.collect()))
        });
        Ok(outcomes.collect())
    }

    /// Changes what a user may log in with. Passwords are salted here.
    ///
    /// # Errors
    /// As the controller says, for example `UNACCEPTABLE_CREDENTIAL`.
    pub async fn alter_scram_user(&self, user: &str, changes: &[ScramChange]) -> Result<(), ClientError> {
        let mut request = AlterUserScramCredentialsRequest::default();
        for change in changes {
            match change {
                ScramChange::Upsert { mechanism, iterations, password } => {
                    let rng = &self.cluster.rng;
                    let salt = [rng.uuid_bytes(), rng.uuid_bytes()].concat();
                    let rounds = u32::try_from(*iterations).unwrap_or(0).max(1);
                    let salted_password = mechanism.salted_password(password.as_bytes(), &salt, rounds);
                    request.upsertions.push(ScramCredentialUpsertion {
                        name: user.into(),
                        mechanism: mechanism.number(),
                        iterations: *iterations,
                        salt: salt.into(),
                        salted_password: salted_password.into(),
                    });
                }
                ScramChange::Delete(mechanism) => request
                    .deletions
                    .push(ScramCredentialDeletion { name: user.into(), mechanism: mechanism.number() }),
            }
        }
        let mut retry = self.cluster.retry(format!("changing user {user}"));
        loop {
            let error = match self.any(&request).await {
                Ok(response) => {
                    let answer = response.decode::<AlterUserScramCredentialsResponse<'_>>()?;
                    match answer.results.iter().find(|result| result.error_code != ErrorCode::NONE) {
                        None => return Ok(()),
                        Some(result) => {
                            ClientError::api(user, result.error_code, result.error_message.as_deref())
                        }
                    }
                }
                Err(error) => error,
            };
            retry.pause(error).await?;
        }
    }
}

#[cfg(test)]
mod tests;
