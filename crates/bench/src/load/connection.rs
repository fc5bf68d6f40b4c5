//! One non-blocking connection and the poll set it belongs to. Owns sockets and their buffers; knows no protocol beyond
//! the length in front of a frame.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use crate::Failure;

/// Enough for many small answers in one read.
const READ_BYTES: usize = 256 << 10;

/// A poll set over connections numbered from 0.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    /// An empty set.
    pub fn new() -> Result<Poll, Failure> {
        Ok(Poll { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(1024) })
    }

    /// Watches a connection, for writing too if asked.
    pub fn add(&self, connection: &Connection, number: usize) -> Result<(), Failure> {
        Ok(epoll::add(&self.epoll, &connection.stream, EventData::new_u64(number as u64), EventFlags::IN)?)
    }

    /// Changes whether writability is watched.
    pub fn watch_writing(&self, connection: &Connection, number: usize, on: bool) -> Result<(), Failure> {
        let flags = if on { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        Ok(epoll::modify(&self.epoll, &connection.stream, EventData::new_u64(number as u64), flags)?)
    }

    /// Waits; returns (number, can be read, can be written) for each ready connection.
    pub fn wait(&mut self, timeout: Duration) -> Result<Vec<(usize, bool, bool)>, Failure> {
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs())?,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(reason) => return Err(reason.into()),
        }
        let gone = EventFlags::IN | EventFlags::HUP | EventFlags::ERR;
        Ok(self
            .events
            .iter()
            .map(|event| {
                let flags = event.flags;
                (event.data.u64() as usize, flags.intersects(gone), flags.contains(EventFlags::OUT))
            })
            .collect())
    }
}

/// A connection with bytes on their way in both directions.
pub struct Connection {
    stream: TcpStream,
    inbound: Vec<u8>,
    filled: usize,
}

impl Connection {
    /// Connects and becomes non-blocking.
    pub fn connect(address: SocketAddr) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection { stream, inbound: Vec::new(), filled: 0 })
    }

    /// Writes what the socket takes; returns how many bytes that were.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(count) => written += count,
                Err(reason) if reason.kind() == ErrorKind::WouldBlock => break,
                Err(reason) if reason.kind() == ErrorKind::Interrupted => {}
                Err(reason) => return Err(reason.into()),
            }
        }
        Ok(written)
    }

    /// Reads once into `buffer`; 0 bytes mean that nothing is there.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        match self.stream.read(buffer) {
            Ok(0) => Err(io::Error::new(ErrorKind::UnexpectedEof, "the broker closed the connection").into()),
            Ok(count) => Ok(count),
            Err(reason) if matches!(reason.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(reason) => Err(reason.into()),
        }
    }

    /// Reads what is there and calls `each` with every whole frame, its length included.
    pub fn read_frames(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        if self.inbound.len() < self.filled + 4096 {
            self.inbound.resize(self.filled + if self.filled == 0 { 16 << 10 } else { READ_BYTES }, 0);
        }
        let mut buffer = std::mem::take(&mut self.inbound);
        self.filled += self.read_some(&mut buffer[self.filled..])?;
        let mut start = 0;
        while let Some(length) = frame_bytes(&buffer[start..self.filled]) {
            if start + length > self.filled {
                break;
            }
            each(&buffer[start..start + length])?;
            start += length;
        }
        buffer.copy_within(start..self.filled, 0);
        self.filled -= start;
        self.inbound = buffer;
        Ok(())
    }
}

/// Whole size of the frame that begins here, if its length is there.
pub fn frame_bytes(bytes: &[u8]) -> Option<usize> {
    let length: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    Some(4 + u32::from_be_bytes(length) as usize)
}

/// A big-endian 16-bit number at a place in a frame, -1 if the frame is too short.
pub fn i16_at(frame: &[u8], at: usize) -> i16 {
    frame.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map_or(-1, i16::from_be_bytes)
}

/// A big-endian 32-bit number at a place in a frame, -1 if the frame is too short.
pub fn i32_at(frame: &[u8], at: usize) -> i32 {
    frame.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(-1, i32::from_be_bytes)
}

/// A big-endian 64-bit number at a place in a frame, -1 if the frame is too short.
pub fn i64_at(frame: &[u8], at: usize) -> i64 {
    frame.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(-1, i64::from_be_bytes)
}
