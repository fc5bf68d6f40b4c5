//! `--add-scram`: `SCRAM-SHA-256=[name=alice,password=secret]`.
//!
//! Owns its syntax and the words in which Kafka's tool refuses another. It never prints a password.

use std::collections::BTreeMap;

use client::ScramMechanism;
use platform::Platform;
use protocol::UserScramCredentialRecord;

use crate::applets::ToolError;
use crate::base64;

const ITERATIONS: std::ops::RangeInclusive<i32> = 4096..=16_384;
const ITERATIONS_DEFAULT: i32 = 4096;
/// Letters of a salt that is drawn by lot, as many as Kafka's tool takes.
const SALT_LETTERS: usize = 26;

/// The record of a password.
///
/// # Errors
/// As Kafka's tool.
pub fn parse_scram(platform: &Platform, text: &str) -> Result<UserScramCredentialRecord<'static>, ToolError> {
    let text = text.trim();
    let (name, body) = text
        .split_once('=')
        .ok_or_else(|| ToolError::failed(format!("Failed to find equals sign in SCRAM argument '{text}'")))?;
    let mechanism = ScramMechanism::from_name(name)
        .ok_or_else(|| ToolError::failed(format!("The add-scram mechanism {name} is not supported.")))?;
    let mut parts = components(body)?;
    let user =
        parts.remove("name").ok_or_else(|| ToolError::failed("You must supply 'name' to add-scram"))?;
    let salt = match parts.remove("salt") {
        Some(text) => Some(
            base64::decode(&text)
                .ok_or_else(|| ToolError::failed(format!("Failed to decode given salt: {text}")))?,
        ),
        None => None,
    };
    let iterations = iterations(mechanism, parts.remove("iterations"))?;
    let (password, salted) = (parts.remove("password"), parts.remove("saltedpassword"));
    if password.is_none() && salted.is_none() {
        return Err(ToolError::failed("You must supply one of 'password' or 'saltedpassword' to add-scram"));
    }
    if password.is_none() && salt.is_none() {
        return Err(ToolError::failed("You must supply 'salt' with 'saltedpassword' to add-scram"));
    }
    if !parts.is_empty() {
        let unknown: Vec<&str> = parts.keys().map(String::as_str).collect();
        return Err(ToolError::failed(format!("Unknown SCRAM configurations: {}", unknown.join(", "))));
    }
    let salt = salt.unwrap_or_else(|| random_salt(platform));
    let salted = match (password, salted) {
        (Some(password), _) if password.is_empty() => return Err(ToolError::failed("Empty key")),
        (Some(password), _) => {
            mechanism.salted_password(password.as_bytes(), &salt, iterations.unsigned_abs())
        }
        (None, text) => {
            let text = text.unwrap_or_default();
            base64::decode(&text)
                .ok_or_else(|| ToolError::failed(format!("Failed to decode given saltedPassword: {text}")))?
        }
    };
    let record = broker::scram_credential_record(&user, mechanism.number(), &salt, &salted, iterations);
    record.ok_or_else(|| ToolError::failed(format!("The add-scram mechanism {name} is not supported.")))
}

/// What stands between the brackets, by name; values may stand in quotes.
fn components(text: &str) -> Result<BTreeMap<String, String>, ToolError> {
    let text = text
        .strip_prefix('[')
        .ok_or_else(|| ToolError::failed("Expected configuration string to start with ["))?;
    let text = text
        .strip_suffix(']')
        .ok_or_else(|| ToolError::failed("Expected configuration string to end with ]"))?;
    let text = if text.is_empty() { text } else { text.trim_end_matches(',') };
    let mut found = BTreeMap::new();
    for part in text.split(',') {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| ToolError::failed(format!("No equals sign found in SCRAM component: {part}")))?;
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        found.insert(name.to_owned(), quoted.unwrap_or(value).to_owned());
    }
    Ok(found)
}

fn iterations(mechanism: ScramMechanism, text: Option<String>) -> Result<i32, ToolError> {
    let Some(text) = text else { return Ok(ITERATIONS_DEFAULT) };
    let number: i32 =
        text.parse().map_err(|_| ToolError::failed(format!("Failed to parse iterations count: {text}")))?;
    let refuse = |bound: &str, limit: i32| {
        let name = mechanism.name().replace('-', "_");
        Err(ToolError::failed(format!(
            "The 'iterations' value must be {bound} {limit} for add-scram using {name}"
        )))
    };
    match number {
        _ if number < *ITERATIONS.start() => refuse(">=", *ITERATIONS.start()),
        _ if number > *ITERATIONS.end() => refuse("<=", *ITERATIONS.end()),
        _ => Ok(number),
    }
}

/// Small letters and digits.
fn random_salt(platform: &Platform) -> Vec<u8> {
    const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    (0..SALT_LETTERS).map(|_| LETTERS[(platform.rng.next_u64() % 36) as usize]).collect()
}
