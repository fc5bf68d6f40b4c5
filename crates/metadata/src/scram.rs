//! SCRAM credentials, as stored. Never a password, never an authentication.

use std::collections::BTreeMap;
use std::fmt;

use protocol::{MetadataRecord, RemoveUserScramCredentialRecord, UserScramCredentialRecord};

use crate::ReplayError;

/// What a broker needs to check a client's proof (RFC 5802).
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredential {
    /// Salt.
    pub salt: Vec<u8>,
    /// Hash of the client key.
    pub stored_key: Vec<u8>,
    /// Key of the server's signature.
    pub server_key: Vec<u8>,
    /// Rounds of the key derivation.
    pub iterations: i32,
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredential").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// All SCRAM credentials, by mechanism (1 SCRAM-SHA-256, 2 SCRAM-SHA-512) and user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScramImage {
    credentials: BTreeMap<(i8, String), ScramCredential>,
}

impl ScramImage {
    /// Credentials by mechanism and user.
    pub fn iter(&self) -> impl Iterator<Item = (i8, &str, &ScramCredential)> {
        self.credentials.iter().map(|((mechanism, name), credential)| (*mechanism, name.as_str(), credential))
    }

    /// The credential of a user for a mechanism.
    pub fn get(&self, mechanism: i8, user: &str) -> Option<&ScramCredential> {
        self.credentials.get(&(mechanism, user.to_owned()))
    }

    pub(crate) fn replay(&mut self, record: &UserScramCredentialRecord<'_>) {
        let credential = ScramCredential {
            salt: record.salt.to_vec(),
            stored_key: record.stored_key.to_vec(),
            server_key: record.server_key.to_vec(),
            iterations: record.iterations,
        };
        self.credentials.insert((record.mechanism, record.name.clone().into_owned()), credential);
    }

    pub(crate) fn replay_remove(
        &mut self,
        record: &RemoveUserScramCredentialRecord<'_>,
    ) -> Result<(), ReplayError> {
        let key = (record.mechanism, record.name.clone().into_owned());
        self.credentials.remove(&key).map(|_| ()).ok_or_else(|| ReplayError::Missing {
            record: "RemoveUserScramCredentialRecord",
            what: format!("credential of user {:?} for mechanism {}", key.1, key.0),
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<MetadataRecord<'static>>) {
        out.extend(self.credentials.iter().map(|((mechanism, name), credential)| {
            MetadataRecord::UserScramCredential(UserScramCredentialRecord {
                name: name.clone().into(),
                mechanism: *mechanism,
                salt: credential.salt.clone().into(),
                stored_key: credential.stored_key.clone().into(),
                server_key: credential.server_key.clone().into(),
                iterations: credential.iterations,
            })
        }));
    }
}
