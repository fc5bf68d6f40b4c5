//! A decoded response as a tree. Owns how a value reads in a report; never knows bytes.

use std::fmt;

/// A value of any schema type.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Uuid([u8; 16]),
    List(Vec<Value>),
    /// Fields in wire order, by the schema's names.
    Struct(Vec<(String, Value)>),
}

impl Value {
    /// The field of a struct.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(fields) => fields.iter().find(|(own, _)| own == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The value at a path such as `Topics[0].Name`.
    pub fn at(&self, path: &str) -> Option<&Value> {
        let mut here = self;
        for part in path.split('.') {
            let (name, indexes) = part.split_once('[').unwrap_or((part, ""));
            if !name.is_empty() {
                here = here.field(name)?;
            }
            for index in indexes.split('[').filter(|index| !index.is_empty()) {
                let Value::List(list) = here else { return None };
                here = list.get(index.trim_end_matches(']').parse::<usize>().ok()?)?;
            }
        }
        Some(here)
    }
}

/// Unpadded base64 of the URL alphabet, as Kafka prints ids.
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(word >> (18 - 6 * place)) as usize & 63]));
        }
    }
    out
}

/// Reads what [`base64`] writes.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for c in text.bytes() {
        let sextet = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(sextet);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => write!(f, "null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Text(text) if text.len() > 200 => {
                write!(f, "{:?}… ({} bytes)", text.chars().take(60).collect::<String>(), text.len())
            }
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Bytes(bytes) if bytes.len() > 64 => {
                write!(f, "bytes({})#{:08x}", bytes.len(), crc32c::crc32c(bytes))
            }
            Value::Bytes(bytes) => {
                write!(f, "0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Value::Uuid(id) => write!(f, "uuid:{}", base64(id)),
            Value::List(list) => {
                write!(f, "[")?;
                for (at, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if at == 0 { "" } else { ", " })?;
                }
                write!(f, "]")
            }
            Value::Struct(fields) => {
                write!(f, "{{")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if at == 0 { "" } else { ", " })?;
                }
                write!(f, "}}")
            }
        }
    }
}
