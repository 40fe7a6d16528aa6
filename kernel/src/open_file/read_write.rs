//! Bytes in and out of a description: `read(2)`, `pread(2)`, `write(2)`, `pwrite(2)`, and
//! `ftruncate(2)`.

use abi::flags::{IN_ACCESS, IN_MODIFY, O_APPEND};
use abi::{Errno, Result};
use fs::io::{NOT_RESIDENT, Sink, Source, Try};
use fs::vfs::file::FileOps;
use fs::vfs::inode::{FileType, Inode, SetAttributes, Timestamp};

use super::{Backing, OpenFile};

impl OpenFile {
    /// Reads at the offset and moves it. `Ok(0)` is the end of file.
    ///
    /// # Errors
    /// `WouldBlock`; `EBADF` not open for reading, `EISDIR`, `EIO`, and what the sink says.
    pub fn try_read(&self, sink: &mut dyn Sink, now: Timestamp) -> Try<usize> {
        self.check_readable()?;
        let moved = match &self.backing {
            Backing::Pipe(end) => end.try_read(sink)?,
            Backing::Ops(ops) => ops.try_read(sink)?,
            Backing::Inode(inode) => {
                let mut offset = self.offset.lock();
                let moved = read_inode(&**inode, *offset, sink)?;
                *offset = offset.saturating_add(widen(moved));
                drop(offset);
                self.touch_atime(&**inode, now);
                moved
            }
            Backing::Path => return Err(Errno::EBADF.into()),
        };
        self.notify_moved(IN_ACCESS, moved);
        Ok(moved)
    }

    /// Reads at byte `offset` and leaves the description's own alone (`pread(2)`).
    ///
    /// # Errors
    /// As [`OpenFile::try_read`]; `ESPIPE` for a stream.
    pub fn read_at(&self, offset: u64, sink: &mut dyn Sink, now: Timestamp) -> Try<usize> {
        if self.is_stream() {
            return Err(Errno::ESPIPE.into());
        }
        self.check_readable()?;
        let moved = match &self.backing {
            Backing::Inode(inode) => {
                let moved = read_inode(&**inode, offset, sink)?;
                self.touch_atime(&**inode, now);
                moved
            }
            Backing::Ops(ops) => ops.try_read(sink)?,
            Backing::Pipe(_) | Backing::Path => return Err(Errno::ESPIPE.into()),
        };
        self.notify_moved(IN_ACCESS, moved);
        Ok(moved)
    }

    /// Writes at the offset, or at the end with `O_APPEND`, and moves the offset.
    ///
    /// The caller has cut the source to `RLIMIT_FSIZE` ([`OpenFile::write_offset`]).
    ///
    /// # Errors
    /// `WouldBlock`; `EBADF` not open for writing, `EPIPE`, `ENOSPC`, `EFBIG`, `EIO`, and what the
    /// source says.
    pub fn try_write(&self, source: &mut dyn Source, now: Timestamp) -> Try<usize> {
        self.check_writable()?;
        let moved = match &self.backing {
            Backing::Pipe(end) => end.try_write(source)?,
            Backing::Ops(ops) => ops.try_write(source)?,
            Backing::Inode(inode) => {
                let mut offset = self.offset.lock();
                let (start, moved) = self.write_inode(&**inode, *offset, source, now)?;
                *offset = start.saturating_add(widen(moved));
                moved
            }
            Backing::Path => return Err(Errno::EBADF.into()),
        };
        self.notify_moved(IN_MODIFY, moved);
        Ok(moved)
    }

    /// Writes at byte `offset` and leaves the description's own alone (`pwrite(2)`).
    ///
    /// As in Linux, `O_APPEND` wins over `offset`.
    ///
    /// # Errors
    /// As [`OpenFile::try_write`]; `ESPIPE` for a stream.
    pub fn write_at(&self, offset: u64, source: &mut dyn Source, now: Timestamp) -> Try<usize> {
        if self.is_stream() {
            return Err(Errno::ESPIPE.into());
        }
        self.check_writable()?;
        let moved = match &self.backing {
            Backing::Inode(inode) => {
                let (_, moved) = self.write_inode(&**inode, offset, source, now)?;
                moved
            }
            Backing::Ops(ops) => ops.try_write(source)?,
            Backing::Pipe(_) | Backing::Path => return Err(Errno::ESPIPE.into()),
        };
        self.notify_moved(IN_MODIFY, moved);
        Ok(moved)
    }

    /// Where the next write goes, for `RLIMIT_FSIZE`: `None` when the limit does not apply.
    ///
    /// # Errors
    /// `EIO`.
    pub fn write_offset(&self) -> Result<Option<u64>> {
        match &self.backing {
            Backing::Inode(inode) if self.file_type == FileType::Regular => {
                if self.flags() & O_APPEND == 0 {
                    Ok(Some(*self.offset.lock()))
                } else {
                    Ok(Some(inode.metadata()?.size))
                }
            }
            _ => Ok(None),
        }
    }

    /// `ftruncate(2)`: sets the size in bytes.
    ///
    /// # Errors
    /// `EBADF` for `O_PATH`, `EINVAL` not open for writing or not a regular file, `EFBIG`,
    /// `ENOSPC`, `EROFS`, `EIO`.
    pub fn truncate(&self, size: u64, now: Timestamp) -> Result<()> {
        if self.is_path() {
            return Err(Errno::EBADF.into());
        }
        let Backing::Inode(inode) = &self.backing else {
            return Err(Errno::EINVAL.into());
        };
        if !self.is_writable() || self.file_type != FileType::Regular {
            return Err(Errno::EINVAL.into());
        }
        inode.set_attributes(&SetAttributes {
            size: Some(size),
            mtime: Some(now),
            ctime: Some(now),
            ..SetAttributes::default()
        })?;
        self.notify(IN_MODIFY);
        Ok(())
    }

    /// [`OpenFile::notify`] when bytes were moved.
    fn notify_moved(&self, mask: u32, moved: usize) {
        if moved > 0 {
            self.notify(mask);
        }
    }

    /// Writes at byte `offset` of the inode, or with `O_APPEND` at its end; returns where it
    /// went, and bytes moved. Nothing to write changes nothing.
    fn write_inode(
        &self,
        inode: &dyn Inode,
        offset: u64,
        source: &mut dyn Source,
        now: Timestamp,
    ) -> Result<(u64, usize)> {
        if source.remaining() == 0 {
            Ok((offset, 0))
        } else if self.flags() & O_APPEND == 0 {
            Ok((offset, inode.write_at(offset, source, now)?))
        } else {
            inode.append(source, now)
        }
    }

    fn check_readable(&self) -> Result<()> {
        if !self.is_readable() {
            return Err(Errno::EBADF.into());
        }
        if self.file_type == FileType::Directory {
            return Err(Errno::EISDIR.into());
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<()> {
        if self.is_writable() {
            Ok(())
        } else {
            Err(Errno::EBADF.into())
        }
    }
}

/// A read that has moved this many bytes does not begin anew for bytes that are not here yet: they might never be
/// all here at once. It ends short.
const MAX_REPEATED: usize = 4 << 20;

/// Reads at byte `offset` of an inode. As in Linux, what the sink took before it failed counts.
fn read_inode(inode: &dyn Inode, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
    let wanted = sink.remaining();
    let result = inode.read_at(offset, sink);
    match wanted.saturating_sub(sink.remaining()) {
        0 => result,
        moved if moved < MAX_REPEATED && result == Err(NOT_RESIDENT) => result,
        moved => result.or(Ok(moved)),
    }
}

/// `usize` is never wider than 64 bits.
fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
