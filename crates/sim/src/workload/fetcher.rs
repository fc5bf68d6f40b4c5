//! Owns fetching from positions, with or without a fetch session, and taking the answered batches apart. It records
//! nothing: whoever polls does.

use std::collections::BTreeMap;

use protocol::fetch_request::{FetchPartition, FetchTopic};
use protocol::fetch_response::PartitionData;
use protocol::{ApiKey, ErrorCode, FetchRequest, FetchResponse, Uuid};
use records::batches;

use super::session::Session;
use crate::value::Value;
use crate::wire::{Lost, Wire};

/// Most plain bytes of one batch; the workload's are far smaller.
const BATCH_LIMIT_BYTES: usize = 1 << 20;

/// Epochs of a fetch session: a new one, and none at all.
const NEW_SESSION: i32 = 0;
const NO_SESSION: i32 = -1;

/// Positions in partitions and the way they are fetched from.
pub(super) struct Fetcher {
    /// The next offset to read of each partition.
    pub(super) positions: BTreeMap<i32, i64>,
    session: Option<FetchSession>,
}

#[derive(Default)]
struct FetchSession {
    id: i32,
    epoch: i32,
    /// What the node was last told of each partition.
    told: BTreeMap<i32, i64>,
}

/// One record as it was answered.
pub(super) struct Fetched {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) value: Option<Value>,
}

/// What one poll brought.
#[derive(Default)]
pub(super) struct Polled {
    pub(super) records: Vec<Fetched>,
    /// Partitions whose position lies outside of the log.
    pub(super) out_of_range: Vec<i32>,
    /// Something was refused that may work later.
    pub(super) is_refused: bool,
}

impl Fetcher {
    /// Tells all positions with each request.
    pub(super) fn sessionless(positions: BTreeMap<i32, i64>) -> Self {
        Self { positions, session: None }
    }

    /// Tells only what changed, where the node knows fetch sessions.
    pub(super) fn with_session(positions: BTreeMap<i32, i64>) -> Self {
        Self { positions, session: Some(FetchSession::default()) }
    }

    /// A new connection or a refusal: the session begins anew.
    pub(super) fn forget_session(&mut self) {
        if let Some(session) = &mut self.session {
            *session = FetchSession::default();
        }
    }

    /// Fetches once, moves the positions, and gives what was there.
    pub(super) async fn poll(
        &mut self,
        client: &Session,
        wire: &mut Wire,
        topic_id: Uuid,
    ) -> Result<Polled, Lost> {
        let request = self.request(client, wire.version(ApiKey::Fetch), topic_id);
        let answer = match wire.call(&request).await {
            Ok(answer) => answer,
            Err(lost) => {
                self.forget_session();
                return Err(lost);
            }
        };
        let mut polled = Polled::default();
        if answer.error_code.is_error() {
            let error = answer.error_code;
            assert!(error.is_retriable(), "Fetch: {error}");
            self.forget_session();
            polled.is_refused = true;
            return Ok(polled);
        }
        self.session_continues(&answer);
        for data in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            self.take(data, &mut polled);
        }
        if polled.is_refused {
            self.forget_session();
        }
        Ok(polled)
    }

    fn request(&mut self, client: &Session, version: i16, topic_id: Uuid) -> FetchRequest<'static> {
        let positions = self.positions.iter().map(|(partition, offset)| (*partition, *offset));
        let mut request = FetchRequest {
            replica_id: -1,
            max_wait_ms: 50 + i32::try_from(client.rng.below(450)).unwrap_or(0),
            min_bytes: 1,
            max_bytes: 1 << 20,
            session_epoch: NO_SESSION,
            ..FetchRequest::default()
        };
        let max_bytes = 1 << client.rng.below(18);
        let mut told: BTreeMap<i32, i64> = positions.collect();
        if let Some(session) = self.session.as_mut().filter(|_| version >= 7) {
            (request.session_id, request.session_epoch) = (session.id, session.epoch);
            let all = told.clone();
            told.retain(|partition, offset| session.told.get(partition) != Some(offset));
            session.told = all;
        }
        let partition = |(partition, fetch_offset)| FetchPartition {
            partition,
            fetch_offset,
            partition_max_bytes: max_bytes,
            ..FetchPartition::default()
        };
        if !told.is_empty() {
            request.topics = vec![FetchTopic {
                topic: client.plan.topic.clone().into(),
                topic_id,
                partitions: told.into_iter().map(partition).collect(),
            }];
        }
        request
    }

    fn session_continues(&mut self, answer: &FetchResponse<'_>) {
        let Some(session) = &mut self.session else { return };
        if answer.session_id == 0 {
            // The node keeps no session (or the version has none): everything is told again next time.
            *session = FetchSession::default();
            return;
        }
        if session.epoch != NEW_SESSION {
            assert_eq!(session.id, answer.session_id, "a session keeps its id");
        }
        session.id = answer.session_id;
        session.epoch += 1;
    }

    fn take(&mut self, data: &PartitionData<'_>, polled: &mut Polled) {
        let partition = data.partition_index;
        let position = self.positions.get_mut(&partition).expect("only what was asked for is answered");
        match data.error_code {
            ErrorCode::NONE => {}
            ErrorCode::OFFSET_OUT_OF_RANGE => return polled.out_of_range.push(partition),
            error => {
                assert!(error.is_retriable(), "Fetch of partition {partition}: {error}");
                polled.is_refused = true;
                return;
            }
        }
        let bytes = data.records.as_slice().unwrap_or_default();
        for batch in batches(bytes) {
            let batch = batch.unwrap_or_else(|e| panic!("partition {partition} at {position}: {e}"));
            if let Err(e) = batch.verify_crc() {
                panic!("partition {partition}, batch {}: {e}", batch.header.base_offset);
            }
            let mut scratch = Vec::new();
            let records = batch.open(BATCH_LIMIT_BYTES, &mut scratch);
            let records = records.unwrap_or_else(|e| panic!("partition {partition} at {position}: {e}"));
            for record in records {
                let record = record.unwrap_or_else(|e| panic!("partition {partition} at {position}: {e}"));
                // A fetch may land in the middle of a batch; what lies before the position was not asked for.
                if record.offset >= *position {
                    let value = record.value.and_then(Value::from_bytes);
                    polled.records.push(Fetched { partition, offset: record.offset, value });
                    *position = record.offset + 1;
                }
            }
            *position = (*position).max(batch.header.next_offset());
            let (partition, end) = (data.partition_index, data.high_watermark);
            assert!(*position <= end, "partition {partition}: {position} is beyond the high watermark {end}");
        }
    }
}
