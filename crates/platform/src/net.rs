//! Owns the face of the network: listeners and ordered byte streams. It never frames, never encrypts and never
//! retries: those are the callers' matters.

mod os;

use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BufMut;

use crate::disk::File;
use crate::sim::{SimListener, SimNet, SimStream};
pub use os::OsNet;
use os::{OsListener, OsStream};

/// The network of one node.
#[derive(Clone, Debug)]
pub enum Net {
    /// TCP of the machine.
    Os(OsNet),
    /// The network of a simulated machine.
    Sim(SimNet),
}

/// How a listener is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindOptions {
    /// Several listeners may share the address and the kernel spreads the connections (`SO_REUSEPORT`).
    pub reuse_port: bool,
    /// Connections that may wait to be accepted.
    pub backlog: u32,
    /// Kernel send buffer of each connection; `None` leaves its size to the kernel.
    pub send_buffer_bytes: Option<usize>,
    /// Kernel receive buffer of each connection; `None` leaves its size to the kernel.
    pub receive_buffer_bytes: Option<usize>,
}

impl Default for BindOptions {
    /// No sharing, and Linux' usual ceiling of waiting connections.
    fn default() -> Self {
        Self { reuse_port: false, backlog: 4096, send_buffer_bytes: None, receive_buffer_bytes: None }
    }
}

impl Net {
    /// Listens on an address; port 0 picks a free one.
    pub async fn bind(&self, address: SocketAddr, options: BindOptions) -> io::Result<Listener> {
        match self {
            Self::Os(net) => net.bind(address, options).map(|l| Listener { inner: ListenerInner::Os(l) }),
            Self::Sim(net) => {
                net.bind(address, options).await.map(|l| Listener { inner: ListenerInner::Sim(l) })
            }
        }
    }

    /// Connects to an address.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        match self {
            Self::Os(net) => net.connect(address).await.map(Stream::Tcp),
            Self::Sim(net) => net.connect(address).await.map(Stream::Sim),
        }
    }

    /// Connects to the first address of a host that answers. `host` is a name or an address without brackets.
    pub async fn connect_host(&self, host: &str, port: u16) -> io::Result<Stream> {
        match self {
            Self::Os(net) => net.connect_host(host, port).await.map(Stream::Tcp),
            Self::Sim(net) => net.connect_host(host, port).await.map(Stream::Sim),
        }
    }

    /// The first address of a host. `host` is a name or an address without brackets.
    ///
    /// # Errors
    /// The name is not known, or nobody could be asked.
    pub async fn resolve(&self, host: &str) -> io::Result<IpAddr> {
        match self {
            Self::Os(net) => net.resolve(host).await,
            Self::Sim(net) => net.resolve(host),
        }
    }
}

/// A bound address that gives connections.
#[derive(Debug)]
pub struct Listener {
    inner: ListenerInner,
}

#[derive(Debug)]
enum ListenerInner {
    Os(OsListener),
    Sim(SimListener),
}

impl Listener {
    /// Waits for the next connection and gives it with its peer's address. Safe to cancel.
    ///
    /// # Errors
    /// Out of descriptors and the like: the listener stays usable, but an immediate retry may fail again.
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match &self.inner {
            ListenerInner::Os(listener) => listener.accept().await.map(|(s, peer)| (Stream::Tcp(s), peer)),
            ListenerInner::Sim(listener) => listener.accept().await.map(|(s, peer)| (Stream::Sim(s), peer)),
        }
    }

    /// The address actually bound.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.inner {
            ListenerInner::Os(listener) => listener.local_addr(),
            ListenerInner::Sim(listener) => Ok(listener.local_addr()),
        }
    }
}

/// An ordered stream of bytes in each direction. All calls take `&self`, so that one task may read while another
/// writes; two tasks must not write, nor two read, at the same time.
#[derive(Debug)]
pub enum Stream {
    /// A TCP connection.
    Tcp(OsStream),
    /// A connection between simulated machines.
    Sim(SimStream),
}

/// A stream that belongs to no runtime, on its way to another runtime's thread.
#[derive(Debug)]
pub struct DetachedStream {
    inner: DetachedInner,
}

#[derive(Debug)]
enum DetachedInner {
    Tcp(std::net::TcpStream),
    Sim(SimStream),
}

impl Stream {
    /// Waits until bytes, the end of the stream or an error can be read. May wake without cause. Safe to cancel.
    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Sim(stream) => stream.readable().await,
        }
    }

    /// Waits until bytes can be written. May wake without cause. Safe to cancel.
    pub async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.writable().await,
            Self::Sim(stream) => stream.writable().await,
        }
    }

    /// Reads what is there, without waiting; `Ok(0)` is the end of the stream (or an empty buffer).
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there: an idle connection waits in [`Self::readable`] and needs no buffer.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Sim(stream) => stream.try_read(buffer),
        }
    }

    /// Reads if bytes are there, else has the task woken when they are. A read that does not fill the buffer tells the
    /// reactor that the socket is drained, so the next call waits without asking the kernel in vain: the cheapest
    /// way to serve many small requests. `Ok(0)` is the end of the stream (or an empty buffer).
    pub fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => stream.poll_read(context, buffer),
            Self::Sim(stream) => stream.poll_read(context, buffer),
        }
    }

    /// As [`Self::try_read`], into the spare room of a growable buffer, which need not be zeroed before.
    pub fn try_read_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read_buf(buffer),
            Self::Sim(stream) => stream.try_read_buf(buffer),
        }
    }

    /// Waits for bytes and reads them; `Ok(0)` is the end of the stream. Safe to cancel.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.readable().await?;
            match self.try_read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    /// Fills the buffer. Not safe to cancel: bytes already read are lost.
    ///
    /// # Errors
    /// `UnexpectedEof` if the stream ends before.
    pub async fn read_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        Ok(())
    }

    /// Writes as much as there is room for, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(slices),
            Self::Sim(stream) => stream.try_write_vectored(slices),
        }
    }

    /// Writes all the slices in order, without copying them. The slices are consumed: afterwards they are empty or
    /// cut. Not safe to cancel: a part may have been written.
    pub async fn write_all_vectored(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.write_slices(slices, false).await
    }

    /// As [`Self::write_all_vectored`], and says that more follows at once (`MSG_MORE`), so that a response's
    /// head and the file bytes behind it may share a packet.
    pub async fn write_all_vectored_more(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.write_slices(slices, true).await
    }

    /// Writes all of `bytes`. Not safe to cancel.
    pub async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_slices(&mut [IoSlice::new(bytes)], false).await
    }

    async fn write_slices(&self, mut slices: &mut [IoSlice<'_>], more: bool) -> io::Result<()> {
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let written = match self {
                Self::Tcp(stream) => stream.try_send(slices, more),
                Self::Sim(stream) => stream.try_write_vectored(slices),
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => IoSlice::advance_slices(&mut slices, count),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Sends `len` bytes of a file from `position`: by `sendfile` if both sides have descriptors, else by copying
    /// through a bounded buffer. Not safe to cancel.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before; a part may have been sent, so the stream must be closed.
    pub async fn send_file(&self, file: &Arc<dyn File>, position: u64, len: u64) -> io::Result<()> {
        match self {
            Self::Tcp(stream) if file.fd().is_some() => stream.send_file(file, position, len).await,
            _ => self.copy_file(file, position, len).await,
        }
    }

    async fn copy_file(&self, file: &Arc<dyn File>, mut position: u64, mut len: u64) -> io::Result<()> {
        let size = usize::try_from(len).map_or(COPY_BUFFER_BYTES, |len| len.min(COPY_BUFFER_BYTES));
        let mut buffer = vec![0; size];
        while len > 0 {
            let want = usize::try_from(len).map_or(size, |len| len.min(size));
            let count = file.read_at(&mut buffer[..want], position)?;
            if count == 0 {
                return Err(file_ended(position, len));
            }
            self.write_all(&buffer[..count]).await?;
            position += count as u64;
            len -= count as u64;
        }
        Ok(())
    }

    /// The address of the other side.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr(),
            Self::Sim(stream) => Ok(stream.peer_addr()),
        }
    }

    /// The address of this side.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr(),
            Self::Sim(stream) => Ok(stream.local_addr()),
        }
    }

    /// Ends reading, writing or both. Ending the writing lets the other side read to the end.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Sim(stream) => stream.shutdown(how),
        }
    }

    /// Takes the stream out of its runtime, to be sent to another thread.
    pub fn into_std(self) -> io::Result<DetachedStream> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(|s| DetachedStream { inner: DetachedInner::Tcp(s) }),
            Self::Sim(stream) => Ok(DetachedStream { inner: DetachedInner::Sim(stream) }),
        }
    }

    /// Puts a detached stream into the calling runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn from_std(stream: DetachedStream) -> io::Result<Self> {
        match stream.inner {
            DetachedInner::Tcp(stream) => OsStream::from_std(stream).map(Self::Tcp),
            DetachedInner::Sim(stream) => Ok(Self::Sim(stream)),
        }
    }
}

/// Bytes copied at a time where there is no zero-copy way.
const COPY_BUFFER_BYTES: usize = 64 * 1024;

fn file_ended(position: u64, missing: u64) -> io::Error {
    let message =
        format!("the file ends at {position}, {missing} bytes before the end of what was to be sent");
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}
