//! Names as Java has them.

use super::*;

#[test]
fn exceptions_are_named() {
    for (code, name) in [
        (ErrorCode::OFFSET_OUT_OF_RANGE, "OffsetOutOfRangeException"),
        (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "UnknownTopicOrPartitionException"),
        (ErrorCode::NON_EMPTY_GROUP, "GroupNotEmptyException"),
        (ErrorCode::GROUP_ID_NOT_FOUND, "GroupIdNotFoundException"),
        (ErrorCode::REQUEST_TIMED_OUT, "TimeoutException"),
    ] {
        assert_eq!(simple_name(code), name);
    }
}
