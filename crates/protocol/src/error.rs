//! What can go wrong with bytes or values. Owns the two error enums; never decides what a caller does with one.

/// Why bytes are not the message they should be. `at` is the offset in the slice that was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The input ends inside a value.
    #[error("byte {at}: {needed} bytes needed but {remaining} left")]
    Truncated { at: usize, needed: usize, remaining: usize },
    /// A length or count below -1.
    #[error("byte {at}: length {length} is negative")]
    NegativeLength { at: usize, length: i64 },
    /// A string longer than the 32767 bytes that Kafka accepts.
    #[error("byte {at}: string of {length} bytes is longer than 32767")]
    StringTooLong { at: usize, length: usize },
    /// An array claims more elements than the bytes at hand can hold.
    #[error("byte {at}: array of {count} elements does not fit in {remaining} bytes")]
    CountTooLarge { at: usize, count: usize, remaining: usize },
    /// The decoded form would need more memory than the request's budget.
    #[error("byte {at}: decoded size exceeds the budget of the message")]
    BudgetExceeded { at: usize },
    /// Null where the version forbids it.
    #[error("byte {at}: null is not allowed here")]
    UnexpectedNull { at: usize },
    /// A variable-length integer of more than 32 bits.
    #[error("byte {at}: variable-length integer is too long")]
    VarintTooLong { at: usize },
    /// Tags must be strictly ascending.
    #[error("byte {at}: tag {tag} is not above its predecessor")]
    TagOrder { at: usize, tag: u32 },
    /// A tagged field did not use exactly the bytes of its declared size.
    #[error("byte {at}: tagged field leaves {count} bytes unused")]
    TagSize { at: usize, count: usize },
    /// Bytes follow the end of the message.
    #[error("byte {at}: {count} bytes follow the end of the message")]
    TrailingBytes { at: usize, count: usize },
    /// The message does not exist in that version.
    #[error("{message} has no version {version}")]
    UnsupportedVersion { message: &'static str, version: i16 },
    /// No live API has this key.
    #[error("unknown API key {0}")]
    UnknownApiKey(i16),
    /// No stored record of this family has this type.
    #[error("unknown {family} record type {record_type}")]
    UnknownRecordType { family: &'static str, record_type: i32 },
    /// A framed record starts with a frame version other than 1.
    #[error("unknown record frame version {0}")]
    UnknownFrameVersion(u32),
}

/// Why a value cannot be written in the version asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The message does not exist in that version.
    #[error("{message} has no version {version}")]
    UnsupportedVersion { message: &'static str, version: i16 },
    /// A field that must not be dropped is set, but the version does not carry it.
    #[error("{message}: {field} is set but version {version} does not carry it")]
    FieldNotInVersion { message: &'static str, field: &'static str, version: i16 },
    /// A field is null, but the version does not allow that.
    #[error("{message}: {field} is null but version {version} does not allow it")]
    UnexpectedNull { message: &'static str, field: &'static str, version: i16 },
    /// A string above 32767 bytes, or anything above 2147483647.
    #[error("a value of {length} bytes or elements is too long for the wire")]
    TooLong { length: usize },
}

#[cold]
pub(crate) fn field_not_in_version(message: &'static str, field: &'static str, version: i16) -> EncodeError {
    EncodeError::FieldNotInVersion { message, field, version }
}

#[cold]
pub(crate) fn null_field(message: &'static str, field: &'static str, version: i16) -> EncodeError {
    EncodeError::UnexpectedNull { message, field, version }
}
