//! Who a client is, as far as subscriptions may ask.

use protocol::Uuid;

/// What is known of the sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The connection.
    pub connection_id: u64,
    /// Its name for itself.
    pub client_id: String,
    /// Name of its library, as it said in ApiVersions; `unknown` if it did not.
    pub software_name: String,
    /// Version of its library; `unknown` if it did not say.
    pub software_version: String,
    /// Its address.
    pub source_address: String,
    /// Its port.
    pub source_port: u16,
}

impl Client {
    /// The text that a subscription's `match` looks at.
    pub(crate) fn attribute(&self, instance_id: Uuid, name: &str) -> Option<String> {
        match name {
            "client_instance_id" => Some(instance_id.to_string()),
            "client_id" => Some(self.client_id.clone()),
            "client_software_name" => Some(self.software_name.clone()),
            "client_software_version" => Some(self.software_version.clone()),
            "client_source_address" => Some(self.source_address.clone()),
            "client_source_port" => Some(self.source_port.to_string()),
            _ => None,
        }
    }
}
