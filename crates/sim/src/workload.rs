//! Owns the course of one simulation: start the node, let clients loose on it, bring the faults about, heal, wait
//! until all is quiet, read everything back. It never judges what was seen.

mod fetcher;
mod member;
mod producer;
mod reader;
mod session;

use std::sync::Arc;
use std::time::Duration;

use platform::sim::SimWorld;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

use crate::fault::{Fault, NODE, client_ip};
use crate::history::{Event, History};
use crate::node::{Node, SimNode};
use crate::plan::Plan;
use member::Member;
use producer::Producer;
use reader::Reader;
use session::Session;

/// Runs a plan and gives the history of its clients.
///
/// # Panics
/// If the node refuses to start, answers nonsense, or an answer is one that no node may give: all of it is a finding.
pub async fn execute(world: SimWorld, starter: Box<dyn SimNode>, plan: Plan) -> History {
    let history = History::new(world.trace().clone());
    let mut course = Course::new(world, starter, plan, history.clone());
    course.start_node().await;
    course.session(0).create_topic().await;
    let producers = course.spawn_producers();
    let readers = course.spawn_readers();
    course.spawn_members();
    for timed in course.plan.faults.clone() {
        sleep(Duration::from_millis(timed.after_ms)).await;
        course.bring(timed.fault).await;
    }
    for task in producers {
        join(task).await;
    }
    course.phase.send_replace(Phase::CatchUp);
    for task in readers {
        join(task).await;
    }
    if course.plan.members > 0 {
        course.session(0).wait_until_all_is_committed().await;
    }
    course.phase.send_replace(Phase::Leave);
    for member in std::mem::take(&mut course.members) {
        join(member.task).await;
    }
    course.session(0).read_back().await;
    course.node.stop().await;
    history
}

/// A task that panicked has told so already: its panic is passed on.
async fn join(task: JoinHandle<()>) {
    if let Err(failed) = task.await
        && let Ok(payload) = failed.try_into_panic()
    {
        std::panic::resume_unwind(payload);
    }
}

/// What the clients are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Whatever they do.
    Run,
    /// Readers end when they have read all there is.
    CatchUp,
    /// Members leave.
    Leave,
}

struct Course {
    world: SimWorld,
    plan: Arc<Plan>,
    history: History,
    node: Node,
    phase: watch::Sender<Phase>,
    members: Vec<RunningMember>,
}

struct RunningMember {
    incarnation: u32,
    /// The member itself may have been told to leave before the others.
    phase: watch::Sender<Phase>,
    task: JoinHandle<()>,
}

impl Course {
    fn new(world: SimWorld, starter: Box<dyn SimNode>, plan: Plan, history: History) -> Self {
        let node = Node::new(&world, NODE, starter, plan.properties.clone());
        let (phase, _) = watch::channel(Phase::Run);
        Self { world, plan: Arc::new(plan), history, node, phase, members: Vec::new() }
    }

    async fn start_node(&mut self) {
        if let Err(reason) = self.node.start().await {
            panic!("the node refuses to start: {reason}");
        }
        self.history.add(Event::Started);
    }

    /// A client of its own on machine `client`.
    fn session(&self, client: usize) -> Session {
        self.session_named(client, format!("c{client}"))
    }

    fn session_named(&self, client: usize, name: String) -> Session {
        let platform = self.world.boot(client_ip(client));
        let rng = self.world.rng(&name);
        Session { platform, name, rng, history: self.history.clone(), plan: Arc::clone(&self.plan) }
    }

    fn spawn_producers(&self) -> Vec<JoinHandle<()>> {
        let spawn = |number| {
            let session = self.session_named(number, format!("p{number}"));
            let number = u16::try_from(number).expect("a plan has few producers");
            spawn_local(Producer::new(session, number).run())
        };
        (0..self.plan.producers).map(spawn).collect()
    }

    fn spawn_readers(&self) -> Vec<JoinHandle<()>> {
        let spawn = |number| {
            let session = self.session_named(self.plan.producers + number, format!("r{number}"));
            spawn_local(Reader::new(session, self.phase.subscribe()).run())
        };
        (0..self.plan.readers).map(spawn).collect()
    }

    fn spawn_members(&mut self) {
        for member in 0..self.plan.members {
            let running = self.spawn_member(member, 0);
            self.members.push(running);
        }
    }

    fn spawn_member(&self, member: usize, incarnation: u32) -> RunningMember {
        let client = self.plan.producers + self.plan.readers + member;
        let session = self.session_named(client, format!("m{member}.{incarnation}"));
        let phase = watch::Sender::new(Phase::Run);
        let task = spawn_local(Member::new(session, self.phase.subscribe(), phase.subscribe()).run());
        RunningMember { incarnation, phase, task }
    }

    async fn bring(&mut self, fault: Fault) {
        self.world.trace().line(format_args!("fault {fault:?}"));
        match fault {
            Fault::Kill { down_ms } => {
                self.node.kill();
                self.come_back(Event::Stopped, down_ms).await;
            }
            Fault::PowerLoss { down_ms } => {
                self.node.power_off();
                self.come_back(Event::PowerLost, down_ms).await;
            }
            Fault::CleanStop { down_ms } => {
                self.node.stop().await;
                self.come_back(Event::Stopped, down_ms).await;
            }
            Fault::KillAtEffect { effect, down_ms } => {
                self.halt_at(effect).await;
                self.node.kill();
                self.come_back(Event::Stopped, down_ms).await;
            }
            Fault::PowerLossAtEffect { effect, down_ms } => {
                self.halt_at(effect).await;
                self.node.power_off();
                self.come_back(Event::PowerLost, down_ms).await;
            }
            Fault::Cut { client, to_node, from_node, for_ms } => {
                let client = client_ip(client);
                let links = [(to_node, client, NODE), (from_node, NODE, client)];
                let cut = links.iter().filter(|(is_cut, ..)| *is_cut);
                cut.clone().for_each(|(_, from, to)| self.world.net().cut(*from, *to));
                sleep(Duration::from_millis(for_ms)).await;
                cut.for_each(|(_, from, to)| self.world.net().heal(*from, *to));
            }
            Fault::MemberLeaves { member, away_ms } => {
                self.members[member].phase.send_replace(Phase::Leave);
                sleep(Duration::from_millis(away_ms)).await;
                self.replace_member(member).await;
            }
            Fault::MemberDies { member, away_ms } => {
                self.world.kill(client_ip(self.plan.producers + self.plan.readers + member));
                self.members[member].task.abort();
                sleep(Duration::from_millis(away_ms)).await;
                self.replace_member(member).await;
            }
        }
    }

    /// Waits until the node dies at an effect of its own, or gives up when it has none for a while.
    async fn halt_at(&self, effect: u64) {
        let disk = self.world.disk(NODE);
        disk.halt_after(effect);
        if tokio::time::timeout(Duration::from_secs(20), self.node.down()).await.is_err() {
            self.world.trace().line(format_args!("the node changed its disk less than {effect} times"));
        }
    }

    async fn come_back(&mut self, how: Event, down_ms: u64) {
        self.history.add(how);
        sleep(Duration::from_millis(down_ms)).await;
        self.start_node().await;
    }

    async fn replace_member(&mut self, member: usize) {
        let next = self.members[member].incarnation + 1;
        let successor = self.spawn_member(member, next);
        let gone = std::mem::replace(&mut self.members[member], successor);
        // One that is leaving may still be on its way; one that died was aborted.
        gone.task.abort();
        if let Err(failed) = gone.task.await
            && failed.is_panic()
        {
            std::panic::resume_unwind(failed.into_panic());
        }
    }
}
