//! Rotten bits: one flipped bit in one file of a small directory, then a start.
//!
//! Owns which bits, and what counts as detected. All bits of small files, some of large ones; by the seed.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use platform::Rng;

use crate::Failure;
use crate::history::History;
use crate::judge::{Kind, judge};
use crate::machine::{Room, run};
use crate::node::{NodeSettings, Start};
use crate::sites::kind_of;
use crate::world::World;

/// All bits of files up to this size are flipped, in the end.
const SMALL_FILE_BYTES: u64 = 600;

/// Bits of a larger file.
const LARGE_FILE_BITS: u64 = 1_200;

/// Bytes of a larger file of each kind that get a flipped bit when all small files get one in every byte.
const LARGE_FILE_BYTES_TAKEN: u64 = 40;

/// The newest bytes of a large file get as many again.
const NEWEST_BYTES: u64 = 1_000;

/// Topics made just before the last kill.
const LATE_TOPICS: u32 = 3;

/// How long a damaged node may refuse to answer for a partition before it counts as offline.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many bits are flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flips {
    /// So many, by chance.
    Some(u64),
    /// One in every byte of a small file of each kind, and in some bytes of a large one of each kind.
    All,
}

impl std::str::FromStr for Flips {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::Some) }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct FlipOrder {
    /// The program.
    pub klamm: PathBuf,
    /// Flips.
    pub flips: Flips,
    /// The seed.
    pub seed: u64,
    /// Files whose path has this in it are left as they are.
    pub spare: Option<String>,
    /// Only files whose path has this in it are touched.
    pub only: Option<String>,
    /// Ends it, whatever is left.
    pub until: Option<Instant>,
}

/// What became of the flips.
#[derive(Clone, Debug, Default)]
pub struct FlipTally {
    /// Flips.
    pub flips: u64,
    /// The node refused to start and said why.
    pub refused: u64,
    /// Something is not served, and the node says so.
    pub offline: u64,
    /// Bytes were served whose checksum does not fit.
    pub caught_by_client: u64,
    /// Everything was as before.
    pub harmless: u64,
    /// Served wrong, or silently gone: by file name.
    pub wrong: BTreeMap<String, u64>,
    /// Stories of what is wrong.
    pub failures: Vec<String>,
}

/// A directory and what is known of it.
struct Template {
    path: PathBuf,
    history: History,
    properties: Vec<(String, String)>,
    bits: Vec<(PathBuf, u64)>,
}

/// Flips bits.
///
/// # Errors
/// The node cannot be run at all.
pub fn run_flips(order: &FlipOrder, room: &Room) -> Result<FlipTally, Failure> {
    let rng = Rng::seeded(order.seed);
    let templates = [template(order, room, "killed", &rng)?, template(order, room, "stopped", &rng)?];
    let mut tally = FlipTally::default();
    if order.flips == Flips::All {
        for template in &templates {
            for (file, bit) in bits_of_all_kinds(template, &rng)? {
                if order.until.is_some_and(|until| Instant::now() >= until) {
                    return Ok(tally);
                }
                flip_one(order, room, template, &file, bit, &mut tally)?;
            }
        }
        return Ok(tally);
    }
    let Flips::Some(flips) = order.flips else { return Ok(tally) };
    while tally.flips < flips && order.until.is_none_or(|until| Instant::now() < until) {
        let template = &templates[usize::try_from(tally.flips % 2).unwrap_or(0)];
        // Chance takes a file first, so that many files count and not their sizes.
        let files: Vec<&PathBuf> = {
            let mut files: Vec<&PathBuf> = template.bits.iter().map(|(path, _)| path).collect();
            files.dedup();
            files
        };
        let file = files[usize::try_from(rng.below(files.len() as u64)).unwrap_or(0)];
        let bits: Vec<u64> =
            template.bits.iter().filter(|(path, _)| path == file).map(|(_, bit)| *bit).collect();
        let bit = bits[usize::try_from(rng.below(bits.len() as u64)).unwrap_or(0)];
        flip_one(order, room, template, file, bit, &mut tally)?;
    }
    Ok(tally)
}

/// A bit of every byte of one small file of each kind, and of some bytes of one large file of each kind.
fn bits_of_all_kinds(template: &Template, rng: &Rng) -> Result<Vec<(PathBuf, u64)>, Failure> {
    let mut kinds: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (file, _) in &template.bits {
        // The longest of its kind tells most.
        let kind = kind_of(file, &template.path);
        let known = kinds.entry(kind).or_insert_with(|| file.clone());
        if fs::metadata(&*known)?.len() < fs::metadata(file)?.len() {
            known.clone_from(file);
        }
    }
    let mut bits = Vec::new();
    for file in kinds.into_values() {
        let content = fs::read(&file)?;
        // Some files are made in their full size, and end in zeros.
        let used = content.iter().rposition(|byte| *byte != 0).map_or(content.len(), |last| last + 1) as u64;
        if content.len() as u64 <= SMALL_FILE_BYTES {
            bits.extend(bits_in(&file, 0..content.len() as u64, 1, rng)?);
            continue;
        }
        bits.extend(bits_in(&file, 0..used, used.div_ceil(LARGE_FILE_BYTES_TAKEN), rng)?);
        let newest = used.saturating_sub(NEWEST_BYTES)..used;
        bits.extend(bits_in(&file, newest, NEWEST_BYTES.div_ceil(LARGE_FILE_BYTES_TAKEN), rng)?);
    }
    Ok(bits)
}

/// A bit in every stretch of `step` bytes.
fn bits_in(file: &Path, range: Range<u64>, step: u64, rng: &Rng) -> Result<Vec<(PathBuf, u64)>, Failure> {
    let last = range.end.saturating_sub(1);
    let steps = range.step_by(usize::try_from(step)?);
    Ok(steps.map(|at| (file.to_owned(), (at + rng.below(step)).min(last) * 8 + rng.below(8))).collect())
}

/// A small directory, left by a node that was killed or stopped.
fn template(order: &FlipOrder, room: &Room, how: &str, rng: &Rng) -> Result<Template, Failure> {
    let mut world = World::new(rng.next_u64(), Some(crate::flavor::Flavor::Plain));
    let path = room.path.join(how);
    for life in 0..3 {
        let settings = settings(order, room, &path, &world.properties);
        let Start::Ready(mut node) = settings.start(None)? else {
            return Err("the node does not start".into());
        };
        let verdict = world.welcome(node.address).map_err(|lost| lost.0)?;
        if !verdict.violations.is_empty() {
            return Err(format!("before any flip: {:?}", verdict.violations).into());
        }
        world.live(node.address, false, |_| std::thread::sleep(Duration::from_millis(300)));
        if how == "stopped" && life == 2 {
            node.stop()?;
        } else {
            // No time is left to write down what was flushed last.
            if life == 2 {
                world.create_late(node.address, LATE_TOPICS).map_err(|lost| lost.0)?;
            }
            node.kill();
            node.wait();
        }
    }
    let mut files = Vec::new();
    list(&path, &mut files)?;
    let mut bits = Vec::new();
    let has = |file: &Path, part: &String| file.to_string_lossy().contains(part);
    let is_spared = |file: &Path| {
        order.spare.as_ref().is_some_and(|part| has(file, part))
            || order.only.as_ref().is_some_and(|part| !has(file, part))
    };
    for (file, bytes) in files.into_iter().filter(|(file, _)| !is_spared(file)) {
        let all = bytes * 8;
        if bytes <= SMALL_FILE_BYTES {
            bits.extend((0..all).map(|bit| (file.clone(), bit)));
        } else {
            bits.extend((0..LARGE_FILE_BITS).map(|_| (file.clone(), rng.below(all))));
        }
    }
    Ok(Template { path, history: world.history, properties: world.properties, bits })
}

fn settings(order: &FlipOrder, room: &Room, data: &Path, properties: &[(String, String)]) -> NodeSettings {
    NodeSettings {
        klamm: order.klamm.clone(),
        data: data.to_owned(),
        properties: properties.to_vec(),
        log: room.path.join("node.log"),
        pid_file: room.pid_file(),
        wrapper: Vec::new(),
    }
}

fn list(dir: &Path, files: &mut Vec<(PathBuf, u64)>) -> Result<(), Failure> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, metadata) = (entry.path(), entry.metadata()?);
        if metadata.is_dir() {
            list(&path, files)?;
        } else if metadata.len() > 0 {
            files.push((path, metadata.len()));
        }
    }
    Ok(())
}

fn flip_one(
    order: &FlipOrder,
    room: &Room,
    template: &Template,
    file: &Path,
    bit: u64,
    tally: &mut FlipTally,
) -> Result<(), Failure> {
    let data = room.path.join("flipped");
    _ = fs::remove_dir_all(&data);
    run(Command::new("cp").args(["-a", "--sparse=always"]).arg(&template.path).arg(&data))?;
    let inside = file.strip_prefix(&template.path)?;
    let mut bytes = fs::read(data.join(inside))?;
    let at = usize::try_from(bit / 8)?;
    bytes[at] ^= 1 << (bit % 8);
    fs::write(data.join(inside), &bytes)?;
    tally.flips += 1;
    let wrong = |what: String, tally: &mut FlipTally| {
        let name = inside.file_name().unwrap_or_default().to_string_lossy();
        let kind = name.rsplit_once('.').map_or(name.as_ref(), |(_, suffix)| suffix);
        *tally.wrong.entry(kind.to_owned()).or_insert(0) += 1;
        let how = template.path.file_name().unwrap_or_default().to_string_lossy();
        tally.failures.push(format!("{how}: bit {} of byte {at} of {}: {what}", bit % 8, inside.display()));
    };
    let mut node = match settings(order, room, &data, &template.properties).start(None) {
        Ok(Start::Ready(node)) => node,
        Ok(Start::Exited { log, .. }) if !log.contains("panicked") => {
            tally.refused += 1;
            return Ok(());
        }
        Ok(Start::Exited { log, .. }) => {
            wrong(format!("it panics:\n{log}"), tally);
            return Ok(());
        }
        Ok(Start::PowerLost) => return Err("there is no power to lose".into()),
        Err(error) => {
            wrong(format!("it hangs: {error}"), tally);
            return Ok(());
        }
    };
    let verdict = judge(&mut template.history.clone(), node.address, PATIENCE);
    let log = node.log_tail();
    node.kill();
    node.wait();
    let violations = match verdict {
        Ok(verdict) => verdict.violations,
        Err(lost) => {
            wrong(format!("no judgement: {}\n{log}", lost.0), tally);
            return Ok(());
        }
    };
    let has = |kind| violations.iter().any(|violation| violation.kind == kind);
    match () {
        () if violations.is_empty() => tally.harmless += 1,
        () if has(Kind::Lost) || has(Kind::Invented) || has(Kind::Duplicated) || has(Kind::Other) => {
            let told: Vec<String> = violations.iter().take(3).map(ToString::to_string).collect();
            wrong(told.join("; "), tally);
        }
        () if has(Kind::Offline) => tally.offline += 1,
        () => tally.caught_by_client += 1,
    }
    Ok(())
}
