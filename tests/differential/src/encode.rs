//! A request from its JSON form to bytes, by the schema alone.
//!
//! Owns the JSON form: a field that is left out is the schema's default; null is written even where the schema forbids
//! it, for that is one of the things to try; an object with a `$word` is bytes made by `blobs`. A field that the
//! version lacks is left out. Never shares code with the broker's codec.

use serde_json::Value as Json;

use crate::Failure;
use crate::blobs;
use crate::schema::{Field, Message, Scalar, Struct, Type};
use crate::value::from_base64;

/// The body of a request. `extra_tag` puts a tag that no schema knows into the outermost tag section.
pub fn encode(message: &Message, json: &Json, version: i16, extra_tag: bool) -> Result<Vec<u8>, Failure> {
    let flexible = message.flexible_from.is_some_and(|from| version >= from);
    let mut encoder = Encoder { message, version, flexible, out: Vec::new() };
    encoder.structure(&message.structs[0], json, extra_tag)?;
    Ok(encoder.out)
}

/// The whole frame without its length: header and body.
pub fn frame(
    key: i16,
    version: i16,
    flexible: bool,
    correlation_id: i32,
    client_id: &Json,
    body: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(key.to_be_bytes());
    out.extend(version.to_be_bytes());
    out.extend(correlation_id.to_be_bytes());
    let mut text = Vec::new();
    match client_id {
        Json::Null => out.extend((-1_i16).to_be_bytes()),
        other => {
            text.extend(blobs::bytes(other).unwrap_or_default());
            out.extend((text.len() as i16).to_be_bytes());
            out.extend(text);
        }
    }
    if flexible {
        out.push(0);
    }
    out.extend(body);
    out
}

struct Encoder<'m> {
    message: &'m Message,
    version: i16,
    flexible: bool,
    out: Vec<u8>,
}

/// An unsigned varint.
pub fn uvarint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value > 127 {
        out.push((value % 128) as u8 + 128);
        value /= 128;
    }
    out.push(value as u8);
    out
}

/// Is the JSON an object that stands for bytes or a special number?
fn is_function(json: &Json) -> bool {
    json.as_object().is_some_and(|object| object.keys().any(|key| key.starts_with('$')))
}

impl Encoder<'_> {
    fn structure(&mut self, s: &Struct, json: &Json, extra_tag: bool) -> Result<(), Failure> {
        let object = json.as_object().ok_or_else(|| format!("{} is an object, not {json}", s.name))?;
        if let Some(unknown) = object.keys().find(|key| !s.fields.iter().any(|field| field.name == **key)) {
            return Err(format!("{} has no field {unknown}", s.name).into());
        }
        let mut tagged: Vec<(u32, Vec<u8>)> = Vec::new();
        let version = self.version;
        for field in s.fields.iter().filter(|field| field.versions.contains(version)) {
            let given = object.get(&field.name);
            let within = |error: Failure| -> Failure { format!("{}.{}: {error}", s.name, field.name).into() };
            match (field.tag, given) {
                (None, Some(json)) => self.field(field, json).map_err(within)?,
                (None, None) => self.default(field).map_err(within)?,
                (Some(tag), Some(json)) => {
                    let mut inner = Encoder { out: Vec::new(), ..*self };
                    inner.field(field, json).map_err(within)?;
                    tagged.push((tag, inner.out));
                }
                (Some(_), None) => {}
            }
        }
        if self.flexible {
            if extra_tag {
                tagged.push((9999, vec![1, 2, 3]));
            }
            tagged.sort();
            self.out.extend(uvarint(tagged.len() as u64));
            for (tag, bytes) in tagged {
                self.out.extend(uvarint(u64::from(tag)));
                self.out.extend(uvarint(bytes.len() as u64));
                self.out.extend(bytes);
            }
        }
        Ok(())
    }

    fn default(&mut self, field: &Field) -> Result<(), Failure> {
        let literal = field.default.as_deref();
        let json = match (&field.kind, literal) {
            (_, Some("null")) | (Type::Scalar(Scalar::Records), _) => Json::Null,
            (Type::Scalar(Scalar::Bool), literal) => Json::Bool(literal == Some("true")),
            (Type::Scalar(Scalar::String | Scalar::Bytes), literal) => literal.unwrap_or_default().into(),
            (Type::Scalar(Scalar::Uuid), _) => Json::String("zero".into()),
            (Type::Scalar(_), literal) => literal.unwrap_or("0").parse::<i64>()?.into(),
            (Type::ScalarArray(_) | Type::StructArray(_), _) => Json::Array(Vec::new()),
            (Type::Struct(_), _) => Json::Object(serde_json::Map::new()),
        };
        self.field(field, &json)
    }

    fn field(&mut self, field: &Field, json: &Json) -> Result<(), Failure> {
        let flexible = self.flexible && !field.inflexible;
        match (&field.kind, json) {
            (Type::Scalar(scalar), json) => self.scalar(*scalar, json, flexible)?,
            (Type::Struct(_), Json::Null) => self.out.push(0xff),
            (Type::Struct(name), json) => {
                if field.nullable.is_some_and(|range| range.contains(self.version)) {
                    self.out.push(1);
                }
                self.structure(self.message.find(name), json, false)?;
            }
            (_, Json::Null) => self.count(None, flexible),
            (Type::ScalarArray(scalar), Json::Array(list)) => {
                self.count(Some(list.len()), flexible);
                list.iter().try_for_each(|json| self.scalar(*scalar, json, flexible))?;
            }
            (Type::StructArray(name), Json::Array(list)) => {
                self.count(Some(list.len()), flexible);
                let element = self.message.find(name);
                list.iter().try_for_each(|json| self.structure(element, json, false))?;
            }
            (_, json) => return Err(format!("is an array, not {json}").into()),
        }
        Ok(())
    }

    fn count(&mut self, count: Option<usize>, flexible: bool) {
        match (count, flexible) {
            (None, true) => self.out.push(0),
            (None, false) => self.out.extend((-1_i32).to_be_bytes()),
            (Some(count), true) => self.out.extend(uvarint(count as u64 + 1)),
            (Some(count), false) => self.out.extend((count as i32).to_be_bytes()),
        }
    }

    fn scalar(&mut self, scalar: Scalar, json: &Json, flexible: bool) -> Result<(), Failure> {
        match scalar {
            Scalar::Bool => {
                let value = json.as_bool().ok_or_else(|| format!("is true or false, not {json}"))?;
                self.out.push(u8::from(value));
            }
            Scalar::Float64 => {
                let value = match json.as_str() {
                    Some(text) => text.parse::<f64>()?,
                    None => json.as_f64().ok_or_else(|| format!("is a number, not {json}"))?,
                };
                self.out.extend(value.to_be_bytes());
            }
            Scalar::Uuid => self.out.extend(uuid(json)?),
            Scalar::String | Scalar::Bytes | Scalar::Records => {
                let bytes = if json.is_null() { None } else { Some(blobs::bytes(json)?) };
                match (scalar == Scalar::String && !flexible, &bytes) {
                    (true, None) => self.out.extend((-1_i16).to_be_bytes()),
                    (true, Some(bytes)) => self.out.extend((bytes.len() as i16).to_be_bytes()),
                    (false, bytes) => self.count(bytes.as_ref().map(Vec::len), flexible),
                }
                self.out.extend(bytes.unwrap_or_default());
            }
            number => {
                let size = int_size(number);
                let value = match json.as_str() {
                    Some("min") => i64::MIN >> (64 - 8 * size),
                    Some("max") => i64::MAX >> (64 - 8 * size),
                    Some(text) => text.parse::<i64>()?,
                    None => json.as_i64().ok_or_else(|| format!("is a number, not {json}"))?,
                };
                self.out.extend(&value.to_be_bytes()[8 - size..]);
            }
        }
        Ok(())
    }
}

fn uuid(json: &Json) -> Result<[u8; 16], Failure> {
    let number = |low: u8| {
        let mut id = [0; 16];
        id[15] = low;
        id
    };
    match json.as_str() {
        Some("zero") => Ok(number(0)),
        Some("one") => Ok(number(1)),
        Some(text) => from_base64(text)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| format!("{text} is no id").into()),
        None if is_function(json) => {
            blobs::bytes(json)?.try_into().map_err(|_| Failure::from("an id has 16 bytes"))
        }
        None => Err(format!("is an id, not {json}").into()),
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
