//! What happened, in words.

use std::collections::BTreeMap;

use coordinator::LogRecord;
use protocol::describe_groups_response::DescribedGroup;
use protocol::list_groups_response::ListedGroup;
use protocol::{
    ConsumerProtocolSubscription, JoinGroupResponse, LeaveGroupResponse, Message, OffsetCommitResponse,
    Reader,
};

use super::requests;
use crate::Response;
use crate::offsets::CommittedOffset;
use crate::record::GroupRecord;

pub(super) fn response(response: &Response) -> String {
    match response {
        Response::JoinGroup(response) => join(response),
        Response::SyncGroup(response) => format!(
            "SyncGroup {} type={} protocol={} assignment={}",
            response.error_code,
            option(response.protocol_type.as_deref()),
            option(response.protocol_name.as_deref()),
            blob(&response.assignment)
        ),
        Response::Heartbeat(response) => format!("Heartbeat {}", response.error_code),
        Response::LeaveGroup(response) => leave(response),
        Response::OffsetCommit(response) => offset_commit(response),
        Response::OffsetFetch(response) => {
            let partitions = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let mut text = format!(
                        " {}:{}={}",
                        topic.name, partition.partition_index, partition.committed_offset
                    );
                    if partition.committed_leader_epoch != -1 {
                        text += &format!("@{}", partition.committed_leader_epoch);
                    }
                    if let Some(metadata) = partition.metadata.as_deref().filter(|text| !text.is_empty()) {
                        text += &format!("({metadata})");
                    }
                    text
                })
            });
            format!("OffsetFetch {}{}", response.error_code, partitions.collect::<String>())
        }
        Response::OffsetDelete(response) => {
            let partitions = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    format!(" {}:{}={}", topic.name, partition.partition_index, partition.error_code)
                })
            });
            format!("OffsetDelete {}{}", response.error_code, partitions.collect::<String>())
        }
        Response::DeleteGroups(results) => {
            format!("DeleteGroups {}", results.iter().map(requests::deleted).collect::<Vec<_>>().join(" "))
        }
    }
}

fn join(response: &JoinGroupResponse<'_>) -> String {
    let mut text = format!("JoinGroup {} member={}", response.error_code, response.member_id);
    if response.generation_id == -1 {
        return text;
    }
    text += &format!(
        " gen={} type={} protocol={} leader={}",
        response.generation_id,
        option(response.protocol_type.as_deref()),
        option(response.protocol_name.as_deref()),
        response.leader
    );
    if response.skip_assignment {
        text += " skip-assignment";
    }
    for member in &response.members {
        text += &format!(" {}", member.member_id);
        if let Some(instance_id) = &member.group_instance_id {
            text += &format!("@{instance_id}");
        }
        text += &format!(":{}", blob(&member.metadata));
    }
    text
}

fn leave(response: &LeaveGroupResponse<'_>) -> String {
    let members = response.members.iter().map(|member| {
        let instance = member.group_instance_id.as_ref().map_or(String::new(), |id| format!("@{id}"));
        format!(" {}{instance}={}", member.member_id, member.error_code)
    });
    format!("LeaveGroup {}{}", response.error_code, members.collect::<String>())
}

fn offset_commit(response: &OffsetCommitResponse<'_>) -> String {
    let partitions = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| {
            format!(" {}:{}={}", topic.name, partition.partition_index, partition.error_code)
        })
    });
    format!("OffsetCommit{}", partitions.collect::<String>())
}

pub(super) fn described(group: &DescribedGroup<'_>) -> String {
    let mut text = format!(
        "{}: {} state={} type={} protocol={}",
        group.group_id, group.error_code, group.group_state, group.protocol_type, group.protocol_data
    );
    if let Some(message) = &group.error_message {
        text += &format!(" \"{message}\"");
    }
    for member in &group.members {
        text += &format!(" {}", member.member_id);
        if let Some(instance_id) = &member.group_instance_id {
            text += &format!("@{instance_id}");
        }
        text += &format!(
            "(client={} host={} metadata={} assignment={})",
            member.client_id,
            member.client_host,
            blob(&member.member_metadata),
            blob(&member.member_assignment)
        );
    }
    text
}

pub(super) fn listed(group: &ListedGroup<'_>) -> String {
    format!("{} {} type={} kind={}", group.group_id, group.group_state, group.protocol_type, group.group_type)
}

/// The last record of each key, as compaction would leave them.
pub(super) fn compacted(log: &[LogRecord]) -> Vec<String> {
    let mut last = BTreeMap::new();
    for entry in log {
        last.insert(&entry.key, entry);
    }
    last.values().map(|entry| record(entry)).collect()
}

pub(super) fn record(record: &LogRecord) -> String {
    let version = record.value.as_ref().map(|value| i16::from_be_bytes([value[0], value[1]]));
    let version = version.map_or("tombstone".to_owned(), |version| format!("v{version}"));
    match GroupRecord::decode(&record.key, record.value.as_deref()).unwrap().unwrap() {
        GroupRecord::Offset { group, topic, partition, value } => {
            let mut text = format!("offset {group} {topic}:{partition} {version}");
            if let Some(value) = value {
                text += &offset(&value);
            }
            text
        }
        GroupRecord::Group { group, value } => {
            let mut text = format!("group {group} {version}");
            let Some(value) = value else { return text };
            text += &format!(
                " gen={} type={} protocol={} leader={} since={}",
                value.generation,
                value.protocol_type,
                option(value.protocol.as_deref()),
                option(value.leader.as_deref()),
                value.current_state_timestamp
            );
            for member in &value.members {
                text += &format!(" {}", member.member_id);
                if let Some(instance_id) = &member.group_instance_id {
                    text += &format!("@{instance_id}");
                }
                text += &format!(":{}={}", blob(&member.subscription), blob(&member.assignment));
            }
            text
        }
    }
}

fn offset(value: &CommittedOffset) -> String {
    let mut text = format!(" {} at={}", value.offset, value.commit_timestamp_ms);
    if value.leader_epoch != -1 {
        text += &format!(" epoch={}", value.leader_epoch);
    }
    if !value.metadata.is_empty() {
        text += &format!(" metadata={}", value.metadata);
    }
    if let Some(expire_ms) = value.expire_timestamp_ms {
        text += &format!(" expires={expire_ms}");
    }
    if !value.topic_id.is_zero() {
        text += &format!(" id={}", value.topic_id.0[0]);
    }
    text
}

fn option(text: Option<&str>) -> &str {
    text.unwrap_or("null")
}

fn blob(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    if let Some(subscription) = bytes.strip_prefix(&[0, 1]) {
        let subscription = ConsumerProtocolSubscription::decode(&mut Reader::new(subscription), 0).unwrap();
        return format!("[{}]", subscription.topics.join("+"));
    }
    String::from_utf8_lossy(bytes).into_owned()
}
