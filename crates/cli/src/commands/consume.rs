//! `klamm consume`: reads records of chosen topics and partitions.

mod plan;
mod printer;

use std::time::Duration;

use client::{AssignedConsumer, ClientConfig, ClientError, TopicPartition};
use platform::Platform;

use crate::connection::ConnectionArguments;
use crate::failure::{ExitStatus, Failure};
use crate::offline_notice::telling;
use crate::offset_range::{OffsetRange, parse_range};
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
    let printer = Printer::new(arguments.format.as_deref(), arguments.topics.len() > 1, now_ms)?;
    let config = client_config(connection)?;
    let patience = config.default_api_timeout;
    let consumer = AssignedConsumer::connect(&platform, config).await?;
    telling(consumer.offline(), read(arguments, consumer, range, printer, patience)).await
}

/// `patience` is how long a partition that is offline is waited for where reading is to end by itself.
async fn read(
    arguments: &ConsumeArguments,
    mut consumer: AssignedConsumer,
    range: OffsetRange,
    mut printer: Printer,
    patience: Duration,
) -> Result<(), Failure> {
    let mut plan = loop {
        match Plan::make(&consumer, arguments, range).await {
            // Who follows a topic waits until it can be read.
            Err(failure) if follows(arguments, range) && is_of_offline(&failure, &consumer) => {}
            made => break made?,
        }
    };
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
        let offline = consumer.offline().since(patience);
        if let Some((partition, error)) = offline.into_iter().find(|(one, _)| plan.is_to_end(&consumer, one))
        {
            return Err(late(&partition, patience, error).into());
        }
    }
    printer.flush()
}

fn follows(arguments: &ConsumeArguments, range: OffsetRange) -> bool {
    !arguments.exit && range.to.is_none()
}

fn is_of_offline(failure: &Failure, consumer: &AssignedConsumer) -> bool {
    failure.status == ExitStatus::TimedOut && !consumer.offline().since(Duration::ZERO).is_empty()
}

fn late(partition: &TopicPartition, patience: Duration, error: ClientError) -> ClientError {
    ClientError::DeadlineExceeded {
        what: format!("reading {partition}"),
        after_ms: patience.as_millis() as u64,
        last: Some(Box::new(error)),
    }
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
