//! `klamm`: the one program. Parses arguments, runs one command, turns its failure into an exit code.

mod applets;
mod arguments;
mod base64;
mod commands;
mod confirmation;
mod connection;
mod failure;
mod logging;
mod memory_dir;
mod node_process;
mod offline_notice;
mod offset_range;
mod output;
mod partition_argument;
mod port;
mod progress;
mod record_format;
mod record_input;
mod recovery_bar;
mod runtimes;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let began = Instant::now();
    if let Some((applet, arguments)) = invoked_applet() {
        return applets::run(applet, &arguments);
    }
    let arguments = Arguments::parse();
    match run(&arguments, began) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.status as u8)
        }
    }
}

fn run(arguments: &Arguments, began: Instant) -> Result<(), Failure> {
    let connection = &arguments.connection;
    match &arguments.command {
        Command::Dev(arguments) => commands::dev::run(arguments, began),
        Command::Server(arguments) => commands::server::run(arguments, began),
        Command::Completion(arguments) => commands::completion::run(arguments),
        Command::Applets(arguments) => commands::applets::run(arguments),
        Command::Segment(arguments) => commands::segment::run(arguments),
        Command::Topic(arguments) => block_on(commands::topic::run(arguments, connection)),
        Command::Produce(arguments) => block_on(commands::produce::run(arguments, connection)),
        Command::Consume(arguments) => block_on(commands::consume::run(arguments, connection)),
        Command::Group(arguments) => block_on(commands::group::run(arguments, connection)),
        Command::Cluster(arguments) => block_on(commands::cluster::run(arguments, connection)),
    }
}

/// One of Kafka's tools, if the program was started under its name or with it as the first word.
fn invoked_applet() -> Option<(applets::Applet, Vec<String>)> {
    let mut arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let program = arguments.next()?;
    if let Some(applet) = applets::find(&program) {
        return Some((applet, arguments.collect()));
    }
    let applet = applets::find(&arguments.next()?)?;
    Some((applet, arguments.collect()))
}

/// Runs a client command on this thread alone.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the machine gives no event queue: {error}")))?;
    runtime.block_on(command)
}
