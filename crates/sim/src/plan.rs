//! Owns the plan of one simulation: how much is written and read, by whom, in what shape, under which faults. All of
//! it follows from a seed, and a test may change any of it before the run. It never runs anything.

use platform::Rng;
use platform::sim::{DiskConfig, NameOrder, NetConfig, SimConfig};

use crate::checker::Promise;
use crate::fault::{Choice, Fault, TimedFault};
use crate::node::Properties;

/// One simulation, fully told before it begins.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the node promises, and so what the checker asks for.
    pub promise: Promise,
    /// The topic that is written and read.
    pub topic: String,
    /// Its partitions.
    pub partitions: i32,
    /// Overrides of the topic's configuration.
    pub topic_configs: Vec<(String, String)>,
    /// The node's properties, without those that the test's starter adds.
    pub properties: Properties,
    /// Idempotent producers.
    pub producers: usize,
    /// Values that each writes.
    pub values_per_producer: u32,
    /// Most values in one batch.
    pub batch_values_max: u64,
    /// Most bytes of padding in one value.
    pub padding_max_bytes: u64,
    /// Longest pause of a producer between two sends, ms.
    pub think_max_ms: u64,
    /// Readers that follow all partitions by themselves.
    pub readers: usize,
    /// Members of the group.
    pub members: usize,
    /// What happens, one after another.
    pub faults: Vec<TimedFault>,
}

/// Sizes of a segment's index, bytes: a full one makes the log roll. Segments themselves cannot be made small enough.
const INDEX_BYTES: [u64; 3] = [64, 800, 10 << 20];

/// Machines and a network in one of many tempers, all of them legal.
pub fn machine_room(rng: &Rng) -> SimConfig {
    let names = if rng.one_in(2) { NameOrder::InOrder } else { NameOrder::Journaled };
    SimConfig {
        disk: DiskConfig { names, zero_tails: rng.one_in(2), ..DiskConfig::default() },
        net: NetConfig {
            // A network without any delay would let an eager client keep time from passing.
            delay_max_ms: 1 + rng.below(20),
            slow_one_in: 50 + rng.below(500),
            buffer_bytes: 1 << (10 + rng.below(9)),
            short_write_one_in: 2 + rng.below(20),
        },
        blocking_delay_max_ms: rng.below(40),
        events_max: 1_000_000,
        ..SimConfig::default()
    }
}

impl Plan {
    /// A plan for a node that flushes in the background, as Kafka does by default (`log.durability.mode=replicated`):
    /// what was written may be lost with the power, but with nothing less.
    pub fn page_cache(rng: &Rng) -> Self {
        let mut plan = Self::choose(rng, Promise::PageCache);
        plan.properties.insert("log.durability.mode".to_owned(), "replicated".to_owned());
        plan
    }

    /// A plan for a node that answers from stable storage.
    pub fn durable(rng: &Rng) -> Self {
        Self::choose(rng, Promise::Durable)
    }

    fn choose(rng: &Rng, promise: Promise) -> Self {
        let pick = |low: usize, high: usize| {
            low + usize::try_from(rng.below((high - low + 1) as u64)).expect("a small number")
        };
        let (producers, readers, members) = (pick(1, 3), pick(1, 2), pick(2, 3));
        let choice = Choice { power_loss: true, clients: producers + readers + members, members };
        let fault = || TimedFault { after_ms: 200 + rng.below(5_000), fault: Fault::choose(rng, choice) };
        let index_bytes = INDEX_BYTES[pick(0, INDEX_BYTES.len() - 1)];
        Self {
            promise,
            topic: "flights".to_owned(),
            partitions: i32::try_from(pick(1, 4)).expect("a small number"),
            topic_configs: vec![
                ("segment.index.bytes".to_owned(), index_bytes.to_string()),
                ("segment.ms".to_owned(), (1_000 << rng.below(8)).to_string()),
                ("index.interval.bytes".to_owned(), (256 << rng.below(5)).to_string()),
            ],
            // Groups are small here: two are on their way at a time all the same.
            properties: Properties::from([("internal.wal.beside.bytes".to_owned(), "0".to_owned())]),
            producers,
            values_per_producer: 200 + u32::try_from(rng.below(400)).expect("a small number"),
            batch_values_max: 1 + rng.below(20),
            padding_max_bytes: 1 + rng.below(600),
            think_max_ms: 20 + rng.below(300),
            readers,
            members,
            faults: (0..pick(2, 6)).map(|_| fault()).collect(),
        }
    }
}
