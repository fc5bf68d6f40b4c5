//! A registered broker: incarnation, listeners, directories, whether it is fenced. Never its heartbeats.

use std::collections::BTreeMap;

use protocol::register_broker_record::{BrokerEndpoint, BrokerFeature};
use protocol::{BrokerRegistrationChangeRecord, RegisterBrokerRecord, Uuid};

use crate::{DIRECTORY_UNASSIGNED, ReplayError};

/// A listener of a broker or controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Listener name, such as `PLAINTEXT`.
    pub name: String,
    /// Advertised host.
    pub host: String,
    /// Advertised port.
    pub port: u16,
    /// Security protocol id: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// Levels of a feature that a node speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// Lowest.
    pub min: i16,
    /// Highest.
    pub max: i16,
}

/// A broker as registered with the controller (KIP-631).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// Node id.
    pub id: i32,
    /// Offset of the registration in the metadata log; grows with each incarnation.
    pub epoch: i64,
    /// Chosen at random by each start of the process.
    pub incarnation_id: Uuid,
    /// Listeners in the order registered.
    pub endpoints: Vec<Endpoint>,
    /// Feature levels it speaks.
    pub features: BTreeMap<String, VersionRange>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// True while it may lead nothing and be in no ISR.
    pub fenced: bool,
    /// True while it hands over before it stops.
    pub in_controlled_shutdown: bool,
    /// Ids of its online log directories (KIP-858).
    pub directories: Vec<Uuid>,
    /// Directories that take no new replicas (KIP-1066); `None` until the broker has said which.
    pub cordoned_directories: Option<Vec<Uuid>>,
}

/// Values of `Fenced` and `InControlledShutdown` in a change record.
const NO_CHANGE: i8 = 0;

impl BrokerRegistration {
    /// The listener with this name.
    pub fn endpoint(&self, listener_name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener_name)
    }

    /// True if it may lead partitions and be in an ISR.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// True if some directory takes new replicas.
    pub fn has_uncordoned_directories(&self) -> bool {
        match &self.cordoned_directories {
            Some(cordoned) if !cordoned.is_empty() => {
                self.directories.iter().any(|id| !cordoned.contains(id))
            }
            _ => true,
        }
    }

    /// The directory a new replica goes to: the only one there is, or [`DIRECTORY_UNASSIGNED`] when the broker is to
    /// choose.
    pub fn default_directory(&self) -> Uuid {
        match self.directories.as_slice() {
            [only] => *only,
            _ => DIRECTORY_UNASSIGNED,
        }
    }

    pub(crate) fn from_record(record: &RegisterBrokerRecord<'_>) -> BrokerRegistration {
        let endpoints = record.end_points.iter().map(|endpoint| Endpoint {
            name: endpoint.name.clone().into_owned(),
            host: endpoint.host.clone().into_owned(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
        let features = record.features.iter().map(|feature| {
            let range =
                VersionRange { min: feature.min_supported_version, max: feature.max_supported_version };
            (feature.name.clone().into_owned(), range)
        });
        BrokerRegistration {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: endpoints.collect(),
            features: features.collect(),
            rack: record.rack.as_ref().map(|rack| rack.clone().into_owned()),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            directories: record.log_dirs.clone(),
            cordoned_directories: record.cordoned_log_dirs.clone(),
        }
    }

    pub(crate) fn to_record(&self) -> RegisterBrokerRecord<'static> {
        let end_points = self.endpoints.iter().map(|endpoint| BrokerEndpoint {
            name: endpoint.name.clone().into(),
            host: endpoint.host.clone().into(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
        let features = self.features.iter().map(|(name, range)| BrokerFeature {
            name: name.clone().into(),
            min_supported_version: range.min,
            max_supported_version: range.max,
        });
        RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: false,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: end_points.collect(),
            features: features.collect(),
            rack: self.rack.clone().map(Into::into),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.directories.clone(),
            cordoned_log_dirs: self.cordoned_directories.clone(),
        }
    }

    /// Applies a change record: each field either changes something or is absent.
    pub(crate) fn apply(&mut self, record: &BrokerRegistrationChangeRecord) -> Result<(), ReplayError> {
        let name = "BrokerRegistrationChangeRecord";
        match record.fenced {
            NO_CHANGE => {}
            1 => self.fenced = true,
            -1 => self.fenced = false,
            other => return Err(ReplayError::Value { record: name, field: "Fenced", value: other.into() }),
        }
        match record.in_controlled_shutdown {
            NO_CHANGE => {}
            1 => self.in_controlled_shutdown = true,
            other => {
                return Err(ReplayError::Value {
                    record: name,
                    field: "InControlledShutdown",
                    value: other.into(),
                });
            }
        }
        if !record.log_dirs.is_empty() {
            self.directories = record.log_dirs.clone();
        }
        if let Some(cordoned) = &record.cordoned_log_dirs {
            self.cordoned_directories = Some(cordoned.clone());
        }
        Ok(())
    }
}
