//! Subscriptions, instances, and what they may do when.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{
    ErrorCode, GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, PushTelemetryRequest,
    Uuid,
};
use records::Compression;

use crate::client::Client;
use crate::exposition::{write_type, write_value};
use crate::instance::Instance;
use crate::otlp::Kind;
use crate::push::{Payload, PushTicket};
use crate::series::Series;
use crate::subscription::{ALL_METRICS, INTERVAL_MS_DEFAULT, Subscription};

/// Most client instances known at a time; who comes then takes the place of the one used longest ago. Kafka's number.
pub const INSTANCES_MAX: usize = 16_384;
/// An instance is forgotten after this long without a request, at the earliest.
const EXPIRY_MS_MIN: i64 = 60_000;
/// Push intervals without a request after which an instance is forgotten.
const EXPIRY_INTERVALS: i64 = 3;
/// What clients may compress with, the best first.
const COMPRESSIONS: [Compression; 4] =
    [Compression::Zstd, Compression::Lz4, Compression::Gzip, Compression::Snappy];
/// Ids that are nobody's: all zeros, and all zeros but for a last one.
const RESERVED_IDS: [Uuid; 2] = [Uuid::ZERO, Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])];

/// What happened since the node started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    pushes: u64,
    invalid: u64,
    throttled: u64,
    unknown_subscriptions: u64,
}

/// The client metrics of one node.
#[derive(Debug, Clone)]
pub struct ClientMetrics {
    bytes_max: i32,
    subscriptions: BTreeMap<String, Subscription>,
    version: u64,
    instances: BTreeMap<Uuid, (u64, Instance)>,
    /// Instances by their last use.
    used: BTreeMap<u64, Uuid>,
    next_use: u64,
    due: BTreeSet<(i64, Uuid)>,
    connections: BTreeMap<u64, Uuid>,
    series: Series,
    counts: Counts,
}

impl ClientMetrics {
    /// Nothing subscribed. A push may have so many bytes (`telemetry.max.bytes`).
    pub fn new(bytes_max: i32) -> Self {
        Self {
            bytes_max,
            subscriptions: BTreeMap::new(),
            version: 0,
            instances: BTreeMap::new(),
            used: BTreeMap::new(),
            next_use: 0,
            due: BTreeSet::new(),
            connections: BTreeMap::new(),
            series: Series::default(),
            counts: Counts::default(),
        }
    }

    /// A subscription was made, changed or, without configs, removed. Every instance is asked anew which it falls under.
    pub fn set_subscription(&mut self, name: &str, configs: &BTreeMap<String, String>) {
        let has_changed = if configs.is_empty() {
            self.subscriptions.remove(name).is_some()
        } else {
            self.subscriptions.insert(name.to_owned(), Subscription::new(configs));
            true
        };
        self.version += u64::from(has_changed);
    }

    /// Tells a client what to push. `fresh_id` gives a random id for one that has none yet.
    pub fn handle_get(
        &mut self,
        now_ms: i64,
        request: &GetTelemetrySubscriptionsRequest,
        client: &Client,
        fresh_id: &mut dyn FnMut() -> Uuid,
    ) -> GetTelemetrySubscriptionsResponse<'static> {
        self.expire(now_ms);
        let mut id = request.client_instance_id;
        while id.is_zero() {
            id = Some(fresh_id()).filter(|id| !self.instances.contains_key(id)).unwrap_or(Uuid::ZERO);
        }
        let bytes_max = self.bytes_max;
        let instance = self.instance(now_ms, id, client);
        // A client that was told to ask again need not wait for it.
        let may_ask_again = matches!(
            instance.last_error,
            ErrorCode::UNKNOWN_SUBSCRIPTION_ID | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
        );
        if !instance.may_get(now_ms) && !may_ask_again {
            self.counts.throttled += 1;
            let error_code = ErrorCode::THROTTLING_QUOTA_EXCEEDED;
            return GetTelemetrySubscriptionsResponse { error_code, ..Default::default() };
        }
        instance.last_error = ErrorCode::NONE;
        GetTelemetrySubscriptionsResponse {
            throttle_time_ms: 0,
            error_code: ErrorCode::NONE,
            client_instance_id: id,
            subscription_id: instance.subscription_id,
            accepted_compression_types: COMPRESSIONS.map(|codec| codec.id().cast_signed()).to_vec(),
            push_interval_ms: instance.push_interval_ms,
            telemetry_max_bytes: bytes_max,
            delta_temporality: true,
            requested_metrics: instance.metrics.iter().map(|name| name.clone().into()).collect(),
        }
    }

    /// Decides whether a push is taken. The ticket is for [`ClientMetrics::finish_push`].
    ///
    /// # Errors
    /// INVALID_REQUEST, THROTTLING_QUOTA_EXCEEDED, UNKNOWN_SUBSCRIPTION_ID, UNSUPPORTED_COMPRESSION_TYPE or
    /// TELEMETRY_TOO_LARGE.
    pub fn admit_push(
        &mut self,
        now_ms: i64,
        request: &PushTelemetryRequest<'_>,
        client: &Client,
    ) -> Result<PushTicket, ErrorCode> {
        let id = request.client_instance_id;
        if RESERVED_IDS.contains(&id) {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        self.expire(now_ms);
        let bytes_max = self.bytes_max;
        let instance = self.instance(now_ms, id, client);
        let checked = check_push(instance, now_ms, request, bytes_max);
        instance.is_terminating = request.terminating;
        if let Err(error) = checked {
            instance.last_error = error;
        }
        let ticket = PushTicket { instance_id: id, kept_ms: expiry_ms(instance) };
        match checked {
            Ok(()) => return Ok(ticket),
            Err(ErrorCode::THROTTLING_QUOTA_EXCEEDED) => self.counts.throttled += 1,
            Err(ErrorCode::UNKNOWN_SUBSCRIPTION_ID) => self.counts.unknown_subscriptions += 1,
            Err(_) => {}
        }
        checked.map(|()| ticket)
    }

    /// Takes over the values of an admitted push, and gives the code of the answer.
    pub fn finish_push(
        &mut self,
        now_ms: i64,
        ticket: PushTicket,
        payload: Result<Payload, ErrorCode>,
    ) -> ErrorCode {
        let client_id =
            self.instances.get(&ticket.instance_id).map(|(_, instance)| &instance.client.client_id);
        let client_id = client_id.cloned().unwrap_or_default();
        let due_ms = now_ms.saturating_add(ticket.kept_ms);
        let recorded = payload.and_then(|payload| {
            let recorded = self.series.record(ticket.instance_id, &client_id, due_ms, &payload.bytes);
            recorded.map_err(|_| ErrorCode::INVALID_RECORD)
        });
        let error = recorded.err().unwrap_or(ErrorCode::NONE);
        if error == ErrorCode::NONE {
            self.counts.pushes += 1;
        } else {
            self.counts.invalid += 1;
        }
        if let Some((_, instance)) = self.instances.get_mut(&ticket.instance_id) {
            instance.last_error = error;
        }
        error
    }

    /// A connection is gone, and the instance that came by it; what it told last stays for a while, to be looked at.
    pub fn connection_closed(&mut self, connection_id: u64) {
        if let Some(id) = self.connections.remove(&connection_id) {
            self.forget(id);
        }
    }

    /// Everything that clients told lately, as Prometheus text, and what the node itself counts about that.
    pub fn exposition(&mut self, now_ms: i64) -> String {
        self.expire(now_ms);
        let mut out = String::new();
        let own: [(&str, Kind, u64); 6] = [
            ("kafka_server_client_metrics_instance_count", Kind::Gauge, self.instances.len() as u64),
            ("kafka_server_client_metrics_plugin_error_count", Kind::Counter, self.counts.invalid),
            ("kafka_server_client_metrics_plugin_export_count", Kind::Counter, self.counts.pushes),
            ("kafka_server_client_metrics_throttle_count", Kind::Counter, self.counts.throttled),
            (
                "kafka_server_client_metrics_unknown_subscription_request_count",
                Kind::Counter,
                self.counts.unknown_subscriptions,
            ),
            ("klamm_client_metrics_dropped_values_total", Kind::Counter, self.series.dropped),
        ];
        for (name, kind, value) in own {
            write_type(&mut out, name, kind);
            write_value(&mut out, name, ["", ""], value as f64);
        }
        let mut named = "";
        for (name, kind, of_instance, of_series, value) in self.series.sorted() {
            if name != named {
                write_type(&mut out, name, kind);
                named = name;
            }
            write_value(&mut out, name, [of_instance, of_series], value);
        }
        out
    }

    /// The instance of this id, made anew if it is not known or the subscriptions have changed since.
    fn instance(&mut self, now_ms: i64, id: Uuid, client: &Client) -> &mut Instance {
        let known = self.instances.get(&id).map(|(_, instance)| (instance.version, &instance.client));
        let is_stale = known.is_some_and(|(version, _)| version < self.version);
        if known.is_none() || is_stale {
            let of = known.map_or(client, |(_, client)| client).clone();
            let of = Client { connection_id: client.connection_id, ..of };
            let (metrics, push_interval_ms) = self.subscribed(id, &of);
            let instance = Instance::new(id, of, self.version, metrics, push_interval_ms);
            self.forget(id);
            while self.instances.len() >= INSTANCES_MAX {
                let Some((_, eldest)) = self.used.pop_first() else { break };
                self.forget(eldest);
            }
            self.connections.insert(client.connection_id, id);
            self.instances.insert(id, (self.next_use, instance));
        }
        let use_number = self.next_use;
        self.next_use += 1;
        let (used, instance) = self.instances.get_mut(&id).expect("it was there or has just been put there");
        self.used.remove(used);
        self.used.insert(use_number, id);
        *used = use_number;
        self.due.remove(&(instance.due_ms, id));
        instance.due_ms = now_ms.saturating_add(expiry_ms(instance));
        self.due.insert((instance.due_ms, id));
        instance
    }

    /// All metrics that any fitting subscription names, and the shortest of their intervals.
    fn subscribed(&self, id: Uuid, client: &Client) -> (Vec<String>, i32) {
        let mut metrics = BTreeSet::new();
        let mut interval_ms = INTERVAL_MS_DEFAULT;
        for subscription in self.subscriptions.values().filter(|subscription| subscription.fits(id, client)) {
            metrics.extend(subscription.metrics.iter().cloned());
            interval_ms = interval_ms.min(subscription.interval_ms);
        }
        if metrics.contains(ALL_METRICS) {
            return (vec![ALL_METRICS.to_owned()], interval_ms);
        }
        (metrics.into_iter().collect(), interval_ms)
    }

    fn expire(&mut self, now_ms: i64) {
        while let Some((due_ms, id)) = self.due.first().copied() {
            if due_ms > now_ms {
                break;
            }
            self.forget(id);
        }
        self.series.expire(now_ms);
    }

    fn forget(&mut self, id: Uuid) {
        if let Some((used, instance)) = self.instances.remove(&id) {
            self.used.remove(&used);
            self.due.remove(&(instance.due_ms, id));
            if self.connections.get(&instance.client.connection_id) == Some(&id) {
                self.connections.remove(&instance.client.connection_id);
            }
        }
    }
}

fn check_push(
    instance: &mut Instance,
    now_ms: i64,
    request: &PushTelemetryRequest<'_>,
    bytes_max: i32,
) -> Result<(), ErrorCode> {
    if instance.is_terminating {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    if !instance.may_push(now_ms) && !request.terminating {
        return Err(ErrorCode::THROTTLING_QUOTA_EXCEEDED);
    }
    if request.subscription_id != instance.subscription_id {
        return Err(ErrorCode::UNKNOWN_SUBSCRIPTION_ID);
    }
    let codec = u8::try_from(request.compression_type).ok().and_then(Compression::from_id);
    if codec.is_none() {
        return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    }
    if i64::try_from(request.metrics.len()).unwrap_or(i64::MAX) > bytes_max.into() {
        return Err(ErrorCode::TELEMETRY_TOO_LARGE);
    }
    Ok(())
}

fn expiry_ms(instance: &Instance) -> i64 {
    EXPIRY_MS_MIN.max(i64::from(instance.push_interval_ms) * EXPIRY_INTERVALS)
}
