//! `--initial-controllers`: `id@host:port:directory,…`.
//!
//! Owns its syntax and the words in which Kafka's tool refuses another.

use broker::BootstrapVoter;

use crate::applets::ToolError;
use crate::applets::uuid_argument::parse_uuid;

/// Reads voters, who listen under the name `listener`.
///
/// # Errors
/// The text names none, or two of one id, or makes no sense.
pub fn parse_voters(text: &str, listener: &str) -> Result<Vec<BootstrapVoter>, ToolError> {
    let mut voters: Vec<BootstrapVoter> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let voter = parse_voter(part, listener)?;
        if voters.iter().any(|known| known.node_id == voter.node_id) {
            return Err(ToolError::failed(format!(
                "Node id {} was specified more than once.",
                voter.node_id
            )));
        }
        voters.push(voter);
    }
    if voters.is_empty() {
        return Err(ToolError::failed("No voters given."));
    }
    Ok(voters)
}

fn parse_voter(text: &str, listener: &str) -> Result<BootstrapVoter, ToolError> {
    let wrong = |what: &str| ToolError::failed(what);
    let (id, rest) = text.split_once('@').ok_or_else(|| wrong("No @ found in dynamic voter string."))?;
    let node_id: i32 = id.parse().map_err(|_| wrong("Failed to parse node id in dynamic voter string."))?;
    if node_id < 0 {
        return Err(ToolError::failed(format!(
            "Invalid negative node id {node_id} in dynamic voter string."
        )));
    }
    let (host, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest
                .split_once(']')
                .ok_or_else(|| wrong("Hostname began with left bracket, but no right bracket was found."))?;
            (
                host,
                rest.strip_prefix(':').ok_or_else(|| wrong("No colon following hostname could be found."))?,
            )
        }
        None => rest.split_once(':').ok_or_else(|| wrong("No colon following hostname could be found."))?,
    };
    let (port, directory) =
        rest.split_once(':').ok_or_else(|| wrong("No colon following port could be found."))?;
    let number: i32 = port.parse().map_err(|_| wrong("Failed to parse port in dynamic voter string."))?;
    let port = u16::try_from(number)
        .map_err(|_| ToolError::failed(format!("Invalid port {number} in dynamic voter string.")))?;
    let directory_id =
        parse_uuid(directory).map_err(|_| wrong("Failed to parse directory ID in dynamic voter string."))?;
    Ok(BootstrapVoter { node_id, directory_id, endpoint: (listener.to_owned(), host.to_owned(), port) })
}
