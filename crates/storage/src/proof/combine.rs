//! The CRC-32C of two byte strings after one another, from their own.
//!
//! Owns the arithmetic: polynomials over GF(2) modulo Castagnoli's, lowest power in the highest bit. It never sees the
//! bytes, so that a large batch, whose checksum is in its header, need not be read again.

/// Castagnoli's polynomial, reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// The polynomial 1.
const ONE: u32 = 1 << 31;
/// The polynomial x.
const X: u32 = 1 << 30;

/// x to the power of 2ⁿ.
const POWERS: [u32; 64] = powers();

const fn powers() -> [u32; 64] {
    let mut powers = [X; 64];
    let mut n = 1;
    while n < 64 {
        powers[n] = product(powers[n - 1], powers[n - 1]);
        n += 1;
    }
    powers
}

const fn product(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = ONE;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        b = if b & 1 == 0 { b >> 1 } else { (b >> 1) ^ POLYNOMIAL };
        bit >>= 1;
    }
    product
}

/// The CRC-32C of a string of `second_len` bytes behind another one.
pub(crate) fn combine(first: u32, second: u32, second_len: u64) -> u32 {
    // Every byte behind the first string multiplies it by x⁸.
    let (mut left, mut n) = (second_len, 3);
    let mut shifted = first;
    while left > 0 {
        if left & 1 == 1 {
            shifted = product(POWERS[n], shifted);
        }
        left >>= 1;
        n += 1;
    }
    shifted ^ second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_strings_have_the_checksum_of_their_whole() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n * 7 + n / 251) as u8).collect();
        for cut in [0, 1, 2, 21, 255, 4096, 65_537, 99_999, 100_000] {
            let (first, second) = bytes.split_at(cut);
            let combined = combine(crc32c::crc32c(first), crc32c::crc32c(second), second.len() as u64);
            assert_eq!(combined, crc32c::crc32c(&bytes), "cut at {cut}");
        }
        assert_eq!(combine(0, 0x1234, 77), 0x1234);
    }
}
