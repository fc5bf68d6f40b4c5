//! The versions a broker speaks.
//!
//! Owns the choice of the version of a request. It never asks the broker.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ApiKey;

use crate::error::ClientError;

/// What a broker said about itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct VersionTable {
    address: Arc<str>,
    ranges: BTreeMap<i16, (i16, i16)>,
}

impl VersionTable {
    /// The table with the broker's range of versions per API key.
    pub fn new(address: Arc<str>, ranges: impl IntoIterator<Item = (i16, (i16, i16))>) -> VersionTable {
        VersionTable { address, ranges: ranges.into_iter().collect() }
    }

    /// All ranges, by API key.
    pub fn ranges(&self) -> impl Iterator<Item = (i16, (i16, i16))> {
        self.ranges.iter().map(|(key, range)| (*key, *range))
    }

    /// The newest version of `api` between `min` and `max` that the broker speaks.
    pub fn pick(&self, api: ApiKey, min: i16, max: i16) -> Result<i16, ClientError> {
        let broker = self.ranges.get(&(api as i16)).copied();
        if let Some((broker_min, broker_max)) = broker {
            let newest = max.min(broker_max);
            if newest >= min.max(broker_min) {
                return Ok(newest);
            }
        }
        Err(ClientError::UnsupportedVersion {
            address: self.address.to_string(),
            api: api.name(),
            broker,
            client: (min, max),
        })
    }
}
