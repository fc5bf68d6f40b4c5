//! The index of aborted transactions of a segment, as Kafka writes it.
//!
//! Owns the layout of `.txnindex`. It never judges what a transaction means.

/// Bytes of an entry.
const ENTRY_BYTES: usize = 34;
const VERSION: i16 = 0;

/// An aborted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AbortedTxn {
    /// Who began it.
    pub(crate) producer_id: i64,
    /// Offset of its first record.
    pub(crate) first_offset: i64,
    /// Offset of its marker.
    pub(crate) last_offset: i64,
    /// The last stable offset once it was over.
    pub(crate) last_stable_offset: i64,
}

/// The file's bytes.
pub(crate) fn encode(transactions: &[AbortedTxn]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(transactions.len() * ENTRY_BYTES);
    for txn in transactions {
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        for number in [txn.producer_id, txn.first_offset, txn.last_offset, txn.last_stable_offset] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
    }
    bytes
}

/// Reads a file's bytes.
///
/// # Errors
/// One phrase that says what is wrong.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<AbortedTxn>, String> {
    if !bytes.len().is_multiple_of(ENTRY_BYTES) {
        return Err(format!("its {} bytes are no whole number of entries", bytes.len()));
    }
    bytes.chunks_exact(ENTRY_BYTES).map(decode_entry).collect()
}

fn decode_entry(entry: &[u8]) -> Result<AbortedTxn, String> {
    let version = i16::from_be_bytes([entry[0], entry[1]]);
    if version != VERSION {
        return Err(format!("it has an entry of version {version}, and only version {VERSION} is known"));
    }
    let long = |number: usize| {
        let mut raw = [0; 8];
        raw.copy_from_slice(&entry[2 + 8 * number..10 + 8 * number]);
        i64::from_be_bytes(raw)
    };
    Ok(AbortedTxn {
        producer_id: long(0),
        first_offset: long(1),
        last_offset: long(2),
        last_stable_offset: long(3),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_round_trip() {
        let one = AbortedTxn { producer_id: 1, first_offset: 2, last_offset: 3, last_stable_offset: 4 };
        let two = AbortedTxn { producer_id: -1, first_offset: i64::MAX, ..one };
        let bytes = encode(&[one, two]);
        assert_eq!(bytes.len(), 68);
        assert_eq!(bytes[..10], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(decode(&bytes), Ok(vec![one, two]));
        assert_eq!(decode(&[]), Ok(Vec::new()));
        assert!(decode(&bytes[1..]).is_err());
        assert!(decode(&[1; 34]).is_err());
    }
}
