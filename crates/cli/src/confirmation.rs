//! Asking before something is lost.
//!
//! Owns the question. What is lost, the command says.

use std::io::{self, BufRead, IsTerminal};

use crate::failure::Failure;

/// Goes on if the user has said `--yes`, or says yes when asked.
///
/// # Errors
/// The user says no, or nobody can be asked.
pub fn confirm(yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("this needs a yes, and nobody can be asked here: {question}"))
            .with_fix("add --yes"));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::failed(error.to_string()))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was changed")),
    }
}
