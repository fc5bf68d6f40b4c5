//! Open loops: requests leave when they are due, whatever the broker does, and latency counts from then (so that a stall
//! is charged to every request that it delayed).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::closed::check_produced;
use super::connection::{Connection, Poll, i16_at, i32_at, i64_at};
use super::reading::unsigned_varint;
use crate::Failure;
use crate::admin::Topic;
use crate::frames::{self, FETCH_ERROR_AT, FETCH_HEAD_BYTES, FETCH_TOP_ERROR_AT};

/// Producers; each has a connection and a partition of its own.
pub const PRODUCERS: usize = 10;
/// Requests per second over all producers: each sends one every 5 ms, as with a linger of that length.
pub const REQUESTS_PER_SECOND: u64 = 2_000;
/// Samples from the beginning that are dropped.
const SETTLE: Duration = Duration::from_millis(500);
/// Where a batch's CRC and the bytes it covers begin.
const CRC_AT: usize = 17;
const CRC_FROM: usize = 21;
/// Longest latency that is told apart, in ns.
const HIGHEST_NS: u64 = 60_000_000_000;

/// How much is sent.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Records per second over all producers.
    pub records_per_second: u64,
    /// How long.
    pub seconds: f64,
}

/// Latencies in ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Latency {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Latency {
        let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e6;
        Latency { p50: ms(0.5), p99: ms(0.99), p999: ms(0.999) }
    }
}

struct Producer {
    connection: Connection,
    frame: Vec<u8>,
    /// Where the batch begins in the frame, and where in it eight bytes of the first value are free.
    batch_at: usize,
    stamp_at: usize,
    /// When the requests in flight were due, oldest first.
    due: VecDeque<u64>,
    outbound: Vec<u8>,
    waits_for_room: bool,
}

struct Consumer {
    connection: Connection,
    request: Vec<u8>,
    offset_at: usize,
    offset: i64,
}

/// Time from when a request was due to its answer.
pub fn ack_latency(address: SocketAddr, topic: &Topic, rate: Rate) -> Result<Latency, Failure> {
    Session::open(address, topic, rate, false)?.run(rate)
}

/// Before a request is due the thread looks instead of sleeping: a virtual machine wakes a sleeper half a millisecond
/// late, which would be most of what is measured. It costs a core, for every broker alike; between two looks the core is
/// offered to whoever waits for it, or a broker's thread that is woken on that core would wait for the scheduler's tick.
const SPIN: Duration = Duration::from_millis(2);

/// Time from when a request was due to the arrival of its batch at a consumer that long-polls the partition.
pub fn end_to_end_latency(address: SocketAddr, topic: &Topic, rate: Rate) -> Result<Latency, Failure> {
    Session::open(address, topic, rate, true)?.run(rate)
}

struct Session {
    poll: Poll,
    producers: Vec<Producer>,
    consumers: Vec<Consumer>,
    began: Instant,
    histogram: Histogram<u64>,
}

impl Session {
    fn open(address: SocketAddr, topic: &Topic, rate: Rate, consume: bool) -> Result<Session, Failure> {
        let poll = Poll::new()?;
        let records = usize::try_from(rate.records_per_second / REQUESTS_PER_SECOND)?;
        let batch = frames::batch(records)?;
        let stamp_at =
            batch.windows(8).skip(61).position(|window| window == [0; 8]).ok_or("no room for a stamp")? + 61;
        let mut producers = Vec::new();
        let mut consumers = Vec::new();
        for number in 0..PRODUCERS {
            let partition = i32::try_from(number)?;
            let frame = frames::produce(topic, partition, &batch)?;
            let batch_at =
                frame.windows(batch.len()).position(|window| window == batch).ok_or("batch is not there")?;
            let connection = Connection::connect(address)?;
            poll.add(&connection, number)?;
            producers.push(Producer {
                connection,
                frame,
                batch_at,
                stamp_at,
                due: VecDeque::new(),
                outbound: Vec::new(),
                waits_for_room: false,
            });
            if consume {
                let (request, offset_at) = frames::fetch(topic, partition, 500)?;
                let connection = Connection::connect(address)?;
                poll.add(&connection, PRODUCERS + number)?;
                consumers.push(Consumer { connection, request, offset_at, offset: 0 });
            }
        }
        let histogram = Histogram::new_with_bounds(1_000, HIGHEST_NS, 3)?;
        Ok(Session { poll, producers, consumers, began: Instant::now(), histogram })
    }

    fn run(mut self, rate: Rate) -> Result<Latency, Failure> {
        for consumer in &mut self.consumers {
            ask(consumer)?;
        }
        self.began = Instant::now();
        let step = 1_000_000_000 / REQUESTS_PER_SECOND;
        let total = (rate.seconds * REQUESTS_PER_SECOND as f64) as u64;
        let mut sent = 0;
        while sent < total {
            let now = self.now();
            while sent < total && sent * step <= now {
                self.send(usize::try_from(sent)? % PRODUCERS, sent * step)?;
                sent += 1;
            }
            let rest = Duration::from_nanos((sent * step).saturating_sub(self.now()));
            let sleep = rest.saturating_sub(SPIN);
            self.serve(sleep)?;
            if sleep.is_zero() {
                std::thread::yield_now();
            }
        }
        let end = Instant::now() + Duration::from_secs(20);
        while self.producers.iter().any(|producer| !producer.due.is_empty()) {
            self.serve(Duration::from_millis(100))?;
            if Instant::now() > end {
                return Err("answers are missing 20 s after the end of the load".into());
            }
        }
        Ok(Latency::of(&self.histogram))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Sends one request that was due at `due` ns.
    fn send(&mut self, number: usize, due: u64) -> Result<(), Failure> {
        let stamps = !self.consumers.is_empty();
        let producer = &mut self.producers[number];
        if stamps {
            let batch = &mut producer.frame[producer.batch_at..];
            batch[producer.stamp_at..producer.stamp_at + 8].copy_from_slice(&due.to_be_bytes());
            let length = 12 + usize::try_from(i32_at(batch, 8))?;
            let crc = crc32c::crc32c(&batch[CRC_FROM..length]);
            batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
        }
        producer.due.push_back(due);
        let written =
            if producer.outbound.is_empty() { producer.connection.write(&producer.frame)? } else { 0 };
        producer.outbound.extend_from_slice(&producer.frame[written..]);
        self.watch(number)
    }

    fn watch(&mut self, number: usize) -> Result<(), Failure> {
        let producer = &mut self.producers[number];
        let blocked = !producer.outbound.is_empty();
        if blocked != producer.waits_for_room {
            producer.waits_for_room = blocked;
            self.poll.watch_writing(&producer.connection, number, blocked)?;
        }
        Ok(())
    }

    /// Takes what comes within `timeout`.
    fn serve(&mut self, timeout: Duration) -> Result<(), Failure> {
        for (number, readable, writable) in self.poll.wait(timeout)? {
            let now = self.now();
            if number >= PRODUCERS {
                let histogram = &mut self.histogram;
                let stamp_at = self.producers[0].stamp_at;
                take_records(&mut self.consumers[number - PRODUCERS], stamp_at, |due| {
                    note(histogram, due, now)
                })?;
                continue;
            }
            if readable {
                let counts = self.consumers.is_empty();
                let Producer { connection, due, .. } = &mut self.producers[number];
                let histogram = &mut self.histogram;
                connection.read_frames(|frame| {
                    check_produced(frame)?;
                    let due = due.pop_front().ok_or("an answer without a request")?;
                    if counts {
                        note(histogram, due, now);
                    }
                    Ok(())
                })?;
            }
            if writable {
                let producer = &mut self.producers[number];
                let written = producer.connection.write(&producer.outbound)?;
                producer.outbound.drain(..written);
                self.watch(number)?;
            }
        }
        Ok(())
    }
}

fn note(histogram: &mut Histogram<u64>, due: u64, now: u64) {
    if u128::from(due) >= SETTLE.as_nanos() {
        histogram.saturating_record(now.saturating_sub(due));
    }
}

fn ask(consumer: &mut Consumer) -> Result<(), Failure> {
    let at = consumer.offset_at;
    consumer.request[at..at + 8].copy_from_slice(&consumer.offset.to_be_bytes());
    if consumer.connection.write(&consumer.request)? < consumer.request.len() {
        return Err("a fetch request does not fit into an empty socket".into());
    }
    Ok(())
}

/// Reads a fetch answer, tells the stamp of each batch and asks for more.
fn take_records(consumer: &mut Consumer, stamp_at: usize, mut each: impl FnMut(u64)) -> Result<(), Failure> {
    let mut next = None;
    let current = consumer.offset;
    consumer.connection.read_frames(|frame| {
        let error = i16_at(frame, FETCH_TOP_ERROR_AT).max(i16_at(frame, FETCH_ERROR_AT));
        if error != 0 {
            return Err(format!("fetch answered {}", protocol::ErrorCode(error).name()).into());
        }
        let (length, size) =
            unsigned_varint(&frame[FETCH_HEAD_BYTES..]).ok_or("fetch answer is too short")?;
        let start = FETCH_HEAD_BYTES + size;
        let mut records = &frame[start..start + usize::try_from(length.saturating_sub(1))?];
        let mut offset = current;
        while records.len() >= 61 {
            let bytes = 12 + usize::try_from(i32_at(records, 8))?;
            if bytes > records.len() {
                break;
            }
            each(i64_at(records, stamp_at) as u64);
            offset = i64_at(records, 0) + i64::from(i32_at(records, 23)) + 1;
            records = &records[bytes..];
        }
        next = Some(offset);
        Ok(())
    })?;
    if let Some(offset) = next {
        consumer.offset = offset;
        ask(consumer)?;
    }
    Ok(())
}
