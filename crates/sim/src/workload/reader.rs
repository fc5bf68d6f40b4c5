//! Owns a consumer that follows all partitions by itself, from their start. It commits nothing.

use platform::Rng;
use protocol::Uuid;
use tokio::sync::watch;

use super::Phase;
use super::fetcher::Fetcher;
use super::session::Session;
use crate::history::{Event, Stamp};
use crate::wire::{Lost, Wire};

pub(super) struct Reader {
    session: Session,
    phase: watch::Receiver<Phase>,
    fetcher: Fetcher,
}

impl Reader {
    pub(super) fn new(session: Session, phase: watch::Receiver<Phase>) -> Self {
        let positions = session.partitions().map(|partition| (partition, 0)).collect();
        let fetcher = new_fetcher(&session.rng, positions);
        Self { session, phase, fetcher }
    }

    pub(super) async fn run(mut self) {
        for partition in self.session.partitions() {
            seek(&self.session, partition, 0);
        }
        loop {
            let (mut wire, topic_id) = self.session.open().await;
            match self.follow(&mut wire, topic_id).await {
                Ok(()) => return,
                Err(lost) => self.session.recover(lost).await,
            }
        }
    }

    async fn follow(&mut self, wire: &mut Wire, topic_id: Uuid) -> Result<(), Lost> {
        loop {
            let is_ending = *self.phase.borrow() >= Phase::CatchUp;
            poll(&self.session, &mut self.fetcher, wire, topic_id).await?;
            if is_ending && let Some(bounds) = self.session.bounds(wire).await? {
                let mut positions = self.fetcher.positions.iter();
                if positions.all(|(partition, position)| *position >= bounds[partition].1) {
                    return Ok(());
                }
            }
        }
    }
}

/// With a fetch session or without, by the seed.
pub(super) fn new_fetcher(rng: &Rng, positions: std::collections::BTreeMap<i32, i64>) -> Fetcher {
    match rng.below(2) {
        0 => Fetcher::sessionless(positions),
        _ => Fetcher::with_session(positions),
    }
}

pub(super) fn seek(session: &Session, partition: i32, offset: i64) {
    session.history.add(Event::Seek { reader: session.name.clone(), partition, offset });
}

/// Polls once and records what was seen; positions outside of the log are moved into it.
pub(super) async fn poll(
    session: &Session,
    fetcher: &mut Fetcher,
    wire: &mut Wire,
    topic_id: Uuid,
) -> Result<(), Lost> {
    let began = session.history.now();
    let before = fetcher.positions.clone();
    let polled = fetcher.poll(session, wire, topic_id).await?;
    for fetched in polled.records {
        let (partition, offset, value) = (fetched.partition, fetched.offset, fetched.value);
        let reader = session.name.clone();
        session.history.add_since(began, Event::Read { reader, partition, offset, value });
    }
    for partition in polled.out_of_range {
        out_of_range(session, began, partition, before[&partition]);
        if let Some(bounds) = session.bounds(wire).await? {
            let (start, end) = bounds[&partition];
            let position = before[&partition].clamp(start, end);
            fetcher.positions.insert(partition, position);
            fetcher.forget_session();
            seek(session, partition, position);
        }
    }
    if polled.is_refused {
        session.pause().await;
    }
    Ok(())
}

fn out_of_range(session: &Session, began: Stamp, partition: i32, offset: i64) {
    let reader = session.name.clone();
    session.history.add_since(began, Event::OutOfRange { reader, partition, offset });
}
