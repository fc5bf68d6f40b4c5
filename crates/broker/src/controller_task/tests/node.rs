//! One node's controller on a simulated disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use config::BrokerConfig;
use metadata::{MetadataDelta, MetadataImage};
use platform::Platform;
use platform::sim::SimDisk;
use protocol::create_topics_request::CreatableTopic;
use protocol::{CreateTopicsRequest, ErrorCode, MetadataRecord, Uuid};
use storage::{LogDir, LogDirConfig};
use tokio::task::JoinHandle;

use crate::controller_task::{
    ControllerError, ControllerHandle, ControllerSettings, LocalBroker, MetadataPublisher, StartedController,
    start,
};
use crate::metadata_log::LogContent;
use crate::mutation_ticket::MutationTicket;

const LOG_DIR: &str = "/data";
const CLUSTER_ID: &str = "AAAAAAAAAAAAAAAAAAAAAQ";
pub(super) const METADATA_DIR: &str = "/data/__cluster_metadata-0";

/// Writes down what it is told, and what the image said at that moment.
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) created: Mutex<Vec<String>>,
}

impl MetadataPublisher for Recorder {
    fn publish(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta) {
        let names = delta.created_topics().filter_map(|id| image.topics().by_id(id));
        self.created.lock().expect("nobody panicked").extend(names.map(|topic| topic.name().to_owned()));
    }
}

/// A disk on which a node starts again and again.
pub(super) struct Machine {
    pub(super) disk: SimDisk,
    pub(super) platform: Platform,
    properties: Vec<(String, String)>,
}

/// A running controller.
pub(super) struct Running {
    pub(super) handle: ControllerHandle,
    pub(super) image: Arc<arc_swap::ArcSwap<MetadataImage>>,
    pub(super) broker_epoch: i64,
    pub(super) recorder: Arc<Recorder>,
    pub(super) log_dir: Arc<LogDir>,
    task: JoinHandle<Result<(), ControllerError>>,
}

impl Machine {
    pub(super) fn new(seed: u64, properties: &[(&str, &str)]) -> Machine {
        Machine::on(SimDisk::new(seed), seed, properties)
    }

    pub(super) fn on(disk: SimDisk, seed: u64, properties: &[(&str, &str)]) -> Machine {
        let mut platform = Platform::sim(seed);
        platform.disk = Arc::new(disk.clone());
        let mut all =
            vec![("node.id".to_owned(), "1".to_owned()), ("log.dirs".to_owned(), LOG_DIR.to_owned())];
        all.extend(properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        Machine { disk, platform, properties: all }
    }

    /// Starts the node and lets its task run.
    pub(super) async fn start(&self) -> Running {
        self.try_start().await.expect("it starts")
    }

    pub(super) async fn try_start(&self) -> Result<Running, ControllerError> {
        let (log_dir, started) = self.load().await?;
        let recorder = Arc::new(Recorder::default());
        let task = tokio::spawn(started.task.run(recorder.clone()));
        Ok(Running {
            handle: started.handle,
            image: started.image,
            broker_epoch: started.broker_epoch,
            recorder,
            log_dir,
            task,
        })
    }

    async fn load(&self) -> Result<(Arc<LogDir>, StartedController), ControllerError> {
        let pairs: Vec<(&str, &str)> =
            self.properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let config = Arc::new(BrokerConfig::from_pairs(&pairs).expect("the properties are good"));
        let options = LogDirConfig { format: Some(CLUSTER_ID.to_owned()), ..LogDirConfig::new(1) };
        let now_ms = self.platform.clock.wall_ms();
        let (log_dir, report) = LogDir::open(&self.platform, Path::new(LOG_DIR), &options, now_ms)?;
        let log_dir = Arc::new(log_dir);
        let directory_id = log_dir.meta().directory_id.unwrap_or(Uuid([9; 16]));
        let endpoint = |name: &str, port| metadata::Endpoint {
            name: name.to_owned(),
            host: "localhost".to_owned(),
            port,
            security_protocol: 0,
        };
        let settings = ControllerSettings {
            cluster_id: log_dir.meta().cluster_id.clone(),
            config,
            log_dir: log_dir.clone(),
            stopping: Arc::default(),
            directory_id,
            log_elsewhere: None,
            controller_endpoints: vec![endpoint("CONTROLLER", 9093)],
            broker: LocalBroker {
                endpoints: vec![endpoint("PLAINTEXT", 9092)],
                directory_ids: vec![directory_id],
                previous_broker_epoch: report.previous_broker_epoch,
            },
        };
        let started = start(&self.platform, settings).await?;
        Ok((log_dir, started))
    }

    /// Names of the files beside the metadata log that end with this.
    pub(super) fn files(&self, suffix: &str) -> Vec<String> {
        let names = self.disk.files().into_iter().filter_map(|(path, _)| {
            let name = path.file_name()?.to_str()?.to_owned();
            (path.parent() == Some(Path::new(METADATA_DIR)) && name.ends_with(suffix)).then_some(name)
        });
        names.collect()
    }

    /// Names of the files beside the metadata log that wait to be removed. Those of proofs and of the second copy end as they do, and stay.
    pub(super) fn files_out_of_use(&self) -> Vec<String> {
        let stays = |name: &String| [storage::PROOF_FILE, storage::TAIL_FILE].contains(&name.as_str());
        self.files(".deleted").into_iter().filter(|name| !stays(name)).collect()
    }

    pub(super) fn content(&self, name: &str) -> Vec<u8> {
        let path = PathBuf::from(METADATA_DIR).join(name);
        let found = self.disk.files().into_iter().find(|(at, _)| *at == path);
        found.unwrap_or_else(|| panic!("{name} is there")).1
    }

    /// Bytes of the log's first segment.
    pub(super) fn log_content_bytes(&self) -> usize {
        self.content("00000000000000000000.log").len()
    }

    /// All batches of the log's first segment.
    pub(super) fn log_content(&self) -> LogContent {
        LogContent::of_log(&self.content("00000000000000000000.log")).expect("the log is readable")
    }
}

impl Running {
    pub(super) async fn create(&self, name: &str, partitions: i32) -> ErrorCode {
        let response = self
            .handle
            .create_topics(create_request(&[name], partitions), MutationTicket::free())
            .await
            .expect("it is answered");
        response.topics[0].error_code
    }

    /// Ends the process without a word.
    pub(super) async fn kill(self, machine: &Machine) {
        self.task.abort();
        _ = self.task.await;
        machine.disk.release_locks();
    }

    /// Ends the process and the power with it.
    pub(super) async fn lose_power(self, machine: &Machine) {
        self.task.abort();
        _ = self.task.await;
        machine.disk.crash();
    }

    /// Stops in good order.
    pub(super) async fn stop(self) {
        self.handle.controlled_shutdown().await.expect("it may stop");
        self.handle.stop().await;
        self.task.await.expect("it does not panic").expect("it ends well");
        assert!(self.log_dir.close_clean(Some(self.broker_epoch)).expect("the disk works"));
    }

    /// The task ended by itself.
    pub(super) async fn ended(self) -> Result<(), ControllerError> {
        self.task.await.expect("it does not panic")
    }

    /// ISR, ELR, leader, leader epoch and recovery state of a partition.
    pub(super) fn partition(&self, topic: &str) -> String {
        let image = self.image.load();
        let topic = image.topics().by_name(topic).expect("the topic exists");
        let partition = topic.partition(0).expect("the partition exists");
        format!(
            "isr {:?} elr {:?} leader {} epoch {} {:?}",
            partition.isr,
            partition.elr,
            partition.leader,
            partition.leader_epoch,
            partition.leader_recovery_state
        )
    }

    pub(super) fn topic_names(&self) -> Vec<String> {
        self.image.load().topics().iter().map(|topic| topic.name().to_owned()).collect()
    }
}

pub(super) fn create_request(names: &[&str], partitions: i32) -> CreateTopicsRequest<'static> {
    let topics = names.iter().map(|name| CreatableTopic {
        name: (*name).to_owned().into(),
        num_partitions: partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    });
    CreateTopicsRequest { topics: topics.collect(), timeout_ms: 60_000, ..CreateTopicsRequest::default() }
}

/// Names of record types.
pub(super) fn kind(record: &MetadataRecord<'_>) -> String {
    let text = format!("{record:?}");
    text.split(['(', ' ']).next().unwrap_or_default().to_owned()
}
