//! `kafka-console-producer`: writes the lines of standard input as records.
//!
//! Owns its options and how they become properties of a producer.

mod line_reader;

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use client::{ClientError, Delivery, Header, Producer, ProducerRecord};
use platform::Platform;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::applets::options::{CommandLine, OptionDef, flag, optional_value, value};
use crate::applets::tool_client::{self, key_values, properties_file};
use crate::applets::{ToolError, java_exception};
use crate::output::print;
use line_reader::{LineReader, LineRecord};

/// The options of `kafka-console-producer`.
pub const OPTIONS: &[OptionDef] = &[
    value("topic", "topic", "REQUIRED: the topic."),
    value("bootstrap-server", "server to connect to", "REQUIRED: where the cluster is."),
    flag("sync", "Wait for each record to be acknowledged before the next."),
    optional_value(
        "compression-codec",
        "compression-codec",
        "none, gzip, snappy, lz4 or zstd; gzip if no codec is named.",
    ),
    value("batch-size", "size", "batch.size. Default: 16384."),
    value("message-send-max-retries", "count", "retries. Default: 3."),
    value("retry-backoff-ms", "ms", "retry.backoff.ms. Default: 100."),
    value("timeout", "timeout_ms", "linger.ms. Default: 1000."),
    value("request-required-acks", "request required acks", "acks. Default: -1."),
    value("request-timeout-ms", "request timeout ms", "request.timeout.ms. Default: 1500."),
    value("metadata-expiry-ms", "metadata expiration interval", "metadata.max.age.ms. Default: 300000."),
    value("max-block-ms", "max block on send", "max.block.ms. Default: 60000."),
    value("max-memory-bytes", "total memory in bytes", "buffer.memory. Default: 33554432."),
    value("max-partition-memory-bytes", "memory in bytes per partition", "The old name of --batch-size."),
    value("line-reader", "reader_class", "Only Kafka's LineMessageReader, which is the default."),
    value("socket-buffer-size", "size", "send.buffer.bytes. Has no effect here."),
    value("property", "prop", "The old name of --reader-property."),
    value(
        "reader-property",
        "prop",
        "How lines are taken apart: parse.key, parse.headers, ignore.error (true or false), key.separator (\\t), \
         headers.delimiter (\\t), headers.separator (,), headers.key.separator (:), null.marker.",
    ),
    value("reader-config", "config file", "A file with such properties."),
    value("producer-property", "producer_prop", "The old name of --command-property."),
    value("command-property", "producer_prop", "A property of the producer, key=value."),
    value("producer.config", "config file", "The old name of --command-config."),
    value("command-config", "config file", "Properties of the producer."),
];

const ABOUT: &str = "This tool helps to read data from standard input and publish it to Kafka.";

/// Options that become properties, and what counts if neither is given.
const MERGED: [(&str, &str, &str); 11] = [
    ("timeout", "linger.ms", "1000"),
    ("request-required-acks", "acks", "-1"),
    ("request-timeout-ms", "request.timeout.ms", "1500"),
    ("message-send-max-retries", "retries", "3"),
    ("retry-backoff-ms", "retry.backoff.ms", "100"),
    ("socket-buffer-size", "send.buffer.bytes", "102400"),
    ("max-memory-bytes", "buffer.memory", "33554432"),
    ("batch-size", "batch.size", "16384"),
    ("max-partition-memory-bytes", "batch.size", "16384"),
    ("metadata-expiry-ms", "metadata.max.age.ms", "300000"),
    ("max-block-ms", "max.block.ms", "60000"),
];

/// Lines read ahead of the producer.
const LINES_WAITING_MAX: usize = 1024;
/// Records whose outcome has not been looked at.
const DELIVERIES_WAITING_MAX: usize = 65_536;
/// The pause between two tries to find a broker.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    // What is wrong with an option is answered with all options.
    let line = CommandLine::parse(OPTIONS, arguments).map_err(ToolError::into_usage)?;
    check(&line)?;
    let mut reader = LineReader::new(&reader_properties(&line)?)?;
    let producer = connect(&producer_properties(&line)?).await?;
    let topic = line.one("topic")?.unwrap_or_default();
    let sent = send_lines(&producer, topic, &mut reader, line.has("sync")).await;
    // What was sent before a bad line is written all the same.
    let closed = producer.close().await;
    sent?;
    closed.map(drop).or(Ok(()))
}

fn check(line: &CommandLine) -> Result<(), ToolError> {
    line.help_or_version(ABOUT)?;
    line.require(&["topic"])?;
    for [new, old] in [
        ["command-config", "producer.config"],
        ["command-property", "producer-property"],
        ["reader-property", "property"],
    ] {
        if line.has(new) && line.has(old) {
            return Err(ToolError::usage(format!(
                "Options --{new} and --{old} cannot be specified together."
            )));
        }
    }
    for (old, version, new) in [
        ("producer-property", "a future version", "command-property"),
        ("producer.config", "a future version", "command-config"),
        ("property", "a future version", "reader-property"),
        ("max-partition-memory-bytes", "Apache Kafka 5.0", "batch-size"),
    ] {
        if line.has(old) {
            print(&format!(
                "Warning: --{old} is deprecated and will be removed in {version}. Use --{new} instead.\n"
            ))?;
        }
    }
    tool_client::check_servers(line.one("bootstrap-server")?.unwrap_or_default())
}

/// The values of an option under its new or its old name.
fn either<'a>(line: &'a CommandLine, new: &str, old: &str) -> &'a [String] {
    if line.has(new) { line.all(new) } else { line.all(old) }
}

fn reader_properties(line: &CommandLine) -> Result<Vec<(String, String)>, ToolError> {
    let mut properties = match line.one("reader-config")? {
        Some(path) => properties_file(path)?,
        None => Vec::new(),
    };
    properties.extend(key_values(either(line, "reader-property", "property")));
    Ok(properties)
}

fn producer_properties(line: &CommandLine) -> Result<Vec<(String, String)>, ToolError> {
    if let Some(class) = line.one("line-reader")?
        && class != "org.apache.kafka.tools.LineMessageReader"
    {
        return Err(ToolError::failed(format!("java.lang.ClassNotFoundException: {class}")));
    }
    let mut properties = vec![("client.id".to_owned(), "console-producer".to_owned())];
    if let Some(path) = either(line, "command-config", "producer.config").first() {
        properties.extend(properties_file(path)?);
    }
    properties.extend(key_values(either(line, "command-property", "producer-property")));
    let servers = line.one("bootstrap-server")?.unwrap_or_default();
    properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
    let codec = match (line.has("compression-codec"), line.one("compression-codec")?) {
        (false, _) => "none",
        (true, None | Some("")) => "gzip",
        (true, Some(codec)) => codec,
    };
    properties.push(("compression.type".to_owned(), codec.to_owned()));
    for (option, key, default) in MERGED {
        let given = match option {
            "request-required-acks" => line.one(option)?.map(str::to_owned),
            _ => line.number::<i64>(option)?.map(|number| number.to_string()),
        };
        if given.is_some() || !properties.iter().any(|(known, _)| known == key) {
            properties.push((key.to_owned(), given.unwrap_or_else(|| default.to_owned())));
        }
    }
    Ok(properties)
}

/// A producer. A broker that is not there yet is waited for, as Kafka's producer does when it sends.
async fn connect(properties: &[(String, String)]) -> Result<Producer, ToolError> {
    let failed = |reason: String| {
        eprintln!("Caused by: {reason}");
        ToolError::failed("org.apache.kafka.common.KafkaException: Failed to construct kafka producer")
    };
    let config = tool_client::client_config(properties).map_err(|error| failed(error.to_string()))?;
    let deadline = Instant::now() + config.max_block;
    loop {
        match Producer::connect(&Platform::os(), config.clone()).await {
            Ok(producer) => return Ok(producer),
            Err(ClientError::Config(error)) => return Err(failed(error.to_string())),
            Err(error) if error.is_retriable() && Instant::now() + RECONNECT_PAUSE < deadline => {
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
            Err(error) => return Err(ToolError::failed(java_exception::caused_by(&error))),
        }
    }
}

/// What becomes of a record, and what to call it if it fails.
struct Sent {
    delivery: Delivery,
    key_bytes: Option<usize>,
    value_bytes: Option<usize>,
}

async fn send_lines(
    producer: &Producer,
    topic: &str,
    reader: &mut LineReader,
    sync: bool,
) -> Result<(), ToolError> {
    let mut lines = read_lines();
    let (sender, deliveries) = mpsc::channel(DELIVERIES_WAITING_MAX);
    let watch = tokio::spawn(watch(topic.to_owned(), deliveries));
    let mut result = Ok(());
    while let Some(text) = lines.recv().await {
        result = match text {
            Ok(text) => match reader.record(&text) {
                Ok(record) => send(producer, topic, &record, sync, &sender).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(ToolError::failed(format!("org.apache.kafka.common.KafkaException: {error}"))),
        };
        if result.is_err() {
            break;
        }
    }
    producer.flush().await;
    drop(sender);
    // It ends when all records have one outcome or the other.
    let _ = watch.await;
    result
}

async fn send(
    producer: &Producer,
    topic: &str,
    record: &LineRecord,
    sync: bool,
    sender: &mpsc::Sender<Sent>,
) -> Result<(), ToolError> {
    let headers: Vec<Header<'_>> = record
        .headers
        .iter()
        .map(|(name, value)| Header { key: name.as_bytes(), value: value.as_deref() })
        .collect();
    let (key_bytes, value_bytes) = (record.key.as_ref().map(Vec::len), record.value.as_ref().map(Vec::len));
    let sent = producer
        .send(ProducerRecord {
            topic,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
            ..ProducerRecord::default()
        })
        .await;
    match sent {
        Ok(delivery) if sync => match delivery.await {
            Ok(_) => Ok(()),
            Err(error) => Err(unwritten(&error)),
        },
        Ok(delivery) => {
            // The watch outlives the sender.
            let _ = sender.send(Sent { delivery, key_bytes, value_bytes }).await;
            Ok(())
        }
        Err(error) if sync => Err(unwritten(&error)),
        Err(error) => {
            log_error(topic, key_bytes, value_bytes, &error);
            Ok(())
        }
    }
}

fn unwritten(error: &ClientError) -> ToolError {
    let cause = java_exception::caused_by(error);
    ToolError::failed(format!("java.util.concurrent.ExecutionException: {cause}"))
}

/// Says of each record that could not be written that it was not; the others go on.
async fn watch(topic: String, mut deliveries: mpsc::Receiver<Sent>) {
    while let Some(sent) = deliveries.recv().await {
        if let Err(error) = sent.delivery.await {
            log_error(&topic, sent.key_bytes, sent.value_bytes, &error);
        }
    }
}

fn log_error(topic: &str, key_bytes: Option<usize>, value_bytes: Option<usize>, error: &ClientError) {
    let size =
        |bytes: Option<usize>| bytes.map_or_else(|| "null".to_owned(), |bytes| format!("{bytes} bytes"));
    eprintln!(
        "ERROR Error when sending message to topic {topic} with key: {}, value: {} with error: {}",
        size(key_bytes),
        size(value_bytes),
        java_exception::caused_by(error)
    );
}

/// Reads standard input on a thread of its own, so that a slow pipe does not hold up what is being sent.
fn read_lines() -> mpsc::Receiver<Result<String, std::io::Error>> {
    let (sender, lines) = mpsc::channel(LINES_WAITING_MAX);
    let prompt = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut line = Vec::new();
        loop {
            if prompt {
                // A prompt that cannot be shown is no reason to stop reading.
                let _ = std::io::stdout().write_all(b">").and_then(|()| std::io::stdout().flush());
            }
            let item = match next_line(&mut input, &mut line) {
                Ok(false) => return,
                Ok(true) => Ok(String::from_utf8_lossy(&line).into_owned()),
                Err(error) => Err(error),
            };
            let is_last = item.is_err();
            if sender.blocking_send(item).is_err() || is_last {
                return;
            }
        }
    });
    lines
}

/// The next line, which ends with `\n`, `\r`, `\r\n` or the input; false when there is none.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, std::io::Error> {
    line.clear();
    let mut any = false;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let Some(end) = buffer.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            line.extend_from_slice(buffer);
            let read = buffer.len();
            input.consume(read);
            continue;
        };
        line.extend_from_slice(&buffer[..end]);
        let is_return = buffer[end] == b'\r';
        input.consume(end + 1);
        if is_return && input.fill_buf()?.first() == Some(&b'\n') {
            input.consume(1);
        }
        return Ok(true);
    }
}

#[cfg(test)]
mod tests;
