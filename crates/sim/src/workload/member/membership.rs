//! Owns joining the classic group: ids, subscription, the leader's assignment. It neither reads nor commits.

use std::collections::BTreeMap;

use protocol::consumer_protocol_assignment::TopicPartition;
use protocol::join_group_request::JoinGroupRequestProtocol;
use protocol::sync_group_request::SyncGroupRequestAssignment;
use protocol::{
    ApiKey, ConsumerProtocolAssignment, ConsumerProtocolSubscription, ErrorCode, JoinGroupRequest,
    JoinGroupResponse, SyncGroupRequest, from_slice, to_vec,
};

use super::super::session::GROUP;
use super::{Interrupt, Member, SESSION_TIMEOUT_MS};
use crate::wire::Wire;

const PROTOCOL_TYPE: &str = "consumer";

/// Version of the subscription and assignment blobs, which precedes them.
const BLOB_VERSION: i16 = 0;

/// What a member owns in one generation.
pub(super) struct Membership {
    pub(super) generation: i32,
    pub(super) partitions: Vec<i32>,
}

impl Member {
    /// Joins the group and gets its assignment.
    pub(super) async fn join(&mut self, wire: &mut Wire) -> Result<Membership, Interrupt> {
        let joined = self.send_join(wire).await?;
        let generation = joined.generation_id;
        let mut assignments = Vec::new();
        if joined.leader == joined.member_id {
            assignments = self.assign(&joined);
        }
        let named = wire.version(ApiKey::SyncGroup) >= 5;
        let request = SyncGroupRequest {
            group_id: GROUP.into(),
            generation_id: generation,
            member_id: self.member_id.clone().into(),
            protocol_type: named.then(|| PROTOCOL_TYPE.into()),
            protocol_name: joined.protocol_name.clone().filter(|_| named),
            assignments,
            ..SyncGroupRequest::default()
        };
        let answer = wire.call(&request).await?;
        Interrupt::of(answer.error_code, "SyncGroup")?;
        Ok(Membership { generation, partitions: partitions_of(&answer.assignment) })
    }

    async fn send_join(&mut self, wire: &mut Wire) -> Result<JoinGroupResponse<'static>, Interrupt> {
        let version = wire.version(ApiKey::JoinGroup);
        loop {
            let request = self.join_request(version);
            let answer = wire.call(&request).await?;
            if answer.error_code == ErrorCode::MEMBER_ID_REQUIRED {
                assert!(self.member_id.is_empty() && !answer.member_id.is_empty(), "a new member gets an id");
                self.member_id = answer.member_id.into_owned();
                continue;
            }
            Interrupt::of(answer.error_code, "JoinGroup")?;
            assert!(!answer.member_id.is_empty() && answer.generation_id > 0, "a member is in a generation");
            self.member_id = answer.member_id.clone().into_owned();
            return Ok(answer);
        }
    }

    fn join_request(&self, version: i16) -> JoinGroupRequest<'static> {
        let subscription = ConsumerProtocolSubscription {
            topics: vec![self.session.plan.topic.clone().into()],
            ..ConsumerProtocolSubscription::default()
        };
        let mut metadata = BLOB_VERSION.to_be_bytes().to_vec();
        metadata.extend(to_vec(&subscription, BLOB_VERSION).expect("a subscription can be encoded"));
        let protocol = |name: &'static str| JoinGroupRequestProtocol {
            name: name.into(),
            metadata: metadata.clone().into(),
        };
        JoinGroupRequest {
            group_id: GROUP.into(),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: if version == 0 { -1 } else { 2 * SESSION_TIMEOUT_MS },
            member_id: self.member_id.clone().into(),
            protocol_type: PROTOCOL_TYPE.into(),
            protocols: vec![protocol("range"), protocol("roundrobin")],
            ..JoinGroupRequest::default()
        }
    }

    /// As leader, deals the partitions out, one to each member in turn.
    fn assign(&self, joined: &JoinGroupResponse<'_>) -> Vec<SyncGroupRequestAssignment<'static>> {
        let mut shares: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for member in &joined.members {
            let metadata = member.metadata.get(2..).expect("a subscription begins with its version");
            let subscription: ConsumerProtocolSubscription<'_> =
                from_slice(metadata, BLOB_VERSION).expect("members' subscriptions are passed on unchanged");
            assert_eq!(subscription.topics, [self.session.plan.topic.as_str()]);
            shares.insert(&member.member_id, Vec::new());
        }
        assert!(shares.contains_key(self.member_id.as_str()), "the leader is one of the members");
        let members: Vec<&str> = shares.keys().copied().collect();
        for (partition, member) in self.session.partitions().zip(members.iter().cycle()) {
            shares.entry(member).or_default().push(partition);
        }
        let assignment = |(member, partitions): (&str, Vec<i32>)| SyncGroupRequestAssignment {
            member_id: member.to_owned().into(),
            assignment: self.blob(partitions).into(),
        };
        shares.into_iter().map(assignment).collect()
    }

    fn blob(&self, partitions: Vec<i32>) -> Vec<u8> {
        let topic = self.session.plan.topic.clone().into();
        let assignment = ConsumerProtocolAssignment {
            assigned_partitions: vec![TopicPartition { topic, partitions }],
            ..ConsumerProtocolAssignment::default()
        };
        let mut blob = BLOB_VERSION.to_be_bytes().to_vec();
        blob.extend(to_vec(&assignment, BLOB_VERSION).expect("an assignment can be encoded"));
        blob
    }
}

fn partitions_of(blob: &[u8]) -> Vec<i32> {
    // A member that joined while the leader's assignment was made gets nothing.
    let Some(body) = blob.get(2..) else { return Vec::new() };
    let assignment: ConsumerProtocolAssignment<'_> =
        from_slice(body, BLOB_VERSION).expect("the leader's assignment is passed on unchanged");
    let mut partitions: Vec<_> =
        assignment.assigned_partitions.iter().flat_map(|topic| topic.partitions.iter().copied()).collect();
    partitions.sort_unstable();
    partitions
}
