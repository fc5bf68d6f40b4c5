//! Quotas of one kind, and which of them applies to a client.

use std::collections::BTreeMap;

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client<'a> {
    /// The authenticated user.
    pub user: &'a str,
    /// The client's name for itself; empty if it has none.
    pub client_id: &'a str,
}

/// One half of whom a quota is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityPart<'a> {
    /// The quota does not look at it.
    Absent,
    /// Everybody who has no quota of their own.
    Default,
    /// This one.
    Name(&'a str),
}

/// Limits by client id, within a user or within none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientLimits {
    named: BTreeMap<String, f64>,
    default: Option<f64>,
    /// The limit that does not look at client ids: all clients share it.
    shared: Option<f64>,
}

/// All quotas of one kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    users: BTreeMap<String, ClientLimits>,
    default_user: ClientLimits,
    no_user: ClientLimits,
}

/// Where use is counted, and the most it may be. An empty half means that all users or all client ids are counted
/// together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Applied<'a> {
    pub(crate) counted: Client<'a>,
    pub(crate) bound: f64,
}

impl Limits {
    /// Sets the limit for an entity.
    pub fn set(&mut self, user: EntityPart<'_>, client_id: EntityPart<'_>, bound: f64) {
        let limits = match user {
            EntityPart::Absent => &mut self.no_user,
            EntityPart::Default => &mut self.default_user,
            EntityPart::Name(name) => self.users.entry(name.to_owned()).or_default(),
        };
        match client_id {
            EntityPart::Absent => limits.shared = Some(bound),
            EntityPart::Default => limits.default = Some(bound),
            EntityPart::Name(name) => _ = limits.named.insert(name.to_owned(), bound),
        }
    }

    /// Says whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The quota that applies to a client, if one does.
    pub(crate) fn find<'a>(&self, client: Client<'a>) -> Option<Applied<'a>> {
        let counted = self.counted(client);
        Some(Applied { counted, bound: self.bound(counted)? })
    }

    /// The most specific level at which there is a quota: user before client id, name before default.
    fn counted<'a>(&self, client: Client<'a>) -> Client<'a> {
        let levels = [self.users.get(client.user), Some(&self.default_user)];
        for limits in levels.into_iter().flatten() {
            if limits.named.contains_key(client.client_id) || limits.default.is_some() {
                return client;
            }
            if limits.shared.is_some() {
                return Client { client_id: "", ..client };
            }
        }
        Client { user: "", ..client }
    }

    /// The limit for what is counted together. A client without an id falls under the quotas that do not look at ids,
    /// as in Kafka.
    fn bound(&self, counted: Client<'_>) -> Option<f64> {
        let user = self.users.get(counted.user);
        let of_client =
            |limits: &ClientLimits| limits.named.get(counted.client_id).copied().or(limits.default);
        match (counted.user.is_empty(), counted.client_id.is_empty()) {
            (false, false) => user.and_then(of_client).or_else(|| of_client(&self.default_user)),
            (false, true) => user.and_then(|limits| limits.shared).or(self.default_user.shared),
            (true, false) => of_client(&self.no_user),
            (true, true) => None,
        }
    }
}
