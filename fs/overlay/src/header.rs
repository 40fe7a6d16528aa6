//! The two headers of a store: which base it belongs to, and where its newest checkpoint is.
//!
//! They are written in turn, each by one write within a sector's multiple, so that a torn write
//! leaves the other.

use crate::codec::{le32, le64, put, put32, put64, wide};
use crate::store::{Store, StoreError};

/// Where the records begin, in bytes.
pub(crate) const RECORDS_AT: u64 = 8192;
/// Bytes from one header to the other.
const STRIDE: u64 = 4096;
/// Bytes of a header.
const LEN: usize = 512;
const MAGIC: &[u8; 8] = b"shoalovl";
pub(crate) const VERSION: u32 = 1;
const TAG_AT: usize = 64;
const CRC_AT: usize = LEN - 4;

/// The longest tag of an [`Identity`], in bytes.
pub const MAX_TAG_BYTES: usize = 128;

/// What tells one base image from another: its length, and a tag such as its ETag or content hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    len_bytes: u64,
    tag: Vec<u8>,
}

impl Identity {
    /// The identity of a base of `len_bytes`; `None` when the tag has more than [`MAX_TAG_BYTES`]:
    /// take a hash of it then.
    pub fn new(len_bytes: u64, tag: &[u8]) -> Option<Self> {
        (tag.len() <= MAX_TAG_BYTES).then(|| Self {
            len_bytes,
            tag: tag.to_vec(),
        })
    }

    /// Bytes of the base.
    pub const fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// What else tells it.
    pub fn tag(&self) -> &[u8] {
        &self.tag
    }
}

/// A header as it is on the medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) identity: Identity,
    /// Binary logarithm of the block size.
    pub(crate) block_shift: u32,
    /// Counts compactions; the store with the higher one is in use.
    pub(crate) generation: u64,
    /// Counts headers written; the higher one is newer.
    pub(crate) version_number: u64,
    /// Byte offset of the newest checkpoint; 0 if there is none.
    pub(crate) checkpoint_at: u64,
}

/// What is where a header should be.
pub(crate) enum Found {
    Valid(Header),
    /// Of a version that this code does not know.
    Newer(u32),
    Nothing,
}

impl Header {
    fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        put(&mut bytes, 0, MAGIC);
        put32(&mut bytes, 8, VERSION);
        put32(&mut bytes, 12, self.block_shift);
        put64(&mut bytes, 16, self.identity.len_bytes);
        put64(&mut bytes, 24, self.generation);
        put64(&mut bytes, 32, self.version_number);
        put64(&mut bytes, 40, self.checkpoint_at);
        let tag = &self.identity.tag;
        put32(&mut bytes, 48, u32::try_from(tag.len()).unwrap_or(0));
        put(&mut bytes, TAG_AT, tag);
        let crc = crc32c::crc32c(bytes.get(..CRC_AT).unwrap_or_default());
        put32(&mut bytes, CRC_AT, crc);
        bytes
    }

    fn decode(bytes: &[u8]) -> Found {
        let crc = crc32c::crc32c(bytes.get(..CRC_AT).unwrap_or_default());
        if bytes.get(..8) != Some(MAGIC) || le32(bytes, CRC_AT) != crc {
            return Found::Nothing;
        }
        if le32(bytes, 8) != VERSION {
            return Found::Newer(le32(bytes, 8));
        }
        let block_shift = le32(bytes, 12);
        let tag_len = usize::try_from(le32(bytes, 48)).unwrap_or(usize::MAX);
        let tag = tag_len
            .checked_add(TAG_AT)
            .and_then(|end| bytes.get(TAG_AT..end))
            .and_then(|tag| Identity::new(le64(bytes, 16), tag));
        match tag {
            Some(identity) if (9..=16).contains(&block_shift) => Found::Valid(Self {
                identity,
                block_shift,
                generation: le64(bytes, 24),
                version_number: le64(bytes, 32),
                checkpoint_at: le64(bytes, 40),
            }),
            _ => Found::Nothing,
        }
    }

    /// Writes it where the older of the two is.
    pub(crate) fn write<S: Store>(&self, store: &mut S) -> Result<(), StoreError> {
        store.write_at(
            (self.version_number & 1) << STRIDE.trailing_zeros(),
            &self.encode(),
        )
    }

    /// Reads both headers, the newer first.
    pub(crate) fn read<S: Store>(store: &S) -> Result<(Vec<Self>, Option<u32>), StoreError> {
        let mut headers: Vec<Self> = Vec::new();
        let mut newer = None;
        for at in [0, STRIDE] {
            let mut bytes = [0; LEN];
            if at.saturating_add(wide(LEN)) > store.len_bytes() {
                continue;
            }
            store.read_at(at, &mut bytes)?;
            match Self::decode(&bytes) {
                Found::Valid(header) => headers.push(header),
                Found::Newer(version) => newer = Some(version),
                Found::Nothing => {}
            }
        }
        headers.sort_by_key(|header| core::cmp::Reverse(header.version_number));
        Ok((headers, newer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemStore;

    #[test]
    fn headers_come_back_newest_first_and_each_flipped_bit_shows() {
        let mut store = MemStore::new(vec![0; 8192]);
        let mut header = Header {
            identity: Identity::new(1 << 20, b"\"etag\"").unwrap(),
            block_shift: 12,
            generation: 3,
            version_number: 6,
            checkpoint_at: 0,
        };
        header.write(&mut store).unwrap();
        header.version_number = 7;
        header.checkpoint_at = 8192;
        header.write(&mut store).unwrap();
        let (found, newer) = Header::read(&store).unwrap();
        assert_eq!(
            (found[0].version_number, found[1].version_number, newer),
            (7, 6, None)
        );
        assert_eq!(found[0], header);
        for bit in 0..LEN * 8 {
            let mut bytes = store.bytes().to_vec();
            bytes[4096 + bit / 8] ^= 1 << (bit % 8);
            let (found, _) = Header::read(&MemStore::new(bytes)).unwrap();
            assert_eq!(found.len(), 1, "bit {bit}");
        }
        assert_eq!(Identity::new(0, &[0; 129]), None);
    }
}
