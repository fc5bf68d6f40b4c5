//! Owns which answer belongs to which request. It holds nothing but this table.

use protocol::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, DecodeError,
    FetchRequest, FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatRequest,
    HeartbeatResponse, InitProducerIdRequest, InitProducerIdResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest,
    MetadataResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
    ProduceRequest, ProduceResponse, Request, SyncGroupRequest, SyncGroupResponse, decode_response,
};

/// A request whose answer is known.
pub trait Ask: Request<'static> {
    /// The answer, holding its own bytes.
    type Answer;

    /// Decodes the answer's frame (without its length) into correlation id and answer.
    fn read(version: i16, frame: &[u8]) -> Result<(i32, Self::Answer), DecodeError>;
}

macro_rules! ask {
    ($($request:ty => $answer:ident $(<$life:lifetime>)?),* $(,)?) => {
        $(impl Ask for $request {
            type Answer = $answer $(<$life>)?;

            fn read(version: i16, frame: &[u8]) -> Result<(i32, Self::Answer), DecodeError> {
                let (correlation, answer) = decode_response::<$answer>(Self::API_KEY, version, frame)?;
                Ok((correlation, owned!(answer $($life)?)))
            }
        })*
    };
}

/// An answer without strings or bytes borrows nothing.
macro_rules! owned {
    ($answer:ident) => {
        $answer
    };
    ($answer:ident $life:lifetime) => {
        $answer.into_owned()
    };
}

ask!(
    ApiVersionsRequest<'static> => ApiVersionsResponse<'static>,
    CreateTopicsRequest<'static> => CreateTopicsResponse<'static>,
    FetchRequest<'static> => FetchResponse<'static>,
    FindCoordinatorRequest<'static> => FindCoordinatorResponse<'static>,
    HeartbeatRequest<'static> => HeartbeatResponse,
    InitProducerIdRequest<'static> => InitProducerIdResponse,
    JoinGroupRequest<'static> => JoinGroupResponse<'static>,
    LeaveGroupRequest<'static> => LeaveGroupResponse<'static>,
    ListOffsetsRequest<'static> => ListOffsetsResponse<'static>,
    MetadataRequest<'static> => MetadataResponse<'static>,
    OffsetCommitRequest<'static> => OffsetCommitResponse<'static>,
    OffsetFetchRequest<'static> => OffsetFetchResponse<'static>,
    ProduceRequest<'static> => ProduceResponse<'static>,
    SyncGroupRequest<'static> => SyncGroupResponse<'static>,
);
