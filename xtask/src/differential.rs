//! `cargo xtask differential`: builds the oracle of tests/differential and runs it with the same arguments.
//!
//! Owns nothing but the way there.

use std::process::Command;

use crate::tidy::repository_root;

/// Passes all arguments on.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--locked", "--package", "differential", "--"])
        .args(arguments)
        .current_dir(repository_root())
        .status()
        .map_err(|error| format!("cargo run: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("differential: the brokers differ, or could not be compared".to_owned())
    }
}
