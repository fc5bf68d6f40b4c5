//! Bytes as Kafka's deserializers read them and Java prints them.
//!
//! Owns those of Kafka itself. A class that is not one of them is passed over, as Kafka's tool does with one that it cannot
//! find: the bytes are printed as they are.

use crate::applets::ToolError;
use crate::applets::java_number::{java_double, java_float};

/// How bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deserializer {
    Raw,
    Text,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Uuid,
}

impl Deserializer {
    /// The one of this class.
    pub fn of(class: Option<&str>) -> Deserializer {
        let Some(class) = class else { return Deserializer::Raw };
        match class.strip_prefix("org.apache.kafka.common.serialization.") {
            Some("StringDeserializer") => Deserializer::Text,
            Some("ShortDeserializer") => Deserializer::Short,
            Some("IntegerDeserializer") => Deserializer::Integer,
            Some("LongDeserializer") => Deserializer::Long,
            Some("FloatDeserializer") => Deserializer::Float,
            Some("DoubleDeserializer") => Deserializer::Double,
            Some("BooleanDeserializer") => Deserializer::Boolean,
            Some("UUIDDeserializer") => Deserializer::Uuid,
            Some("ByteArrayDeserializer" | "BytesDeserializer") => Deserializer::Raw,
            _ => {
                eprintln!("ERROR Unable to instantiate a deserializer from {class}");
                Deserializer::Raw
            }
        }
    }

    /// What is printed for these bytes.
    pub fn text(self, bytes: &[u8]) -> Result<Vec<u8>, ToolError> {
        let text = match self {
            Deserializer::Raw => return Ok(bytes.to_vec()),
            Deserializer::Text => String::from_utf8_lossy(bytes).into_owned(),
            Deserializer::Short => i16::from_be_bytes(sized(bytes, "ShortDeserializer")?).to_string(),
            Deserializer::Integer => i32::from_be_bytes(sized(bytes, "IntegerDeserializer")?).to_string(),
            Deserializer::Long => i64::from_be_bytes(sized(bytes, "LongDeserializer")?).to_string(),
            Deserializer::Float => java_float(f32::from_be_bytes(sized(bytes, "Deserializer")?)),
            Deserializer::Double => java_double(f64::from_be_bytes(sized(bytes, "Deserializer")?)),
            Deserializer::Boolean => match sized::<1>(bytes, "BooleanDeserializer")? {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                [other] => {
                    return Err(failed(&format!("Unexpected byte received by BooleanDeserializer: {other}")));
                }
            },
            Deserializer::Uuid => uuid(&String::from_utf8_lossy(bytes))?,
        };
        Ok(text.into_bytes())
    }
}

fn sized<const N: usize>(bytes: &[u8], reader: &str) -> Result<[u8; N], ToolError> {
    bytes.try_into().map_err(|_| failed(&format!("Size of data received by {reader} is not {N}")))
}

fn failed(reason: &str) -> ToolError {
    ToolError::failed(format!("org.apache.kafka.common.errors.SerializationException: {reason}"))
}

/// An id in Java's five groups of hexadecimal digits, of which leading zeros may be missing.
fn uuid(text: &str) -> Result<String, ToolError> {
    let wrong = || failed("Error parsing data into UUID");
    let groups: Vec<&str> = text.split('-').collect();
    let [a, b, c, d, e] = groups[..] else { return Err(wrong()) };
    let digits = |group: &str, width: usize| {
        let number = u64::from_str_radix(group, 16).map_err(|_| wrong())?;
        let text = format!("{number:0width$x}");
        Ok::<String, ToolError>(text[text.len() - width..].to_owned())
    };
    Ok([digits(a, 8)?, digits(b, 4)?, digits(c, 4)?, digits(d, 4)?, digits(e, 12)?].join("-"))
}

#[cfg(test)]
mod tests;
