//! kill -9 in a loop, without a cut, and failing system calls: what needs no rig.
//!
//! Owns the course. The page cache survives, so nothing at all may be missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::judge::{Kind, Violation};
use crate::machine::Room;
use crate::node::{NodeProcess, NodeSettings, Start};
use crate::world::World;

/// Longest time in which a node whose disk fails may go on.
const FAIL_STOP_LONGEST: Duration = Duration::from_secs(15);

/// Calls that strace can make fail, in the words of its `inject`.
const CALLS: [&str; 3] =
    ["fdatasync,fsync", "pwrite64,pwritev,pwritev2", "rename,renameat,renameat2,ftruncate"];

/// What is asked for.
#[derive(Clone, Debug)]
pub struct KillOrder {
    /// The program.
    pub klamm: PathBuf,
    /// Kills.
    pub kills: u64,
    /// Calls that fail.
    pub faults: u64,
    /// The seed.
    pub seed: u64,
    /// Ends it, whatever is left.
    pub until: Option<Instant>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct KillTally {
    /// Processes killed.
    pub kills: u64,
    /// Calls that failed.
    pub faults: u64,
    /// Processes that ended by themselves after that.
    pub fail_stops: u64,
    /// Records acknowledged.
    pub acked: u64,
    /// Records compared.
    pub read: u64,
    /// What is wrong.
    pub failures: Vec<String>,
}

/// Lives in one directory per world.
const LIVES_PER_WORLD: u64 = 20;

/// Runs both loops.
///
/// # Errors
/// The node cannot be run at all.
pub fn run_kills(order: &KillOrder, room: &Room) -> Result<KillTally, Failure> {
    let mut tally = KillTally::default();
    let mut worlds = 0;
    while tally.kills + tally.faults < order.kills + order.faults {
        let seed = order.seed + worlds;
        worlds += 1;
        let data = room.path.join("kills");
        _ = fs::remove_dir_all(&data);
        let mut world = World::new(seed, None);
        for life in 0..LIVES_PER_WORLD {
            let is_late = order.until.is_some_and(|until| Instant::now() >= until);
            if is_late || tally.kills + tally.faults >= order.kills + order.faults {
                tally.acked += world.history.acked_records;
                return Ok(tally);
            }
            let is_fault = life > 0 && tally.faults < order.faults && world.rng.one_in(2);
            let violations = live(order, room, &data, &mut world, is_fault, &mut tally)?;
            if !violations.is_empty() {
                let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
                tally.failures.push(format!("kill loop, seed {seed}, life {life}:\n  {}", told.join("\n  ")));
                break;
            }
        }
        tally.acked += world.history.acked_records;
        if tally.failures.len() > 3 {
            break;
        }
    }
    Ok(tally)
}

fn live(
    order: &KillOrder,
    room: &Room,
    data: &Path,
    world: &mut World,
    is_fault: bool,
    tally: &mut KillTally,
) -> Result<Vec<Violation>, Failure> {
    let traced = room.path.join("traced");
    _ = fs::remove_file(&traced);
    let settings = NodeSettings {
        klamm: order.klamm.clone(),
        data: data.to_owned(),
        properties: world.properties.clone(),
        log: room.path.join("node.log"),
        pid_file: room.pid_file(),
        wrapper: if is_fault { failing(world, &traced) } else { Vec::new() },
    };
    let wrong = |what: String| Ok(vec![Violation { kind: Kind::Other, what }]);
    let mut node = match settings.start(None) {
        Ok(Start::Ready(node)) => node,
        // A call that fails may be one of the start's: then it refuses, and that is right.
        Ok(Start::Exited { .. }) if was_hit(&traced) => {
            tally.faults += 1;
            tally.fail_stops += 1;
            return Ok(Vec::new());
        }
        Ok(Start::Exited { status, log }) => {
            return wrong(format!("the node does not start: {status}\n{log}"));
        }
        Ok(Start::PowerLost) => return wrong("there is no power to lose".to_owned()),
        Err(error) => return wrong(format!("the node does not start: {error}")),
    };
    match world.welcome(node.address) {
        Ok(verdict) if verdict.violations.is_empty() => tally.read += verdict.records,
        _ if is_fault && was_hit(&traced) => {
            end(&mut node);
            tally.faults += 1;
            return Ok(Vec::new());
        }
        Ok(verdict) => return Ok(verdict.violations),
        Err(lost) => return wrong(format!("no judgement: {}\n{}", lost.0, node.log_tail())),
    }
    let longest = Duration::from_millis(30 + world.rng.below(600));
    let mut died = None;
    let lost = world.live(node.address, world.rng.one_in(8), |scene| {
        let began = Instant::now();
        while died.is_none() && began.elapsed() < longest {
            std::thread::sleep(Duration::from_millis(5));
            died = node.exited();
        }
        // Whoever lost a disk ends; producers keep it busy until then.
        while is_fault && was_hit(&traced) && died.is_none() && began.elapsed() < FAIL_STOP_LONGEST {
            std::thread::sleep(Duration::from_millis(20));
            died = node.exited();
        }
        if scene.lost() == 0 || is_fault {
            scene.end();
        }
        node.kill();
    });
    node.wait();
    if is_fault && was_hit(&traced) {
        tally.faults += 1;
        tally.fail_stops += u64::from(died.is_some());
        return Ok(Vec::new());
    }
    tally.kills += 1;
    match died {
        Some(status) => wrong(format!("it ended by itself with {status}:\n{}", node.log_tail())),
        None if lost > 0 => wrong(format!("{lost} connections ended by themselves:\n{}", node.log_tail())),
        None => Ok(Vec::new()),
    }
}

/// The words that let the n-th call of a kind fail once.
fn failing(world: &World, traced: &Path) -> Vec<String> {
    let calls = CALLS[usize::try_from(world.rng.below(CALLS.len() as u64)).unwrap_or(0)];
    let number = 1 + world.rng.below(if world.rng.one_in(2) { 40 } else { 400 });
    let inject = format!("inject={calls}:error=EIO:when={number}");
    let words = ["strace", "-D", "-f", "-qq", "-e"].map(str::to_owned);
    let mut words = Vec::from(words);
    words.extend([
        format!("trace={calls}"),
        "-e".to_owned(),
        inject,
        "-o".to_owned(),
        traced.display().to_string(),
    ]);
    words
}

fn was_hit(traced: &Path) -> bool {
    fs::read_to_string(traced).is_ok_and(|text| text.contains("INJECTED"))
}

fn end(node: &mut NodeProcess) {
    node.kill();
    node.wait();
}
