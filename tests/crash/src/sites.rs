//! Every place where the node writes, made to fail once: the calls of a whole life are listed by strace, then each kind of
//! call on each kind of file fails in a life of its own, and what is left is judged.
//!
//! Owns the list of places and what counts as one. A place is a system call on a kind of file in a phase of a life; numbers
//! and names of topics make no difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::flavor::Flavor;
use crate::judge::{Kind, Violation};
use crate::machine::{Room, run};
use crate::node::{NodeSettings, Start};
use crate::world::World;

/// All calls by which a node changes its disk.
const CALLS: &str = "fdatasync,fsync,pwrite64,pwritev,pwritev2,write,rename,renameat,renameat2,ftruncate,fallocate,openat,unlink,unlinkat,rmdir,mkdir";

/// Lives that a place is given to be met in.
const TRIES: u32 = 2;

/// Paths of a kind that strace is told: names of segments differ from life to life.
const PATHS_MAX: usize = 60;

/// How long clients are let loose.
const LIFE: Duration = Duration::from_millis(1_000);

/// Longest time in which a node whose disk fails may go on.
const FAIL_STOP_LONGEST: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Clone, Debug)]
pub struct SiteOrder {
    /// The program.
    pub klamm: PathBuf,
    /// The seed.
    pub seed: u64,
    /// Ends it, whatever is left.
    pub until: Option<Instant>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct SiteTally {
    /// Places.
    pub sites: u64,
    /// Places that were tried before the time was over.
    pub tried: u64,
    /// Places that were met and failed.
    pub hit: u64,
    /// Calls that failed; some places failed at two of them.
    pub faults: u64,
    /// Nodes that refused to start, or ended by themselves, after that.
    pub fail_stops: u64,
    /// Places that no life met again.
    pub missed: Vec<String>,
    /// What is wrong.
    pub failures: Vec<String>,
}

/// Which life a place is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// From an empty directory to a clean stop.
    Fresh,
    /// From what a killed node left to a clean stop.
    Recovery,
}

/// A place: phase, call, kind of file.
type Site = (Phase, String, String);

/// Fails every place once.
///
/// # Errors
/// The node cannot be run at all.
pub fn run_sites(order: &SiteOrder, room: &Room) -> Result<SiteTally, Failure> {
    let rig = Rig { order, room, killed: room.path.join("killed") };
    let killed = rig.killed_world()?;
    let mut sites: BTreeMap<Site, BTreeSet<PathBuf>> = BTreeMap::new();
    for phase in [Phase::Fresh, Phase::Recovery] {
        let trace = rig.trace_life(phase, &killed)?;
        for (call, path) in calls_in(&trace, &rig.data()) {
            let kind = kind_of(&path, &rig.data());
            let paths = sites.entry((phase, call, kind)).or_default();
            if paths.len() < PATHS_MAX {
                paths.insert(path);
            }
        }
    }
    let mut tally = SiteTally { sites: sites.len() as u64, ..SiteTally::default() };
    for (site, paths) in &sites {
        let mut is_hit = false;
        // A file of the write-ahead log is made, begun and written by the same call.
        let occurrences = if site.2.contains("wal") { vec![1, 2, 4] } else { vec![1; TRIES as usize] };
        let wants_all = occurrences.len() > TRIES as usize;
        for occurrence in occurrences {
            if order.until.is_some_and(|until| Instant::now() >= until) {
                return Ok(tally);
            }
            if is_hit && !wants_all {
                break;
            }
            let story = rig.fail_at(site, paths, occurrence, &killed)?;
            is_hit |= story.is_hit;
            tally.faults += u64::from(story.is_hit);
            tally.fail_stops += u64::from(story.is_hit && story.has_stopped);
            if !story.violations.is_empty() {
                let told: Vec<String> = story.violations.iter().map(ToString::to_string).collect();
                tally.failures.push(format!("{site:?}, call {occurrence}:\n  {}", told.join("\n  ")));
            }
        }
        tally.tried += 1;
        tally.hit += u64::from(is_hit);
        if !is_hit {
            tally.missed.push(format!("{} of {} ({:?})", site.1, site.2, site.0));
        }
    }
    Ok(tally)
}

struct Rig<'a> {
    order: &'a SiteOrder,
    room: &'a Room,
    killed: PathBuf,
}

/// How a life with a failing call went.
struct Story {
    is_hit: bool,
    has_stopped: bool,
    violations: Vec<Violation>,
}

impl Rig<'_> {
    fn data(&self) -> PathBuf {
        self.room.path.join("data")
    }

    fn settings(&self, world: &World, wrapper: Vec<String>) -> NodeSettings {
        NodeSettings {
            klamm: self.order.klamm.clone(),
            data: self.data(),
            properties: world.properties.clone(),
            log: self.room.path.join("node.log"),
            pid_file: self.room.pid_file(),
            wrapper,
        }
    }

    /// A world whose node was killed, and its directory.
    fn killed_world(&self) -> Result<World, Failure> {
        let mut world = World::new(self.order.seed, Some(Flavor::Log));
        _ = fs::remove_dir_all(self.data());
        let Start::Ready(mut node) = self.settings(&world, Vec::new()).start(None)? else {
            return Err("the node does not start".into());
        };
        world.welcome(node.address).map_err(|lost| lost.0)?;
        world.live(node.address, false, |scene| {
            std::thread::sleep(LIFE);
            scene.end();
        });
        node.kill();
        node.wait();
        fs::rename(self.data(), &self.killed)?;
        Ok(world)
    }

    /// The directory and what is known of it at the beginning of a phase.
    fn world(&self, phase: Phase, killed: &World) -> Result<World, Failure> {
        _ = fs::remove_dir_all(self.data());
        let mut world = World::new(self.order.seed, Some(Flavor::Log));
        if phase == Phase::Recovery {
            run(Command::new("cp").args(["-a", "--sparse=always"]).arg(&self.killed).arg(self.data()))?;
            world.history = killed.history.clone();
            world.properties = killed.properties.clone();
            world.skip_numbers();
        }
        Ok(world)
    }

    fn trace_life(&self, phase: Phase, killed: &World) -> Result<String, Failure> {
        let traced = self.room.path.join("traced");
        let mut world = self.world(phase, killed)?;
        let words = ["strace", "-D", "-f", "-y", "-qq", "-s", "0", "-e"].map(str::to_owned);
        let mut wrapper = Vec::from(words);
        wrapper.extend([format!("trace={CALLS}"), "-o".to_owned(), traced.display().to_string()]);
        let story = self.live(&mut world, wrapper, &traced)?;
        match story.violations.first() {
            Some(violation) => Err(format!("without any failing call: {violation}").into()),
            None => Ok(String::from_utf8_lossy(&fs::read(&traced)?).into_owned()),
        }
    }

    fn fail_at(
        &self,
        site: &Site,
        paths: &BTreeSet<PathBuf>,
        occurrence: u32,
        killed: &World,
    ) -> Result<Story, Failure> {
        let traced = self.room.path.join("traced");
        let mut world = self.world(site.0, killed)?;
        let words = ["strace", "-D", "-f", "-qq"].map(str::to_owned);
        let mut wrapper = Vec::from(words);
        for path in paths {
            wrapper.extend(["-P".to_owned(), path.display().to_string()]);
        }
        for word in [format!("trace={}", site.1), format!("inject={}:error=EIO:when={occurrence}", site.1)] {
            wrapper.extend(["-e".to_owned(), word]);
        }
        wrapper.extend(["-o".to_owned(), traced.display().to_string()]);
        self.live(&mut world, wrapper, &traced)
    }

    /// A life to its end, and a start after it that judges.
    fn live(&self, world: &mut World, wrapper: Vec<String>, traced: &Path) -> Result<Story, Failure> {
        _ = fs::remove_file(traced);
        let mut story = Story { is_hit: false, has_stopped: true, violations: Vec::new() };
        let started = self.settings(world, wrapper).start(None);
        match started {
            Ok(Start::Ready(mut node)) => {
                if world.welcome(node.address).is_ok_and(|verdict| verdict.violations.is_empty()) {
                    let mut died = false;
                    world.live(node.address, false, |scene| {
                        let began = Instant::now();
                        while began.elapsed() < LIFE && !died {
                            std::thread::sleep(Duration::from_millis(10));
                            died = node.exited().is_some();
                        }
                        scene.end();
                    });
                }
                // Whatever is left of it stops, cleanly if it can.
                let stopped = node.stop_within(FAIL_STOP_LONGEST);
                story.has_stopped = !stopped;
                node.kill();
                node.wait();
            }
            Ok(Start::Exited { log, .. }) if log.contains("panicked") => {
                story.violations.push(Violation { kind: Kind::Other, what: format!("it panics:\n{log}") });
            }
            Ok(_) => {}
            Err(error) => {
                story.violations.push(Violation { kind: Kind::Other, what: format!("it hangs: {error}") });
            }
        }
        story.is_hit = fs::read(traced).is_ok_and(|text| contains(&text, b"INJECTED"));
        // What an error did to the clients is no offence; what is left is judged.
        world.history.wrong.clear();
        match self.settings(world, Vec::new()).start(None) {
            Ok(Start::Ready(mut node)) => {
                match world.welcome(node.address) {
                    Ok(verdict) => story.violations.extend(verdict.violations),
                    Err(lost) => story.violations.push(Violation { kind: Kind::Other, what: lost.0 }),
                }
                node.kill();
                node.wait();
            }
            Ok(Start::Exited { status, log }) => {
                let what = format!("it does not start afterwards: {status}\n{log}");
                story.violations.push(Violation { kind: Kind::Other, what });
            }
            Ok(Start::PowerLost) => {}
            Err(error) => {
                let what = format!("it does not start afterwards: {error}");
                story.violations.push(Violation { kind: Kind::Other, what });
            }
        }
        Ok(story)
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}

/// The calls in a trace that change something in `data`, with the path each is about.
fn calls_in(trace: &str, data: &Path) -> Vec<(String, PathBuf)> {
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((before, rest)) = line.split_once('(') else { continue };
        let Some(call) = before.split_whitespace().next_back() else { continue };
        let path = if ["openat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir"]
            .contains(&call)
        {
            rest.split('"').nth(1)
        } else {
            rest.split_once('<').and_then(|(_, after)| after.split('>').next())
        };
        let is_change = call != "openat" || rest.contains("O_CREAT");
        if let Some(path) = path.map(PathBuf::from)
            && is_change
            && path.starts_with(data)
        {
            calls.push((call.to_owned(), path));
        }
    }
    calls
}

/// The path without what differs from file to file of a kind.
pub fn kind_of(path: &Path, data: &Path) -> String {
    let inside = path.strip_prefix(data).unwrap_or(path).to_string_lossy();
    let mut kind = String::new();
    for part in inside.split('/') {
        let part = part
            .strip_prefix("lasting-")
            .or_else(|| part.strip_prefix("passing-"))
            .map_or(part, |_| "topic-0");
        let mut last = ' ';
        for c in part.chars() {
            let c = if c.is_ascii_digit() { '0' } else { c };
            if c != '0' || last != '0' {
                kind.push(c);
            }
            last = c;
        }
        kind.push('/');
    }
    kind.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests;
