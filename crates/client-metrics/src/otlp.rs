//! OpenTelemetry's metrics (`opentelemetry.proto.metrics.v1.MetricsData`), as far as Kafka's clients use them: gauges and
//! sums of numbers. Other kinds are passed over.

use std::str;

use crate::wire::{Fields, Malformed, Value};

/// What a number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The value now.
    Gauge,
    /// Grows, and starts again at nothing with its client.
    Counter,
}

/// How a number relates to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Takes its place.
    Replace,
    /// Is added to it.
    Add,
}

/// One number of a push.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: Kind,
    pub(crate) change: Change,
    pub(crate) value: f64,
    /// The data point, whose attributes [`attributes`] reads.
    point: &'a [u8],
}

const DELTA_TEMPORALITY: u64 = 1;

/// Reads all numbers in order.
///
/// # Errors
/// The bytes are no metrics; what was read before has been given already.
pub(crate) fn read<'a>(bytes: &'a [u8], give: &mut dyn FnMut(Sample<'a>)) -> Result<(), Malformed> {
    for resource in messages(bytes, 1) {
        for scope in messages(resource?, 2) {
            for metric in messages(scope?, 2) {
                read_metric(metric?, give)?;
            }
        }
    }
    Ok(())
}

/// The attributes of a sample's point, as text.
pub(crate) fn attributes<'a>(sample: &Sample<'a>) -> impl Iterator<Item = (&'a str, String)> + use<'a> {
    messages(sample.point, 7).filter_map(|attribute| read_attribute(attribute.ok()?).ok())
}

fn read_metric<'a>(metric: &'a [u8], give: &mut dyn FnMut(Sample<'a>)) -> Result<(), Malformed> {
    let mut name = "";
    for field in Fields::of(metric) {
        if let (1, Value::Bytes(bytes)) = field? {
            name = str::from_utf8(bytes).map_err(|_| Malformed)?;
        }
    }
    for gauge in messages(metric, 5) {
        for point in messages(gauge?, 1) {
            read_point(point?, (name, Kind::Gauge, Change::Replace), give)?;
        }
    }
    for sum in messages(metric, 7) {
        let sum = sum?;
        let (mut is_delta, mut is_monotonic) = (false, false);
        for field in Fields::of(sum) {
            match field? {
                (2, Value::Varint(temporality)) => is_delta = temporality == DELTA_TEMPORALITY,
                (3, Value::Varint(flag)) => is_monotonic = flag != 0,
                _ => {}
            }
        }
        let kind = if is_monotonic { Kind::Counter } else { Kind::Gauge };
        let change = if is_delta { Change::Add } else { Change::Replace };
        for point in messages(sum, 1) {
            read_point(point?, (name, kind, change), give)?;
        }
    }
    Ok(())
}

fn read_point<'a>(
    point: &'a [u8],
    (name, kind, change): (&'a str, Kind, Change),
    give: &mut dyn FnMut(Sample<'a>),
) -> Result<(), Malformed> {
    let mut value = None;
    for field in Fields::of(point) {
        match field? {
            (4, Value::Fixed64(bits)) => value = Some(f64::from_bits(bits)),
            (6, Value::Fixed64(bits)) => value = Some(bits.cast_signed() as f64),
            (7, Value::Bytes(attribute)) => _ = read_attribute(attribute)?,
            _ => {}
        }
    }
    if let Some(value) = value {
        give(Sample { name, kind, change, value, point });
    }
    Ok(())
}

fn read_attribute(attribute: &[u8]) -> Result<(&str, String), Malformed> {
    let mut key = "";
    let mut text = String::new();
    for field in Fields::of(attribute) {
        match field? {
            (1, Value::Bytes(bytes)) => key = str::from_utf8(bytes).map_err(|_| Malformed)?,
            (2, Value::Bytes(value)) => text = read_any(value)?,
            _ => {}
        }
    }
    Ok((key, text))
}

/// A single value as text; lists and bytes are none.
fn read_any(value: &[u8]) -> Result<String, Malformed> {
    let mut text = String::new();
    for field in Fields::of(value) {
        match field? {
            (1, Value::Bytes(bytes)) => text = str::from_utf8(bytes).map_err(|_| Malformed)?.to_owned(),
            (2, Value::Varint(flag)) => text = (flag != 0).to_string(),
            (3, Value::Varint(number)) => text = number.cast_signed().to_string(),
            (4, Value::Fixed64(bits)) => text = f64::from_bits(bits).to_string(),
            _ => {}
        }
    }
    Ok(text)
}

/// The messages in the fields of this number.
fn messages(bytes: &[u8], wanted: u32) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    Fields::of(bytes).filter_map(move |field| match field {
        Ok((number, Value::Bytes(message))) if number == wanted => Some(Ok(message)),
        Ok((number, _)) if number == wanted => Some(Err(Malformed)),
        Ok(_) => None,
        Err(malformed) => Some(Err(malformed)),
    })
}
