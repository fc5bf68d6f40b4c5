//! Encoding. Owns the one writer that first counts and then writes, so that every buffer is allocated once at
//! its exact size; never knows a message.

use crate::reader::MAX_STRING_BYTES;
use crate::{EncodeError, Records, Uuid};

/// A hole in an encoded frame: `len` bytes that are sent from elsewhere, named by `token`, belong at `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Offset in the output buffer at which the bytes are to be inserted; the buffer itself does not hold them.
    pub position: usize,
    /// The caller's name for the bytes.
    pub token: u32,
    /// Length in bytes.
    pub len: u32,
}

/// Collects the bytes of a message, or only counts them.
#[derive(Debug, Default)]
pub struct Writer {
    counting: bool,
    /// Bytes counted, those of gaps included.
    count: usize,
    /// Bytes of gaps counted, which the buffer will not hold.
    external: usize,
    out: Vec<u8>,
    gaps: Vec<Gap>,
}

type WriteField<'f> = &'f dyn Fn(&mut Writer) -> Result<(), EncodeError>;

impl Writer {
    /// A writer that only counts.
    pub fn counting() -> Self {
        Self { counting: true, ..Self::default() }
    }

    /// A writer that appends to `out`.
    pub fn appending(out: Vec<u8>, gaps: Vec<Gap>) -> Self {
        Self { counting: false, count: 0, external: 0, out, gaps }
    }

    /// Bytes counted so far, those of gaps included; 0 unless counting.
    pub fn counted_bytes(&self) -> usize {
        self.count
    }

    /// The bytes and gaps written.
    pub fn into_parts(self) -> (Vec<u8>, Vec<Gap>) {
        (self.out, self.gaps)
    }

    /// Bytes counted that the buffer will hold, without those of gaps.
    pub(crate) fn counted_buffer_bytes(&self) -> usize {
        self.count - self.external
    }

    /// Raw bytes, without a length.
    pub fn put(&mut self, bytes: &[u8]) {
        if self.counting {
            self.count += bytes.len();
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    /// A byte, 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.put(&[u8::from(value)]);
    }

    /// An `int8`.
    pub fn i8(&mut self, value: i8) {
        self.put(&value.to_be_bytes());
    }

    /// A big-endian `int16`.
    pub fn i16(&mut self, value: i16) {
        self.put(&value.to_be_bytes());
    }

    /// A big-endian `uint16`.
    pub fn u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    /// A big-endian `int32`.
    pub fn i32(&mut self, value: i32) {
        self.put(&value.to_be_bytes());
    }

    /// A big-endian `uint32`.
    pub fn u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// A big-endian `int64`.
    pub fn i64(&mut self, value: i64) {
        self.put(&value.to_be_bytes());
    }

    /// A big-endian `float64`.
    pub fn f64(&mut self, value: f64) {
        self.put(&value.to_be_bytes());
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self, value: Uuid) {
        self.put(&value.0);
    }

    /// An unsigned LEB128 integer.
    pub fn uvarint(&mut self, mut value: u32) {
        let mut bytes = [0u8; 5];
        let mut used = 0;
        for byte in &mut bytes {
            used += 1;
            *byte = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                break;
            }
            *byte |= 0x80;
        }
        self.put(bytes.get(..used).unwrap_or_default());
    }

    /// The length of bytes, records or an array.
    pub(crate) fn length(&mut self, flexible: bool, length: usize) -> Result<(), EncodeError> {
        let Ok(value) = i32::try_from(length) else { return Err(EncodeError::TooLong { length }) };
        if flexible {
            self.uvarint(value.unsigned_abs() + 1);
        } else {
            self.i32(value);
        }
        Ok(())
    }

    /// Null in place of bytes, records or an array.
    pub(crate) fn null(&mut self, flexible: bool) {
        if flexible {
            self.uvarint(0);
        } else {
            self.i32(-1);
        }
    }

    /// A string.
    pub fn string(&mut self, flexible: bool, value: &str) -> Result<(), EncodeError> {
        let length = value.len();
        match i16::try_from(length) {
            Ok(_) if flexible => self.length(true, length)?,
            Ok(length) => self.i16(length),
            Err(_) => return Err(EncodeError::TooLong { length }),
        }
        debug_assert!(length <= MAX_STRING_BYTES, "both directions have the same limit");
        self.put(value.as_bytes());
        Ok(())
    }

    /// A string that may be null.
    pub fn nullable_string(&mut self, flexible: bool, value: Option<&str>) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.string(flexible, value)?,
            None if flexible => self.uvarint(0),
            None => self.i16(-1),
        }
        Ok(())
    }

    /// Bytes.
    pub fn bytes(&mut self, flexible: bool, value: &[u8]) -> Result<(), EncodeError> {
        self.length(flexible, value.len())?;
        self.put(value);
        Ok(())
    }

    /// Bytes that may be null.
    pub fn nullable_bytes(&mut self, flexible: bool, value: Option<&[u8]>) -> Result<(), EncodeError> {
        match value {
            Some(value) => self.bytes(flexible, value)?,
            None => self.null(flexible),
        }
        Ok(())
    }

    /// Record batches; external ones become a length and a gap.
    pub fn records(&mut self, flexible: bool, value: &Records<'_>) -> Result<(), EncodeError> {
        match value {
            Records::Null => self.null(flexible),
            Records::Borrowed(bytes) => self.bytes(flexible, bytes)?,
            Records::Owned(bytes) => self.bytes(flexible, bytes)?,
            Records::External { len, token } => {
                self.length(flexible, *len as usize)?;
                if self.counting {
                    self.count += *len as usize;
                    self.external += *len as usize;
                } else {
                    self.gaps.push(Gap { position: self.out.len(), token: *token, len: *len });
                }
            }
        }
        Ok(())
    }

    /// An array of structs.
    pub(crate) fn array<T>(
        &mut self,
        flexible: bool,
        list: &[T],
        version: i16,
        write: fn(&T, &mut Writer, i16) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.length(flexible, list.len())?;
        for element in list {
            write(element, self, version)?;
        }
        Ok(())
    }

    /// One tagged field: `write` is run once for the size and once for the bytes.
    pub(crate) fn tagged(&mut self, tag: u32, write: WriteField<'_>) -> Result<(), EncodeError> {
        let before = (self.counting, self.count, self.external);
        (self.counting, self.count, self.external) = (true, 0, 0);
        write(self)?;
        let (length, external) = (self.count, self.external);
        (self.counting, self.count, self.external) = before;
        let Ok(size) = u32::try_from(length) else { return Err(EncodeError::TooLong { length }) };
        self.uvarint(tag);
        self.uvarint(size);
        if self.counting {
            self.count += length;
            self.external += external;
            return Ok(());
        }
        write(self)
    }

    /// An array of strings.
    pub(crate) fn strings<S: AsRef<str>>(&mut self, flexible: bool, list: &[S]) -> Result<(), EncodeError> {
        self.length(flexible, list.len())?;
        list.iter().try_for_each(|value| self.string(flexible, value.as_ref()))
    }

    /// An array of uuids.
    pub(crate) fn uuids(&mut self, flexible: bool, list: &[Uuid]) -> Result<(), EncodeError> {
        self.length(flexible, list.len())?;
        list.iter().for_each(|value| self.uuid(*value));
        Ok(())
    }
}

/// Arrays of numbers.
macro_rules! numbers {
    ($name:ident, $one:ident, $type:ty) => {
        impl Writer {
            /// An array of numbers.
            pub(crate) fn $name(&mut self, flexible: bool, list: &[$type]) -> Result<(), EncodeError> {
                self.length(flexible, list.len())?;
                list.iter().for_each(|value| self.$one(*value));
                Ok(())
            }
        }
    };
}
numbers!(i8s, i8, i8);
numbers!(i16s, i16, i16);
numbers!(i32s, i32, i32);
numbers!(i64s, i64, i64);
