//! Requests on their way to the wire.
//!
//! Owns putting a request's head and the record batches it carries into one frame without copying the batches. It
//! never writes anything.

use std::borrow::Cow;

use bytes::Bytes;
use protocol::{EncodeError, Message, Request, RequestHeader, Writer};

use crate::error::ClientError;

/// A whole request, its int32 length included, in pieces that are written one after another.
#[derive(Debug)]
pub(crate) struct Frame {
    pub pieces: Vec<Bytes>,
}

impl Frame {
    /// Encodes a request. A field `Records::External { token, .. }` stands for `records[token]`.
    pub fn encode<'a, R: Request<'a>>(
        correlation_id: i32,
        client_id: Option<&str>,
        version: i16,
        request: &R,
        records: &[Bytes],
    ) -> Result<Frame, ClientError> {
        let header = RequestHeader {
            request_api_key: R::API_KEY as i16,
            request_api_version: version,
            correlation_id,
            client_id: client_id.map(Cow::Borrowed),
        };
        let failed = |error| ClientError::Encode { api: R::API_KEY.name(), error };
        let write = |w: &mut Writer| -> Result<(), EncodeError> {
            header.encode(w, R::API_KEY.request_header_version(version))?;
            request.encode(w, version)
        };
        let mut counter = Writer::counting();
        write(&mut counter).map_err(failed)?;
        let length = counter.counted_bytes();
        let prefix = i32::try_from(length).map_err(|_| failed(EncodeError::TooLong { length }))?;
        let batches: usize = records.iter().map(Bytes::len).sum();
        let mut writer =
            Writer::appending(Vec::with_capacity(4 + length.saturating_sub(batches)), Vec::new());
        writer.i32(prefix);
        write(&mut writer).map_err(failed)?;
        let (head, gaps) = writer.into_parts();
        if gaps.is_empty() {
            return Ok(Frame { pieces: vec![head.into()] });
        }
        let head = Bytes::from(head);
        let mut pieces = Vec::with_capacity(2 * gaps.len() + 1);
        let mut written = 0;
        for gap in gaps {
            pieces.push(head.slice(written..gap.position));
            pieces.push(records[gap.token as usize].clone());
            written = gap.position;
        }
        pieces.push(head.slice(written..));
        Ok(Frame { pieces })
    }
}
