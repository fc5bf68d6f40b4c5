//! Power cuts, one after another: start, judge, let clients loose, cut, again on what is left.
//!
//! Owns the course of each life and what a campaign counts. Whether something is wrong is the judge's matter.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::device::{Survival, Trouble};
use crate::flavor::{End, Flavor};
use crate::judge::{Kind, Violation};
use crate::machine::{Machine, run};
use crate::node::{NodeProcess, NodeSettings, Start};
use crate::traces::Traces;
use crate::world::World;

/// How long a node whose disk fails is watched.
const FAIL_STOP_LONGEST: Duration = Duration::from_secs(4);

/// What a campaign is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// The program.
    pub klamm: PathBuf,
    /// Cuts.
    pub cuts: u64,
    /// The first world's seed; each world has the next one.
    pub seed: u64,
    /// Ends the campaign, whatever is left.
    pub until: Option<Instant>,
    /// Of which flavor all worlds are; each takes one by chance otherwise.
    pub flavor: Option<Flavor>,
    /// Properties that every node gets on top.
    pub properties: Vec<(String, String)>,
    /// Where what is left of a failure goes.
    pub evidence: PathBuf,
    /// The campaign ends at this many failures.
    pub failures_max: usize,
    /// Says nothing but the result.
    pub is_quiet: bool,
}

/// What a campaign came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Power cuts.
    pub cuts: u64,
    /// Cuts while the node started.
    pub cuts_at_start: u64,
    /// Processes killed without a cut.
    pub kills: u64,
    /// Clean stops.
    pub stops: u64,
    /// Disks that failed.
    pub failed_disks: u64,
    /// Nodes that ended by themselves when their disk failed.
    pub fail_stops: u64,
    /// File systems that a cut made unmountable.
    pub unmountable: u64,
    /// Worlds.
    pub worlds: u64,
    /// Records acknowledged.
    pub acked: u64,
    /// Records read by the judge.
    pub read: u64,
    /// Sectors that were not flushed at a cut, and of these, those that are gone.
    pub sectors: (u64, u64),
    /// Violations by kind.
    pub lost: u64,
    /// See [`Kind::Duplicated`].
    pub duplicated: u64,
    /// All others.
    pub other: u64,
    /// The node did not start.
    pub start_failures: u64,
    /// Records of compacted topics that were acknowledged, and those of them that compaction took, over all judgements.
    pub kept: u64,
    /// See there.
    pub compacted: u64,
    /// The most memory that a node took, KiB.
    pub memory_kib: u64,
    /// Worlds that failed: how to repeat them.
    pub failures: Vec<String>,
}

/// How one life went.
enum Outcome {
    /// The next one starts on what is left.
    GoOn,
    /// The file system is lost, and not by Klamm.
    Gone,
    /// Something is wrong.
    Wrong(Vec<Violation>),
}

impl Order {
    fn is_due(&self, tally: &Tally) -> bool {
        let is_late = self.until.is_some_and(|until| Instant::now() >= until);
        tally.cuts >= self.cuts || is_late || tally.failures.len() >= self.failures_max
    }
}

/// Runs a campaign.
///
/// # Errors
/// The rig does not work. What Klamm does wrong is in the tally.
pub fn run_campaign(order: &Order, machine: &mut Machine) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let began = Instant::now();
    let mut told = Instant::now();
    while !order.is_due(&tally) {
        let seed = order.seed + tally.worlds;
        tally.worlds += 1;
        let mut world = World::new(seed, order.flavor);
        let mut traces = Traces::new(&machine.room().path)?;
        world.properties.extend(order.properties.iter().cloned());
        machine.format();
        let lives = 6 + world.rng.below(30);
        let cuts_before = tally.cuts;
        let mut ends = Vec::new();
        for life in 0..lives {
            if order.is_due(&tally) {
                break;
            }
            let end = world.flavor.choose_end(&world.rng);
            ends.push(format!("{end:?}"));
            let outcome = live(order, machine, &mut world, end, &mut traces, &mut tally)?;
            if matches!(outcome, Outcome::Gone) {
                break;
            }
            if let Outcome::Wrong(violations) = outcome {
                let cuts = tally.cuts - cuts_before + 1;
                let flavor = world.flavor;
                let story = Story { seed, life, cuts, flavor, ends: ends.join(", "), violations };
                story.tell(order, machine, &traces, &mut tally)?;
                break;
            }
            if !order.is_quiet && told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                eprintln!("crash: {}", tally.line(world.history.acked_records, began.elapsed()));
            }
        }
        tally.acked += world.history.acked_records;
        machine.device.cut();
        machine.take_apart()?;
        machine.power_on(Survival::Nothing, &world.rng);
    }
    Ok(tally)
}

/// One life of the machine: from power on to power off.
fn live(
    order: &Order,
    machine: &mut Machine,
    world: &mut World,
    mut end: End,
    traces: &mut Traces,
    tally: &mut Tally,
) -> Result<Outcome, Failure> {
    let at_start = if let End::CutAtStart(trigger) = end { Some((trigger, Trouble::Cut)) } else { None };
    let mut settings = NodeSettings {
        klamm: order.klamm.clone(),
        data: machine.data().join("data"),
        properties: world.properties.clone(),
        log: PathBuf::new(),
        pid_file: machine.room().pid_file(),
        wrapper: Vec::new(),
    };
    if let Err(error) = machine.mount(world.mount_options, at_start) {
        if machine.device.is_cut() {
            tally.cuts_at_start += 1;
            cut(machine, world, None, tally)?;
            return Ok(Outcome::GoOn);
        }
        // A torn superblock is the file system's loss. Another directory is begun.
        eprintln!("crash: this file system cannot be mounted any more: {error}");
        tally.unmountable += 1;
        return Ok(Outcome::Gone);
    }
    // A kill leaves the file system as it is; then the next process starts on it.
    loop {
        settings.log = traces.before_start(&settings.data, &machine.device)?;
        let node = match settings.start(Some(&machine.device)) {
            Ok(Start::Ready(node)) => node,
            Ok(Start::PowerLost) => {
                tally.cuts_at_start += 1;
                cut(machine, world, None, tally)?;
                return Ok(Outcome::GoOn);
            }
            Ok(Start::Exited { .. }) if machine.device.is_cut() => {
                tally.cuts_at_start += 1;
                cut(machine, world, None, tally)?;
                return Ok(Outcome::GoOn);
            }
            Ok(Start::Exited { status, log }) => {
                tally.start_failures += 1;
                return Ok(wrong(format!("the node does not start: {status}\n{log}")));
            }
            Err(error) => {
                tally.start_failures += 1;
                return Ok(wrong(format!("the node does not start: {error}")));
            }
        };
        match world.welcome(node.address) {
            Ok(verdict) if verdict.violations.is_empty() => {
                tally.read += verdict.records;
                tally.compacted += world.history.kept_records.saturating_sub(verdict.kept);
                tally.kept += world.history.kept_records;
            }
            Ok(verdict) => {
                let log = node.log_tail();
                let mut violations = verdict.violations;
                violations
                    .push(Violation { kind: Kind::Other, what: format!("the node's log ends with\n{log}") });
                return Ok(Outcome::Wrong(violations));
            }
            Err(_) if machine.device.is_cut() => {
                tally.cuts_at_start += 1;
                cut(machine, world, Some(node), tally)?;
                return Ok(Outcome::GoOn);
            }
            Err(lost) => return Ok(wrong(format!("no judgement: {}\n{}", lost.0, node.log_tail()))),
        }
        if let Some(outcome) = spend(machine, world, end, node, tally)? {
            return Ok(outcome);
        }
        end = world.flavor.choose_end_after_kill(&world.rng);
    }
}

fn wrong(what: String) -> Outcome {
    Outcome::Wrong(vec![Violation { kind: Kind::Other, what }])
}

/// The clients' part of a life and its end. `None` if the next process starts on the same mount.
fn spend(
    machine: &mut Machine,
    world: &mut World,
    end: End,
    mut node: NodeProcess,
    tally: &mut Tally,
) -> Result<Option<Outcome>, Failure> {
    let is_flood = world.rng.one_in(12);
    let longest = world.flavor.longest(&world.rng, is_flood);
    machine.device.slow_down(world.flavor.flush_delay(&world.rng));
    let lingers = Duration::from_millis(if world.rng.one_in(3) { world.rng.below(60) } else { 0 });
    match end {
        End::CutAt(trigger) => machine.device.arm(Some((trigger, Trouble::Cut))),
        End::Fail(trigger, trouble) => machine.device.arm(Some((trigger, trouble))),
        _ => machine.device.arm(None),
    }
    let mut died = None;
    let is_failing = end.tells_the_node();
    let lost = world.live(node.address, is_flood, |scene| {
        let began = Instant::now();
        let limit = if let End::CutAfter(after) = end { after } else { longest };
        while began.elapsed() < limit || (is_failing && machine.device.counts().failed > 0) {
            if machine.device.wait_for_cut(Duration::from_millis(5)) {
                break;
            }
            died = node.exited();
            if died.is_some() || began.elapsed() > FAIL_STOP_LONGEST {
                break;
            }
        }
        if matches!(end, End::CutAfter(_) | End::CutAt(_) | End::CutAtStart(_)) {
            machine.device.cut();
            if !lingers.is_zero() {
                machine.give_errors();
                std::thread::sleep(lingers);
            }
        }
        if scene.lost() == 0
            || died.is_some()
            || machine.device.is_cut()
            || machine.device.counts().failed > 0
        {
            scene.end();
        }
        tally.memory_kib = tally.memory_kib.max(node.memory_kib().unwrap_or(0));
        if !matches!(end, End::StopThenCut) {
            node.kill();
        }
        if machine.device.is_cut() {
            machine.give_errors();
        }
    });
    machine.device.slow_down(Duration::ZERO);
    if let Some(what) = misbehaviour(machine, end, died.is_some(), lost, tally) {
        return Ok(Some(wrong(format!("{what}:\n{}", node.log_tail()))));
    }
    match end {
        End::Kill { restarts: true } => {
            node.wait();
            tally.kills += 1;
            return Ok(None);
        }
        End::Kill { .. } => tally.kills += 1,
        End::StopThenCut => {
            if let Err(error) = node.stop() {
                return Ok(Some(wrong(error.to_string())));
            }
            tally.stops += 1;
        }
        _ => {}
    }
    cut(machine, world, Some(node), tally)?;
    Ok(Some(Outcome::GoOn))
}

/// What a node must not do in a life that ends so, apart from what the judge finds later.
fn misbehaviour(machine: &Machine, end: End, has_died: bool, lost: u32, tally: &mut Tally) -> Option<String> {
    let failed = machine.device.counts().failed;
    if let End::Fail(..) = end {
        // A flush that fails may be one of the kernel's own, of which it tells nobody. What was acknowledged after it is
        // for the next judgement.
        tally.failed_disks += u64::from(failed > 0);
        tally.fail_stops += u64::from(failed > 0 && has_died);
        return None;
    }
    match machine.device.is_cut() {
        true => None,
        false if has_died => Some("it ended by itself".to_owned()),
        false => (lost > 0).then(|| format!("{lost} connections ended by themselves")),
    }
}

/// The power goes, the machine is taken apart, chance decides what survives.
fn cut(
    machine: &mut Machine,
    world: &World,
    node: Option<NodeProcess>,
    tally: &mut Tally,
) -> Result<(), Failure> {
    machine.device.cut();
    if let Some(mut node) = node {
        node.kill();
        machine.give_errors();
        node.wait();
    }
    machine.take_apart()?;
    let report = machine.power_on(Survival::choose(&world.rng), &world.rng);
    tally.cuts += 1;
    tally.sectors.0 += report.pending_sectors as u64;
    tally.sectors.1 += report.lost_sectors as u64;
    Ok(())
}

/// A failure, for those who mend it.
struct Story {
    seed: u64,
    life: u64,
    cuts: u64,
    flavor: Flavor,
    /// How all lives were to end.
    ends: String,
    violations: Vec<Violation>,
}

impl Story {
    fn tell(
        &self,
        order: &Order,
        machine: &Machine,
        traces: &Traces,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        for violation in &self.violations {
            match violation.kind {
                Kind::Lost | Kind::Offline => tally.lost += 1,
                Kind::Duplicated => tally.duplicated += 1,
                _ => tally.other += 1,
            }
        }
        let focus =
            order.flavor.map_or_else(String::new, |_| format!(" --focus {:?}", self.flavor).to_lowercase());
        let repeat = format!("cargo xtask crash --cuts {} --seed {}{focus}", self.cuts, self.seed);
        let kept = order.evidence.join(self.seed.to_string());
        let mut text = format!(
            "world {} ({:?}), life {}; lives end with: {}\nrepeat: {repeat}\n",
            self.seed, self.flavor, self.life, self.ends
        );
        self.violations.iter().for_each(|violation| text.push_str(&format!("  {violation}\n")));
        keep(&kept, machine, traces, &text)?;
        eprintln!("crash: FAILED: {text}  what is left lies in {}", kept.display());
        tally.failures.push(repeat);
        Ok(())
    }
}

/// Copies what the node left, as it lies there.
fn keep(kept: &Path, machine: &Machine, traces: &Traces, text: &str) -> Result<(), Failure> {
    _ = fs::remove_dir_all(kept);
    fs::create_dir_all(kept)?;
    fs::write(kept.join("story"), text)?;
    traces.keep(kept)?;
    if !machine.device.is_cut() {
        let copied = run(std::process::Command::new("cp")
            .args(["-a", "--sparse=always"])
            .arg(machine.data())
            .arg(kept));
        if let Err(error) = copied {
            eprintln!("crash: keeping what is left: {error}");
        }
    }
    Ok(())
}

impl Tally {
    /// One line for those who wait.
    pub fn line(&self, acked_so_far: u64, elapsed: Duration) -> String {
        let per_minute = self.cuts as f64 * 60.0 / elapsed.as_secs_f64().max(0.001);
        format!(
            "{} cuts ({per_minute:.0}/min), {} worlds, {} records acknowledged, {} lost, {} duplicated, {} failures",
            self.cuts,
            self.worlds,
            self.acked + acked_so_far,
            self.lost,
            self.duplicated,
            self.failures.len()
        )
    }

    /// The final table.
    pub fn table(&self, elapsed: Duration) -> String {
        let mut text = String::new();
        let mut row = |name: &str, value: String| text.push_str(&format!("  {name:<28}{value:>12}\n"));
        row("power cuts", self.cuts.to_string());
        row("  of these at a start", self.cuts_at_start.to_string());
        row("kills without a cut", self.kills.to_string());
        row("clean stops before a cut", self.stops.to_string());
        row("disks that failed", self.failed_disks.to_string());
        row("  of these ended the node", self.fail_stops.to_string());
        row("directories", self.worlds.to_string());
        row("  file systems lost by ext4", self.unmountable.to_string());
        row("unflushed sectors at cuts", self.sectors.0.to_string());
        row("  of these gone", self.sectors.1.to_string());
        row("records acknowledged", self.acked.to_string());
        row("records read and compared", self.read.to_string());
        row("  of compacted topics", self.kept.to_string());
        row("  of these compacted away", self.compacted.to_string());
        row("most memory of a node, MiB", (self.memory_kib >> 10).to_string());
        row("lost", self.lost.to_string());
        row("duplicated", self.duplicated.to_string());
        row("otherwise wrong", self.other.to_string());
        row("start failures", self.start_failures.to_string());
        row("seconds", elapsed.as_secs().to_string());
        for failure in &self.failures {
            text.push_str(&format!("  failed; repeat: {failure}\n"));
        }
        text
    }
}
