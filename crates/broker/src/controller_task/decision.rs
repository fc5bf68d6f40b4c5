//! A request on its way through the controller: decided, committed, answered.

use controller::{ApiError, Controller, Outcome};
use platform::Rng;
use protocol::{MetadataRecord, Uuid};
use raft::Raft;
use tokio::sync::oneshot;

/// What waits in the task's queue.
pub(super) enum Request {
    /// To be decided and written.
    Decide(Decide),
    /// A producer id out of the broker's block.
    NextProducerId(ProducerIdSender),
    /// The node stops: finish, close the log, and say so.
    Stop(oneshot::Sender<()>),
}

/// Where a producer id goes.
pub(super) type ProducerIdSender = oneshot::Sender<Result<i64, ApiError>>;

/// Decides a request against the controller's state as of the decisions before it.
pub(super) type Decide = Box<dyn FnOnce(&Controller, &Context<'_>) -> Decision + Send>;

/// What a decision may look at beside the controller.
pub(super) struct Context<'a> {
    pub(super) now_ms: i64,
    /// Where its first record will lie.
    pub(super) next_offset: i64,
    pub(super) raft: &'a Raft,
    pub(super) rng: &'a Rng,
}

impl Context<'_> {
    /// Ids of the quorum's voters.
    pub(super) fn voter_ids(&self) -> Vec<i32> {
        self.raft.voters().iter().map(|voter| voter.key.id).collect()
    }

    /// A new random id (RFC 4122 version 4). Its text never begins with a dash, which command lines take for an option.
    pub(super) fn new_id(&self) -> Uuid {
        loop {
            let mut bytes = self.rng.uuid_bytes();
            bytes[6] = (bytes[6] & 0x0f) | 0x40;
            bytes[8] = (bytes[8] & 0x3f) | 0x80;
            let id = Uuid(bytes);
            if !id.to_string().starts_with('-') {
                return id;
            }
        }
    }
}

/// A request decided.
pub(super) struct Decision {
    pub(super) records: Vec<MetadataRecord<'static>>,
    pub(super) is_atomic: bool,
    /// What is noted beside the log once the records are replayed: contacts of brokers.
    pub(super) note: Option<Note>,
    pub(super) answer: Answer,
}

/// Notes something that is not in the log; the numbers are the time (ms) and the end of the log.
pub(super) type Note = Box<dyn FnOnce(&mut Controller, i64, i64) + Send>;

/// Gives the answer, when what it depends on is committed or has failed.
pub(super) type Answer = Box<dyn FnOnce(Result<(), ApiError>) + Send>;

impl Decision {
    /// From what a handler of the controller returned.
    pub(super) fn new<R: Send + 'static>(
        outcome: Result<Outcome<R>, ApiError>,
        sender: oneshot::Sender<Result<R, ApiError>>,
    ) -> Decision {
        match outcome {
            Ok(outcome) => {
                let response = outcome.response;
                let answer: Answer = Box::new(move |result| _ = sender.send(result.map(|()| response)));
                Decision { records: outcome.records, is_atomic: outcome.is_atomic, note: None, answer }
            }
            Err(error) => {
                let answer: Answer = Box::new(move |_| _ = sender.send(Err(error)));
                Decision { records: Vec::new(), is_atomic: true, note: None, answer }
            }
        }
    }
}
