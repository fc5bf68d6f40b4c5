//! The null broker: reads the same frames as a broker, writes the batches to files, sends them back. What it costs is the
//! kernel's own cost of the work, so it is the floor that a broker is compared with.
//!
//! Owns one thread, one epoll set and files in one directory. It checks nothing, recovers nothing and forgives nothing:
//! it serves the load generator of this crate and no other client.

mod answers;
mod direct_log;
mod peer;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::Path;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use direct_log::DirectLog;
use peer::Peer;
use store::Store;

/// The listener's number in the poll set; peers are numbered from 0.
const LISTENER: u64 = u64::MAX;
/// The number of the log's wake-up.
const LOG: u64 = u64::MAX - 1;
/// Read at once, from one peer.
const SCRATCH_BYTES: usize = 512 << 10;

/// Serves on 127.0.0.1 until killed: each partition in a file of its own, or all in one log past the page cache.
pub fn serve(directory: &Path, port: u16, direct: bool) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let log = if direct { Some(DirectLog::create(directory)?) } else { None };
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    if let Some(log) = &log {
        epoll::add(&epoll, &log.wake, EventData::new_u64(LOG), EventFlags::IN)?;
    }
    let store = Store::new(directory, log);
    let mut server = Server { epoll, listener, port, store, peers: BTreeMap::new(), next: 0 };
    let mut events: Vec<Event> = Vec::with_capacity(1024);
    let mut scratch = vec![0; SCRATCH_BYTES];
    loop {
        events.clear();
        match epoll::wait(&server.epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(reason) => return Err(reason.into()),
        }
        for event in &events {
            match event.data.u64() {
                LISTENER => server.accept()?,
                LOG => server.answer_written()?,
                number => server.serve_peer(number, event.flags, &mut scratch)?,
            }
        }
        if let Some(log) = &mut server.store.log {
            log.send()?;
        }
    }
}

struct Server {
    epoll: rustix::fd::OwnedFd,
    listener: TcpListener,
    port: u16,
    store: Store,
    peers: BTreeMap<u64, Peer>,
    next: u64,
}

impl Server {
    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    epoll::add(&self.epoll, &stream, EventData::new_u64(self.next), EventFlags::IN)?;
                    self.peers.insert(self.next, Peer::new(stream));
                    self.next += 1;
                }
                Err(reason) if reason.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(reason) => return Err(reason),
            }
        }
    }

    fn serve_peer(&mut self, number: u64, flags: EventFlags, scratch: &mut [u8]) -> io::Result<()> {
        let Some(mut peer) = self.peers.remove(&number) else { return Ok(()) };
        let mut woken = Vec::new();
        let open = if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            peer.read(scratch, |peer, frame| {
                answers::answer(&mut self.store, self.port, number, peer, frame, &mut woken)
            })
        } else {
            Ok(true)
        };
        // A peer that is gone or speaks nonsense is dropped; the others stay.
        let open = matches!(open, Ok(true)) && self.send(number, &mut peer).is_ok();
        if open {
            self.peers.insert(number, peer);
        } else {
            self.store.forget(number);
        }
        for sleeper in woken {
            if let Some(mut peer) = self.peers.remove(&sleeper) {
                answers::fetch_again(&mut self.store, &mut peer);
                if self.send(sleeper, &mut peer).is_ok() {
                    self.peers.insert(sleeper, peer);
                }
            }
        }
        Ok(())
    }

    /// Answers those whose batches are durable.
    fn answer_written(&mut self) -> io::Result<()> {
        let Some(log) = &mut self.store.log else { return Ok(()) };
        let answers = log.written()?;
        log.send()?;
        for (number, answer) in answers {
            if let Some(mut peer) = self.peers.remove(&number) {
                peer.out().extend_from_slice(&answer);
                if self.send(number, &mut peer).is_ok() {
                    self.peers.insert(number, peer);
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, number: u64, peer: &mut Peer) -> io::Result<()> {
        let blocked = !peer.flush()?;
        if blocked != peer.waits_for_room {
            peer.waits_for_room = blocked;
            let flags = if blocked { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.epoll, &peer.stream, EventData::new_u64(number), flags)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
