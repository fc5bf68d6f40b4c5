//! The inputs of the tests: parsed schemas, golden vectors, and arbitrary values. Owns reading and generating;
//! never judges.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::Value as Json;

use crate::dynamic::{Value, default, int_size, is_nullable};
use crate::entry::Entry;
use crate::registry::MESSAGES;
use crate::schema::{self, Field, Message, Scalar, Struct, Type};

/// Every schema by message name.
pub static SCHEMAS: LazyLock<BTreeMap<String, Message>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    let mut folders = vec![crate_file("schemas")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "kafka") {
                let file = schema::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
                all.extend(file.messages.into_iter().map(|m| (m.name.clone(), m)));
            }
        }
    }
    all
});

fn crate_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The text of a file in `testdata`.
pub fn testdata(name: &str) -> String {
    std::fs::read_to_string(crate_file("testdata").join(name)).unwrap()
}

/// The typed message with this name.
pub fn entry(name: &str) -> &'static Entry {
    MESSAGES.iter().find(|e| e.name == name).unwrap_or_else(|| panic!("no message {name}"))
}

/// Every message, typed and as schema.
pub fn messages() -> impl Iterator<Item = (&'static Entry, &'static Message)> {
    MESSAGES.iter().map(|e| (e, &SCHEMAS[e.name]))
}

/// One golden vector.
pub struct Vector {
    pub name: String,
    pub version: i16,
    pub value: Json,
    pub bytes: Vec<u8>,
}

impl Vector {
    pub fn entry(&self) -> &'static Entry {
        entry(&self.name)
    }
}

/// All golden vectors of messages.
pub static VECTORS: LazyLock<Vec<Vector>> = LazyLock::new(|| {
    let files = [
        "rpc",
        "metadata",
        "group-coordinator",
        "transaction-coordinator",
        "share-coordinator",
        "raft",
        "storage",
    ];
    let lines: Vec<String> = files.iter().map(|f| testdata(&format!("{f}.jsonl"))).collect();
    lines.iter().flat_map(|text| text.lines()).map(vector).collect()
});

fn vector(line: &str) -> Vector {
    let mut json: Json = serde_json::from_str(line).unwrap();
    Vector {
        name: json["name"].as_str().unwrap().to_owned(),
        version: i16::try_from(json["version"].as_i64().unwrap()).unwrap(),
        bytes: unhex(json["hex"].as_str().unwrap()),
        value: json["value"].take(),
    }
}

/// Bytes of a hexadecimal text.
pub fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A source of arbitrary values; the same seed gives the same values.
pub struct Arbitrary {
    rng: TestRng,
}

impl Arbitrary {
    pub fn new(seed: u64) -> Self {
        let mut bytes = [0u8; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        Self { rng: TestRng::from_seed(RngAlgorithm::ChaCha, &bytes) }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u64() % bound as u64) as usize
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A struct whose fields are at their default where `version` lacks them.
    pub fn structure(&mut self, message: &Message, s: &Struct, version: i16) -> Value {
        let field = |f| self.field(message, f, version);
        Value::Struct(s.fields.iter().map(field).collect())
    }

    fn field(&mut self, message: &Message, field: &Field, version: i16) -> Value {
        if !field.versions.contains(version) || field.tag.is_some() && self.below(3) == 0 {
            return default(message, field);
        }
        if is_nullable(field, version) && self.below(4) == 0 {
            return Value::Null;
        }
        match &field.kind {
            Type::Scalar(scalar) => self.scalar(*scalar),
            Type::ScalarArray(scalar) => {
                Value::List((0..self.below(4)).map(|_| self.scalar(*scalar)).collect())
            }
            Type::Struct(name) => self.structure(message, message.find(name), version),
            Type::StructArray(name) => {
                let element = message.find(name);
                Value::List((0..self.below(3)).map(|_| self.structure(message, element, version)).collect())
            }
        }
    }

    fn scalar(&mut self, scalar: Scalar) -> Value {
        match scalar {
            Scalar::Bool => Value::Bool(self.below(2) == 1),
            Scalar::Float64 => Value::Float(self.float()),
            Scalar::String => Value::Text(self.text()),
            Scalar::Bytes | Scalar::Records => {
                let length = self.length();
                Value::Bytes((0..length).map(|_| self.bits() as u8).collect())
            }
            Scalar::Uuid if self.below(4) == 0 => Value::Uuid([0; 16]),
            Scalar::Uuid => {
                Value::Uuid((u128::from(self.bits()) << 64 | u128::from(self.bits())).to_be_bytes())
            }
            Scalar::Uint16 | Scalar::Uint32 => {
                let bits = 8 * int_size(scalar) as u32;
                Value::Int(self.integer() & ((1 << bits) - 1))
            }
            _ => {
                let unused = 64 - 8 * int_size(scalar) as u32;
                Value::Int(self.integer() << unused >> unused)
            }
        }
    }

    fn integer(&mut self) -> i64 {
        match self.below(6) {
            0 => 0,
            1 => -1,
            2 => i64::MAX,
            3 => i64::MIN,
            4 => self.below(100) as i64,
            _ => self.bits() as i64,
        }
    }

    fn float(&mut self) -> f64 {
        match f64::from_bits(self.bits()) {
            number if number.is_nan() => 0.5,
            number => number,
        }
    }

    fn length(&mut self) -> usize {
        match self.below(20) {
            0 => 200,
            1 => 16_500,
            _ => self.below(6),
        }
    }

    fn text(&mut self) -> String {
        let length = self.length();
        (0..length)
            .map(|_| if self.below(9) == 0 { '€' } else { char::from(b'a' + self.below(26) as u8) })
            .take(10_000)
            .collect()
    }
}
