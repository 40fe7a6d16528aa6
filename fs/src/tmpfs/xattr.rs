//! The extended attributes of a file in memory.

use abi::{Errno, Result};

use super::Shared;
use crate::budget::Class;
use crate::vfs::xattr::XattrMode;

/// Bytes of memory that an attribute takes besides its name and value, about.
const ENTRY_BYTES: u64 = 64;

/// A name and a value.
type Xattr = (Box<[u8]>, Box<[u8]>);

/// All of a file, sorted by name.
#[derive(Debug, Default)]
pub(super) struct Xattrs(Vec<Xattr>);

/// Bytes of memory for an attribute.
fn bytes_of(name: &[u8], value: &[u8]) -> u64 {
    let bytes = u64::try_from(name.len().saturating_add(value.len()));
    bytes.unwrap_or(u64::MAX).saturating_add(ENTRY_BYTES)
}

impl Xattrs {
    fn find(&self, name: &[u8]) -> core::result::Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }

    /// The value of a name.
    ///
    /// # Errors
    /// `ENODATA`
    pub(super) fn value(&self, name: &[u8]) -> Result<Vec<u8>> {
        let found = self.find(name).ok().and_then(|index| self.0.get(index));
        found
            .map(|(_, value)| value.to_vec())
            .ok_or(Errno::ENODATA.into())
    }

    /// All names in order.
    pub(super) fn names(&self, report: &mut dyn FnMut(&[u8])) {
        self.0.iter().for_each(|(name, _)| report(name));
    }

    /// Sets an attribute, or removes it without a `value`; its memory is that of the pod.
    ///
    /// # Errors
    /// `EEXIST` and `ENODATA` as `mode` and removing say, `ENOSPC`.
    pub(super) fn set(
        &mut self,
        shared: &Shared,
        name: &[u8],
        value: Option<&[u8]>,
        mode: XattrMode,
    ) -> Result<()> {
        let place = self.find(name);
        match (place, mode) {
            (Ok(_), XattrMode::Create) => return Err(Errno::EEXIST.into()),
            (Err(_), XattrMode::Replace) => return Err(Errno::ENODATA.into()),
            (Err(_), _) if value.is_none() => return Err(Errno::ENODATA.into()),
            _ => {}
        }
        let entry = match value {
            Some(value) => {
                shared.take_memory(bytes_of(name, value))?;
                Some((name.into(), value.into()))
            }
            None => None,
        };
        if let Ok(index) = place {
            let (name, value) = self.0.remove(index);
            shared
                .budget
                .uncharge(Class::Files, bytes_of(&name, &value));
        }
        let (Ok(index) | Err(index)) = place;
        if let Some(entry) = entry {
            self.0.insert(index, entry);
        }
        Ok(())
    }

    /// Gives all memory back.
    pub(super) fn clear(&mut self, shared: &Shared) {
        for (name, value) in std::mem::take(&mut self.0) {
            shared
                .budget
                .uncharge(Class::Files, bytes_of(&name, &value));
        }
    }
}
