//! Producer ids are handed to brokers in blocks (KIP-730).

use protocol::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, ErrorCode, MetadataRecord, ProducerIdsRecord,
};

use crate::{ApiError, Controller, Outcome};

/// Ids in a block.
pub const PRODUCER_ID_BLOCK_SIZE: i32 = 1000;

/// Consecutive producer ids that a broker may hand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerIdsBlock {
    /// First id.
    pub first: i64,
    /// How many.
    pub size: i32,
}

impl Controller {
    /// Hands a broker the next block of producer ids. A block is never handed out twice, even if the broker dies with
    /// most of it unused.
    ///
    /// # Errors
    /// STALE_BROKER_EPOCH; UNKNOWN_SERVER_ERROR when 63 bits of ids have run out.
    pub fn handle_allocate_producer_ids(
        &self,
        request: &AllocateProducerIdsRequest,
    ) -> Result<Outcome<AllocateProducerIdsResponse>, ApiError> {
        self.check_broker_epoch(request.broker_id, request.broker_epoch)?;
        let first = self.image().producer_ids().next_producer_id;
        let next = first.checked_add(i64::from(PRODUCER_ID_BLOCK_SIZE)).ok_or_else(|| {
            ApiError::new(ErrorCode::UNKNOWN_SERVER_ERROR, "All producer ids have been handed out.")
        })?;
        let record = ProducerIdsRecord {
            broker_id: request.broker_id,
            broker_epoch: request.broker_epoch,
            next_producer_id: next,
        };
        let response = AllocateProducerIdsResponse {
            producer_id_start: first,
            producer_id_len: PRODUCER_ID_BLOCK_SIZE,
            ..AllocateProducerIdsResponse::default()
        };
        Ok(Outcome::atomic(vec![MetadataRecord::ProducerIds(record)], response))
    }
}
