//! What one configuration key is: name, type, default, rule, update mode and what Klamm does with it.
//!
//! Owns the description of keys. Never holds a value that somebody set: that is `BrokerConfig`'s and
//! `TopicConfig`'s business.

use crate::validator::Validator;

/// Type of a value, as `ConfigDef.Type` of Kafka; the numbers are those of DescribeConfigs' `ConfigType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigType {
    /// `true` or `false`, in any case.
    Boolean = 1,
    /// Text, trimmed.
    String = 2,
    /// 32-bit signed integer.
    Int = 3,
    /// 16-bit signed integer.
    Short = 4,
    /// 64-bit signed integer.
    Long = 5,
    /// 64-bit float.
    Double = 6,
    /// Comma-separated texts.
    List = 7,
    /// Name of a Java class. Klamm keeps and shows it, and loads nothing.
    Class = 8,
    /// Text that is never shown.
    Password = 9,
}

impl ConfigType {
    /// The name as Kafka prints it in messages (`LONG`, `BOOLEAN`, …).
    pub fn name(self) -> &'static str {
        match self {
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
    }

    /// The number on the wire (`DescribeConfigsResourceResult.ConfigType`).
    pub fn id(self) -> i8 {
        self as i8
    }
}

/// How much a key matters to somebody who sets up a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// Look at it before production.
    High,
    /// Worth knowing.
    Medium,
    /// Rarely touched.
    Low,
}

/// When a changed value takes effect (Kafka's "dynamic update mode").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only at the next start.
    ReadOnly,
    /// At once, set for one broker.
    PerBroker,
    /// At once, set for one broker or for all of them.
    ClusterWide,
}

/// What Klamm does with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The value changes behaviour as documented.
    Enforced,
    /// The feature is not there yet; the value is checked, kept and shown.
    NotYet(&'static str),
    /// The key steers something that a native binary does not have.
    Meaningless(&'static str),
    /// A node with the key set does not start: to ignore it would let happen what its author forbids, or leave out what its
    /// author counts on.
    Refused(&'static str),
}

/// The value of a key that nobody set, in Kafka's text form (lists joined by `,`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    /// There is none: Kafka wants the key set, and Klamm sets it for a node that stands alone.
    Required,
    /// No value at all.
    Null,
    /// This text.
    Text(&'static str),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct ConfigDef {
    /// Kafka's name, letter for letter.
    pub name: &'static str,
    /// Type of the value.
    pub kind: ConfigType,
    /// Value when unset.
    pub default: DefaultValue,
    /// Rule that a parsed value obeys.
    pub validator: Validator,
    /// Weight of the key.
    pub importance: Importance,
    /// True for keys that Kafka hides from DescribeConfigs until they are set.
    pub internal: bool,
    /// When a change takes effect.
    pub update_mode: UpdateMode,
    /// What Klamm does with it.
    pub effect: Effect,
    /// One or two sentences.
    pub documentation: &'static str,
}

impl ConfigDef {
    /// True when the value must not be shown or logged.
    pub fn is_sensitive(&self) -> bool {
        self.kind == ConfigType::Password
    }

    /// True when AlterConfigs may not touch the key.
    pub fn is_read_only(&self) -> bool {
        self.update_mode == UpdateMode::ReadOnly
    }

    /// The default as text, `None` where there is none.
    pub fn default_text(&self) -> Option<&'static str> {
        match self.default {
            DefaultValue::Null | DefaultValue::Required => None,
            DefaultValue::Text(text) => Some(text),
        }
    }
}

/// Finds a key in a table sorted by name.
pub fn find(table: &'static [ConfigDef], name: &str) -> Option<&'static ConfigDef> {
    table.binary_search_by(|def| def.name.cmp(name)).ok().map(|at| &table[at])
}
