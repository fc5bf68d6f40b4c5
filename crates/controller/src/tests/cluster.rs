//! A cluster under test: a controller that replays what it decides, and a second one that proves the image enough.

use config::BrokerConfig;
use metadata::{MetadataImage, Provenance};
use protocol::broker_registration_request::{Feature, Listener};
use protocol::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use protocol::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
    CreateTopicsRequest, CreateTopicsResponse, MetadataRecord, Uuid,
};

use crate::{ApiError, Controller, ControllerConfig, Outcome, bootstrap_records};

pub(super) fn uuid(number: u8) -> Uuid {
    let mut bytes = [0; 16];
    bytes[0] = 0x10;
    bytes[15] = number;
    Uuid(bytes)
}

/// The directory of a broker.
pub(super) fn directory(broker_id: i32) -> Uuid {
    uuid(200 + broker_id as u8)
}

pub(super) struct Cluster {
    pub(super) controller: Controller,
    pub(super) config: ControllerConfig,
    pub(super) next_offset: i64,
    pub(super) now_ms: i64,
    pub(super) next_id: u8,
}

impl Cluster {
    /// A new cluster whose controller is node 1, with these properties beside.
    pub(super) fn new(properties: &[(&str, &str)]) -> Cluster {
        let mut pairs = vec![("node.id", "1")];
        pairs.extend_from_slice(properties);
        let broker = BrokerConfig::from_pairs(&pairs).expect("the properties are good");
        let config = ControllerConfig { node_id: 1, cluster_id: "cluster".to_owned(), broker };
        let controller = Controller::new(config.clone(), MetadataImage::empty());
        let mut cluster = Cluster { controller, config, next_offset: 3, now_ms: 1000, next_id: 0 };
        let activation = cluster.controller.handle_activation(&bootstrap_records());
        cluster.apply(activation);
        cluster
    }

    /// One node that is controller and broker, unfenced.
    pub(super) fn of_one(properties: &[(&str, &str)]) -> Cluster {
        let mut cluster = Cluster::new(properties);
        cluster.join(1);
        cluster
    }

    /// Replays what was decided, as the shell does, and checks that a controller made from the image agrees.
    pub(super) fn apply<R>(&mut self, outcome: Outcome<R>) -> R {
        for record in &outcome.records {
            let bytes = record.encode_framed().expect("a record is encodable");
            let record = MetadataRecord::decode_framed(&bytes).expect("a record is decodable");
            self.controller
                .replay(self.next_offset, &record)
                .unwrap_or_else(|error| panic!("{record:?}: {error}"));
            self.next_offset += 1;
        }
        self.controller.end_batch(Provenance {
            offset: self.next_offset - 1,
            epoch: 1,
            timestamp_ms: self.now_ms,
        });
        outcome.response
    }

    /// The same cluster under another controller, which knows only the log.
    pub(super) fn failover(&mut self) {
        let mut controller = Controller::new(self.config.clone(), self.controller.image().clone());
        controller.begin_sessions(self.now_ms);
        self.controller = controller;
    }

    pub(super) fn registration(&self, id: i32, incarnation: u8) -> BrokerRegistrationRequest<'static> {
        let features = metadata::SUPPORTED_FEATURES.iter().map(|feature| Feature {
            name: feature.name.into(),
            min_supported_version: feature.min,
            max_supported_version: feature.max,
        });
        BrokerRegistrationRequest {
            broker_id: id,
            cluster_id: "cluster".into(),
            incarnation_id: uuid(incarnation),
            listeners: vec![Listener {
                name: "PLAINTEXT".into(),
                host: "localhost".into(),
                port: 9092,
                security_protocol: 0,
            }],
            features: features.collect(),
            log_dirs: vec![directory(id)],
            ..BrokerRegistrationRequest::default()
        }
    }

    pub(super) fn register(
        &mut self,
        request: &BrokerRegistrationRequest<'_>,
    ) -> Result<BrokerRegistrationResponse, ApiError> {
        let outcome = self.controller.handle_broker_registration(self.now_ms, self.next_offset, request)?;
        Ok(self.apply(outcome))
    }

    /// Registers a broker and unfences it; returns its epoch.
    pub(super) fn join(&mut self, id: i32) -> i64 {
        let request = self.registration(id, 100 + id as u8);
        let epoch = self.register(&request).expect("it may register").broker_epoch;
        let response = self.heartbeat(id, |_| {});
        assert!(!response.is_fenced && response.is_caught_up);
        epoch
    }

    pub(super) fn heartbeat(
        &mut self,
        id: i32,
        set: impl FnOnce(&mut BrokerHeartbeatRequest),
    ) -> BrokerHeartbeatResponse {
        let broker = self.controller.image().cluster().broker(id).expect("it is registered");
        let mut request = BrokerHeartbeatRequest {
            broker_id: id,
            broker_epoch: broker.epoch,
            current_metadata_offset: self.next_offset - 1,
            ..BrokerHeartbeatRequest::default()
        };
        set(&mut request);
        let outcome = self.controller.handle_broker_heartbeat(&request).expect("the epoch is right");
        let response = self.apply(outcome);
        self.controller.note_heartbeat(self.now_ms, self.next_offset, &request);
        response
    }

    pub(super) fn create(&mut self, topics: Vec<CreatableTopic<'_>>) -> CreateTopicsResponse<'static> {
        self.create_with(CreateTopicsRequest { topics, ..CreateTopicsRequest::default() })
    }

    pub(super) fn create_with(&mut self, request: CreateTopicsRequest<'_>) -> CreateTopicsResponse<'static> {
        let ids: Vec<Uuid> = request.topics.iter().map(|_| self.new_id()).collect();
        let outcome = self.controller.handle_create_topics(&request, &ids, 42, &|_| Ok(()));
        let outcome = outcome.expect("the request is not too large");
        self.apply(outcome)
    }

    pub(super) fn new_id(&mut self) -> Uuid {
        self.next_id += 1;
        uuid(self.next_id)
    }

    /// `replicas`, ISR, ELR, leader and leader epoch of a partition.
    pub(super) fn partition(&self, topic: &str, index: i32) -> String {
        let topic = self.controller.image().topics().by_name(topic).expect("the topic exists");
        let partition = topic.partition(index).expect("the partition exists");
        format!(
            "{:?} isr {:?} elr {:?} leader {} epoch {}",
            partition.replicas, partition.isr, partition.elr, partition.leader, partition.leader_epoch
        )
    }
}

pub(super) fn topic(name: &str, partitions: i32, factor: i16) -> CreatableTopic<'_> {
    CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: factor,
        ..CreatableTopic::default()
    }
}

pub(super) fn with_configs<'a>(
    topic: CreatableTopic<'a>,
    configs: &[(&'a str, Option<&'a str>)],
) -> CreatableTopic<'a> {
    let configs = configs
        .iter()
        .map(|(name, value)| CreatableTopicConfig { name: (*name).into(), value: value.map(Into::into) });
    CreatableTopic { configs: configs.collect(), ..topic }
}

pub(super) fn assigned<'a>(name: &'a str, assignments: &[(i32, &[i32])]) -> CreatableTopic<'a> {
    let assignments = assignments
        .iter()
        .map(|(index, ids)| CreatableReplicaAssignment { partition_index: *index, broker_ids: ids.to_vec() });
    CreatableTopic { assignments: assignments.collect(), ..topic(name, -1, -1) }
}
