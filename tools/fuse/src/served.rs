//! [`Served`]: a mounted image, and what is done to it for one who asks.

use std::sync::Arc;

use abi::flags::{FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE, O_APPEND};
use abi::{Errno, Result};
use fs::ext2_mount::Ext2Fs;
use fs::io::{Stall, Try, VecSink};
use fs::vfs::inode::{Extent, FileSystem as _, SetAttributes};
use fs::vfs::path::Location;
use fs::vfs::xattr::{self, XattrMode};
use fs::vfs::{Context, Scope, Vfs, permissions_after_write};
use fuser::{FileAttr, FileHandle, INodeNo, Request, TimeOrNow, WriteFlags};
use kernel::open_file::OpenFile;

use crate::caller::Requester;
use crate::convert::{attributes, new_time, now};
use crate::nodes::Nodes;

/// A mounted image.
pub(crate) struct Served {
    pub(crate) vfs: Vfs,
    root: Location,
    pub(crate) ext2: Arc<Ext2Fs>,
    pub(crate) nodes: Nodes,
}

impl Served {
    /// Serves `root`, which is mounted in `vfs`.
    pub(crate) fn new(vfs: Vfs, root: Location, ext2: Arc<Ext2Fs>) -> Result<Self> {
        let nodes = Nodes::new(&root)?;
        Ok(Self {
            vfs,
            root,
            ext2,
            nodes,
        })
    }

    /// The context of a call by `requester` on a name in `here`.
    fn context<'a>(
        &'a self,
        requester: &'a Requester,
        here: &'a Location,
        umask: u32,
    ) -> Context<'a> {
        Context {
            root: &self.root,
            cwd: here,
            caller: requester.caller(),
            umask,
            now: now(),
            scope: Scope::Everywhere,
        }
    }

    /// Does something with a name in the directory `parent`.
    pub(crate) fn within<T>(
        &self,
        request: &Request,
        parent: INodeNo,
        umask: u32,
        call: impl FnOnce(&Context<'_>) -> Result<T>,
    ) -> Result<T> {
        let requester = Requester::of(request);
        let parent = self.nodes.find(parent)?;
        call(&self.context(&requester, &parent, umask))
    }

    /// Tells Linux of a file: its attributes.
    pub(crate) fn tell(&self, location: &Location) -> Result<FileAttr> {
        self.nodes.told(location)?;
        Ok(attributes(&location.metadata()?))
    }

    /// Opens what was found.
    pub(crate) fn open_file(
        &self,
        request: &Request,
        node: INodeNo,
        flags: u32,
    ) -> Result<FileHandle> {
        let requester = Requester::of(request);
        let location = self.nodes.find(node)?;
        let cx = self.context(&requester, &location, 0);
        let opened = self.vfs.reopen(&cx, location.clone(), flags)?;
        Ok(self.nodes.keep(OpenFile::from_opened(opened, flags)))
    }

    /// Reads up to `size` bytes.
    pub(crate) fn read_file(&self, handle: FileHandle, offset: u64, size: u32) -> Result<Vec<u8>> {
        let mut sink = VecSink::new(usize::try_from(size).unwrap_or(0));
        let file = self.nodes.file(handle)?;
        at_once(file.read_at(offset, &mut sink, now()))?;
        Ok(sink.bytes)
    }

    /// Writes `data`; the flags are those of the open file, and what Linux says of the write.
    pub(crate) fn write_file(
        &self,
        request: &Request,
        handle: FileHandle,
        offset: u64,
        mut data: &[u8],
        (mut flags, how): (u32, WriteFlags),
    ) -> Result<usize> {
        let file = self.nodes.file(handle)?;
        if how.contains(WriteFlags::FUSE_WRITE_CACHE) {
            // Pages of a mapping go where they belong.
            flags &= !O_APPEND;
        } else {
            Self::drop_set_id(request, &file.place()?)?;
        }
        file.set_flags(flags)?;
        at_once(file.write_at(offset, &mut data, now()))
    }

    /// Takes the set-id bits off a file whose contents `request` changes.
    fn drop_set_id(request: &Request, location: &Location) -> Result<()> {
        let requester = Requester::of(request);
        let metadata = location.metadata()?;
        let Some(permissions) = permissions_after_write(&requester.caller(), &metadata) else {
            return Ok(());
        };
        location.inode.set_attributes(&SetAttributes {
            permissions: Some(permissions),
            ctime: Some(now()),
            ..SetAttributes::default()
        })
    }

    /// Changes attributes; the size by `handle`, if there is one, and by the path otherwise.
    #[expect(clippy::too_many_arguments, reason = "the attributes of one request")]
    pub(crate) fn change(
        &self,
        request: &Request,
        node: INodeNo,
        handle: Option<FileHandle>,
        mode: Option<u32>,
        owner: (Option<u32>, Option<u32>),
        size: Option<u64>,
        times: (Option<TimeOrNow>, Option<TimeOrNow>),
    ) -> Result<FileAttr> {
        let requester = Requester::of(request);
        let caller = requester.caller();
        let location = self.nodes.find(node)?;
        if owner.0.is_some() || owner.1.is_some() {
            self.vfs
                .chown_location(&caller, &location, owner.0, owner.1, now())?;
        }
        if let Some(mode) = mode {
            self.vfs.chmod_location(&caller, &location, mode, now())?;
        }
        if let Some(size) = size {
            match handle {
                Some(handle) => {
                    Self::drop_set_id(request, &location)?;
                    self.nodes.file(handle)?.truncate(size, now())?;
                }
                None => self
                    .vfs
                    .truncate_location(&caller, &location, size, now())?,
            }
        }
        let (atime, mtime) = (new_time(times.0), new_time(times.1));
        self.vfs
            .set_times_location(&caller, &location, atime, mtime, now())?;
        Ok(attributes(&location.metadata()?))
    }

    /// Gives the bytes from `start` to `end` room, zeros or a hole, as `fallocate(2)` does.
    pub(crate) fn allocate(
        &self,
        request: &Request,
        handle: FileHandle,
        (start, end): (u64, u64),
        mode: u32,
    ) -> Result<()> {
        const PUNCH: u32 = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        let shape = mode & !FALLOC_FL_KEEP_SIZE;
        if !matches!(shape, 0 | FALLOC_FL_ZERO_RANGE) && mode != PUNCH {
            return Err(Errno::EOPNOTSUPP.because("no such mode of fallocate"));
        }
        let file = self.nodes.file(handle)?;
        let location = file.place()?;
        Self::drop_set_id(request, &location)?;
        if mode == PUNCH {
            return location.inode.punch(start, end, now());
        }
        let extent = if mode & FALLOC_FL_KEEP_SIZE == 0 {
            Extent::Grow
        } else {
            Extent::Keep
        };
        if shape == FALLOC_FL_ZERO_RANGE {
            location.inode.zero((start, end), extent, now())
        } else {
            location.inode.allocate((start, end), extent, now())
        }
    }

    /// Sets an extended attribute, or removes it when there is no value.
    pub(crate) fn set_xattr(
        &self,
        request: &Request,
        node: INodeNo,
        name: &[u8],
        value: Option<&[u8]>,
        mode: XattrMode,
    ) -> Result<()> {
        let requester = Requester::of(request);
        let location = self.nodes.find(node)?;
        xattr::set(&requester.caller(), &location, name, value, mode, now())
    }

    /// Lets everything go, and leaves the image clean.
    pub(crate) fn unmount(&self) -> Result<()> {
        self.nodes.clear();
        self.ext2.unmount(now())
    }
}

/// Of files on a disk nothing ever waits.
fn at_once<T>(result: Try<T>) -> Result<T> {
    result.map_err(|stall| match stall {
        Stall::WouldBlock => Errno::EAGAIN.into(),
        Stall::Failed(error) => error,
    })
}
