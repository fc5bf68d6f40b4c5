//! New offsets of a group: shown, agreed to, written, and how to take them back.
//!
//! Owns what `seek` and `clone` have in common. It never chooses an offset.

use std::collections::BTreeMap;

use client::{Admin, CommittedOffset, ErrorCode, IsolationLevel, OffsetSpec, TopicPartition};
use serde::Serialize;

use crate::confirmation::confirm;
use crate::failure::{ExitStatus, Failure};
use crate::output::{OutputFormat, print_list, table};

/// See the module.
#[derive(Debug)]
pub struct OffsetPlan {
    group: String,
    steps: Vec<OffsetStep>,
}

/// What becomes of one partition's offset.
#[derive(Debug, Clone, Serialize)]
struct OffsetStep {
    topic: String,
    partition: i32,
    /// What was committed before, if anything.
    from: Option<i64>,
    to: i64,
    /// Records between the new offset and the end, if the end is known.
    lag: Option<i64>,
}

impl OffsetStep {
    fn partition(&self) -> TopicPartition {
        TopicPartition::new(&self.topic, self.partition)
    }

    fn cells(&self) -> Vec<String> {
        let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let (partition, to) = (self.partition.to_string(), self.to.to_string());
        vec![self.topic.clone(), partition, number(self.from), to, number(self.lag)]
    }
}

const COLUMNS: [&str; 5] = ["TOPIC", "PARTITION", "FROM", "TO", "LAG"];

impl OffsetPlan {
    /// A plan for a group that has no members, or is not there yet.
    ///
    /// # Errors
    /// The group has members, or the cluster does not answer.
    pub async fn new(
        admin: &Admin,
        group: &str,
        offsets: BTreeMap<TopicPartition, i64>,
    ) -> Result<OffsetPlan, Failure> {
        check_idle(admin, group).await?;
        let committed = admin.group_offsets(group, None).await?;
        let asked: Vec<_> = offsets.keys().map(|partition| (partition.clone(), OffsetSpec::Latest)).collect();
        let ends = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await;
        let steps = offsets.into_iter().zip(ends).map(|((partition, to), (_, end))| OffsetStep {
            from: committed.get(&partition).map(|committed| committed.offset),
            to,
            lag: end.ok().map(|end| (end.offset - to).max(0)),
            topic: partition.topic,
            partition: partition.partition,
        });
        Ok(OffsetPlan { group: group.to_owned(), steps: steps.collect() })
    }

    /// Shows the plan, asks, carries it out, and says how to take it back.
    ///
    /// # Errors
    /// The user says no, nobody can be asked, or the cluster refuses.
    pub async fn carry_out(
        &self,
        admin: &Admin,
        dry_run: bool,
        yes: bool,
        format: OutputFormat,
    ) -> Result<(), Failure> {
        if dry_run {
            self.print(format)?;
            eprintln!("nothing was changed: this is a dry run");
            return Ok(());
        }
        if !yes {
            eprint!("{}", table(&COLUMNS, self.steps.iter().map(OffsetStep::cells)));
        }
        confirm(yes, &format!("Move {} offsets of {}?", self.steps.len(), self.group))?;
        let offsets = self.steps.iter().map(|step| {
            let committed = CommittedOffset { offset: step.to, leader_epoch: -1, metadata: String::new() };
            (step.partition(), committed)
        });
        let outcomes = admin.alter_group_offsets(&self.group, &offsets.collect()).await?;
        let refused: Vec<_> = outcomes
            .into_iter()
            .filter_map(|(partition, outcome)| Some((partition, outcome.err()?)))
            .collect();
        let done: Vec<OffsetStep> = self
            .steps
            .iter()
            .filter(|step| refused.iter().all(|(partition, _)| *partition != step.partition()))
            .cloned()
            .collect();
        let done = OffsetPlan { group: self.group.clone(), steps: done };
        done.print(format)?;
        done.say_undo();
        let Some((_, first)) = refused.first() else { return Ok(()) };
        for (partition, error) in &refused {
            eprintln!("error: {partition}: {error}");
        }
        let failure = Failure::from(first.clone());
        let status = if done.steps.is_empty() { failure.status } else { ExitStatus::Partial };
        let message = format!("{} of {} offsets were not moved", refused.len(), self.steps.len());
        Err(Failure { status, message, fix: failure.fix })
    }

    fn print(&self, format: OutputFormat) -> Result<(), Failure> {
        match format {
            OutputFormat::Name => {
                let names = self.steps.iter().map(|step| format!("{}\n", step.partition()));
                crate::output::print(&names.collect::<String>())
            }
            other => print_list(other, &COLUMNS, &self.steps, OffsetStep::cells),
        }
    }

    fn say_undo(&self) {
        let known: Vec<(TopicPartition, i64)> =
            self.steps.iter().filter_map(|step| Some((step.partition(), step.from?))).collect();
        if !known.is_empty() {
            eprintln!("undo: klamm group seek {} {} --yes", quoted(&self.group), set_arguments(&known));
        }
        let unknown = self.steps.iter().filter(|step| step.from.is_none());
        let unknown: Vec<String> =
            unknown.map(|step| format!("-t {}:{}", step.topic, step.partition)).collect();
        if !unknown.is_empty() {
            let (group, unknown) = (quoted(&self.group), unknown.join(" "));
            eprintln!("undo: klamm group delete-offsets {group} {unknown} --yes");
        }
    }
}

/// Offsets as `klamm group seek` takes them.
pub fn set_arguments(offsets: &[(TopicPartition, i64)]) -> String {
    let set = offsets.iter().map(|(at, offset)| format!("--set {}:{}={offset}", at.topic, at.partition));
    set.collect::<Vec<_>>().join(" ")
}

/// A group's id as a shell takes it; topics have no letters that would need it.
pub fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

async fn check_idle(admin: &Admin, group: &str) -> Result<(), Failure> {
    let Some((_, described)) = admin.describe_groups(&[group.to_owned()]).await?.pop() else { return Ok(()) };
    match described {
        Ok(described) if described.members.is_empty() => Ok(()),
        Ok(described) => {
            let count = described.members.len();
            let message = format!(
                "{group} is {} with {count} members, which would overwrite new offsets",
                described.state
            );
            let fix = format!("stop them first; klamm group members {group} names them");
            Err(Failure::failed(message).with_fix(fix))
        }
        // Offsets can be given to a group that is yet to come.
        Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
