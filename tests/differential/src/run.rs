//! Runs cases on both brokers at once and collects where they differ.
//!
//! Owns the order of things: set-up, the request under test, what it left behind, tidying up. Never judges a difference.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::Failure;
use crate::brokers::Broker;
use crate::compare::{Difference, compare};
use crate::mask::Masker;
use crate::report::Report;
use crate::schemas::{Api, Schemas};
use crate::script::{Action, Call, Case, Scripts, Sharing, Step};
use crate::side::{Mangle, Outcome, Side};
use crate::tables::{Tables, glob};
use crate::value::Value;
use crate::vary::{Variation, plain, variations};
use crate::wire::{ANSWER, PATIENCE};

/// How long both brokers get to agree on what a request left behind.
const AGREE: Duration = Duration::from_secs(4);

/// How much longer than Kafka's silence ours is waited for.
const LAST_CHANCE: Duration = Duration::from_millis(500);

/// How long a set-up step may take to show.
const SETTLE: Duration = Duration::from_secs(60);

/// How the cases are called whose requests change the cluster's metadata: what they did is looked at when it has arrived.
const METADATA_CHANGES: &[&str] = &[
    "Alter",
    "Create",
    "DeleteTopics",
    "ElectLeaders",
    "IncrementalAlterConfigs",
    "Metadata",
    "UpdateFeatures",
];

/// The name of the steps that all cases share.
const PRELUDE: &str = "prelude";

/// Topics that are deleted together when their cases are done.
const TIDY_TOPICS: usize = 40;

/// Which cases to run.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub api: Option<String>,
    /// A pattern for `Api/case:variation`.
    pub case: Option<String>,
    pub version: Option<i16>,
    /// Print both answers to each request that is compared.
    pub shows: bool,
    /// Each request as it is at every version; its variations, and cases that walk through a class, at the highest alone.
    pub is_fast: bool,
}

impl Selection {
    fn wants_case(&self, case: &Case) -> bool {
        let name = format!("{}/{}", case.api, case.name);
        let head =
            self.case.as_deref().map(|pattern| pattern.split(':').next().unwrap_or(pattern).to_owned());
        (case.is_fast || !self.is_fast)
            && self.api.as_ref().is_none_or(|api| *api == case.api)
            && head.is_none_or(|pattern| glob(&pattern, &name))
    }

    fn wants(&self, name: &str) -> bool {
        self.case.as_ref().is_none_or(|pattern| !pattern.contains(':') || glob(pattern, name))
    }

    /// Is nothing left out?
    pub fn is_whole(&self) -> bool {
        self.api.is_none() && self.case.is_none() && self.version.is_none() && !self.is_fast
    }
}

/// Both brokers, and all that is said of how to test them.
pub struct Runner<'r> {
    pub schemas: &'r Schemas,
    pub tables: &'r Tables,
    pub scripts: &'r Scripts,
    pub kafka: Side<'r>,
    pub ours: Side<'r>,
    pub report: Report,
    instance: u64,
    barriers: u64,
    /// Has this run of a case shown a difference? What follows from it needs no patience.
    has_differed: bool,
    /// Topics of cases that are done.
    leftover: Vec<String>,
    shows: bool,
}

/// The maskers of one run of a case.
struct Maskers<'t> {
    kafka: Masker<'t>,
    ours: Masker<'t>,
}

/// What a run of a case is called in the report.
struct Name<'n> {
    case: &'n str,
    version: i16,
}

impl<'r> Runner<'r> {
    /// A runner.
    pub fn new(
        schemas: &'r Schemas,
        tables: &'r Tables,
        scripts: &'r Scripts,
        kafka: &Broker,
        ours: &Broker,
        report: Report,
    ) -> Runner<'r> {
        Runner {
            schemas,
            tables,
            scripts,
            kafka: Side::new("Kafka", kafka, schemas),
            ours: Side::new("Klamm", ours, schemas),
            report,
            instance: 0,
            barriers: 0,
            has_differed: false,
            leftover: Vec::new(),
            shows: false,
        }
    }

    /// Runs the prelude, whose topics and variables all cases share.
    pub fn prelude(&mut self) -> Result<(), Failure> {
        let mut maskers = self.begin();
        let name = Name { case: PRELUDE, version: 0 };
        let scripts = self.scripts;
        for step in &self.expand(&scripts.prelude)? {
            self.step(step, &name, &mut maskers)?;
        }
        self.kafka.keep_variables();
        self.ours.keep_variables();
        Ok(())
    }

    /// Runs the selected cases. `served` has the versions of our APIs.
    pub fn cases(
        &mut self,
        selection: &Selection,
        served: &BTreeMap<i16, (i16, i16)>,
    ) -> Result<(), Failure> {
        self.shows = selection.shows;
        let scripts = self.scripts;
        for case in &scripts.cases {
            if !selection.wants_case(case) {
                continue;
            }
            let api = self.schemas.api(&case.api)?;
            let hidden = case.is_hidden.then_some((api.request.versions.lo, api.request.versions.hi));
            let Some((min, max)) = served.get(&api.key).copied().or(hidden) else { continue };
            let versions = (case.versions.0.max(min), case.versions.1.min(max));
            let began = Instant::now();
            let before = self.report.requests;
            if let Err(error) = self.case(case, versions, selection) {
                self.report.failure(format!("{}/{}: {error}", case.api, case.name));
            }
            self.report.progress(&case.api, &case.name, self.report.requests - before, began.elapsed());
        }
        self.tidy_up(0)
    }

    fn begin(&mut self) -> Maskers<'r> {
        self.instance += 1;
        self.has_differed = false;
        self.kafka.begin(self.instance);
        self.ours.begin(self.instance);
        self.maskers()
    }

    fn maskers(&self) -> Maskers<'r> {
        Maskers { kafka: Masker::new(self.tables, &self.kafka), ours: Masker::new(self.tables, &self.ours) }
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.leftover.extend(self.kafka.fresh_names().into_iter().map(|(name, _)| name));
        self.tidy_up(TIDY_TOPICS)
    }

    fn tidy_up(&mut self, limit: usize) -> Result<(), Failure> {
        if self.leftover.len() <= limit {
            return Ok(());
        }
        let names = std::mem::take(&mut self.leftover);
        let body = json!({"TopicNames": names, "TimeoutMs": 10_000});
        self.both(|side| side.ask("DeleteTopics", 5, &body))?;
        self.barrier()
    }

    fn case(&mut self, case: &Case, versions: (i16, i16), selection: &Selection) -> Result<(), Failure> {
        let mut bindings: Vec<(String, Vec<(&str, &Json)>)> = vec![(String::new(), Vec::new())];
        for (variable, class) in &case.each {
            let values = self.tables.class(class)?;
            let mut next = Vec::new();
            for (name, bound) in &bindings {
                for value in values {
                    let mut bound = bound.clone();
                    bound.push((variable.as_str(), &value.value));
                    next.push((format!("{name}[{}]", value.name), bound));
                }
            }
            bindings = next;
        }
        for (name, binding) in bindings {
            let full = format!("{}/{}{name}", case.api, case.name);
            self.bound(case, &full, &binding, versions, selection)?;
        }
        Ok(())
    }

    /// Runs a case for one combination of its `each`.
    fn bound(
        &mut self,
        case: &Case,
        full: &str,
        binding: &[(&str, &Json)],
        versions: (i16, i16),
        selection: &Selection,
    ) -> Result<(), Failure> {
        let steps = self.expand(&case.steps)?;
        let test = steps.iter().position(|step| matches!(step.action, Action::Test { .. }));
        let Some(test) = test else {
            let mut maskers = self.begin();
            self.bind(binding);
            self.steps(&steps, &Name { case: full, version: -1 }, &mut maskers)?;
            return self.end();
        };
        let Action::Test { body, vary } = steps[test].action.clone() else { return Ok(()) };
        let mut is_ready = false;
        for version in versions.0..=versions.1 {
            let is_left_out = selection.is_fast && !case.each.is_empty() && version != versions.1;
            if is_left_out || selection.version.is_some_and(|wanted| wanted != version) {
                continue;
            }
            let mut all = vec![plain(&body)];
            if let Some(paths) = &vary
                && (!selection.is_fast || version == versions.1)
            {
                all.extend(variations(self.schemas.api(&case.api)?, self.tables, &body, version, paths)?);
            }
            for variation in all {
                let full = format!("{full}:{}", variation.name);
                let is_spared = version != versions.1 || selection.is_fast;
                if !selection.wants(&full) || (is_spared && self.tables.is_once(&full)) {
                    continue;
                }
                let name = Name { case: &full, version };
                let mut maskers = self.maskers();
                if !is_ready {
                    maskers = self.begin();
                    if self.shows {
                        println!("{full} v{version} is run {}", self.instance);
                    }
                    self.bind(binding);
                    self.steps(&steps[..test], &name, &mut maskers)?;
                    is_ready = true;
                }
                self.tested(case, &steps[test], &variation, &name, &mut maskers)?;
                self.steps(&steps[test + 1..], &name, &mut maskers)?;
                if case.sharing == Sharing::Not || self.has_differed {
                    is_ready = false;
                    self.end()?;
                }
            }
            if case.sharing == Sharing::Version && is_ready {
                is_ready = false;
                self.end()?;
            }
        }
        if is_ready { self.end() } else { Ok(()) }
    }

    fn bind(&mut self, binding: &[(&str, &Json)]) {
        for (variable, value) in binding {
            self.kafka.bind(variable, value);
            self.ours.bind(variable, value);
        }
    }

    /// Puts named blocks in place of the steps that use them.
    fn expand(&self, steps: &[Step]) -> Result<Vec<Step>, Failure> {
        let mut out = Vec::new();
        for step in steps {
            match &step.action {
                Action::Use { block } => {
                    let block = self.scripts.blocks.get(block).ok_or_else(|| format!("no steps {block}"))?;
                    let mut inner = self.expand(block)?;
                    // A block that is used on a connection runs there, unless its step names another.
                    for own in inner.iter_mut().filter(|own| own.connection == "a") {
                        own.connection.clone_from(&step.connection);
                    }
                    out.extend(inner);
                }
                _ => out.push(step.clone()),
            }
        }
        Ok(out)
    }

    fn steps(&mut self, steps: &[Step], name: &Name<'_>, maskers: &mut Maskers<'r>) -> Result<(), Failure> {
        let barrier = steps.iter().position(|step| matches!(step.action, Action::Then(_)));
        let changes_metadata = METADATA_CHANGES.iter().any(|api| name.case.starts_with(api));
        for (at, step) in steps.iter().enumerate() {
            if changes_metadata && Some(at) == barrier {
                self.barrier()?;
            }
            self.step(step, name, maskers)
                .map_err(|error| format!("{} at {}: {error}", name.case, step.place))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, name: &Name<'_>, maskers: &mut Maskers<'r>) -> Result<(), Failure> {
        let label = step.connection.as_str();
        match &step.action {
            Action::Topic { name, partitions, configs } => self.topic(name, *partitions, configs),
            Action::Delete { name } => self.delete(name),
            Action::Send(call) => {
                let outcomes = self.exchange(label, call)?;
                self.judge(&format!("@{}.", call.api), &call.api, outcomes, name, maskers);
                Ok(())
            }
            Action::Post(call) => {
                let api = self.schemas.api(&call.api)?;
                self.kafka.post(label, api, call.version, &call.body)?;
                self.ours.post(label, api, call.version, &call.body)
            }
            Action::Take => {
                let (api, _, kafka) = self.kafka.take(label, ANSWER)?;
                let (_, _, ours) = self.ours.take(label, patience_after(&kafka))?;
                self.judge(&format!("@{api}."), &api, (kafka, ours), name, maskers);
                Ok(())
            }
            Action::Then(call) => self.then(label, call, name, maskers),
            Action::Until { call, path, wanted } => self.until(call, path, wanted),
            Action::Capture { name, path } => {
                self.kafka.capture(label, name, path)?;
                self.ours.capture(label, name, path)
            }
            Action::Client { id } => {
                self.kafka.set_client(id)?;
                self.ours.set_client(id)
            }
            Action::Test { .. } | Action::Use { .. } => {
                Err("one request under test, and no nested blocks".into())
            }
        }
    }

    fn exchange(&mut self, label: &str, call: &Call) -> Result<(Outcome, Outcome), Failure> {
        let api = self.schemas.api(&call.api)?;
        self.report.requests += 1;
        let kafka = self.kafka.start(label, api, call.version, &call.body, Mangle::None)?;
        let ours = self.ours.start(label, api, call.version, &call.body, Mangle::None)?;
        self.answers(label, api, call.version, (kafka, ours))
    }

    /// Both answers.
    fn answers(
        &mut self,
        label: &str,
        api: &Api,
        version: i16,
        (kafka, ours): ((i32, i32), (i32, i32)),
    ) -> Result<(Outcome, Outcome), Failure> {
        let kafka = self.kafka.finish(label, api, version, kafka, ANSWER)?;
        let ours = self.ours.finish(label, api, version, ours, patience_after(&kafka))?;
        Ok((kafka, ours))
    }

    fn tested(
        &mut self,
        case: &Case,
        step: &Step,
        variation: &Variation,
        name: &Name<'_>,
        maskers: &mut Maskers<'r>,
    ) -> Result<(), Failure> {
        let label = step.connection.as_str();
        let api = self.schemas.api(&case.api)?;
        self.report.requests += 1;
        self.report.tested(&case.api, name.version);
        self.has_differed = false;
        let within =
            |error: Failure| -> Failure { format!("{} v{}: {error}", name.case, name.version).into() };
        let kafka =
            self.kafka.start(label, api, name.version, &variation.body, variation.mangle).map_err(within)?;
        let ours =
            self.ours.start(label, api, name.version, &variation.body, variation.mangle).map_err(within)?;
        let outcomes = self.answers(label, api, name.version, (kafka, ours))?;
        self.judge("", &case.api, outcomes, name, maskers);
        Ok(())
    }

    fn differences(
        &mut self,
        api: &str,
        (kafka, ours): (Outcome, Outcome),
        maskers: &mut Maskers<'r>,
    ) -> Vec<Difference> {
        maskers.kafka.learn(&self.kafka);
        maskers.ours.learn(&self.ours);
        let kafka = maskers.kafka.mask(api, kafka.into_tree());
        let ours = maskers.ours.mask(api, ours.into_tree());
        if self.shows {
            println!("{api}\n  Kafka {kafka}\n  ours  {ours}");
        }
        compare(&kafka, &ours)
    }

    fn judge(
        &mut self,
        prefix: &str,
        api: &str,
        outcomes: (Outcome, Outcome),
        name: &Name<'_>,
        maskers: &mut Maskers<'r>,
    ) {
        for mut difference in self.differences(api, outcomes, maskers) {
            self.has_differed = true;
            difference.path = format!("{prefix}{}", difference.path);
            // What the prelude asks is asked again by cases, when its ids are known.
            if name.case == PRELUDE {
                continue;
            }
            self.report.difference(name.case, name.version, difference);
        }
    }

    /// Asks until both brokers say the same, or time is up.
    fn then(
        &mut self,
        label: &str,
        call: &Call,
        name: &Name<'_>,
        maskers: &mut Maskers<'r>,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + if self.has_differed { Duration::ZERO } else { AGREE };
        loop {
            let outcomes = self.exchange(label, call)?;
            let is_late = Instant::now() >= deadline;
            if is_late {
                self.judge(&format!("@{}.", call.api), &call.api, outcomes, name, maskers);
                return Ok(());
            }
            if self.differences(&call.api, outcomes, maskers).is_empty() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn until(&mut self, call: &Call, path: &str, wanted: &Json) -> Result<(), Failure> {
        self.both(|side| {
            let wanted = side.resolve(wanted)?;
            wait(side, &format!("{path} to be {wanted}"), |side| {
                let found = side.ask(&call.api, call.version, &call.body)?;
                Ok(found.at(path).is_some_and(|value| is_equal(value, &wanted)))
            })
        })
    }

    /// Waits until what both brokers have answered is what they serve: metadata changes arrive in order, so the last of
    /// them is awaited.
    fn barrier(&mut self) -> Result<(), Failure> {
        self.barriers += 1;
        let value = self.barriers.to_string();
        let alter = json!({"Resources": [{"ResourceType": 2, "ResourceName": "barrier",
            "Configs": [{"Name": "flush.ms", "ConfigOperation": 0, "Value": value}]}]});
        let describe = json!({"Resources": [{"ResourceType": 2, "ResourceName": "barrier",
            "ConfigurationKeys": ["flush.ms"]}]});
        self.both(|side| {
            side.ask("IncrementalAlterConfigs", 1, &alter)?;
            wait(side, "the barrier", |side| {
                let found = side.ask("DescribeConfigs", 4, &describe)?;
                Ok(found.at("Results[0].Configs[0].Value") == Some(&Value::Text(value.clone())))
            })
        })
    }

    fn topic(&mut self, name: &Json, partitions: i64, configs: &[(String, String)]) -> Result<(), Failure> {
        let configs: Vec<Json> =
            configs.iter().map(|(key, value)| json!({"Name": key, "Value": value})).collect();
        let create = json!({"Topics": [{"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1,
            "Configs": configs}], "timeoutMs": 10_000});
        let list: Vec<Json> =
            (0..partitions).map(|index| json!({"PartitionIndex": index, "Timestamp": -1})).collect();
        let offsets = json!({"ReplicaId": -1, "Topics": [{"Name": name, "Partitions": list}]});
        self.both(|side| {
            let created = side.ask("CreateTopics", 7, &create)?;
            if created.at("Topics[0].ErrorCode") != Some(&Value::Int(0)) {
                return Err(format!("{}: {name} was not created: {created}", side.name).into());
            }
            let id = created.at("Topics[0].TopicId").ok_or("the topic has an id")?.clone();
            let variable = name.as_str().unwrap_or_default().trim_start_matches('$').to_owned();
            side.set(&format!("{variable}.id"), &id)?;
            wait(side, "a new topic", |side| {
                let found = side.ask("ListOffsets", 5, &offsets)?;
                let served =
                    |at| found.at(&format!("Topics[0].Partitions[{at}].ErrorCode")) == Some(&Value::Int(0));
                Ok((0..partitions).all(served))
            })
        })
    }

    fn delete(&mut self, name: &Json) -> Result<(), Failure> {
        let delete = json!({"TopicNames": [name], "TimeoutMs": 10_000});
        let metadata = json!({"Topics": [{"Name": name}], "AllowAutoTopicCreation": false});
        self.both(|side| {
            side.ask("DeleteTopics", 5, &delete)?;
            wait(side, "a topic to go", |side| {
                let found = side.ask("Metadata", 9, &metadata)?;
                Ok(found.at("Topics[0].ErrorCode") == Some(&Value::Int(3)))
            })
        })
    }

    /// Does the same on both sides at once: each waits for its own disk and its own clock.
    fn both<T>(&mut self, work: impl Fn(&mut Side<'r>) -> Result<T, Failure> + Sync) -> Result<(), Failure> {
        let (kafka, ours, work) = (&mut self.kafka, &mut self.ours, &work);
        let on = |side: &mut Side<'r>| work(side).map(drop).map_err(|error| error.to_string());
        std::thread::scope(|scope| {
            let kafka = scope.spawn(move || on(kafka));
            let ours = on(ours);
            kafka.join().map_err(|_| "a thread of the oracle's own panicked")??;
            Ok(ours?)
        })
    }
}

/// How long our answer is waited for once Kafka's is there. If Kafka was silent, we had all that time as well; but a busy
/// machine is no silence of ours.
fn patience_after(kafka: &Outcome) -> Duration {
    if matches!(kafka, Outcome::Silence) { LAST_CHANCE } else { PATIENCE }
}

/// Asks again until the answer is yes.
fn wait(
    side: &mut Side<'_>,
    what: &str,
    mut is_done: impl FnMut(&mut Side<'_>) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + SETTLE;
    while !is_done(side)? {
        if Instant::now() > deadline {
            return Err(format!("{}: waited in vain for {what}", side.name).into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn is_equal(value: &Value, json: &Json) -> bool {
    match value {
        Value::Int(number) => json.as_i64() == Some(*number),
        Value::Float(number) => json.as_f64() == Some(*number),
        Value::Text(text) => json.as_str() == Some(text),
        Value::Bool(value) => json.as_bool() == Some(*value),
        Value::Null => json.is_null(),
        _ => false,
    }
}
