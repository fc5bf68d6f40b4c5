//! What `kafka-configs` is about: `--entity-type users --entity-name alice`, or `--user alice`.
//!
//! Owns the two spellings and what may be named.

use std::collections::BTreeSet;
use std::net::ToSocketAddrs;

use super::refuse;
use crate::applets::ToolError;
use crate::applets::options::CommandLine;

/// All types, in the order in which Kafka's tool names them.
const TYPES: [&str; 8] =
    ["topics", "clients", "users", "brokers", "ips", "client-metrics", "groups", "broker-loggers"];

/// Options that name a thing and its type at once.
const NAMED: [(&str, &str); 8] = [
    ("topic", "topics"),
    ("client", "clients"),
    ("user", "users"),
    ("broker", "brokers"),
    ("broker-logger", "broker-loggers"),
    ("ip", "ips"),
    ("client-metrics", "client-metrics"),
    ("group", "groups"),
];

/// Options that mean the defaults of a type.
const DEFAULTS: [(&str, &str); 4] = [
    ("client-defaults", "clients"),
    ("user-defaults", "users"),
    ("broker-defaults", "brokers"),
    ("ip-defaults", "ips"),
];

/// Types and names in their order; the empty name is the default.
#[derive(Debug)]
pub struct Entities {
    /// At least one type.
    pub types: Vec<String>,
    /// Perhaps no name.
    pub names: Vec<String>,
}

impl Entities {
    /// What the command line names.
    pub fn read(line: &CommandLine) -> Result<Entities, ToolError> {
        let mut types = line.all("entity-type").to_vec();
        let mut left = line.all("entity-name").iter();
        let mut names: Vec<String> = Vec::new();
        for option in &line.order {
            match *option {
                "entity-name" => names.extend(left.next().cloned()),
                "entity-default" => names.push(String::new()),
                _ => {}
            }
        }
        for (option, kind) in NAMED.iter().filter(|(option, _)| line.has(option)) {
            types.push((*kind).to_owned());
            names.push(line.one(option)?.unwrap_or_default().to_owned());
        }
        for (_, kind) in DEFAULTS.iter().filter(|(option, _)| line.has(option)) {
            types.push((*kind).to_owned());
            names.push(String::new());
        }
        Ok(Entities { types, names })
    }

    /// The first type.
    pub fn head_type(&self) -> &str {
        self.types.first().map_or("", String::as_str)
    }

    /// The first name.
    pub fn head_name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// Refuses types that are none, twice the same, or do not go together.
    pub fn check_types(&self, line: &CommandLine) -> Result<(), ToolError> {
        let mut seen = BTreeSet::new();
        let twice: Vec<&str> =
            self.types.iter().filter(|kind| !seen.insert(*kind)).map(String::as_str).collect();
        if !twice.is_empty() {
            return refuse(format!("Duplicate entity type(s) specified: {}", twice.join(",")));
        }
        if !line.has("bootstrap-server") && !line.has("bootstrap-controller") {
            return refuse("Either --bootstrap-server or --bootstrap-controller must be specified.");
        }
        if let Some(unknown) = self.types.iter().find(|kind| !TYPES.contains(&kind.as_str())) {
            return refuse(format!(
                "Invalid entity type {unknown}, the entity type must be one of {} with a --bootstrap-server or \
                 --bootstrap-controller argument",
                TYPES.join(", ")
            ));
        }
        if self.types.is_empty() {
            return refuse("At least one entity type must be specified");
        }
        let are_both =
            self.types.len() == 2 && self.types.iter().all(|kind| kind == "users" || kind == "clients");
        if self.types.len() > 1 && !are_both {
            return refuse("Only 'users' and 'clients' entity types may be specified together");
        }
        let has_long = ["entity-name", "entity-type", "entity-default"].iter().any(|option| line.has(option));
        let has_short = NAMED.iter().chain(&DEFAULTS).any(|(option, _)| line.has(option));
        if has_long && has_short {
            return refuse(
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
            );
        }
        Ok(())
    }

    /// Refuses names that no thing of the type can have.
    pub fn check_names(&self, line: &CommandLine) -> Result<(), ToolError> {
        if self.names.iter().all(String::is_empty) {
            return Ok(());
        }
        let given = |options: &[&str]| -> Result<Vec<String>, ToolError> {
            let values = options.iter().map(|option| line.one(option));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            Ok(values.into_iter().flatten().map(str::to_owned).collect())
        };
        let kind = self.head_type();
        if self.types.iter().any(|kind| kind == "brokers" || kind == "broker-loggers") {
            for id in given(&["entity-name", "broker", "broker-logger"])? {
                if id.parse::<i32>().is_err() {
                    return refuse(format!(
                        "The entity name for {kind} must be a valid integer broker id, but it is: {id}"
                    ));
                }
            }
        }
        if self.types.iter().any(|kind| kind == "ips") {
            for ip in given(&["entity-name", "ip"])? {
                if (ip.as_str(), 0).to_socket_addrs().is_err() {
                    return refuse(format!(
                        "The entity name for {kind} must be a valid IP or resolvable host, but it is: {ip}"
                    ));
                }
            }
        }
        Ok(())
    }
}
