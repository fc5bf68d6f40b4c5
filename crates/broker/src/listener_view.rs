//! What clients that come by one listener are told of partitions: leaders and replicas they can reach.
//!
//! A broker without that listener does not exist for them. Never what a replica holds.

use metadata::{BrokerRegistration, MetadataImage, PartitionRegistration, is_online_directory};

/// Leader of a partition that has none, or none that can be reached.
pub const NO_LEADER: i32 = -1;

/// Why a partition's leader cannot be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// There is none, or it is not registered.
    NoLeader,
    /// It has no such listener.
    NoListener,
}

/// The metadata as seen through one listener.
#[derive(Clone, Copy)]
pub struct ListenerView<'a> {
    image: &'a MetadataImage,
    listener_name: &'a str,
}

impl<'a> ListenerView<'a> {
    /// The metadata for clients of this listener.
    #[must_use]
    pub fn new(image: &'a MetadataImage, listener_name: &'a str) -> Self {
        Self { image, listener_name }
    }

    /// Says whether clients may speak to a broker.
    #[must_use]
    pub fn is_alive(&self, broker_id: i32) -> bool {
        self.image
            .cluster()
            .broker(broker_id)
            .is_some_and(|broker| !broker.fenced && self.has_listener(broker))
    }

    /// The leader of a partition.
    ///
    /// # Errors
    /// [`Unreachable`]: clients are told that there is none.
    pub fn leader(&self, partition: &PartitionRegistration) -> Result<i32, Unreachable> {
        let broker = self.image.cluster().broker(partition.leader).ok_or(Unreachable::NoLeader)?;
        match self.has_listener(broker) {
            true => Ok(broker.id),
            false => Err(Unreachable::NoListener),
        }
    }

    /// The replicas that cannot serve: their broker is fenced, gone or without this listener, or their directory failed.
    #[must_use]
    pub fn offline_replicas(&self, partition: &PartitionRegistration) -> Vec<i32> {
        let is_online = |id: i32| {
            let broker = self.image.cluster().broker(id).filter(|broker| !broker.fenced);
            broker.is_some_and(|broker| {
                self.has_listener(broker)
                    && partition
                        .directory(id)
                        .is_some_and(|dir| is_online_directory(dir, &broker.directories))
            })
        };
        partition.replicas.iter().copied().filter(|id| !is_online(*id)).collect()
    }

    fn has_listener(&self, broker: &BrokerRegistration) -> bool {
        broker.endpoint(self.listener_name).is_some()
    }
}

#[cfg(test)]
mod tests;
