//! The task's loop: requests, timers, finished snapshots.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use controller::{Controller, ControllerConfig};
use metadata::{MetadataImage, MetadataLoader, Published};
use platform::Platform;
use protocol::MetadataRecord;
use raft::{Raft, SnapshotId, SnapshotInfo};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::decision::{Decide, Decision, Request};
use super::performance::{EventKind, Performance};
use super::producer_ids::ProducerIds;
use super::{ControllerError, MetadataPublisher};
use crate::metadata_log::{MetadataLog, MetadataLogError};

/// Most requests served in one turn: it bounds how long the first of them waits for the others.
const REQUESTS_PER_TURN_MAX: usize = 256;
/// Longest sleep: timers are kept in wall-clock time, which may be set.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// The owner of Raft, the controller and the metadata log.
pub struct ControllerTask {
    pub(super) platform: Platform,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) log: MetadataLog,
    pub(super) raft: Raft,
    pub(super) batch_bytes_max: usize,
    pub(super) controller: Controller,
    pub(super) controller_config: ControllerConfig,
    /// What the controller knew when everything it had decided was committed.
    pub(super) committed: MetadataLoader,
    pub(super) image: Arc<ArcSwap<MetadataImage>>,
    /// Records that were decided and are not committed.
    pub(super) uncommitted: Vec<(i64, MetadataRecord<'static>)>,
    /// Steps that are written and not committed, each with its end.
    pub(super) steps: VecDeque<(i64, Published)>,
    /// Where a flush that was asked for has to reach.
    pub(super) flush_to: Option<i64>,
    /// The snapshot being written.
    pub(super) snapshot: Option<(SnapshotId, JoinHandle<Result<SnapshotInfo, ControllerError>>)>,
    /// When files out of use may be removed.
    pub(super) delete_due_ms: Option<i64>,
    /// When it is to be written down how far the log was flushed, unless it goes on before.
    pub(super) prove_due_ms: Option<i64>,
    pub(super) producer_ids: ProducerIds,
    pub(super) performance: Performance,
    pub(super) publisher: Option<Arc<dyn MetadataPublisher>>,
    pub(super) requests: mpsc::Receiver<Request>,
}

/// What woke the task.
enum Event {
    Request(Option<Request>),
    Snapshot(SnapshotId, Result<SnapshotInfo, ControllerError>),
    Timer,
}

impl ControllerTask {
    /// Serves until the node stops ([`super::ControllerHandle::stop`]) or the last handle is gone. `publisher` is told of
    /// every change from here on.
    ///
    /// # Errors
    /// A fault: the metadata log cannot be written any more, and the node must stop.
    pub async fn run(mut self, publisher: Arc<dyn MetadataPublisher>) -> Result<(), ControllerError> {
        self.publisher = Some(publisher);
        loop {
            let event = self.next_event().await;
            let began = Instant::now();
            let kind = match event {
                Event::Request(Some(request)) => {
                    if let Some(stopped) = self.serve_all_waiting(request).await? {
                        return self.stop(Some(stopped)).await;
                    }
                    EventKind::Requests
                }
                Event::Request(None) => return self.stop(None).await,
                Event::Snapshot(id, result) => {
                    self.finish_snapshot(id, result).await?;
                    EventKind::Snapshot
                }
                Event::Timer if self.is_due() => {
                    self.handle_timers().await?;
                    EventKind::Timers
                }
                Event::Timer => {
                    self.end_period();
                    continue;
                }
            };
            self.note_event(kind, began);
        }
    }

    fn note_event(&mut self, kind: EventKind, began: Instant) {
        if let Some(slow) = self.performance.note(kind, began, Instant::now()) {
            tracing::warn!("controller: {slow}");
        }
        self.end_period();
    }

    fn end_period(&mut self) {
        if let Some(summary) = self.performance.handle_timeout(Instant::now()) {
            tracing::info!("controller: {summary}");
        }
    }

    async fn next_event(&mut self) -> Event {
        let sleep = self.sleep_duration();
        let snapshot = self.snapshot.as_mut();
        tokio::select! {
            biased;
            request = self.requests.recv() => Event::Request(request),
            Some((id, result)) = finished(snapshot) => Event::Snapshot(id, result),
            () = tokio::time::sleep(sleep) => Event::Timer,
        }
    }

    /// One turn for this request and all that wait behind it. Whom to tell of the stop, if a stop was among them.
    async fn serve_all_waiting(
        &mut self,
        first: Request,
    ) -> Result<Option<oneshot::Sender<()>>, ControllerError> {
        let mut decides = Vec::new();
        let mut producers = Vec::new();
        let mut next = Some(first);
        let mut stop = None;
        while let Some(request) = next.take() {
            match request {
                Request::Decide(decide) => decides.push(decide),
                Request::NextProducerId(sender) => producers.push(sender),
                Request::Stop(stopped) => {
                    stop = Some(stopped);
                    break;
                }
            }
            if decides.len() + producers.len() < REQUESTS_PER_TURN_MAX {
                next = self.requests.try_recv().ok();
            }
        }
        if !decides.is_empty() {
            self.turn(decides).await?;
        }
        self.give_producer_ids(producers).await?;
        Ok(stop)
    }

    fn due_ms(&self) -> Option<i64> {
        let due =
            [self.raft.poll_timeout(), self.controller.poll_timeout(), self.delete_due_ms, self.prove_due_ms];
        due.into_iter().flatten().min()
    }

    fn is_due(&self) -> bool {
        self.due_ms().is_some_and(|due_ms| due_ms <= self.platform.clock.wall_ms())
    }

    fn sleep_duration(&self) -> Duration {
        let left = |due_ms: i64| due_ms.saturating_sub(self.platform.clock.wall_ms());
        let until_due =
            self.due_ms().map(|due_ms| Duration::from_millis(left(due_ms).try_into().unwrap_or(0)));
        let until_summary = self.performance.poll_timeout().map(|at| at.duration_since(Instant::now()));
        [until_due, until_summary].into_iter().flatten().min().map_or(SLEEP_MAX, |sleep| sleep.min(SLEEP_MAX))
    }

    async fn handle_timers(&mut self) -> Result<(), ControllerError> {
        let now_ms = self.platform.clock.wall_ms();
        let mut effects = Vec::new();
        self.raft.handle_timeout(now_ms, &mut effects);
        self.carry_out(effects).await?;
        if self.delete_due_ms.is_some_and(|due| due <= now_ms) {
            self.delete_due_ms = None;
            if let Some(ticket) = self.log.expired_files(now_ms) {
                self.platform.blocking.run(move || ticket.run()).await;
            }
        }
        if self.prove_due_ms.is_some_and(|due| due <= now_ms) {
            self.prove_due_ms = None;
            self.log.prove(&self.platform.blocking).await?;
        }
        if self.controller.poll_timeout().is_some_and(|due| due <= now_ms) {
            let (sender, fenced) = oneshot::channel();
            let decide: Decide = Box::new(move |controller, context| {
                Decision::new(Ok(controller.handle_timeout(context.now_ms)), sender)
            });
            self.turn(vec![decide]).await?;
            if let Ok(Ok(Some(id))) = fenced.await {
                tracing::info!(broker = id, "fenced a broker whose session ran out");
            }
        }
        Ok(())
    }

    async fn finish_snapshot(
        &mut self,
        id: SnapshotId,
        result: Result<SnapshotInfo, ControllerError>,
    ) -> Result<(), ControllerError> {
        self.snapshot = None;
        let mut effects = Vec::new();
        match result {
            Ok(info) => {
                tracing::info!(snapshot = %id, bytes = info.size_bytes, "wrote a metadata snapshot");
                self.log.add_snapshot(info);
                self.raft.handle_snapshot_written(info, self.log.size_bytes(), &mut effects);
            }
            // The log still has everything, so that a later snapshot does as well.
            Err(error) => {
                tracing::error!(snapshot = %id, %error, "a metadata snapshot could not be written");
                self.raft.handle_snapshot_failed(id);
            }
        }
        self.carry_out(effects).await?;
        Ok(())
    }

    /// Refuses what waits, and closes the log so that the next start has nothing to recover.
    async fn stop(mut self, stopped: Option<oneshot::Sender<()>>) -> Result<(), ControllerError> {
        let mut effects = Vec::new();
        self.raft.handle_shutdown(&mut effects);
        self.carry_out(effects).await?;
        self.requests.close();
        if let Some((id, writing)) = self.snapshot.take()
            && let Ok(Err(error)) = writing.await
        {
            tracing::error!(snapshot = %id, %error, "a metadata snapshot could not be written");
        }
        match self.close_log().await {
            // The log is as it was: the next start recovers it.
            Err(error) if error.is_full() => {}
            closed => closed?,
        }
        if let Some(stopped) = stopped {
            _ = stopped.send(());
        }
        Ok(())
    }

    async fn close_log(&mut self) -> Result<(), MetadataLogError> {
        let Some(ticket) = self.log.close()? else { return Ok(()) };
        let run = move || {
            let result = ticket.run();
            (ticket, result)
        };
        let (ticket, result) = self.platform.blocking.run(run).await;
        result?;
        self.log.mark_durable(&ticket);
        Ok(())
    }
}

/// Waits for the snapshot being written; `None` at once if there is none.
async fn finished(
    snapshot: Option<&mut (SnapshotId, JoinHandle<Result<SnapshotInfo, ControllerError>>)>,
) -> Option<(SnapshotId, Result<SnapshotInfo, ControllerError>)> {
    let (id, writing) = snapshot?;
    let result = match writing.await {
        Ok(result) => result,
        Err(failed) => Err(std::io::Error::other(failed).into()),
    };
    Some((*id, result))
}
