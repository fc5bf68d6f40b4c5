//! Repository chores. Owns only the dispatch to one file per subcommand; never holds a chore itself.

mod board;
mod codegen;
mod compat_doc;
mod config_doc;
mod crash;
mod differential;
mod mutants;
mod sim;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask board [--help] | codegen [--check] | compat-doc [--check] | config-doc [--check] | crash [--help] | differential [--help] | mutants [--help] | sim [--help] | tidy";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((name, rest)) if name == "board" => board::run(rest),
        Some((name, rest)) if name == "codegen" => codegen::run(rest),
        Some((name, rest)) if name == "compat-doc" => compat_doc::run(rest),
        Some((name, rest)) if name == "config-doc" => config_doc::run(rest),
        Some((name, rest)) if name == "crash" => crash::run(rest),
        Some((name, rest)) if name == "differential" => differential::run(rest),
        Some((name, rest)) if name == "mutants" => mutants::run(rest),
        Some((name, rest)) if name == "sim" => sim::run(rest),
        Some((name, rest)) if name == "tidy" => tidy::run(rest),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
