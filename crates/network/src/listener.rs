//! A node's listeners: accepting, counting, spreading connections over runtimes, sweeping out the idle.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use platform::{DetachedStream, Listener, Stream};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connection::{Activity, Admission, Connection, ConnectionInfo, RequestHandler};
use crate::limits::{ConnectionCount, ConnectionLimits, FrameLimits};

/// Connections held off at the same time, at most.
const HELD_MAX: usize = 1024;
/// A pause after a failed accept, so that running out of descriptors does not spin.
const ACCEPT_RETRY_MS: u64 = 50;
/// A large read buffer is given back after this long without a byte.
const TRIM_IDLE_MS: u64 = 5_000;
/// How often idle connections are looked for, at most.
const SWEEP_MS_MAX: u64 = 5_000;

/// What all listeners of a node share.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    /// Bounds of a frame.
    pub frames: FrameLimits,
    /// Bounds of the number of connections.
    pub connections: ConnectionLimits,
    /// Milliseconds without a byte after which a connection is closed (`connections.max.idle.ms`).
    pub idle_ms_max: u64,
}

/// The open listeners and connections of a node. Dropping it closes them all.
pub struct Listeners<H> {
    shared: Arc<Shared<H>>,
}

struct Shared<H> {
    handler: Arc<H>,
    config: ListenerConfig,
    count: ConnectionCount,
    runtimes: Vec<Handle>,
    next_runtime: AtomicUsize,
    next_id: AtomicU64,
    epoch: Instant,
    activities: Mutex<BTreeMap<u64, Arc<Activity>>>,
    tasks: Mutex<JoinSet<()>>,
    accepting: Mutex<JoinSet<()>>,
    sweeping: AtomicBool,
    /// Connections that are held off.
    held: AtomicUsize,
}

impl<H> Shared<H> {
    /// Milliseconds since the listeners were made.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl<H: RequestHandler> Listeners<H> {
    /// Makes the empty set. Connections are spread over `runtimes`; with none given they stay on the caller's.
    #[must_use]
    pub fn new(handler: Arc<H>, config: ListenerConfig, runtimes: Vec<Handle>) -> Self {
        let count = ConnectionCount::new(config.connections.clone());
        let shared = Shared {
            handler,
            config,
            count,
            runtimes,
            next_runtime: AtomicUsize::new(0),
            next_id: AtomicU64::new(0),
            epoch: Instant::now(),
            activities: Mutex::default(),
            tasks: Mutex::default(),
            accepting: Mutex::default(),
            sweeping: AtomicBool::new(false),
            held: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Starts to accept.
    pub fn accept(&self, listener: Listener, name: Arc<str>) {
        let shared = self.shared.clone();
        self.shared.accepting.lock().spawn(async move { accept_all(shared, listener, name).await });
    }

    /// Stops accepting; open connections go on.
    pub async fn stop_accepting(&self) {
        let mut accepting = std::mem::take(&mut *self.shared.accepting.lock());
        accepting.shutdown().await;
    }

    /// Lets each connection answer what it is at and closes it, at the latest after `limit`.
    pub async fn drain(&self, limit: Duration) {
        self.stop_accepting().await;
        for activity in self.shared.activities.lock().values() {
            activity.close.notify_one();
        }
        let mut tasks = std::mem::take(&mut *self.shared.tasks.lock());
        let all_done = async { while tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(limit, all_done).await;
        tasks.shutdown().await;
    }

    /// Ends all connections on the spot and returns when their tasks are gone.
    pub async fn abort(&self) {
        self.stop_accepting().await;
        let mut tasks = std::mem::take(&mut *self.shared.tasks.lock());
        tasks.shutdown().await;
    }

    /// Replaces the bounds of the number of connections. Those that are open stay.
    pub fn set_connection_limits(&self, limits: ConnectionLimits) {
        self.shared.count.set_limits(limits);
    }

    /// Number of open connections.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.shared.activities.lock().len()
    }
}

impl<H> Drop for Listeners<H> {
    fn drop(&mut self) {
        self.shared.accepting.lock().abort_all();
        self.shared.tasks.lock().abort_all();
    }
}

async fn accept_all<H: RequestHandler>(shared: Arc<Shared<H>>, listener: Listener, name: Arc<str>) {
    let Ok(local_addr) = listener.local_addr() else { return };
    loop {
        match listener.accept().await {
            Ok((stream, peer_addr)) => match shared.handler.admit(&name, peer_addr.ip()).await {
                Admission::Open if shared.count.admit(&name, peer_addr.ip()).await => {
                    start(&shared, stream, peer_addr, local_addr, &name);
                }
                Admission::Open => {
                    tracing::info!(peer = %peer_addr, "connection refused: max.connections.per.ip is reached");
                }
                Admission::Hold(time) => hold(&shared, stream, time),
            },
            Err(error) => {
                tracing::warn!(listener = %name, %error, "could not accept a connection; raise the limit of open files if this goes on");
                tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
            }
        }
    }
}

/// Serves a connection that has its place in the counts.
fn start<H: RequestHandler>(
    shared: &Arc<Shared<H>>,
    stream: Stream,
    peer_addr: SocketAddr,
    bound_addr: SocketAddr,
    name: &Arc<str>,
) {
    let id = shared.next_id.fetch_add(1, Ordering::Relaxed);
    let local_addr = stream.local_addr().unwrap_or(bound_addr);
    let info = ConnectionInfo { id, listener_name: name.clone(), local_addr, peer_addr };
    let stream = match stream.into_std() {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "could not take over a connection");
            shared.count.release(name, peer_addr.ip());
            return;
        }
    };
    let activity = Arc::new(Activity::accepted(shared.now_ms()));
    shared.activities.lock().insert(id, activity.clone());
    let task = serve(shared.clone(), stream, info, activity);
    let mut tasks = shared.tasks.lock();
    while tasks.try_join_next().is_some() {}
    if shared.runtimes.is_empty() {
        tasks.spawn(task);
    } else {
        let index = shared.next_runtime.fetch_add(1, Ordering::Relaxed) % shared.runtimes.len();
        tasks.spawn_on(task, &shared.runtimes[index]);
    }
    drop(tasks);
    if !shared.sweeping.swap(true, Ordering::Relaxed) {
        shared.accepting.lock().spawn(sweep(shared.clone()));
    }
}

/// Keeps a connection open for a while without looking at it, so that its client does not try again at once.
fn hold<H: RequestHandler>(shared: &Arc<Shared<H>>, stream: Stream, time: Duration) {
    let held = Held::new(shared.clone());
    if let Some(held) = held {
        let mut accepting = shared.accepting.lock();
        while accepting.try_join_next().is_some() {}
        accepting.spawn(async move {
            tokio::time::sleep(time).await;
            drop(stream);
            drop(held);
        });
    }
}

/// A held connection's place in the count, given back however its task ends.
struct Held<H> {
    shared: Arc<Shared<H>>,
}

impl<H> Held<H> {
    /// A place, unless so many are held that the next one is closed at once.
    fn new(shared: Arc<Shared<H>>) -> Option<Self> {
        let before = shared.held.fetch_add(1, Ordering::Relaxed);
        let held = Self { shared };
        (before < HELD_MAX).then_some(held)
    }
}

impl<H> Drop for Held<H> {
    fn drop(&mut self) {
        self.shared.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Boxed, so that a task costs what the connection needs and not what this function's frame needs beside it.
fn serve<H: RequestHandler>(
    shared: Arc<Shared<H>>,
    stream: DetachedStream,
    info: ConnectionInfo,
    activity: Arc<Activity>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let place = Place {
            shared: shared.clone(),
            id: info.id,
            listener: info.listener_name.clone(),
            ip: info.peer_addr.ip(),
        };
        match Stream::from_std(stream) {
            Ok(stream) => {
                let connection = Connection {
                    stream,
                    info,
                    handler: shared.handler.clone(),
                    limits: shared.config.frames.clone(),
                    memory: None,
                    activity,
                    epoch: shared.epoch,
                };
                connection.serve().await;
            }
            Err(error) => tracing::warn!(%error, "could not take over a connection"),
        }
        drop(place);
    })
}

/// A connection's place in the counts, given back however its task ends.
struct Place<H> {
    shared: Arc<Shared<H>>,
    id: u64,
    listener: Arc<str>,
    ip: std::net::IpAddr,
}

impl<H> Drop for Place<H> {
    fn drop(&mut self) {
        self.shared.activities.lock().remove(&self.id);
        self.shared.count.release(&self.listener, self.ip);
    }
}

/// Closes idle connections and trims buffers while there are connections; ends when there are none.
async fn sweep<H: RequestHandler>(shared: Arc<Shared<H>>) {
    let period = Duration::from_millis((shared.config.idle_ms_max / 2).clamp(1, SWEEP_MS_MAX));
    loop {
        tokio::time::sleep(period).await;
        let activities = shared.activities.lock();
        if activities.is_empty() {
            shared.sweeping.store(false, Ordering::Relaxed);
            return;
        }
        let now_ms = shared.now_ms();
        for activity in activities.values() {
            let idle_ms = activity.idle_ms(now_ms).unwrap_or(0);
            if idle_ms >= shared.config.idle_ms_max {
                activity.kill.notify_one();
            } else if idle_ms >= TRIM_IDLE_MS && activity.holds_large() {
                activity.trim.notify_one();
            }
        }
    }
}
