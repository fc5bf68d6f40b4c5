//! A response from bytes to a tree, by the schema alone.
//!
//! Owns strictness: bytes left over, a length that lies, a tag that the schema lacks are errors or show in the tree.
//! Never shares code with the broker's codec.

use crate::schema::{Field, Message, Scalar, Struct, Type};
use crate::value::Value;

/// The tree of a response body. A tag section's unknown tags appear as fields `tag N`.
pub fn decode(message: &Message, bytes: &[u8], version: i16) -> Result<Value, String> {
    let flexible = message.flexible_from.is_some_and(|from| version >= from);
    let mut decoder = Decoder { message, version, flexible, rest: bytes };
    let value = decoder.structure(&message.structs[0])?;
    match decoder.rest.len() {
        0 => Ok(value),
        left => Err(format!("{left} bytes are left over after {value}")),
    }
}

/// Reads the header of a response: correlation id and, if `flexible`, a tag section. Returns the body.
pub fn header(frame: &[u8], flexible: bool) -> Result<(i32, &[u8]), String> {
    let (id, rest) = frame.split_at_checked(4).ok_or("a response shorter than its header")?;
    let id = i32::from_be_bytes([id[0], id[1], id[2], id[3]]);
    match (flexible, rest.split_first()) {
        (false, _) => Ok((id, rest)),
        (true, Some((0, body))) => Ok((id, body)),
        (true, _) => Err("a response header with tags".to_owned()),
    }
}

struct Decoder<'m, 'b> {
    message: &'m Message,
    version: i16,
    flexible: bool,
    rest: &'b [u8],
}

impl<'b> Decoder<'_, 'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], String> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| format!("{count} bytes are wanted, {} are left", self.rest.len()))?;
        self.rest = rest;
        Ok(taken)
    }

    fn int(&mut self, size: usize) -> Result<i64, String> {
        let bytes = self.take(size)?;
        let start = if bytes[0] >= 128 { -1 } else { 0 };
        Ok(bytes.iter().fold(start, |value, byte| value << 8 | i64::from(*byte)))
    }

    fn uvarint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in 0..10 {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 127) << (7 * shift);
            if byte < 128 {
                return Ok(value);
            }
        }
        Err("an endless varint".to_owned())
    }

    fn structure(&mut self, s: &Struct) -> Result<Value, String> {
        let mut fields = Vec::new();
        let present = |field: &&Field| field.versions.contains(self.version);
        let (body, tagged): (Vec<&Field>, Vec<&Field>) =
            s.fields.iter().filter(present).partition(|field| field.tag.is_none());
        for field in body {
            let value = self.field(field).map_err(|error| format!("{}.{}: {error}", s.name, field.name))?;
            fields.push((field.name.clone(), value));
        }
        if self.flexible {
            for _ in 0..self.uvarint()? {
                let (tag, length) = (self.uvarint()?, self.uvarint()?);
                let bytes = self.take(length as usize)?;
                let mut inner = Decoder { rest: bytes, ..*self };
                match tagged.iter().find(|field| field.tag.map(u64::from) == Some(tag)) {
                    Some(field) => {
                        let value = inner.field(field)?;
                        if !inner.rest.is_empty() {
                            return Err(format!("tag {tag} of {} is longer than its value", s.name));
                        }
                        fields.push((field.name.clone(), value));
                    }
                    None => fields.push((format!("tag {tag}"), Value::Bytes(bytes.to_vec()))),
                }
            }
        }
        Ok(Value::Struct(fields))
    }

    fn field(&mut self, field: &Field) -> Result<Value, String> {
        let flexible = self.flexible && !field.inflexible;
        let may_be_null = field.nullable.is_some_and(|range| range.contains(self.version));
        let value = match &field.kind {
            Type::Scalar(scalar) => self.scalar(*scalar, flexible)?,
            Type::Struct(name) => {
                if may_be_null && self.int(1)? < 0 {
                    Value::Null
                } else {
                    self.structure(self.message.find(name))?
                }
            }
            Type::ScalarArray(scalar) => self.list(flexible, |decoder| decoder.scalar(*scalar, flexible))?,
            Type::StructArray(name) => {
                let element = self.message.find(name);
                self.list(flexible, |decoder| decoder.structure(element))?
            }
        };
        if value == Value::Null && !may_be_null {
            return Err("null, where the schema allows none".to_owned());
        }
        Ok(value)
    }

    fn length(&mut self, flexible: bool, size: usize) -> Result<Option<usize>, String> {
        let length = if flexible { self.uvarint()? as i64 - 1 } else { self.int(size)? };
        Ok(usize::try_from(length).ok())
    }

    fn list(
        &mut self,
        flexible: bool,
        mut element: impl FnMut(&mut Self) -> Result<Value, String>,
    ) -> Result<Value, String> {
        let Some(count) = self.length(flexible, 4)? else { return Ok(Value::Null) };
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(element(self)?);
        }
        Ok(Value::List(list))
    }

    fn scalar(&mut self, scalar: Scalar, flexible: bool) -> Result<Value, String> {
        Ok(match scalar {
            Scalar::Bool => Value::Bool(self.int(1)? != 0),
            Scalar::Float64 => Value::Float(f64::from_bits(self.int(8)? as u64)),
            Scalar::Uuid => Value::Uuid(self.take(16)?.try_into().map_err(|_| "an id has 16 bytes")?),
            Scalar::String => match self.length(flexible, 2)? {
                None => Value::Null,
                Some(length) => {
                    let bytes = self.take(length)?;
                    Value::Text(String::from_utf8(bytes.to_vec()).map_err(|_| "text that is not UTF-8")?)
                }
            },
            Scalar::Bytes | Scalar::Records => match self.length(flexible, 4)? {
                None => Value::Null,
                Some(length) => Value::Bytes(self.take(length)?.to_vec()),
            },
            Scalar::Uint16 => Value::Int(self.int(2)? & 0xffff),
            Scalar::Uint32 => Value::Int(self.int(4)? & 0xffff_ffff),
            number => Value::Int(self.int(crate::encode::int_size(number))?),
        })
    }
}
