//! A hash map for keys that are numbers: block and inode numbers.
//!
//! The standard map mixes a random seed into SipHash; numbers need neither, and the kernel takes
//! no ambient randomness. One multiplication spreads a number over the whole word.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map from block, inode or hash numbers.
pub type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Multiplicative hashing (Knuth, TAOCP 6.4) with the high half folded down.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberHasher(u64);

/// 2^64 divided by the golden ratio, made odd.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0.rotate_left(5) ^ number).wrapping_mul(GOLDEN);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_numbers_get_different_low_and_high_bits() {
        let hash = |number: u64| {
            let mut hasher = NumberHasher::default();
            hasher.write_u64(number);
            hasher.finish()
        };
        let low: std::collections::HashSet<u64> = (0..1000).map(|n| hash(n) & 0xFFFF).collect();
        let high: std::collections::HashSet<u64> = (0..1000).map(|n| hash(n) >> 57).collect();
        assert!(low.len() > 980);
        assert_eq!(high.len(), 128);
    }
}
