//! What has been written, and is not durable yet.

use std::fmt;
use std::sync::Arc;

use abi::Result;

/// Whoever knows when a flush of a device is complete.
pub trait Flushing: Send + Sync {
    /// Whether flush `number`, or a later one, is complete.
    ///
    /// # Errors
    /// `EIO`, `ENOSPC`: why it is not, and will not be.
    fn is_flushed(&self, number: u64) -> Result<bool>;
}

/// A flush on its way to a medium that answers later. Something arrives when it is complete.
#[derive(Clone)]
pub struct Flush {
    /// Who knows of it.
    pub device: Arc<dyn Flushing>,
    /// Its number there.
    pub number: u64,
}

impl Flush {
    /// Whether it is complete.
    ///
    /// # Errors
    /// As [`Flushing::is_flushed`].
    pub fn is_complete(&self) -> Result<bool> {
        self.device.is_flushed(self.number)
    }
}

impl fmt::Debug for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Flush").field(&self.number).finish()
    }
}
