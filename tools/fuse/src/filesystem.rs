//! FUSE's requests: each finds what it is about, has it done by [`Served`], and replies.
//!
//! A request names a directory by number and one name in it, so the directory is the call's working
//! directory and the name its path.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use abi::flags::{O_CREAT, O_DIRECTORY, O_EXCL, SEEK_DATA, SEEK_HOLE, XATTR_CREATE, XATTR_REPLACE};
use abi::{Errno, Result};
use fs::vfs::inode::FileSystem as _;
use fs::vfs::xattr::{self, XattrMode};
use fs::vfs::{Access, Context, Follow};
use fuser::{
    AccessFlags, BsdFileFlags, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use kernel::open_file::{OpenFile, Whence};

use crate::caller::Requester;
use crate::convert::{attributes, errno, kind, now, open_flags};
use crate::served::Served;

/// Linux asks each time: nothing that it remembers may hide what we would answer.
const NO_TIME: Duration = Duration::ZERO;
/// Numbers are not used again while Linux knows them, so all are of one generation.
const GENERATION: Generation = Generation(0);

/// Replies with a result.
macro_rules! answer {
    ($reply:expr, $result:expr, $value:pat => $done:expr) => {
        match $result {
            Ok($value) => $done,
            Err(error) => $reply.error(errno(error)),
        }
    };
}

impl Filesystem for Served {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // The umask, set-id bits and truncation are ours to handle, and so are mapped files.
        let wanted = InitFlags::FUSE_DONT_MASK
            | InitFlags::FUSE_HANDLE_KILLPRIV
            | InitFlags::FUSE_ATOMIC_O_TRUNC
            | InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP;
        config
            .add_capabilities(wanted)
            .map_err(|missing| std::io::Error::other(format!("FUSE without {missing:?}")))
    }

    fn destroy(&mut self) {
        if let Err(error) = self.unmount() {
            log(&format!("the image is not clean: {error:?}"));
        }
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.within(request, parent, 0, |cx| {
            self.tell(&self.vfs.walk(cx, name.as_bytes(), Follow::No)?)
        });
        answer!(reply, found, attr => reply.entry(&NO_TIME, &attr, GENERATION));
    }

    fn forget(&self, _request: &Request, node: INodeNo, count: u64) {
        self.nodes.forget(node, count);
    }

    fn getattr(
        &self,
        _request: &Request,
        node: INodeNo,
        _handle: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        let metadata = self.nodes.find(node).and_then(|found| found.metadata());
        answer!(reply, metadata, metadata => reply.attr(&NO_TIME, &attributes(&metadata)));
    }

    fn setattr(
        &self,
        request: &Request,
        node: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        // The times of a truncation come along as "now", which is what it sets anyway.
        let times = if size.is_some() {
            (None, None)
        } else {
            (atime, mtime)
        };
        let changed = self.change(request, node, handle, mode, (uid, gid), size, times);
        answer!(reply, changed, attr => reply.attr(&NO_TIME, &attr));
    }

    fn readlink(&self, _request: &Request, node: INodeNo, reply: ReplyData) {
        let target = self
            .nodes
            .find(node)
            .and_then(|found| found.inode.read_link());
        answer!(reply, target, target => reply.data(&target));
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let made = self.within(request, parent, umask, |cx| {
            self.tell(&self.vfs.mknod(cx, name.as_bytes(), mode, rdev.into())?)
        });
        answer!(reply, made, attr => reply.entry(&NO_TIME, &attr, GENERATION));
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let made = self.within(request, parent, umask, |cx| {
            self.tell(&self.vfs.mkdir(cx, name.as_bytes(), mode)?)
        });
        answer!(reply, made, attr => reply.entry(&NO_TIME, &attr, GENERATION));
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.within(request, parent, 0, |cx| {
            self.vfs.unlink(cx, name.as_bytes())
        });
        answer!(reply, removed, () => reply.ok());
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.within(request, parent, 0, |cx| self.vfs.rmdir(cx, name.as_bytes()));
        answer!(reply, removed, () => reply.ok());
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let made = self.within(request, parent, 0, |cx| {
            let target = target.as_os_str().as_bytes();
            self.tell(&self.vfs.symlink(cx, target, name.as_bytes())?)
        });
        answer!(reply, made, attr => reply.entry(&NO_TIME, &attr, GENERATION));
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let renamed = self.within(request, parent, 0, |old| {
            let new = self.nodes.find(new_parent)?;
            let new = Context { cwd: &new, ..*old };
            let (name, new_name) = (name.as_bytes(), new_name.as_bytes());
            self.vfs.rename((old, name), (&new, new_name), flags.bits())
        });
        answer!(reply, renamed, () => reply.ok());
    }

    fn link(
        &self,
        request: &Request,
        node: INodeNo,
        new_parent: INodeNo,
        new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        let linked = self.within(request, new_parent, 0, |cx| {
            let target = self.nodes.find(node)?;
            self.vfs.link_location(&target, cx, new_name.as_bytes())?;
            self.tell(&target)
        });
        answer!(reply, linked, attr => reply.entry(&NO_TIME, &attr, GENERATION));
    }

    fn open(&self, request: &Request, node: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let flags = open_flags(flags.0) & !(O_CREAT | O_EXCL);
        let opened = self.open_file(request, node, flags);
        answer!(reply, opened, handle => reply.opened(handle, FopenFlags::FOPEN_DIRECT_IO));
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let flags = open_flags(flags) | O_CREAT;
        let created = self.within(request, parent, umask, |cx| {
            let opened = self.vfs.open(cx, name.as_bytes(), flags, mode)?;
            let attr = self.tell(&opened.location)?;
            Ok((attr, self.nodes.keep(OpenFile::from_opened(opened, flags))))
        });
        answer!(reply, created, (attr, handle) => {
            reply.created(&NO_TIME, &attr, GENERATION, handle, FopenFlags::FOPEN_DIRECT_IO);
        });
    }

    fn read(
        &self,
        _request: &Request,
        _node: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self.read_file(handle, offset, size);
        answer!(reply, read, bytes => reply.data(&bytes));
    }

    fn write(
        &self,
        request: &Request,
        _node: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let flags = (open_flags(flags.0), write_flags);
        let written = self.write_file(request, handle, offset, data, flags);
        answer!(reply, written, count => reply.written(moved(count)));
    }

    fn flush(
        &self,
        _request: &Request,
        _node: INodeNo,
        _handle: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn release(
        &self,
        _request: &Request,
        _node: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.nodes.close(handle);
        reply.ok();
    }

    fn fsync(
        &self,
        _request: &Request,
        node: INodeNo,
        _handle: FileHandle,
        _data_only: bool,
        reply: ReplyEmpty,
    ) {
        let synced = self.nodes.find(node).and_then(|found| found.inode.sync());
        answer!(reply, synced, _ => reply.ok());
    }

    fn opendir(&self, request: &Request, node: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let flags = open_flags(flags.0) & !(O_CREAT | O_EXCL) | O_DIRECTORY;
        let opened = self.open_file(request, node, flags);
        answer!(reply, opened, handle => reply.opened(handle, FopenFlags::empty()));
    }

    fn readdir(
        &self,
        _request: &Request,
        _node: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listed = self.nodes.file(handle).and_then(|file| {
            let offset = i64::try_from(offset).map_err(|_| Errno::EINVAL)?;
            file.seek(offset, Whence::Start)?;
            file.read_dir(now(), &mut |entry| {
                let known = entry.file_type.map_or(fuser::FileType::RegularFile, kind);
                let name = OsStr::from_bytes(entry.name);
                !reply.add(INodeNo(entry.inode), entry.next_cookie, known, name)
            })
        });
        answer!(reply, listed, () => reply.ok());
    }

    fn releasedir(
        &self,
        _request: &Request,
        _node: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.nodes.close(handle);
        reply.ok();
    }

    fn fsyncdir(
        &self,
        request: &Request,
        node: INodeNo,
        handle: FileHandle,
        data_only: bool,
        reply: ReplyEmpty,
    ) {
        self.fsync(request, node, handle, data_only, reply);
    }

    fn statfs(&self, _request: &Request, _node: INodeNo, reply: ReplyStatfs) {
        answer!(reply, self.ext2.status(), status => reply.statfs(
            status.nr_blocks,
            status.nr_free,
            status.nr_available,
            status.nr_inodes,
            status.nr_free_inodes,
            status.block_size,
            status.name_max,
            status.block_size,
        ));
    }

    fn setxattr(
        &self,
        request: &Request,
        node: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        let mode = match flags.cast_unsigned() {
            XATTR_CREATE => XattrMode::Create,
            XATTR_REPLACE => XattrMode::Replace,
            _ => XattrMode::Any,
        };
        let set = self.set_xattr(request, node, name.as_bytes(), Some(value), mode);
        answer!(reply, set, () => reply.ok());
    }

    fn getxattr(
        &self,
        request: &Request,
        node: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        let requester = Requester::of(request);
        let value = self
            .nodes
            .find(node)
            .and_then(|found| xattr::value(&requester.caller(), &found, name.as_bytes()));
        reply_sized(value, size, reply);
    }

    fn listxattr(&self, request: &Request, node: INodeNo, size: u32, reply: ReplyXattr) {
        let requester = Requester::of(request);
        let names = self
            .nodes
            .find(node)
            .and_then(|found| xattr::names(&requester.caller(), &found));
        reply_sized(names, size, reply);
    }

    fn removexattr(&self, request: &Request, node: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.set_xattr(request, node, name.as_bytes(), None, XattrMode::Replace);
        answer!(reply, removed, () => reply.ok());
    }

    fn access(&self, request: &Request, node: INodeNo, mask: AccessFlags, reply: ReplyEmpty) {
        let requester = Requester::of_access(request);
        let allowed = self.nodes.find(node).and_then(|found| {
            let access = Access::from_mode(mask.bits().cast_unsigned())?;
            self.vfs
                .access_location(&requester.caller(), &found, access)
        });
        answer!(reply, allowed, () => reply.ok());
    }

    fn fallocate(
        &self,
        request: &Request,
        _node: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let range = (offset, offset.saturating_add(length));
        let done = self.allocate(request, handle, range, mode.cast_unsigned());
        answer!(reply, done, () => reply.ok());
    }

    fn lseek(
        &self,
        _request: &Request,
        _node: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let found = self.nodes.file(handle).and_then(|file| {
            let whence = match whence.cast_unsigned() {
                SEEK_DATA => Whence::Data,
                SEEK_HOLE => Whence::Hole,
                _ => return Err(Errno::EINVAL.into()),
            };
            file.seek(offset, whence)
        });
        answer!(reply, found, offset => {
            reply.offset(i64::try_from(offset).unwrap_or(i64::MAX));
        });
    }
}

/// How much a write or read moved; requests are far below 4 GiB.
fn moved(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Replies with an attribute's value, or with its size when there is no room asked for.
fn reply_sized(value: Result<Vec<u8>>, size: u32, reply: ReplyXattr) {
    answer!(reply, value, value => {
        let len = moved(value.len());
        if size == 0 {
            reply.size(len);
        } else if len > size {
            reply.error(fuser::Errno::ERANGE);
        } else {
            reply.data(&value);
        }
    });
}

#[expect(clippy::print_stderr, reason = "a command's messages")]
fn log(text: &str) {
    eprintln!("shoal-fuse: {text}");
}
