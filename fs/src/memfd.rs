//! Files without a name in memory (`memfd_create(2)`), with seals; also what shared memory is made
//! of.

use std::any::Any;
use std::sync::Arc;

use abi::flags::{
    F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, MEMFD_SEALS,
};
use abi::{Errno, Result};
use executor::sync::Lock;

use crate::budget::Budget;
use crate::io::{Sink, Source};
use crate::tmpfs::TmpFs;
use crate::vfs::inode::{
    Extent, FileSystem, Inode, Metadata, NewAttributes, NewNode, Seek, SetAttributes, Timestamp,
};

/// A file in memory, the only one of a file system that nobody sees.
#[derive(Debug)]
pub struct MemFile {
    inner: Arc<dyn Inode>,
    state: Lock<Seals>,
}

#[derive(Debug)]
struct Seals {
    seals: u32,
    /// Shared mappings that may change it.
    nr_writers: usize,
}

impl MemFile {
    /// A file of `size` zeros, whose contents are taken from `budget` as they come.
    ///
    /// - `may_seal`: `MFD_ALLOW_SEALING`
    ///
    /// # Errors
    /// `ENOSPC`
    pub fn new(
        budget: &Arc<Budget>,
        size: u64,
        time: Timestamp,
        may_seal: bool,
    ) -> Result<Arc<Self>> {
        let attributes = NewAttributes {
            permissions: 0o777,
            uid: 0,
            gid: 0,
            time,
        };
        let tree = TmpFs::with_root("tmpfs", u64::MAX, &attributes, budget)?;
        let inner = tree
            .root()
            .create(b"file", &NewNode::Regular, &attributes)?;
        tree.root().unlink(b"file", time)?;
        inner.set_attributes(&SetAttributes {
            size: Some(size),
            ..SetAttributes::default()
        })?;
        Ok(Arc::new(Self {
            inner,
            state: Lock::new(Seals {
                seals: if may_seal { 0 } else { F_SEAL_SEAL },
                nr_writers: 0,
            }),
        }))
    }

    /// The same for an inode that is one.
    pub fn of(inode: &dyn Inode) -> Option<&Self> {
        inode.as_any().downcast_ref()
    }

    /// `F_GET_SEALS`
    pub fn seals(&self) -> u32 {
        self.state.lock().seals
    }

    /// `F_ADD_SEALS`
    ///
    /// # Errors
    /// `EINVAL` for others than there are, `EPERM` after `F_SEAL_SEAL`, `EBUSY` for `F_SEAL_WRITE`
    /// while a mapping may change it.
    pub fn add_seals(&self, seals: u32) -> Result<()> {
        if seals & !MEMFD_SEALS != 0 {
            return Err(Errno::EINVAL.because("no such seal"));
        }
        let mut state = self.state.lock();
        if state.seals & F_SEAL_SEAL != 0 {
            return Err(Errno::EPERM.because("no more seals"));
        }
        if seals & F_SEAL_WRITE != 0 && state.nr_writers > 0 {
            return Err(Errno::EBUSY.because("mapped for writing"));
        }
        state.seals |= seals;
        Ok(())
    }

    /// A shared mapping that may change it begins.
    ///
    /// # Errors
    /// `EPERM` when it is sealed against that.
    pub fn add_writer(&self) -> Result<()> {
        let mut state = self.state.lock();
        if state.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0 {
            return Err(Errno::EPERM.because("sealed against writing"));
        }
        state.nr_writers = state.nr_writers.saturating_add(1);
        Ok(())
    }

    /// One more such mapping, made of another: seals that came since do not end it.
    pub fn keep_writer(&self) {
        let mut state = self.state.lock();
        state.nr_writers = state.nr_writers.saturating_add(1);
    }

    /// Such a mapping ends.
    pub fn remove_writer(&self) {
        let mut state = self.state.lock();
        state.nr_writers = state.nr_writers.saturating_sub(1);
    }

    fn check(&self, seals: u32) -> Result<()> {
        if self.seals() & seals != 0 {
            return Err(Errno::EPERM.because("the file is sealed"));
        }
        Ok(())
    }

    /// Fails when writing from `offset` on is sealed, or growing that it would need.
    fn check_write(&self, offset: u64, len: usize) -> Result<()> {
        self.check(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)?;
        let end = offset.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        if end > self.inner.metadata()?.size {
            self.check(F_SEAL_GROW)?;
        }
        Ok(())
    }
}

impl Inode for MemFile {
    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata {
            nr_links: 0,
            ..self.inner.metadata()?
        })
    }

    fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        if let Some(size) = change.size {
            let old = self.inner.metadata()?.size;
            if size < old {
                self.check(F_SEAL_SHRINK)?;
            } else if size > old {
                self.check(F_SEAL_GROW)?;
            }
        }
        self.inner.set_attributes(change)
    }

    fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        self.inner.read_at(offset, sink)
    }

    fn write_at(&self, offset: u64, source: &mut dyn Source, time: Timestamp) -> Result<usize> {
        self.check_write(offset, source.remaining())?;
        self.inner.write_at(offset, source, time)
    }

    fn append(&self, source: &mut dyn Source, time: Timestamp) -> Result<(u64, usize)> {
        self.check_write(self.inner.metadata()?.size, source.remaining())?;
        self.inner.append(source, time)
    }

    fn punch(&self, start: u64, end: u64, time: Timestamp) -> Result<()> {
        self.check(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)?;
        self.inner.punch(start, end, time)
    }

    fn allocate(&self, range: (u64, u64), extent: Extent, time: Timestamp) -> Result<()> {
        if extent == Extent::Grow && range.1 > self.inner.metadata()?.size {
            self.check(F_SEAL_GROW)?;
        }
        self.inner.allocate(range, extent, time)
    }

    fn seek(&self, offset: u64, what: Seek) -> Result<u64> {
        self.inner.seek(offset, what)
    }

    fn version(&self) -> Option<u64> {
        self.inner.version()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Arc<MemFile> {
        MemFile::new(&Budget::unlimited(), 10, Timestamp::default(), true).unwrap()
    }

    fn fails<T: std::fmt::Debug>(result: Result<T>, errno: Errno) {
        assert_eq!(result.unwrap_err().errno, errno);
    }

    #[test]
    fn seals_hold_for_what_they_say() {
        let (file, now) = (file(), Timestamp::default());
        let resize = |size| {
            file.set_attributes(&SetAttributes {
                size: Some(size),
                ..SetAttributes::default()
            })
        };
        file.add_seals(F_SEAL_SHRINK).unwrap();
        fails(resize(5), Errno::EPERM);
        resize(20).unwrap();
        file.add_seals(F_SEAL_GROW).unwrap();
        fails(resize(30), Errno::EPERM);
        assert_eq!(file.write_at(19, &mut b"x".as_slice(), now).unwrap(), 1);
        fails(file.write_at(19, &mut b"xy".as_slice(), now), Errno::EPERM);
        file.add_writer().unwrap();
        fails(file.add_seals(F_SEAL_WRITE), Errno::EBUSY);
        file.remove_writer();
        file.add_seals(F_SEAL_WRITE | F_SEAL_SEAL).unwrap();
        fails(file.write_at(0, &mut b"x".as_slice(), now), Errno::EPERM);
        fails(file.add_writer(), Errno::EPERM);
        fails(file.add_seals(F_SEAL_GROW), Errno::EPERM);
        fails(file.add_seals(1 << 20), Errno::EINVAL);
    }
}
