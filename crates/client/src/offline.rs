//! Partitions that cannot be used for the time being.
//!
//! Owns since when each of them answers nothing but that it is offline, or has no leader. It retries nothing and prints
//! nothing: whoever waits can look here why.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::ErrorCode;
use tokio::time::Instant;

use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// Partitions noted at once; of further ones nothing is known.
const NOTED_MAX: usize = 10_000;

/// The partitions in use that are offline. Clones show the same ones.
#[derive(Debug, Clone, Default)]
pub struct OfflinePartitions {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether the map has entries, so that nobody takes the lock while all is well.
    is_any: AtomicBool,
    partitions: Mutex<BTreeMap<TopicPartition, (Instant, ClientError)>>,
}

impl OfflinePartitions {
    /// Those that have been offline for so long, in order, each with what its broker says.
    pub fn since(&self, time: Duration) -> Vec<(TopicPartition, ClientError)> {
        let partitions = self.lock();
        let long = partitions.iter().filter(|(_, (since, _))| since.elapsed() >= time);
        long.map(|(partition, (_, error))| (partition.clone(), error.clone())).collect()
    }

    /// What its broker says of a partition that is offline.
    pub(crate) fn error(&self, partition: &TopicPartition) -> Option<ClientError> {
        self.lock().get(partition).map(|(_, error)| error.clone())
    }

    /// A partition's leader gave an error, or there is no leader.
    pub(crate) fn note(&self, partition: &TopicPartition, error: &ClientError) {
        let is_offline =
            matches!(error.code(), Some(ErrorCode::KAFKA_STORAGE_ERROR | ErrorCode::LEADER_NOT_AVAILABLE));
        if !is_offline {
            return;
        }
        let mut partitions = self.lock();
        if let Some((_, known)) = partitions.get_mut(partition) {
            known.clone_from(error);
        } else if partitions.len() < NOTED_MAX {
            partitions.insert(partition.clone(), (Instant::now(), error.clone()));
            self.shared.is_any.store(true, Ordering::Relaxed);
        }
    }

    /// A partition was served, or it cannot be told.
    pub(crate) fn clear(&self, topic: &str, partition: i32) {
        if !self.shared.is_any.load(Ordering::Relaxed) {
            return;
        }
        let mut partitions = self.lock();
        partitions.remove(&TopicPartition::new(topic, partition));
        self.shared.is_any.store(!partitions.is_empty(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, (Instant, ClientError)>> {
        self.shared.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
