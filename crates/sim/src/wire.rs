//! Owns one client connection: frames, correlation, versions, time-outs. It never retries and never interprets an
//! error code.

mod ask;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use platform::{Platform, Rng, Stream};
use protocol::{ApiKey, ApiVersionsRequest, ErrorCode};
use tokio::time::timeout;

pub use ask::Ask;

/// The connection is gone, or no answer came in time. What was asked may or may not have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost(pub String);

impl From<std::io::Error> for Lost {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Longest wait for an answer, beyond what the request itself allows.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest frame accepted: a node that announces more is broken.
const MAX_FRAME_BYTES: usize = 64 << 20;

/// Versions this client is written for. Below them fields are missing that it needs; above them nothing is known.
const KNOWN: &[(ApiKey, i16, i16)] = &[
    (ApiKey::Produce, 3, 13),
    (ApiKey::Fetch, 4, 18),
    (ApiKey::ListOffsets, 1, 11),
    (ApiKey::Metadata, 10, 13),
    (ApiKey::OffsetCommit, 2, 10),
    (ApiKey::OffsetFetch, 1, 10),
    (ApiKey::FindCoordinator, 0, 6),
    (ApiKey::JoinGroup, 0, 9),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 5),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::InitProducerId, 0, 5),
];

/// A connection to a node, with versions chosen by the seed among those that both sides know.
///
/// Answers are read in the order of the requests, as Kafka promises them; a frame that breaks this, or that cannot be
/// decoded, is a fault of the node and panics.
pub struct Wire {
    stream: Stream,
    client_id: String,
    versions: BTreeMap<i16, i16>,
    next_correlation: i32,
    /// Requests without an answer so far: (correlation id, key, version).
    pending: VecDeque<(i32, ApiKey, i16)>,
}

impl Wire {
    /// Connects and agrees on versions.
    pub async fn connect(
        platform: &Platform,
        address: SocketAddr,
        client_id: &str,
        rng: &Rng,
    ) -> Result<Self, Lost> {
        let connected = timeout(ANSWER_TIMEOUT, platform.net.connect(address)).await;
        let stream = connected.map_err(|_| Lost("connecting took too long".to_owned()))??;
        let mut wire = Self {
            stream,
            client_id: client_id.to_owned(),
            versions: BTreeMap::from([(ApiKey::ApiVersions as i16, i16::from(rng.below(2) == 0) * 3)]),
            next_correlation: 1,
            pending: VecDeque::new(),
        };
        let mut request = ApiVersionsRequest::default();
        if wire.version(ApiKey::ApiVersions) >= 3 {
            request.client_software_name = "klamm-sim".into();
            request.client_software_version = "1".into();
        }
        let answer = wire.call(&request).await?;
        assert_eq!(answer.error_code, ErrorCode::NONE, "ApiVersions is answered");
        for (key, lowest, highest) in KNOWN {
            let served = answer.api_keys.iter().find(|served| served.api_key == *key as i16);
            let Some(served) = served else { continue };
            let (lowest, highest) = ((*lowest).max(served.min_version), (*highest).min(served.max_version));
            assert!(lowest <= highest, "{} is served at a version that clients use", key.name());
            wire.versions.insert(*key as i16, choose_version(lowest, highest, rng));
        }
        Ok(wire)
    }

    /// The version in use for an API.
    ///
    /// # Panics
    /// If the node does not serve the API.
    pub fn version(&self, key: ApiKey) -> i16 {
        match self.versions.get(&(key as i16)) {
            Some(version) => *version,
            None => panic!("the node does not serve {}", key.name()),
        }
    }

    /// Uses at least this version of an API, if the node serves it: for what older versions cannot say.
    pub fn raise(&mut self, key: ApiKey, version: i16) {
        if let Some(chosen) = self.versions.get_mut(&(key as i16)) {
            *chosen = version.max(*chosen);
        }
    }

    /// Whether the node serves an API.
    pub fn serves(&self, key: ApiKey) -> bool {
        self.versions.contains_key(&(key as i16))
    }

    /// Requests that have no answer yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Sends a request; its answer is read by [`Self::receive`] in turn.
    pub async fn send<R: Ask>(&mut self, request: &R) -> Result<(), Lost> {
        let (key, version) = (R::API_KEY, self.version(R::API_KEY));
        let correlation = self.next_correlation;
        self.next_correlation += 1;
        let frame = match protocol::encode_request(correlation, Some(&self.client_id), version, request) {
            Ok(frame) => frame,
            Err(e) => panic!("{} v{version} cannot be encoded: {e}", key.name()),
        };
        let written = timeout(ANSWER_TIMEOUT, self.stream.write_all(&frame)).await;
        written.map_err(|_| Lost("writing took too long".to_owned()))??;
        self.pending.push_back((correlation, key, version));
        Ok(())
    }

    /// Reads the answer to the oldest request without one, which must be of `R`'s kind.
    pub async fn receive<R: Ask>(&mut self) -> Result<R::Answer, Lost> {
        let (correlation, key, version) = self.pending.pop_front().expect("a request waits for its answer");
        assert_eq!(key, R::API_KEY, "answers are asked for in the order of the requests");
        let frame = timeout(ANSWER_TIMEOUT, self.read_frame()).await;
        let frame = frame.map_err(|_| Lost(format!("no answer to {} v{version}", key.name())))??;
        let (answered, answer) = match R::read(version, &frame) {
            Ok(read) => read,
            Err(e) => panic!("the answer to {} v{version} cannot be decoded: {e}", key.name()),
        };
        assert_eq!(answered, correlation, "answers come in the order of the requests");
        Ok(answer)
    }

    /// Sends a request and reads its answer.
    pub async fn call<R: Ask>(&mut self, request: &R) -> Result<R::Answer, Lost> {
        self.send(request).await?;
        self.receive::<R>().await
    }

    async fn read_frame(&mut self) -> Result<Vec<u8>, Lost> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        assert!(length <= MAX_FRAME_BYTES, "a frame of {length} bytes is announced");
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame).await?;
        Ok(frame)
    }
}

/// The newest version half of the time, else any: old versions are served as long as the new ones.
fn choose_version(lowest: i16, highest: i16, rng: &Rng) -> i16 {
    let span = u64::from(highest.abs_diff(lowest)) + 1;
    let back = if rng.below(2) == 0 { 0 } else { rng.below(span) };
    highest - i16::try_from(back).unwrap_or(0)
}
