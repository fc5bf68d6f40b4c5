//! What the node says while it runs: readable lines on a terminal, JSON otherwise, always on standard error.
//!
//! `KLAMM_LOG` sets the level: `debug`, or `info,storage=debug` for single rooms.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::Arc;

use broker::{LogLevel, LogLevels, Loggers};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

use crate::failure::Failure;

/// Begins logging at `level`, unless `KLAMM_LOG` says otherwise. The node may change the levels by what is returned.
///
/// # Errors
/// `KLAMM_LOG` cannot be read.
pub fn begin(level: LevelFilter) -> Result<Arc<Loggers>, Failure> {
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
    let levels = levels_of(&targets);
    let (filter, handle) = reload::Layer::new(targets);
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
    Ok(Arc::new(Loggers::new(levels, move |levels| {
        // It fails only when the program has ended its logging, and then nobody reads it.
        let _ = handle.reload(targets_of(levels));
    })))
}

const LEVELS: [(LogLevel, LevelFilter); 6] = [
    (LogLevel::Fatal, LevelFilter::OFF),
    (LogLevel::Error, LevelFilter::ERROR),
    (LogLevel::Warn, LevelFilter::WARN),
    (LogLevel::Info, LevelFilter::INFO),
    (LogLevel::Debug, LevelFilter::DEBUG),
    (LogLevel::Trace, LevelFilter::TRACE),
];

fn levels_of(targets: &Targets) -> LogLevels {
    let level = |filter: LevelFilter| {
        LEVELS.iter().find(|(_, known)| *known == filter).map_or(LogLevel::Fatal, |(level, _)| *level)
    };
    let own: BTreeMap<String, LogLevel> =
        targets.iter().map(|(name, filter)| (name.to_owned(), level(filter))).collect();
    LogLevels { root: level(targets.default_level().unwrap_or(LevelFilter::OFF)), own }
}

fn targets_of(levels: &LogLevels) -> Targets {
    let filter = |level: LogLevel| {
        LEVELS.iter().find(|(known, _)| *known == level).map_or(LevelFilter::OFF, |(_, filter)| *filter)
    };
    let own = levels.own.iter().map(|(name, level)| (name.clone(), filter(*level)));
    Targets::new().with_default(filter(levels.root)).with_targets(own)
}

#[cfg(test)]
mod tests {
    //! Levels survive the way there and back.

    use super::*;

    #[test]
    fn levels_and_targets_say_the_same() {
        for text in ["info", "warn,storage=debug,network::connection=off", "trace,broker=error"] {
            let targets: Targets = text.parse().expect("readable");
            assert_eq!(targets_of(&levels_of(&targets)).to_string(), targets.to_string());
        }
    }
}
