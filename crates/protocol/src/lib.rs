//! Kafka's wire protocol and stored records. Owns the bytes of requests, responses, headers and stored records of
//! Kafka 4.4, API keys, versions and error codes; never does IO and never looks inside record batches.

#![forbid(unsafe_code)]

mod api_key;
mod error;
mod error_code;
mod error_text;
mod generated;
mod header;
mod message;
mod prelude;
mod reader;
mod records_field;
mod stored;
mod uuid;
mod writer;

pub use error::{DecodeError, EncodeError};
pub use error_code::ErrorCode;
pub use error_text::error_text;
pub use generated::api_table::ApiKey;
pub use generated::*;
pub use header::{
    decode_request_header, decode_response, encode_request, encode_response, encode_response_into,
};
pub use message::{Message, Request, Response, from_slice, to_vec};
pub use reader::Reader;
pub use records_field::Records;
pub use uuid::{Uuid, UuidParseError};
pub use writer::{Gap, Writer};
