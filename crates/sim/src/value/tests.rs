//! A value survives its way, and no damage goes unnoticed.

use super::Value;

#[test]
fn every_flipped_bit_is_noticed() {
    for padding_bytes in [0, 1, 8, 37] {
        let value = Value { producer: 3, identity: 1, number: 70_000, padding_bytes };
        let bytes = value.to_bytes();
        assert_eq!(bytes.len(), 10 + usize::from(padding_bytes));
        assert_eq!(Value::from_bytes(&bytes), Some(value));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Value::from_bytes(&damaged), Some(value), "bit {bit}");
        }
        assert_eq!(Value::from_bytes(&bytes[..bytes.len() - 1]), None);
    }
}
