//! Changes of dynamic configurations: whole ones and single keys.

use std::collections::BTreeMap;

use metadata::{ConfigResource, ConfigResourceType};
use protocol::{ErrorCode, MetadataRecord};

use crate::config_alterations::{AlterOperation, ConfigAlterations, ResourceAlteration};
use crate::config_change::{ConfigChange, clear_elr_records};
use crate::{ApiError, Controller, Outcome, RECORDS_PER_REQUEST_MAX};

type Records = Vec<MetadataRecord<'static>>;

impl Controller {
    /// Changes configurations. Each resource succeeds or fails by itself, with all its keys; there is one result for each.
    ///
    /// Whether a broker's keys have good values is for that broker to say, before it asks here: it alone can check file
    /// names and the like.
    pub fn handle_alter_configs(&self, request: &ConfigAlterations) -> Outcome<Vec<Result<(), ApiError>>> {
        let is_unknown = |resource: &ResourceAlteration| {
            resource.keys.iter().any(|key| matches!(key.operation, AlterOperation::Unknown(_)))
        };
        if request.resources.iter().any(is_unknown) {
            // Kafka's controller stumbles over the whole request.
            let stumble = || Err(ApiError::new(ErrorCode::UNKNOWN_SERVER_ERROR, ""));
            return Outcome::answer(request.resources.iter().map(|_| stumble()).collect());
        }
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(request.resources.len());
        for (resource, is_repeated) in request.resources.iter().zip(request.repeated()) {
            let result = match is_repeated {
                true => Err(ConfigAlterations::repeated_resource()),
                false => self.alter_resource(resource),
            };
            results.push(result.map(|new| records.extend(new)));
        }
        match self.finish(records, request.validate_only) {
            Ok(records) => Outcome::atomic(records, results),
            Err(error) => Outcome::answer(results.iter().map(|_| Err(error.clone())).collect()),
        }
    }

    fn alter_resource(&self, alteration: &ResourceAlteration) -> Result<Records, ApiError> {
        alteration.check_form()?;
        let resource = self.stored_resource(alteration.resource_type, &alteration.name)?;
        let mut altered = BTreeMap::new();
        if alteration.replaces_all {
            altered.extend(self.current_configs(&resource).into_keys().map(|key| (key, None)));
        }
        for key in &alteration.keys {
            altered.insert(key.key.clone(), self.operate(&resource, key)?);
        }
        self.change_records(&ConfigChange { resource: &resource, altered })
    }

    /// The resource a request names, if its configuration is stored in the metadata log.
    fn stored_resource(&self, resource_type: i8, name: &str) -> Result<ConfigResource, ApiError> {
        match ConfigResourceType::from_id(resource_type) {
            None | Some(ConfigResourceType::BrokerLogger) => {
                let message = format!("Unknown resource type {resource_type}");
                Err(ApiError::new(ErrorCode::INVALID_REQUEST, message))
            }
            Some(resource_type) => Ok(ConfigResource::new(resource_type, name)),
        }
    }

    fn finish(&self, mut records: Records, is_validate_only: bool) -> Result<Records, ApiError> {
        records.extend(clear_elr_records(self.features().eligible_leader_replicas(), &records));
        if records.len() > RECORDS_PER_REQUEST_MAX {
            let message = format!("One request may change at most {RECORDS_PER_REQUEST_MAX} keys.");
            return Err(ApiError::new(ErrorCode::POLICY_VIOLATION, message));
        }
        Ok(if is_validate_only { Vec::new() } else { records })
    }
}
