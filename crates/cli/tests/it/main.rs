//! The program as a person and as a script use it: `klamm` processes against a `klamm` node, on loopback.

mod applets;
mod node;
mod records;
mod server;
mod topics;

use std::process::{Command, Output};

/// Runs `klamm` and waits for it.
fn klamm(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    for variable in ["KLAMM_BOOTSTRAP", "KAFKA_BOOTSTRAP_SERVERS", "RPK_BROKERS", "KLAMM_LOG"] {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(std::process::Stdio::null()).output().expect("klamm runs")
}

/// Exit code and what was printed, with standard error after standard output.
fn shown(output: &Output) -> String {
    let code = output.status.code().map_or_else(|| "killed".to_owned(), |code| code.to_string());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{code}\n{}{}", text(&output.stdout), text(&output.stderr))
}

/// Standard output of a command that must succeed.
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", shown(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
