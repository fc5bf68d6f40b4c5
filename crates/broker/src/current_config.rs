//! The node's configuration as of the published metadata: what it was started with, and what was set at run time.
//!
//! Owns the one place where the two are put together. Never reacts to a change: its readers look when they need a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use config::BrokerConfig;
use metadata::{ConfigResource, ConfigResourceType, MetadataDelta, MetadataImage};
use tokio::sync::watch;

/// The present configuration; cheap to look at.
pub struct CurrentConfig {
    started_with: Arc<BrokerConfig>,
    now: ArcSwap<BrokerConfig>,
    changed: watch::Sender<()>,
}

impl CurrentConfig {
    /// The configuration of a node that was started with `config`, as of `image`.
    #[must_use]
    pub fn new(config: Arc<BrokerConfig>, image: &MetadataImage) -> CurrentConfig {
        let now = ArcSwap::new(config.clone());
        let current = CurrentConfig { started_with: config, now, changed: watch::Sender::new(()) };
        current.refresh(image);
        current
    }

    /// The configuration to read one value from.
    pub fn load(&self) -> Guard<Arc<BrokerConfig>> {
        self.now.load()
    }

    /// The configuration to keep for a while.
    #[must_use]
    pub fn load_full(&self) -> Arc<BrokerConfig> {
        self.now.load_full()
    }

    /// Tells of changes from here on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Follows a change; says whether the configuration may be another one.
    pub fn apply(&self, image: &MetadataImage, delta: &MetadataDelta) -> bool {
        let is_broker = |resource: &ConfigResource| resource.resource_type == ConfigResourceType::Broker;
        let has_changed = delta.changed_configs().any(is_broker);
        if has_changed {
            self.refresh(image);
            self.changed.send_replace(());
        }
        has_changed
    }

    fn refresh(&self, image: &MetadataImage) {
        let nothing = BTreeMap::new();
        let stored = |resource| image.configs().get(&resource).map_or(&nothing, Arc::as_ref);
        let cluster = stored(ConfigResource::cluster());
        let node = stored(ConfigResource::broker(self.started_with.node_id));
        if cluster.is_empty() && node.is_empty() {
            self.now.store(self.started_with.clone());
        } else {
            self.now.store(Arc::new(self.started_with.with_dynamic(cluster, node)));
        }
    }
}
