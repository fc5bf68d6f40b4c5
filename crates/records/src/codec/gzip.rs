//! Gzip streams.
//!
//! Owns the gzip wrapper (RFC 1952) around deflate, so that the deflate state can be kept and used again. It never
//! writes optional header fields and skips those it reads.

use std::cell::RefCell;

use flate2::{Compress, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use super::{CHUNK_BYTES, grow};
use crate::compression::{Compression, CompressionError};

/// What the Java client writes: deflate, no options, no time, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const FLAG_HEADER_CRC: u8 = 0x02;
const FLAG_EXTRA: u8 = 0x04;
const FLAG_NAME: u8 = 0x08;
const FLAG_COMMENT: u8 = 0x10;

thread_local! {
    static INFLATE: RefCell<Option<Decompress>> = const { RefCell::new(None) };
    static DEFLATE: RefCell<Option<(u32, Compress)>> = const { RefCell::new(None) };
}

fn broken(detail: &'static str) -> CompressionError {
    CompressionError::Broken { codec: Compression::Gzip, detail }
}

/// Appends `plain` to `out` as one gzip member.
pub(crate) fn compress(level: Option<i32>, plain: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let level = match level.unwrap_or(-1) {
        -1 => 6,
        level @ 0..=9 => level as u32,
        level => return Err(CompressionError::Level { codec: Compression::Gzip, level }),
    };
    out.extend_from_slice(&HEADER);
    let (_, mut deflate) = DEFLATE
        .take()
        .filter(|(kept, _)| *kept == level)
        .unwrap_or_else(|| (level, Compress::new(flate2::Compression::new(level), false)));
    deflate.reset();
    let result = deflate_all(&mut deflate, plain, out);
    DEFLATE.set(Some((level, deflate)));
    result?;
    let mut crc = Crc::new();
    crc.update(plain);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    Ok(())
}

fn deflate_all(deflate: &mut Compress, plain: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let failed = CompressionError::Failed { codec: Compression::Gzip, detail: "deflating" };
    loop {
        let taken = deflate.total_in() as usize;
        let step = (plain.len() - taken).clamp(256, CHUNK_BYTES);
        let start = grow(out, step);
        let produced = deflate.total_out();
        let status = deflate
            .compress(&plain[taken..], &mut out[start..], FlushCompress::Finish)
            .map_err(|_| failed.clone())?;
        out.truncate(start + (deflate.total_out() - produced) as usize);
        if status == Status::StreamEnd {
            return Ok(());
        }
    }
}

/// Gzip members being read one after another.
pub(crate) struct Inflate<'a> {
    rest: &'a [u8],
    state: Option<Decompress>,
    in_member: bool,
    first: bool,
    crc: Crc,
}

impl Drop for Inflate<'_> {
    fn drop(&mut self) {
        INFLATE.set(self.state.take());
    }
}

impl<'a> Inflate<'a> {
    pub fn new(packed: &'a [u8]) -> Inflate<'a> {
        Inflate { rest: packed, state: INFLATE.take(), in_member: false, first: true, crc: Crc::new() }
    }

    pub fn pull(&mut self, out: &mut Vec<u8>, room: usize) -> Result<bool, CompressionError> {
        loop {
            if !self.in_member && !self.start_member()? {
                return Ok(false);
            }
            let produced = self.inflate(out, room.min(CHUNK_BYTES))?;
            if produced > 0 {
                return Ok(true);
            }
        }
    }

    /// Reads a member's header; `false` at the end of the stream.
    fn start_member(&mut self) -> Result<bool, CompressionError> {
        let cut = broken("the header is cut");
        if !self.first {
            // After a member Java reads another if one starts here and ignores anything else.
            if !self.rest.starts_with(&HEADER[..3]) {
                return Ok(false);
            }
        }
        self.first = false;
        let (header, mut rest) = self.rest.split_first_chunk::<10>().ok_or(cut.clone())?;
        if header[..3] != HEADER[..3] {
            return Err(broken("this is no gzip stream"));
        }
        let flags = header[3];
        if flags & FLAG_EXTRA != 0 {
            let (length, after) = rest.split_first_chunk::<2>().ok_or(cut.clone())?;
            rest = after.get(usize::from(u16::from_le_bytes(*length))..).ok_or(cut.clone())?;
        }
        for flag in [FLAG_NAME, FLAG_COMMENT] {
            if flags & flag != 0 {
                let end = rest.iter().position(|&b| b == 0).ok_or(cut.clone())?;
                rest = &rest[end + 1..];
            }
        }
        if flags & FLAG_HEADER_CRC != 0 {
            rest = rest.get(2..).ok_or(cut)?;
        }
        self.rest = rest;
        self.in_member = true;
        self.crc.reset();
        match &mut self.state {
            Some(state) => state.reset(false),
            None => self.state = Some(Decompress::new(false)),
        }
        Ok(true)
    }

    /// Appends up to `step` bytes, ends the member when its data ends, and says how many bytes came.
    fn inflate(&mut self, out: &mut Vec<u8>, step: usize) -> Result<usize, CompressionError> {
        let Some(state) = &mut self.state else { return Err(broken("no stream has started")) };
        let start = grow(out, step);
        let (read, written) = (state.total_in(), state.total_out());
        let status = state.decompress(self.rest, &mut out[start..], FlushDecompress::None);
        let consumed = (state.total_in() - read) as usize;
        let produced = (state.total_out() - written) as usize;
        out.truncate(start + produced);
        self.rest = &self.rest[consumed..];
        self.crc.update(&out[start..]);
        match status {
            Ok(Status::StreamEnd) => self.end_member().map(|()| produced),
            Ok(_) if produced == 0 && consumed == 0 => Err(broken("the stream is cut")),
            Ok(_) => Ok(produced),
            Err(_) => Err(broken("the stream cannot be decoded")),
        }
    }

    fn end_member(&mut self) -> Result<(), CompressionError> {
        let (trailer, rest) = self.rest.split_first_chunk::<8>().ok_or(broken("the trailer is cut"))?;
        let crc = u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]);
        let length = u32::from_le_bytes([trailer[4], trailer[5], trailer[6], trailer[7]]);
        if crc != self.crc.sum() || length != self.crc.amount() {
            return Err(broken("the checksum is wrong"));
        }
        self.rest = rest;
        self.in_member = false;
        Ok(())
    }
}
