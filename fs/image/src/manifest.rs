//! [`Manifest`]: which chunks an image has.
//!
//! ```text
//!  byte 0          8         12            16          24                 28
//!  │ "shoalimg"    │ version │ chunk_shift │ len_bytes │ rows             │ hot chunks
//!  32: rows, each 40 bytes: first chunk 4, count of chunks 4 (0: stored, else so many of zeros),
//!      SHA-256 of the stored bytes 32
//!      hot chunks, 4 bytes each, in order; then the SHA-256 of all this
//! ```
//! Chunks of zeros are runs and have no file. All others have rows of their own, in ascending
//! order. A chunk's file is `chunks/` and two digits, `/`, and its hash in hex with `.zst`.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::codec::{Fields, narrow, wide};

const MAGIC: &[u8; 8] = b"shoalimg";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 32;
const ROW_BYTES: usize = 40;
/// Chunks have 16 KiB to 16 MiB.
const SHIFTS: core::ops::RangeInclusive<u32> = 14..=24;

/// The number of a chunk of an image, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkNo(pub u32);

/// The name of a chunk: the SHA-256 of its stored, compressed bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkName(pub [u8; 32]);

impl ChunkName {
    /// The name of these stored bytes.
    pub fn of(stored: &[u8]) -> Self {
        Self(Sha256::digest(stored).into())
    }

    /// Where its file is, relative to the manifest.
    pub fn path(&self) -> String {
        let hex = self.to_string();
        format!("chunks/{}/{hex}.zst", hex.get(..2).unwrap_or_default())
    }
}

impl fmt::Display for ChunkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChunkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why bytes are no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// They do not begin like one.
    NotOne,
    /// Of a version that this code does not know.
    Version(u32),
    /// Damaged on the way, or cut off.
    Damaged,
    /// It contradicts itself.
    Invalid(&'static str),
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOne => f.write_str("no manifest of an image"),
            Self::Version(version) => write!(f, "a manifest of a later version ({version})"),
            Self::Damaged => f.write_str("the manifest is damaged"),
            Self::Invalid(what) => write!(f, "the manifest is wrong: {what}"),
        }
    }
}

impl core::error::Error for ManifestError {}

/// What an image consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub(crate) chunk_shift: u32,
    pub(crate) len_bytes: u64,
    /// Stored chunks in ascending order; the others are zeros.
    pub(crate) stored: Vec<(ChunkNo, ChunkName)>,
    pub(crate) hot: Vec<ChunkNo>,
}

impl Manifest {
    /// An image of `len_bytes` with these chunks, ascending; all others are zeros. `hot` says which
    /// are wanted first.
    ///
    /// # Errors
    /// `Invalid` when the numbers do not fit together.
    pub fn new(
        chunk_bytes: u32,
        len_bytes: u64,
        stored: Vec<(ChunkNo, ChunkName)>,
        hot: Vec<ChunkNo>,
    ) -> Result<Self, ManifestError> {
        let invalid = |what| Err(ManifestError::Invalid(what));
        let chunk_shift = chunk_bytes.trailing_zeros();
        if !chunk_bytes.is_power_of_two() || !SHIFTS.contains(&chunk_shift) {
            return invalid("chunk size");
        }
        let nr_chunks = len_bytes.div_ceil(u64::from(chunk_bytes));
        if u32::try_from(nr_chunks).is_err() {
            return invalid("too many chunks");
        }
        let is_inside = |chunk: &ChunkNo| u64::from(chunk.0) < nr_chunks;
        if !stored.is_sorted_by(|a, b| a.0 < b.0) || !stored.iter().all(|row| is_inside(&row.0)) {
            return invalid("order of chunks");
        }
        if !hot.iter().all(is_inside) {
            return invalid("hot chunks");
        }
        Ok(Self {
            chunk_shift,
            len_bytes,
            stored,
            hot,
        })
    }

    /// Bytes of the image.
    pub const fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Bytes of a chunk; the last may be shorter.
    pub const fn chunk_bytes(&self) -> u64 {
        1 << self.chunk_shift
    }

    /// The chunk that holds byte `offset`.
    pub fn chunk_at(&self, offset: u64) -> ChunkNo {
        ChunkNo(u32::try_from(offset >> self.chunk_shift).unwrap_or(u32::MAX))
    }

    /// Bytes of this chunk.
    pub fn len_of(&self, chunk: ChunkNo) -> usize {
        let start = u64::from(chunk.0) << self.chunk_shift;
        narrow(self.len_bytes.saturating_sub(start).min(self.chunk_bytes()))
    }

    /// The name of a chunk; `None` when it is zeros.
    pub fn name(&self, chunk: ChunkNo) -> Option<ChunkName> {
        let at = self.stored.binary_search_by_key(&chunk, |row| row.0).ok()?;
        self.stored.get(at).map(|row| row.1)
    }

    /// All chunks that have files.
    pub fn stored(&self) -> impl Iterator<Item = (ChunkNo, ChunkName)> + '_ {
        self.stored.iter().copied()
    }

    /// The chunks to fetch first, in order.
    pub fn hot(&self) -> &[ChunkNo] {
        &self.hot
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut rows = Vec::new();
        let mut nr_rows = 0_u32;
        let mut row = |first: u32, count: u32, name: &[u8; 32]| {
            rows.extend_from_slice(&first.to_le_bytes());
            rows.extend_from_slice(&count.to_le_bytes());
            rows.extend_from_slice(name);
            nr_rows = nr_rows.saturating_add(1);
        };
        let mut next = 0;
        let nr_chunks = self.len_bytes.div_ceil(self.chunk_bytes());
        let end = ChunkNo(u32::try_from(nr_chunks).unwrap_or(u32::MAX));
        for (chunk, name) in self
            .stored
            .iter()
            .map(|(chunk, name)| (chunk, Some(name)))
            .chain([(&end, None)])
        {
            if chunk.0 > next {
                row(next, chunk.0.saturating_sub(next), &[0; 32]);
            }
            if let Some(name) = name {
                row(chunk.0, 0, &name.0);
            }
            next = chunk.0.saturating_add(1);
        }
        let mut bytes = MAGIC.to_vec();
        let nr_hot = u32::try_from(self.hot.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.chunk_shift.to_le_bytes());
        bytes.extend_from_slice(&self.len_bytes.to_le_bytes());
        bytes.extend_from_slice(&nr_rows.to_le_bytes());
        bytes.extend_from_slice(&nr_hot.to_le_bytes());
        bytes.extend_from_slice(&rows);
        for chunk in &self.hot {
            bytes.extend_from_slice(&chunk.0.to_le_bytes());
        }
        let digest = Sha256::digest(&bytes);
        bytes.extend_from_slice(&digest);
        bytes
    }

    /// Reads one back.
    ///
    /// # Errors
    /// As [`ManifestError`] says. Nothing is taken for granted, and no memory beyond the length of
    /// `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.get(..8) != Some(MAGIC) {
            return Err(ManifestError::NotOne);
        }
        let (body, digest) = bytes
            .split_last_chunk::<32>()
            .ok_or(ManifestError::Damaged)?;
        let mut fields = Fields(body.get(8..).unwrap_or_default());
        let version = fields.u32().ok_or(ManifestError::Damaged)?;
        if version != VERSION {
            return Err(ManifestError::Version(version));
        }
        if Sha256::digest(body).as_slice() != digest {
            return Err(ManifestError::Damaged);
        }
        Self::decode_checked(body.len(), fields).ok_or(ManifestError::Invalid("fields"))?
    }

    /// Reads what comes after the version; the digest was right.
    fn decode_checked(
        body_len: usize,
        mut fields: Fields<'_>,
    ) -> Option<Result<Self, ManifestError>> {
        let shift = fields.u32()?;
        let len_bytes = fields.u64()?;
        let (nr_rows, nr_hot) = (fields.u32()?, fields.u32()?);
        let rows = u64::from(nr_rows).checked_mul(wide(ROW_BYTES))?;
        let hot = u64::from(nr_hot).checked_mul(4)?;
        if wide(body_len.checked_sub(HEADER_BYTES)?) != rows.checked_add(hot)? {
            return None;
        }
        let mut stored = Vec::new();
        let mut next = 0_u64;
        for _ in 0..nr_rows {
            let (first, count, name) = (fields.u32()?, fields.u32()?, fields.array()?);
            if u64::from(first) != next {
                return None;
            }
            next = next.checked_add(u64::from(count.max(1)))?;
            if count == 0 {
                stored.push((ChunkNo(first), ChunkName(name)));
            }
        }
        if next != len_bytes.div_ceil(1_u64.checked_shl(shift).filter(|_| shift < 32)?) {
            return None;
        }
        let hot = (0..nr_hot)
            .map(|_| fields.u32().map(ChunkNo))
            .collect::<Option<_>>()?;
        Some(Self::new(1 << shift, len_bytes, stored, hot))
    }

    /// What tells this image from another, for a local overlay: the digest at the manifest's end.
    pub fn identity(&self) -> [u8; 32] {
        self.encode().last_chunk().copied().unwrap_or([0; 32])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let name = |byte| ChunkName([byte; 32]);
        let stored = vec![
            (ChunkNo(0), name(1)),
            (ChunkNo(1), name(2)),
            (ChunkNo(5), name(1)),
        ];
        Manifest::new(
            1 << 16,
            (8 << 16) - 512,
            stored,
            vec![ChunkNo(5), ChunkNo(0)],
        )
        .unwrap()
    }

    #[test]
    fn a_manifest_comes_back_and_knows_its_chunks() {
        let manifest = sample();
        let bytes = manifest.encode();
        assert_eq!(bytes.len(), 32 + 5 * 40 + 8 + 32);
        assert_eq!(Manifest::decode(&bytes), Ok(manifest.clone()));
        assert_eq!(manifest.chunk_at((5 << 16) + 7), ChunkNo(5));
        assert_eq!(manifest.name(ChunkNo(5)), Some(ChunkName([1; 32])));
        assert_eq!(manifest.name(ChunkNo(4)), None);
        assert_eq!(manifest.len_of(ChunkNo(7)), (1 << 16) - 512);
        assert_eq!(manifest.identity(), bytes[bytes.len() - 32..]);
        let path = ChunkName([0xAB; 32]).path();
        assert!(
            path.starts_with("chunks/ab/abab") && path.ends_with("ab.zst"),
            "{path}"
        );
    }

    #[test]
    fn damaged_and_forged_manifests_are_refused() {
        let bytes = sample().encode();
        for at in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..at]).is_err(), "{at} bytes");
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Manifest::decode(&damaged).is_err(), "byte {at}");
            // Forged: the digest is made right again.
            for value in [0, 1, 0x7F, 0xFF] {
                let mut forged = bytes.clone();
                forged[at] = value;
                let end = forged.len() - 32;
                let digest = Sha256::digest(&forged[..end]);
                forged[end..].copy_from_slice(&digest);
                if let Ok(manifest) = Manifest::decode(&forged) {
                    assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
                }
            }
        }
        assert_eq!(
            Manifest::decode(b"<!DOCTYPE html>"),
            Err(ManifestError::NotOne)
        );
    }
}
