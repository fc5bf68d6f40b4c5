//! Why a known key does nothing, once for each reason.

use crate::config_def::Effect;

pub(crate) const CONSUMER_GROUPS: Effect =
    Effect::NotYet("the consumer group protocol (KIP-848) is not built yet");
pub(crate) const REPLICATION: Effect = Effect::NotYet("clusters of several nodes are not built yet");
pub(crate) const SECURITY: Effect = Effect::NotYet("TLS, SASL and authorization are not built yet");
pub(crate) const SHARE_GROUPS: Effect = Effect::NotYet("share groups are not built yet");
pub(crate) const STREAMS_GROUPS: Effect = Effect::NotYet("streams groups are not built yet");
pub(crate) const TIERED: Effect = Effect::NotYet("tiered storage is not built yet");
pub(crate) const TRANSACTIONS: Effect = Effect::NotYet("transactions are not built yet");

pub(crate) const JVM: Effect = Effect::Meaningless("it steers the Java platform, which Klamm does not have");
pub(crate) const MOVE_PACE: Effect = Effect::Meaningless(
    "the pace of moves between log directories is kept byte by byte, not measured by samples",
);
pub(crate) const PURGATORY: Effect =
    Effect::Meaningless("Klamm has no purgatory: waiting requests are woken directly");
pub(crate) const NO_QUEUE: Effect = Effect::Meaningless(
    "a connection works on one request at a time and leaves the next ones in its socket; there is no queue to bound",
);
pub(crate) const IDLE: Effect =
    Effect::Meaningless("an idle node writes nothing; followers are told by the answers to their fetches");
pub(crate) const LINGER: Effect = Effect::Meaningless(
    "what waits while one write is under way is written together by the next; waiting longer would only delay it",
);
pub(crate) const BUFFERS: Effect = Effect::Meaningless("Klamm's coordinators keep no write buffers");
pub(crate) const NO_UNSTABLE: Effect = Effect::Meaningless("Klamm has no unstable feature versions");
pub(crate) const THREADS: Effect = Effect::Meaningless("Klamm sizes its own threads");

pub(crate) const JAVA_CLASS: Effect = Effect::Refused("Klamm can load no Java class");
pub(crate) const PROVIDERS: Effect = Effect::Refused(
    "it names Java classes, and without them a value such as ${file:/secrets:key} would be taken for what it looks like",
);
pub(crate) const POLICY: Effect =
    Effect::Refused("it names a Java class that may forbid what clients ask for, and Klamm can load none");
pub(crate) const AUTHORIZER: Effect =
    Effect::Refused("authorization is not built yet, and without it everybody may do everything");
