//! One request's way through the quota on partitions created and deleted (KIP-599).

use std::sync::Arc;

use controller::ApiError;
use parking_lot::Mutex;
use platform::Clock;
use protocol::ErrorCode;
use quota::{Client, MutationCharge};

use crate::context::RequestContext;
use crate::node::Node;
use crate::quotas::{QuotaKind, Quotas};

/// Charges the client of a request for each topic the controller decides on, and knows afterwards how long the client
/// is to be held off. Clones are of the same request.
#[derive(Clone)]
pub struct MutationTicket(Option<Arc<Metered>>);

struct Metered {
    quotas: Arc<Quotas>,
    clock: Clock,
    user: String,
    client_id: String,
    charge: Mutex<MutationCharge>,
}

impl MutationTicket {
    /// Charges nobody: what the node does of its own accord.
    #[must_use]
    pub fn free() -> Self {
        Self(None)
    }

    /// Charges the client of a request. Versions from `strict_from` on know THROTTLING_QUOTA_EXCEEDED; what older ones
    /// ask for is done, and waited for.
    #[must_use]
    pub fn of(node: &Node, ctx: &RequestContext<'_>, strict_from: i16) -> Self {
        if !node.quotas.has(QuotaKind::Mutation) {
            return Self::free();
        }
        let is_strict = ctx.api_version >= strict_from;
        let charge = if is_strict { MutationCharge::strict() } else { MutationCharge::permissive() };
        Self(Some(Arc::new(Metered {
            quotas: node.quotas.clone(),
            clock: node.platform.clock.clone(),
            user: ctx.user.to_owned(),
            client_id: ctx.client_id.to_owned(),
            charge: Mutex::new(charge),
        })))
    }

    /// Charges a change of so many partitions.
    ///
    /// # Errors
    /// THROTTLING_QUOTA_EXCEEDED: the change must not be made.
    pub fn charge(&self, partitions: usize) -> Result<(), ApiError> {
        let Some(metered) = &self.0 else { return Ok(()) };
        let client = Client { user: &metered.user, client_id: &metered.client_id };
        let mut charge = metered.charge.lock();
        let mut quota = metered.quotas.mutation.lock();
        match quota.charge(&mut charge, client, partitions, metered.clock.wall_ms()) {
            true => Ok(()),
            false => Err(ErrorCode::THROTTLING_QUOTA_EXCEEDED.into()),
        }
    }

    /// Milliseconds for which the client is to be held off.
    #[must_use]
    pub fn throttle_ms(&self) -> i32 {
        self.0.as_ref().map_or(0, |metered| metered.charge.lock().throttle_ms(metered.clock.wall_ms()))
    }
}
