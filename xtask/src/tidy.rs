//! The repository's own rules, checked on its sources: who may depend on whom, what a room may not touch, how a file
//! looks.
//!
//! Owns the rules and how a violation reads. Never changes a file.

mod arrows;
mod bans;
mod effects;
mod handlers;
mod links;
mod modules;
mod shape;
mod source;

use std::path::{Path, PathBuf};

use source::SourceFile;

/// Checks the whole repository; a violation is one line, `file:line: what is wrong and what to do`.
pub fn run(arguments: &[String]) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("usage: cargo xtask tidy".to_owned());
    }
    let violations = check(&repository_root())?;
    if violations.is_empty() {
        println!("tidy: nothing to complain about");
        return Ok(());
    }
    for violation in &violations {
        eprintln!("{violation}");
    }
    Err(format!("tidy: {} violations", violations.len()))
}

/// The directory of the workspace.
pub(crate) fn repository_root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask lies in the workspace").to_owned()
}

fn check(root: &Path) -> Result<Vec<String>, String> {
    let files = source::rust_files(root)?;
    let mut violations = Vec::new();
    arrows::check(root, &mut violations)?;
    effects::check(&files, &mut violations);
    handlers::check(root, &files, &mut violations)?;
    links::check(root, &mut violations)?;
    modules::check(&files, &mut violations);
    for file in &files {
        shape::check(file, &mut violations);
        bans::check(file, &mut violations);
    }
    shape::check_exceptions(&files, &mut violations);
    violations.sort();
    Ok(violations)
}

#[cfg(test)]
mod tests;
