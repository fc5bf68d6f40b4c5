//! Owns one simulated connection: two ordered streams of bytes with bounded room, delays, ends and resets. It never
//! loses or reorders bytes inside a stream, unless a reset ends it.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::trace::{HASH_START, hash};
use super::{Incarnation, Shared, lock};
use crate::Rng;

/// A connection between two ends: 0 is the one that connected, 1 the one that accepted.
pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) addresses: [SocketAddr; 2],
    shared: Arc<Shared>,
    state: Mutex<State>,
    /// Wakes whoever waits at an end, for reading or writing.
    changed: [Notify; 2],
}

struct State {
    rng: Rng,
    /// By the end that writes into it.
    pipes: [Pipe; 2],
    ends: [End; 2],
}

/// The bytes on their way from one end to the other.
struct Pipe {
    pieces: VecDeque<Piece>,
    /// Bytes not yet read.
    len: usize,
    /// When the last byte sent so far arrives: nothing overtakes it.
    last_due: Instant,
    /// When the writer's end of stream arrives.
    ends_at: Option<Instant>,
    /// The link is cut: nothing more arrives.
    is_held: bool,
}

struct Piece {
    due: Instant,
    bytes: Vec<u8>,
    start: usize,
}

#[derive(Default)]
struct End {
    /// When the peer's reset arrives here.
    reset_at: Option<Instant>,
    /// The program has closed this end.
    is_closed: bool,
    /// The machine lost its power and has said nothing.
    is_silent: bool,
    no_more_reads: bool,
    no_more_writes: bool,
}

impl Pipe {
    /// When the next thing to read arrives, if anything is on its way.
    fn next_due(&self) -> Option<Instant> {
        if self.is_held {
            return None;
        }
        self.pieces.front().map(|p| p.due).or(self.ends_at)
    }

    fn is_ended(&self, now: Instant) -> bool {
        !self.is_held && self.pieces.is_empty() && self.ends_at.is_some_and(|at| at <= now)
    }
}

impl State {
    fn is_reset(&self, side: usize, now: Instant) -> bool {
        self.ends[side].reset_at.is_some_and(|at| at <= now)
    }

    /// When something sent now from `side` arrives: after all that was sent before.
    fn due(&mut self, side: usize, shared: &Shared) -> Instant {
        let due = (Instant::now() + shared.delay(&self.rng)).max(self.pipes[side].last_due);
        self.pipes[side].last_due = due;
        due
    }
}

impl Connection {
    pub(super) fn new(
        number: u64,
        addresses: [SocketAddr; 2],
        held: [bool; 2],
        rng: Rng,
        shared: Arc<Shared>,
    ) -> Arc<Self> {
        let now = Instant::now();
        let pipes = held.map(|is_held| Pipe {
            pieces: VecDeque::new(),
            len: 0,
            last_due: now,
            ends_at: None,
            is_held,
        });
        let state = Mutex::new(State { rng, pipes, ends: Default::default() });
        Arc::new(Self { number, addresses, shared, state, changed: Default::default() })
    }

    pub(super) fn touches(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|a| a.ip() == ip)
    }

    /// Holds back, or lets go, what travels from one address to another.
    pub(super) fn hold(&self, from: IpAddr, to: IpAddr, is_held: bool) {
        for side in [0, 1] {
            if self.addresses[side].ip() == from && self.addresses[1 - side].ip() == to {
                lock(&self.state).pipes[side].is_held = is_held;
                self.changed[1 - side].notify_waiters();
            }
        }
    }

    /// The ends on a machine are gone and their peers are told.
    pub(super) fn reset_by(&self, ip: IpAddr) {
        let mut state = lock(&self.state);
        for side in [0, 1] {
            if self.addresses[side].ip() == ip {
                state.ends[side].is_closed = true;
                state.ends[side].is_silent = false;
                self.send_reset(&mut state, side);
            }
        }
    }

    /// The ends on a machine are gone and their peers are not told.
    pub(super) fn silence(&self, ip: IpAddr) {
        let mut state = lock(&self.state);
        for side in [0, 1] {
            if self.addresses[side].ip() == ip {
                state.ends[side].is_silent = true;
            }
        }
    }

    pub(super) fn is_silent(&self, ip: IpAddr) -> bool {
        let state = lock(&self.state);
        [0, 1].iter().any(|&side| self.addresses[side].ip() == ip && state.ends[side].is_silent)
    }

    fn send_reset(&self, state: &mut State, side: usize) {
        let at = state.due(side, &self.shared);
        let end = &mut state.ends[1 - side];
        end.reset_at = Some(end.reset_at.map_or(at, |earlier| earlier.min(at)));
        self.event(side, format_args!("resets"));
        self.changed[1 - side].notify_waiters();
    }

    fn event(&self, side: usize, what: fmt::Arguments<'_>) {
        let (number, address) = (self.number, self.addresses[side]);
        self.shared.trace.line(format_args!("net {number} {address} {what}"));
    }

    /// The program closes its end: the peer reads to the end, or is reset if bytes were left unread, as in TCP.
    fn close(&self, side: usize) {
        let mut state = lock(&self.state);
        if state.ends[side].is_closed {
            return;
        }
        state.ends[side].is_closed = true;
        let both = state.ends[1 - side].is_closed;
        if state.pipes[1 - side].len > 0 {
            self.send_reset(&mut state, side);
        } else if state.pipes[side].ends_at.is_none() {
            self.send_end(&mut state, side);
        }
        drop(state);
        if both {
            self.shared.forget(self.number);
        }
    }

    fn send_end(&self, state: &mut State, side: usize) {
        let at = state.due(side, &self.shared);
        state.pipes[side].ends_at = Some(at);
        self.event(side, format_args!("ends"));
        self.changed[1 - side].notify_waiters();
    }
}

/// Copies the first `count` bytes of the slices.
fn gather(slices: &[IoSlice<'_>], count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count);
    for slice in slices {
        let part = slice.len().min(count - bytes.len());
        bytes.extend_from_slice(&slice[..part]);
    }
    bytes
}

/// One end of a simulated connection. It belongs to no runtime.
pub struct SimStream {
    connection: Arc<Connection>,
    side: usize,
    incarnation: Incarnation,
    /// What a task polls while it waits to read.
    reading: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

/// Waits until `due` gives a time that has come, or a reset arrives. `due` is asked again after every change.
async fn wait(
    connection: &Connection,
    side: usize,
    incarnation: &Incarnation,
    due: impl Fn(&State) -> Option<Instant>,
) {
    loop {
        let mut changed = std::pin::pin!(connection.changed[side].notified());
        changed.as_mut().enable();
        incarnation.freeze_if_dead().await;
        let due = {
            let state = lock(&connection.state);
            let reset = state.ends[side].reset_at;
            reset.into_iter().chain(due(&state)).min()
        };
        match due {
            Some(at) if at <= Instant::now() => return,
            Some(at) => _ = tokio::time::timeout_at(at, changed).await,
            None => changed.await,
        }
    }
}

async fn readable(connection: &Connection, side: usize, incarnation: &Incarnation) {
    let due = |state: &State| {
        if state.ends[side].no_more_reads {
            return Some(Instant::now());
        }
        state.pipes[1 - side].next_due()
    };
    wait(connection, side, incarnation, due).await;
}

impl SimStream {
    pub(super) fn new(connection: Arc<Connection>, side: usize, incarnation: Incarnation) -> Self {
        Self { connection, side, incarnation, reading: Mutex::new(None) }
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        readable(&self.connection, self.side, &self.incarnation).await;
        Ok(())
    }

    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.try_read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
            let reading = self.reading.get_mut().unwrap_or_else(PoisonError::into_inner);
            let waiting = reading.get_or_insert_with(|| {
                let connection = Arc::clone(&self.connection);
                let (side, incarnation) = (self.side, self.incarnation.clone());
                Box::pin(async move { readable(&connection, side, &incarnation).await })
            });
            ready!(waiting.as_mut().poll(context));
            *reading = None;
        }
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        let room = self.connection.shared.config.buffer_bytes;
        let due = |state: &State| {
            let is_ready = state.pipes[self.side].len < room || state.ends[self.side].no_more_writes;
            is_ready.then(Instant::now)
        };
        wait(&self.connection, self.side, &self.incarnation, due).await;
        Ok(())
    }

    pub(crate) fn try_read(&self, mut buffer: &mut [u8]) -> io::Result<usize> {
        self.try_read_buf(&mut buffer)
    }

    pub(crate) fn try_read_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        if !self.incarnation.is_alive() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let now = Instant::now();
        let mut state = lock(&self.connection.state);
        if state.is_reset(self.side, now) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if state.ends[self.side].no_more_reads || !buffer.has_remaining_mut() {
            return Ok(0);
        }
        let pipe = &mut state.pipes[1 - self.side];
        let mut count = 0;
        while let Some(piece) = pipe.pieces.front_mut().filter(|p| p.due <= now && !pipe.is_held) {
            let rest = &piece.bytes[piece.start..];
            let part = rest.len().min(buffer.remaining_mut());
            buffer.put_slice(&rest[..part]);
            piece.start += part;
            count += part;
            if piece.start < piece.bytes.len() {
                break;
            }
            pipe.pieces.pop_front();
        }
        pipe.len -= count;
        if count == 0 {
            return if pipe.is_ended(now) { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        self.connection.changed[1 - self.side].notify_waiters();
        self.connection.event(self.side, format_args!("reads {count}"));
        Ok(count)
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.incarnation.is_alive() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let config = &self.connection.shared.config;
        let mut state = lock(&self.connection.state);
        if state.is_reset(self.side, Instant::now()) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if state.ends[self.side].no_more_writes {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let total = slices.iter().map(|s| s.len()).sum::<usize>();
        if total == 0 {
            return Ok(0);
        }
        if state.ends[1 - self.side].is_closed {
            // The peer's kernel answers bytes for a closed end by a reset; the writer hears of it later.
            self.connection.send_reset(&mut state, 1 - self.side);
            return Ok(total);
        }
        let room = config.buffer_bytes.saturating_sub(state.pipes[self.side].len).min(total);
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut count = room;
        if state.rng.one_in(config.short_write_one_in) {
            count = 1 + usize::try_from(state.rng.below(room as u64)).unwrap_or(0);
        }
        let bytes = gather(slices, count);
        let due = state.due(self.side, &self.connection.shared);
        self.connection.event(self.side, format_args!("writes {count} {:016x}", hash(HASH_START, &bytes)));
        let pipe = &mut state.pipes[self.side];
        pipe.len += count;
        pipe.pieces.push_back(Piece { due, bytes, start: 0 });
        self.connection.changed[1 - self.side].notify_waiters();
        Ok(count)
    }

    pub(crate) fn peer_addr(&self) -> SocketAddr {
        self.connection.addresses[1 - self.side]
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.connection.addresses[self.side]
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if !self.incarnation.is_alive() {
            return Ok(());
        }
        let mut state = lock(&self.connection.state);
        if state.is_reset(self.side, Instant::now()) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let end = &mut state.ends[self.side];
        if matches!(how, Shutdown::Read | Shutdown::Both) {
            end.no_more_reads = true;
        }
        if matches!(how, Shutdown::Write | Shutdown::Both) && !end.no_more_writes {
            end.no_more_writes = true;
            self.connection.send_end(&mut state, self.side);
        }
        self.connection.changed[self.side].notify_waiters();
        Ok(())
    }
}

impl Drop for SimStream {
    /// A dead process closes nothing: the end of its machine has spoken for it.
    fn drop(&mut self) {
        if self.incarnation.is_alive() {
            self.connection.close(self.side);
        }
    }
}

impl fmt::Debug for SimStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimStream({} to {})", self.local_addr(), self.peer_addr())
    }
}
