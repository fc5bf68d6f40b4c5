//! What formatting needs to know of a node.
//!
//! Owns reading it from the node's properties. Everything else in the file is the node's business when it starts.

use std::collections::BTreeMap;

use crate::applets::ToolError;
use crate::applets::tool_client::properties_file;

/// See the module.
#[derive(Debug)]
pub struct NodeProperties {
    /// `node.id`.
    pub node_id: i32,
    /// Whether `process.roles` has `controller`. A node of Klamm that does not say is both.
    pub is_controller: bool,
    /// Whether `controller.quorum.voters` fixes the quorum.
    pub has_fixed_quorum: bool,
    /// `log.dirs`, else `log.dir`.
    pub log_dirs: Vec<String>,
    /// `metadata.log.dir`, else the first of the log directories.
    pub metadata_log_dir: String,
    /// Name of the controller's first listener, and host and port at which it is reached.
    pub controller_listener: Option<(String, String, u16)>,
}

/// Where Kafka keeps logs unless it is told.
const LOG_DIR_DEFAULT: &str = "/tmp/kafka-logs";

impl NodeProperties {
    /// Reads a properties file.
    pub fn read(path: &str) -> Result<NodeProperties, ToolError> {
        let properties: BTreeMap<String, String> = properties_file(path)?.into_iter().collect();
        NodeProperties::of(&properties)
    }

    /// Takes what counts out of properties.
    pub fn of(properties: &BTreeMap<String, String>) -> Result<NodeProperties, ToolError> {
        let text = |key: &str| properties.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
        let node_id = text("node.id").or_else(|| text("broker.id")).ok_or_else(|| {
            ToolError::failed("Missing required configuration \"node.id\" which has no default value.")
        })?;
        let node_id = node_id.parse().map_err(|_| {
            let reason =
                format!("Invalid value {node_id} for configuration node.id: Not a number of type INT");
            ToolError::failed(reason)
        })?;
        let mut log_dirs = list(text("log.dirs").or_else(|| text("log.dir")).unwrap_or(LOG_DIR_DEFAULT));
        log_dirs.dedup();
        let metadata_log_dir = text("metadata.log.dir")
            .map_or_else(|| log_dirs.first().cloned().unwrap_or_default(), str::to_owned);
        let roles = list(text("process.roles").unwrap_or("broker,controller"));
        let listener_name = list(text("controller.listener.names").unwrap_or_default()).into_iter().next();
        let controller_listener = listener_name.map(|name| {
            let told = [text("advertised.listeners"), text("listeners")].into_iter().flatten();
            let endpoint = told.flat_map(list).find_map(|listener| endpoint(&listener, &name));
            endpoint.ok_or_else(|| {
                ToolError::failed(format!("listeners has no {name}, which controller.listener.names names"))
            })
        });
        Ok(NodeProperties {
            node_id,
            is_controller: roles.iter().any(|role| role == "controller"),
            has_fixed_quorum: text("controller.quorum.voters").is_some(),
            log_dirs,
            metadata_log_dir,
            controller_listener: match controller_listener {
                Some(found) if roles.iter().any(|role| role == "controller") => Some(found?),
                _ => None,
            },
        })
    }

    /// All directories, once each, by name.
    pub fn directories(&self) -> Vec<String> {
        super::sorted(self.log_dirs.iter().chain([&self.metadata_log_dir]).cloned())
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// Name, host and port of `NAME://host:port` if the name is the wanted one. A listener on all addresses is reached by the
/// machine's own name.
fn endpoint(listener: &str, name: &str) -> Option<(String, String, u16)> {
    let (found, address) = listener.split_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    let host = if host.is_empty() { "localhost" } else { host };
    found.eq_ignore_ascii_case(name).then(|| Some((name.to_owned(), host.to_owned(), port.parse().ok()?)))?
}
