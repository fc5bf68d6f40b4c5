//! `klamm group clone`.

use client::Admin;

use super::offset_plan::OffsetPlan;
use crate::failure::Failure;
use crate::output::OutputArguments;

/// Options of `group clone`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm group clone billing billing-test
  klamm group clone billing billing-test --dry-run
  klamm group clone billing billing-test --yes --json")]
pub struct CloneArguments {
    /// The group whose offsets are read
    from: String,
    /// The group that gets them; it needs not exist
    to: String,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
    #[command(flatten)]
    output: OutputArguments,
}

/// Copies the offsets.
///
/// # Errors
/// There is no such group, the other one has members, the user says no, or the cluster refuses.
pub async fn run(arguments: &CloneArguments, admin: &Admin) -> Result<(), Failure> {
    super::get::existing(admin, &arguments.from).await?;
    let committed = admin.group_offsets(&arguments.from, None).await?;
    if committed.is_empty() {
        return Err(Failure::failed(format!("{} has committed nothing", arguments.from)));
    }
    let offsets = committed.into_iter().map(|(partition, committed)| (partition, committed.offset));
    let plan = OffsetPlan::new(admin, &arguments.to, offsets.collect()).await?;
    plan.carry_out(admin, arguments.dry_run, arguments.yes, arguments.output.format()).await
}
