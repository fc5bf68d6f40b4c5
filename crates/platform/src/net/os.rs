//! Owns the real network: TCP on the tokio runtime of the caller. It never buffers: the kernel's socket buffers are
//! the only ones.

use std::io::{self, IoSlice};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BufMut;
use rustix::net::{SendAncillaryBuffer, SendFlags};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, Interest};
use tokio::net::{TcpListener, TcpStream};

use super::{BindOptions, file_ended};
use crate::disk::File;

/// TCP of the machine.
#[derive(Clone, Copy, Debug)]
pub struct OsNet;

/// Bytes handed to one `sendfile`: enough to amortise the call, few enough that one connection does not keep its
/// thread from the others for more than some hundred microseconds.
const SEND_FILE_CHUNK_BYTES: usize = 512 * 1024;

impl OsNet {
    pub(super) fn bind(&self, address: SocketAddr, options: BindOptions) -> io::Result<OsListener> {
        let bind = || {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            // Without it a restart has to wait until the old connections' TIME_WAIT is over.
            socket.set_reuse_address(true)?;
            if options.reuse_port {
                socket.set_reuse_port(true)?;
            }
            // Accepted connections inherit them; the receive window is agreed on with the first packet.
            if let Some(bytes) = options.send_buffer_bytes {
                socket.set_send_buffer_size(bytes)?;
            }
            if let Some(bytes) = options.receive_buffer_bytes {
                socket.set_recv_buffer_size(bytes)?;
            }
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
            TcpListener::from_std(socket.into())
        };
        let listener = bind().map_err(|e| context("listen on", &address, &e))?;
        Ok(OsListener { listener })
    }

    pub(super) async fn connect(&self, address: SocketAddr) -> io::Result<OsStream> {
        let stream = TcpStream::connect(address).await.map_err(|e| context("connect to", &address, &e))?;
        OsStream::new(stream)
    }

    pub(super) async fn connect_host(&self, host: &str, port: u16) -> io::Result<OsStream> {
        let connected = TcpStream::connect((host, port)).await;
        let stream = connected.map_err(|e| context("connect to", &format_args!("{host}:{port}"), &e))?;
        OsStream::new(stream)
    }

    pub(super) async fn resolve(&self, host: &str) -> io::Result<IpAddr> {
        let found = tokio::net::lookup_host((host, 0)).await.map_err(|e| context("resolve", &host, &e))?;
        let mut found = found.map(|address| address.ip());
        found.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("cannot resolve {host}")))
    }
}

fn context(action: &str, address: &dyn std::fmt::Display, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("cannot {action} {address}: {cause}"))
}

#[derive(Debug)]
pub(super) struct OsListener {
    listener: TcpListener,
}

impl OsListener {
    pub(super) async fn accept(&self) -> io::Result<(OsStream, SocketAddr)> {
        let (stream, peer) = self.listener.accept().await?;
        Ok((OsStream::new(stream)?, peer))
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A TCP connection with `TCP_NODELAY` set: responses are written whole, so waiting for more only costs latency.
#[derive(Debug)]
pub struct OsStream {
    stream: TcpStream,
}

impl OsStream {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(buffer)
    }

    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut read = tokio::io::ReadBuf::new(buffer);
        Pin::new(&mut self.stream).poll_read(context, &mut read).map_ok(|()| read.filled().len())
    }

    pub(super) fn try_read_buf<B: BufMut>(&self, buffer: &mut B) -> io::Result<usize> {
        self.stream.try_read_buf(buffer)
    }

    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.try_write_vectored(slices)
    }

    /// One write without waiting; `more` promises that bytes follow at once.
    pub(super) fn try_send(&self, slices: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        if !more {
            return self.stream.try_write_vectored(slices);
        }
        self.stream.try_io(Interest::WRITABLE, || {
            let slices = &slices[..slices.len().min(MAX_SLICES)];
            let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
            Ok(rustix::net::sendmsg(&self.stream, slices, &mut SendAncillaryBuffer::default(), flags)?)
        })
    }

    pub(super) async fn send_file(
        &self,
        file: &Arc<dyn File>,
        mut position: u64,
        mut len: u64,
    ) -> io::Result<()> {
        while len > 0 {
            let chunk = usize::try_from(len).map_or(SEND_FILE_CHUNK_BYTES, |l| l.min(SEND_FILE_CHUNK_BYTES));
            let sent = self.stream.try_io(Interest::WRITABLE, || {
                let source = file.fd().ok_or(io::ErrorKind::Unsupported)?;
                let mut offset = position;
                Ok(rustix::fs::sendfile(&self.stream, source, Some(&mut offset), chunk)?)
            });
            match sent {
                Ok(0) => return Err(file_ended(position, len)),
                Ok(count) => {
                    position += count as u64;
                    len -= count as u64;
                    if len > 0 {
                        // A fast reader would keep the socket writable for ever; the other connections of this
                        // thread get their turn between chunks.
                        tokio::task::yield_now().await;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.stream.writable().await?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    // A socket never says so: it is the file that cannot be read.
                    if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) {
                        file.read_failed(&e);
                    }
                    return Err(e);
                }
            }
        }
        Ok(())
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        socket2::SockRef::from(&self.stream).shutdown(how)
    }

    pub(super) fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.stream.into_std()
    }

    /// The stream is non-blocking already: it was one of ours before it was detached.
    pub(super) fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::from_std(stream)? })
    }
}

/// Slices handed to one `sendmsg`: the kernel's limit (`IOV_MAX`).
const MAX_SLICES: usize = 1024;
