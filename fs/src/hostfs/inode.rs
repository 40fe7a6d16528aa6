//! One file of the host.

use std::any::Any;
use std::sync::{Arc, Weak};

use abi::{Errno, Error, Result};
use executor::sync::Lock;

use super::{HostAccess, HostEntry, HostStat, NOT_YET, Shared, from_host};
use crate::io::{NOT_RESIDENT, Sink, Source};
use crate::vfs::flush::Flush;
use crate::vfs::inode::{
    DirEntry, FileType, Inode, Metadata, NewAttributes, NewNode, RenameMode, SetAttributes,
    Timestamp,
};

/// Bytes that one call of the host moves.
const PIECE: usize = 256 << 10;

/// A file of the host that somebody holds.
#[derive(Debug)]
pub(super) struct HostInode {
    pub(super) shared: Arc<Shared>,
    /// The host's device and inode number.
    key: (u64, u64),
    file_type: FileType,
    place: Lock<Place>,
}

/// Where the file is found. Locked across calls of the host.
#[derive(Debug)]
struct Place {
    /// The path under which it was found last, unless that name is gone.
    path: Option<Vec<u8>>,
    /// The open file, once it was read or written or lost its name.
    handle: Option<(u64, HostAccess)>,
}

impl Place {
    /// The handle, if it is good for `access`.
    fn handle_for(&self, access: HostAccess) -> Option<u64> {
        let (handle, had) = self.handle?;
        (access == HostAccess::Read || had == access).then_some(handle)
    }

    fn path(&self) -> Result<Vec<u8>> {
        let path = self.path.clone();
        path.ok_or_else(|| Errno::ENOENT.because("the file has lost its name"))
    }
}

impl HostInode {
    pub(super) fn new(
        shared: &Arc<Shared>,
        key: (u64, u64),
        file_type: FileType,
        path: &[u8],
    ) -> Self {
        let place = Place {
            path: Some(path.to_vec()),
            handle: None,
        };
        Self {
            shared: Arc::clone(shared),
            key,
            file_type,
            place: Lock::new(place),
        }
    }

    pub(super) const fn file_type(&self) -> FileType {
        self.file_type
    }

    /// It has been found under this path.
    pub(super) fn found_at(&self, path: &[u8]) {
        self.place.lock().path = Some(path.to_vec());
    }

    /// Whether nothing leads to it any more: its number may belong to another file.
    pub(super) fn is_lost(&self) -> bool {
        let place = self.place.lock();
        place.path.is_none() && place.handle.is_none()
    }

    /// The name `path` is gone.
    fn lose(&self, path: &[u8]) {
        let mut place = self.place.lock();
        if place.path.as_deref() == Some(path) {
            place.path = None;
        }
    }

    /// What was at `old` is at `new` now.
    pub(super) fn moved(&self, old: &[u8], new: &[u8]) {
        let mut place = self.place.lock();
        let Some(rest) = place
            .path
            .as_deref()
            .and_then(|path| path.strip_prefix(old))
        else {
            return;
        };
        if rest.is_empty() || rest.first() == Some(&b'/') {
            place.path = Some([new, rest].concat());
        }
    }

    /// Its path, good while the caller holds `Shared::names`.
    fn path(&self) -> Result<Vec<u8>> {
        self.place.lock().path()
    }

    /// The path of `name` in this directory.
    fn path_of(&self, name: &[u8]) -> Result<Vec<u8>> {
        if self.file_type != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        let mut path = self.path()?;
        if path.last() != Some(&b'/') {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Ok(path)
    }

    fn check_regular(&self) -> Result<()> {
        match self.file_type {
            FileType::Regular => Ok(()),
            FileType::Directory => Err(Errno::EISDIR.into()),
            _ => Err(Errno::EINVAL.because("no regular file of the host")),
        }
    }

    /// Opens the file if it is not, and calls `act` with the handle.
    fn with_handle<T>(&self, access: HostAccess, act: impl FnOnce(u64) -> Result<T>) -> Result<T> {
        self.check_regular()?;
        {
            let place = self.place.lock();
            if let Some(handle) = place.handle_for(access) {
                return act(handle);
            }
        }
        let names = self.shared.names.lock();
        self.open(access)?;
        let place = self.place.lock();
        drop(names);
        act(place.handle_for(access).ok_or(Errno::EIO)?)
    }

    /// Opens the file if it is not; the caller holds `Shared::names`.
    fn open(&self, access: HostAccess) -> Result<()> {
        let files = &*self.shared.files;
        let mut place = self.place.lock();
        if place.handle_for(access).is_none() {
            let handle = files.open(&place.path()?, access).map_err(from_host)?;
            if let Some((before, _)) = place.handle.replace((handle, access)) {
                files.close(before);
            }
        }
        Ok(())
    }

    /// Writes at byte `offset` of an open file, or at its end; what was written before an error counts. Where, and
    /// bytes moved.
    fn write(
        &self,
        handle: u64,
        offset: Option<u64>,
        source: &mut dyn Source,
    ) -> Result<(u64, usize)> {
        let files = &*self.shared.files;
        let mut buffer = vec![0; source.remaining().min(PIECE)];
        let mut start = offset;
        let mut moved = 0_usize;
        while source.remaining() > 0 {
            let wanted = source.remaining().min(buffer.len());
            let piece = buffer.get_mut(..wanted).unwrap_or_default();
            let result = source.take(piece).and_then(|()| match start {
                Some(start) => {
                    let at = start.saturating_add(u64::try_from(moved).unwrap_or(0));
                    files.write(handle, at, piece).map_err(from_host)
                }
                None => {
                    start = Some(files.append(handle, piece).map_err(from_host)?);
                    Ok(wanted)
                }
            });
            match result {
                Ok(len) => {
                    moved = moved.saturating_add(len);
                    if len < wanted {
                        break;
                    }
                }
                Err(error) if moved == 0 || is_later(&error) => return Err(error),
                Err(_) => break,
            }
        }
        Ok((start.unwrap_or(0), moved))
    }

    fn stat(&self) -> Result<HostStat> {
        let files = &*self.shared.files;
        {
            let place = self.place.lock();
            if let Some((handle, _)) = place.handle {
                return files.fstat(handle).map_err(from_host);
            }
        }
        let _names = self.shared.names.lock();
        let path = self.path()?;
        files.lstat(&path).map_err(from_host)
    }

    /// The inode that `path` names, if somebody holds it.
    fn held(&self, path: &[u8]) -> Result<Option<Arc<Self>>> {
        let stat = match self.shared.files.lstat(path) {
            Err(NOT_YET) => return Err(NOT_RESIDENT),
            Err(_) => return Ok(None),
            Ok(stat) => stat,
        };
        let inodes = self.shared.inodes.lock();
        let known = inodes.get(&(stat.device, stat.inode));
        Ok(known.and_then(Weak::upgrade))
    }

    /// Takes the name `path` away by `act`. Whoever holds the file can go on: it is opened before.
    fn take_name(&self, path: &[u8], act: impl FnOnce() -> Result<()>) -> Result<()> {
        let victim = self.held(path)?;
        if let Some(inode) = &victim
            && inode.file_type == FileType::Regular
        {
            let opened = inode.open(HostAccess::ReadWrite);
            let opened = match opened {
                Err(error) if !is_later(&error) => inode.open(HostAccess::Read),
                opened => opened,
            };
            // What cannot be opened cannot be read by whoever holds it either.
            if let Err(error) = opened
                && is_later(&error)
            {
                return Err(error);
            }
        }
        act()?;
        if let Some(inode) = victim {
            inode.lose(path);
        }
        Ok(())
    }

    fn own<'a>(&self, inode: &'a Arc<dyn Inode>) -> Result<&'a Self> {
        inode
            .as_any()
            .downcast_ref::<Self>()
            .filter(|inode| Arc::ptr_eq(&inode.shared, &self.shared))
            .ok_or(Errno::EXDEV.into())
    }

    fn find(&self, path: &[u8]) -> Result<Arc<dyn Inode>> {
        let stat = self.shared.files.lstat(path).map_err(from_host)?;
        Ok(self.shared.inode(path, &stat)?)
    }
}

impl Drop for HostInode {
    fn drop(&mut self) {
        if let Some((handle, _)) = self.place.get_mut().handle {
            self.shared.files.close(handle);
        }
        let mut inodes = self.shared.inodes.lock();
        let is_listed = inodes
            .get(&self.key)
            .is_some_and(|listed| std::ptr::eq(listed.as_ptr(), self));
        if is_listed {
            inodes.remove(&self.key);
        }
    }
}

impl Inode for HostInode {
    fn metadata(&self) -> Result<Metadata> {
        let stat = self.stat()?;
        let (uid, gid) = self.shared.options.owner.unwrap_or((stat.uid, stat.gid));
        Ok(Metadata {
            device: self.shared.device(stat.device),
            inode: stat.inode,
            file_type: self.file_type,
            permissions: stat.mode & 0o7777,
            nr_links: stat.nr_links,
            uid,
            gid,
            rdev: stat.rdev,
            size: stat.size,
            block_size: 4096,
            nr_blocks: stat.nr_blocks,
            atime: stat.atime,
            mtime: stat.mtime,
            ctime: stat.ctime,
        })
    }

    fn set_attributes(&self, change: &SetAttributes) -> Result<()> {
        self.shared.check_writable()?;
        let files = &*self.shared.files;
        let changes_owner = change.uid.is_some() || change.gid.is_some();
        if changes_owner && self.shared.options.owner.is_none() {
            return Err(Errno::EPERM.because("owners of the host's files stay"));
        }
        if let Some(size) = change.size {
            self.with_handle(HostAccess::ReadWrite, |handle| {
                files.truncate(handle, size).map_err(from_host)
            })?;
        }
        if let Some(permissions) = change.permissions {
            let _names = self.shared.names.lock();
            files.chmod(&self.path()?, permissions).map_err(from_host)?;
        }
        // The host keeps the times of a truncation itself.
        if change.size.is_none() && (change.atime.is_some() || change.mtime.is_some()) {
            let stat = self.stat()?;
            let atime = change.atime.unwrap_or(stat.atime);
            let mtime = change.mtime.unwrap_or(stat.mtime);
            let _names = self.shared.names.lock();
            files
                .utimes(&self.path()?, atime, mtime)
                .map_err(from_host)?;
        }
        Ok(())
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let _names = self.shared.names.lock();
        self.find(&self.path_of(name)?)
    }

    fn create(
        &self,
        name: &[u8],
        node: &NewNode<'_>,
        attributes: &NewAttributes,
    ) -> Result<Arc<dyn Inode>> {
        self.shared.check_writable()?;
        let _names = self.shared.names.lock();
        let path = self.path_of(name)?;
        let files = &*self.shared.files;
        match node {
            NewNode::Regular => files.create(&path, attributes.permissions),
            NewNode::Directory => files.mkdir(&path, attributes.permissions),
            NewNode::Symlink(target) => files.symlink(target, &path),
            _ => return Err(Errno::EPERM.because("the host gets files and directories only")),
        }
        .map_err(from_host)?;
        if !matches!(node, NewNode::Symlink(_)) {
            // The host's own umask has come between.
            files
                .chmod(&path, attributes.permissions)
                .map_err(from_host)?;
        }
        self.find(&path)
    }

    fn link(&self, name: &[u8], target: &Arc<dyn Inode>, _: Timestamp) -> Result<()> {
        self.shared.check_writable()?;
        let _names = self.shared.names.lock();
        let path = self.path_of(name)?;
        self.shared
            .files
            .link(&self.own(target)?.path()?, &path)
            .map_err(from_host)
    }

    fn unlink(&self, name: &[u8], _: Timestamp) -> Result<()> {
        self.shared.check_writable()?;
        let _names = self.shared.names.lock();
        let path = self.path_of(name)?;
        self.take_name(&path, || self.shared.files.unlink(&path).map_err(from_host))
    }

    fn rmdir(&self, name: &[u8], _: Timestamp) -> Result<()> {
        self.shared.check_writable()?;
        let _names = self.shared.names.lock();
        let path = self.path_of(name)?;
        self.take_name(&path, || self.shared.files.rmdir(&path).map_err(from_host))
    }

    fn rename(
        &self,
        old_name: &[u8],
        new_directory: &Arc<dyn Inode>,
        new_name: &[u8],
        mode: RenameMode,
        whiteout: Option<&NewAttributes>,
        _: Timestamp,
    ) -> Result<()> {
        self.shared.check_writable()?;
        if whiteout.is_some() {
            return Err(Errno::EINVAL.because("the host makes no whiteouts"));
        }
        let _names = self.shared.names.lock();
        let old = self.path_of(old_name)?;
        let new = self.own(new_directory)?.path_of(new_name)?;
        let files = &*self.shared.files;
        match mode {
            RenameMode::Exchange => {
                return Err(Errno::EINVAL.because("the host cannot swap names"));
            }
            RenameMode::NoReplace => match files.lstat(&new) {
                Err(NOT_YET) => return Err(NOT_RESIDENT),
                Err(_) => {}
                Ok(_) => return Err(Errno::EEXIST.into()),
            },
            RenameMode::Replace => {}
        }
        self.take_name(&new, || files.rename(&old, &new).map_err(from_host))?;
        self.shared.moved(&old, &new);
        Ok(())
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        if self.file_type != FileType::Symlink {
            return Err(Errno::EINVAL.into());
        }
        let _names = self.shared.names.lock();
        self.shared
            .files
            .read_link(&self.path()?)
            .map_err(from_host)
    }

    fn is_cacheable(&self) -> bool {
        false
    }

    fn read_dir(&self, cookie: u64, report: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()> {
        if self.file_type != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        let entries = {
            let _names = self.shared.names.lock();
            self.shared
                .files
                .read_dir(&self.path()?)
                .map_err(from_host)?
        };
        // In the order of a hash of the name, which is the cookie, too: the order of the host may
        // change between two calls.
        let mut entries: Vec<(u64, HostEntry)> = entries
            .into_iter()
            .map(|entry| (name_cookie(&entry.name), entry))
            .collect();
        entries.sort_unstable_by_key(|&(cookie, _)| cookie);
        for (next_cookie, entry) in entries.iter().filter(|(at, _)| *at > cookie) {
            let entry = DirEntry {
                name: &entry.name,
                inode: entry.inode.unwrap_or(*next_cookie),
                file_type: entry.file_type,
                next_cookie: *next_cookie,
            };
            if !report(entry) {
                break;
            }
        }
        Ok(())
    }

    fn read_at(&self, mut offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let files = &*self.shared.files;
        self.with_handle(HostAccess::Read, |handle| {
            let mut buffer = vec![0; sink.remaining().min(PIECE)];
            let mut moved = 0_usize;
            while sink.remaining() > 0 {
                let wanted = sink.remaining().min(buffer.len());
                let piece = buffer.get_mut(..wanted).unwrap_or_default();
                let result = files
                    .read(handle, offset, piece)
                    .map_err(from_host)
                    .and_then(|len| {
                        let piece = piece.get(..len).unwrap_or_default();
                        if piece.is_empty() {
                            Ok(0)
                        } else {
                            sink.put(piece).map(|()| len)
                        }
                    });
                match result {
                    Ok(0) => break,
                    Ok(len) => {
                        moved = moved.saturating_add(len);
                        offset = offset.saturating_add(u64::try_from(len).unwrap_or(0));
                    }
                    Err(error) if moved == 0 || is_later(&error) => return Err(error),
                    Err(_) => break,
                }
            }
            Ok(moved)
        })
    }

    fn write_at(&self, offset: u64, source: &mut dyn Source, _: Timestamp) -> Result<usize> {
        self.shared.check_writable()?;
        self.with_handle(HostAccess::ReadWrite, |handle| {
            let (_, moved) = self.write(handle, Some(offset), source)?;
            Ok(moved)
        })
    }

    /// One step for the programs of the pod; the host's own may come in between.
    fn append(&self, source: &mut dyn Source, _: Timestamp) -> Result<(u64, usize)> {
        self.shared.check_writable()?;
        self.with_handle(HostAccess::ReadWrite, |handle| {
            self.write(handle, None, source)
        })
    }

    fn sync(&self) -> Result<Option<Flush>> {
        let handle = self.place.lock().handle;
        if let Some((handle, _)) = handle {
            self.shared.files.sync(handle).map_err(from_host)?;
        }
        Ok(None)
    }

    /// Times and size as the host has them: who changes a file there is not known.
    fn version(&self) -> Option<u64> {
        let stat = self.stat().ok()?;
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for part in [stat.mtime.seconds, stat.ctime.seconds] {
            hash = mix(hash, part.to_le_bytes());
        }
        for part in [stat.mtime.nanoseconds, stat.ctime.nanoseconds] {
            hash = mix(hash, u64::from(part).to_le_bytes());
        }
        Some(mix(hash, stat.size.to_le_bytes()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Whether the host answers later: nothing goes on then, the whole call is made again.
fn is_later(error: &Error) -> bool {
    error.errno == NOT_RESIDENT.errno
}

/// A number from 1 for a name (FNV-1a).
fn name_cookie(name: &[u8]) -> u64 {
    let hash = name
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| mix(hash, [byte]));
    (hash >> 2).saturating_add(1)
}

fn mix<const N: usize>(hash: u64, bytes: [u8; N]) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(hash, step)
}
