//! Where a log is kept: [`Store`], a file of bytes with a barrier.
//!
//! Hosts implement it on an OPFS sync access handle, on IndexedDB, and on a file in Node.

use core::fmt;

/// Why a store did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// It failed; repeating may or may not help.
    Io,
    /// There is no room: the browser's quota, or a full disk.
    Full,
    /// It is being done; wait, then repeat the same call. Not an answer to `write_at`.
    Pending,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io => "the local storage failed",
            Self::Full => "the local storage is full",
            Self::Pending => "the local storage is not ready yet",
        })
    }
}

impl core::error::Error for StoreError {}

/// A file of bytes with a barrier, that nobody else uses: to keep a second opener out is the host's.
///
/// Between two barriers writes may reach the medium in any order, in part or not at all. A
/// store that works in the background takes writes at once, keeps their order, and answers reads
/// of them; its `sync` is `Pending` until they are on the medium.
pub trait Store: Send + Sync {
    /// Length in bytes.
    fn len_bytes(&self) -> u64;

    /// Fills `buf` with the bytes at byte `offset`.
    ///
    /// # Errors
    /// `Io`, also when they do not all exist; `Pending`.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StoreError>;

    /// Stores `bytes` at byte `offset`, at most the length; the store grows as needed.
    ///
    /// # Errors
    /// `Io`, `Full`; then some of the bytes may be stored.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError>;

    /// Cuts the store off at `len` bytes.
    ///
    /// # Errors
    /// `Io`.
    fn truncate(&mut self, len: u64) -> Result<(), StoreError>;

    /// The barrier: all that was written and cut before it is on the medium when it returns.
    ///
    /// # Errors
    /// `Io`: some of it may be lost for good. `Full`; `Pending`.
    fn sync(&mut self) -> Result<(), StoreError>;
}

/// A store in memory: for tests, for exports, and for pods that keep nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemStore(Vec<u8>);

impl MemStore {
    /// A store that holds `bytes`.
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// All its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// All its bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Store for MemStore {
    fn len_bytes(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        let start = usize::try_from(offset).map_err(|_| StoreError::Io)?;
        let end = start.checked_add(buf.len()).ok_or(StoreError::Io)?;
        buf.copy_from_slice(self.0.get(start..end).ok_or(StoreError::Io)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let start = usize::try_from(offset).map_err(|_| StoreError::Full)?;
        let end = start.checked_add(bytes.len()).ok_or(StoreError::Full)?;
        if start > self.0.len() {
            return Err(StoreError::Io);
        }
        if end > self.0.len() {
            self.0.resize(end, 0);
        }
        let place = self.0.get_mut(start..end).ok_or(StoreError::Io)?;
        place.copy_from_slice(bytes);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> Result<(), StoreError> {
        self.0.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
