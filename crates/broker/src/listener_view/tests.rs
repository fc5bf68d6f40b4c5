//! Who can be reached through a listener, in every state a broker can be in.

use metadata::{MetadataDelta, MetadataImage, Provenance};
use protocol::register_broker_record::BrokerEndpoint;
use protocol::{MetadataRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord, Uuid};

use super::{ListenerView, NO_LEADER, Unreachable};

const TOPIC: Uuid = Uuid([7; 16]);
const GOOD_DIRECTORY: Uuid = Uuid([8; 16]);
const FAILED_DIRECTORY: Uuid = Uuid([9; 16]);

fn broker(broker_id: i32, listener: &'static str, fenced: bool) -> MetadataRecord<'static> {
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id,
        end_points: vec![BrokerEndpoint { name: listener.into(), ..BrokerEndpoint::default() }],
        fenced,
        log_dirs: vec![GOOD_DIRECTORY],
        ..RegisterBrokerRecord::default()
    })
}

/// Brokers 1 (fine), 2 (fenced), 3 (another listener), 4 (not registered), 5 (its directory failed).
fn image(leader: i32) -> MetadataImage {
    let partition = PartitionRecord {
        partition_id: 0,
        topic_id: TOPIC,
        replicas: vec![1, 2, 3, 4, 5],
        directories: vec![GOOD_DIRECTORY, GOOD_DIRECTORY, GOOD_DIRECTORY, GOOD_DIRECTORY, FAILED_DIRECTORY],
        isr: vec![1],
        leader,
        ..PartitionRecord::default()
    };
    let records = [
        broker(1, "PLAINTEXT", false),
        broker(2, "PLAINTEXT", true),
        broker(3, "INTERNAL", false),
        broker(5, "PLAINTEXT", false),
        MetadataRecord::Topic(TopicRecord { name: "t".into(), topic_id: TOPIC }),
        MetadataRecord::Partition(partition),
    ];
    let mut delta = MetadataDelta::new(MetadataImage::empty());
    for record in &records {
        delta.replay(record).expect("the records fit");
    }
    delta.into_image(Provenance { offset: 5, epoch: 1, timestamp_ms: 0 })
}

#[test]
fn only_replicas_that_can_be_reached_and_have_their_directory_are_online() {
    let image = image(1);
    let partition = image.topics().by_id(TOPIC).and_then(|topic| topic.partition(0)).expect("it exists");
    let view = ListenerView::new(&image, "PLAINTEXT");
    assert_eq!(view.offline_replicas(partition), [2, 3, 4, 5]);
    assert_eq!(ListenerView::new(&image, "INTERNAL").offline_replicas(partition), [1, 2, 4, 5]);
    let alive: Vec<i32> = (1..=5).filter(|id| view.is_alive(*id)).collect();
    assert_eq!(alive, [1, 5]);
}

#[test]
fn a_leader_must_be_registered_and_have_the_listener() {
    let leader = |leader: i32, listener: &str| {
        let image = image(leader);
        let partition = image.topics().by_id(TOPIC).and_then(|topic| topic.partition(0)).cloned();
        ListenerView::new(&image, listener).leader(&partition.expect("it exists"))
    };
    assert_eq!(leader(1, "PLAINTEXT"), Ok(1));
    assert_eq!(leader(2, "PLAINTEXT"), Ok(2));
    assert_eq!(leader(3, "PLAINTEXT"), Err(Unreachable::NoListener));
    assert_eq!(leader(4, "PLAINTEXT"), Err(Unreachable::NoLeader));
    assert_eq!(leader(NO_LEADER, "PLAINTEXT"), Err(Unreachable::NoLeader));
}
