//! Keys of older Kafkas that stand in many files and are in no table any more.

/// An old key and what to know about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObsoleteKey {
    /// Name, or the beginning of the name when it ends in `.`.
    pub name: &'static str,
    /// Ends the sentence "NAME is ignored: …" or "NAME is gone: …".
    pub reason: &'static str,
    /// True when ignoring it would change what the user gets, so that it must be refused.
    pub is_refused: bool,
}

const ZOOKEEPER: &str = "there is no ZooKeeper";
const FORMAT: &str = "there is one record format and one protocol version per release";

static OBSOLETE: &[ObsoleteKey] = &[
    refused("advertised.host.name", "set advertised.listeners=PLAINTEXT://HOST:PORT"),
    refused("advertised.port", "set advertised.listeners=PLAINTEXT://HOST:PORT"),
    ignored("broker.id.generation.enable", ZOOKEEPER),
    ignored(
        "control.plane.listener.name",
        "controllers have listeners of their own (controller.listener.names)",
    ),
    ignored("controlled.shutdown.max.retries", "a stopping broker hands over through its heartbeats"),
    ignored("controlled.shutdown.retry.backoff.ms", "a stopping broker hands over through its heartbeats"),
    ignored("group.coordinator.new.enable", "there is one group coordinator"),
    refused("host.name", "set listeners=PLAINTEXT://HOST:PORT"),
    ignored("inter.broker.protocol.version", FORMAT),
    ignored("log.message.downconversion.enable", "batches are never converted"),
    ignored("log.message.format.version", FORMAT),
    refused(
        "log.message.timestamp.difference.max.ms",
        "set log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms",
    ),
    ignored("password.encoder.", ZOOKEEPER),
    refused("port", "set listeners=PLAINTEXT://:PORT"),
    ignored("reserved.broker.max.id", ZOOKEEPER),
    ignored("zookeeper.", ZOOKEEPER),
];

const fn ignored(name: &'static str, reason: &'static str) -> ObsoleteKey {
    ObsoleteKey { name, reason, is_refused: false }
}

const fn refused(name: &'static str, reason: &'static str) -> ObsoleteKey {
    ObsoleteKey { name, reason, is_refused: true }
}

/// Finds an old key by name.
pub fn obsolete(name: &str) -> Option<&'static ObsoleteKey> {
    OBSOLETE.iter().find(|key| name == key.name || (key.name.ends_with('.') && name.starts_with(key.name)))
}
