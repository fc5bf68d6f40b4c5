//! The last offset of each key in the part of a log that is being cleaned.
//!
//! Owns a table of fixed size: sixteen bytes of hash stand for a key, as in Kafka, so that memory does not depend on the
//! keys' lengths. The hash is keyed with chance, so that nobody can write two keys that are taken for one. It never grows:
//! when it is full, the rest of the log waits for the next cleaning.

/// Bytes of a slot: the hash and an offset.
const SLOT_BYTES: u64 = 24;

/// A slot: the hash, and the offset plus one; zero is free. Zeroed memory comes from the system untouched, so a table
/// takes only the pages that it uses.
type Slot = [u64; 3];

/// See the module's documentation.
pub(crate) struct OffsetMap {
    slots: Vec<Slot>,
    /// Entries it takes at most.
    entries_max: usize,
    entries: usize,
    key: [u64; 2],
    latest_offset: i64,
}

impl OffsetMap {
    /// A table in at most `bytes` of memory that is filled up to `load_factor`, for at most `keys` keys.
    pub(crate) fn new(bytes: u64, load_factor: f64, keys: u64, key: [u64; 2]) -> Self {
        let load_factor = load_factor.clamp(0.01, 0.99);
        // One slot always stays free, so that a search for what is not there ends.
        let needed = (keys.min(1 << 40) as f64 / load_factor) as u64 + 2;
        let slots = (bytes / SLOT_BYTES).clamp(2, needed.max(2));
        let entries_max = ((slots as f64 * load_factor) as usize).clamp(1, slots as usize - 1);
        Self { slots: vec![[0; 3]; slots as usize], entries_max, entries: 0, key, latest_offset: -1 }
    }

    /// Notes that `key` has a record at `offset`, which is larger than any before. Whether there was room.
    pub(crate) fn put(&mut self, key: &[u8], offset: i64) -> bool {
        if self.entries >= self.entries_max {
            return false;
        }
        let hash = siphash128(self.key, key);
        let at = self.find(hash);
        let slot = &mut self.slots[at];
        self.entries += usize::from(slot[2] == 0);
        *slot = [hash[0], hash[1], offset as u64 + 1];
        self.note_offset(offset);
        true
    }

    /// The last offset of a key; -1 if it has none here.
    pub(crate) fn get(&self, key: &[u8]) -> i64 {
        if self.entries == 0 {
            return -1;
        }
        self.slots[self.find(siphash128(self.key, key))][2] as i64 - 1
    }

    /// Everything up to this offset was looked at.
    pub(crate) fn note_offset(&mut self, offset: i64) {
        self.latest_offset = self.latest_offset.max(offset);
    }

    /// Up to here the table knows every key.
    pub(crate) fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// Bytes of memory it may come to use.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.slots.len() as u64 * SLOT_BYTES
    }

    /// The slot of a hash: its own, or the free one where it belongs.
    fn find(&self, hash: [u64; 2]) -> usize {
        let slots = self.slots.len();
        // The high half of the product spreads the hash over any number of slots.
        let mut at = ((u128::from(hash[0]) * slots as u128) >> 64) as usize;
        loop {
            let slot = &self.slots[at];
            if slot[2] == 0 || (slot[0] == hash[0] && slot[1] == hash[1]) {
                return at;
            }
            at += 1;
            if at == slots {
                at = 0;
            }
        }
    }
}

/// SipHash-2-4 with a result of 128 bits (Aumasson and Bernstein).
fn siphash128(key: [u64; 2], bytes: &[u8]) -> [u64; 2] {
    let mut state = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut raw = [0; 8];
        raw.copy_from_slice(word);
        absorb(&mut state, u64::from_le_bytes(raw));
    }
    let mut last = [0; 8];
    let rest = words.remainder();
    last[..rest.len()].copy_from_slice(rest);
    last[7] = bytes.len() as u8;
    absorb(&mut state, u64::from_le_bytes(last));
    state[2] ^= 0xee;
    (0..4).for_each(|_| round(&mut state));
    let low = state[0] ^ state[1] ^ state[2] ^ state[3];
    state[1] ^= 0xdd;
    (0..4).for_each(|_| round(&mut state));
    [low, state[0] ^ state[1] ^ state[2] ^ state[3]]
}

#[inline(always)]
fn absorb(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    round(state);
    state[0] ^= word;
}

#[inline(always)]
fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of the reference implementation: key 00..0f, message 00..n.
    #[test]
    fn the_hash_is_siphash() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let message: Vec<u8> = (0..16).collect();
        let hash = |len: usize| -> Vec<u8> {
            siphash128(key, &message[..len]).into_iter().flat_map(u64::to_le_bytes).collect()
        };
        assert_eq!(
            hash(0),
            [0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93]
        );
        assert_eq!(
            hash(1),
            [0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45]
        );
        assert_ne!(hash(8), hash(9));
    }

    #[test]
    fn the_last_offset_of_a_key_is_found() {
        let mut map = OffsetMap::new(24 * 1000, 0.9, 10_000, [1, 2]);
        for offset in 0..3000_i64 {
            assert!(map.put(format!("key-{}", offset % 800).as_bytes(), offset));
        }
        for key in 0..800_i64 {
            let last = (0..3000).rev().find(|offset| offset % 800 == key);
            assert_eq!(Some(map.get(format!("key-{key}").as_bytes())), last);
        }
        assert_eq!(map.get(b"another"), -1);
        assert_eq!((map.len(), map.latest_offset()), (800, 2999));
    }

    #[test]
    fn a_full_table_takes_nothing_more() {
        let mut map = OffsetMap::new(24 * 10, 0.9, u64::MAX, [1, 2]);
        for offset in 0..9_i64 {
            assert!(map.put(&offset.to_be_bytes(), offset));
        }
        assert!(!map.put(b"one more", 9));
        assert_eq!((map.latest_offset(), map.get(b"one more")), (8, -1));
        map.note_offset(20);
        assert_eq!(map.latest_offset(), 20);
    }

    #[test]
    fn few_keys_take_little_memory_and_any_setting_makes_progress() {
        assert!(OffsetMap::new(128 << 20, 0.9, 100, [1, 2]).size_bytes() < 3000);
        for (bytes, load_factor) in [(0, 0.9), (24, 0.0), (24 * 3, 7.0), (100, f64::NAN)] {
            let mut map = OffsetMap::new(bytes, load_factor, 10, [1, 2]);
            assert!(map.put(b"k", 5), "{bytes}, {load_factor}");
            assert_eq!((map.get(b"k"), map.get(b"l")), (5, -1));
        }
    }
}
