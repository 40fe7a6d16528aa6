//! Descriptors: numbers of a program over those of its process, and the directories that are open
//! when it starts.
//!
//! ```text
//!   0 1 2   the standard streams of the process
//!   3       "/"
//!   4       "."   the working directory
//!   5 …     "/bin", "/tmp" …   if the working directory is not the root
//! ```
//! The libc of most programs strips `/` and `.` from the names of directories and from paths, and
//! looks for the longest name that a path begins with, the last among equals. So relative paths go
//! to the working directory, and absolute ones to the directories of the root.

use std::sync::Arc;

use abi::flags::{O_DIRECTORY, O_PATH, O_RDONLY};
use abi::types::{Fd, UserAddr};
use abi::wasi::WasiFd;
use abi::wasi::layout::Prestat;
use abi::{Errno, Result};
use fs::vfs::inode::FileType;
use fs::vfs::path::Location;
use fs::vfs::{Follow, Opened};
use kernel::fd_table::OnExec;
use kernel::open_file::OpenFile;
use kernel::process::{PathContext, WasiDescriptor};

use super::Wx;
use crate::fd;

/// How many directories of the root are open at the start, at most.
const MAX_ROOT_DIRECTORIES: usize = 64;

/// What calls on a descriptor tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has an offset.
    File,
    /// Bytes come and go: a pipe, a terminal, a socket.
    Stream,
    /// It has names.
    Directory,
}

/// A descriptor, looked up for a call.
#[derive(Clone, Debug)]
pub(super) struct Descriptor {
    /// The descriptor of the process.
    pub(super) fd: Fd,
    /// What it refers to.
    pub(super) file: Arc<OpenFile>,
    /// Whether it was open at the start.
    pub(super) is_preopened: bool,
}

impl Descriptor {
    /// What it is.
    pub(super) fn kind(&self) -> Kind {
        if self.file.file_type() == FileType::Directory {
            Kind::Directory
        } else if self.file.is_stream() {
            Kind::Stream
        } else {
            Kind::File
        }
    }
}

impl Wx<'_> {
    /// What `number` stands for.
    fn entry(&self, number: WasiFd) -> Result<WasiDescriptor> {
        let process = self.process();
        if !process.wasi.lock().is_set_up() {
            let slots = self.first_descriptors();
            process.wasi.lock().set_up(slots);
        }
        process.wasi.lock().get(number)
    }

    /// The descriptor `number`.
    ///
    /// # Errors
    /// `EBADF`.
    pub(super) fn descriptor(&self, number: WasiFd) -> Result<Descriptor> {
        let entry = self.entry(number)?;
        Ok(Descriptor {
            fd: entry.fd,
            file: self.file(entry.fd)?,
            is_preopened: entry.preopened_as.is_some(),
        })
    }

    /// The descriptor `number`, which must be no directory.
    ///
    /// # Errors
    /// `EBADF`.
    pub(super) fn no_directory(&self, number: WasiFd) -> Result<Descriptor> {
        let descriptor = self.descriptor(number)?;
        match descriptor.kind() {
            Kind::Directory => Err(Errno::EBADF.because("a directory")),
            Kind::File | Kind::Stream => Ok(descriptor),
        }
    }

    /// The descriptor `number`, which must have an offset.
    ///
    /// # Errors
    /// `EBADF` for a directory, `ESPIPE` for a stream.
    pub(super) fn seekable(&self, number: WasiFd) -> Result<Descriptor> {
        let descriptor = self.no_directory(number)?;
        match descriptor.kind() {
            Kind::Stream => Err(Errno::ESPIPE.because("a stream has no offset")),
            Kind::File | Kind::Directory => Ok(descriptor),
        }
    }

    /// The place of the directory `number`.
    ///
    /// # Errors
    /// `EBADF` for what is none.
    pub(super) fn directory(&self, number: WasiFd) -> Result<Location> {
        let descriptor = self.descriptor(number)?;
        match descriptor.file.location() {
            Some(location) if location.is_directory() => Ok(location.clone()),
            _ => Err(Errno::EBADF.because("no directory")),
        }
    }

    /// What a program finds open.
    fn first_descriptors(&self) -> Vec<Option<WasiDescriptor>> {
        let process = self.process();
        let is_open = |fd: &Fd| process.files().get(*fd).is_ok();
        let streams = [Fd(0), Fd(1), Fd(2)];
        let mut slots: Vec<_> = streams
            .into_iter()
            .map(|fd| Some(fd).filter(is_open).map(WasiDescriptor::new))
            .collect();
        let context = process.path_context(self.kernel);
        let (root, cwd) = (context.root().clone(), context.start().clone());
        let mut directories = vec![(b"/".to_vec(), root.clone()), (b".".to_vec(), cwd.clone())];
        if !cwd.is_same(&root) {
            directories.extend(self.root_directories(&context));
        }
        for (name, location) in directories {
            // Without a descriptor to spare, or memory, it is not there.
            if let Ok(fd) = self.preopen(&context, location) {
                slots.push(Some(WasiDescriptor {
                    fd,
                    preopened_as: Some(name.into()),
                }));
            }
        }
        slots
    }

    /// The directories of the root, with their names.
    fn root_directories(&self, context: &PathContext) -> Vec<(Vec<u8>, Location)> {
        let mut names = Vec::new();
        let listed = context.root().inode.read_dir(0, &mut |entry| {
            let may_be = matches!(
                entry.file_type,
                None | Some(FileType::Directory | FileType::Symlink)
            );
            if may_be {
                names.push([b"/", entry.name].concat());
            }
            names.len() < MAX_ROOT_DIRECTORIES
        });
        if listed.is_err() {
            names.clear();
        }
        names.sort_unstable();
        let located = names.into_iter().filter_map(|name| {
            let walked = self.kernel.vfs.walk(&context.vfs(), &name, Follow::Yes);
            walked.ok().map(|location| (name, location))
        });
        located
            .filter(|(_, location)| location.is_directory())
            .collect()
    }

    /// Opens a directory that is there at the start; one that may not be read is good for its names.
    fn preopen(&self, context: &PathContext, location: Location) -> Result<Fd> {
        const FLAGS: u32 = O_RDONLY | O_DIRECTORY;
        let vfs = &self.kernel.vfs;
        let file = match vfs.reopen(&context.vfs(), location.clone(), FLAGS) {
            Ok(opened) => OpenFile::from_opened(opened, FLAGS),
            Err(_) => {
                let opened = Opened {
                    location,
                    ops: None,
                    is_truncated: false,
                    writer: None,
                };
                OpenFile::from_opened(opened, O_PATH | O_DIRECTORY)
            }
        };
        let process = self.process();
        let limit = fd::limit(&process);
        // Not in the place of a standard stream that is closed.
        process
            .files()
            .install_from(Fd(3), file, OnExec::Close, limit)
    }
}

/// Closes a descriptor.
pub(super) fn fd_close(wx: Wx<'_>, number: WasiFd) -> Result<()> {
    wx.entry(number)?;
    let process = wx.process();
    let entry = process.wasi.lock().remove(number)?;
    fd::close(wx.cx, entry.fd)
}

/// Moves a descriptor to the number of another one, which is closed.
pub(super) fn fd_renumber(wx: Wx<'_>, from: WasiFd, to: WasiFd) -> Result<()> {
    wx.entry(to)?;
    let process = wx.process();
    let replaced = process.wasi.lock().renumber(from, to)?;
    match replaced {
        Some(entry) => fd::close(wx.cx, entry.fd),
        None => Ok(()),
    }
}

/// Tells of a directory that was open at the start.
///
/// # Errors
/// `EBADF` for every other descriptor: so programs find the end of the list.
pub(super) fn fd_prestat_get(wx: Wx<'_>, number: WasiFd, prestat: UserAddr) -> Result<()> {
    let name = wx.entry(number)?.preopened_as.ok_or(Errno::EBADF)?;
    let of_directory = Prestat {
        tag: 0,
        name_len: u32::try_from(name.len()).map_err(|_| Errno::EOVERFLOW)?,
    };
    wx.write(prestat, &of_directory.to_bytes())
}

/// Writes the name of such a directory, without a NUL.
///
/// # Errors
/// `ENAMETOOLONG` when `len` bytes are too few, `ENOTDIR` for every other descriptor.
pub(super) fn fd_prestat_dir_name(
    wx: Wx<'_>,
    number: WasiFd,
    address: UserAddr,
    len: u32,
) -> Result<()> {
    let name = wx.entry(number)?.preopened_as.ok_or(Errno::ENOTDIR)?;
    if usize::try_from(len).is_ok_and(|len| name.len() > len) {
        return Err(Errno::ENAMETOOLONG.into());
    }
    wx.write(address, &name)
}
