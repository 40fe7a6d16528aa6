//! [`Status`]: how a call has ended.

use fs_block::BlockError;
use fs_overlay::{OpenError, StoreError};

/// How a call has ended. The numbers are those of `sdk/src/disk/module.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// It is done.
    Ok = 0,
    /// The storage, the network or the server failed.
    Io = 1,
    /// There is no room.
    Full = 2,
    /// It is being done, or bytes are on their way: ask again when something has arrived.
    Pending = 3,
    /// The arguments make no sense.
    Invalid = 4,
    /// The base takes no writes.
    ReadOnly = 5,
    /// The changes were made to another image.
    Changed = 6,
    /// What is kept contradicts itself.
    Corrupt = 7,
    /// What is kept, or what the server gave, has a format that nobody here knows.
    Unsupported = 8,
}

impl Status {
    /// The number for the host.
    #[expect(clippy::as_conversions, reason = "an enum has no other number")]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// What a result means.
    pub fn of(result: Result<(), Self>) -> Self {
        result.err().unwrap_or(Self::Ok)
    }
}

impl From<BlockError> for Status {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Io => Self::Io,
            BlockError::OutOfRange => Self::Invalid,
            BlockError::ReadOnly => Self::ReadOnly,
            BlockError::NoSpace => Self::Full,
            BlockError::NotResident(_) => Self::Pending,
        }
    }
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io => Self::Io,
            StoreError::Full => Self::Full,
            StoreError::Pending => Self::Pending,
        }
    }
}

impl From<&OpenError> for Status {
    fn from(error: &OpenError) -> Self {
        match error {
            OpenError::Store(error) => (*error).into(),
            OpenError::BaseChanged(_) => Self::Changed,
            OpenError::Corrupt(_) => Self::Corrupt,
            OpenError::Version(_) | OpenError::BlockSize(_) => Self::Unsupported,
        }
    }
}
