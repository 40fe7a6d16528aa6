//! What tells an image from another: the tag of an overlay's [`Identity`](fs_overlay::Identity).
//!
//! Servers and manifests have names for contents. Bytes and files have none, and a hash of gigabytes takes too long:
//! for them it is that of the first bytes, where an Ext2 image has its UUID, its counts and the time of its last
//! write, with what the host knows of the rest.

use fs_block::{BlockDevice, BlockError};
use sha2::{Digest, Sha256};

/// Bytes at the start of an image that are hashed.
const HEAD_BYTES: u64 = 64 << 10;

/// Bytes that are read at a time.
const STEP_BYTES: u64 = 1 << 20;

/// The tag of a name for contents: an `ETag`, a time.
pub fn of_text(text: &[u8]) -> Vec<u8> {
    Sha256::digest(text).to_vec()
}

/// The tag of an image that is here: of its head, and of `modified_ms`, a file's time; or, without one, of a
/// checksum of all that follows.
///
/// # Errors
/// Those of reading it.
pub fn of_contents(
    image: &impl BlockDevice,
    modified_ms: Option<u64>,
) -> Result<Vec<u8>, BlockError> {
    let len = image.len_bytes();
    let mut bytes = Vec::new();
    let mut read = |start: u64, end: u64| -> Result<Vec<u8>, BlockError> {
        bytes.resize(usize::try_from(end.saturating_sub(start)).unwrap_or(0), 0);
        image.read(start, &mut bytes)?;
        Ok(core::mem::take(&mut bytes))
    };
    let head = HEAD_BYTES.min(len);
    let mut hash = Sha256::new();
    hash.update(read(0, head)?);
    if let Some(modified_ms) = modified_ms {
        hash.update(modified_ms.to_le_bytes());
        return Ok(hash.finalize().to_vec());
    }
    let mut checksum = 0;
    let mut at = head;
    while at < len {
        let end = at.saturating_add(STEP_BYTES).min(len);
        checksum = crc32c::crc32c_append(checksum, &read(at, end)?);
        at = end;
    }
    hash.update(checksum.to_le_bytes());
    Ok(hash.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_block::MemDisk;

    #[test]
    fn another_byte_or_time_is_another_image() {
        let mut bytes = vec![7_u8; (3 << 20) + 512];
        let of = |bytes: &[u8], time| of_contents(&MemDisk::new(bytes.to_vec()), time).unwrap();
        let first = (of(&bytes, None), of(&bytes, Some(5)));
        assert_eq!(of(&bytes, None), first.0);
        assert_ne!(of(&bytes, Some(6)), first.1);
        bytes[(2 << 20) + 9] ^= 1;
        assert_ne!(of(&bytes, None), first.0);
        assert_eq!(
            of(&bytes, Some(5)),
            first.1,
            "a file's contents are not read"
        );
        bytes[100] ^= 1;
        assert_ne!(of(&bytes, Some(5)), first.1);
    }
}
