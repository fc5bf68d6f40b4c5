//! A push on its way: admitted, unpacked, counted.

use protocol::{ErrorCode, PushTelemetryRequest, Uuid};
use records::Compression;

use crate::otlp;

/// A push that was admitted and has still to be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushTicket {
    pub(crate) instance_id: Uuid,
    /// Milliseconds after which what it tells is forgotten.
    pub(crate) kept_ms: i64,
}

/// Plain metrics that can be read to their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    pub(crate) bytes: Vec<u8>,
}

impl Payload {
    /// Unpacks the metrics of an admitted push. Takes no state, so that nobody waits for it.
    ///
    /// # Errors
    /// INVALID_RECORD if they cannot be unpacked, become larger than `bytes_max`, or are no metrics.
    pub fn unpack(request: &PushTelemetryRequest<'_>, bytes_max: usize) -> Result<Payload, ErrorCode> {
        let invalid = ErrorCode::INVALID_RECORD;
        let id = u8::try_from(request.compression_type).map_err(|_| invalid)?;
        let codec = Compression::from_id(id).ok_or(invalid)?;
        let mut bytes = Vec::new();
        if !request.metrics.is_empty() {
            codec.decompress(&request.metrics, bytes_max, &mut bytes).map_err(|_| invalid)?;
        }
        otlp::read(&bytes, &mut |_| {}).map_err(|_| invalid)?;
        Ok(Payload { bytes })
    }
}
