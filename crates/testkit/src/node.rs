//! A node on loopback with a directory of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use broker::RunningNode;
use config::BrokerConfig;
use platform::Platform;
use tempfile::TempDir;

use crate::TestConnection;

/// A running node; its directory goes with it.
pub struct TestNode {
    running: Option<RunningNode>,
    platform: Platform,
    properties: BTreeMap<String, String>,
    dir: TempDir,
}

impl TestNode {
    /// Starts a node with Kafka's defaults, except that groups do not wait for more members and that a disk may be full.
    pub async fn start(properties: &[(&str, &str)]) -> Self {
        Self::start_on(Platform::os(), properties).await
    }

    /// As [`TestNode::start`], on another machine: one with a simulated disk, say.
    pub async fn start_on(platform: Platform, properties: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory can be made");
        let defaults = [
            ("listeners", "PLAINTEXT://127.0.0.1:0"),
            ("group.initial.rebalance.delay.ms", "0"),
            ("offsets.topic.num.partitions", "4"),
            // Whatever the disk of the machine that runs the tests has left.
            ("log.dir.full.percent", "100"),
        ];
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        all.insert("log.dirs".into(), dir.path().join("data").display().to_string());
        for (key, value) in defaults.iter().chain(properties) {
            all.insert((*key).into(), (*value).into());
        }
        let mut node = Self { running: None, platform, properties: all, dir };
        node.launch().await;
        node
    }

    async fn launch(&mut self) {
        self.try_launch().await.unwrap_or_else(|error| panic!("the node does not start: {error}"));
    }

    /// Starts a node that was stopped or killed.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn try_launch(&mut self) -> Result<(), String> {
        let loaded = BrokerConfig::from_properties(self.properties.clone())
            .unwrap_or_else(|errors| panic!("the configuration is refused: {errors:?}"));
        let running = RunningNode::start(self.platform.clone(), loaded.config, Vec::new()).await;
        self.running = Some(running.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Waits until the node cannot go on; gives the reason.
    pub async fn failed(&self) -> String {
        self.running().failed().await
    }

    fn running(&self) -> &RunningNode {
        self.running.as_ref().expect("the node runs")
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running().addresses()[0].1
    }

    /// Where its metrics can be read.
    #[must_use]
    pub fn metrics_address(&self) -> SocketAddr {
        self.running().metrics_address().expect("metrics.http.listener is set")
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// Opens a connection.
    pub async fn connect(&self) -> TestConnection {
        TestConnection::open(self.address()).await
    }

    /// Stops in order and starts again on the same directory.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.launch().await;
    }

    /// Stops in order.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }

    /// Drops everything on the spot, as a killed process would; what the kernel has stays.
    pub async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill().await;
        }
    }

    /// Kills the node and starts it again.
    pub async fn kill_and_restart(&mut self) {
        self.kill().await;
        self.launch().await;
    }

    /// Path of a partition's directory.
    #[must_use]
    pub fn partition_dir(&self, topic: &str, partition: i32) -> std::path::PathBuf {
        Path::new(&self.data_dir()).join(format!("{topic}-{partition}"))
    }
}
