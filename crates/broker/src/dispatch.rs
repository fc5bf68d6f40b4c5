//! From a frame to its handler and back: the one place where API keys are told apart.

use std::fmt::Display;

use network::{ConnectionInfo, FilePart, Outcome, Reply, RequestHandler};
use protocol::{
    ApiKey, DecodeError, FetchRequest, Gap, Message, ProduceRequest, Reader, decode_request_header,
};
use storage::FetchSlice;

use crate::api_versions::served;
use crate::context::RequestContext;
use crate::handlers;
use crate::node::Node;

/// A request that passed the gate: known key, served version, whole header.
struct Call<'a> {
    key: ApiKey,
    correlation_id: i32,
    ctx: RequestContext<'a>,
    body: &'a [u8],
}

impl<'a> Call<'a> {
    /// A body that does not parse ends the connection, as in Kafka: no error code could be told apart from it.
    fn undecodable(&self, error: impl Display) -> Outcome {
        let (key, version) = (self.key.name(), self.ctx.api_version);
        Outcome::Close(format!("a {key} request of version {version} is malformed: {error}"))
    }

    /// Reads the body. Bytes behind it are passed over, as Kafka does: librdkafka 2.16 sends three too many with a
    /// Metadata request of version 13.
    fn decode<M: Message<'a>>(&self) -> Result<M, DecodeError> {
        M::decode(&mut Reader::new(self.body), self.ctx.api_version)
    }

    fn respond<'b, M: Message<'b>>(&self, response: &M, reply: &mut Reply, gaps: &mut Vec<Gap>) -> Outcome {
        self.respond_at(self.ctx.api_version, response, reply, gaps)
    }

    fn respond_at<'b, M: Message<'b>>(
        &self,
        version: i16,
        response: &M,
        reply: &mut Reply,
        gaps: &mut Vec<Gap>,
    ) -> Outcome {
        let encoded = protocol::encode_response_into(
            self.key,
            version,
            self.correlation_id,
            response,
            &mut reply.bytes,
            gaps,
        );
        match encoded {
            Ok(()) => Outcome::Answered,
            Err(error) => {
                tracing::error!(api = self.key.name(), version, %error, "a response could not be written");
                Outcome::Close("the response could not be written; this is a fault of the broker".into())
            }
        }
    }
}

impl RequestHandler for Node {
    async fn handle<'a>(
        &'a self,
        connection: &'a ConnectionInfo,
        frame: &'a [u8],
        reply: &'a mut Reply,
    ) -> Outcome {
        let call = match admit(connection, frame) {
            Ok(call) => call,
            Err(Refusal::Close(reason)) => return Outcome::Close(reason),
            Err(Refusal::UnknownApiVersions(call)) => {
                let response = handlers::api_versions::unsupported();
                return call.respond_at(0, &response, reply, &mut Vec::new());
            }
        };
        match call.key {
            ApiKey::Produce => produce(self, &call, reply).await,
            ApiKey::Fetch => fetch(self, &call, reply).await,
            // Boxed, so that a connection's task does not reserve room for the largest of all handlers.
            _ => Box::pin(other(self, &call, reply)).await,
        }
    }

    fn closed(&self, _connection: &ConnectionInfo) {}
}

/// Why a frame does not reach a handler.
enum Refusal<'a> {
    Close(String),
    /// Boxed for being rare and large.
    UnknownApiVersions(Box<Call<'a>>),
}

fn admit<'a>(connection: &'a ConnectionInfo, frame: &'a [u8]) -> Result<Call<'a>, Refusal<'a>> {
    let short = || Refusal::Close("a frame is too short for a request header".into());
    let number =
        |at: usize| frame.get(at..at + 2).map(|b| i16::from_be_bytes([b[0], b[1]])).ok_or_else(short);
    let (raw_key, api_version) = (number(0)?, number(2)?);
    let known = ApiKey::from_i16(raw_key).and_then(served);
    let Some(served) = known else {
        return Err(Refusal::Close(format!("API key {raw_key} is not served here")));
    };
    let key = served.key;
    let context = |client_id: &'a str| RequestContext {
        api_version,
        client_id,
        listener_name: &connection.listener_name,
        local_addr: connection.local_addr,
        peer_addr: connection.peer_addr,
    };
    if !(served.min..=served.max).contains(&api_version) {
        if key == ApiKey::ApiVersions {
            let id = frame.get(4..8).ok_or_else(short)?;
            let correlation_id = i32::from_be_bytes([id[0], id[1], id[2], id[3]]);
            let call = Call { key, correlation_id, ctx: context(""), body: &[] };
            return Err(Refusal::UnknownApiVersions(Box::new(call)));
        }
        let name = key.name();
        let (min, max) = (served.min, served.max);
        return Err(Refusal::Close(format!(
            "{name} version {api_version} is not served; {min} to {max} are"
        )));
    }
    let (header, body) = decode_request_header(frame)
        .map_err(|error| Refusal::Close(format!("a request header is malformed: {error}")))?;
    let client_id = match header.client_id {
        Some(std::borrow::Cow::Borrowed(id)) => id,
        _ => "",
    };
    Ok(Call { key, correlation_id: header.correlation_id, ctx: context(client_id), body })
}

async fn produce(node: &Node, call: &Call<'_>, reply: &mut Reply) -> Outcome {
    let request: ProduceRequest<'_> = match call.decode() {
        Ok(request) => request,
        Err(error) => return call.undecodable(error),
    };
    let response = handlers::produce::handle(node, &call.ctx, &request).await;
    if request.acks != 0 {
        return call.respond(&response, reply, &mut Vec::new());
    }
    if handlers::produce::has_error(&response) {
        return Outcome::Close(
            "a produce request with acks=0 failed; closing is how the client learns of it".into(),
        );
    }
    Outcome::Silent
}

async fn fetch(node: &Node, call: &Call<'_>, reply: &mut Reply) -> Outcome {
    let request: FetchRequest<'_> = match call.decode() {
        Ok(request) => request,
        Err(error) => return call.undecodable(error),
    };
    let answer = handlers::fetch::handle(node, &call.ctx, &request).await;
    let mut gaps = Vec::new();
    let outcome = call.respond(&answer.response, reply, &mut gaps);
    reply.files.extend(gaps.iter().map(|gap| file_part(gap, &answer.slices)));
    outcome
}

fn file_part(gap: &Gap, slices: &[FetchSlice]) -> FilePart {
    let slice = &slices[gap.token as usize];
    FilePart { at: gap.position, file: slice.file.clone(), position: slice.position, len: slice.len as u64 }
}

/// Decodes, handles and answers by API key; the handler's module has the API's name.
macro_rules! route {
    ($node:ident, $call:ident, $reply:ident, $($key:ident => $module:ident),* $(,)?) => {
        match $call.key {
            $(ApiKey::$key => match $call.decode() {
                Ok(request) => {
                    let response = handlers::$module::handle($node, &$call.ctx, request).await;
                    $call.respond(&response, $reply, &mut Vec::new())
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
        DescribeUserScramCredentials => describe_user_scram_credentials,
        AlterUserScramCredentials => alter_user_scram_credentials,
    )
}
