//! One connection to a broker: frames out, frames in, and how it ended. Owns the socket; never knows what a frame says.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Failure;

/// Longest wait for an answer to a request under test. A broker that takes longer counts as silent, as Kafka is where
/// it stumbles.
pub const ANSWER: Duration = Duration::from_secs(6);

/// Longest wait for an answer that has to come, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Largest frame believed.
const FRAME_BYTES_MAX: usize = 256 << 20;

/// What arrives when an answer is waited for.
#[derive(Debug)]
pub enum Arrival {
    Frame(Vec<u8>),
    Closed,
    Silence,
}

/// A connection and the correlation id of its next request.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    next_id: i32,
    broken: bool,
}

impl Connection {
    /// Connects to host:port.
    pub fn open(bootstrap: &str) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(bootstrap)?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, next_id: 1, broken: false })
    }

    /// A fresh correlation id.
    pub fn next_id(&mut self) -> i32 {
        self.next_id += 1;
        self.next_id
    }

    /// Can no more be sent?
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Sends frames in one write. A closed connection shows when the answer is read.
    pub fn send(&mut self, frames: &[Vec<u8>]) {
        let mut bytes = Vec::new();
        for frame in frames {
            bytes.extend((frame.len() as u32).to_be_bytes());
            bytes.extend(frame);
        }
        if self.stream.write_all(&bytes).is_err() {
            self.broken = true;
        }
    }

    /// Waits for one frame, and for each part of it not longer than `patience`.
    pub fn receive(&mut self, patience: Duration) -> Arrival {
        let mut length = [0; 4];
        if self.stream.set_read_timeout(Some(patience)).is_err() {
            self.broken = true;
            return Arrival::Closed;
        }
        let arrival = match self.fill(&mut length) {
            Ok(()) => {
                let length = u32::from_be_bytes(length) as usize;
                if length > FRAME_BYTES_MAX {
                    Arrival::Closed
                } else {
                    let mut frame = vec![0; length];
                    match self.fill(&mut frame) {
                        Ok(()) => return Arrival::Frame(frame),
                        Err(other) => other,
                    }
                }
            }
            Err(other) => other,
        };
        self.broken = true;
        arrival
    }

    fn fill(&mut self, into: &mut [u8]) -> Result<(), Arrival> {
        self.stream.read_exact(into).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Arrival::Silence,
            _ => Arrival::Closed,
        })
    }
}
