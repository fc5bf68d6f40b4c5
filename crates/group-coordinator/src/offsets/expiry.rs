//! Which offsets have outlived their retention.

use super::delete::tombstone;
use super::{CommittedOffset, Offsets};
use crate::classic::{ClassicGroup, ClassicGroupState};
use crate::record::GroupRecord;

/// What has expired in one group.
#[derive(Debug)]
pub(crate) struct Expired {
    /// The tombstones.
    pub records: Vec<GroupRecord>,
    /// Whether no offset is left.
    pub all: bool,
}

/// From when on the retention counts.
enum Since {
    /// From when the group lost its last member, or from the commit if that is not known.
    Empty(Option<i64>),
    /// From the commit of the offset.
    Commit,
    /// Nothing expires: the group is in use and nobody can say by which topics.
    Never,
}

/// Finds the expired offsets of `group`. Offsets of topics that members subscribe to never expire.
pub(crate) fn expire(offsets: &Offsets, group: &ClassicGroup, now_ms: i64, retention_ms: i64) -> Expired {
    let since = since(group);
    let mut expired = Expired { records: Vec::new(), all: true };
    for (topic, partitions) in offsets.topics(group.id()) {
        let is_subscribed = group.is_subscribed_to(topic);
        for (partition, offset) in partitions {
            if !is_subscribed && is_expired(&since, offset, now_ms, retention_ms) {
                expired.records.push(tombstone(group.id(), topic, *partition));
            } else {
                expired.all = false;
            }
        }
    }
    expired
}

fn since(group: &ClassicGroup) -> Since {
    if !group.has_protocol_type() {
        return Since::Commit;
    }
    match group.state() {
        ClassicGroupState::Empty => Since::Empty(group.state_since_ms()),
        ClassicGroupState::Stable if group.uses_consumer_protocol() && group.knows_subscriptions() => {
            Since::Commit
        }
        _ => Since::Never,
    }
}

fn is_expired(since: &Since, offset: &CommittedOffset, now_ms: i64, retention_ms: i64) -> bool {
    let base_ms = match since {
        Since::Never => return false,
        Since::Empty(Some(since_ms)) => *since_ms,
        Since::Empty(None) | Since::Commit => offset.commit_timestamp_ms,
    };
    match offset.expire_timestamp_ms {
        Some(expire_timestamp_ms) => now_ms >= expire_timestamp_ms,
        None => now_ms.saturating_sub(base_ms) >= retention_ms,
    }
}
