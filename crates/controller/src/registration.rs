//! Brokers and controllers enter and leave the cluster.

use std::collections::{BTreeMap, BTreeSet};

use metadata::METADATA_VERSION;
use protocol::register_broker_record::{BrokerEndpoint, BrokerFeature};
use protocol::register_controller_record::{ControllerEndpoint, ControllerFeature};
use protocol::{
    BrokerRegistrationRequest, BrokerRegistrationResponse, ControllerRegistrationRequest,
    ControllerRegistrationResponse, ErrorCode, MetadataRecord, RegisterBrokerRecord,
    RegisterControllerRecord, UnregisterBrokerRecord, UnregisterControllerRecord, Uuid,
};

use crate::partition_change::Departure;
use crate::{ApiError, Controller, Outcome};

/// First `metadata.version` with the record that unregisters a controller (4.4-IV2).
const CONTROLLER_UNREGISTRATION_VERSION_MIN: i16 = 33;

impl Controller {
    /// A broker asks to become part of the cluster (KIP-631). `next_offset` is where the first of the returned records
    /// will lie; it becomes the broker's epoch.
    ///
    /// A new incarnation first loses what its predecessor held: after a clean stop (the broker still knows its epoch)
    /// it leaves each ISR but stays eligible, after any other it is trusted with nothing it may have lost.
    ///
    /// # Errors
    /// INCONSISTENT_CLUSTER_ID, DUPLICATE_BROKER_REGISTRATION, BROKER_ID_NOT_REGISTERED (a broker of the ZooKeeper
    /// age), INVALID_REGISTRATION, UNSUPPORTED_VERSION.
    pub fn handle_broker_registration(
        &self,
        now_ms: i64,
        next_offset: i64,
        request: &BrokerRegistrationRequest<'_>,
    ) -> Result<Outcome<BrokerRegistrationResponse>, ApiError> {
        let existing = self.image().cluster().broker(request.broker_id);
        let is_same_incarnation =
            existing.is_some_and(|broker| broker.incarnation_id == request.incarnation_id);
        self.check_registration(now_ms, request, is_same_incarnation)?;

        let mut records = Vec::new();
        let mut record = registration_record(request);
        self.check_features(request)?;
        match existing {
            Some(broker) if is_same_incarnation => {
                record.fenced = broker.fenced;
                record.in_controlled_shutdown = broker.in_controlled_shutdown;
                record.broker_epoch = broker.epoch;
            }
            _ => {
                let is_clean = existing.is_some_and(|broker| broker.epoch == request.previous_broker_epoch);
                let departure = Departure::of_earlier_incarnation(request.broker_id, is_clean);
                records.extend(self.departure_records(departure));
                record.broker_epoch = next_offset;
            }
        }
        let broker_epoch = record.broker_epoch;
        // The registration comes last: should only some of the records survive, the broker registers again.
        records.push(MetadataRecord::RegisterBroker(record));
        let response = BrokerRegistrationResponse { broker_epoch, ..BrokerRegistrationResponse::default() };
        Ok(Outcome::gradual(records, response))
    }

    /// Takes a broker out of the cluster (UnregisterBroker).
    ///
    /// # Errors
    /// BROKER_ID_NOT_REGISTERED.
    pub fn handle_unregister_broker(&self, broker_id: i32) -> Result<Outcome<()>, ApiError> {
        let Some(broker) = self.image().cluster().broker(broker_id) else {
            let message = format!("Broker ID {broker_id} is not currently registered");
            return Err(ApiError::new(ErrorCode::BROKER_ID_NOT_REGISTERED, message));
        };
        let mut records = self.departure_records(Departure::unregistered(broker_id));
        records.push(MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
            broker_id,
            broker_epoch: broker.epoch,
        }));
        Ok(Outcome::gradual(records, ()))
    }

    /// Takes a controller out of the cluster (KIP-1312).
    ///
    /// # Errors
    /// INVALID_REQUEST for a voter or this controller itself; UNSUPPORTED_VERSION; CONTROLLER_ID_NOT_REGISTERED.
    pub fn handle_unregister_controller(
        &self,
        controller_id: i32,
        voters: &[i32],
    ) -> Result<Outcome<()>, ApiError> {
        if controller_id == self.node_id || voters.contains(&controller_id) {
            let message =
                format!("Controller {controller_id} is active or a voter, and cannot be unregistered.");
            return Err(ApiError::new(ErrorCode::INVALID_REQUEST, message));
        }
        if self.features().level(METADATA_VERSION) < CONTROLLER_UNREGISTRATION_VERSION_MIN {
            let message = "The metadata.version is too old for controllers to be unregistered.";
            return Err(ApiError::new(ErrorCode::UNSUPPORTED_VERSION, message));
        }
        if self.image().cluster().controller(controller_id).is_none() {
            let message = format!("Controller {controller_id} is not registered.");
            return Err(ApiError::new(ErrorCode::CONTROLLER_ID_NOT_REGISTERED, message));
        }
        let record = UnregisterControllerRecord { controller_id };
        Ok(Outcome::atomic(vec![MetadataRecord::UnregisterController(record)], ()))
    }

    /// A controller makes itself known with its listeners and features (KIP-919).
    pub fn handle_controller_registration(
        &self,
        request: &ControllerRegistrationRequest<'_>,
    ) -> Outcome<ControllerRegistrationResponse<'static>> {
        let end_points = request.listeners.iter().map(|listener| ControllerEndpoint {
            name: listener.name.clone().into_owned().into(),
            host: listener.host.clone().into_owned().into(),
            port: listener.port,
            security_protocol: listener.security_protocol,
        });
        let features = request.features.iter().map(|feature| ControllerFeature {
            name: feature.name.clone().into_owned().into(),
            min_supported_version: feature.min_supported_version,
            max_supported_version: feature.max_supported_version,
        });
        let record = RegisterControllerRecord {
            controller_id: request.controller_id,
            incarnation_id: request.incarnation_id,
            zk_migration_ready: false,
            end_points: end_points.collect(),
            features: features.collect(),
        };
        let records = vec![MetadataRecord::RegisterController(record)];
        Outcome::atomic(
            records,
            ControllerRegistrationResponse {
                error_message: None,
                ..ControllerRegistrationResponse::default()
            },
        )
    }

    /// Checks that a request is meant for this cluster; one that names none is.
    ///
    /// # Errors
    /// INCONSISTENT_CLUSTER_ID.
    pub fn check_cluster_id(&self, named: Option<&str>) -> Result<(), ApiError> {
        match named {
            Some(named) if named != self.cluster_id => {
                let message = format!("Expected cluster ID {}, but got cluster ID {named}", self.cluster_id);
                Err(ApiError::new(ErrorCode::INCONSISTENT_CLUSTER_ID, message))
            }
            _ => Ok(()),
        }
    }

    fn check_registration(
        &self,
        now_ms: i64,
        request: &BrokerRegistrationRequest<'_>,
        is_same_incarnation: bool,
    ) -> Result<(), ApiError> {
        self.check_cluster_id(Some(&request.cluster_id))?;
        let existing = self.image().cluster().broker(request.broker_id);
        let is_alive = existing.is_some_and(|broker| self.sessions.is_valid(broker.id, broker.epoch, now_ms));
        if is_alive && !is_same_incarnation {
            return Err(ApiError::new(
                ErrorCode::DUPLICATE_BROKER_REGISTRATION,
                format!(
                    "Broker {} is registered by another process whose session is valid. If it has stopped, its \
                     session ends within {} ms.",
                    request.broker_id, self.config.metadata_log.broker_session_timeout_ms
                ),
            ));
        }
        if request.is_migrating_zk_broker {
            return Err(ApiError::new(
                ErrorCode::BROKER_ID_NOT_REGISTERED,
                "A broker that migrates from ZooKeeper cannot be registered.",
            ));
        }
        self.check_directories(request)
    }

    fn check_directories(&self, request: &BrokerRegistrationRequest<'_>) -> Result<(), ApiError> {
        let invalid = |message: String| Err(ApiError::new(ErrorCode::INVALID_REGISTRATION, message));
        if request.log_dirs.is_empty() {
            return invalid("No directories specified in request".to_owned());
        }
        if request.log_dirs.iter().any(|id| metadata::is_reserved_directory(*id)) {
            return invalid("Reserved directory ID in request".to_owned());
        }
        let distinct: BTreeSet<&Uuid> = request.log_dirs.iter().collect();
        if distinct.len() != request.log_dirs.len() {
            return invalid("Duplicate directory ID in request".to_owned());
        }
        for broker in self.image().cluster().brokers().filter(|broker| broker.id != request.broker_id) {
            if let Some(id) = broker.directories.iter().find(|id| distinct.contains(id)) {
                return invalid(format!("Broker {} is already registered with directory {id}", broker.id));
            }
        }
        Ok(())
    }

    /// Every finalized level must be one the broker speaks; a feature the broker does not name it speaks at level 0.
    fn check_features(&self, request: &BrokerRegistrationRequest<'_>) -> Result<(), ApiError> {
        let spoken: BTreeMap<&str, (i16, i16)> = request
            .features
            .iter()
            .map(|feature| {
                (feature.name.as_ref(), (feature.min_supported_version, feature.max_supported_version))
            })
            .collect();
        if !spoken.contains_key(METADATA_VERSION) {
            let message = format!("Request features do not contain '{METADATA_VERSION}'");
            return Err(ApiError::new(ErrorCode::INVALID_REGISTRATION, message));
        }
        let finalized: BTreeMap<&str, i16> = self.features().finalized().collect();
        let names: BTreeSet<&str> = spoken.keys().chain(finalized.keys()).copied().collect();
        for name in names {
            let (min, max) = spoken.get(name).copied().unwrap_or((0, 0));
            let level = finalized.get(name).copied().unwrap_or(0);
            // The level of kraft.version lives in the quorum's own records and is checked there.
            let is_checked_here =
                name != metadata::KRAFT_VERSION && !metadata::is_carried_feature(name, level);
            if is_checked_here && !(min..=max).contains(&level) {
                return Err(ApiError::new(
                    ErrorCode::UNSUPPORTED_VERSION,
                    format!(
                        "Unable to register because the broker does not support finalized version {level} of {name}. \
                         The broker wants a version between {min} and {max}, inclusive."
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn registration_record(request: &BrokerRegistrationRequest<'_>) -> RegisterBrokerRecord<'static> {
    let end_points = request.listeners.iter().map(|listener| BrokerEndpoint {
        name: listener.name.clone().into_owned().into(),
        host: listener.host.clone().into_owned().into(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = request.features.iter().map(|feature| BrokerFeature {
        name: feature.name.clone().into_owned().into(),
        min_supported_version: feature.min_supported_version,
        max_supported_version: feature.max_supported_version,
    });
    RegisterBrokerRecord {
        broker_id: request.broker_id,
        incarnation_id: request.incarnation_id,
        end_points: end_points.collect(),
        features: features.collect(),
        rack: request.rack.as_ref().map(|rack| rack.clone().into_owned().into()),
        fenced: true,
        log_dirs: request.log_dirs.clone(),
        ..RegisterBrokerRecord::default()
    }
}
