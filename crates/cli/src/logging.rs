//! What the node says while it runs: readable lines on a terminal, JSON otherwise, always on standard error.
//!
//! `KLAMM_LOG` sets the level: `debug`, or `info,storage=debug` for single rooms.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::failure::Failure;

/// Begins logging at `level`, unless `KLAMM_LOG` says otherwise.
///
/// # Errors
/// `KLAMM_LOG` cannot be read.
pub fn begin(level: LevelFilter) -> Result<(), Failure> {
    let targets = match std::env::var("KLAMM_LOG") {
        Ok(text) => text.parse::<Targets>().map_err(|error| {
            Failure::usage(format!("KLAMM_LOG={text}: {error}"))
                .with_fix("write a level, as in KLAMM_LOG=info,storage=debug")
        })?,
        Err(_) => Targets::new().with_default(level),
    };
    let layer = if io::stderr().is_terminal() {
        fmt::layer().compact().with_target(false).with_writer(io::stderr).boxed()
    } else {
        fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed()
    };
    tracing_subscriber::registry().with(layer.with_filter(targets)).init();
    Ok(())
}
