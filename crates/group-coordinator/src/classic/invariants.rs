//! What is true of a classic group between any two calls. Tests only.

use std::collections::BTreeMap;

use coordinator::Deadlines;

use super::ClassicGroupState;
use super::group::ClassicGroup;
use crate::timer::TimerKey;

impl ClassicGroup {
    /// Panics if the group contradicts itself. `is_writing` says whether a record of it is on its way to the log.
    pub fn check(&self, timers: &Deadlines<TimerKey>, is_writing: bool) {
        self.check_membership();
        for member in self.members.values() {
            let has_session = timers.get(&self.session_timer(&member.id)).is_some();
            let is_parked = member.awaiting_join.is_some() || member.awaiting_sync.is_some();
            assert!(has_session || (is_parked && !member.is_new), "{} lives forever", member.id);
        }
        for member_id in &self.pending_joins {
            assert!(
                timers.get(&self.session_timer(member_id)).is_some(),
                "{member_id} is waited for forever"
            );
            assert!(!self.members.contains_key(member_id));
        }
        match self.state {
            ClassicGroupState::Empty | ClassicGroupState::Dead => assert!(self.members.is_empty()),
            ClassicGroupState::PreparingRebalance => {
                let key = TimerKey::Join(self.id.clone());
                assert!(timers.get(&key).is_some(), "the join phase never ends");
            }
            ClassicGroupState::CompletingRebalance => {
                assert!(!self.members.is_empty());
                let key = TimerKey::Sync(self.id.clone());
                assert!(timers.get(&key).is_some() || is_writing, "nobody waits for the assignment");
                assert_eq!(timers.get(&key).is_some(), !self.pending_syncs.is_empty());
            }
            ClassicGroupState::Stable => assert!(!self.members.is_empty()),
        }
    }

    fn check_membership(&self) {
        let awaiting = self.members.values().filter(|member| member.awaiting_join.is_some()).count();
        assert_eq!(self.awaiting_joins, awaiting);
        let mut supported = BTreeMap::new();
        let mut instances = BTreeMap::new();
        for member in self.members.values() {
            for protocol in &member.protocols {
                *supported.entry(protocol.name.clone()).or_insert(0) += 1;
            }
            if let Some(instance_id) = &member.instance_id {
                instances.insert(instance_id.clone(), member.id.clone());
            }
        }
        assert_eq!(self.supported, supported);
        assert_eq!(self.static_members, instances);
        assert!(self.pending_syncs.iter().all(|member_id| self.members.contains_key(member_id)));
        match &self.leader {
            Some(leader) => assert!(self.members.contains_key(leader)),
            None => assert!(self.members.is_empty()),
        }
        if !self.members.is_empty() {
            let has_common = self.supported.values().any(|count| *count == self.members.len());
            assert!(has_common, "the members have no protocol in common");
        }
    }
}
