//! The null broker: reads the same frames as a broker, writes the batches to files, sends them back. What it costs is the
//! kernel's own cost of the work, so it is the floor that a broker is compared with.
//!
//! Owns one thread, one epoll set and files in one directory. It checks nothing, recovers nothing and forgives nothing:
//! it serves the load generator of this crate and no other client.

mod answers;
mod peer;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::Path;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use peer::Peer;
use store::Store;

/// The listener's number in the poll set; peers are numbered from 0.
const LISTENER: u64 = u64::MAX;
/// Read at once, from one peer.
const SCRATCH_BYTES: usize = 512 << 10;

/// Serves on 127.0.0.1 until killed.
pub fn serve(directory: &Path, port: u16) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut server =
        Server { epoll, listener, port, store: Store::new(directory), peers: BTreeMap::new(), next: 0 };
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
                number => server.serve_peer(number, event.flags, &mut scratch)?,
            }
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
