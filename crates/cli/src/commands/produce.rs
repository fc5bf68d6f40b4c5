//! `klamm produce`: writes records from arguments, a pipe, a file or the keyboard.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use client::{ClientConfig, Header, Producer, ProducerRecord};
use platform::Platform;
use tokio::sync::mpsc;

use crate::connection::{ConnectionArguments, key_value};
use crate::failure::Failure;
use crate::offline_notice::telling;
use crate::progress::Progress;
use crate::record_input::{InputFormat, InputRecord, RecordReader};

/// Records on their way from the reading thread to the producer.
const RECORDS_WAITING_MAX: usize = 4096;
/// After so many records the progress is shown anew.
const RECORDS_PER_LOOK: u64 = 4096;

/// Options of `produce`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm produce hello 'first record'
  klamm produce orders -k order-1 -H source=web '{\"cents\":990}'
  klamm produce flights --file flights.csv -f csv --key tailnum
  klamm consume a --exit | klamm produce b")]
pub struct ProduceArguments {
    /// Topic; it is created if the cluster allows it
    topic: String,
    /// Values, one record each; without any, records come from --file, a pipe or the keyboard
    #[arg(conflicts_with = "file")]
    values: Vec<String>,
    /// Key of each record that has none
    #[arg(short = 'k', long = "record-key", value_name = "KEY")]
    record_key: Option<String>,
    /// A header of each record
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE")]
    headers: Vec<String>,
    /// Partition [chosen by key, else spread]
    #[arg(short = 'p', long, value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Send one record without value, which deletes its key in a compacted topic
    #[arg(long, conflicts_with_all = ["values", "file"], requires = "record_key")]
    tombstone: bool,
    /// Read records from a file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// What a line of the file or pipe is
    #[arg(short = 'f', long, value_enum, default_value_t = InputFormat::Auto)]
    format: InputFormat,
    /// CSV column that becomes the key
    #[arg(long = "key", value_name = "COLUMN")]
    key_column: Option<String>,
    /// Codec: none, gzip, snappy, lz4 or zstd
    #[arg(short = 'z', long, value_name = "CODEC")]
    compression: Option<String>,
    /// When a record counts as written: 0, 1 or all [all]
    #[arg(long, value_name = "ACKS")]
    acks: Option<String>,
}

/// Writes the records and waits until all of them are acknowledged.
///
/// # Errors
/// The input cannot be read, or a record cannot be written.
pub async fn run(arguments: &ProduceArguments, connection: &ConnectionArguments) -> Result<(), Failure> {
    let config = client_config(arguments, connection)?;
    let mut source = Source::open(arguments)?;
    let producer = Producer::connect(&Platform::os(), config).await?;
    let (sent, closed) = telling(producer.offline(), async move {
        let sent = send_all(arguments, &producer, &mut source).await;
        source.progress.finish();
        // What was read before a bad line is written all the same, and counted.
        (sent, producer.close().await)
    })
    .await;
    let written = closed.as_ref().map_or(0, |stats| stats.records_acknowledged);
    if written > 0 || sent.is_ok() && closed.is_ok() {
        let noun = if written == 1 { "record" } else { "records" };
        eprintln!("{written} {noun} to {}", arguments.topic);
    }
    sent?;
    closed?;
    Ok(())
}

fn client_config(
    arguments: &ProduceArguments,
    connection: &ConnectionArguments,
) -> Result<ClientConfig, Failure> {
    let mut config = connection.client_config()?;
    let is_set = |key: &str| connection.properties.iter().any(|property| property.starts_with(key));
    // A file is sent for throughput, not for the latency of single records.
    if arguments.file.is_some() && !is_set("batch.size=") {
        set(&mut config, "batch.size", "131072")?;
    }
    if let Some(codec) = &arguments.compression {
        set(&mut config, "compression.type", codec)?;
    }
    if let Some(acks) = &arguments.acks {
        set(&mut config, "acks", acks)?;
    }
    Ok(config)
}

fn set(config: &mut ClientConfig, key: &str, value: &str) -> Result<(), Failure> {
    config.set(key, value).map(|_| ()).map_err(|error| Failure::usage(error.to_string()))
}

/// Where records come from.
struct Source {
    records: mpsc::Receiver<Result<InputRecord, String>>,
    progress: Progress,
}

impl Source {
    fn open(arguments: &ProduceArguments) -> Result<Source, Failure> {
        let (sender, records) = mpsc::channel(RECORDS_WAITING_MAX);
        let mut progress = Progress::of_bytes(0);
        if arguments.tombstone {
            spawn_reader(sender, || Ok([InputRecord::default()].into_iter().map(Ok)));
        } else if !arguments.values.is_empty() {
            let values = arguments.values.clone();
            let record =
                |value: String| Ok(InputRecord { value: Some(value.into_bytes()), ..InputRecord::default() });
            spawn_reader(sender, move || Ok(values.into_iter().map(record)));
        } else if let Some(path) = &arguments.file {
            let (file, len) = open_file(path)?;
            progress = Progress::of_bytes(len);
            spawn_parser(sender, progress.watch(file), arguments);
        } else {
            if io::stdin().is_terminal() {
                eprintln!("type records, one a line; Ctrl-D ends");
            }
            spawn_parser(sender, io::stdin(), arguments);
        }
        Ok(Source { records, progress })
    }
}

fn open_file(path: &Path) -> Result<(File, u64), Failure> {
    let fail = |error: io::Error| Failure::usage(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(fail)?;
    let len = file.metadata().map_err(fail)?.len();
    Ok((file, len))
}

type RecordSender = mpsc::Sender<Result<InputRecord, String>>;

/// Parses input on a thread of its own, so that a slow pipe does not hold up what is being sent.
fn spawn_parser(sender: RecordSender, input: impl Read + Send + 'static, arguments: &ProduceArguments) {
    let (format, key_column) = (arguments.format, arguments.key_column.clone());
    spawn_reader(sender, move || {
        let mut reader =
            RecordReader::new(BufReader::with_capacity(1 << 16, input), format, key_column.as_deref())?;
        Ok(std::iter::from_fn(move || reader.next_record().transpose()))
    });
}

fn spawn_reader<I>(sender: RecordSender, open: impl FnOnce() -> Result<I, String> + Send + 'static)
where
    I: Iterator<Item = Result<InputRecord, String>>,
{
    std::thread::spawn(move || {
        let opened = open();
        let mut give = |record: Result<InputRecord, String>| {
            let is_last = record.is_err();
            sender.blocking_send(record).is_ok() && !is_last
        };
        match opened {
            Ok(mut records) => while records.next().is_some_and(&mut give) {},
            Err(error) => {
                give(Err(error));
            }
        }
    });
}

async fn send_all(
    arguments: &ProduceArguments,
    producer: &Producer,
    source: &mut Source,
) -> Result<(), Failure> {
    let mut common_headers = Vec::with_capacity(arguments.headers.len());
    for header in &arguments.headers {
        let (name, value) = key_value(header)?;
        common_headers.push(Header { key: name.as_bytes(), value: Some(value.as_bytes()) });
    }
    let mut count: u64 = 0;
    while let Some(record) = source.records.recv().await {
        let record = record.map_err(Failure::usage)?;
        let own_headers = record.headers.iter();
        let own_headers =
            own_headers.map(|(name, value)| Header { key: name.as_bytes(), value: value.as_deref() });
        let headers: Vec<Header<'_>> = own_headers.chain(common_headers.iter().copied()).collect();
        let key = record.key.as_deref().or(arguments.record_key.as_deref().map(str::as_bytes));
        let sent = ProducerRecord {
            topic: &arguments.topic,
            partition: arguments.partition,
            key,
            value: record.value.as_deref(),
            headers: &headers,
            timestamp: record.timestamp_ms,
        };
        producer.send(sent).await?;
        count += 1;
        if count.is_multiple_of(RECORDS_PER_LOOK) {
            source.progress.set_records(count);
            if let Some(error) = producer.first_error() {
                return Err(error.into());
            }
        }
    }
    Ok(())
}
