//! Metadata (key 3): brokers, topics and their leaders, as clients find their way by.

use std::borrow::Cow;
use std::collections::BTreeSet;

use metadata::{MetadataImage, PartitionRegistration, TopicImage};
use protocol::metadata_request::MetadataRequestTopic;
use protocol::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use protocol::{ErrorCode, MetadataRequest, MetadataResponse, Uuid};

use crate::authorized_operations::{CLUSTER_OPERATIONS, TOPIC_OPERATIONS};
use crate::context::RequestContext;
use crate::listener_view::{ListenerView, NO_LEADER, Unreachable};
use crate::mutation_ticket::MutationTicket;
use crate::node::Node;
use crate::topic_names::{is_internal, is_valid_topic_name};

/// First version in which topics may be named by id.
const TOPIC_ID_VERSION_MIN: i16 = 12;
/// First version in which an empty list means none.
const EMPTY_IS_NONE_VERSION_MIN: i16 = 1;
/// Last version that hides replicas which cannot be reached, and says so with an error.
const FILTERING_VERSION_MAX: i16 = 0;
/// First version whose readers know LISTENER_NOT_FOUND.
const LISTENER_NOT_FOUND_VERSION_MIN: i16 = 6;

type Topic = MetadataResponseTopic<'static>;

/// Answers from the current image; creates missing topics if both sides allow it.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: MetadataRequest<'_>,
) -> MetadataResponse<'static> {
    let image = node.image.load_full();
    let view = View {
        image: &image,
        brokers: ListenerView::new(&image, ctx.listener_name),
        api_version: ctx.api_version,
        with_operations: request.include_topic_authorized_operations,
    };
    let topics = match request.topics.as_deref() {
        None => view.all_topics(),
        Some([]) if ctx.api_version < EMPTY_IS_NONE_VERSION_MIN => view.all_topics(),
        Some(asked) => match naming(asked, ctx.api_version) {
            Err(error_code) => return refuse(asked, error_code),
            Ok(Naming::Ids(ids)) => view.topics_by_id(&ids),
            Ok(Naming::Names(names)) => {
                let (topics, missing) = view.topics_by_name(&names);
                if request.allow_auto_topic_creation && node.config.auto_create_topics_enable {
                    // The answer stays "unknown", as Kafka's does; the client's next look finds the topic. It is made in
                    // the client's name by a request of the newest version, so that its quota may refuse it.
                    node.auto_create_topics(missing, MutationTicket::of(node, ctx, i16::MIN)).await;
                }
                topics
            }
        },
    };
    let mut response = MetadataResponse {
        brokers: brokers(node, ctx, &image),
        cluster_id: Some(Cow::Owned(node.cluster_id.to_string())),
        controller_id: node.some_alive_broker(&image).unwrap_or(-1),
        topics,
        ..MetadataResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

/// How a request names its topics, each once.
enum Naming<'a> {
    Names(Vec<&'a str>),
    /// Names beside ids are passed over.
    Ids(BTreeSet<Uuid>),
}

fn naming<'a>(asked: &'a [MetadataRequestTopic<'_>], api_version: i16) -> Result<Naming<'a>, ErrorCode> {
    let is_by_id = |topic: &MetadataRequestTopic<'_>| topic.name.is_none() || !topic.topic_id.is_zero();
    if api_version < TOPIC_ID_VERSION_MIN && asked.iter().any(is_by_id) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let ids: BTreeSet<Uuid> = asked.iter().map(|topic| topic.topic_id).filter(|id| !id.is_zero()).collect();
    if !ids.is_empty() {
        return Ok(Naming::Ids(ids));
    }
    let mut seen = BTreeSet::new();
    let names: Option<Vec<&str>> = asked.iter().map(|topic| topic.name.as_deref()).collect();
    // A topic with neither name nor id: the code is Kafka's.
    let names = names.ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
    Ok(Naming::Names(names.into_iter().filter(|name| seen.insert(*name)).collect()))
}

/// The answer to a request that cannot be understood: no brokers, and the error at each topic.
fn refuse(asked: &[MetadataRequestTopic<'_>], error_code: ErrorCode) -> MetadataResponse<'static> {
    let topics = asked.iter().map(|topic| MetadataResponseTopic {
        error_code,
        name: Some(Cow::Owned(topic.name.as_deref().unwrap_or_default().to_owned())),
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    });
    MetadataResponse { topics: topics.collect(), error_code, ..MetadataResponse::default() }
}

fn brokers(
    node: &Node,
    ctx: &RequestContext<'_>,
    image: &MetadataImage,
) -> Vec<MetadataResponseBroker<'static>> {
    let alive = image.cluster().brokers().filter(|broker| !broker.fenced);
    alive
        .filter_map(|broker| {
            let (host, port) = node.reachable_endpoint(ctx, broker)?;
            Some(MetadataResponseBroker {
                node_id: broker.id,
                host: Cow::Owned(host),
                port,
                rack: broker.rack.clone().map(Cow::Owned),
            })
        })
        .collect()
}

/// The metadata in the form one request wants it.
struct View<'a> {
    image: &'a MetadataImage,
    brokers: ListenerView<'a>,
    api_version: i16,
    with_operations: bool,
}

impl View<'_> {
    fn all_topics(&self) -> Vec<Topic> {
        self.image.topics().iter().map(|topic| self.topic(topic)).collect()
    }

    fn topics_by_id(&self, ids: &BTreeSet<Uuid>) -> Vec<Topic> {
        let topics = self.image.topics();
        let unknown = |id: &Uuid| MetadataResponseTopic {
            error_code: ErrorCode::UNKNOWN_TOPIC_ID,
            name: None,
            topic_id: *id,
            ..MetadataResponseTopic::default()
        };
        let missing = ids.iter().filter(|id| topics.by_id(**id).is_none()).map(unknown);
        missing.chain(ids.iter().filter_map(|id| topics.by_id(*id)).map(|topic| self.topic(topic))).collect()
    }

    /// Topics that exist, then those that do not; and the names of these that could be created.
    fn topics_by_name(&self, names: &[&str]) -> (Vec<Topic>, Vec<String>) {
        let topics = self.image.topics();
        let mut found: Vec<Topic> = Vec::with_capacity(names.len());
        let mut missing = Vec::new();
        let mut unknown = Vec::new();
        for name in names {
            match topics.by_name(name) {
                Some(topic) => found.push(self.topic(topic)),
                None if is_valid_topic_name(name) => {
                    missing.push((*name).to_owned());
                    unknown.push(self.unknown(name, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
                }
                None => unknown.push(self.unknown(name, ErrorCode::INVALID_TOPIC_EXCEPTION)),
            }
        }
        found.extend(unknown);
        (found, missing)
    }

    fn unknown(&self, name: &str, error_code: ErrorCode) -> Topic {
        MetadataResponseTopic {
            error_code,
            name: Some(Cow::Owned(name.to_owned())),
            is_internal: is_internal(name),
            topic_authorized_operations: self.operations(),
            ..MetadataResponseTopic::default()
        }
    }

    fn topic(&self, topic: &TopicImage) -> Topic {
        let partitions = topic.partitions().map(|(index, partition)| self.partition(index, partition));
        MetadataResponseTopic {
            name: Some(Cow::Owned(topic.name().to_owned())),
            topic_id: topic.id(),
            is_internal: is_internal(topic.name()),
            partitions: partitions.collect(),
            topic_authorized_operations: self.operations(),
            ..MetadataResponseTopic::default()
        }
    }

    fn partition(
        &self,
        partition_index: i32,
        partition: &PartitionRegistration,
    ) -> MetadataResponsePartition {
        let replica_nodes = self.shown(&partition.replicas);
        let isr_nodes = self.shown(&partition.isr);
        let is_hiding =
            replica_nodes.len() < partition.replicas.len() || isr_nodes.len() < partition.isr.len();
        let leader = self.brokers.leader(partition);
        let error_code = match leader {
            Ok(_) if is_hiding => ErrorCode::REPLICA_NOT_AVAILABLE,
            Ok(_) => ErrorCode::NONE,
            Err(Unreachable::NoListener) if self.api_version >= LISTENER_NOT_FOUND_VERSION_MIN => {
                ErrorCode::LISTENER_NOT_FOUND
            }
            Err(_) => ErrorCode::LEADER_NOT_AVAILABLE,
        };
        MetadataResponsePartition {
            error_code,
            partition_index,
            leader_id: leader.unwrap_or(NO_LEADER),
            leader_epoch: partition.leader_epoch,
            replica_nodes,
            isr_nodes,
            offline_replicas: self.brokers.offline_replicas(partition),
        }
    }

    fn shown(&self, brokers: &[i32]) -> Vec<i32> {
        let is_shown = |id: &i32| self.api_version > FILTERING_VERSION_MAX || self.brokers.is_alive(*id);
        brokers.iter().copied().filter(is_shown).collect()
    }

    fn operations(&self) -> i32 {
        if self.with_operations { TOPIC_OPERATIONS } else { Topic::default().topic_authorized_operations }
    }
}
