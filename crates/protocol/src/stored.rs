//! The envelopes of stored records. Owns the frame of metadata records and the version prefix of coordinator
//! records; the enums that list the records are generated.

use crate::message::prefixed_to_vec;
use crate::{DecodeError, EncodeError, Message, Reader, Writer};

/// The only frame version of metadata and remote-log records.
const FRAME_VERSION: u32 = 1;

/// Encodes frame version, record type, version and payload, each number an unsigned varint.
pub(crate) fn encode_framed<'a, M: Message<'a>>(
    record_type: i16,
    version: i16,
    record: &M,
) -> Result<Vec<u8>, EncodeError> {
    prefixed_to_vec(&[], &|w: &mut Writer| {
        w.uvarint(FRAME_VERSION);
        w.uvarint(u32::from(record_type.unsigned_abs()));
        w.uvarint(u32::from(version.unsigned_abs()));
        record.encode(w, version)
    })
}

/// Reads what [`encode_framed`] writes in front of the payload: record type and version.
pub(crate) fn decode_frame(r: &mut Reader<'_>, family: &'static str) -> Result<(i16, i16), DecodeError> {
    let frame = r.uvarint()?;
    if frame != FRAME_VERSION {
        return Err(DecodeError::UnknownFrameVersion(frame));
    }
    let record_type = r.uvarint()?;
    let version = r.uvarint()?;
    match (i16::try_from(record_type), i16::try_from(version)) {
        (Ok(record_type), Ok(version)) => Ok((record_type, version)),
        (Ok(_), Err(_)) => Err(DecodeError::UnsupportedVersion { message: family, version: i16::MAX }),
        (Err(_), _) => Err(DecodeError::UnknownRecordType {
            family,
            record_type: i32::try_from(record_type).unwrap_or(i32::MAX),
        }),
    }
}

/// Encodes an int16 (a record type or a version) and the payload in `version`.
pub(crate) fn encode_prefixed<'a, M: Message<'a>>(
    prefix: i16,
    version: i16,
    payload: &M,
) -> Result<Vec<u8>, EncodeError> {
    prefixed_to_vec(&prefix.to_be_bytes(), &|w: &mut Writer| payload.encode(w, version))
}

/// Decodes a payload that must fill the rest of the reader.
pub(crate) fn decode_rest<'a, M: Message<'a>>(r: &mut Reader<'a>, version: i16) -> Result<M, DecodeError> {
    let payload = M::decode(r, version)?;
    r.finish()?;
    Ok(payload)
}
