//! The voter set: who may vote, where they listen, which versions of `kraft.version` they speak. Never who leads.

use std::collections::BTreeMap;
use std::fmt;

use protocol::voters_record::{self, KRaftVersionFeature};
use protocol::{Uuid, VotersRecord};

use crate::ReplicaKey;

/// Newest `kraft.version` this code speaks: 1, voters with directory ids kept in the log (KIP-853).
pub const KRAFT_VERSION_LATEST: i16 = 1;

/// A listener of a voter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Listener name, such as `CONTROLLER`.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A member of the voter set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// Who.
    pub key: ReplicaKey,
    /// Where, by listener name.
    pub endpoints: Vec<Endpoint>,
    /// Lowest `kraft.version` it speaks.
    pub kraft_version_min: i16,
    /// Highest `kraft.version` it speaks.
    pub kraft_version_max: i16,
}

impl Voter {
    /// The voter that a node of this code is.
    pub fn local(key: ReplicaKey, endpoints: Vec<Endpoint>) -> Voter {
        Voter { key, endpoints, kraft_version_min: 0, kraft_version_max: KRAFT_VERSION_LATEST }
    }
}

/// The voters, by node id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VoterSet {
    voters: BTreeMap<i32, Voter>,
}

impl VoterSet {
    /// A set from its members; of two members with one id the later one counts.
    pub fn new(voters: impl IntoIterator<Item = Voter>) -> VoterSet {
        VoterSet { voters: voters.into_iter().map(|voter| (voter.key.id, voter)).collect() }
    }

    /// Members by id.
    pub fn iter(&self) -> impl Iterator<Item = &Voter> {
        self.voters.values()
    }

    /// Keys of the members by id.
    pub fn keys(&self) -> impl Iterator<Item = ReplicaKey> {
        self.voters.values().map(|voter| voter.key)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.voters.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.voters.is_empty()
    }

    /// The member with this id.
    pub fn get(&self, id: i32) -> Option<&Voter> {
        self.voters.get(&id)
    }

    /// True if exactly this replica is a member. A member without a known directory id matches any directory.
    pub fn contains(&self, key: &ReplicaKey) -> bool {
        self.voters.get(&key.id).is_some_and(|voter| {
            voter.key.directory_id == key.directory_id || voter.key.directory_id == Uuid::ZERO
        })
    }

    /// How many members make a majority.
    pub fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    /// The set with one member added or replaced.
    pub fn with(&self, voter: Voter) -> VoterSet {
        let mut voters = self.voters.clone();
        voters.insert(voter.key.id, voter);
        VoterSet { voters }
    }

    /// From the control record.
    pub fn from_record(record: &VotersRecord<'_>) -> VoterSet {
        VoterSet::new(record.voters.iter().map(|voter| {
            Voter {
                key: ReplicaKey::new(voter.voter_id, voter.voter_directory_id),
                endpoints: voter
                    .endpoints
                    .iter()
                    .map(|endpoint| Endpoint {
                        name: endpoint.name.clone().into_owned(),
                        host: endpoint.host.clone().into_owned(),
                        port: endpoint.port,
                    })
                    .collect(),
                kraft_version_min: voter.kraft_version_feature.min_supported_version,
                kraft_version_max: voter.kraft_version_feature.max_supported_version,
            }
        }))
    }

    /// To the control record (version 0).
    pub fn to_record(&self) -> VotersRecord<'static> {
        let voters = self.voters.values().map(|voter| voters_record::Voter {
            voter_id: voter.key.id,
            voter_directory_id: voter.key.directory_id,
            endpoints: voter
                .endpoints
                .iter()
                .map(|endpoint| voters_record::Endpoint {
                    name: endpoint.name.clone().into(),
                    host: endpoint.host.clone().into(),
                    port: endpoint.port,
                })
                .collect(),
            kraft_version_feature: KRaftVersionFeature {
                min_supported_version: voter.kraft_version_min,
                max_supported_version: voter.kraft_version_max,
            },
        });
        VotersRecord { version: 0, voters: voters.collect() }
    }
}

impl fmt::Display for VoterSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.keys().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{key}")?;
        }
        Ok(())
    }
}
