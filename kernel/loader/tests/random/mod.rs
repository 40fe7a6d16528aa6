//! Numbers for tests that break modules at random.

/// Numbers below a bound, the same ones for the same seed (xorshift64*).
pub(crate) fn numbers_from(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |bound| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let number = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        let bound = u64::try_from(bound).expect("fits");
        usize::try_from(number.checked_rem(bound).expect("above 0")).expect("fits")
    }
}
