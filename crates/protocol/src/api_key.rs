//! The API keys. Owns versions, header versions and listeners of each; the table itself is generated.

use std::fmt;

use crate::ApiKey;
use crate::generated::api_table::API_TABLE;

/// Stands for "no flexible version".
pub(crate) const NEVER: i16 = i16::MAX;

/// Listeners that serve an API.
#[derive(Debug)]
pub(crate) struct Listeners {
    broker: bool,
    controller: bool,
}

pub(crate) const BROKER: Listeners = Listeners { broker: true, controller: false };
pub(crate) const CONTROLLER: Listeners = Listeners { broker: false, controller: true };
pub(crate) const BOTH: Listeners = Listeners { broker: true, controller: true };

/// What is known of one API.
#[derive(Debug)]
pub(crate) struct ApiInfo {
    key: ApiKey,
    name: &'static str,
    min_version: i16,
    /// Latest version, unstable or not.
    latest_version: i16,
    flexible_from: i16,
    latest_unstable: bool,
    listeners: Listeners,
    cluster_action: bool,
    forwardable: bool,
}

/// A row of the table: lowest, latest and first flexible version; whether the latest is unstable; whether the API
/// is a cluster action and forwardable.
pub(crate) const fn api(
    key: ApiKey,
    name: &'static str,
    versions: [i16; 3],
    latest_unstable: bool,
    listeners: Listeners,
    flags: [bool; 2],
) -> ApiInfo {
    let [min_version, latest_version, flexible_from] = versions;
    let [cluster_action, forwardable] = flags;
    ApiInfo {
        key,
        name,
        min_version,
        latest_version,
        flexible_from,
        latest_unstable,
        listeners,
        cluster_action,
        forwardable,
    }
}

/// The table's row per key; a number beyond the table for keys that do not live. Looked up for every request.
static ROWS: [u8; 128] = {
    let mut rows = [u8::MAX; 128];
    let mut row = 0;
    while row < API_TABLE.len() {
        rows[API_TABLE[row].key as usize] = row as u8;
        row += 1;
    }
    rows
};

impl ApiKey {
    /// The key with this number; `None` for removed and unknown ones.
    pub fn from_i16(key: i16) -> Option<ApiKey> {
        let row = *ROWS.get(usize::try_from(key).ok()?)?;
        API_TABLE.get(usize::from(row)).map(|a| a.key)
    }

    fn info(self) -> &'static ApiInfo {
        &API_TABLE[usize::from(ROWS[self as usize])]
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
        self.info().listeners.broker
    }

    /// Served on controller listeners.
    pub fn on_controller(self) -> bool {
        self.info().listeners.controller
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
