//! Directories as Apache Kafka leaves them, good ones and others; none is changed by being looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::BrokerConfig;
use metadata::{DIRECTORY_LOST, DIRECTORY_UNASSIGNED, METADATA_VERSION};
use platform::{Disk, Platform};
use protocol::{
    ConfigRecord, FeatureLevelRecord, MetadataRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord,
    Uuid, ZkMigrationStateRecord,
};
use raft::{ControlRecord, Endpoint, ReplicaKey, SnapshotId, Voter, VoterSet, encode_snapshot_batches};
use records::{BatchBuilder, BatchSettings};

use super::{Refusal, Takeover, survey};

const DIRECTORY: Uuid = Uuid([7; 16]);
const TOPIC: Uuid = Uuid([8; 16]);
const METADATA: &str = "/data/__cluster_metadata-0";

/// A directory on a simulated disk.
struct Home {
    platform: Platform,
    properties: Vec<(&'static str, &'static str)>,
    next_offset: i64,
}

impl Home {
    /// An empty machine.
    fn new() -> Home {
        let properties = vec![("node.id", "1"), ("log.dirs", "/data")];
        Home { platform: Platform::sim(1), properties, next_offset: 0 }
    }

    /// As `kafka-storage format --standalone` leaves it, with a log of one record.
    fn formatted() -> Home {
        let mut home = Home::new();
        home.write("/data/meta.properties", meta("c", 1, DIRECTORY).as_bytes());
        home.format(&[voter(1, DIRECTORY)], &[feature(METADATA_VERSION, 33)]);
        home.append(&[feature(METADATA_VERSION, 33)]);
        home
    }

    fn disk(&self) -> &dyn Disk {
        self.platform.disk.as_ref()
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = Path::new(path);
        self.disk().create_dir_all(path.parent().expect("it has one")).expect("made");
        self.disk().write_atomic(path, bytes).expect("written");
    }

    fn format(&self, voters: &[Voter], records: &[MetadataRecord<'_>]) {
        let mut control = vec![ControlRecord::KRaftVersion(i16::from(!voters.is_empty()))];
        if !voters.is_empty() {
            control.push(ControlRecord::Voters(VoterSet::new(voters.iter().cloned())));
        }
        self.snapshot(SnapshotId::BOOTSTRAP, &control, records);
    }

    fn snapshot(&self, id: SnapshotId, control: &[ControlRecord], records: &[MetadataRecord<'_>]) {
        let encoded: Vec<Vec<u8>> =
            records.iter().map(|record| record.encode_framed().expect("encodable")).collect();
        let bytes = encode_snapshot_batches(id.epoch, 0, 0, control, encoded.into_iter(), 1024);
        self.write(&format!("{METADATA}/{}", id.file_name()), &bytes.expect("encodable"));
    }

    /// One batch more in the log.
    fn append(&mut self, records: &[MetadataRecord<'_>]) {
        let values = records.iter().map(|record| record.encode_framed().expect("encodable"));
        self.append_values(&values.collect::<Vec<_>>());
    }

    fn append_values(&mut self, values: &[Vec<u8>]) {
        let settings = BatchSettings {
            base_offset: self.next_offset,
            partition_leader_epoch: 1,
            ..BatchSettings::default()
        };
        let mut batch = BatchBuilder::new(settings);
        for value in values {
            batch.append(None, Some(value), &[], 0).expect("it fits");
        }
        self.next_offset += values.len() as i64;
        self.append_bytes(&batch.build().expect("it has records"));
    }

    fn append_bytes(&self, bytes: &[u8]) {
        let path = format!("{METADATA}/00000000000000000000.log");
        let mut all = self.disk().read(Path::new(&path)).unwrap_or_default();
        all.extend_from_slice(bytes);
        self.write(&path, &all);
    }

    fn survey(&self) -> Result<Takeover, Refusal> {
        let before = self.files(Path::new("/"));
        let config = BrokerConfig::from_pairs(&self.properties).expect("the properties are good");
        let found = survey(&self.platform, &config);
        assert_eq!(self.files(Path::new("/")), before, "looking changed something");
        found
    }

    fn files(&self, dir: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut files = BTreeMap::new();
        for entry in self.disk().list(dir).expect("it can be listed") {
            let path = dir.join(&entry.name);
            if entry.is_dir {
                files.append(&mut self.files(&path));
                files.insert(path, None);
            } else {
                let bytes = self.disk().read(&path).expect("it can be read");
                files.insert(path, Some(bytes));
            }
        }
        files
    }

    #[track_caller]
    fn accepted(&self) -> Takeover {
        self.survey().unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// Refused, for one reason that says this.
    #[track_caller]
    fn refused(&self, want: &str) {
        let refusal = self.survey().expect_err("it is refused");
        let [reason] = refusal.reasons.as_slice() else { panic!("{refusal}") };
        assert!(reason.contains(want), "{refusal}");
        assert!(refusal.to_string().starts_with("/data"), "{refusal}");
    }
}

fn meta(cluster: &str, node_id: i32, directory: Uuid) -> String {
    format!("version=1\ncluster.id={cluster}\nnode.id={node_id}\ndirectory.id={directory}\n")
}

fn voter(id: i32, directory: Uuid) -> Voter {
    let endpoint = Endpoint { name: "CONTROLLER".into(), host: "localhost".into(), port: 9093 };
    Voter::local(ReplicaKey::new(id, directory), vec![endpoint])
}

fn feature(name: &'static str, feature_level: i16) -> MetadataRecord<'static> {
    MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.into(), feature_level })
}

fn config(topic: &'static str, name: &'static str, value: &'static str) -> MetadataRecord<'static> {
    MetadataRecord::Config(ConfigRecord {
        resource_type: 2,
        resource_name: topic.into(),
        name: name.into(),
        value: Some(value.into()),
    })
}

/// A topic of one partition.
fn topic(name: &'static str, replicas: &[i32], directories: &[Uuid]) -> [MetadataRecord<'static>; 2] {
    let topic = TopicRecord { name: name.into(), topic_id: TOPIC };
    let partition = PartitionRecord {
        topic_id: TOPIC,
        partition_id: 0,
        replicas: replicas.to_vec(),
        isr: replicas.to_vec(),
        leader: replicas[0],
        directories: directories.to_vec(),
        ..PartitionRecord::default()
    };
    [MetadataRecord::Topic(topic), MetadataRecord::Partition(partition)]
}

#[test]
fn nothing_is_fine() {
    let mut home = Home::new();
    home.accepted();
    home.properties.push(("metadata.log.dir", "/elsewhere"));
    home.accepted();
    home.write("/data/notes.txt", b"mine");
    home.accepted();
}

#[test]
fn what_kafka_formats_is_fine() {
    let mut home = Home::formatted();
    home.append(&[
        feature("group.version", 1),
        feature("transaction.version", 2),
        feature("share.version", 2),
    ]);
    home.append(&[feature("streams.version", 1), feature("eligible.leader.replicas.version", 1)]);
    home.append(&topic("orders", &[1], &[DIRECTORY]));
    home.append(&[config("orders", "cleanup.policy", "delete, compact"), config("orders", REMOTE, "false")]);
    home.append(&[MetadataRecord::ZkMigrationState(ZkMigrationStateRecord { zk_migration_state: 3 })]);
    home.write("/data/orders-0/00000000000000000000.log", b"");
    home.write("/data/orders-0.0123456789abcdef0123456789abcdef-delete/00000000000000000000.log", b"x");
    home.write("/data/gone-0.0123456789abcdef0123456789abcdef-stray/00000000000000000000.log", b"x");
    assert_eq!(home.accepted().compacted.into_iter().collect::<Vec<_>>(), ["orders"]);
}

const REMOTE: &str = super::REMOTE_STORAGE;

#[test]
fn a_formatted_directory_that_never_served_is_fine() {
    let home = Home::new();
    home.write("/data/meta.properties", meta("c", 1, DIRECTORY).as_bytes());
    home.accepted();
    home.format(&[voter(1, DIRECTORY)], &[feature(METADATA_VERSION, 33)]);
    home.accepted();
    home.format(&[voter(1, DIRECTORY)], &[feature(METADATA_VERSION, 33), feature("group.version", 9)]);
    home.refused("feature group.version is finalized at level 9");
}

#[test]
fn an_end_that_is_not_whole_is_for_recovery() {
    let mut home = Home::formatted();
    home.append(&topic("orders", &[1], &[DIRECTORY]));
    let path = format!("{METADATA}/00000000000000000000.log");
    let whole = home.disk().read(Path::new(&path)).expect("it is there");
    for len in (0..whole.len()).rev() {
        home.write(&path, &whole[..len]);
        home.accepted();
    }
    let mut flipped = whole.clone();
    *flipped.last_mut().expect("it is not empty") ^= 1;
    home.write(&path, &flipped);
    home.accepted();
}

#[test]
fn another_owner_is_refused() {
    let mut home = Home::formatted();
    home.properties[0].1 = "2";
    home.refused("belongs to node 1, and this is node 2: set node.id=1");
    let home = Home::formatted();
    home.write("/data/meta.properties", b"version=0\nbroker.id=1\ncluster.id=c\n");
    home.refused("its version is 0, and only version 1 (KRaft) is known");
    let home = Home::formatted();
    home.disk().remove_file(Path::new("/data/meta.properties")).expect("removed");
    let refusal = home.survey().expect_err("it is refused");
    assert!(refusal.to_string().contains("no meta.properties"), "{refusal}");
    let mut home = Home::formatted();
    home.properties[1].1 = "/data,/other";
    home.write("/other/meta.properties", meta("another", 1, Uuid([9; 16])).as_bytes());
    home.refused("belongs to cluster another");
}

#[test]
fn logs_without_metadata_are_refused() {
    let home = Home::new();
    home.write("/data/meta.properties", meta("c", 1, DIRECTORY).as_bytes());
    home.write("/data/orders-0/00000000000000000000.log", b"");
    home.refused("no metadata log");
    let mut home = Home::formatted();
    home.properties.push(("metadata.log.dir", "/elsewhere"));
    home.refused("is in /data and not in /elsewhere: set metadata.log.dir=/data");
}

#[test]
fn what_a_newer_version_wrote_is_refused() {
    let mut home = Home::formatted();
    home.append(&[feature(METADATA_VERSION, 34)]);
    home.refused("metadata.version 34 is not supported");
    let mut home = Home::formatted();
    home.append(&[feature("diskless.version", 1)]);
    home.refused("feature diskless.version is finalized at level 1");
    let mut home = Home::formatted();
    home.append(&[feature("transaction.version", 3)]);
    home.refused("feature transaction.version is finalized at level 3");
    let mut home = Home::formatted();
    home.append(&[feature("diskless.version", 1)]);
    home.append(&[feature("diskless.version", 0)]);
    home.accepted();
    let mut home = Home::formatted();
    home.append_values(&[vec![1, 99, 0, 0]]);
    home.refused("the batch at offset 1");
    let home = Home::formatted();
    let control =
        [ControlRecord::KRaftVersion(2), ControlRecord::Voters(VoterSet::new([voter(1, DIRECTORY)]))];
    home.snapshot(SnapshotId::BOOTSTRAP, &control, &[]);
    home.refused("kraft.version is 2");
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let home = Home::formatted();
    let id = SnapshotId { offset: 1, epoch: 1 };
    home.snapshot(id, &[], &[feature(METADATA_VERSION, 33)]);
    home.accepted();
    let path = format!("{METADATA}/{}", id.file_name());
    let mut bytes = home.disk().read(Path::new(&path)).expect("it is there");
    bytes.truncate(bytes.len() - 5);
    home.write(&path, &bytes);
    home.refused("00000000000000000001-0000000001.checkpoint");
}

#[test]
fn another_quorum_is_refused() {
    let home = Home::formatted();
    home.format(&[voter(1, DIRECTORY), voter(2, Uuid([3; 16]))], &[]);
    home.refused("the quorum's voters are");
    let home = Home::formatted();
    home.format(&[voter(2, DIRECTORY)], &[]);
    home.refused("the quorum's voters are");
    let home = Home::formatted();
    home.format(&[voter(1, Uuid([3; 16]))], &[]);
    home.refused("the quorum's voters are");
    let mut home = Home::formatted();
    home.format(&[], &[]);
    home.refused("set controller.quorum.voters");
    home.properties.push(("controller.quorum.voters", "1@localhost:9093"));
    home.accepted();
}

#[test]
fn a_migration_under_way_is_refused() {
    for state in [1, 2] {
        let mut home = Home::formatted();
        home.append(&[MetadataRecord::ZkMigrationState(ZkMigrationStateRecord {
            zk_migration_state: state,
        })]);
        home.refused("migration from ZooKeeper");
    }
    let mut home = Home::formatted();
    let mut broker = RegisterBrokerRecord { broker_id: 1, ..RegisterBrokerRecord::default() };
    broker.is_migrating_zk_broker = true;
    home.append(&[MetadataRecord::RegisterBroker(broker.clone())]);
    home.refused("migration from ZooKeeper");
    broker.is_migrating_zk_broker = false;
    home.append(&[MetadataRecord::RegisterBroker(broker)]);
    home.accepted();
}

#[test]
fn what_is_not_on_this_disk_is_refused() {
    let mut home = Home::formatted();
    home.append(&topic("orders", &[1], &[DIRECTORY]));
    home.append(&[config("orders", REMOTE, "true")]);
    home.refused("cannot read: orders");
    let mut home = Home::formatted();
    home.append(&topic("orders", &[2, 1], &[Uuid([3; 16]), DIRECTORY]));
    home.refused("on other brokers (2), and this version serves clusters of one node: orders-0");
    for elsewhere in [Uuid([3; 16]), DIRECTORY_LOST] {
        let mut home = Home::formatted();
        home.append(&topic("orders", &[1], &[elsewhere]));
        home.refused("which is none of log.dirs: orders-0");
    }
    let mut home = Home::formatted();
    home.append(&topic("orders", &[1], &[DIRECTORY_UNASSIGNED]));
    home.accepted();
    let mut home = Home::formatted();
    home.append(&topic("orders", &[1], &[Uuid([3; 16])]));
    home.properties[1].1 = "/data,/other";
    home.write("/other/meta.properties", meta("c", 1, Uuid([3; 16])).as_bytes());
    home.accepted();
}

#[test]
fn all_reasons_are_named() {
    let mut home = Home::formatted();
    home.append(&topic("orders", &[1, 3], &[DIRECTORY, DIRECTORY]));
    home.append(&[config("orders", REMOTE, "true"), feature("diskless.version", 1)]);
    let refusal = home.survey().expect_err("it is refused");
    assert_eq!(refusal.reasons.len(), 3, "{refusal}");
    assert_eq!(refusal.to_string().lines().count(), 4, "{refusal}");
}
