//! Client telemetry at work (KIP-714): who is connected with what software, and the way to the `client-metrics` room.
//!
//! What clients push can be looked at only by [`crate::metrics_endpoint`]; without one nothing of it is kept, and clients
//! are not told that it could be pushed. Never decides what a client may push.

use std::collections::BTreeMap;

use client_metrics::{Client, ClientMetrics, Payload};
use metadata::{ConfigResource, ConfigResourceType, MetadataImage};
use parking_lot::Mutex;
use platform::Rng;
use protocol::{
    ErrorCode, GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest,
    Uuid,
};

use crate::context::RequestContext;

/// Longest name or version of a client's software that is remembered, in bytes.
const SOFTWARE_BYTES_MAX: usize = 256;
/// What a client is that did not say, in Kafka's word.
const UNKNOWN: &str = "unknown";

/// The client telemetry of a node.
pub struct ClientTelemetry {
    metrics: Mutex<ClientMetrics>,
    /// Somebody can look at what is pushed.
    is_received: bool,
    bytes_max: usize,
    /// Name and version of the software at the other end of each connection that told.
    software: Mutex<BTreeMap<u64, (String, String)>>,
}

impl ClientTelemetry {
    /// Nothing subscribed and nothing told yet.
    #[must_use]
    pub fn new(telemetry_max_bytes: i32, is_received: bool) -> Self {
        Self {
            metrics: Mutex::new(ClientMetrics::new(telemetry_max_bytes)),
            is_received,
            bytes_max: usize::try_from(telemetry_max_bytes).unwrap_or(0),
            software: Mutex::default(),
        }
    }

    /// Says whether clients are to be told that they can push.
    #[must_use]
    pub fn is_received(&self) -> bool {
        self.is_received
    }

    /// Takes over the subscriptions among these resources.
    pub fn apply<'a>(&self, image: &MetadataImage, resources: impl Iterator<Item = &'a ConfigResource>) {
        let subscriptions =
            resources.filter(|resource| resource.resource_type == ConfigResourceType::ClientMetrics);
        for resource in subscriptions {
            let configs = image.configs().get(resource).map(|configs| configs.as_ref().clone());
            self.metrics.lock().set_subscription(&resource.name, &configs.unwrap_or_default());
        }
    }

    /// A client has said what software it is.
    pub fn note_software(&self, connection_id: u64, name: &str, version: &str) {
        if self.is_received && name.len() <= SOFTWARE_BYTES_MAX && version.len() <= SOFTWARE_BYTES_MAX {
            self.software.lock().insert(connection_id, (name.to_owned(), version.to_owned()));
        }
    }

    /// A connection is gone.
    pub fn connection_closed(&self, connection_id: u64) {
        self.software.lock().remove(&connection_id);
        self.metrics.lock().connection_closed(connection_id);
    }

    /// Tells a client what to push.
    #[must_use]
    pub fn get(
        &self,
        ctx: &RequestContext<'_>,
        request: &GetTelemetrySubscriptionsRequest,
        rng: &Rng,
        now_ms: i64,
    ) -> GetTelemetrySubscriptionsResponse<'static> {
        let client = self.client(ctx);
        self.metrics.lock().handle_get(now_ms, request, &client, &mut || fresh_id(rng))
    }

    /// Takes a push, and gives the code of the answer. What is pushed is unpacked while nobody else has to wait.
    #[must_use]
    pub fn push(
        &self,
        ctx: &RequestContext<'_>,
        request: &PushTelemetryRequest<'_>,
        now_ms: i64,
    ) -> ErrorCode {
        let client = self.client(ctx);
        let admitted = self.metrics.lock().admit_push(now_ms, request, &client);
        match admitted {
            Ok(_) if !self.is_received => ErrorCode::NONE,
            Ok(ticket) => {
                let payload = Payload::unpack(request, self.bytes_max);
                self.metrics.lock().finish_push(now_ms, ticket, payload)
            }
            Err(code) => code,
        }
    }

    /// Everything told lately, as Prometheus text.
    #[must_use]
    pub fn exposition(&self, now_ms: i64) -> String {
        self.metrics.lock().exposition(now_ms)
    }

    fn client(&self, ctx: &RequestContext<'_>) -> Client {
        let software = self.software.lock().get(&ctx.connection_id).cloned();
        let (software_name, software_version) =
            software.unwrap_or_else(|| (UNKNOWN.to_owned(), UNKNOWN.to_owned()));
        Client {
            connection_id: ctx.connection_id,
            client_id: ctx.client_id.to_owned(),
            software_name,
            software_version,
            source_address: ctx.peer_addr.ip().to_canonical().to_string(),
            source_port: ctx.peer_addr.port(),
        }
    }
}

/// A random id (RFC 4122 version 4), without dashes in its text as Kafka's have none.
fn fresh_id(rng: &Rng) -> Uuid {
    loop {
        let mut bytes = rng.uuid_bytes();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = Uuid(bytes);
        if !id.to_string().contains('-') {
            return id;
        }
    }
}
