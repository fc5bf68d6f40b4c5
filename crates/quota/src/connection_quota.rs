//! The quota on connections that an address opens (KIP-612).

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::limits::Client;
use crate::rate::Rate;
use crate::tracked::Tracked;
use crate::window::QuotaWindow;

/// Rates of addresses, and of all connections together, against their limits.
#[derive(Debug, Clone)]
pub struct ConnectionQuota {
    window: QuotaWindow,
    named: BTreeMap<IpAddr, f64>,
    default: Option<f64>,
    rates: Tracked<Rate>,
    all: Option<f64>,
    all_rate: Rate,
}

impl ConnectionQuota {
    /// No limits.
    pub fn new(window: QuotaWindow) -> Self {
        Self {
            window,
            named: BTreeMap::new(),
            default: None,
            rates: Tracked::default(),
            all: None,
            all_rate: Rate::default(),
        }
    }

    /// Replaces the limits: those of addresses, and the one for all that have none of their own.
    pub fn set_limits(&mut self, named: BTreeMap<IpAddr, f64>, default: Option<f64>) {
        self.named = named;
        self.default = default;
    }

    /// Replaces the limit for connections from everywhere together (`max.connection.creation.rate`).
    pub fn set_limit_of_all(&mut self, limit: Option<f64>) {
        self.all = limit;
    }

    /// Counts a connection, wherever it comes from, and says for how many milliseconds it has to wait.
    pub fn count(&mut self, now_ms: i64) -> i32 {
        let Some(bound) = self.all else { return 0 };
        self.all_rate.record(self.window, 1.0, now_ms);
        self.all_rate.throttle_ms(self.window, bound, now_ms).min(self.throttle_ms_max())
    }

    /// Takes back a connection that was counted and then refused.
    pub fn uncount(&mut self, now_ms: i64) {
        if self.all.is_some() {
            self.all_rate.record(self.window, -1.0, now_ms);
        }
    }

    /// An address asks for a connection: 0 if it may have it, else the milliseconds after which it is to be closed. A
    /// refused connection does not count.
    pub fn connect(&mut self, ip: IpAddr, now_ms: i64) -> i32 {
        let ip = ip.to_canonical();
        let Some(bound) = self.named.get(&ip).copied().or(self.default) else { return 0 };
        let name = ip.to_string();
        let rate = self.rates.state(Client { user: &name, client_id: "" }, now_ms);
        rate.record(self.window, 1.0, now_ms);
        let throttle_ms = rate.throttle_ms(self.window, bound, now_ms);
        if throttle_ms > 0 {
            rate.record(self.window, -1.0, now_ms);
        }
        throttle_ms.min(self.throttle_ms_max())
    }

    fn throttle_ms_max(&self) -> i32 {
        i32::try_from(self.window.sample_ms).unwrap_or(i32::MAX)
    }
}
