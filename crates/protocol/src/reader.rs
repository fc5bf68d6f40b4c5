//! Bounds-checked decoding. Owns every rule that protects memory: counts are checked against the bytes at hand
//! before a reserve, and a budget per message bounds what is decoded. Never knows a message.

use std::borrow::Cow;

use crate::{DecodeError, Records, Uuid};

/// Decoded bytes allowed per byte of input.
const BUDGET_FACTOR: usize = 4;
/// Decoded bytes allowed beyond that.
const BUDGET_BASE_BYTES: usize = 64 * 1024;
/// Decoded bytes allowed per byte of input beyond that, while they are few. A Metadata request of an old version takes
/// three bytes for a topic of a short name, and forty when it is decoded; such requests are legal and small.
const SMALL_BUDGET_FACTOR: usize = 12;
/// Most decoded bytes that [`SMALL_BUDGET_FACTOR`] gives.
const SMALL_BUDGET_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Longest string of Kafka's protocol, in bytes.
pub(crate) const MAX_STRING_BYTES: usize = i16::MAX as usize;

/// Reads one message from a slice. All heap memory that decoding reserves is charged to a budget of
/// 16 × the slice + 64 KiB, or 4 × the slice + 12 MiB + 64 KiB if that is less; strings, bytes and records are borrowed
/// and cost nothing.
#[derive(Debug)]
pub struct Reader<'a> {
    buf: &'a [u8],
    pos: usize,
    end: usize,
    budget_bytes: usize,
}

/// The end that a [`Reader`] had before it entered a tagged field.
#[derive(Debug)]
pub(crate) struct Outer(usize);

/// Progress through a tag section.
#[derive(Debug)]
pub(crate) struct Tags {
    left: u32,
    /// The lowest tag that may come next.
    floor: u64,
}

impl<'a> Reader<'a> {
    /// A reader over all of `buf`.
    pub fn new(buf: &'a [u8]) -> Self {
        let small = buf.len().saturating_mul(SMALL_BUDGET_FACTOR).min(SMALL_BUDGET_BYTES_MAX);
        let budget_bytes =
            buf.len().saturating_mul(BUDGET_FACTOR).saturating_add(small).saturating_add(BUDGET_BASE_BYTES);
        Self { buf, pos: 0, end: buf.len(), budget_bytes }
    }

    /// Bytes not read yet.
    pub fn remaining(&self) -> usize {
        self.end - self.pos
    }

    /// Offset of the next byte.
    pub fn position(&self) -> usize {
        self.pos
    }

    /// The bytes not read yet, without reading them.
    pub fn rest(&self) -> &'a [u8] {
        self.buf.get(self.pos..self.end).unwrap_or_default()
    }

    /// Fails unless everything was read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { at: self.pos, count }),
        }
    }

    #[cold]
    fn truncated(&self, needed: usize) -> DecodeError {
        DecodeError::Truncated { at: self.pos, needed, remaining: self.remaining() }
    }

    fn charge(&mut self, bytes: usize) -> Result<(), DecodeError> {
        match self.budget_bytes.checked_sub(bytes) {
            Some(left) => {
                self.budget_bytes = left;
                Ok(())
            }
            None => Err(DecodeError::BudgetExceeded { at: self.pos }),
        }
    }

    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest().get(..n) {
            Some(bytes) => {
                self.pos += n;
                Ok(bytes)
            }
            None => Err(self.truncated(n)),
        }
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.rest().first_chunk::<N>() {
            Some(bytes) => {
                self.pos += N;
                Ok(*bytes)
            }
            None => Err(self.truncated(N)),
        }
    }

    /// A byte, true unless zero.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.take_array::<1>()?[0] != 0)
    }

    /// An `int8`.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.take_array()?))
    }

    /// A big-endian `int16`.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.take_array()?))
    }

    /// A big-endian `uint16`.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.take_array()?))
    }

    /// A big-endian `int32`.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.take_array()?))
    }

    /// A big-endian `uint32`.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.take_array()?))
    }

    /// A big-endian `int64`.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.take_array()?))
    }

    /// A big-endian `float64`.
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        Ok(f64::from_be_bytes(self.take_array()?))
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        Ok(Uuid(self.take_array()?))
    }

    /// An unsigned LEB128 integer of at most 32 bits.
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let at = self.pos;
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.take_array::<1>()?[0];
            if shift == 28 && byte > 0x0f {
                break;
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong { at })
    }

    /// A length prefix: `None` is null.
    fn length(&mut self, flexible: bool, short: bool) -> Result<Option<usize>, DecodeError> {
        let at = self.pos;
        let length = match (flexible, short) {
            (true, _) => i64::from(self.uvarint()?) - 1,
            (false, true) => i64::from(self.i16()?),
            (false, false) => i64::from(self.i32()?),
        };
        if length > i64::from(i32::MAX) {
            return Err(DecodeError::VarintTooLong { at });
        }
        match usize::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(DecodeError::NegativeLength { at, length }),
        }
    }

    fn required<T>(&self, value: Option<T>) -> Result<T, DecodeError> {
        value.ok_or(DecodeError::UnexpectedNull { at: self.pos })
    }

    /// A string that may be null. Bytes that are no UTF-8 become U+FFFD, as in Kafka.
    pub fn nullable_string(&mut self, flexible: bool) -> Result<Option<Cow<'a, str>>, DecodeError> {
        let at = self.pos;
        let Some(length) = self.length(flexible, true)? else { return Ok(None) };
        if length > MAX_STRING_BYTES {
            return Err(DecodeError::StringTooLong { at, length });
        }
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(Cow::Borrowed(text))),
            Err(_) => Ok(Some(Cow::Owned(self.lossy(bytes)?))),
        }
    }

    #[cold]
    fn lossy(&mut self, bytes: &[u8]) -> Result<String, DecodeError> {
        let mark = char::REPLACEMENT_CHARACTER.len_utf8();
        let sized = |chunk: std::str::Utf8Chunk<'_>| {
            chunk.valid().len() + if chunk.invalid().is_empty() { 0 } else { mark }
        };
        let size = bytes.utf8_chunks().map(sized).sum();
        self.charge(size)?;
        let mut text = String::with_capacity(size);
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(text)
    }

    /// A string that must not be null.
    pub fn string(&mut self, flexible: bool) -> Result<Cow<'a, str>, DecodeError> {
        let value = self.nullable_string(flexible)?;
        self.required(value)
    }

    fn nullable_slice(&mut self, flexible: bool) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.length(flexible, false)? {
            Some(length) => Ok(Some(self.take(length)?)),
            None => Ok(None),
        }
    }

    /// Bytes that may be null.
    pub fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Cow<'a, [u8]>>, DecodeError> {
        Ok(self.nullable_slice(flexible)?.map(Cow::Borrowed))
    }

    /// Bytes that must not be null.
    pub fn bytes(&mut self, flexible: bool) -> Result<Cow<'a, [u8]>, DecodeError> {
        let value = self.nullable_bytes(flexible)?;
        self.required(value)
    }

    /// Record batches that may be null.
    pub fn nullable_records(&mut self, flexible: bool) -> Result<Records<'a>, DecodeError> {
        Ok(self.nullable_slice(flexible)?.map_or(Records::Null, Records::Borrowed))
    }

    /// Record batches that must not be null.
    pub fn records(&mut self, flexible: bool) -> Result<Records<'a>, DecodeError> {
        let value = self.nullable_slice(flexible)?;
        self.required(value).map(Records::Borrowed)
    }

    /// The count of an array whose elements take at least `min_bytes` each.
    fn count(&mut self, flexible: bool, min_bytes: usize) -> Result<Option<usize>, DecodeError> {
        let at = self.pos;
        let Some(count) = self.length(flexible, false)? else { return Ok(None) };
        let remaining = self.remaining();
        if count > remaining / min_bytes.max(1) {
            return Err(DecodeError::CountTooLarge { at, count, remaining });
        }
        Ok(Some(count))
    }

    /// An empty list with room for exactly `count` elements, whose memory is charged first. An honest array needs
    /// precisely that, so one that the budget cannot hold fails here, before any element is decoded.
    fn list<T>(&mut self, count: usize) -> Result<Vec<T>, DecodeError> {
        let at = self.pos;
        self.charge(count.saturating_mul(size_of::<T>()))?;
        let mut list = Vec::new();
        list.try_reserve_exact(count).map_err(|_| DecodeError::BudgetExceeded { at })?;
        Ok(list)
    }

    /// An array that may be null, of elements read by `read` that take at least `min_bytes` each.
    pub(crate) fn nullable_array<T>(
        &mut self,
        flexible: bool,
        min_bytes: usize,
        version: i16,
        read: fn(&mut Reader<'a>, i16) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.count(flexible, min_bytes)? else { return Ok(None) };
        let mut list = self.list(count)?;
        for _ in 0..count {
            list.push(read(self, version)?);
        }
        Ok(Some(list))
    }

    /// An array that must not be null.
    pub(crate) fn array<T>(
        &mut self,
        flexible: bool,
        min_bytes: usize,
        version: i16,
        read: fn(&mut Reader<'a>, i16) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let value = self.nullable_array(flexible, min_bytes, version, read)?;
        self.required(value)
    }

    /// Opens a tag section.
    pub(crate) fn tags(&mut self) -> Result<Tags, DecodeError> {
        Ok(Tags { left: self.uvarint()?, floor: 0 })
    }

    /// Confines the reader to the next tagged field; `None` at the end of the section.
    pub(crate) fn next_tag(&mut self, tags: &mut Tags) -> Result<Option<(u32, Outer)>, DecodeError> {
        if tags.left == 0 {
            return Ok(None);
        }
        let at = self.pos;
        let tag = self.uvarint()?;
        if u64::from(tag) < tags.floor {
            return Err(DecodeError::TagOrder { at, tag });
        }
        let size = self.uvarint()? as usize;
        if size > self.remaining() {
            return Err(self.truncated(size));
        }
        tags.left -= 1;
        tags.floor = u64::from(tag) + 1;
        let outer = Outer(self.end);
        self.end = self.pos + size;
        Ok(Some((tag, outer)))
    }

    /// Leaves a known tagged field, which must have used all its bytes.
    pub(crate) fn leave(&mut self, outer: Outer) -> Result<(), DecodeError> {
        if self.pos != self.end {
            return Err(DecodeError::TagSize { at: self.pos, count: self.remaining() });
        }
        self.end = outer.0;
        Ok(())
    }

    /// Leaves an unknown tagged field.
    pub(crate) fn skip(&mut self, outer: Outer) {
        self.pos = self.end;
        self.end = outer.0;
    }

    /// Passes over a tag section in which nothing is known.
    pub(crate) fn skip_tags(&mut self) -> Result<(), DecodeError> {
        let mut tags = self.tags()?;
        while let Some((_, outer)) = self.next_tag(&mut tags)? {
            self.skip(outer);
        }
        Ok(())
    }
}

/// Arrays of numbers, decoded in one pass over their bytes.
macro_rules! numbers {
    ($nullable:ident, $required:ident, $type:ty) => {
        impl Reader<'_> {
            /// An array of numbers that may be null.
            pub(crate) fn $nullable(&mut self, flexible: bool) -> Result<Option<Vec<$type>>, DecodeError> {
                const SIZE: usize = size_of::<$type>();
                let Some(count) = self.count(flexible, SIZE)? else { return Ok(None) };
                let mut list = self.list(count)?;
                let (chunks, _) = self.take(count * SIZE)?.as_chunks::<SIZE>();
                list.extend(chunks.iter().map(|c| <$type>::from_be_bytes(*c)));
                Ok(Some(list))
            }

            /// An array of numbers that must not be null.
            pub(crate) fn $required(&mut self, flexible: bool) -> Result<Vec<$type>, DecodeError> {
                let value = self.$nullable(flexible)?;
                self.required(value)
            }
        }
    };
}
numbers!(nullable_i8s, i8s, i8);
numbers!(nullable_i16s, i16s, i16);
numbers!(nullable_i32s, i32s, i32);
numbers!(nullable_i64s, i64s, i64);

impl<'a> Reader<'a> {
    /// An array of strings that may be null.
    pub(crate) fn nullable_strings(
        &mut self,
        flexible: bool,
    ) -> Result<Option<Vec<Cow<'a, str>>>, DecodeError> {
        if flexible {
            self.nullable_array(true, 1, 0, |r, _| r.string(true))
        } else {
            self.nullable_array(false, 2, 0, |r, _| r.string(false))
        }
    }

    /// An array of strings that must not be null.
    pub(crate) fn strings(&mut self, flexible: bool) -> Result<Vec<Cow<'a, str>>, DecodeError> {
        let value = self.nullable_strings(flexible)?;
        self.required(value)
    }

    /// An array of uuids that may be null.
    pub(crate) fn nullable_uuids(&mut self, flexible: bool) -> Result<Option<Vec<Uuid>>, DecodeError> {
        self.nullable_array(flexible, 16, 0, |r, _| r.uuid())
    }

    /// An array of uuids that must not be null.
    pub(crate) fn uuids(&mut self, flexible: bool) -> Result<Vec<Uuid>, DecodeError> {
        let value = self.nullable_uuids(flexible)?;
        self.required(value)
    }
}
