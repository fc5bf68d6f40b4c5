//! The states of a classic group and which follows which.

/// Where a group stands between two generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClassicGroupState {
    /// No members; offsets may remain.
    Empty,
    /// Members are asked to rejoin; JoinGroup requests are parked.
    PreparingRebalance,
    /// Members know the generation and wait for the leader's assignment; SyncGroup requests are parked.
    CompletingRebalance,
    /// Members have their assignment.
    Stable,
    /// The group's tombstone is on its way to the log.
    Dead,
}

impl ClassicGroupState {
    /// The name clients see.
    pub fn name(self) -> &'static str {
        match self {
            ClassicGroupState::Empty => "Empty",
            ClassicGroupState::PreparingRebalance => "PreparingRebalance",
            ClassicGroupState::CompletingRebalance => "CompletingRebalance",
            ClassicGroupState::Stable => "Stable",
            ClassicGroupState::Dead => "Dead",
        }
    }

    /// Whether a group may go from this state to `next`.
    pub fn may_become(self, next: ClassicGroupState) -> bool {
        use ClassicGroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};
        match next {
            Empty => matches!(self, PreparingRebalance | Dead),
            PreparingRebalance => matches!(self, Stable | CompletingRebalance | Empty),
            CompletingRebalance => self == PreparingRebalance,
            Stable => self == CompletingRebalance,
            Dead => self == Empty,
        }
    }
}
