//! One connection of the null broker: frames in, bytes and pieces of files out. Knows no request.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;

/// Something to send.
enum Piece {
    Bytes { bytes: Vec<u8>, sent: usize },
    File { file: Rc<File>, position: u64, left: usize },
}

/// See the module.
pub struct Peer {
    pub stream: TcpStream,
    /// Whether the poll set watches for room in the socket.
    pub waits_for_room: bool,
    /// A fetch request that waits for data.
    pub parked: Option<Vec<u8>>,
    /// The front of a frame whose rest has not come.
    rest: Vec<u8>,
    outbound: VecDeque<Piece>,
}

impl Peer {
    pub fn new(stream: TcpStream) -> Peer {
        Peer { stream, waits_for_room: false, parked: None, rest: Vec::new(), outbound: VecDeque::new() }
    }

    /// Reads once and hands out every whole frame without its length; false at the end of the stream.
    pub fn read(
        &mut self,
        scratch: &mut [u8],
        mut each: impl FnMut(&mut Peer, &[u8]) -> io::Result<()>,
    ) -> io::Result<bool> {
        let mut filled = self.rest.len();
        scratch[..filled].copy_from_slice(&self.rest);
        match self.stream.read(&mut scratch[filled..]) {
            Ok(0) => return Ok(false),
            Ok(count) => filled += count,
            Err(reason) if matches!(reason.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(true);
            }
            Err(reason) => return Err(reason),
        }
        let mut start = 0;
        while let Some(length) = scratch[start..filled].first_chunk::<4>() {
            let end = start + 4 + u32::from_be_bytes(*length) as usize;
            if end - start > scratch.len() {
                return Err(ErrorKind::InvalidData.into());
            }
            if end > filled {
                break;
            }
            each(self, &scratch[start + 4..end])?;
            start = end;
        }
        self.rest.clear();
        self.rest.extend_from_slice(&scratch[start..filled]);
        Ok(true)
    }

    /// Where the next answer's bytes go.
    pub fn out(&mut self) -> &mut Vec<u8> {
        if !matches!(self.outbound.back(), Some(Piece::Bytes { .. })) {
            self.outbound.push_back(Piece::Bytes { bytes: Vec::new(), sent: 0 });
        }
        match self.outbound.back_mut() {
            Some(Piece::Bytes { bytes, .. }) => bytes,
            _ => unreachable!("a piece of bytes was just put there"),
        }
    }

    /// Sends a piece of a file after the bytes so far.
    pub fn out_file(&mut self, file: Rc<File>, position: u64, left: usize) {
        self.outbound.push_back(Piece::File { file, position, left });
    }

    /// Sends what the socket takes; true when nothing is left.
    pub fn flush(&mut self) -> io::Result<bool> {
        while let Some(piece) = self.outbound.front_mut() {
            let done = match piece {
                Piece::Bytes { bytes, sent } => match self.stream.write(&bytes[*sent..]) {
                    Ok(count) => {
                        *sent += count;
                        *sent == bytes.len()
                    }
                    Err(reason) if reason.kind() == ErrorKind::WouldBlock => return Ok(false),
                    Err(reason) => return Err(reason),
                },
                Piece::File { file, position, left } => {
                    match rustix::fs::sendfile(&self.stream, &**file, Some(position), *left) {
                        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                        Ok(count) => {
                            *left -= count;
                            *left == 0
                        }
                        Err(rustix::io::Errno::AGAIN) => return Ok(false),
                        Err(reason) => return Err(reason.into()),
                    }
                }
            };
            if !done {
                continue;
            }
            match self.outbound.pop_front() {
                // The last buffer is kept for the next answers.
                Some(Piece::Bytes { mut bytes, .. })
                    if self.outbound.is_empty() && bytes.capacity() <= 1 << 16 =>
                {
                    bytes.clear();
                    self.outbound.push_back(Piece::Bytes { bytes, sent: 0 });
                    return Ok(true);
                }
                _ => {}
            }
        }
        Ok(true)
    }
}
