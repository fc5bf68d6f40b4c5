//! A second codec that interprets the schema notation at run time. Owns an encoding that shares no code with the
//! generated one (only the notation's parser), so that the two can be compared.

use serde_json::Value as Json;

use crate::schema::{Field, Message, Scalar, Struct, Type, Versions};

/// A value of any schema type; a struct has one value per field, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Uuid([u8; 16]),
    List(Vec<Value>),
    Struct(Vec<Value>),
}

/// A length or count prefix in encoded bytes.
#[derive(Debug, Clone, Copy)]
pub struct Prefix {
    pub at: usize,
    pub size: usize,
    pub flexible: bool,
    /// Counts elements of an array, not bytes.
    pub is_count: bool,
}

/// Why a value cannot be encoded: the path of the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    NotInVersion(String),
    Null(String),
}

/// The schema's default.
pub fn default(message: &Message, field: &Field) -> Value {
    match (&field.kind, field.default.as_deref()) {
        (_, Some("null")) | (Type::Scalar(Scalar::Records), _) => Value::Null,
        (Type::Scalar(Scalar::Bool), literal) => Value::Bool(literal == Some("true")),
        (Type::Scalar(Scalar::Float64), _) => Value::Float(0.0),
        (Type::Scalar(Scalar::String), literal) => Value::Text(literal.unwrap_or_default().to_owned()),
        (Type::Scalar(Scalar::Bytes), _) => Value::Bytes(Vec::new()),
        (Type::Scalar(Scalar::Uuid), _) => Value::Uuid([0; 16]),
        (Type::Scalar(_), literal) => Value::Int(literal.unwrap_or("0").parse().unwrap()),
        (Type::ScalarArray(_) | Type::StructArray(_), _) => Value::List(Vec::new()),
        (Type::Struct(name), _) => default_struct(message, message.find(name)),
    }
}

/// A struct with every field at its default.
pub fn default_struct(message: &Message, s: &Struct) -> Value {
    Value::Struct(s.fields.iter().map(|f| default(message, f)).collect())
}

/// The smallest value that `version` can carry: zero, empty, and null only where it is the default.
pub fn zero_struct(message: &Message, s: &Struct, version: i16) -> Value {
    let zero = |f: &Field| match (&f.kind, default(message, f)) {
        (Type::Scalar(Scalar::Records), _) if !is_nullable(f, version) && f.versions.contains(version) => {
            Value::Bytes(Vec::new())
        }
        (Type::Struct(name), value) if value != Value::Null => {
            zero_struct(message, message.find(name), version)
        }
        (_, value) => value,
    };
    Value::Struct(s.fields.iter().map(zero).collect())
}

pub fn is_nullable(field: &Field, version: i16) -> bool {
    field.nullable.is_some_and(|n| n.contains(version))
}

/// Reads the JSON form that Kafka's converters write.
pub fn from_json(message: &Message, s: &Struct, json: &Json, version: i16) -> Value {
    let object = json.as_object().expect("a struct is an object");
    let mut used = 0;
    let mut fields = Vec::new();
    for field in &s.fields {
        let (first, rest) = field.name.split_at(1);
        let key = format!("{}{rest}", first.to_lowercase());
        fields.push(match object.get(&key) {
            None => default(message, field),
            Some(json) => {
                used += 1;
                field_from_json(message, field, json, version)
            }
        });
    }
    assert_eq!(used, object.len(), "{}: the JSON has unknown keys: {json}", s.name);
    Value::Struct(fields)
}

fn field_from_json(message: &Message, field: &Field, json: &Json, version: i16) -> Value {
    if json.is_null() {
        return Value::Null;
    }
    let list = || json.as_array().expect("an array").iter();
    match &field.kind {
        Type::Scalar(scalar) => scalar_from_json(*scalar, json),
        Type::ScalarArray(scalar) => Value::List(list().map(|j| scalar_from_json(*scalar, j)).collect()),
        Type::Struct(name) => from_json(message, message.find(name), json, version),
        Type::StructArray(name) => {
            let element = message.find(name);
            Value::List(list().map(|j| from_json(message, element, j, version)).collect())
        }
    }
}

fn scalar_from_json(scalar: Scalar, json: &Json) -> Value {
    match scalar {
        Scalar::Bool => Value::Bool(json.as_bool().unwrap()),
        Scalar::Float64 => Value::Float(json.as_f64().unwrap()),
        Scalar::String => Value::Text(json.as_str().unwrap().to_owned()),
        Scalar::Bytes | Scalar::Records => Value::Bytes(base64(json.as_str().unwrap())),
        Scalar::Uuid => Value::Uuid(base64(json.as_str().unwrap()).try_into().unwrap()),
        _ => Value::Int(json.as_i64().unwrap()),
    }
}

/// Decodes base64 of either alphabet, padded or not.
pub fn base64(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut bits, mut held) = (0u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let sextet = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => panic!("{c} is no base64"),
        };
        bits = bits << 6 | u32::from(sextet);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    out
}

/// Encodes a whole message; also returns the places of all length and count prefixes.
pub fn encode(message: &Message, value: &Value, version: i16) -> Result<(Vec<u8>, Vec<Prefix>), Refusal> {
    let mut encoder = Encoder { message, version, out: Vec::new(), prefixes: Vec::new() };
    encoder.structure(&message.structs[0], value)?;
    Ok((encoder.out, encoder.prefixes))
}

struct Encoder<'m> {
    message: &'m Message,
    version: i16,
    out: Vec<u8>,
    prefixes: Vec<Prefix>,
}

pub fn uvarint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 127 {
        out.push((value % 128) as u8 + 128);
        value /= 128;
    }
    out.push(value as u8);
    out
}

impl Encoder<'_> {
    fn flexible(&self) -> bool {
        self.message.flexible_from.is_some_and(|from| self.version >= from)
    }

    fn path(&self, s: &Struct, field: &Field) -> String {
        match s.name == self.message.name {
            true => field.name.clone(),
            false => format!("{}.{}", s.name, field.name),
        }
    }

    fn structure(&mut self, s: &Struct, value: &Value) -> Result<(), Refusal> {
        let Value::Struct(values) = value else { panic!("{} is a struct, not {value:?}", s.name) };
        assert_eq!(values.len(), s.fields.len());
        let mut tagged = Vec::new();
        for (field, value) in s.fields.iter().zip(values) {
            let set = *value != default(self.message, field);
            if !field.versions.contains(self.version) {
                if set && !field.ignorable {
                    return Err(Refusal::NotInVersion(self.path(s, field)));
                }
            } else if field.tag.is_some() {
                if set {
                    tagged.push((field, value));
                }
            } else {
                self.body_field(s, field, value)?;
            }
        }
        if self.flexible() {
            tagged.sort_by_key(|(field, _)| field.tag);
            self.out.extend(uvarint(tagged.len() as u64));
            for (field, value) in tagged {
                self.tagged_field(s, field, value)?;
            }
        }
        Ok(())
    }

    fn tagged_field(&mut self, s: &Struct, field: &Field, value: &Value) -> Result<(), Refusal> {
        let mut inner = Encoder { out: Vec::new(), prefixes: Vec::new(), ..*self };
        match (&field.kind, value) {
            (Type::Struct(_), Value::Null) => inner.out.push(0),
            (Type::Struct(name), value) => {
                if field.nullable.is_some() {
                    inner.out.push(1);
                }
                inner.structure(self.message.find(name), value)?;
            }
            _ => inner.body_field(s, field, value)?,
        }
        self.out.extend(uvarint(u64::from(field.tag.unwrap())));
        self.out.extend(uvarint(inner.out.len() as u64));
        let shift = self.out.len();
        self.prefixes.extend(inner.prefixes.iter().map(|p| Prefix { at: p.at + shift, ..*p }));
        self.out.extend(inner.out);
        Ok(())
    }

    fn body_field(&mut self, s: &Struct, field: &Field, value: &Value) -> Result<(), Refusal> {
        let flexible = self.flexible() && !field.inflexible;
        let may_be_null = is_nullable(field, self.version);
        if *value == Value::Null && !may_be_null {
            return Err(Refusal::Null(self.path(s, field)));
        }
        match (&field.kind, value) {
            (Type::Struct(_), Value::Null) => self.out.push(0xff),
            (Type::Struct(name), value) => {
                if may_be_null {
                    self.out.push(1);
                }
                self.structure(self.message.find(name), value)?;
            }
            (Type::Scalar(scalar), value) => self.scalar(*scalar, value, flexible),
            (Type::ScalarArray(scalar), value) => {
                let list = self.count(value, flexible);
                list.iter().for_each(|v| self.scalar(*scalar, v, flexible));
            }
            (Type::StructArray(name), value) => {
                let element = self.message.find(name);
                for value in self.count(value, flexible) {
                    self.structure(element, value)?;
                }
            }
        }
        Ok(())
    }

    fn count<'v>(&mut self, value: &'v Value, flexible: bool) -> &'v [Value] {
        match value {
            Value::Null => {
                self.prefix(None, flexible, false, true);
                &[]
            }
            Value::List(list) => {
                self.prefix(Some(list.len()), flexible, false, true);
                list
            }
            other => panic!("{other:?} is no list"),
        }
    }

    fn prefix(&mut self, length: Option<usize>, flexible: bool, short: bool, is_count: bool) {
        let signed = length.map_or(-1, |l| l as i64);
        let bytes = match (flexible, short) {
            (true, _) => uvarint((signed + 1) as u64),
            (false, true) => (signed as i16).to_be_bytes().to_vec(),
            (false, false) => (signed as i32).to_be_bytes().to_vec(),
        };
        self.prefixes.push(Prefix { at: self.out.len(), size: bytes.len(), flexible, is_count });
        self.out.extend(bytes);
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value, flexible: bool) {
        let short = scalar == Scalar::String;
        match (scalar, value) {
            (Scalar::String | Scalar::Bytes | Scalar::Records, Value::Null) => {
                self.prefix(None, flexible, short, false);
            }
            (_, Value::Text(text)) => {
                self.prefix(Some(text.len()), flexible, short, false);
                self.out.extend(text.as_bytes());
            }
            (_, Value::Bytes(bytes)) => {
                self.prefix(Some(bytes.len()), flexible, short, false);
                self.out.extend(bytes);
            }
            (_, Value::Bool(value)) => self.out.push(u8::from(*value)),
            (_, Value::Float(value)) => self.out.extend(value.to_be_bytes()),
            (_, Value::Uuid(value)) => self.out.extend(value),
            (_, Value::Int(value)) => {
                let size = int_size(scalar);
                self.out.extend(&value.to_be_bytes()[8 - size..]);
            }
            (_, other) => panic!("{other:?} is no {scalar:?}"),
        }
    }
}

/// Bytes of an integer type.
pub fn int_size(scalar: Scalar) -> usize {
    match scalar {
        Scalar::Int8 => 1,
        Scalar::Int16 | Scalar::Uint16 => 2,
        Scalar::Int32 | Scalar::Uint32 => 4,
        _ => 8,
    }
}

/// What `{:?}` of the typed message prints for this value after a round trip through `version`.
pub fn debug(message: &Message, s: &Struct, value: &Value, version: i16) -> String {
    let Value::Struct(values) = value else { panic!("{} is a struct, not {value:?}", s.name) };
    if s.fields.is_empty() {
        return s.name.clone();
    }
    let fields: Vec<String> = s
        .fields
        .iter()
        .zip(values)
        .map(|(field, value)| {
            let carried = field.versions.contains(version);
            let value = if carried { value.clone() } else { default(message, field) };
            format!("{}: {}", crate::names::snake(&field.name), debug_field(message, field, &value, version))
        })
        .collect();
    format!("{} {{ {} }}", s.name, fields.join(", "))
}

fn debug_field(message: &Message, field: &Field, value: &Value, version: i16) -> String {
    let records = field.kind == Type::Scalar(Scalar::Records);
    let nested = |name: &str, value: &Value| debug(message, message.find(name), value, version);
    let plain = match (&field.kind, value) {
        (_, Value::Null) => return if records { "Null" } else { "None" }.to_owned(),
        (Type::Scalar(_), Value::Bytes(bytes)) if records => return format!("Borrowed({bytes:?})"),
        (Type::Scalar(Scalar::Int16), Value::Int(code)) if field.name == "ErrorCode" => {
            format!("{:?}", protocol::ErrorCode(*code as i16))
        }
        (Type::Scalar(_), value) => debug_scalar(value),
        (Type::Struct(name), value) => nested(name, value),
        (Type::ScalarArray(_), Value::List(list)) => {
            format!("[{}]", list.iter().map(debug_scalar).collect::<Vec<_>>().join(", "))
        }
        (Type::StructArray(name), Value::List(list)) => {
            format!("[{}]", list.iter().map(|v| nested(name, v)).collect::<Vec<_>>().join(", "))
        }
        (kind, value) => panic!("{value:?} is no {kind:?}"),
    };
    if field.nullable.is_some() { format!("Some({plain})") } else { plain }
}

fn debug_scalar(value: &Value) -> String {
    match value {
        Value::Bool(value) => format!("{value:?}"),
        Value::Int(value) => format!("{value:?}"),
        Value::Float(value) => format!("{value:?}"),
        Value::Text(value) => format!("{value:?}"),
        Value::Bytes(value) => format!("{value:?}"),
        Value::Uuid(value) => format!("{:?}", protocol::Uuid(*value)),
        other => panic!("{other:?} is no scalar"),
    }
}

/// All versions of a message.
pub fn versions(message: &Message) -> std::ops::RangeInclusive<i16> {
    let Versions { lo, hi } = message.versions;
    lo..=hi
}
