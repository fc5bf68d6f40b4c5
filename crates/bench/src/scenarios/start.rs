//! Coming and going: an empty directory to the first answer, kill -9 to the first acknowledgement, SIGTERM to the end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Bench;
use crate::admin::Admin;
use crate::broker::{Broker, Kind};
use crate::figures::{Figure, Sample};
use crate::frames::PRODUCE_ERROR_AT;
use crate::{Failure, frames, load};

const READY: Figure = Figure::less("empty to ready", "ms", "<= 50 ms");
const RECOVERED: Figure = Figure::less("kill -9 to first ack", "ms", "<= 150 ms");
const STOPPED: Figure = Figure::less("clean stop", "ms", "<= 300 ms");
const BINARY: Figure = Figure::less("binary", "MB", "<= 20 MB");

/// What the broker holds when it is killed.
const BYTES: u64 = 500_000_000;
const PARTITIONS: i32 = 4;
/// Between two attempts to produce after a restart.
const PAUSE: Duration = Duration::from_millis(1);

/// Every round starts a broker of its own. The null broker recovers nothing and has no turn.
pub fn run(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    let rounds = bench.choose(1, 3);
    for _ in 0..rounds {
        for kind in bench.kinds.clone() {
            if !kind.is_null() {
                let mut broker = bench.fresh_broker(kind)?;
                let sample =
                    sample(&mut broker).map_err(|reason| format!("{scenario} on {kind}: {reason}"))?;
                bench.figures.add(scenario, kind, sample);
            }
        }
    }
    if bench.kinds.contains(&Kind::Klamm) {
        let bytes = std::fs::metadata(&bench.programs.klamm)?.len();
        bench.figures.add(scenario, Kind::Klamm, vec![(BINARY, bytes as f64 / 1e6)]);
    }
    Ok(())
}

fn sample(broker: &mut Broker) -> Result<Sample, Failure> {
    let ready = broker.ready_after;
    let topic = Admin::connect(broker.address)?.create_topic("start", PARTITIONS, &[])?;
    let (batch, _) = frames::batch_of_bytes(64 << 10)?;
    let frames = (0..PARTITIONS)
        .map(|number| frames::produce(&topic, number, &batch))
        .collect::<Result<Vec<_>, _>>()?;
    load::produce(broker.address, &frames, 4, BYTES, Duration::from_secs(20))?;
    broker.kill9()?;
    let began = Instant::now();
    broker.restart()?;
    wait_for_ack(broker, &frames::produce(&topic, 0, &frames::batch(1)?)?)?;
    let recovered = began.elapsed();
    let stopped = broker.stop()?;
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    Ok(vec![(READY, ms(ready)), (RECOVERED, ms(recovered)), (STOPPED, ms(stopped))])
}

pub(super) fn wait_for_ack(broker: &mut Broker, frame: &[u8]) -> Result<(), Failure> {
    let began = Instant::now();
    while !acknowledges(broker.address, frame) {
        broker.check_alive()?;
        if began.elapsed() > Duration::from_secs(90) {
            return Err("no acknowledgement within 90 s of the restart".into());
        }
        sleep(PAUSE);
    }
    Ok(())
}

fn acknowledges(address: SocketAddr, frame: &[u8]) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(frame)?;
        let mut head = [0; PRODUCE_ERROR_AT + 2];
        stream.read_exact(&mut head)?;
        Ok(head[PRODUCE_ERROR_AT..] == [0, 0])
    };
    ask().unwrap_or(false)
}
