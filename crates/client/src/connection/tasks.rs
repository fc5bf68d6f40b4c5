//! The two tasks behind a connection: one writes, one reads.
//!
//! Owns the socket, the order of requests and answers, and how a connection ends. It never looks into a frame beyond
//! length and correlation id.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use platform::Stream;
use tokio::sync::{mpsc, oneshot};

use super::frame::Frame;
use crate::error::ClientError;

/// Bytes a read makes room for when nothing is known about what comes.
const READ_BYTES: usize = 16 * 1024;
/// The largest answer taken. Answers to Fetch stay near `fetch.max.bytes`, but one batch may exceed it.
const MAX_RESPONSE_BYTES: usize = 1 << 30;
/// Requests written by one call.
const WRITE_TOGETHER: usize = 16;

/// A request in the queue.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub frame: Frame,
    pub correlation_id: i32,
    pub answered: bool,
    pub reply: oneshot::Sender<Result<Bytes, ClientError>>,
}

#[derive(Debug)]
struct Waiting {
    correlation_id: i32,
    reply: oneshot::Sender<Result<Bytes, ClientError>>,
}

/// What both tasks and the connection know.
#[derive(Debug)]
pub(super) struct Shared {
    address: Arc<str>,
    stream: Stream,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Requests that were written and not answered, oldest first.
    waiting: VecDeque<Waiting>,
    /// Why the connection ended, once it did.
    ended: Option<String>,
}

/// Starts both tasks.
pub(super) fn start(
    stream: Stream,
    outgoing: mpsc::Receiver<Outgoing>,
    address: Arc<str>,
    max_idle: Duration,
) -> Arc<Shared> {
    let shared = Arc::new(Shared { address, stream, state: Mutex::default() });
    tokio::spawn(write(Arc::clone(&shared), outgoing));
    tokio::spawn(read(Arc::clone(&shared), max_idle));
    shared
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_open(&self) -> bool {
        self.state().ended.is_none()
    }

    /// The error of requests on a connection that has ended.
    pub fn end_error(&self) -> ClientError {
        let cause = self.state().ended.clone().unwrap_or_else(|| "it was closed".to_owned());
        ClientError::Disconnected { address: self.address.to_string(), cause }
    }

    /// Ends the connection: nothing more is written, and what waits fails with `cause`. Only the first cause counts.
    pub fn end(&self, cause: &str) {
        let waiting = {
            let mut state = self.state();
            state.ended.get_or_insert_with(|| cause.to_owned());
            std::mem::take(&mut state.waiting)
        };
        // An error means that the socket is closed already.
        let _ = self.stream.shutdown(Shutdown::Both);
        let error = self.end_error();
        for waiting in waiting {
            // Whoever gave up waiting is not told.
            let _ = waiting.reply.send(Err(error.clone()));
        }
    }

    /// Notes that a request is about to be written; `false` if the connection has ended.
    fn expect(&self, waiting: Waiting) -> bool {
        let mut state = self.state();
        if state.ended.is_some() {
            return false;
        }
        state.waiting.push_back(waiting);
        true
    }

    /// Gives an answer to the oldest waiting request.
    fn answer(&self, frame: Bytes) -> Result<(), String> {
        let Some(id) = frame.first_chunk::<4>().map(|id| i32::from_be_bytes(*id)) else {
            return Err("an answer is too short to name its request".to_owned());
        };
        let waiting = self.state().waiting.pop_front();
        match waiting {
            Some(waiting) if waiting.correlation_id == id => {
                let _ = waiting.reply.send(Ok(frame));
                Ok(())
            }
            Some(waiting) => {
                let cause =
                    format!("an answer names request {id}, and the next is {}", waiting.correlation_id);
                self.end(&cause);
                let _ = waiting.reply.send(Err(self.end_error()));
                Err(cause)
            }
            None => Err("an answer came that nobody asked for".to_owned()),
        }
    }
}

async fn write(shared: Arc<Shared>, mut queue: mpsc::Receiver<Outgoing>) {
    let mut together = Vec::with_capacity(WRITE_TOGETHER);
    while queue.recv_many(&mut together, WRITE_TOGETHER).await > 0 {
        let mut unanswered = Vec::new();
        let mut frames = Vec::with_capacity(together.len());
        for Outgoing { frame, correlation_id, answered, reply } in together.drain(..) {
            if !answered {
                unanswered.push(reply);
            } else if !shared.expect(Waiting { correlation_id, reply }) {
                // The dropped reply tells the caller, who asks for the cause.
                continue;
            }
            frames.push(frame);
        }
        let mut slices: Vec<_> =
            frames.iter().flat_map(|frame| &frame.pieces).map(|piece| IoSlice::new(piece)).collect();
        match shared.stream.write_all_vectored(&mut slices).await {
            Ok(()) => {
                for reply in unanswered {
                    let _ = reply.send(Ok(Bytes::new()));
                }
            }
            Err(error) => shared.end(&error.to_string()),
        }
    }
    shared.end("it was closed");
}

async fn read(shared: Arc<Shared>, max_idle: Duration) {
    let cause = match read_frames(&shared, max_idle).await {
        Ok(()) => "the broker closed it".to_owned(),
        Err(cause) => cause,
    };
    shared.end(&cause);
}

async fn read_frames(shared: &Shared, max_idle: Duration) -> Result<(), String> {
    let mut buffer = BytesMut::new();
    loop {
        let mut missing = 4usize.saturating_sub(buffer.len());
        while let Some(length) = buffer.first_chunk::<4>().map(|length| i32::from_be_bytes(*length)) {
            let length = usize::try_from(length).ok().filter(|&length| length <= MAX_RESPONSE_BYTES);
            let Some(length) = length else { return Err("an answer has an impossible length".to_owned()) };
            if buffer.len() < 4 + length {
                missing = 4 + length - buffer.len();
                break;
            }
            let frame = buffer.split_to(4 + length).freeze();
            shared.answer(frame.slice(4..))?;
            missing = 4usize.saturating_sub(buffer.len());
        }
        // No more room at once than what has come so far: a length is only the sender's word.
        buffer.reserve(missing.min(buffer.len().max(READ_BYTES)).max(READ_BYTES));
        match tokio::time::timeout(max_idle, shared.stream.readable()).await {
            Err(_) if shared.state().waiting.is_empty() => return Err("it was not used for long".to_owned()),
            Err(_) => continue,
            Ok(ready) => ready.map_err(|error| error.to_string())?,
        }
        match shared.stream.try_read_buf(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}
