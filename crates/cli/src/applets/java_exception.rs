//! Error codes under the names that Kafka's Java clients give them.
//!
//! Owns the names of the exceptions and, for the codes that tools meet, the words in them: scripts look for both in what a
//! tool prints. It never decides what is an error.

use client::{ClientError, ErrorCode};

/// Names that are not the code's own in camel case.
const NAMES: &[(ErrorCode, &str)] = &[
    (ErrorCode::CORRUPT_MESSAGE, "CorruptRecordException"),
    (ErrorCode::REQUEST_TIMED_OUT, "TimeoutException"),
    (ErrorCode::MESSAGE_TOO_LARGE, "RecordTooLargeException"),
    (ErrorCode::OFFSET_METADATA_TOO_LARGE, "OffsetMetadataTooLarge"),
    (ErrorCode::NETWORK_EXCEPTION, "NetworkException"),
    (ErrorCode::INVALID_TOPIC_EXCEPTION, "InvalidTopicException"),
    (ErrorCode::RECORD_LIST_TOO_LARGE, "RecordBatchTooLargeException"),
    (ErrorCode::TOPIC_AUTHORIZATION_FAILED, "TopicAuthorizationException"),
    (ErrorCode::GROUP_AUTHORIZATION_FAILED, "GroupAuthorizationException"),
    (ErrorCode::CLUSTER_AUTHORIZATION_FAILED, "ClusterAuthorizationException"),
    (ErrorCode::TOPIC_ALREADY_EXISTS, "TopicExistsException"),
    (ErrorCode::INVALID_CONFIG, "InvalidConfigurationException"),
    (ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER, "OutOfOrderSequenceException"),
    (ErrorCode::INVALID_PRODUCER_ID_MAPPING, "InvalidPidMappingException"),
    (ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "TransactionalIdAuthorizationException"),
    (ErrorCode::KAFKA_STORAGE_ERROR, "KafkaStorageException"),
    (ErrorCode::SASL_AUTHENTICATION_FAILED, "SaslAuthenticationException"),
    (ErrorCode::NON_EMPTY_GROUP, "GroupNotEmptyException"),
];

/// The words for the codes that brokers send without any.
const WORDS: &[(ErrorCode, &str)] = &[
    (
        ErrorCode::UNKNOWN_SERVER_ERROR,
        "The server experienced an unexpected error when processing the request.",
    ),
    (
        ErrorCode::OFFSET_OUT_OF_RANGE,
        "The requested offset is not within the range of offsets maintained by the server.",
    ),
    (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition."),
    (
        ErrorCode::LEADER_NOT_AVAILABLE,
        "There is no leader for this topic-partition as we are in the middle of a leadership election.",
    ),
    (ErrorCode::REQUEST_TIMED_OUT, "The request timed out."),
    (ErrorCode::COORDINATOR_NOT_AVAILABLE, "The coordinator is not available."),
    (ErrorCode::NOT_COORDINATOR, "This is not the correct coordinator."),
    (
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        "The request attempted to perform an operation on an invalid topic.",
    ),
    (ErrorCode::UNKNOWN_MEMBER_ID, "The coordinator is not aware of this member."),
    (ErrorCode::INVALID_GROUP_ID, "The group id is invalid."),
    (ErrorCode::INVALID_REQUEST, INVALID_REQUEST),
    (ErrorCode::POLICY_VIOLATION, "Request parameters do not satisfy the configured policy."),
    (ErrorCode::NON_EMPTY_GROUP, "The group is not empty."),
    (ErrorCode::GROUP_ID_NOT_FOUND, "The group id does not exist."),
    (
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
        "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it.",
    ),
    (ErrorCode::KAFKA_STORAGE_ERROR, "Disk error when trying to access log file on the disk."),
    (ErrorCode::UNSUPPORTED_VERSION, "The version of API is not supported."),
];

const INVALID_REQUEST: &str = "This most likely occurs because of a request being malformed by the client library or the \
                               message was sent to an incompatible broker. See the broker logs for more details.";

/// The simple name of the exception for a code.
pub fn simple_name(code: ErrorCode) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == code) {
        return (*name).to_owned();
    }
    let words = code.name().split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_owned() + &rest.to_ascii_lowercase()
    });
    words.collect::<String>() + "Exception"
}

/// The words for a code.
pub fn words(code: ErrorCode) -> &'static str {
    let known = WORDS.iter().find(|(known, _)| *known == code);
    known.map_or_else(|| code.message(), |(_, words)| words)
}

/// An error as Java prints it when it comes out of a future: the class of the exception and its words.
pub fn caused_by(error: &ClientError) -> String {
    let words = super::tool_client::words(error);
    match error.code() {
        Some(code) => format!("org.apache.kafka.common.errors.{}: {words}", simple_name(code)),
        None => match error {
            ClientError::DeadlineExceeded { .. } | ClientError::RequestTimeout { .. } => {
                format!("org.apache.kafka.common.errors.TimeoutException: {words}")
            }
            ClientError::UnsupportedVersion { .. } => {
                format!("org.apache.kafka.common.errors.UnsupportedVersionException: {words}")
            }
            _ => words,
        },
    }
}

#[cfg(test)]
mod tests;
