//! From a range to places in partitions: where to begin in each, and where to stop.

use std::collections::BTreeMap;

use client::{AssignedConsumer, ConsumerRecord, OffsetSpec, StartOffset, TopicPartition};

use super::ConsumeArguments;
use crate::failure::{ExitStatus, Failure};
use crate::offset_range::{Bound, OffsetRange};

/// What is read of one partition.
#[derive(Debug)]
struct Stretch {
    start: i64,
    /// Offset before which to stop; `None` follows the partition.
    stop: Option<i64>,
}

/// What is read of all partitions.
#[derive(Debug)]
pub(super) struct Plan {
    stretches: BTreeMap<TopicPartition, Stretch>,
}

impl Plan {
    /// Looks the range up in all partitions that are asked for.
    pub(super) async fn make(
        consumer: &AssignedConsumer,
        arguments: &ConsumeArguments,
        range: OffsetRange,
    ) -> Result<Plan, Failure> {
        let partitions = chosen_partitions(consumer, arguments).await?;
        let firsts = look_up(consumer, &partitions, OffsetSpec::Earliest).await?;
        let ends = look_up(consumer, &partitions, OffsetSpec::Latest).await?;
        let starts = resolve(consumer, &partitions, range.from, &firsts, &ends).await?;
        let to = range.to.or(arguments.exit.then_some(Bound::End));
        let stops = match to {
            Some(bound) => {
                resolve(consumer, &partitions, bound, &firsts, &ends).await?.into_iter().map(Some).collect()
            }
            None => vec![None; partitions.len()],
        };
        let stretches = starts.into_iter().zip(stops).map(|(start, stop)| Stretch { start, stop });
        Ok(Plan { stretches: partitions.into_iter().zip(stretches).collect() })
    }

    /// Where the consumer begins.
    pub(super) fn starts(&self) -> Vec<(TopicPartition, StartOffset)> {
        let start = |stretch: &Stretch| StartOffset::Offset(stretch.start);
        self.stretches.iter().map(|(partition, stretch)| (partition.clone(), start(stretch))).collect()
    }

    /// True when every partition has been read to its stop.
    pub(super) fn is_done(&mut self, consumer: &AssignedConsumer) -> bool {
        self.stretches.iter().all(|(partition, stretch)| match stretch.stop {
            Some(stop) => {
                stretch.start >= stop || consumer.position(partition).is_some_and(|position| position >= stop)
            }
            None => false,
        })
    }

    /// True while a partition has not been read to its stop, and has one.
    pub(super) fn is_to_end(&self, consumer: &AssignedConsumer, partition: &TopicPartition) -> bool {
        let stop = self.stretches.get(partition).and_then(|stretch| stretch.stop);
        stop.is_some_and(|stop| consumer.position(partition).is_none_or(|position| position < stop))
    }

    /// True when the record lies before the stop of its partition.
    pub(super) fn is_wanted(&self, record: &ConsumerRecord<'_>) -> bool {
        let is_its = |(partition, _): &(&TopicPartition, &Stretch)| {
            partition.partition == record.partition && partition.topic == record.topic
        };
        let stretch = self.stretches.iter().find(is_its).map(|(_, stretch)| stretch);
        stretch.is_some_and(|stretch| stretch.stop.is_none_or(|stop| record.offset < stop))
    }
}

async fn chosen_partitions(
    consumer: &AssignedConsumer,
    arguments: &ConsumeArguments,
) -> Result<Vec<TopicPartition>, Failure> {
    let mut chosen = Vec::new();
    for topic in &arguments.topics {
        let all = consumer.partitions(topic).await?;
        if let Some(missing) =
            arguments.partitions.iter().find(|wanted| all.iter().all(|one| one.partition != **wanted))
        {
            let message = format!("{topic} has {} partitions, so there is no partition {missing}", all.len());
            return Err(Failure::new(ExitStatus::NotFound, message));
        }
        let is_chosen = |one: &TopicPartition| {
            arguments.partitions.is_empty() || arguments.partitions.contains(&one.partition)
        };
        chosen.extend(all.into_iter().filter(is_chosen));
    }
    chosen.sort();
    chosen.dedup();
    Ok(chosen)
}

/// Offsets of a bound in the partitions, in their order, each within what the partition has.
async fn resolve(
    consumer: &AssignedConsumer,
    partitions: &[TopicPartition],
    bound: Bound,
    firsts: &[i64],
    ends: &[i64],
) -> Result<Vec<i64>, Failure> {
    let found = match bound {
        Bound::Time(time_ms) => look_up(consumer, partitions, OffsetSpec::Timestamp(time_ms)).await?,
        _ => vec![0; partitions.len()],
    };
    let within = firsts.iter().zip(ends).zip(found);
    Ok(within
        .map(|((first, end), found)| {
            let wanted = match bound {
                Bound::Start => *first,
                Bound::End => *end,
                Bound::Offset(offset) => offset,
                Bound::AfterStart(count) => first.saturating_add(count),
                Bound::BeforeEnd(count) => end.saturating_sub(count),
                // No record is that young.
                Bound::Time(_) if found < 0 => *end,
                Bound::Time(_) => found,
            };
            wanted.clamp(*first, (*end).max(*first))
        })
        .collect())
}

async fn look_up(
    consumer: &AssignedConsumer,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<Vec<i64>, Failure> {
    let asked: Vec<(TopicPartition, OffsetSpec)> =
        partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    let found = consumer.list_offsets(&asked).await;
    let offsets: Result<Vec<i64>, client::ClientError> =
        found.into_iter().map(|listed| listed.map(|listed| listed.offset)).collect();
    Ok(offsets?)
}
