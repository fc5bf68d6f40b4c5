//! Reading whole partitions as fast as they come. Bodies are taken from the socket into one small buffer and not looked
//! at; the next offset follows from the first batch, since all batches of these scenarios are alike.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::closed::Volume;
use super::connection::{Connection, Poll, frame_bytes, i16_at, i32_at, i64_at};
use crate::Failure;
use crate::admin::Topic;
use crate::frames::{self, FETCH_ERROR_AT, FETCH_HEAD_BYTES, FETCH_TOP_ERROR_AT};

/// Small enough to stay in a core's own cache.
const BUFFER_BYTES: usize = 256 << 10;
/// The front of an answer that is looked at: its fields, the length of the records and the first batch's header.
const FRONT_BYTES: usize = FETCH_HEAD_BYTES + 5 + 61;
/// Wrapped around at the end of a partition, a pass begins again at offset 0.
const WAIT_MS: i32 = 100;

struct Lane {
    connection: Connection,
    request: Vec<u8>,
    offset_at: usize,
    offset: i64,
    end: i64,
    front: Vec<u8>,
    /// Bytes of the current answer, once known.
    size: usize,
    taken: usize,
    done: bool,
}

/// Fetches partitions 0 to `connections - 1`, one connection each, over and over until the limits are reached.
pub fn read_all(
    address: SocketAddr,
    topic: &Topic,
    connections: usize,
    end_offset: i64,
    max_bytes: u64,
    max_time: Duration,
) -> Result<Volume, Failure> {
    let mut poll = Poll::new()?;
    let mut lanes = Vec::new();
    for number in 0..connections {
        let (request, offset_at) = frames::fetch(topic, i32::try_from(number)?, WAIT_MS)?;
        let connection = Connection::connect(address)?;
        poll.add(&connection, number)?;
        let front = Vec::with_capacity(FRONT_BYTES);
        let lane = Lane {
            connection,
            request,
            offset_at,
            offset: 0,
            end: end_offset,
            front,
            size: 0,
            taken: 0,
            done: false,
        };
        lanes.push(lane);
    }
    let began = Instant::now();
    let mut volume = Volume { requests: 0, bytes: 0, seconds: 0.0 };
    for lane in &mut lanes {
        ask(lane)?;
    }
    let mut buffer = vec![0; BUFFER_BYTES];
    while lanes.iter().any(|lane| !lane.done) {
        for (number, _, _) in poll.wait(Duration::from_millis(200))? {
            let lane = &mut lanes[number];
            if !take(lane, &mut buffer)? {
                continue;
            }
            volume.requests += 1;
            volume.bytes += advance(lane)?;
            lane.done = volume.bytes >= max_bytes || began.elapsed() >= max_time;
            if !lane.done {
                ask(lane)?;
            }
        }
        if began.elapsed() > max_time + Duration::from_secs(30) {
            return Err("a fetch has no answer 30 s after the end of the load".into());
        }
    }
    volume.seconds = began.elapsed().as_secs_f64();
    Ok(volume)
}

fn ask(lane: &mut Lane) -> Result<(), Failure> {
    lane.request[lane.offset_at..lane.offset_at + 8].copy_from_slice(&lane.offset.to_be_bytes());
    if lane.connection.write(&lane.request)? < lane.request.len() {
        return Err("a fetch request does not fit into an empty socket".into());
    }
    lane.front.clear();
    (lane.size, lane.taken) = (0, 0);
    Ok(())
}

/// Takes bytes of the current answer; true when it is whole.
fn take(lane: &mut Lane, buffer: &mut [u8]) -> Result<bool, Failure> {
    let most = if lane.size == 0 { buffer.len() } else { buffer.len().min(lane.size - lane.taken) };
    let count = lane.connection.read_some(&mut buffer[..most])?;
    let wanted = FRONT_BYTES.saturating_sub(lane.front.len()).min(count);
    lane.front.extend_from_slice(&buffer[..wanted]);
    lane.taken += count;
    if lane.size == 0 {
        lane.size = frame_bytes(&lane.front).unwrap_or(0);
    }
    Ok(lane.size > 0 && lane.taken >= lane.size)
}

/// Bytes of records in the whole answer; sets the next offset.
fn advance(lane: &mut Lane) -> Result<u64, Failure> {
    let front = &lane.front;
    let error = i16_at(front, FETCH_TOP_ERROR_AT).max(i16_at(front, FETCH_ERROR_AT));
    if error != 0 {
        return Err(format!("fetch answered {}", protocol::ErrorCode(error).name()).into());
    }
    let (length, length_bytes) =
        unsigned_varint(&front[FETCH_HEAD_BYTES..]).ok_or("fetch answer is too short")?;
    let records_bytes = length.saturating_sub(1);
    if records_bytes == 0 {
        return Err(format!("nothing at offset {} of {}", lane.offset, lane.end).into());
    }
    let at = FETCH_HEAD_BYTES + length_bytes;
    let (base, batch_bytes) = (i64_at(front, at), 12 + i32_at(front, at + 8));
    let batches = i64::from(u32::try_from(records_bytes)?) / i64::from(batch_bytes);
    // A broker may cut the last batch short; the first one is always whole.
    lane.offset = base + batches.max(1) * i64::from(i32_at(front, at + 23) + 1);
    if lane.offset >= lane.end {
        lane.offset = 0;
    }
    Ok(records_bytes)
}

/// An unsigned varint and its size.
pub fn unsigned_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}
