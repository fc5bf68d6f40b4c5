//! UpdateFeatures: levels that the whole cluster agrees on go up, or down where nothing is lost (KIP-584).

use std::collections::BTreeMap;

use metadata::{
    ConfigResource, ConfigResourceType, ELIGIBLE_LEADER_REPLICAS_VERSION, KRAFT_VERSION, METADATA_VERSION,
    SUPPORTED_FEATURES, VersionRange, feature_dependency, is_known_feature, is_supported_feature,
    metadata_differs,
};
use protocol::update_features_response::UpdatableFeatureResult;
use protocol::{
    ErrorCode, FeatureLevelRecord, MetadataRecord, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

use crate::bootstrap::MIN_INSYNC_REPLICAS;
use crate::config_change::config_record;
use crate::{ApiError, Controller, Outcome};

/// First `metadata.version` with registered controllers (3.7-IV0).
const CONTROLLER_REGISTRATION_VERSION_MIN: i16 = 15;
/// What stands for "successful" in the answer for each feature.
const SUCCESS: &str = "NONE";

/// What only the quorum knows.
#[derive(Debug, Clone, Copy)]
pub struct QuorumFeatures<'a> {
    /// Level of `kraft.version`.
    pub kraft_version: i16,
    /// Ids of the voters.
    pub voters: &'a [i32],
}

/// Which way a client lets a level go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpgradeType {
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
}

impl UpgradeType {
    fn from_value(value: i8) -> Option<UpgradeType> {
        match value {
            1 => Some(UpgradeType::Upgrade),
            2 => Some(UpgradeType::SafeDowngrade),
            3 => Some(UpgradeType::UnsafeDowngrade),
            _ => None,
        }
    }
}

type Records = Vec<MetadataRecord<'static>>;

impl Controller {
    /// Finalizes levels of features: all that are asked for, or none.
    pub fn handle_update_features(
        &self,
        request: &UpdateFeaturesRequest<'_>,
        quorum: QuorumFeatures<'_>,
    ) -> Outcome<UpdateFeaturesResponse<'static>> {
        // Of a feature that is named twice, the last counts.
        let updates: BTreeMap<&str, (i16, i8)> = request
            .feature_updates
            .iter()
            .map(|update| (update.feature.as_ref(), (update.max_version_level, update.upgrade_type)))
            .collect();
        match self.feature_records(&updates, quorum) {
            Ok(records) => {
                let results = request.feature_updates.iter().map(|update| UpdatableFeatureResult {
                    feature: update.feature.clone().into_owned().into(),
                    error_code: ErrorCode::NONE,
                    error_message: Some(SUCCESS.into()),
                });
                let response = UpdateFeaturesResponse {
                    error_message: None,
                    results: results.collect(),
                    ..UpdateFeaturesResponse::default()
                };
                Outcome::atomic(if request.validate_only { Vec::new() } else { records }, response)
            }
            Err(error) => Outcome::answer(UpdateFeaturesResponse {
                error_code: error.code,
                error_message: Some(format!("No feature was updated: {}", error.message).into()),
                ..UpdateFeaturesResponse::default()
            }),
        }
    }

    fn feature_records(
        &self,
        updates: &BTreeMap<&str, (i16, i8)>,
        quorum: QuorumFeatures<'_>,
    ) -> Result<Records, ApiError> {
        let mut records = Vec::new();
        if updates.get(ELIGIBLE_LEADER_REPLICAS_VERSION).is_some_and(|(level, _)| *level > 0) {
            records.extend(self.elr_safety_records());
        }
        for (name, (level, upgrade_type)) in updates {
            let level_of =
                |name: &str| updates.get(name).map_or(self.features().level(name), |(level, _)| *level);
            let invalid = |reason: String| {
                let message = format!("{name} cannot be set to {level}: {reason}");
                ApiError::new(ErrorCode::INVALID_UPDATE_VERSION, message)
            };
            let upgrade_type = UpgradeType::from_value(*upgrade_type);
            let upgrade_type =
                upgrade_type.ok_or_else(|| invalid("there is no such type of upgrade".to_owned()))?;
            self.check_level(name, *level, upgrade_type, quorum).map_err(invalid)?;
            if let Some((other, needed)) = feature_dependency(name, *level).filter(|(o, n)| level_of(o) < *n)
            {
                return Err(invalid(format!("it needs {other} to be at least {needed}")));
            }
            // The level of kraft.version is not in the metadata, and an absent feature stays absent; one that is carried
            // along from Kafka may go.
            let is_there = is_supported_feature(name) || self.features().level(name) > 0;
            if *name != KRAFT_VERSION && is_there {
                let name = (*name).to_owned().into();
                let record = FeatureLevelRecord { name, feature_level: *level };
                records.push(MetadataRecord::FeatureLevel(record));
            }
        }
        Ok(records)
    }

    fn check_level(
        &self,
        name: &str,
        level: i16,
        upgrade_type: UpgradeType,
        quorum: QuorumFeatures<'_>,
    ) -> Result<(), String> {
        let refuse = |reason: &str| Err(reason.to_owned());
        let current = if name == KRAFT_VERSION { quorum.kraft_version } else { self.features().level(name) };
        if level < 0 {
            return refuse("a level cannot be negative");
        }
        self.check_support(name, level, quorum.voters)?;
        let is_upgrade = upgrade_type == UpgradeType::Upgrade;
        if level < current && is_upgrade {
            return refuse("that is a downgrade, and the type of upgrade does not say so");
        }
        if level > current && !is_upgrade {
            return refuse("that is no downgrade");
        }
        match name {
            METADATA_VERSION if level < current && metadata_differs(level, current) => match upgrade_type {
                UpgradeType::UnsafeDowngrade => refuse("unsafe downgrades of the metadata are not supported"),
                _ => refuse("the metadata could lose what the lower level does not know"),
            },
            KRAFT_VERSION if level < current => refuse("this feature cannot be downgraded"),
            KRAFT_VERSION if level > current => refuse("the quorum's voters are not known to support it"),
            _ if !is_known_feature(name) => refuse("there is no such feature"),
            _ => Ok(()),
        }
    }

    /// Every node must speak a level before it may be finalized.
    fn check_support(&self, name: &str, level: i16, voters: &[i32]) -> Result<(), String> {
        let own = SUPPORTED_FEATURES.iter().find(|feature| feature.name == name);
        let own = own.map(|feature| VersionRange { min: feature.min, max: feature.max });
        check_range(level, &format!("controller {}", self.node_id), own)?;
        for broker in self.image().cluster().brokers() {
            check_range(level, &format!("broker {}", broker.id), broker.features.get(name).copied())?;
        }
        if self.features().level(METADATA_VERSION) < CONTROLLER_REGISTRATION_VERSION_MIN {
            return Ok(());
        }
        let others =
            || self.image().cluster().controllers().filter(|controller| controller.id != self.node_id);
        for controller in others() {
            let range = controller.features.get(name).copied();
            check_range(level, &format!("controller {}", controller.id), range)?;
        }
        let is_registered = |id: i32| id == self.node_id || others().any(|controller| controller.id == id);
        match voters.iter().find(|id| !is_registered(**id)) {
            Some(id) => Err(format!("controller {id} has not registered and may not support it")),
            None => Ok(()),
        }
    }

    /// With ELR on, `min.insync.replicas` must be the same for all: one explicit value for the cluster, none for single
    /// brokers.
    fn elr_safety_records(&self) -> Records {
        let configs = self.image().configs();
        let cluster = ConfigResource::cluster();
        let mut records = Vec::new();
        if configs.get(&cluster).is_none_or(|configs| !configs.contains_key(MIN_INSYNC_REPLICAS)) {
            let value = self.static_config.topic_defaults.min_insync_replicas.to_string();
            records.push(config_record(&cluster, MIN_INSYNC_REPLICAS, Some(&value)));
        }
        let of_brokers = configs.iter().filter(|(resource, configs)| {
            resource.resource_type == ConfigResourceType::Broker
                && !resource.name.is_empty()
                && configs.contains_key(MIN_INSYNC_REPLICAS)
        });
        records.extend(of_brokers.map(|(resource, _)| config_record(resource, MIN_INSYNC_REPLICAS, None)));
        records
    }
}

/// A node that does not name a feature speaks level 0 of it.
fn check_range(level: i16, who: &str, range: Option<VersionRange>) -> Result<(), String> {
    let VersionRange { min, max } = range.unwrap_or(VersionRange { min: 0, max: 0 });
    match (min..=max).contains(&level) {
        true => Ok(()),
        false if max == 0 => Err(format!("{who} does not support this feature")),
        false => Err(format!("{who} supports only {min} to {max}")),
    }
}
