//! The way of produce requests to one broker.
//!
//! Owns putting batches into requests and getting them onto the connection in order. It never judges an answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use protocol::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::{ApiKey, ProduceRequest, Records, Uuid};
use records::Compression;
use tokio::sync::mpsc;

use super::accumulator::Taken;
use super::sender::Event;
use crate::cluster::{Cluster, Lane};
use crate::config::Acks;
use crate::connection::{Frame, Pending, Response};
use crate::error::ClientError;

/// Batches for one broker with their bytes.
#[derive(Debug)]
pub(super) struct Prepared {
    pub taken: Vec<Taken>,
    pub bytes: Vec<Bytes>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Produced {
    pub node: i32,
    pub taken: Vec<Taken>,
    /// The answer; `None` with `acks=0` when the request was written.
    pub result: Result<Option<Response>, ClientError>,
}

/// Sends what comes through `queue` to a broker until the queue ends.
pub(super) async fn run(
    cluster: Arc<Cluster>,
    node: i32,
    mut queue: mpsc::Receiver<Prepared>,
    events: mpsc::UnboundedSender<Event>,
) {
    while let Some(Prepared { taken, bytes }) = queue.recv().await {
        let sent = send(&cluster, node, &taken, &bytes).await;
        drop(bytes);
        let events = events.clone();
        let answered = cluster.config.acks != Acks::None;
        // The answer is awaited elsewhere, so that the next request can follow at once.
        tokio::spawn(async move {
            let result = match sent {
                Ok(pending) => pending.response().await.map(|response| answered.then_some(response)),
                Err(error) => Err(error),
            };
            // A producer that is gone does not care.
            let _ = events.send(Event::Produced(Produced { node, taken, result }));
        });
    }
}

async fn send(
    cluster: &Cluster,
    node: i32,
    taken: &[Taken],
    bytes: &[Bytes],
) -> Result<Pending, ClientError> {
    let connection = cluster.node(node, Lane::Prompt).await?;
    let config = &cluster.config;
    let min = if config.compression == Compression::Zstd { 7 } else { 3 };
    // Version 13 names topics by id only.
    let max =
        if taken.iter().all(|taken| !taken.topic_id.is_zero()) { ApiKey::Produce.max_version() } else { 12 };
    let version = connection.versions().pick(ApiKey::Produce, min, max)?;
    let mut topics: BTreeMap<(&str, Uuid), Vec<PartitionProduceData<'_>>> = BTreeMap::new();
    for (token, (taken, bytes)) in taken.iter().zip(bytes).enumerate() {
        let data = PartitionProduceData {
            index: taken.partition,
            records: Records::External { len: bytes.len() as u32, token: token as u32 },
        };
        topics.entry((&taken.topic, taken.topic_id)).or_default().push(data);
    }
    let timeout_ms = i32::try_from(config.request_timeout.as_millis()).unwrap_or(i32::MAX);
    let request = ProduceRequest {
        acks: config.acks.wire(),
        timeout_ms,
        topic_data: topics
            .into_iter()
            .map(|((name, topic_id), partition_data)| TopicProduceData {
                name: name.into(),
                topic_id,
                partition_data,
            })
            .collect(),
        ..ProduceRequest::default()
    };
    let correlation_id = connection.correlation_id();
    let frame = Frame::encode(correlation_id, connection.client_id(), version, &request, bytes)?;
    let answered = config.acks != Acks::None;
    connection
        .send_frame(ApiKey::Produce, version, correlation_id, frame, answered, config.request_timeout)
        .await
}
