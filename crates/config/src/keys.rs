//! The tables of all configuration keys.

mod broker_keys;
mod effects;
mod obsolete;
mod resource_keys;

pub use broker_keys::BROKER;
pub use obsolete::{ObsoleteKey, obsolete};
pub use resource_keys::{CLIENT_METRICS, GROUP, TOPIC};

use crate::config_def::{ConfigDef, ConfigType, DefaultValue, Effect, Importance, UpdateMode};
use crate::validator::Validator;

/// Broker keys that exist only at run time (`DynamicConfig.Broker`), sorted by name.
#[rustfmt::skip]
pub static BROKER_DYNAMIC_ONLY: &[ConfigDef] = &[
    key("follower.replication.throttled.rate", ConfigType::Long, DefaultValue::Text("9223372036854775807"),
        Validator::AtLeast(0), Importance::Medium, UpdateMode::PerBroker, effects::REPLICATION,
        "Bytes per second at most that throttled replicas fetch as followers."),
    key("leader.replication.throttled.rate", ConfigType::Long, DefaultValue::Text("9223372036854775807"),
        Validator::AtLeast(0), Importance::Medium, UpdateMode::PerBroker, effects::REPLICATION,
        "Bytes per second at most that throttled replicas send as leaders."),
    key("replica.alter.log.dirs.io.max.bytes.per.second", ConfigType::Long, DefaultValue::Text("9223372036854775807"),
        Validator::AtLeast(0), Importance::Medium, UpdateMode::PerBroker, Effect::Enforced,
        "Bytes per second at most that moves between log directories of one broker write."),
];

#[allow(clippy::too_many_arguments, reason = "one row of a table, in the order of its columns")]
const fn key(
    name: &'static str,
    kind: ConfigType,
    default: DefaultValue,
    validator: Validator,
    importance: Importance,
    update_mode: UpdateMode,
    effect: Effect,
    documentation: &'static str,
) -> ConfigDef {
    ConfigDef {
        name,
        kind,
        default,
        validator,
        importance,
        internal: false,
        update_mode,
        effect,
        documentation,
    }
}

#[allow(clippy::too_many_arguments, reason = "one row of a table, in the order of its columns")]
const fn internal(
    name: &'static str,
    kind: ConfigType,
    default: DefaultValue,
    validator: Validator,
    importance: Importance,
    update_mode: UpdateMode,
    effect: Effect,
    documentation: &'static str,
) -> ConfigDef {
    let def = key(name, kind, default, validator, importance, update_mode, effect, documentation);
    ConfigDef { internal: true, ..def }
}

#[cfg(test)]
mod tests;
