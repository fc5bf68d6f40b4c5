//! All partitions this node leads, by topic name and by topic id.
//!
//! The table is read on every request through a snapshot and replaced as a whole when metadata changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use protocol::Uuid;

use crate::partition::Partition;

/// The partitions of one topic on this node.
#[derive(Clone)]
pub struct TopicPartitions {
    /// Topic name.
    pub name: Arc<str>,
    /// Topic id.
    pub id: Uuid,
    /// By index; none where this node has no replica.
    pub partitions: Vec<Option<Arc<Partition>>>,
}

impl TopicPartitions {
    /// The partition of this index, if the node leads it.
    #[must_use]
    pub fn get(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)?.as_ref()
    }
}

/// One state of the table.
#[derive(Clone, Default)]
pub struct Table {
    by_name: BTreeMap<Arc<str>, Arc<TopicPartitions>>,
    by_id: BTreeMap<Uuid, Arc<TopicPartitions>>,
    /// Partitions of which this node should have a log and has not: it could not be opened, or its directory is offline.
    unavailable: BTreeSet<(Uuid, i32)>,
}

impl Table {
    /// A topic by its name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicPartitions>> {
        self.by_name.get(name)
    }

    /// A topic by its id.
    #[must_use]
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<TopicPartitions>> {
        self.by_id.get(&id)
    }

    /// All partitions, in order of topic name and index.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.by_name.values().flat_map(|topic| topic.partitions.iter().flatten())
    }

    /// Says whether this node should have a log of a partition and has not: it could not be opened, or its directory is
    /// offline.
    #[must_use]
    pub fn is_unavailable(&self, topic_id: Uuid, index: i32) -> bool {
        self.unavailable.contains(&(topic_id, index))
    }

    fn put(&mut self, topic: Arc<TopicPartitions>) {
        self.by_id.insert(topic.id, topic.clone());
        self.by_name.insert(topic.name.clone(), topic);
    }
}

/// The node's table of partitions.
#[derive(Default)]
pub struct Partitions {
    table: ArcSwap<Table>,
    changing: Mutex<()>,
}

impl Partitions {
    /// The table as it is, to be kept for a while.
    pub fn load_full(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// The table as it is.
    pub fn load(&self) -> Guard<Arc<Table>> {
        self.table.load()
    }

    /// One partition by topic name and index.
    #[must_use]
    pub fn find(&self, topic: &str, index: i32) -> Option<Arc<Partition>> {
        self.load().by_name(topic)?.get(index).cloned()
    }

    /// One partition by topic id and index.
    #[must_use]
    pub fn find_by_id(&self, topic_id: Uuid, index: i32) -> Option<Arc<Partition>> {
        self.load().by_id(topic_id)?.get(index).cloned()
    }

    /// Adds partitions, and notes those whose log could not be opened, all in one change.
    pub fn add(&self, partitions: Vec<Arc<Partition>>, unavailable: Vec<(Uuid, i32)>) {
        let _changing = self.changing.lock();
        let mut table = Table::clone(&self.load());
        let mut touched: BTreeMap<Arc<str>, TopicPartitions> = BTreeMap::new();
        for partition in partitions {
            let topic = touched.entry(partition.topic.clone()).or_insert_with(|| {
                let known = table.by_name(&partition.topic).filter(|topic| topic.id == partition.topic_id);
                known.map_or_else(
                    || TopicPartitions {
                        name: partition.topic.clone(),
                        id: partition.topic_id,
                        partitions: Vec::new(),
                    },
                    |topic| TopicPartitions::clone(topic),
                )
            });
            let index = usize::try_from(partition.index).expect("a partition index is not negative");
            if topic.partitions.len() <= index {
                topic.partitions.resize(index + 1, None);
            }
            topic.partitions[index] = Some(partition);
        }
        for topic in touched.into_values() {
            let made = topic.partitions.iter().flatten();
            made.for_each(|partition| _ = table.unavailable.remove(&(topic.id, partition.index)));
            table.put(Arc::new(topic));
        }
        table.unavailable.extend(unavailable);
        self.table.store(Arc::new(table));
    }

    /// Takes topics out and returns their partitions.
    pub fn remove(&self, ids: &[Uuid]) -> Vec<Arc<Partition>> {
        let _changing = self.changing.lock();
        let mut table = Table::clone(&self.load());
        let mut removed = Vec::new();
        table.unavailable.retain(|(id, _)| !ids.contains(id));
        for id in ids {
            if let Some(topic) = table.by_id.remove(id) {
                if table.by_name.get(&topic.name).is_some_and(|known| known.id == *id) {
                    table.by_name.remove(&topic.name);
                }
                removed.extend(topic.partitions.iter().flatten().cloned());
            }
        }
        self.table.store(Arc::new(table));
        removed
    }
}
