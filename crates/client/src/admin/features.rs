//! Features that a cluster has agreed on (KIP-584).
//!
//! Owns asking for them and changing their levels. What a feature switches on is the brokers' business.

use std::collections::BTreeMap;

use protocol::update_features_request::FeatureUpdateKey;
use protocol::{ApiVersionsRequest, ApiVersionsResponse, UpdateFeaturesRequest, UpdateFeaturesResponse};

use super::{Admin, Outcomes};
use crate::cluster::Lane;
use crate::connection::SOFTWARE_NAME;
use crate::error::ClientError;

/// Levels of features.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeatureDescription {
    /// Levels that brokers are held to, by feature. A feature at level 0 is not there.
    pub finalized: BTreeMap<String, i16>,
    /// Offset of the metadata log at which they were read; -1 if the broker does not say.
    pub finalized_epoch: i64,
    /// Lowest and highest level that the broker speaks, by feature.
    pub supported: BTreeMap<String, (i16, i16)>,
}

/// Which way a level may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureUpgrade {
    /// Up.
    Upgrade,
    /// Down, if nothing is lost by it.
    SafeDowngrade,
    /// Down, whatever is lost by it.
    UnsafeDowngrade,
}

/// A level to be finalized.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureUpdate {
    /// The feature.
    pub feature: String,
    /// The level; 0 takes the feature away.
    pub level: i16,
    /// Which way it may go.
    pub upgrade: FeatureUpgrade,
}

impl Admin {
    /// Features as a broker sees them: this one, or any.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn describe_features(&self, broker: Option<i32>) -> Result<FeatureDescription, ClientError> {
        let mut retry = self.cluster.retry("describing features");
        loop {
            match self.ask_features(broker).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn ask_features(&self, broker: Option<i32>) -> Result<FeatureDescription, ClientError> {
        let connection = match broker {
            Some(id) => self.cluster.node(id, Lane::Prompt).await?,
            None => self.cluster.any().await?,
        };
        let request = ApiVersionsRequest {
            client_software_name: SOFTWARE_NAME.into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..ApiVersionsRequest::default()
        };
        let response = connection.call(&request).await?;
        let answer = response.decode::<ApiVersionsResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api("features", answer.error_code, None));
        }
        let finalized =
            answer.finalized_features.iter().map(|key| (key.name.to_string(), key.max_version_level));
        let supported = answer
            .supported_features
            .iter()
            .map(|key| (key.name.to_string(), (key.min_version, key.max_version)));
        Ok(FeatureDescription {
            finalized: finalized.collect(),
            finalized_epoch: answer.finalized_features_epoch,
            supported: supported.collect(),
        })
    }

    /// Finalizes levels of features, all or none, or only checks whether they could be.
    ///
    /// # Errors
    /// As the controller says, for example `INVALID_UPDATE_VERSION`. Brokers before Kafka 4.0 answer for each feature.
    pub async fn update_features(
        &self,
        updates: &[FeatureUpdate],
        validate_only: bool,
    ) -> Result<Outcomes<()>, ClientError> {
        let mut retry = self.cluster.retry("updating features");
        loop {
            match self.ask_update(updates, validate_only).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn ask_update(
        &self,
        updates: &[FeatureUpdate],
        validate_only: bool,
    ) -> Result<Outcomes<()>, ClientError> {
        let connection = self.cluster.any().await?;
        let version = super::newest(&connection, protocol::ApiKey::UpdateFeatures)?;
        let keys = updates.iter().map(|update| {
            let may_go_down = update.upgrade != FeatureUpgrade::Upgrade;
            FeatureUpdateKey {
                feature: update.feature.as_str().into(),
                max_version_level: update.level,
                // The first version knows no more than whether.
                allow_downgrade: version == 0 && may_go_down,
                upgrade_type: match update.upgrade {
                    _ if version == 0 => 1,
                    FeatureUpgrade::Upgrade => 1,
                    FeatureUpgrade::SafeDowngrade => 2,
                    FeatureUpgrade::UnsafeDowngrade => 3,
                },
            }
        });
        let request = UpdateFeaturesRequest {
            timeout_ms: self.timeout_ms(),
            feature_updates: keys.collect(),
            validate_only,
        };
        let response = connection.call_at(&request, version).await?;
        let answer = response.decode::<UpdateFeaturesResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api("features", answer.error_code, answer.error_message.as_deref()));
        }
        let refused: BTreeMap<&str, ClientError> = answer
            .results
            .iter()
            .filter(|result| result.error_code.is_error())
            .map(|result| {
                let name = result.feature.as_ref();
                (name, ClientError::api(name, result.error_code, result.error_message.as_deref()))
            })
            .collect();
        let outcomes = updates.iter().map(|update| {
            let outcome = refused.get(update.feature.as_str()).map_or(Ok(()), |error| Err(error.clone()));
            (update.feature.clone(), outcome)
        });
        Ok(outcomes.collect())
    }
}
