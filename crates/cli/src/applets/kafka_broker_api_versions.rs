//! `kafka-broker-api-versions`: which requests each broker serves, in which versions.
//!
//! Owns its options and its lines.

use std::collections::BTreeMap;

use client::ApiVersionRange;
use protocol::ApiKey;

use crate::applets::ToolError;
use crate::applets::options::{CommandLine, OptionDef, value};
use crate::applets::tool_client::{self, properties_file};
use crate::output::print;

/// The options of `kafka-broker-api-versions`.
pub const OPTIONS: &[OptionDef] = &[
    value("bootstrap-server", "server(s) to use for bootstrapping", "REQUIRED: where the cluster is."),
    value("command-config", "command config property file", "Properties of the admin client."),
];

const ABOUT: &str = "This tool helps to retrieve broker version information.";

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    let line = CommandLine::parse(OPTIONS, arguments)?;
    line.help_or_version(ABOUT)?;
    line.require(&["bootstrap-server"])?;
    let mut properties = match line.one("command-config")? {
        Some(path) => properties_file(path)?,
        None => Vec::new(),
    };
    let servers = line.one("bootstrap-server")?.unwrap_or_default();
    properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
    let admin = tool_client::admin(&properties, "listNodes").await?;
    for (broker, versions) in admin.broker_api_versions().await? {
        let rack = broker.rack.as_deref().unwrap_or("null");
        let node =
            format!("{}:{} (id: {} rack: {rack} isFenced: false)", broker.host, broker.port, broker.id);
        let shown = match versions {
            Ok(versions) => shown(&versions),
            Err(error) => format!("ERROR: {}", tool_client::words(&error)),
        };
        print(&format!("{node} -> {shown}\n"))?;
    }
    Ok(())
}

fn shown(ranges: &[ApiVersionRange]) -> String {
    let mut rows: BTreeMap<i16, String> = BTreeMap::new();
    for range in ranges {
        rows.insert(range.key, row(range));
    }
    for key in ApiKey::all().filter(|key| key.on_broker()) {
        rows.entry(key as i16).or_insert_with(|| format!("{}({}): UNSUPPORTED", key.name(), key as i16));
    }
    let rows: Vec<String> = rows.into_values().collect();
    format!("(\n\t{}\n)", rows.join(",\n\t"))
}

fn row(range: &ApiVersionRange) -> String {
    let ApiVersionRange { key, min, max } = *range;
    let span = if min == max { min.to_string() } else { format!("{min} to {max}") };
    let Some(api) = ApiKey::from_i16(key) else { return format!("UNKNOWN({key}): {span}") };
    let usable = if api.max_version() < min {
        "unusable: node too new".to_owned()
    } else if max < api.min_version() {
        "unusable: node too old".to_owned()
    } else {
        format!("usable: {}", api.max_version().min(max))
    };
    format!("{}({key}): {span} [{usable}]", api.name())
}
