//! The whole broker on simulated machines: its real shell and cores, in one thread, from one seed. Clients produce,
//! consume, join and leave groups while the node is stopped, killed and loses its power, and comes back each time.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::time::Duration;

use broker::RunningNode as Broker;
use config::BrokerConfig;
use platform::sim::Trace;
use platform::{Platform, Rng};
use sim::{
    Failure, Plan, Properties, RunningNode, SimNode, Starting, Stopping, check, execute, machine_room, run,
};

/// Simulated time after which a run is stuck.
const LIMIT: Duration = Duration::from_secs(900);

struct Running(Broker);

impl RunningNode for Running {
    fn stop(self: Box<Self>) -> Stopping {
        Box::pin(async move {
            self.0.stop().await;
        })
    }
}

/// What starts brokers.
fn starter() -> Box<dyn SimNode> {
    Box::new(|platform: Platform, properties: Properties| -> Starting {
        Box::pin(async move {
            let loaded = BrokerConfig::from_properties(properties).map_err(|errors| format!("{errors:?}"))?;
            let broker = Broker::start(platform, loaded.config, Vec::new()).await;
            Ok(Box::new(Running(broker.map_err(|e| e.to_string())?)) as Box<dyn RunningNode>)
        })
    })
}

fn with_node_properties(mut plan: Plan) -> Plan {
    let mut set = |name: &str, value: &str| _ = plan.properties.insert(name.to_owned(), value.to_owned());
    set("node.id", "1");
    set("listeners", "PLAINTEXT://10.0.0.1:9092");
    set("log.dirs", "/data");
    // Few enough that a start is short, enough to have more than one.
    set("offsets.topic.num.partitions", "3");
    plan
}

/// Runs a plan and gives its trace, with everything that was found wrong.
fn try_out(seed: u64, plan: Plan) -> Result<(Vec<String>, Trace), Failure> {
    let promise = plan.promise;
    let plan = with_node_properties(plan);
    let room = machine_room(&Rng::seeded(!seed));
    let run = run(seed, room, LIMIT, async |world| execute(world, starter(), plan).await);
    let run = run.inspect_err(|failure| keep_trace(&failure.trace))?;
    let violations = check(&run.outcome.entries(), promise);
    Ok((violations.iter().map(ToString::to_string).collect(), run.trace))
}

/// The trace of a failure is what a developer needs next; where to put it is theirs to say.
fn keep_trace(trace: &Trace) {
    if let Some(path) = std::env::var_os("KLAMM_SIM_TRACE") {
        std::fs::write(path, trace.to_text()).unwrap();
    }
}

fn must_pass(seed: u64, plan: Plan) -> Trace {
    let told = format!("{plan:?}");
    let (violations, trace) = try_out(seed, plan).unwrap();
    if !violations.is_empty() {
        keep_trace(&trace);
        panic!("seed {seed}: {violations:#?}\n{told}");
    }
    trace
}

/// The seeds of this run: those named by `KLAMM_SIM_SEEDS=from..to`, else the given ones.
fn seeds(default: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("KLAMM_SIM_SEEDS") else { return default };
    let (from, to) = text.split_once("..").expect("KLAMM_SIM_SEEDS=from..to");
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn a_quiet_node_loses_nothing() {
    for seed in seeds(0..3) {
        let mut plan = Plan::page_cache(&Rng::seeded(seed));
        plan.faults.clear();
        must_pass(seed, plan);
    }
}

#[test]
fn a_node_on_the_page_cache_loses_only_tails_and_only_with_the_power() {
    for seed in seeds(0..12) {
        must_pass(seed, Plan::page_cache(&Rng::seeded(seed)));
    }
}

#[test]
fn a_durable_node_loses_nothing() {
    for seed in seeds(100..112) {
        must_pass(seed, Plan::durable(&Rng::seeded(seed)));
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_byte_for_byte() {
    let mut digests = std::collections::BTreeSet::new();
    for seed in seeds(200..204) {
        let plan = || Plan::page_cache(&Rng::seeded(seed));
        let (first, second) = (must_pass(seed, plan()), must_pass(seed, plan()));
        assert_eq!(first.first_difference(&second), None, "seed {seed}");
        assert!(first.to_text() == second.to_text(), "seed {seed}");
        assert_eq!((first.digest(), first.total()), (second.digest(), second.total()), "seed {seed}");
        assert!(digests.insert(first.digest()), "seed {seed} does what another one did");
    }
}

/// Simulated minutes of a node that nobody talks to.
const IDLE_MINUTES: u64 = 10;
/// Events of the machine in a minute of them: looks at the room on the disk and at files for a retention that has nothing to
/// do. A timer of a second would make sixty.
const IDLE_EVENTS_MAX: u64 = 12;

#[test]
fn an_idle_node_writes_nothing_and_hardly_wakes() {
    let properties = with_node_properties(Plan::durable(&Rng::seeded(1))).properties;
    let outcome = run(7, machine_room(&Rng::seeded(7)), LIMIT, async |world| {
        let ip = "10.0.0.1".parse().unwrap();
        let mut node = sim::Node::new(&world, ip, starter(), properties);
        node.start().await?;
        tokio::time::sleep(Duration::from_secs(90)).await;
        let before = (world.disk(ip).effects(), world.trace().total());
        tokio::time::sleep(Duration::from_secs(60 * IDLE_MINUTES)).await;
        let after = (world.disk(ip).effects(), world.trace().total());
        node.stop().await;
        Ok::<_, String>((after.0 - before.0, after.1 - before.1))
    });
    let run = outcome.unwrap();
    let (writes, events) = run.outcome.unwrap();
    assert_eq!(writes, 0, "{}", run.trace.to_text());
    assert!(events <= IDLE_EVENTS_MAX * IDLE_MINUTES, "{events} events");
}

/// Historic bugs of the broker are found by some seed, and nothing is without them.
#[cfg(feature = "mutants")]
#[test]
fn what_the_broker_once_did_wrong_is_found() {
    use broker::mutant::{Mutant, switch_on};
    for mutant in [Mutant::AcknowledgedBeforeCommit, Mutant::HighWatermarkIsLogEnd] {
        let found = seeds(0..2_000).find_map(|seed| {
            switch_on(Some(mutant));
            let tried = try_out(seed, Plan::durable(&Rng::seeded(seed)));
            switch_on(None);
            match tried {
                Ok((violations, _)) => Some((seed, violations.into_iter().next()?)),
                Err(failure) => Some((seed, failure.to_string())),
            }
        });
        let (seed, wrong) = found.unwrap_or_else(|| panic!("{mutant:?} is not found"));
        eprintln!("{mutant:?}: seed {seed}: {wrong}");
        must_pass(seed, Plan::durable(&Rng::seeded(seed)));
    }
}
