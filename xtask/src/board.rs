//! The compatibility board: third-party suites and clients against a broker.
//!
//! Owns only the hand-over to `tests/board/run`, which says what it can do with `--help`.

use std::process::Command;

use crate::tidy::repository_root;

/// Runs the board with the arguments as they are; a red board is an error.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let program = repository_root().join("tests/board/run");
    let status = Command::new(&program)
        .args(arguments)
        .status()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if status.success() { Ok(()) } else { Err(format!("the board is not green ({status})")) }
}
