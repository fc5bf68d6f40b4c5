//! Closed loops of produce requests: each connection keeps a fixed number of requests in flight.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::connection::{Connection, Poll, i16_at};
use crate::Failure;
use crate::frames::PRODUCE_ERROR_AT;

/// At most this many bytes of repeated frames are kept ready for one write.
const TRAIN_BYTES: usize = 256 << 10;

/// What was produced, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Volume {
    /// Requests answered without an error.
    pub requests: u64,
    /// Bytes of the request frames, or of the fetched records.
    pub bytes: u64,
    /// Wall-clock time.
    pub seconds: f64,
}

struct Lane {
    connection: Connection,
    /// The frame, repeated so that several go out in one write.
    train: Vec<u8>,
    frame_bytes: usize,
    /// Bytes of requests that are still to be written.
    owed: usize,
    /// Position within the frame of the next byte.
    position: usize,
    in_flight: usize,
    waits_for_room: bool,
}

impl Lane {
    /// Writes what is owed; true if the socket took all of it.
    fn write(&mut self) -> Result<bool, Failure> {
        while self.owed > 0 {
            let most = (self.train.len() - self.position).min(self.owed);
            let written = self.connection.write(&self.train[self.position..self.position + most])?;
            self.owed -= written;
            self.position = (self.position + written) % self.frame_bytes;
            if written < most {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Produces over one connection per frame until the limit of bytes or of time is reached, then waits for the answers.
pub fn produce(
    address: SocketAddr,
    frames: &[Vec<u8>],
    depth: usize,
    max_bytes: u64,
    max_time: Duration,
) -> Result<Volume, Failure> {
    let mut poll = Poll::new()?;
    let mut lanes = Vec::with_capacity(frames.len());
    for (number, frame) in frames.iter().enumerate() {
        let repeats = (TRAIN_BYTES / frame.len()).clamp(1, depth) + 1;
        let connection = Connection::connect(address)?;
        poll.add(&connection, number)?;
        lanes.push(Lane {
            connection,
            train: frame.repeat(repeats),
            frame_bytes: frame.len(),
            owed: 0,
            position: 0,
            in_flight: 0,
            waits_for_room: false,
        });
    }
    let began = Instant::now();
    let mut volume = Volume { requests: 0, bytes: 0, seconds: 0.0 };
    let mut asked_bytes = 0;
    let mut ending = false;
    for (number, lane) in lanes.iter_mut().enumerate() {
        lane.in_flight = depth;
        lane.owed = depth * lane.frame_bytes;
        asked_bytes += lane.owed as u64;
        keep_writing(&poll, lane, number)?;
    }
    while lanes.iter().any(|lane| lane.in_flight > 0) {
        for (number, readable, writable) in poll.wait(Duration::from_millis(200))? {
            let lane = &mut lanes[number];
            if readable {
                let answered = take_answers(lane)?;
                volume.requests += answered as u64;
                volume.bytes += (answered * lane.frame_bytes) as u64;
                if !ending {
                    lane.in_flight += answered;
                    lane.owed += answered * lane.frame_bytes;
                    asked_bytes += (answered * lane.frame_bytes) as u64;
                }
            }
            if (readable && !lane.waits_for_room) || writable {
                keep_writing(&poll, lane, number)?;
            }
        }
        let elapsed = began.elapsed();
        ending |= asked_bytes >= max_bytes || elapsed >= max_time;
        if elapsed > max_time + Duration::from_secs(30) {
            return Err("answers are missing 30 s after the end of the load".into());
        }
    }
    volume.seconds = began.elapsed().as_secs_f64();
    Ok(volume)
}

fn keep_writing(poll: &Poll, lane: &mut Lane, number: usize) -> Result<(), Failure> {
    let blocked = !lane.write()?;
    if blocked != lane.waits_for_room {
        poll.watch_writing(&lane.connection, number, blocked)?;
        lane.waits_for_room = blocked;
    }
    Ok(())
}

/// Counts the answers that have come.
fn take_answers(lane: &mut Lane) -> Result<usize, Failure> {
    let mut answered = 0;
    lane.connection.read_frames(|frame| {
        answered += 1;
        check_produced(frame)
    })?;
    lane.in_flight =
        lane.in_flight.checked_sub(answered).ok_or("the broker answered more requests than it was sent")?;
    Ok(answered)
}

/// Fails unless the one partition of a produce answer has no error.
pub fn check_produced(frame: &[u8]) -> Result<(), Failure> {
    match i16_at(frame, PRODUCE_ERROR_AT) {
        0 => Ok(()),
        code => Err(format!("produce answered {}", protocol::ErrorCode(code).name()).into()),
    }
}
