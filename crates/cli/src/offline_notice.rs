//! Telling the user what a command waits for while partitions are offline.
//!
//! Owns when that is told, and how: once for each outage, on standard error. The work itself goes on.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use client::{OfflinePartitions, TopicPartition};

/// How long a partition is waited for without a word: leaders move and topics are made in less.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(500);
/// Partitions named in one line.
const NAMED_MAX: usize = 5;

/// Does the work, and says meanwhile which partitions hold it up.
pub async fn telling<T>(offline: OfflinePartitions, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut told = BTreeSet::new();
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(LOOK) => {
                if let Some(text) = notice(&offline, &mut told) {
                    eprintln!("{text}");
                }
            }
        }
    }
}

/// What is to be told of partitions that have gone offline since the last look.
fn notice(offline: &OfflinePartitions, told: &mut BTreeSet<TopicPartition>) -> Option<String> {
    let all = offline.since(PATIENCE);
    let new: Vec<_> = all.iter().filter(|(partition, _)| !told.contains(partition)).collect();
    let (_, error) = new.first()?;
    let text = words(&new.iter().map(|(partition, _)| partition).collect::<Vec<_>>());
    let code = error.code().map_or_else(String::new, |code| format!(" ({})", code.name()));
    let fix = error.hint().map_or_else(String::new, |hint| format!("\n  fix: {hint}"));
    // One that is back is told again when it goes once more.
    *told = all.iter().map(|(partition, _)| partition.clone()).collect();
    Some(format!("waiting: {text} offline{code}; it is tried again and again{fix}"))
}

fn words(partitions: &[&TopicPartition]) -> String {
    let named: Vec<String> =
        partitions.iter().take(NAMED_MAX).map(|partition| format!("partition {partition}")).collect();
    let more = partitions.len().saturating_sub(NAMED_MAX);
    let verb = if partitions.len() == 1 { "is" } else { "are" };
    match more {
        0 => format!("{} {verb}", named.join(", ")),
        more => format!("{} and {more} more {verb}", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_named_up_to_a_bound() {
        let all: Vec<TopicPartition> = (0..7).map(|number| TopicPartition::new("t", number)).collect();
        let all: Vec<&TopicPartition> = all.iter().collect();
        assert_eq!(words(&all[..1]), "partition t-0 is");
        assert_eq!(words(&all[..2]), "partition t-0, partition t-1 are");
        assert!(words(&all).ends_with("partition t-4 and 2 more are"));
    }
}
