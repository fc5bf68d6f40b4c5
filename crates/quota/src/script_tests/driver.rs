//! The commands of the scripts.
//!
//! `rate SAMPLES SECONDS`, `bounded SAMPLES SECONDS`, `mutations SAMPLES SECONDS`, `connections SAMPLES SECONDS` make
//! the quota; `limit WHO BOUND`, `unlimit WHO`; `at MS`; `record|note WHO VALUE`, `max WHO`;
//! `strict|permissive WHO PARTITIONS..`; `connect IP`, `count`, `uncount`. WHO is `user/client-id`, in limits with `*` for a default and
//! nothing for a half that is not looked at; of connections an address, `*` or `all`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::{
    Client, ClientQuota, ConnectionQuota, EntityPart, Limits, MutationCharge, MutationQuota, QuotaWindow,
};

enum Quota {
    Rate(ClientQuota),
    Mutations(MutationQuota),
    Connections(ConnectionQuota),
}

#[derive(Default)]
pub(super) struct Driver {
    now_ms: i64,
    limits: BTreeMap<String, f64>,
    quota: Option<Quota>,
}

impl Driver {
    pub(super) fn command(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, rest) = words.split_first().unwrap();
        match *name {
            "at" => {
                self.now_ms = rest[0].parse().unwrap();
                String::new()
            }
            "limit" => {
                self.limits.insert(rest[0].to_owned(), rest[1].parse().unwrap());
                self.set_limits()
            }
            "unlimit" => {
                self.limits.remove(rest[0]);
                self.set_limits()
            }
            "rate" | "bounded" | "mutations" | "connections" => self.create(name, rest),
            _ => self.used(name, rest),
        }
    }

    fn create(&mut self, kind: &str, rest: &[&str]) -> String {
        let window = QuotaWindow::new(rest[0].parse().unwrap(), rest[1].parse().unwrap());
        self.quota = Some(match kind {
            "rate" => Quota::Rate(ClientQuota::new(window)),
            "bounded" => Quota::Rate(ClientQuota::bounded(window)),
            "mutations" => Quota::Mutations(MutationQuota::new(window)),
            _ => Quota::Connections(ConnectionQuota::new(window)),
        });
        self.set_limits()
    }

    fn set_limits(&mut self) -> String {
        let mut limits = Limits::default();
        for (who, bound) in &self.limits {
            if let Some((user, client_id)) = who.split_once('/') {
                limits.set(part(user), part(client_id), *bound);
            }
        }
        match self.quota.as_mut() {
            Some(Quota::Rate(quota)) => quota.set_limits(limits),
            Some(Quota::Mutations(quota)) => quota.set_limits(limits),
            Some(Quota::Connections(quota)) => {
                let named = self.limits.iter().filter_map(|(ip, bound)| Some((ip.parse().ok()?, *bound)));
                quota.set_limits(named.collect(), self.limits.get("*").copied());
                quota.set_limit_of_all(self.limits.get("all").copied());
            }
            None => {}
        }
        String::new()
    }

    fn used(&mut self, name: &str, rest: &[&str]) -> String {
        let now_ms = self.now_ms;
        let who = rest.first().copied().unwrap_or_default();
        let (user, client_id) = who.split_once('/').unwrap_or((who, ""));
        let client = Client { user, client_id };
        match (self.quota.as_mut().unwrap(), name) {
            (Quota::Rate(quota), "record") => {
                let throttle_ms = quota.record(client, rest[1].parse().unwrap(), now_ms);
                format!("{now_ms} {who}: {throttle_ms} ms\n")
            }
            (Quota::Rate(quota), "note") => {
                quota.note(client, rest[1].parse().unwrap(), now_ms);
                String::new()
            }
            (Quota::Rate(quota), "max") => match quota.value_max(client) {
                Some(value) => format!("{now_ms} {who}: at most {value}\n"),
                None => format!("{now_ms} {who}: no limit\n"),
            },
            (Quota::Mutations(quota), "strict" | "permissive") => {
                let mut charge =
                    if name == "strict" { MutationCharge::strict() } else { MutationCharge::permissive() };
                let mut out = format!("{now_ms} {who}:");
                for partitions in &rest[1..] {
                    let is_done = quota.charge(&mut charge, client, partitions.parse().unwrap(), now_ms);
                    let _ = write!(out, " {}", if is_done { "done" } else { "refused" });
                }
                let _ = writeln!(out, ", {} ms", charge.throttle_ms(now_ms));
                out
            }
            (Quota::Connections(quota), "connect") => {
                format!("{now_ms} {who}: {} ms\n", quota.connect(who.parse().unwrap(), now_ms))
            }
            (Quota::Connections(quota), "count") => format!("{now_ms}: {} ms\n", quota.count(now_ms)),
            (Quota::Connections(quota), "uncount") => {
                quota.uncount(now_ms);
                String::new()
            }
            _ => panic!("{name} is no command for this quota"),
        }
    }
}

fn part(text: &str) -> EntityPart<'_> {
    match text {
        "" => EntityPart::Absent,
        "*" => EntityPart::Default,
        name => EntityPart::Name(name),
    }
}
