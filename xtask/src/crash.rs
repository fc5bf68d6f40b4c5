//! `cargo xtask crash`: builds `klamm` and the rig of tests/crash, and runs the rig with the same arguments.
//!
//! Owns nothing but the way there.

use std::path::PathBuf;
use std::process::Command;

use crate::tidy::repository_root;

/// Passes all arguments on, and the program under test.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let root = repository_root();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = Command::new(&cargo);
    build.args(["build", "--quiet", "--locked", "--package", "crash"]).current_dir(&root);
    let names_program = arguments.iter().any(|argument| argument.starts_with("--klamm"));
    if !names_program {
        build.args(["--package", "cli"]);
    }
    let status = build.status().map_err(|error| format!("cargo build: {error}"))?;
    if !status.success() {
        return Err("crash: the rig and klamm cannot be built".to_owned());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let programs = target.join("debug");
    let mut rig = Command::new(programs.join("crash"));
    rig.args(arguments).current_dir(&root);
    if !names_program {
        rig.arg("--klamm").arg(programs.join("klamm"));
    }
    let status = rig.status().map_err(|error| format!("{}: {error}", programs.join("crash").display()))?;
    if status.success() { Ok(()) } else { Err("crash: something is lost or wrong, see above".to_owned()) }
}
