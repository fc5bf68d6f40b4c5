//! The program as a person and as a script use it: `klamm` processes against a `klamm` node, on loopback.

mod applets;
mod groups;
mod json_shapes;
mod node;
mod records;
mod segments;
mod server;
mod storage;
mod topics;

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs `klamm` and waits for it.
fn klamm(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klamm"));
    for variable in ["KLAMM_BOOTSTRAP", "KAFKA_BOOTSTRAP_SERVERS", "RPK_BROKERS", "KLAMM_LOG"] {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null()).output().expect("klamm runs")
}

/// Runs `klamm` with something on its standard input.
fn klamm_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_klamm"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("klamm runs");
    child.stdin.take().expect("piped").write_all(input).expect("klamm reads its input");
    child.wait_with_output().expect("klamm ends")
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
