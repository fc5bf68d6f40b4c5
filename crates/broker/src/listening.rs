//! Where the node listens and within which bounds: from the configuration to the listeners, at the start and whenever the
//! configuration changes while it runs.
//!
//! Owns binding and limits. What is done with a connection is `network`'s business, what with a request `dispatch`'s.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};

use config::{BrokerConfig, Endpoint, SecurityProtocol};
use network::{ConnectionLimits, FrameLimits, FrameMemory, ListenerConfig, ListenerLimits, Listeners};
use platform::{BindOptions, Listener, Net};

use crate::node::{Node, is_every_address};
use crate::running::StartError;

/// A listener that is bound and does not accept yet.
pub(crate) struct Bound {
    pub(crate) name: Arc<str>,
    configured: Endpoint,
    pub(crate) address: SocketAddr,
    pub(crate) listener: Listener,
}

impl Bound {
    /// What the registration says of the listener: what is configured, else where it is bound.
    pub(crate) fn advertised(&self, config: &BrokerConfig) -> metadata::Endpoint {
        let configured = config.advertised_listeners.iter().flatten();
        let configured = configured.into_iter().find(|endpoint| *endpoint.listener_name == *self.name);
        let own_host = self.configured.host.as_deref().filter(|host| !is_every_address(Some(host)));
        let host =
            configured.and_then(|endpoint| endpoint.host.as_deref()).or(own_host).unwrap_or("localhost");
        let port = configured.map(|endpoint| endpoint.port).filter(|port| *port != 0);
        metadata::Endpoint {
            name: self.name.to_string(),
            host: host.to_owned(),
            port: port.unwrap_or(self.address.port()),
            security_protocol: self.configured.security_protocol.id(),
        }
    }
}

/// What the quorum's description says of a controller listener.
pub(crate) fn controller_endpoint(configured: &Endpoint) -> metadata::Endpoint {
    let host = configured.host.as_deref().filter(|host| !is_every_address(Some(host)));
    metadata::Endpoint {
        name: configured.listener_name.clone(),
        host: host.unwrap_or("localhost").to_owned(),
        port: configured.port,
        security_protocol: configured.security_protocol.id(),
    }
}

/// Binds the configured listeners.
///
/// # Errors
/// One of them cannot be bound, or asks for what is not served.
pub(crate) async fn bind_all(net: &Net, config: &BrokerConfig) -> Result<Vec<Bound>, StartError> {
    let mut all = Vec::new();
    for endpoint in &config.listeners {
        all.push(bind(net, config, endpoint).await?);
    }
    Ok(all)
}

async fn bind(net: &Net, config: &BrokerConfig, endpoint: &Endpoint) -> Result<Bound, StartError> {
    let name = endpoint.listener_name.as_str();
    if endpoint.security_protocol != SecurityProtocol::Plaintext {
        let protocol = endpoint.security_protocol.name();
        let reason = format!("listener {name} asks for {protocol}, which is not served yet; use PLAINTEXT");
        return Err(StartError::Config(reason));
    }
    let ip = listen_address(net, name, endpoint.host.as_deref()).await?;
    let address = SocketAddr::new(ip, endpoint.port);
    let failed = |source| StartError::Bind { listener: name.to_owned(), address, source };
    let connection = &config.connection;
    let options = BindOptions {
        backlog: u32::try_from(connection.socket_listen_backlog_size).unwrap_or(1).max(1),
        send_buffer_bytes: connection.socket_send_buffer_bytes,
        receive_buffer_bytes: connection.socket_receive_buffer_bytes,
        ..BindOptions::default()
    };
    let listener = net.bind(address, options).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { name: name.into(), configured: endpoint.clone(), address, listener })
}

/// Binds the address of the page of metrics, if there shall be one.
///
/// # Errors
/// It is no address, or cannot be bound.
pub(crate) async fn bind_metrics(net: &Net, config: &BrokerConfig) -> Result<Option<Listener>, StartError> {
    let name = "metrics.http.listener";
    let Some(text) = config.metrics_http_listener.as_deref() else { return Ok(None) };
    let address: SocketAddr = text.parse().map_err(|_| {
        StartError::Config(format!("{name} is {text}; write an address and a port, as 127.0.0.1:9404"))
    })?;
    let failed = |source| StartError::Bind { listener: name.to_owned(), address, source };
    net.bind(address, BindOptions::default()).await.map(Some).map_err(failed)
}

async fn listen_address(net: &Net, listener: &str, host: Option<&str>) -> Result<IpAddr, StartError> {
    match host {
        Some("localhost") => Ok(IpAddr::from([127, 0, 0, 1])),
        Some(host) if !is_every_address(Some(host)) => {
            let found = net.resolve(host).await.ok();
            found.ok_or_else(|| {
                StartError::Config(format!(
                    "listener {listener} names {host}, of which no address is known; write an IP address of this \
                     machine, or nothing for all of them, and put the name into advertised.listeners"
                ))
            })
        }
        Some("::") => Ok(IpAddr::from([0_u16; 8])),
        _ => Ok(IpAddr::from([0, 0, 0, 0])),
    }
}

/// The bounds that all listeners begin with.
pub(crate) async fn listener_config(net: &Net, config: &BrokerConfig) -> ListenerConfig {
    let connection = &config.connection;
    let frame_bytes_max = usize::try_from(connection.socket_request_max_bytes).unwrap_or(0);
    let memory = u64::try_from(connection.queued_max_request_bytes).ok();
    ListenerConfig {
        frames: FrameLimits {
            frame_bytes_max,
            memory: memory.map(|bytes| FrameMemory::new(bytes, frame_bytes_max)),
        },
        connections: connection_limits(net, config).await,
        idle_ms_max: u64::try_from(connection.connections_max_idle_ms).unwrap_or(u64::MAX),
    }
}

async fn connection_limits(net: &Net, config: &BrokerConfig) -> ConnectionLimits {
    let connection = &config.connection;
    let count = |value: i32| usize::try_from(value).unwrap_or(0);
    // The largest number stands for no bound.
    let rate = |value: i32| u32::try_from(value).ok().filter(|_| value != i32::MAX);
    let mut per_ip_overrides = BTreeMap::new();
    for (host, limit) in &connection.max_connections_per_ip_overrides {
        match net.resolve(host).await {
            Ok(ip) => {
                per_ip_overrides.insert(ip, count(*limit));
            }
            Err(error) => {
                tracing::warn!(%host, %error, "max.connections.per.ip.overrides names a host without a known address");
            }
        }
    }
    let listeners = connection.listeners.iter().map(|(name, limits)| {
        let limits = ListenerLimits {
            connections_max: limits.max_connections.map(count),
            creation_rate_max: limits.max_connection_creation_rate.and_then(rate),
        };
        (name.clone(), limits)
    });
    ConnectionLimits {
        connections_max: count(connection.max_connections),
        connections_per_ip_max: count(connection.max_connections_per_ip),
        per_ip_overrides,
        listeners: listeners.collect(),
    }
}

/// Follows changes of the configuration while the node runs. Ends with the listeners.
pub(crate) async fn follow(node: Arc<Node>, listeners: Weak<Listeners<Node>>) {
    let mut changes = node.current_config.changes();
    let mut bound: Vec<String> = names(&node.config.listeners).collect();
    loop {
        let config = node.current_config.load_full();
        let Some(listeners) = listeners.upgrade() else { return };
        listeners.set_connection_limits(connection_limits(&node.platform.net, &config).await);
        for endpoint in &config.listeners {
            if !bound.contains(&endpoint.listener_name) {
                listen(&node, &listeners, &config, endpoint).await;
                bound.push(endpoint.listener_name.clone());
            }
        }
        drop(listeners);
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Opens a listener that was added while the node runs. A failure is only logged: its change was accepted before.
async fn listen(node: &Node, listeners: &Listeners<Node>, config: &BrokerConfig, endpoint: &Endpoint) {
    match bind(&node.platform.net, config, endpoint).await {
        Ok(bound) => {
            tracing::info!(listener = %bound.name, address = %bound.address, "listening");
            listeners.accept(bound.listener, bound.name);
        }
        Err(error) => tracing::error!(%endpoint, %error, "a listener that was added cannot be opened"),
    }
}

fn names(endpoints: &[Endpoint]) -> impl Iterator<Item = String> + '_ {
    endpoints.iter().map(|endpoint| endpoint.listener_name.clone())
}
