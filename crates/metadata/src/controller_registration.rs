//! A registered controller (KIP-919). Never whether it leads: the quorum knows that.

use std::collections::BTreeMap;

use protocol::register_controller_record::{ControllerEndpoint, ControllerFeature};
use protocol::{RegisterControllerRecord, Uuid};

use crate::{Endpoint, VersionRange};

/// A controller as registered with the active one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerRegistration {
    /// Node id.
    pub id: i32,
    /// Chosen at random by each start of the process.
    pub incarnation_id: Uuid,
    /// A remnant of the migration from ZooKeeper, kept so that no record loses a field.
    pub zk_migration_ready: bool,
    /// Listeners in the order registered.
    pub endpoints: Vec<Endpoint>,
    /// Feature levels it speaks.
    pub features: BTreeMap<String, VersionRange>,
}

impl ControllerRegistration {
    pub(crate) fn from_record(record: &RegisterControllerRecord<'_>) -> ControllerRegistration {
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
        ControllerRegistration {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            endpoints: endpoints.collect(),
            features: features.collect(),
        }
    }

    pub(crate) fn to_record(&self) -> RegisterControllerRecord<'static> {
        let end_points = self.endpoints.iter().map(|endpoint| ControllerEndpoint {
            name: endpoint.name.clone().into(),
            host: endpoint.host.clone().into(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
        let features = self.features.iter().map(|(name, range)| ControllerFeature {
            name: name.clone().into(),
            min_supported_version: range.min,
            max_supported_version: range.max,
        });
        RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: self.zk_migration_ready,
            end_points: end_points.collect(),
            features: features.collect(),
        }
    }
}
