//! The API keys. Owns versions, header versions and listeners of each; the table itself is generated.

use std::fmt;

use crate::ApiKey;
use crate::generated::api_table::API_TABLE;

/// What is known of one API.
#[derive(Debug)]
pub(crate) struct ApiInfo {
    pub(crate) key: ApiKey,
    pub(crate) name: &'static str,
    pub(crate) min_version: i16,
    /// Latest version, unstable or not.
    pub(crate) latest_version: i16,
    pub(crate) latest_unstable: bool,
    pub(crate) flexible_from: i16,
    pub(crate) on_broker: bool,
    pub(crate) on_controller: bool,
    pub(crate) cluster_action: bool,
    pub(crate) forwardable: bool,
}

impl ApiKey {
    /// The key with this number; `None` for removed and unknown ones.
    pub fn from_i16(key: i16) -> Option<ApiKey> {
        API_TABLE.binary_search_by_key(&key, |a| a.key as i16).ok().map(|index| API_TABLE[index].key)
    }

    fn info(self) -> &'static ApiInfo {
        let index = API_TABLE.binary_search_by_key(&(self as i16), |a| a.key as i16);
        &API_TABLE[index.expect("the table has a row per variant")]
    }

    /// Every live key, ascending.
    pub fn all() -> impl Iterator<Item = ApiKey> {
        API_TABLE.iter().map(|a| a.key)
    }

    /// Kafka's name, for instance `Fetch`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Lowest version.
    pub fn min_version(self) -> i16 {
        self.info().min_version
    }

    /// Highest stable version.
    pub fn max_version(self) -> i16 {
        let info = self.info();
        info.latest_version - i16::from(info.latest_unstable)
    }

    /// Highest version that the codec knows; above [`ApiKey::max_version`] if that one is unstable.
    pub fn latest_version(self) -> i16 {
        self.info().latest_version
    }

    /// First version with compact lengths and tag sections; `i16::MAX` if there is none.
    pub fn flexible_from(self) -> i16 {
        self.info().flexible_from
    }

    /// Header version of a request. Also defined for versions that do not exist, because the header must be
    /// read before the version can be refused.
    pub fn request_header_version(self, version: i16) -> i16 {
        if version >= self.flexible_from() { 2 } else { 1 }
    }

    /// Header version of a response: always 0 for ApiVersions, which is read before versions are known.
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != ApiKey::ApiVersions && version >= self.flexible_from())
    }

    /// Served on broker listeners.
    pub fn on_broker(self) -> bool {
        self.info().on_broker
    }

    /// Served on controller listeners.
    pub fn on_controller(self) -> bool {
        self.info().on_controller
    }

    /// Needs the right to act for the cluster.
    pub fn is_cluster_action(self) -> bool {
        self.info().cluster_action
    }

    /// A broker passes it on to the active controller.
    pub fn is_forwardable(self) -> bool {
        self.info().forwardable
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
