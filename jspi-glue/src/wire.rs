//! Reads what the host writes: little-endian words and length-prefixed byte strings.

use abi::{Errno, Result};

/// A cursor over a message of the host.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next word.
    pub(crate) fn word(&mut self) -> Result<u32> {
        let (word, rest) = self.0.split_first_chunk::<4>().ok_or(Errno::EINVAL)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*word))
    }

    /// The next byte string.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(self.word()?).map_err(|_| Errno::EINVAL)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Errno::EINVAL)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// The next list of byte strings.
    pub(crate) fn list(&mut self) -> Result<Vec<Vec<u8>>> {
        let count = self.word()?;
        (0..count)
            .map(|_| self.bytes().map(<[u8]>::to_vec))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written_and_no_more() {
        let mut reader = Reader(&[1, 0, 0, 0, 2, 0, 0, 0, b'h', b'i', 9]);
        assert_eq!(reader.list().unwrap(), [b"hi".to_vec()]);
        assert_eq!(reader.word().unwrap_err().errno, Errno::EINVAL);
    }

    #[test]
    fn a_length_beyond_the_message_is_refused() {
        assert!(Reader(&[255, 255, 255, 255, 0]).bytes().is_err());
    }
}
