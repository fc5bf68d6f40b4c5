//! From a frame to its handler and back: the one place where API keys are told apart.

use std::borrow::Cow;
use std::fmt::Display;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;

use network::{Admission, ConnectionInfo, FilePart, Outcome, Reply, RequestHandler};
use protocol::{
    ApiKey, DecodeError, FetchRequest, Gap, Message, ProduceRequest, Reader, Response, decode_request_header,
};
use storage::FetchSlice;

use crate::api_versions::served;
use crate::context::{ANONYMOUS, RequestContext};
use crate::handlers;
use crate::handlers::fetch::FetchAnswer;
use crate::node::Node;
use crate::quotas::{QuotaKind, millis};
use crate::stopwatch::Stopwatch;

/// A request that passed the gate: known key, served version, whole header.
struct Call<'a> {
    key: ApiKey,
    api_version: i16,
    correlation_id: i32,
    /// As the frame has it, or with replacement characters where it is not UTF-8, as Java reads it.
    client_id: Cow<'a, str>,
    connection: &'a ConnectionInfo,
    /// Bytes of the frame without its length.
    frame_bytes: usize,
    body: &'a [u8],
    stopwatch: &'a Stopwatch,
}

impl<'a> Call<'a> {
    fn ctx(&self) -> RequestContext<'_> {
        RequestContext {
            api_version: self.api_version,
            client_id: &self.client_id,
            connection_id: self.connection.id,
            user: ANONYMOUS,
            listener_name: &self.connection.listener_name,
            local_addr: self.connection.local_addr,
            peer_addr: self.connection.peer_addr,
        }
    }

    /// A body that does not parse ends the connection, as in Kafka: no error code could be told apart from it.
    fn undecodable(&self, error: impl Display) -> Outcome {
        let (key, version) = (self.key.name(), self.api_version);
        Outcome::Close(format!("a {key} request of version {version} is malformed: {error}"))
    }

    /// Reads the body. Bytes behind it are passed over, as Kafka does: librdkafka 2.16 sends three too many with a
    /// Metadata request of version 13.
    fn decode<M: Message<'a>>(&self) -> Result<M, DecodeError> {
        M::decode(&mut Reader::new(self.body), self.api_version)
    }

    /// Writes a response that says how long the client is held off: for what the handler has put there, or for the
    /// time the request took of a thread.
    fn respond<'b, R: Response<'b>>(&self, node: &Node, mut response: R, reply: &mut Reply) -> Outcome {
        let spent = self.stopwatch.spent();
        let mut throttle_ms = node.quotas.record_request(&self.ctx(), spent);
        if let Some(told_ms) = response.throttle_time_ms() {
            throttle_ms = throttle_ms.max(*told_ms);
            *told_ms = throttle_ms;
        }
        let outcome = self.respond_at(self.api_version, &response, reply, &mut Vec::new());
        node.quotas.note_request(&self.ctx(), self.stopwatch.spent().saturating_sub(spent));
        held_off(outcome, throttle_ms)
    }

    fn respond_at<'b, M: Message<'b>>(
        &self,
        version: i16,
        response: &M,
        reply: &mut Reply,
        gaps: &mut Vec<Gap>,
    ) -> Outcome {
        if encode(self.key, version, self.correlation_id, response, reply, gaps) {
            Outcome::Answered
        } else {
            Outcome::Close("the response could not be written; this is a fault of the broker".into())
        }
    }
}

/// An answer after which the client is held off for so long.
fn held_off(outcome: Outcome, throttle_ms: i32) -> Outcome {
    match outcome {
        Outcome::Answered | Outcome::Silent if throttle_ms > 0 => Outcome::Throttled(millis(throttle_ms)),
        outcome => outcome,
    }
}

/// Writes a response frame; says whether that could be done.
fn encode<'b, M: Message<'b>>(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &M,
    reply: &mut Reply,
    gaps: &mut Vec<Gap>,
) -> bool {
    let encoded =
        protocol::encode_response_into(key, version, correlation_id, response, &mut reply.bytes, gaps);
    if let Err(error) = &encoded {
        tracing::error!(api = key.name(), version, %error, "a response could not be written");
    }
    encoded.is_ok()
}

impl RequestHandler for Node {
    async fn handle<'a>(
        &'a self,
        connection: &'a ConnectionInfo,
        frame: &'a [u8],
        reply: &'a mut Reply,
    ) -> Outcome {
        let stopwatch = if self.quotas.has(QuotaKind::Request) { Stopwatch::on() } else { Stopwatch::off() };
        let call = match admit(connection, frame, &stopwatch) {
            Ok(call) => call,
            Err(Refusal::Close(reason)) => return Outcome::Close(reason),
            Err(Refusal::UnknownApiVersions(call)) => {
                let response = handlers::api_versions::unsupported();
                return call.respond_at(0, &response, reply, &mut Vec::new());
            }
        };
        match call.key {
            ApiKey::Produce => stopwatch.run(pin!(produce(self, &call, reply))).await,
            ApiKey::Fetch => stopwatch.run(pin!(fetch(self, &call, reply))).await,
            // Boxed, so that a connection's task does not reserve room for the largest of all handlers.
            _ => stopwatch.run(Box::pin(other(self, &call, reply)).as_mut()).await,
        }
    }

    fn admit<'a>(
        &'a self,
        listener_name: &'a str,
        peer: IpAddr,
    ) -> impl Future<Output = Admission> + Send + 'a {
        // Clients must not keep the brokers from reaching each other.
        let is_exempt =
            self.config.listeners.len() > 1 && listener_name == self.config.inter_broker_listener_name;
        self.quotas.admit(is_exempt, peer)
    }

    /// Batches of one connection are appended in order while those before them are on their way to the disk.
    fn overlaps(&self, frame: &[u8]) -> bool {
        frame.first_chunk() == Some(&(ApiKey::Produce as i16).to_be_bytes())
    }

    fn closed(&self, connection: &ConnectionInfo) {
        self.client_telemetry.connection_closed(connection.id);
    }
}

/// Why a frame does not reach a handler.
enum Refusal<'a> {
    Close(String),
    /// Boxed for being rare and large.
    UnknownApiVersions(Box<Call<'a>>),
}

fn admit<'a>(
    connection: &'a ConnectionInfo,
    frame: &'a [u8],
    stopwatch: &'a Stopwatch,
) -> Result<Call<'a>, Refusal<'a>> {
    let short = || Refusal::Close("a frame is too short for a request header".into());
    let number =
        |at: usize| frame.get(at..at + 2).map(|b| i16::from_be_bytes([b[0], b[1]])).ok_or_else(short);
    let (raw_key, api_version) = (number(0)?, number(2)?);
    let known = ApiKey::from_i16(raw_key).and_then(served);
    let Some(served) = known else {
        return Err(Refusal::Close(format!("API key {raw_key} is not served here")));
    };
    let key = served.key;
    let is_served = (served.min..=served.max).contains(&api_version);
    if !is_served && key != ApiKey::ApiVersions {
        let name = key.name();
        let (min, max) = (served.min, served.max);
        return Err(Refusal::Close(format!(
            "{name} version {api_version} is not served; {min} to {max} are"
        )));
    }
    let (header, body) = decode_request_header(frame)
        .map_err(|error| Refusal::Close(format!("a request header is malformed: {error}")))?;
    let correlation_id = header.correlation_id;
    let client_id = header.client_id.unwrap_or_default();
    let frame_bytes = frame.len();
    let call = Call { key, api_version, correlation_id, client_id, connection, frame_bytes, body, stopwatch };
    if is_served { Ok(call) } else { Err(Refusal::UnknownApiVersions(Box::new(call))) }
}

async fn produce(node: &Node, call: &Call<'_>, reply: &mut Reply) -> Outcome {
    let request: ProduceRequest<'_> = match call.decode() {
        Ok(request) => request,
        Err(error) => return call.undecodable(error),
    };
    let (mut response, parked) = handlers::produce::handle(node, &call.ctx(), &request).await;
    let throttle_ms = node.quotas.record_produce(&call.ctx(), call.frame_bytes);
    if let Some(parked) = parked {
        response.throttle_time_ms = throttle_ms;
        let response = response.into_owned();
        if node.quotas.throttles_requests() {
            let response = parked.wait(response).await;
            return call.respond(node, response, reply);
        }
        let (key, version, correlation_id) = (call.key, call.api_version, call.correlation_id);
        return Outcome::Later(Box::pin(async move {
            let response = parked.wait(response).await;
            let mut reply = Reply::default();
            encode(key, version, correlation_id, &response, &mut reply, &mut Vec::new());
            reply
        }));
    }
    if request.acks != 0 {
        response.throttle_time_ms = throttle_ms;
        return call.respond(node, response, reply);
    }
    if handlers::produce::has_error(&response) {
        return Outcome::Close(
            "a produce request with acks=0 failed; closing is how the client learns of it".into(),
        );
    }
    held_off(Outcome::Silent, throttle_ms)
}

async fn fetch(node: &Node, call: &Call<'_>, reply: &mut Reply) -> Outcome {
    let request: FetchRequest<'_> = match call.decode() {
        Ok(request) => request,
        Err(error) => return call.undecodable(error),
    };
    let mut answer = handlers::fetch::handle(node, &call.ctx(), &request).await;
    let throttle_ms =
        if node.quotas.throttles_requests() { throttle_fetch(node, call, &mut answer) } else { 0 };
    let mut gaps = Vec::new();
    let outcome = call.respond_at(call.api_version, &answer.response, reply, &mut gaps);
    reply.files.extend(gaps.iter().map(|gap| file_part(gap, &answer.slices)));
    held_off(outcome, throttle_ms)
}

/// A client that has had more than its share gets an empty answer, and its bytes with the next one.
fn throttle_fetch(node: &Node, call: &Call<'_>, answer: &mut FetchAnswer) -> i32 {
    let request_ms = node.quotas.record_request(&call.ctx(), call.stopwatch.spent());
    let bytes = answer.size_bytes(call.api_version);
    let fetch_ms = node.quotas.record_fetch(&call.ctx(), bytes);
    let throttle_ms = request_ms.max(fetch_ms);
    if throttle_ms > 0 {
        node.quotas.unrecord_fetch(&call.ctx(), bytes);
        handlers::fetch::empty(node, answer);
        answer.response.throttle_time_ms = throttle_ms;
    }
    throttle_ms
}

fn file_part(gap: &Gap, slices: &[FetchSlice]) -> FilePart {
    let slice = &slices[gap.token as usize];
    FilePart { at: gap.position, file: slice.file.clone(), position: slice.position, len: slice.len as u64 }
}

/// Decodes, handles and answers by API key; the handler's module has the API's name. With `if CHECK`, a request that the
/// module's function of this name refuses is one that does not parse.
macro_rules! route {
    ($node:ident, $call:ident, $reply:ident, $($key:ident => $module:ident $(if $check:ident)?),* $(,)?) => {
        match $call.key {
            $(ApiKey::$key => match $call.decode() {
                Ok(request) => {
                    $(if let Err(error) = handlers::$module::$check(&request) {
                        return $call.undecodable(error);
                    })?
                    let response = handlers::$module::handle($node, &$call.ctx(), request).await;
                    $call.respond($node, response, $reply)
                }
                Err(error) => $call.undecodable(error),
            },)*
            _ => Outcome::Close(format!("{} is not served here", $call.key.name())),
        }
    };
}

async fn other(node: &Node, call: &Call<'_>, reply: &mut Reply) -> Outcome {
    route!(node, call, reply,
        ApiVersions => api_versions,
        Metadata => metadata,
        ListOffsets => list_offsets,
        OffsetForLeaderEpoch => offset_for_leader_epoch,
        FindCoordinator => find_coordinator,
        JoinGroup => join_group,
        SyncGroup => sync_group,
        Heartbeat => heartbeat,
        LeaveGroup => leave_group,
        OffsetCommit => offset_commit,
        OffsetFetch => offset_fetch,
        OffsetDelete => offset_delete,
        DescribeGroups => describe_groups,
        ListGroups => list_groups,
        DeleteGroups => delete_groups,
        InitProducerId => init_producer_id,
        CreateTopics => create_topics,
        DeleteTopics => delete_topics,
        CreatePartitions => create_partitions,
        DeleteRecords => delete_records,
        ElectLeaders => elect_leaders,
        AlterPartitionReassignments => alter_partition_reassignments,
        ListPartitionReassignments => list_partition_reassignments,
        DescribeConfigs => describe_configs,
        AlterConfigs => alter_configs,
        IncrementalAlterConfigs => incremental_alter_configs,
        ListConfigResources => list_config_resources,
        AlterReplicaLogDirs => alter_replica_log_dirs,
        DescribeLogDirs => describe_log_dirs,
        DescribeCluster => describe_cluster,
        UpdateFeatures => update_features,
        UnregisterBroker => unregister_broker,
        UnregisterController => unregister_controller,
        AddRaftVoter => add_raft_voter,
        RemoveRaftVoter => remove_raft_voter,
        DescribeQuorum => describe_quorum,
        DescribeProducers => describe_producers,
        DescribeTopicPartitions => describe_topic_partitions,
        GetTelemetrySubscriptions => get_telemetry_subscriptions,
        PushTelemetry => push_telemetry,
        DescribeClientQuotas => describe_client_quotas,
        AlterClientQuotas => alter_client_quotas,
        DescribeAcls => describe_acls if parsed,
        CreateAcls => create_acls if parsed,
        DeleteAcls => delete_acls if parsed,
        DescribeUserScramCredentials => describe_user_scram_credentials,
        AlterUserScramCredentials => alter_user_scram_credentials,
    )
}
