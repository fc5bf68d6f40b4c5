//! `klamm segment repair`.

use std::path::PathBuf;
use std::sync::Arc;

use platform::{Disk, Platform};
use serde::Serialize;
use storage::inspect::{
    Level, LogInspection, LossDecision, RepairError, Repaired, Target, look_again, repair,
};

use super::verify::{ShownDamage, ShownRange, look};
use super::{locks, targets, unreadable};
use crate::confirmation::confirm;
use crate::failure::Failure;
use crate::output::{OutputArguments, print_list, print_one};

/// Options of `segment repair`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm segment repair /var/lib/klamm/orders-0
  klamm segment repair /var/lib/klamm/orders-0 --dry-run -o json
  klamm segment repair /var/lib/klamm/orders-0 --accept-data-loss

Indexes, checkpoints and batch headers are made anew without a loss. Records that are damaged are given up only with
--accept-data-loss: their bytes are put aside, their offsets stay empty, and klamm-data-loss.jsonl in the log directory
tells of them.")]
pub struct RepairArguments {
    /// Directories of partitions, on a stopped node
    #[arg(required = true, value_name = "PARTITION-DIRECTORY")]
    paths: Vec<PathBuf>,
    /// Go on without the records that are damaged
    #[arg(long)]
    accept_data_loss: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Serialize)]
struct ShownRepair {
    log: String,
    path: String,
    mended: Vec<ShownDamage>,
    lost: Vec<ShownLoss>,
    restored: Option<ShownRange>,
    /// Files that were made anew, or removed for the next start to do so.
    rebuilt: Vec<String>,
    audit: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownLoss {
    #[serde(flatten)]
    damage: ShownDamage,
    kept_in: Option<String>,
}

/// Repairs the logs.
///
/// # Errors
/// Records would be lost and nobody accepted that; something cannot be read, written, or is in use.
pub fn run(arguments: &RepairArguments) -> Result<(), Failure> {
    let platform = Platform::os();
    let disk: Arc<dyn Disk> = Arc::clone(&platform.disk);
    let targets = targets(disk.as_ref(), &arguments.paths)?;
    if let Some(path) = targets.iter().zip(&arguments.paths).find(|(target, _)| !is_partition(target)) {
        let message = format!("{} is no partition's directory", path.1.display());
        return Err(
            Failure::usage(message).with_fix("name the directory of the partition: DIRECTORY/TOPIC-N")
        );
    }
    let _locks = match arguments.dry_run {
        true => locks(&targets, |target| target.hold(disk.as_ref()))?,
        false => locks(&targets, |target| target.lock(disk.as_ref()))?,
    };
    let logs: Vec<LogInspection> =
        look(disk.as_ref(), &targets)?.into_iter().flat_map(|inspection| inspection.logs).collect();
    if arguments.dry_run {
        return show_plan(&logs, arguments.output);
    }
    let decision = decide(arguments, &logs, platform.clock.wall_ms())?;
    let mut shown = Vec::new();
    for (target, log) in targets.iter().zip(&logs) {
        let repaired = repair(disk.as_ref(), target, log, decision.as_ref());
        let repaired = repaired.map_err(|error| refused(log, &error))?;
        let again = look_again(disk.as_ref(), target).map_err(|error| unreadable(&error))?;
        shown.push(ShownRepair::of(log, &repaired));
        if again.worst() == Some(Level::Damage) {
            let first = again.damages.first().map_or_else(String::new, |damage| format!(": {damage}"));
            return Err(Failure::failed(format!("log {} is still damaged{first}", log.name)));
        }
    }
    show(&shown, arguments.output)
}

fn is_partition(target: &Target) -> bool {
    target.partition.is_some() && target.segment.is_none()
}

fn losses(log: &LogInspection) -> Vec<String> {
    let lost = log.damages.iter().filter(|damage| !damage.is_mendable());
    lost.map(|damage| format!("{} of {} {damage}", log.name, damage.path.display())).collect()
}

/// What the user gives up, after being asked.
fn decide(
    arguments: &RepairArguments,
    logs: &[LogInspection],
    now_ms: i64,
) -> Result<Option<LossDecision>, Failure> {
    let lost: Vec<String> = logs.iter().flat_map(losses).collect();
    if lost.is_empty() {
        return Ok(None);
    }
    lost.iter().for_each(|loss| eprintln!("would be lost: {loss}"));
    if !arguments.accept_data_loss {
        return Err(Failure::failed("records would be lost, and nothing was changed").with_fix(
            "restore the directory from a copy, or go on without these records: add --accept-data-loss",
        ));
    }
    confirm(arguments.yes, "give these offsets up for good?")?;
    Ok(Some(LossDecision { user: user(), now_ms }))
}

/// Who decides: whoever became root to do so is named too.
fn user() -> String {
    let name = |variable| std::env::var(variable).ok().filter(|name| !name.is_empty());
    let own = name("USER").or_else(|| name("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
    match name("SUDO_USER") {
        Some(before) => format!("{own} (by sudo: {before})"),
        None => own,
    }
}

fn refused(log: &LogInspection, error: &RepairError) -> Failure {
    match error {
        RepairError::Io(error) => unreadable(error),
        error => Failure::failed(format!("log {} cannot be repaired: {error}", log.name)),
    }
}

fn show_plan(logs: &[LogInspection], output: OutputArguments) -> Result<(), Failure> {
    let damages: Vec<ShownDamage> = logs.iter().flat_map(|log| &log.damages).map(ShownDamage::of).collect();
    print_list(output.format(), &["FILE", "BYTES", "OFFSETS", "REPAIR", "REASON"], &damages, |damage| {
        vec![
            damage.file.clone(),
            format!("{}..{}", damage.from, damage.to),
            format!("{}..{}", damage.first_offset, damage.end_offset),
            if damage.mendable { "without a loss".to_owned() } else { "would be lost".to_owned() },
            damage.reason.clone(),
        ]
    })
}

fn show(repairs: &[ShownRepair], output: OutputArguments) -> Result<(), Failure> {
    print_one(output.format(), &repairs, "", || {
        let mut text = String::new();
        for repair in repairs {
            for damage in &repair.mended {
                text.push_str(&format!("mended   {} bytes {}..{}, ", damage.file, damage.from, damage.to));
                text.push_str(&format!("offsets {}..{}\n", damage.first_offset, damage.end_offset));
            }
            for ShownLoss { damage, kept_in } in &repair.lost {
                let (file, first, end) = (&damage.file, damage.first_offset, damage.end_offset);
                let kept = kept_in.as_deref().map_or_else(String::new, |path| format!("; bytes in {path}"));
                text.push_str(&format!("lost     {file} offsets {first}..{end}{kept}\n"));
            }
            if let Some(ShownRange { first_offset, end_offset }) = &repair.restored {
                let range = format!("offsets {first_offset}..{end_offset}");
                text.push_str(&format!("restored {range} from the write-ahead log that was put aside\n"));
            }
            repair.rebuilt.iter().for_each(|path| text.push_str(&format!("anew     {path}\n")));
            if let Some(audit) = &repair.audit {
                text.push_str(&format!("{audit} tells of it\n"));
            }
            text.push_str(&format!("{} is whole\n", repair.log));
        }
        text
    })
}

impl ShownRepair {
    fn of(log: &LogInspection, repaired: &Repaired) -> Self {
        Self {
            log: log.name.clone(),
            path: log.path.display().to_string(),
            mended: repaired.mended.iter().map(ShownDamage::of).collect(),
            lost: repaired
                .lost
                .iter()
                .map(|loss| ShownLoss {
                    damage: ShownDamage::of(&loss.damage),
                    kept_in: loss.kept_in.as_ref().map(|path| path.display().to_string()),
                })
                .collect(),
            restored: repaired.restored.map(ShownRange::of),
            rebuilt: repaired.rebuilt.iter().map(|path| path.display().to_string()).collect(),
            audit: repaired.audit.as_ref().map(|path| path.display().to_string()),
        }
    }
}
