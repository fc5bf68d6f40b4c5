//! The commands of the scripts.
//!
//! `subscribe NAME KEY=VALUE..`, `unsubscribe NAME`; `at MS`; `get WHO [KEY=VALUE..]`; `push WHO [KEY=VALUE..]`;
//! `close WHO`. WHO is a letter; its instance id is asked for at its first `get`. Keys of requests: `client`, `software`,
//! `version`, `port` of the client; `id` (zero, one), `subscription`, `codec`, `bytes`, `last` of a push.

use std::collections::BTreeMap;

use protocol::{ErrorCode, GetTelemetrySubscriptionsRequest, PushTelemetryRequest, Uuid};

use crate::{Client, ClientMetrics, Payload};

const BYTES_MAX: usize = 1000;

/// What a client knows.
#[derive(Default, Clone)]
struct Known {
    instance_id: Uuid,
    subscription_id: i32,
}

pub(super) struct Driver {
    metrics: ClientMetrics,
    now_ms: i64,
    clients: BTreeMap<String, Known>,
    ids: u8,
}

type Options<'a> = BTreeMap<&'a str, &'a str>;

impl Driver {
    pub(super) fn new() -> Self {
        let metrics = ClientMetrics::new(BYTES_MAX as i32);
        Self { metrics, now_ms: 0, clients: BTreeMap::new(), ids: 0 }
    }

    pub(super) fn command(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, who) = (words[0], words[1]);
        let options: Options<'_> = words[2..].iter().map(|word| word.split_once('=').unwrap()).collect();
        match name {
            "at" => self.now_ms = who.parse().unwrap(),
            "subscribe" => {
                let configs = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
                self.metrics.set_subscription(who, &configs.collect());
            }
            "unsubscribe" => self.metrics.set_subscription(who, &BTreeMap::new()),
            "close" => self.metrics.connection_closed(connection_id(who)),
            "get" => return self.get(who, &options),
            "push" => return self.push(who, &options),
            _ => panic!("{name} is no command"),
        }
        String::new()
    }

    fn get(&mut self, who: &str, options: &Options<'_>) -> String {
        let known = self.clients.entry(who.to_owned()).or_default();
        let request = GetTelemetrySubscriptionsRequest { client_instance_id: known.instance_id };
        let ids = &mut self.ids;
        let mut fresh_id = || {
            *ids += 1;
            Uuid([*ids; 16])
        };
        let response = self.metrics.handle_get(self.now_ms, &request, &client(who, options), &mut fresh_id);
        if response.error_code != ErrorCode::NONE {
            return format!("{} {who} <- {}\n", self.now_ms, response.error_code.name());
        }
        known.instance_id = response.client_instance_id;
        known.subscription_id = response.subscription_id;
        format!(
            "{} {who} <- {} id={} subscription={} every {} ms, at most {} bytes, codecs {:?}, delta {}: {:?}\n",
            self.now_ms,
            response.error_code.name(),
            response.client_instance_id,
            response.subscription_id,
            response.push_interval_ms,
            response.telemetry_max_bytes,
            response.accepted_compression_types,
            response.delta_temporality,
            response.requested_metrics
        )
    }

    fn push(&mut self, who: &str, options: &Options<'_>) -> String {
        let known = self.clients.get(who).cloned().unwrap_or_default();
        let number = |key: &str, default: i32| options.get(key).map_or(default, |text| text.parse().unwrap());
        let instance_id = match options.get("id") {
            Some(&"zero") => Uuid::ZERO,
            Some(_) => Uuid(1_u128.to_be_bytes()),
            None => known.instance_id,
        };
        let request = PushTelemetryRequest {
            client_instance_id: instance_id,
            subscription_id: number("subscription", known.subscription_id),
            terminating: options.contains_key("last"),
            compression_type: i8::try_from(number("codec", 0)).unwrap(),
            // Fields of number 15, which nobody looks at.
            metrics: [0x78, 0x00].repeat(number("bytes", 0) as usize / 2).into(),
        };
        let admitted = self.metrics.admit_push(self.now_ms, &request, &client(who, options));
        let code = match admitted {
            Ok(ticket) => {
                let payload = Payload::unpack(&request, BYTES_MAX);
                self.metrics.finish_push(self.now_ms, ticket, payload)
            }
            Err(code) => code,
        };
        format!("{} {who} <- {}\n", self.now_ms, code.name())
    }
}

fn connection_id(who: &str) -> u64 {
    who.bytes().next().unwrap().into()
}

fn client(who: &str, options: &Options<'_>) -> Client {
    let text = |key: &str, default: &str| options.get(key).copied().unwrap_or(default).to_owned();
    Client {
        connection_id: connection_id(who),
        client_id: text("client", who),
        software_name: text("software", "unknown"),
        software_version: text("version", "unknown"),
        source_address: "10.0.0.1".to_owned(),
        source_port: text("port", "5000").parse().unwrap(),
    }
}
