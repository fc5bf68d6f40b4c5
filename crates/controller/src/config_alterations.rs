//! What AlterConfigs and IncrementalAlterConfigs ask for, in one form. Never whether it is allowed.

use std::borrow::Cow;
use std::collections::BTreeSet;

use protocol::{
    AlterConfigsRequest, AlterConfigsResponse, ErrorCode, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, alter_configs_response, incremental_alter_configs_response,
};

use crate::ApiError;

/// What is done to one key (`AlterConfigOp.OpType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterOperation {
    /// Give it a value.
    Set,
    /// Take it away.
    Delete,
    /// Add items to its list.
    Append,
    /// Take items out of its list.
    Subtract,
    /// A number that no version of the protocol knows.
    Unknown(i8),
}

impl AlterOperation {
    /// The operation of a number on the wire.
    pub fn from_id(id: i8) -> AlterOperation {
        match id {
            0 => AlterOperation::Set,
            1 => AlterOperation::Delete,
            2 => AlterOperation::Append,
            3 => AlterOperation::Subtract,
            other => AlterOperation::Unknown(other),
        }
    }
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAlteration {
    /// Name of the key.
    pub key: String,
    /// What is done to it.
    pub operation: AlterOperation,
    /// With what.
    pub value: Option<String>,
}

/// A change of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceAlteration {
    /// Kind of resource, as the request has it.
    pub resource_type: i8,
    /// Its name.
    pub name: String,
    /// True if keys that are not named are taken away (AlterConfigs).
    pub replaces_all: bool,
    /// The keys.
    pub keys: Vec<KeyAlteration>,
}

impl ResourceAlteration {
    /// Checks what needs no knowledge of the resource: each key stands once, and has a value unless it is deleted.
    ///
    /// # Errors
    /// INVALID_REQUEST.
    pub fn check_form(&self) -> Result<(), ApiError> {
        let mut seen = BTreeSet::new();
        if !self.keys.iter().all(|key| seen.insert(key.key.as_str())) {
            return Err(ApiError::new(ErrorCode::INVALID_REQUEST, "Error due to duplicate config keys"));
        }
        let is_null = |key: &&KeyAlteration| key.operation != AlterOperation::Delete && key.value.is_none();
        let nulls: Vec<&str> = self.keys.iter().filter(is_null).map(|key| key.key.as_str()).collect();
        if nulls.is_empty() {
            return Ok(());
        }
        let message = format!("Null value not supported for : {}", nulls.join(", "));
        Err(ApiError::new(ErrorCode::INVALID_REQUEST, message))
    }
}

/// All that one request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigAlterations {
    /// One entry per resource.
    pub resources: Vec<ResourceAlteration>,
    /// True if the answer is wanted and nothing else.
    pub validate_only: bool,
}

impl ConfigAlterations {
    /// For each resource whether the request names it more than once, in the order of the resources.
    pub fn repeated(&self) -> Vec<bool> {
        let id = |resource: &ResourceAlteration| (resource.resource_type, resource.name.clone());
        let mut seen = BTreeSet::new();
        let repeated: BTreeSet<_> =
            self.resources.iter().map(id).filter(|id| !seen.insert(id.clone())).collect();
        self.resources.iter().map(|resource| repeated.contains(&id(resource))).collect()
    }

    /// The error of a resource that is named more than once.
    pub fn repeated_resource() -> ApiError {
        ApiError::new(ErrorCode::INVALID_REQUEST, "Each resource must appear at most once.")
    }

    /// The answer to AlterConfigs, from one result per resource.
    pub fn response(&self, results: Vec<Result<(), ApiError>>) -> AlterConfigsResponse<'static> {
        let answers = self.resources.iter().zip(results).map(|(resource, result)| {
            let (error_code, error_message) = parts(result);
            alter_configs_response::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.name.clone().into(),
            }
        });
        AlterConfigsResponse { responses: answers.collect(), ..AlterConfigsResponse::default() }
    }

    /// The answer to IncrementalAlterConfigs, from one result per resource.
    pub fn incremental_response(
        &self,
        results: Vec<Result<(), ApiError>>,
    ) -> IncrementalAlterConfigsResponse<'static> {
        let answers = self.resources.iter().zip(results).map(|(resource, result)| {
            let (error_code, error_message) = parts(result);
            incremental_alter_configs_response::AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type: resource.resource_type,
                resource_name: resource.name.clone().into(),
            }
        });
        IncrementalAlterConfigsResponse { responses: answers.collect(), ..Default::default() }
    }
}

/// An error without words has no message, as Kafka answers to what it did not expect.
fn parts(result: Result<(), ApiError>) -> (ErrorCode, Option<Cow<'static, str>>) {
    match result {
        Ok(()) => (ErrorCode::NONE, None),
        Err(error) => (error.code, Some(error.message).filter(|message| !message.is_empty())),
    }
}

impl From<AlterConfigsRequest<'_>> for ConfigAlterations {
    fn from(request: AlterConfigsRequest<'_>) -> ConfigAlterations {
        let resources = request.resources.into_iter().map(|resource| ResourceAlteration {
            resource_type: resource.resource_type,
            name: resource.resource_name.into_owned(),
            replaces_all: true,
            keys: resource
                .configs
                .into_iter()
                .map(|config| KeyAlteration {
                    key: config.name.into_owned(),
                    operation: AlterOperation::Set,
                    value: config.value.map(Cow::into_owned),
                })
                .collect(),
        });
        ConfigAlterations { resources: resources.collect(), validate_only: request.validate_only }
    }
}

impl From<IncrementalAlterConfigsRequest<'_>> for ConfigAlterations {
    fn from(request: IncrementalAlterConfigsRequest<'_>) -> ConfigAlterations {
        let resources = request.resources.into_iter().map(|resource| ResourceAlteration {
            resource_type: resource.resource_type,
            name: resource.resource_name.into_owned(),
            replaces_all: false,
            keys: resource
                .configs
                .into_iter()
                .map(|config| KeyAlteration {
                    key: config.name.into_owned(),
                    operation: AlterOperation::from_id(config.config_operation),
                    value: config.value.map(Cow::into_owned),
                })
                .collect(),
        });
        ConfigAlterations { resources: resources.collect(), validate_only: request.validate_only }
    }
}
