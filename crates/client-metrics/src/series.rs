//! The latest value of each series that clients pushed, bounded, and forgotten when its client falls silent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::Uuid;

use crate::exposition::{label, label_name, metric_name};
use crate::otlp::{self, Change, Kind, Sample};
use crate::wire::Malformed;

/// Most series kept of all clients together; further ones are dropped.
pub const SERIES_MAX: usize = 65_536;
/// Most series kept of one client instance.
pub const SERIES_PER_INSTANCE_MAX: usize = 4_096;
/// Longest name of a metric, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Longest text of a series' labels, in bytes.
const LABELS_BYTES_MAX: usize = 2_048;

/// A series of an instance: the metric's name and the labels of its own.
type SeriesKey = (Arc<str>, String);

#[derive(Debug, Clone)]
struct InstanceSeries {
    /// Labels that all of them have.
    labels: String,
    due_ms: i64,
    values: BTreeMap<SeriesKey, (Kind, f64)>,
}

/// All series.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    instances: BTreeMap<Uuid, InstanceSeries>,
    due: BTreeSet<(i64, Uuid)>,
    names: BTreeSet<Arc<str>>,
    count: usize,
    /// Values that found no place.
    pub(crate) dropped: u64,
}

impl Series {
    /// Takes over the values of a push, which are kept until `due_ms`.
    pub(crate) fn record(
        &mut self,
        instance_id: Uuid,
        client_id: &str,
        due_ms: i64,
        payload: &[u8],
    ) -> Result<(), Malformed> {
        let instance = self.instances.entry(instance_id).or_insert_with(|| {
            let id = label("client_instance_id", &instance_id.to_string());
            let labels = format!("{id},{}", label("client_id", client_id));
            InstanceSeries { labels, due_ms, values: BTreeMap::new() }
        });
        self.due.remove(&(instance.due_ms, instance_id));
        self.due.insert((due_ms, instance_id));
        instance.due_ms = due_ms;
        let read = otlp::read(payload, &mut |sample| self.put(instance_id, &sample));
        // An instance without a series would be one that no bound counts.
        if self.instances.get(&instance_id).is_some_and(|instance| instance.values.is_empty()) {
            self.instances.remove(&instance_id);
            self.due.remove(&(due_ms, instance_id));
        }
        read
    }

    /// Forgets the clients that were silent for too long.
    pub(crate) fn expire(&mut self, now_ms: i64) {
        let before = self.count;
        while let Some((due_ms, instance_id)) = self.due.first().copied() {
            if due_ms > now_ms {
                break;
            }
            self.due.pop_first();
            if let Some(instance) = self.instances.remove(&instance_id) {
                self.count -= instance.values.len();
            }
        }
        if self.count < before {
            self.names.retain(|name| Arc::strong_count(name) > 1);
        }
    }

    /// All series by metric: name, kind, labels, value.
    pub(crate) fn sorted(&self) -> Vec<(&str, Kind, &str, &str, f64)> {
        let mut all = Vec::with_capacity(self.count);
        for instance in self.instances.values() {
            all.extend(instance.values.iter().map(|((name, labels), (kind, value))| {
                (&**name, *kind, instance.labels.as_str(), labels.as_str(), *value)
            }));
        }
        all.sort_by(|a, b| (a.0, a.1, a.2, a.3).cmp(&(b.0, b.1, b.2, b.3)));
        all
    }

    fn put(&mut self, instance_id: Uuid, sample: &Sample<'_>) {
        let Some(instance) = self.instances.get_mut(&instance_id) else { return };
        let own = if sample.name.len() <= NAME_BYTES_MAX { own_labels(sample) } else { None };
        let (Some(labels), name) = (own, metric_name(sample.name)) else {
            self.dropped += 1;
            return;
        };
        let name = match self.names.get(name.as_str()) {
            Some(name) => name.clone(),
            None => Arc::from(name),
        };
        let key = (name, labels);
        if let Some((kind, value)) = instance.values.get_mut(&key) {
            *value = if sample.change == Change::Add { *value + sample.value } else { sample.value };
            *kind = sample.kind;
            return;
        }
        if self.count >= SERIES_MAX || instance.values.len() >= SERIES_PER_INSTANCE_MAX {
            self.dropped += 1;
            return;
        }
        self.count += 1;
        self.names.insert(key.0.clone());
        instance.values.insert(key, (sample.kind, sample.value));
    }
}

/// The labels of a sample in order, each name once; none if they are too long.
fn own_labels(sample: &Sample<'_>) -> Option<String> {
    let mut sorted: BTreeMap<String, String> = BTreeMap::new();
    let mut bytes = 0;
    for (name, value) in otlp::attributes(sample) {
        bytes += name.len() + value.len();
        if bytes > LABELS_BYTES_MAX {
            return None;
        }
        let name = label_name(name);
        // These two are the instance's.
        if name != "client_instance_id" && name != "client_id" {
            sorted.insert(name, value);
        }
    }
    let labels = sorted.iter().map(|(name, value)| label(name, value));
    Some(labels.collect::<Vec<_>>().join(","))
}
