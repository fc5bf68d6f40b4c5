//! One client connection: reads frames, has them answered one after the other, writes the answers in that order.
//!
//! A connection has one request in work at a time, as Kafka's muted channels do; what else has been read waits in the
//! buffer, and behind it the kernel's socket buffer pushes back. Requests that are answered at once are answered
//! together by one write. A handler may do its work and leave the answer for later, when a disk or another node has
//! done its part; then requests of the same kind go on meanwhile, and the answers still leave in order.

use std::collections::VecDeque;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use platform::Stream;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use crate::buffer::{Head, ReadBuffer};
use crate::limits::{FrameLimits, FrameMemory};
use crate::reply::Reply;

/// Answers are written once this much is waiting, even if more requests are at hand.
const WRITE_AT_BYTES: usize = 64 * 1024;
/// Answers of one connection that are left for later; the next request waits.
const LATER_COUNT_MAX: usize = 64;
/// After a frame of this size other connections get their turn.
const YIELD_AFTER_BYTES: usize = 256 * 1024;

/// What a handler may know of a connection.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    /// Grows by one with each connection of the node.
    pub id: u64,
    /// Name of the listener it came in by.
    pub listener_name: Arc<str>,
    /// Our address, as the client reached it.
    pub local_addr: SocketAddr,
    /// The client's address.
    pub peer_addr: SocketAddr,
}

/// An answer that comes when its time has come: a whole response frame.
pub type LaterAnswer = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What became of a request.
pub enum Outcome {
    /// The reply holds the whole response frame.
    Answered,
    /// The protocol wants no answer (`acks=0`).
    Silent,
    /// The reply is sent, whether it holds a response or nothing, and for so long the connection is not read (KIP-219).
    Throttled(Duration),
    /// The work is done, and the answer is on its way.
    Later(LaterAnswer),
    /// The connection cannot go on; the reason is for the log. A reply written so far is still sent.
    Close(String),
}

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is served.
    Open,
    /// It is neither read nor answered for so long, and then closed (KIP-612).
    Hold(Duration),
}

/// Turns a request frame into a response frame.
pub trait RequestHandler: Send + Sync + 'static {
    /// Handles one frame (without its length field) and writes the response frame (with its length field) to `reply`.
    fn handle<'a>(
        &'a self,
        connection: &'a ConnectionInfo,
        frame: &'a [u8],
        reply: &'a mut Reply,
    ) -> impl Future<Output = Outcome> + Send + 'a;

    /// Decides on a new connection of a listener before it is counted. Until it has decided, the listener accepts no other.
    fn admit<'a>(
        &'a self,
        listener_name: &'a str,
        peer: IpAddr,
    ) -> impl Future<Output = Admission> + Send + 'a;

    /// Whether this frame may be handled while the answers to requests before it are still on their way.
    fn overlaps(&self, frame: &[u8]) -> bool;

    /// The connection is gone; whatever was kept for it can go too.
    fn closed(&self, connection: &ConnectionInfo);
}

/// What the listener's sweep knows of a connection.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Milliseconds on the listener's clock at the last byte read or written.
    last_ms: AtomicU64,
    /// A handler is at work, so silence is not idleness.
    busy: AtomicBool,
    /// A large read buffer is held.
    large: AtomicBool,
    /// Ends the connection when it next waits for a request.
    pub(crate) close: Notify,
    /// Ends the connection at once, even in the middle of a write that nobody reads.
    pub(crate) kill: Notify,
    /// Has the connection give its large buffer back.
    pub(crate) trim: Notify,
}

impl Activity {
    /// The activity of a connection that was accepted at `now_ms`: until it is served, that is its last byte.
    pub(crate) fn accepted(now_ms: u64) -> Self {
        Self { last_ms: AtomicU64::new(now_ms), ..Self::default() }
    }

    /// Milliseconds without a byte, or none while a handler is at work.
    pub(crate) fn idle_ms(&self, now_ms: u64) -> Option<u64> {
        (!self.busy.load(Ordering::Relaxed))
            .then(|| now_ms.saturating_sub(self.last_ms.load(Ordering::Relaxed)))
    }

    pub(crate) fn holds_large(&self) -> bool {
        self.large.load(Ordering::Relaxed)
    }
}

/// A connection at work.
pub(crate) struct Connection<H> {
    pub(crate) stream: Stream,
    pub(crate) info: ConnectionInfo,
    pub(crate) handler: Arc<H>,
    pub(crate) limits: FrameLimits,
    /// The share of the memory for large frames that its buffer takes.
    pub(crate) memory: Option<OwnedSemaphorePermit>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) epoch: Instant,
}

/// What a wait for bytes gave.
enum Read {
    Some,
    End,
    Closed,
}

/// Why a connection ended.
#[derive(Debug)]
enum End {
    /// The client closed it between two requests.
    ByClient,
    Io(std::io::Error),
    Protocol(String),
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl<H: RequestHandler> Connection<H> {
    /// Serves until the client leaves, something breaks, or the sweep says so.
    pub(crate) async fn serve(mut self) {
        let activity = self.activity.clone();
        activity.last_ms.store(self.now_ms(), Ordering::Relaxed);
        let end = tokio::select! {
            biased;
            () = activity.kill.notified() => End::Protocol("idle for too long (connections.max.idle.ms)".into()),
            end = self.run() => end,
        };
        self.handler.closed(&self.info);
        match end {
            End::ByClient => {}
            End::Io(error) => tracing::debug!(peer = %self.info.peer_addr, %error, "connection lost"),
            End::Protocol(reason) => tracing::info!(peer = %self.info.peer_addr, reason, "connection closed"),
        }
    }

    async fn run(&mut self) -> End {
        let mut buffer = ReadBuffer::default();
        let mut out = Reply::default();
        let mut one = Reply::default();
        let mut later = Later::default();
        let handler = self.handler.clone();
        let info = self.info.clone();
        loop {
            let replies = Replies { out: &mut out, one: &mut one, later: &mut later };
            match self.answer_all(&*handler, &info, &mut buffer, replies).await {
                Ok(()) => {}
                Err(end) => {
                    later.finish(&mut out).await;
                    let _ = self.write(&mut out).await;
                    return end;
                }
            }
            let read = tokio::select! {
                biased;
                () = later.ready(&mut out), if !later.is_empty() => {
                    match self.write(&mut out).await {
                        Ok(()) => continue,
                        Err(error) => return End::Io(error),
                    }
                }
                read = self.read(&mut buffer) => read,
            };
            if matches!(read, Ok(Read::Closed | Read::End)) {
                // What was done is answered, even to a client that sends no more.
                later.finish(&mut out).await;
                let _ = self.write(&mut out).await;
            }
            match read {
                Ok(Read::Some) => {}
                Ok(Read::End) if buffer.is_empty() => return End::ByClient,
                Ok(Read::End) => return End::Protocol("the client left in the middle of a request".into()),
                Ok(Read::Closed) => return End::Protocol("the node is stopping".into()),
                Err(error) => return End::Io(error),
            }
        }
    }

    /// Answers every whole frame in the buffer.
    async fn answer_all(
        &mut self,
        handler: &H,
        info: &ConnectionInfo,
        buffer: &mut ReadBuffer,
        replies: Replies<'_>,
    ) -> Result<(), End> {
        let Replies { out, one, later } = replies;
        loop {
            match buffer.head(self.limits.frame_bytes_max) {
                Head::Partial => break,
                Head::Invalid(length) => {
                    return Err(End::Protocol(format!(
                        "a frame length of {length} is outside 0..={} (socket.request.max.bytes)",
                        self.limits.frame_bytes_max
                    )));
                }
                Head::Frame(bytes) => {
                    if !later.is_empty() && (later.is_full() || !handler.overlaps(buffer.frame(bytes))) {
                        self.write(out).await?;
                        self.activity.busy.store(true, Ordering::Relaxed);
                        later.ready(out).await;
                        self.activity.busy.store(false, Ordering::Relaxed);
                        continue;
                    }
                    self.answer(handler, info, buffer.frame(bytes), out, one, later).await?;
                    buffer.consume(bytes);
                    if out.bytes.len() >= WRITE_AT_BYTES || !out.files.is_empty() {
                        self.write(out).await?;
                    }
                    if bytes >= YIELD_AFTER_BYTES {
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        self.write(out).await?;
        Ok(())
    }

    /// Answers one frame. If the handler has to wait, the answers before it leave first.
    async fn answer(
        &mut self,
        handler: &H,
        info: &ConnectionInfo,
        frame: &[u8],
        out: &mut Reply,
        one: &mut Reply,
        later: &mut Later,
    ) -> Result<(), End> {
        one.clear();
        let outcome = {
            let mut work = pin!(handler.handle(info, frame, one));
            let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            match polled {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => {
                    self.write(out).await?;
                    self.activity.busy.store(true, Ordering::Relaxed);
                    let outcome = work.await;
                    self.activity.busy.store(false, Ordering::Relaxed);
                    outcome
                }
            }
        };
        match outcome {
            Outcome::Answered if later.is_empty() => {
                out.take_from(one);
                Ok(())
            }
            Outcome::Answered => {
                later.push_done(std::mem::take(one));
                Ok(())
            }
            Outcome::Silent => Ok(()),
            Outcome::Later(answer) => {
                later.push(answer);
                Ok(())
            }
            Outcome::Throttled(mute) => {
                let until = Instant::now() + mute;
                later.finish(out).await;
                out.take_from(one);
                self.write(out).await?;
                self.mute(until).await
            }
            Outcome::Close(reason) => {
                later.finish(out).await;
                out.take_from(one);
                Err(End::Protocol(reason))
            }
        }
    }

    /// Reads nothing, and answers nothing of what has been read, until the time has passed. To the sweep the connection
    /// is idle meanwhile.
    async fn mute(&self, until: Instant) -> Result<(), End> {
        tokio::select! {
            biased;
            () = self.activity.close.notified() => Err(End::Protocol("the node is stopping".into())),
            () = tokio::time::sleep_until(until) => Ok(()),
        }
    }

    /// Waits for bytes and reads once.
    async fn read(&mut self, buffer: &mut ReadBuffer) -> std::io::Result<Read> {
        let activity = self.activity.clone();
        if let Some(memory) = self.limits.memory.clone() {
            self.take_memory(buffer, &memory).await;
        }
        activity.large.store(buffer.is_large(), Ordering::Relaxed);
        let read = loop {
            let stream = &mut self.stream;
            let filling = std::future::poll_fn(|context| {
                let polled = stream.poll_read(context, buffer.space());
                match &polled {
                    Poll::Ready(Ok(bytes)) => buffer.filled(*bytes),
                    Poll::Ready(Err(_)) => {}
                    Poll::Pending => buffer.release(),
                }
                polled
            });
            tokio::select! {
                biased;
                read = filling => break read?,
                () = activity.close.notified() => return Ok(Read::Closed),
                () = activity.trim.notified() => {
                    buffer.release_all();
                    activity.large.store(buffer.is_large(), Ordering::Relaxed);
                }
            }
        };
        activity.last_ms.store(self.now_ms(), Ordering::Relaxed);
        Ok(if read > 0 { Read::Some } else { Read::End })
    }

    /// Waits for memory if the frame at the head is a large one; gives it back if there is none.
    async fn take_memory(&mut self, buffer: &mut ReadBuffer, memory: &FrameMemory) {
        if buffer.is_empty() {
            buffer.release_all();
            self.memory = None;
        }
        if let Some(bytes) = buffer.large_bytes_wanted() {
            self.memory = None;
            self.memory = memory.take(bytes).await;
        }
    }

    async fn write(&mut self, out: &mut Reply) -> std::io::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let mut sent = 0;
        for part in &out.files {
            if part.at > sent {
                self.stream.write_all(&out.bytes[sent..part.at]).await?;
                sent = part.at;
            }
            self.stream.send_file(&part.file, part.position, part.len).await?;
        }
        if sent < out.bytes.len() {
            self.stream.write_all(&out.bytes[sent..]).await?;
        }
        out.clear();
        self.activity.last_ms.store(self.now_ms(), Ordering::Relaxed);
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The buffers of a connection's answers.
struct Replies<'a> {
    /// Ready to be written.
    out: &'a mut Reply,
    /// The one in the making.
    one: &'a mut Reply,
    later: &'a mut Later,
}

/// Answers that are left for later, in the order of their requests.
#[derive(Default)]
struct Later {
    answers: VecDeque<LaterAnswer>,
}

impl Later {
    fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    fn is_full(&self) -> bool {
        self.answers.len() >= LATER_COUNT_MAX
    }

    fn push(&mut self, answer: LaterAnswer) {
        self.answers.push_back(answer);
    }

    fn push_done(&mut self, reply: Reply) {
        self.answers.push_back(Box::pin(std::future::ready(reply)));
    }

    /// Waits for the oldest answer, and takes those behind it that are there too. May be given up and asked again.
    async fn ready(&mut self, out: &mut Reply) {
        let mut taken = false;
        std::future::poll_fn(|context| {
            while let Some(front) = self.answers.front_mut() {
                match front.as_mut().poll(context) {
                    Poll::Ready(mut reply) => {
                        out.take_from(&mut reply);
                        self.answers.pop_front();
                        taken = true;
                    }
                    Poll::Pending if taken => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Waits for all answers.
    async fn finish(&mut self, out: &mut Reply) {
        while !self.is_empty() {
            self.ready(out).await;
        }
    }
}

#[cfg(test)]
mod tests;
