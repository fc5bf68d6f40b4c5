//! AlterConfigs and IncrementalAlterConfigs.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use metadata::{ConfigResource, ConfigResourceType};
use protocol::{
    AlterConfigsRequest, AlterConfigsResponse, ErrorCode, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, MetadataRecord, alter_configs_request, alter_configs_response,
    incremental_alter_configs_request, incremental_alter_configs_response,
};

use crate::config_change::{ConfigChange, ConfigOperation, clear_elr_records};
use crate::{ApiError, Controller, Outcome, RECORDS_PER_REQUEST_MAX};

/// Levels a logger can have.
const LOG_LEVELS: [&str; 6] = ["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"];

type Records = Vec<MetadataRecord<'static>>;

impl Controller {
    /// Replaces the whole configuration of each resource. Each succeeds or fails by itself.
    pub fn handle_alter_configs(
        &self,
        request: &AlterConfigsRequest<'_>,
    ) -> Outcome<AlterConfigsResponse<'static>> {
        let keys = request.resources.iter().map(|r| (r.resource_type, r.resource_name.as_ref()));
        let repeated = repeated(keys);
        let mut records = Vec::new();
        let mut responses = Vec::new();
        for resource in &request.resources {
            let key = (resource.resource_type, resource.resource_name.as_ref());
            let result = match repeated.contains(&key) {
                true => Err(repeated_resource()),
                false => self.alter_resource(resource),
            };
            let (error_code, error_message) = take(result, &mut records);
            responses.push(alter_configs_response::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone().into_owned().into(),
            });
        }
        let response = AlterConfigsResponse { responses, ..AlterConfigsResponse::default() };
        match self.finish(records, request.validate_only) {
            Ok(records) => Outcome::atomic(records, response),
            Err(error) => {
                let mut response = response;
                for resource in &mut response.responses {
                    resource.error_code = error.code;
                    resource.error_message = Some(error.message.clone());
                }
                Outcome::answer(response)
            }
        }
    }

    /// Changes single keys of each resource. Each resource succeeds or fails by itself, with all its keys.
    pub fn handle_incremental_alter_configs(
        &self,
        request: &IncrementalAlterConfigsRequest<'_>,
    ) -> Outcome<IncrementalAlterConfigsResponse<'static>> {
        let keys = request.resources.iter().map(|r| (r.resource_type, r.resource_name.as_ref()));
        let repeated = repeated(keys);
        let mut records = Vec::new();
        let mut responses = Vec::new();
        for resource in &request.resources {
            let key = (resource.resource_type, resource.resource_name.as_ref());
            let result = match repeated.contains(&key) {
                true => Err(repeated_resource()),
                false => self.incrementally_alter_resource(resource),
            };
            let (error_code, error_message) = take(result, &mut records);
            responses.push(incremental_alter_configs_response::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.clone().into_owned().into(),
            });
        }
        let response = IncrementalAlterConfigsResponse { responses, ..Default::default() };
        match self.finish(records, request.validate_only) {
            Ok(records) => Outcome::atomic(records, response),
            Err(error) => {
                let mut response = response;
                for resource in &mut response.responses {
                    resource.error_code = error.code;
                    resource.error_message = Some(error.message.clone());
                }
                Outcome::answer(response)
            }
        }
    }

    fn alter_resource(
        &self,
        request: &alter_configs_request::AlterConfigsResource<'_>,
    ) -> Result<Records, ApiError> {
        check_keys(request.configs.iter().map(|config| config.name.as_ref()))?;
        let nulls = request.configs.iter().filter(|config| config.value.is_none());
        check_no_nulls(nulls.map(|config| config.name.as_ref()))?;
        let resource = self.stored_resource(request.resource_type, &request.resource_name)?;
        let removed = self.current_configs(&resource).into_keys().map(|key| (key, None));
        let mut altered: BTreeMap<String, Option<String>> = removed.collect();
        altered.extend(request.configs.iter().map(|config| {
            (config.name.clone().into_owned(), config.value.as_ref().map(|value| value.clone().into_owned()))
        }));
        self.change_records(&ConfigChange { resource: &resource, altered })
    }

    fn incrementally_alter_resource(
        &self,
        request: &incremental_alter_configs_request::AlterConfigsResource<'_>,
    ) -> Result<Records, ApiError> {
        check_keys(request.configs.iter().map(|config| config.name.as_ref()))?;
        let nulls =
            request.configs.iter().filter(|config| config.config_operation != 1 && config.value.is_none());
        check_no_nulls(nulls.map(|config| config.name.as_ref()))?;
        if request.resource_type == ConfigResourceType::BrokerLogger.id() {
            return self.check_logger_change(request).map(|()| Vec::new());
        }
        let resource = self.stored_resource(request.resource_type, &request.resource_name)?;
        let mut altered = BTreeMap::new();
        for config in &request.configs {
            let operation = operation(config)?;
            let value = self.operate(&resource, &config.name, operation)?;
            altered.insert(config.name.clone().into_owned(), value);
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
            Some(ConfigResourceType::Broker) if !name.is_empty() => {
                self.check_own_id(name)?;
                Ok(ConfigResource::broker(self.node_id))
            }
            Some(resource_type) => Ok(ConfigResource::new(resource_type, name)),
        }
    }

    /// A broker's own configuration is changed by asking that broker: it alone can check file names and the like.
    fn check_own_id(&self, name: &str) -> Result<(), ApiError> {
        let invalid = |message: String| Err(ApiError::new(ErrorCode::INVALID_REQUEST, message));
        match name.parse::<i32>() {
            Err(_) => invalid(format!("Node id must be an integer, but it is: {name}")),
            Ok(id) if id != self.node_id => {
                invalid(format!("Unexpected broker id, expected {}, but received {name}", self.node_id))
            }
            Ok(_) => Ok(()),
        }
    }

    /// Levels of single loggers cannot be changed at run time: this node has no logger of the names Kafka's have, and
    /// says so as Kafka does of an unknown one.
    fn check_logger_change(
        &self,
        request: &incremental_alter_configs_request::AlterConfigsResource<'_>,
    ) -> Result<(), ApiError> {
        self.check_own_id(&request.resource_name)?;
        // No operation on an unknown logger succeeds, so that the first one decides.
        let Some(config) = request.configs.first() else { return Ok(()) };
        match operation(config)? {
            ConfigOperation::Append(_) | ConfigOperation::Subtract(_) => {
                let message = "Lists of values are not allowed for the BROKER_LOGGER resource";
                Err(ApiError::new(ErrorCode::INVALID_REQUEST, message))
            }
            ConfigOperation::Set(level) if !LOG_LEVELS.contains(&level.as_str()) => {
                let message = format!(
                    "Cannot set the log level of {} to {level} as it is not a supported log level. Valid log levels \
                     are {}",
                    config.name,
                    LOG_LEVELS.join(", ")
                );
                Err(ApiError::new(ErrorCode::INVALID_CONFIG, message))
            }
            ConfigOperation::Set(_) | ConfigOperation::Delete => {
                let message = format!("Logger {} does not exist!", config.name);
                Err(ApiError::new(ErrorCode::INVALID_CONFIG, message))
            }
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

fn operation(
    config: &incremental_alter_configs_request::AlterableConfig<'_>,
) -> Result<ConfigOperation, ApiError> {
    let value = || config.value.as_ref().map(|value| value.clone().into_owned()).unwrap_or_default();
    match config.config_operation {
        0 => Ok(ConfigOperation::Set(value())),
        1 => Ok(ConfigOperation::Delete),
        2 => Ok(ConfigOperation::Append(value())),
        3 => Ok(ConfigOperation::Subtract(value())),
        other => Err(ApiError::new(ErrorCode::INVALID_REQUEST, format!("Unknown operations type {other}"))),
    }
}

fn take(result: Result<Records, ApiError>, records: &mut Records) -> (ErrorCode, Option<Cow<'static, str>>) {
    match result {
        Ok(new) => {
            records.extend(new);
            (ErrorCode::NONE, None)
        }
        Err(error) => (error.code, Some(error.message)),
    }
}

/// Resources that a request names more than once.
fn repeated<'a>(keys: impl Iterator<Item = (i8, &'a str)>) -> BTreeSet<(i8, &'a str)> {
    let mut seen = BTreeSet::new();
    keys.filter(|key| !seen.insert(*key)).collect()
}

fn repeated_resource() -> ApiError {
    ApiError::new(ErrorCode::INVALID_REQUEST, "Each resource must appear at most once.")
}

fn check_keys<'a>(mut keys: impl Iterator<Item = &'a str>) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    match keys.all(|key| seen.insert(key)) {
        true => Ok(()),
        false => Err(ApiError::new(ErrorCode::INVALID_REQUEST, "Error due to duplicate config keys")),
    }
}

fn check_no_nulls<'a>(nulls: impl Iterator<Item = &'a str>) -> Result<(), ApiError> {
    let nulls: Vec<&str> = nulls.collect();
    match nulls.is_empty() {
        true => Ok(()),
        false => {
            let message = format!("Null value not supported for : {}", nulls.join(", "));
            Err(ApiError::new(ErrorCode::INVALID_REQUEST, message))
        }
    }
}
