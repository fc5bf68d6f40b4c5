//! One connection that sends typed requests, or bytes that are none.

use std::net::SocketAddr;

use platform::{Net, OsNet, Stream};
use protocol::{Message, Request, decode_response, encode_request};

/// Largest answer a test expects.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection to a node.
pub struct TestConnection {
    stream: Stream,
    client_id: String,
    correlation_id: i32,
}

impl TestConnection {
    /// Connects, as the client `test`.
    pub async fn open(address: SocketAddr) -> Self {
        Self::open_as(address, "test").await
    }

    /// Connects, as a client of this name.
    pub async fn open_as(address: SocketAddr, client_id: &str) -> Self {
        let stream = Net::Os(OsNet).connect(address).await.expect("the node accepts connections");
        Self { stream, client_id: client_id.to_owned(), correlation_id: 0 }
    }

    /// Sends a request at a version and returns the answer.
    ///
    /// The answer borrows from its frame, which is leaked: a test is short.
    pub async fn ask<'a, R: Request<'a>, M: Message<'static>>(&mut self, version: i16, request: &R) -> M {
        self.send(version, request).await;
        let frame =
            self.receive().await.unwrap_or_else(|| panic!("no answer to {:?} v{version}", R::API_KEY));
        let frame: &'static [u8] = Vec::leak(frame);
        let (id, response) = decode_response::<M>(R::API_KEY, version, frame)
            .unwrap_or_else(|error| panic!("{:?} v{version} answer: {error}", R::API_KEY));
        assert_eq!(id, self.correlation_id, "answers come in order");
        response
    }

    /// Sends a request without waiting.
    pub async fn send<'a, R: Request<'a>>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let frame = encode_request(self.correlation_id, Some(&self.client_id), version, request)
            .unwrap_or_else(|error| panic!("{:?} v{version} request: {error}", R::API_KEY));
        self.send_raw(&frame).await;
    }

    /// Sends bytes as they are.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        // A broken pipe shows in what is received, which is what the test looks at.
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next frame without its length; none when the node closed the connection.
    pub async fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await.ok()?;
        let length = usize::try_from(i32::from_be_bytes(length)).expect("a length is not negative");
        assert!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes");
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame)
    }
}
