//! Tasks for the whole disk.

use fs_block::BlockDevice;
use fs_overlay::{OpenError, Overlay, Statistics, Store};

use crate::disk::Disk;
use crate::status::Status;

impl<S: Store + Clone> Disk<S> {
    /// Writes all changes that were flushed into `to`, which becomes a store of its own.
    ///
    /// # Errors
    /// `Io`, `Full` of `to`, `Pending`.
    pub fn export<T: Store>(&self, to: &mut T) -> Result<(), Status> {
        self.overlay.export(to).map_err(Status::from)
    }

    /// Puts an export in the place of all changes.
    ///
    /// # Errors
    /// The status, and a text for people. The disk is as it was.
    pub fn import<T: Store>(&mut self, exported: &T) -> Result<(), (Status, String)> {
        let failed = |error: OpenError| (Status::from(&error), error.to_string());
        let identity = self.identity.clone();
        let stores = self.layout.stores.clone();
        let imported = Overlay::import(self.base.clone(), identity, stores, exported, self.options);
        match imported {
            Ok(overlay) => {
                self.overlay = overlay;
                self.is_dirty = false;
                Ok(())
            }
            Err(error) => {
                // The other store may have the beginning of a copy.
                let (identity, stores) = (self.identity.clone(), self.layout.stores.clone());
                let again = Overlay::open(self.base.clone(), identity, stores, self.options);
                if let Ok(overlay) = again {
                    self.overlay = overlay;
                }
                Err(failed(error))
            }
        }
    }

    /// Takes out of the log what is overwritten.
    ///
    /// # Errors
    /// `Full` when both logs do not fit, `Io`, `Pending`. The disk can be used on.
    pub fn compact(&mut self) -> Result<(), Status> {
        self.overlay.compact().map_err(Status::from)
    }

    /// Sizes.
    pub fn statistics(&self) -> Statistics {
        self.overlay.statistics()
    }

    /// Whether these bytes are on the disk.
    pub fn has(&self, offset: u64, len: u64) -> bool {
        let end = offset.checked_add(len);
        end.is_some_and(|end| end <= self.base.len_bytes())
    }
}
