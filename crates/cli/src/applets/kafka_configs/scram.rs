//! Passwords of users for SCRAM.
//!
//! Owns `SCRAM-SHA-256=[iterations=8192,password=…]`.

use client::{ErrorCode, ScramChange, ScramMechanism};

use super::{Tool, refuse};
use crate::applets::{ToolError, java_exception, tool_client};
use crate::output::print;

const ITERATIONS_DEFAULT: i32 = 4096;
/// Both kinds ask for at least this many.
const ITERATIONS_MIN: i32 = 4096;

/// Shows for which kinds users have passwords, unless the command is about clients or defaults.
pub async fn describe(tool: &Tool<'_>) -> Result<(), ToolError> {
    let is_for_clients = tool.entities.types.iter().any(|kind| kind == "clients");
    if is_for_clients || tool.entities.names.iter().any(String::is_empty) {
        return Ok(());
    }
    let users =
        tool.admin.describe_scram_users(&tool.entities.names).await.map_err(|error| tool.refused(&error))?;
    for (user, found) in users {
        match found {
            Ok(found) => {
                let found = found
                    .iter()
                    .map(|(mechanism, iterations)| format!("{}=iterations={iterations}", mechanism.name()));
                let found: Vec<String> = found.collect();
                print(&format!(
                    "SCRAM credential configs for user-principal '{user}' are {}\n",
                    found.join(", ")
                ))?;
            }
            Err(error) if error.code() == Some(ErrorCode::RESOURCE_NOT_FOUND) => {}
            Err(error) => {
                let kind =
                    java_exception::simple_name(error.code().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR));
                let words = tool_client::words(&error);
                print(&format!(
                    "Error retrieving SCRAM credential configs for user-principal '{user}': {kind}: {words}\n"
                ))?;
            }
        }
    }
    Ok(())
}

/// Sets passwords of a user and takes others away.
pub async fn alter(tool: &Tool<'_>, set: &[(String, String)], delete: &[String]) -> Result<(), ToolError> {
    let mut changes: Vec<ScramChange> =
        delete.iter().filter_map(|name| ScramMechanism::from_name(name)).map(ScramChange::Delete).collect();
    for (name, value) in set {
        let Some(mechanism) = ScramMechanism::from_name(name) else { continue };
        changes.push(upsertion(mechanism, value)?);
    }
    let user = tool.entities.head_name();
    tool.admin.alter_scram_user(user, &changes).await.map_err(|error| tool.refused(&error))
}

/// `iterations=8192,password=…`, or `password=…` alone.
fn upsertion(mechanism: ScramMechanism, text: &str) -> Result<ScramChange, ToolError> {
    let wrong = || {
        let name = mechanism.name().replace('-', "_");
        ToolError::failed(format!("Invalid credential property {name}={text}"))
    };
    let (iterations, rest) = match text.strip_prefix("iterations=") {
        Some(rest) => {
            let (iterations, rest) = rest.split_once(',').ok_or_else(wrong)?;
            (iterations, rest)
        }
        None => ("-1", text),
    };
    let password = rest.strip_prefix("password=").ok_or_else(wrong)?;
    let iterations = match iterations {
        "-1" => ITERATIONS_DEFAULT,
        number => number.parse().map_err(|_| ToolError::failed(format!("For input string: \"{number}\"")))?,
    };
    if iterations < ITERATIONS_MIN {
        return refuse(format!(
            "Iterations {iterations} is less than the minimum {ITERATIONS_MIN} required for {}",
            mechanism.name()
        ));
    }
    Ok(ScramChange::Upsert { mechanism, iterations, password: password.to_owned() })
}
