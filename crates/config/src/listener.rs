//! Listeners: `NAME://host:port` entries and the map from names to security protocols.

use std::collections::BTreeMap;
use std::fmt;

use crate::config_error::ConfigError;

/// How a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityProtocol {
    /// No encryption, no authentication.
    Plaintext = 0,
    /// TLS.
    Ssl = 1,
    /// SASL over plain TCP.
    SaslPlaintext = 2,
    /// SASL over TLS.
    SaslSsl = 3,
}

impl SecurityProtocol {
    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    /// The number in registrations (`RegisterBrokerRecord.BrokerEndpoint.SecurityProtocol`).
    pub fn id(self) -> i16 {
        self as i16
    }

    fn from_name(name: &str) -> Option<SecurityProtocol> {
        use SecurityProtocol::{Plaintext, SaslPlaintext, SaslSsl, Ssl};
        [Plaintext, Ssl, SaslPlaintext, SaslSsl]
            .into_iter()
            .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }
}

/// One listener's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name, in upper case.
    pub listener_name: String,
    /// How it speaks.
    pub security_protocol: SecurityProtocol,
    /// Host or address without brackets; `None` for every address of the machine.
    pub host: Option<String>,
    /// Port; 0 lets the kernel choose.
    pub port: u16,
}

/// As it stands in a properties file.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or_default();
        match host.contains(':') {
            true => write!(f, "{}://[{host}]:{}", self.listener_name, self.port),
            false => write!(f, "{}://{host}:{}", self.listener_name, self.port),
        }
    }
}

/// Parses `listener.security.protocol.map`.
///
/// # Errors
/// An entry is not `NAME:PROTOCOL` or names an unknown protocol.
pub fn parse_protocol_map(text: &str) -> Result<BTreeMap<String, SecurityProtocol>, ConfigError> {
    let key = "listener.security.protocol.map";
    let mut map = BTreeMap::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let Some((name, protocol)) = entry.rsplit_once(':') else {
            return Err(ConfigError::value(key, text, "expected NAME:PROTOCOL entries separated by commas"));
        };
        let Some(protocol) = SecurityProtocol::from_name(protocol.trim()) else {
            return Err(ConfigError::invalid(format!(
                "Invalid security protocol `{protocol}` defined in {key}"
            )));
        };
        map.insert(name.trim().to_ascii_uppercase(), protocol);
    }
    Ok(map)
}

/// Parses the entries of `listeners` or `advertised.listeners`; `key` names which.
///
/// # Errors
/// An entry is malformed, its name has no protocol, or two entries share a name.
pub fn parse_endpoints(
    key: &str,
    entries: &[String],
    protocols: &BTreeMap<String, SecurityProtocol>,
) -> Result<Vec<Endpoint>, ConfigError> {
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some((name, host, port)) = split_entry(entry) else {
            let why = "expected NAME://host:port, as in PLAINTEXT://localhost:9092";
            return Err(ConfigError::value(key, entry, why));
        };
        let listener_name = name.to_ascii_uppercase();
        let Some(security_protocol) = protocols.get(&listener_name).copied() else {
            return Err(ConfigError::value(
                key,
                entry,
                &format!(
                    "No security protocol defined for listener {listener_name}; \
                     add {listener_name}:PLAINTEXT to listener.security.protocol.map"
                ),
            ));
        };
        if endpoints.iter().any(|other| other.listener_name == listener_name) {
            let why = "Each listener must have a different name";
            return Err(ConfigError::value(key, entries.join(","), why));
        }
        let host = (!host.is_empty()).then(|| host.to_owned());
        endpoints.push(Endpoint { listener_name, security_protocol, host, port });
    }
    Ok(endpoints)
}

/// Refuses two listeners on one port, unless one is an IPv4 and the other an IPv6 address.
///
/// # Errors
/// Two listeners would bind the same port.
pub fn check_distinct_ports(endpoints: &[Endpoint]) -> Result<(), ConfigError> {
    for (at, first) in endpoints.iter().enumerate() {
        let clash = endpoints[at + 1..]
            .iter()
            .find(|second| first.port != 0 && first.port == second.port && !is_v4_beside_v6(first, second));
        if let Some(second) = clash {
            return Err(ConfigError::invalid(format!(
                "Each listener must have a different port: {first} and {second} in listeners"
            )));
        }
    }
    Ok(())
}

fn is_v4_beside_v6(first: &Endpoint, second: &Endpoint) -> bool {
    let family = |endpoint: &Endpoint| {
        let address: Option<core::net::IpAddr> = endpoint.host.as_deref().and_then(|host| host.parse().ok());
        address.map(|address| address.is_ipv4())
    };
    matches!((family(first), family(second)), (Some(a), Some(b)) if a != b)
}

fn split_entry(entry: &str) -> Option<(&str, &str, u16)> {
    let (name, address) = entry.trim().split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let bare = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None => host,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
    if name.is_empty() || !name.chars().all(is_name) || !bare.chars().all(is_host) {
        return None;
    }
    Some((name, bare, port.parse().ok()?))
}

#[cfg(test)]
mod tests;
