//! Breaks modules byte by byte.

/// `whole` with one to `most` bytes changed, left out or put in.
pub(crate) fn broken(whole: &[u8], most: usize, mut random: impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut broken = whole.to_vec();
    for _ in 0..=random(most) {
        let at = random(broken.len());
        let byte = u8::try_from(random(256)).expect("fits");
        match random(4) {
            0 => broken.splice(at..=at, [byte]).for_each(drop),
            1 => broken
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|it| *it ^= 1 << (byte & 7)),
            2 => drop(broken.remove(at)),
            _ => broken.insert(at, byte),
        }
    }
    broken
}
