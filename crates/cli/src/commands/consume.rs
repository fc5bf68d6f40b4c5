//! `klamm consume`: reads records of chosen topics and partitions.

mod plan;
mod printer;

use std::time::Duration;

use client::{AssignedConsumer, ClientConfig};
use platform::Platform;

use crate::connection::ConnectionArguments;
use crate::failure::Failure;
use crate::offset_range::parse_range;
use plan::Plan;
use printer::Printer;

/// How long one look for new records waits.
const POLL_WAIT: Duration = Duration::from_millis(500);

/// Options of `consume`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm consume hello                             from the start, then follow
  klamm consume hello -o end                      only what comes from now on
  klamm consume hello -o -5 -n 5                  the last five of each partition, five in all
  klamm consume orders -o @-1h:end -f '%d{iso} %k %v\\n'
  klamm consume a --exit | klamm produce b        copy

Ranges (-o): start end 10 10:20 +5 -5 @2026-11-25 @-1h @-1h:-30m :end
Formats (-f): json, lines, pretty, or %t topic %p partition %o offset %k key %v value %d time %h headers; see docs/cli.md")]
pub struct ConsumeArguments {
    /// Topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Range of offsets or times
    #[arg(
        short = 'o',
        long = "offset",
        value_name = "RANGE",
        default_value = "start",
        allow_hyphen_values = true
    )]
    range: String,
    /// Only these partitions
    #[arg(short = 'p', long = "partition", value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partitions: Vec<i32>,
    /// Stop after so many records
    #[arg(short = 'n', long = "num", value_name = "N")]
    count: Option<u64>,
    /// Format of a record [pretty on a terminal, json in a pipe]
    #[arg(short = 'f', long, value_name = "FORMAT")]
    format: Option<String>,
    /// Stop at the end as it is at the start
    #[arg(long)]
    exit: bool,
}

/// Reads and prints until the range, the count or the user ends it.
///
/// # Errors
/// A topic or partition does not exist, the cluster does not answer, or standard output is closed.
pub async fn run(arguments: &ConsumeArguments, connection: &ConnectionArguments) -> Result<(), Failure> {
    let platform = Platform::os();
    let now_ms = platform.clock.wall_ms();
    let range = parse_range(&arguments.range, now_ms).map_err(Failure::usage)?;
    let mut printer = Printer::new(arguments.format.as_deref(), arguments.topics.len() > 1, now_ms)?;
    let mut consumer = AssignedConsumer::connect(&platform, client_config(connection)?).await?;
    let mut plan = Plan::make(&consumer, arguments, range).await?;
    consumer.assign(&plan.starts()).await?;
    let wanted = arguments.count.unwrap_or(u64::MAX);
    while printer.count() < wanted && !plan.is_done(&consumer) {
        for records in consumer.poll(POLL_WAIT).await? {
            for record in records.records() {
                let record = record?;
                if plan.is_wanted(&record) && printer.count() < wanted {
                    printer.print(&record)?;
                }
            }
        }
        printer.flush()?;
    }
    printer.flush()
}

fn client_config(connection: &ConnectionArguments) -> Result<ClientConfig, Failure> {
    let mut config = connection.client_config()?;
    let is_set = |key: &str| connection.properties.iter().any(|property| property.starts_with(key));
    // Looking must not create what is looked for, and records that are gone are passed over.
    for (key, value) in [("allow.auto.create.topics", "false"), ("auto.offset.reset", "earliest")] {
        if !is_set(key) {
            config.set(key, value).map_err(|error| Failure::usage(error.to_string()))?;
        }
    }
    Ok(config)
}
