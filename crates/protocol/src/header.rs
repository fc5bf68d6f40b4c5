//! Whole frames. Owns which header version goes with which request, and the int32 length in front; never reads
//! from or writes to a connection.

use std::borrow::Cow;

use crate::{
    ApiKey, DecodeError, EncodeError, Gap, Message, Reader, Request, RequestHeader, ResponseHeader, Writer,
};

/// Splits a request frame (without its length) into header and body. Fails for unknown API keys; the version
/// is not checked, so that ApiVersions can answer a version it does not know.
pub fn decode_request_header<'a>(frame: &'a [u8]) -> Result<(RequestHeader<'a>, &'a [u8]), DecodeError> {
    let mut peek = Reader::new(frame);
    let key = peek.i16()?;
    let version = peek.i16()?;
    let api = ApiKey::from_i16(key).ok_or(DecodeError::UnknownApiKey(key))?;
    let mut reader = Reader::new(frame);
    let header = RequestHeader::decode(&mut reader, api.request_header_version(version))?;
    Ok((header, reader.rest()))
}

/// Encodes a whole request frame, its int32 length included.
pub fn encode_request<'a, R: Request<'a>>(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    request: &R,
) -> Result<Vec<u8>, EncodeError> {
    let header = RequestHeader {
        request_api_key: R::API_KEY as i16,
        request_api_version: version,
        correlation_id,
        client_id: client_id.map(Cow::Borrowed),
    };
    let header_version = R::API_KEY.request_header_version(version);
    let mut out = Vec::new();
    frame(&mut out, &mut Vec::new(), &|w| {
        header.encode(w, header_version)?;
        request.encode(w, version)
    })?;
    Ok(out)
}

/// Encodes a whole response frame, its int32 length included. External records are counted but left out.
pub fn encode_response<'a, M: Message<'a>>(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &M,
) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    encode_response_into(key, version, correlation_id, response, &mut out, &mut Vec::new())?;
    Ok(out)
}

/// Appends a whole response frame to `out`. The frame's length counts external records, whose places in `out`
/// are appended to `gaps`. On error both are as before.
pub fn encode_response_into<'a, M: Message<'a>>(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    response: &M,
    out: &mut Vec<u8>,
    gaps: &mut Vec<Gap>,
) -> Result<(), EncodeError> {
    let header = ResponseHeader { correlation_id };
    let header_version = key.response_header_version(version);
    frame(out, gaps, &|w| {
        header.encode(w, header_version)?;
        response.encode(w, version)
    })
}

/// Decodes a response frame (without its length) to a request of this key and version.
pub fn decode_response<'a, M: Message<'a>>(
    key: ApiKey,
    version: i16,
    frame: &'a [u8],
) -> Result<(i32, M), DecodeError> {
    let mut reader = Reader::new(frame);
    let header = ResponseHeader::decode(&mut reader, key.response_header_version(version))?;
    let body = M::decode(&mut reader, version)?;
    reader.finish()?;
    Ok((header.correlation_id, body))
}

fn frame(
    out: &mut Vec<u8>,
    gaps: &mut Vec<Gap>,
    write: &dyn Fn(&mut Writer) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mut counter = Writer::counting();
    write(&mut counter)?;
    let length = counter.counted_bytes();
    let Ok(prefix) = i32::try_from(length) else { return Err(EncodeError::TooLong { length }) };
    out.reserve(size_of::<i32>() + counter.counted_buffer_bytes());
    let mut writer = Writer::appending(std::mem::take(out), std::mem::take(gaps));
    writer.i32(prefix);
    // The counting pass ran the same code on the same values, so this one cannot fail half-way.
    let written = write(&mut writer);
    (*out, *gaps) = writer.into_parts();
    written
}
