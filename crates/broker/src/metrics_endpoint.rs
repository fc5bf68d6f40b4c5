//! The HTTP listener that lets Prometheus look at metrics (`metrics.http.listener`).
//!
//! Owns its connections: one request each, small, within a time. Serves one page and changes nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use platform::{Clock, Listener, Stream};
use storage::{LogDir, LogDirs};
use tokio::task::JoinSet;

use crate::client_telemetry::ClientTelemetry;

/// Connections at the same time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 16;
/// Longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Most header fields of a request.
const HEADERS_MAX: usize = 64;
/// A request has to come, and its answer to be taken, within this.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);
/// A pause after a failed accept.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// The version of Prometheus' text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page of metrics.
pub struct MetricsEndpoint {
    /// Where it listens.
    pub listener: Listener,
    /// What it shows.
    pub telemetry: Arc<ClientTelemetry>,
    /// Whose open files it shows.
    pub log_dirs: Arc<LogDirs>,
    /// The time.
    pub clock: Clock,
}

impl MetricsEndpoint {
    /// Serves until dropped.
    pub async fn run(self) {
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= CONNECTIONS_MAX {
                connections.join_next().await;
            }
            while connections.try_join_next().is_some() {}
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let (telemetry, log_dirs) = (self.telemetry.clone(), self.log_dirs.clone());
                    let clock = self.clock.clone();
                    let page = move || telemetry.exposition(clock.wall_ms()) + &open_files(&log_dirs);
                    connections.spawn(answer(stream, peer, page));
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection to the metrics");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

/// How many segment files are open in each log directory, and how many may be.
fn open_files(log_dirs: &LogDirs) -> String {
    let mut page = String::new();
    for (name, help, value) in [
        (
            "klamm_log_open_files",
            "Segment files that are open.",
            LogDir::open_files_count as fn(&LogDir) -> usize,
        ),
        ("klamm_log_open_files_max", "Segment files that may be open at once.", LogDir::open_files_max),
    ] {
        page.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        for dir in log_dirs.opened() {
            let path = dir
                .path()
                .display()
                .to_string()
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            page.push_str(&format!("{name}{{log_dir=\"{path}\"}} {}\n", value(dir)));
        }
    }
    page
}

async fn answer(stream: Stream, peer: SocketAddr, page: impl FnOnce() -> String) {
    let served = tokio::time::timeout(CONNECTION_TIME_MAX, async {
        let request = read_request(&stream).await?;
        let response = respond(&request, page);
        stream.write_all(&response).await
    });
    match served.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a look at the metrics failed"),
        Err(_) => tracing::debug!(%peer, "a look at the metrics took too long"),
    }
}

/// Reads up to the empty line that ends the header, or as much as a request may be.
async fn read_request(stream: &Stream) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    let mut chunk = [0; 1024];
    while request.len() < REQUEST_BYTES_MAX && !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut chunk).await? {
            0 => break,
            bytes => request.extend_from_slice(&chunk[..bytes]),
        }
    }
    Ok(request)
}

fn respond(request: &[u8], page: impl FnOnce() -> String) -> Vec<u8> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let is_whole = matches!(parsed.parse(request), Ok(httparse::Status::Complete(_)));
    let path = parsed.path.unwrap_or_default();
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    match (is_whole, parsed.method, path) {
        (false, _, _) => message("400 Bad Request", "this is no HTTP request\n", true),
        (true, Some("GET"), "/metrics") => message("200 OK", &page(), true),
        (true, Some("HEAD"), "/metrics") => message("200 OK", &page(), false),
        (true, Some("GET" | "HEAD"), _) => message("404 Not Found", "the metrics are at /metrics\n", true),
        (true, _, _) => message("405 Method Not Allowed", "only GET and HEAD are served\n", true),
    }
}

fn message(status: &str, body: &str, with_body: bool) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let mut out = head.into_bytes();
    if with_body {
        out.extend_from_slice(body.as_bytes());
    }
    out
}
