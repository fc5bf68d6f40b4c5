//! Owns the life of the node under test: started, stopped, killed, without power, started again. It never looks
//! inside.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;

use platform::Platform;
use platform::sim::SimWorld;

/// Kafka properties by name.
pub type Properties = BTreeMap<String, String>;

/// The future of a start.
pub type Starting = Pin<Box<dyn Future<Output = Result<Box<dyn RunningNode>, String>> + Send>>;

/// The future of a clean stop.
pub type Stopping = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Something that can be started on a machine: a broker, or a stand-in for one.
///
/// Any closure `Fn(Platform, Properties) -> Starting` is one.
pub trait SimNode {
    /// Starts a process; done when it serves. An error is the reason why it refuses to start.
    fn start(&self, platform: Platform, properties: Properties) -> Starting;
}

impl<F: Fn(Platform, Properties) -> Starting> SimNode for F {
    fn start(&self, platform: Platform, properties: Properties) -> Starting {
        self(platform, properties)
    }
}

/// A process that serves. Dropping it after the machine was stopped must do nothing that matters: its disk and
/// network are inert by then.
pub trait RunningNode: Send {
    /// Stops it as SIGTERM does; done when the process would end.
    fn stop(self: Box<Self>) -> Stopping;
}

/// One machine of the world with the node that runs on it.
pub struct Node {
    world: SimWorld,
    ip: IpAddr,
    starter: Box<dyn SimNode>,
    properties: Properties,
    running: Option<Box<dyn RunningNode>>,
}

impl Node {
    /// A node that is not started yet.
    pub fn new(world: &SimWorld, ip: IpAddr, starter: Box<dyn SimNode>, properties: Properties) -> Self {
        Self { world: world.clone(), ip, starter, properties, running: None }
    }

    /// The machine's address.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Starts the node; a node that runs is left alone.
    ///
    /// # Errors
    /// The reason why it refuses to start, or that its machine was stopped meanwhile.
    pub async fn start(&mut self) -> Result<(), String> {
        if self.running.is_some() {
            return Ok(());
        }
        let platform = self.world.boot(self.ip);
        let starting = self.starter.start(platform, self.properties.clone());
        // The task of a dead machine never ends, so the machine's end is waited for as well.
        self.running = tokio::select! {
            biased;
            () = self.world.down(self.ip) => return Err("the machine was stopped".to_owned()),
            started = starting => Some(started?),
        };
        Ok(())
    }

    /// Stops the node cleanly and then its machine; what it left unsynced stays pending. A node that does not run
    /// is left alone.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            tokio::select! {
                biased;
                () = self.world.down(self.ip) => {}
                () = running.stop() => {}
            }
            self.world.kill(self.ip);
        }
    }

    /// Ends the node as `kill -9` does.
    pub fn kill(&mut self) {
        self.world.kill(self.ip);
        self.running = None;
    }

    /// Cuts the machine's power.
    pub fn power_off(&mut self) {
        self.world.power_off(self.ip);
        self.running = None;
    }

    /// Waits until the machine stops by itself, as after [`platform::sim::SimDisk::halt_after`].
    pub async fn down(&self) {
        self.world.down(self.ip).await;
    }
}
