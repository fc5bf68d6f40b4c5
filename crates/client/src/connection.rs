//! One connection to one broker.
//!
//! Owns pipelining: requests go out in the order in which they were queued, answers come back in that order and each
//! finds its request. It never connects twice: a connection that ended stays ended, and its owner makes another.

mod frame;
mod tasks;
mod versions;

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use platform::Net;
use protocol::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode, Message, Request};
use tokio::sync::{mpsc, oneshot};

use crate::config::ClientConfig;
use crate::error::ClientError;
pub(crate) use frame::Frame;
use tasks::{Outgoing, Shared};
pub(crate) use versions::VersionTable;

/// Requests that may be queued on a connection or be without an answer on it.
const MAX_IN_FLIGHT: usize = 256;

/// What this client calls itself in ApiVersions (KIP-511).
pub(crate) const SOFTWARE_NAME: &str = "klamm";

/// A connection on which versions have been agreed. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    address: Arc<str>,
    client_id: Option<String>,
    request_timeout: Duration,
    versions: VersionTable,
    next_correlation_id: AtomicI32,
    queue: mpsc::Sender<Outgoing>,
    shared: Arc<Shared>,
}

/// A whole answer, and what is needed to read it.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub api: ApiKey,
    pub version: i16,
    pub frame: Bytes,
    pub address: Arc<str>,
}

impl Response {
    /// Reads the answer; strings and records borrow from it.
    pub fn decode<'a, M: Message<'a>>(&'a self) -> Result<M, ClientError> {
        match protocol::decode_response(self.api, self.version, &self.frame) {
            Ok((_, message)) => Ok(message),
            Err(error) => Err(malformed(&self.address, self.api, error.to_string())),
        }
    }
}

pub(crate) fn malformed(address: &str, api: ApiKey, detail: String) -> ClientError {
    ClientError::Malformed { address: address.to_owned(), api: api.name(), detail }
}

/// A request that has been queued and will be answered, or not.
#[derive(Debug)]
pub(crate) struct Pending {
    reply: oneshot::Receiver<Result<Bytes, ClientError>>,
    api: ApiKey,
    version: i16,
    timeout: Duration,
    address: Arc<str>,
    shared: Arc<Shared>,
}

impl Pending {
    /// Waits for the answer. A broker that does not answer in time loses the connection: all later answers on it would
    /// have to wait for this one.
    pub async fn response(self) -> Result<Response, ClientError> {
        let frame = match tokio::time::timeout(self.timeout, self.reply).await {
            Ok(Ok(frame)) => frame?,
            Ok(Err(_)) => return Err(self.shared.end_error()),
            Err(_) => {
                let after_ms = self.timeout.as_millis() as u64;
                let error = ClientError::RequestTimeout {
                    address: self.address.to_string(),
                    api: self.api.name(),
                    after_ms,
                };
                self.shared.end(&format!("{} was not answered within {after_ms} ms", self.api));
                return Err(error);
            }
        };
        Ok(Response { api: self.api, version: self.version, frame, address: self.address })
    }
}

impl Connection {
    /// Connects to `host:port` and agrees on versions.
    pub async fn open(
        net: &Net,
        host: &str,
        port: u16,
        config: &ClientConfig,
    ) -> Result<Connection, ClientError> {
        let address: Arc<str> = if host.contains(':') {
            format!("[{host}]:{port}").into()
        } else {
            format!("{host}:{port}").into()
        };
        let unreachable = |cause: String| ClientError::Unreachable { address: address.to_string(), cause };
        let setup = config.connection_setup_timeout;
        let stream = match tokio::time::timeout(setup, net.connect_host(host, port)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable(format!("no connection within {} ms", setup.as_millis()))),
        };
        let (queue, outgoing) = mpsc::channel(MAX_IN_FLIGHT);
        let shared = tasks::start(stream, outgoing, Arc::clone(&address), config.connections_max_idle);
        let mut connection = Connection {
            address,
            client_id: (!config.client_id.is_empty()).then(|| config.client_id.clone()),
            request_timeout: config.request_timeout,
            versions: VersionTable::default(),
            next_correlation_id: AtomicI32::new(0),
            queue,
            shared,
        };
        connection.versions = connection.negotiate().await?;
        Ok(connection)
    }

    /// Asks for the broker's versions with the newest request this client has. A broker that does not know that version
    /// answers in version 0 and names the versions it knows (KIP-511).
    async fn negotiate(&self) -> Result<VersionTable, ClientError> {
        let newest = ApiKey::ApiVersions.max_version();
        let response = self.ask_versions(newest).await?;
        // Behind the correlation id every version starts with the error code.
        let code = match *response.frame {
            [_, _, _, _, high, low, ..] => ErrorCode(i16::from_be_bytes([high, low])),
            _ => return Err(malformed(&self.address, ApiKey::ApiVersions, "it is too short".to_owned())),
        };
        if code != ErrorCode::UNSUPPORTED_VERSION {
            return self.version_table(&response);
        }
        let oldest = Response { version: 0, ..response };
        let known = oldest
            .decode::<ApiVersionsResponse<'_>>()?
            .api_keys
            .iter()
            .find(|api| api.api_key == ApiKey::ApiVersions as i16)
            .map_or(0, |api| api.max_version);
        let response = self.ask_versions(known.clamp(0, newest)).await?;
        self.version_table(&response)
    }

    async fn ask_versions(&self, version: i16) -> Result<Response, ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: SOFTWARE_NAME.into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..ApiVersionsRequest::default()
        };
        self.send_at(&request, version, self.request_timeout).await?.response().await
    }

    fn version_table(&self, response: &Response) -> Result<VersionTable, ClientError> {
        let answer = response.decode::<ApiVersionsResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api(&*self.address, answer.error_code, None));
        }
        let ranges = answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version)));
        Ok(VersionTable::new(Arc::clone(&self.address), ranges))
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The versions the broker speaks.
    pub fn versions(&self) -> &VersionTable {
        &self.versions
    }

    /// Whether the connection still stands, as far as is known.
    pub fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    /// Sends a request in the newest version both sides know and waits for the answer.
    pub async fn call<'a, R: Request<'a>>(&self, request: &R) -> Result<Response, ClientError> {
        let version = self.versions.pick(R::API_KEY, R::API_KEY.min_version(), R::API_KEY.max_version())?;
        self.call_at(request, version).await
    }

    /// Sends a request in this version, which the caller picked, and waits for the answer.
    pub async fn call_at<'a, R: Request<'a>>(
        &self,
        request: &R,
        version: i16,
    ) -> Result<Response, ClientError> {
        self.send_at(request, version, self.request_timeout).await?.response().await
    }

    /// Queues a request and leaves the waiting to the caller.
    pub async fn send_at<'a, R: Request<'a>>(
        &self,
        request: &R,
        version: i16,
        timeout: Duration,
    ) -> Result<Pending, ClientError> {
        let correlation_id = self.correlation_id();
        let frame = Frame::encode(correlation_id, self.client_id.as_deref(), version, request, &[])?;
        self.send_frame(R::API_KEY, version, correlation_id, frame, true, timeout).await
    }

    /// The name under which to encode a frame for [`Connection::send_frame`].
    pub fn correlation_id(&self) -> i32 {
        self.next_correlation_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The client id to encode into a frame for [`Connection::send_frame`].
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Queues an encoded request. If it is not `answered` (Produce with acks=0), the returned answer is empty and comes
    /// when the request has been written.
    pub async fn send_frame(
        &self,
        api: ApiKey,
        version: i16,
        correlation_id: i32,
        frame: Frame,
        answered: bool,
        timeout: Duration,
    ) -> Result<Pending, ClientError> {
        let (sender, reply) = oneshot::channel();
        let outgoing = Outgoing { frame, correlation_id, answered, reply: sender };
        let (address, shared) = (Arc::clone(&self.address), Arc::clone(&self.shared));
        if !self.shared.is_open() || self.queue.send(outgoing).await.is_err() {
            return Err(self.shared.end_error());
        }
        Ok(Pending { reply, api, version, timeout, address, shared })
    }
}
