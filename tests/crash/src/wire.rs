//! A connection to the node: frames, correlation, nothing else.
//!
//! Never retries and never interprets an error code. Written from the protocol alone, so that it shares no mistake with
//! our client library.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use protocol::{ApiKey, Message, Request, decode_response, encode_request};

/// The connection is gone, or no answer came in time. What was asked may or may not have happened.
#[derive(Debug)]
pub struct Lost(pub String);

impl From<std::io::Error> for Lost {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Largest frame accepted: a node that announces more is broken.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// The connection.
pub struct Wire {
    stream: TcpStream,
    next_correlation: i32,
    pending: VecDeque<(i32, ApiKey, i16)>,
    frame: Vec<u8>,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn connect(address: SocketAddr) -> Result<Self, Lost> {
        let stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { stream, next_correlation: 1, pending: VecDeque::new(), frame: Vec::new() })
    }

    /// Requests without an answer so far.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Sends a request at the newest version; its answer is read by [`Self::receive`] in turn.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn send<R: Request<'static>>(&mut self, request: &R) -> Result<(), Lost> {
        let (key, version) = (R::API_KEY, R::API_KEY.max_version());
        let correlation = self.next_correlation;
        self.next_correlation += 1;
        let frame = encode_request(correlation, Some("crash"), version, request)
            .unwrap_or_else(|e| panic!("{} v{version} cannot be encoded: {e}", key.name()));
        self.stream.write_all(&frame)?;
        self.pending.push_back((correlation, key, version));
        Ok(())
    }

    /// Reads the answer to the oldest request without one.
    ///
    /// # Errors
    /// The connection is gone, or the answer is no answer.
    pub fn receive<'a, A: Message<'a>>(&'a mut self) -> Result<A, Lost> {
        let (correlation, key, version) = self.pending.pop_front().expect("a request waits for its answer");
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > FRAME_BYTES_MAX {
            return Err(Lost(format!("a frame of {length} bytes is announced")));
        }
        self.frame.resize(length, 0);
        self.stream.read_exact(&mut self.frame)?;
        let read = decode_response(key, version, &self.frame);
        let (answered, answer) = read.map_err(|e| Lost(format!("the answer to {}: {e}", key.name())))?;
        if answered != correlation {
            return Err(Lost(format!("{} is answered out of turn", key.name())));
        }
        Ok(answer)
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// As both.
    pub fn call<'a, R: Request<'static>, A: Message<'a>>(&'a mut self, request: &R) -> Result<A, Lost> {
        self.send(request)?;
        self.receive()
    }
}
