//! The names of error codes, read from the protocol crate's table. For reports only.

use std::sync::OnceLock;

const TABLE: &str = include_str!("../../../crates/protocol/schemas/errors.table");

/// `UNKNOWN_TOPIC_OR_PARTITION` for 3; `?` for a code that Kafka does not have.
pub fn name(code: i16) -> &'static str {
    static NAMES: OnceLock<Vec<(i16, &str)>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        TABLE
            .lines()
            .filter_map(|line| {
                let (code, rest) = line.split_once(' ')?;
                Some((code.parse().ok()?, rest.split([' ', ':']).next()?))
            })
            .collect()
    });
    names.iter().find(|(own, _)| *own == code).map_or("?", |(_, name)| name)
}
