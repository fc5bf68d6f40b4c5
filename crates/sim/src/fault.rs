//! Owns the faults that a plan can hold, and bringing them about. It never decides when: the plan does.

use std::net::IpAddr;

use platform::Rng;

/// Something bad that happens once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`, and a new start after a while.
    Kill {
        /// How long the node is down, ms.
        down_ms: u64,
    },
    /// The power fails, and comes back after a while.
    PowerLoss {
        /// How long the machine is down, ms.
        down_ms: u64,
    },
    /// The power fails at the n-th change of the disk from now: between any two effects of the node.
    PowerLossAtEffect {
        /// The number of the change, from 1.
        effect: u64,
        /// How long the machine is down, ms.
        down_ms: u64,
    },
    /// `kill -9` at the n-th change of the disk from now.
    KillAtEffect {
        /// The number of the change, from 1.
        effect: u64,
        /// How long the node is down, ms.
        down_ms: u64,
    },
    /// SIGTERM and a new start after a while.
    CleanStop {
        /// How long the node is down, ms.
        down_ms: u64,
    },
    /// A client's link is cut, in one direction or both.
    Cut {
        /// The number of the client among all clients.
        client: usize,
        /// Whether what the client sends is lost.
        to_node: bool,
        /// Whether what the node sends is lost.
        from_node: bool,
        /// How long, ms.
        for_ms: u64,
    },
    /// A member leaves its group and joins again.
    MemberLeaves {
        /// The number of the member.
        member: usize,
        /// How long it stays away, ms.
        away_ms: u64,
    },
    /// A member's machine is killed and comes back.
    MemberDies {
        /// The number of the member.
        member: usize,
        /// How long it stays away, ms.
        away_ms: u64,
    },
}

/// A fault and the pause before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedFault {
    /// How long after the previous fault is over, ms.
    pub after_ms: u64,
    /// What happens.
    pub fault: Fault,
}

/// What a seed may choose from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) power_loss: bool,
    pub(crate) clients: usize,
    pub(crate) members: usize,
}

impl Fault {
    pub(crate) fn choose(rng: &Rng, choice: Choice) -> Self {
        let down_ms = 50 + rng.below(3_000);
        let effect = 1 + rng.below(200);
        let pick = |count: usize| usize::try_from(rng.below(count as u64)).unwrap_or(0);
        match rng.below(8) {
            0 => Self::Kill { down_ms },
            1 => Self::CleanStop { down_ms },
            2 if choice.power_loss => Self::PowerLoss { down_ms },
            3 if choice.power_loss => Self::PowerLossAtEffect { effect, down_ms },
            2..=4 => Self::KillAtEffect { effect, down_ms },
            5 if choice.members > 0 => {
                Self::MemberLeaves { member: pick(choice.members), away_ms: 10 + rng.below(4_000) }
            }
            6 if choice.members > 0 => {
                Self::MemberDies { member: pick(choice.members), away_ms: 10 + rng.below(12_000) }
            }
            _ => {
                let direction = rng.below(3);
                Self::Cut {
                    client: pick(choice.clients),
                    to_node: direction != 1,
                    from_node: direction != 0,
                    for_ms: 100 + rng.below(12_000),
                }
            }
        }
    }
}

/// The address of the node's machine.
pub(crate) const NODE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

/// The address of a client's machine.
pub(crate) fn client_ip(client: usize) -> IpAddr {
    let number = u8::try_from(client + 1).expect("a plan has few clients");
    IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 1, number))
}
