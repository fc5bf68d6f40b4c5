//! Owns randomness: the kernel's entropy in production, one seeded stream in simulation. It never hands out a
//! thread-local or global generator.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::{StdRng, SysRng};
use rand::{Rng as _, SeedableRng};

/// A shared source of random numbers. Clones draw from the same stream.
#[derive(Clone)]
pub struct Rng {
    source: Arc<Mutex<Source>>,
}

enum Source {
    /// A cryptographic generator seeded once by the kernel.
    Os(Box<StdRng>),
    /// splitmix64: its output for a seed is fixed for ever, so that a seed found today still replays next year.
    Seeded(u64),
}

impl Rng {
    /// A generator seeded from the kernel's entropy.
    ///
    /// # Panics
    /// If the kernel cannot give entropy: no identifier drawn afterwards could be trusted to be unique.
    pub fn os() -> Self {
        let generator = StdRng::try_from_rng(&mut SysRng).expect("the kernel gives entropy");
        Self { source: Arc::new(Mutex::new(Source::Os(Box::new(generator)))) }
    }

    /// A generator whose whole output follows from `seed`. Not fit for secrets.
    pub fn seeded(seed: u64) -> Self {
        Self { source: Arc::new(Mutex::new(Source::Seeded(seed))) }
    }

    /// The next 64 random bits.
    pub fn next_u64(&self) -> u64 {
        match &mut *self.source.lock().unwrap_or_else(PoisonError::into_inner) {
            Source::Os(generator) => generator.next_u64(),
            Source::Seeded(state) => splitmix64(state),
        }
    }

    /// A number in `0..bound`; 0 when `bound` is 0. The bias of at most `bound / 2^64` is accepted.
    pub fn below(&self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the upper half of a 128-bit product fits 64 bits")
    }

    /// True once in `n` draws on average; never when `n` is 0.
    pub fn one_in(&self, n: u64) -> bool {
        n != 0 && self.below(n) == 0
    }

    /// 16 random bytes, raw: whoever needs an RFC 4122 version nibble sets it.
    pub fn uuid_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&self.next_u64().to_be_bytes());
        bytes
    }

    /// A seeded generator independent of this one, named by one draw from it.
    pub fn fork(&self) -> Self {
        Self::seeded(self.next_u64())
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng")
    }
}

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
