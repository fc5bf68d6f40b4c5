//! What a topic is created with when a client's question or a coordinator creates it. Never when that happens.

use config::{BrokerConfig, StateTopicConfig};
use protocol::create_topics_request::{CreatableTopic, CreatableTopicConfig};

/// "The default" for partitions and replication factor.
const DEFAULT_COUNT: i16 = -1;

/// A topic of this name: the coordinators' topics have settings of their own, all others the broker's defaults.
pub(super) fn on_demand(config: &BrokerConfig, name: String) -> CreatableTopic<'static> {
    let topic = match name.as_str() {
        "__consumer_offsets" => offsets_topic(config),
        "__transaction_state" => {
            let topic = &config.transaction.state_topic;
            let mut configs = configs_of(topic, "compact", "uncompressed");
            configs.push(entry("unclean.leader.election.enable", "false"));
            state_topic(topic, configs)
        }
        "__share_group_state" => {
            let topic = &config.share_state_topic;
            let mut configs = configs_of(topic, "delete", "producer");
            configs.push(entry("retention.ms", "-1"));
            state_topic(topic, configs)
        }
        _ => CreatableTopic {
            num_partitions: i32::from(DEFAULT_COUNT),
            replication_factor: DEFAULT_COUNT,
            ..CreatableTopic::default()
        },
    };
    CreatableTopic { name: name.into(), ..topic }
}

fn offsets_topic(config: &BrokerConfig) -> CreatableTopic<'static> {
    let group = &config.group;
    CreatableTopic {
        num_partitions: group.offsets_topic_num_partitions,
        replication_factor: group.offsets_topic_replication_factor,
        configs: vec![
            entry("cleanup.policy", "compact"),
            entry("compression.type", "producer"),
            entry("segment.bytes", group.offsets_topic_segment_bytes),
        ],
        ..CreatableTopic::default()
    }
}

fn state_topic(
    topic: &StateTopicConfig,
    configs: Vec<CreatableTopicConfig<'static>>,
) -> CreatableTopic<'static> {
    CreatableTopic {
        num_partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        configs,
        ..CreatableTopic::default()
    }
}

fn configs_of(
    topic: &StateTopicConfig,
    cleanup_policy: &str,
    compression_type: &str,
) -> Vec<CreatableTopicConfig<'static>> {
    vec![
        entry("cleanup.policy", cleanup_policy),
        entry("compression.type", compression_type),
        entry("segment.bytes", topic.segment_bytes),
        entry("min.insync.replicas", topic.min_insync_replicas),
    ]
}

fn entry(name: &'static str, value: impl ToString) -> CreatableTopicConfig<'static> {
    CreatableTopicConfig { name: name.into(), value: Some(value.to_string().into()) }
}
