//! A fingerprint of everything that goes into a step.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// A 128-bit FNV-1a hash: quick, and good enough to tell one's own files apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(u128);

impl Fingerprint {
    /// Of nothing but the format's own version.
    pub(super) fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// With `bytes` added, and their number, so that two parts do not run together.
    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes();
        let hash = bytes.iter().chain(&len).fold(self.0, |hash, byte| {
            (hash ^ u128::from(*byte)).wrapping_mul(PRIME)
        });
        Self(hash)
    }

    /// With another fingerprint added.
    pub(super) fn with(self, other: Self) -> Self {
        self.bytes(&other.0.to_le_bytes())
    }

    /// With the names and contents of a file, or of all files below a folder.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn path(self, path: &Path) -> Result<Self> {
        let context = || format!("cannot read {}", path.display());
        let name = path.file_name().unwrap_or_default();
        let named = self.bytes(name.as_encoded_bytes());
        if !path.is_dir() {
            return Ok(named.bytes(&fs::read(path).with_context(context)?));
        }
        let mut entries = fs::read_dir(path)
            .with_context(context)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .with_context(context)?;
        entries.sort();
        entries
            .iter()
            .try_fold(named, |print, entry| print.path(entry))
    }

    /// As 32 hexadecimal digits.
    pub(super) fn text(self) -> String {
        format!("{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let print = Fingerprint::new();
        assert_ne!(
            print.bytes(b"ab").bytes(b"c"),
            print.bytes(b"a").bytes(b"bc")
        );
        assert_eq!(print.bytes(b"ab").text(), print.bytes(b"ab").text());
    }
}
