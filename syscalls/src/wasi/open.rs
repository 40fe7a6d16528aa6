//! `path_open`.

use std::sync::Arc;

use abi::flags::{
    O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY,
};
use abi::types::UserAddr;
use abi::wasi::WasiFd;
use abi::wasi::flags::{
    LOOKUP_SYMLINK_FOLLOW, OFLAGS_CREAT, OFLAGS_DIRECTORY, OFLAGS_EXCL, OFLAGS_TRUNC, rights,
};
use abi::{Errno, Result};
use kernel::Kernel;
use kernel::call::Outcome;
use kernel::fd_table::OnExec;
use kernel::open_file::OpenFile;
use kernel::process::{Process, WasiDescriptor};

use super::Wx;
use super::descriptor::Kind;
use super::path::path_at;
use super::status::open_flags_of;
use crate::fd;

/// Permissions of a new file, before the umask.
const MODE: u32 = 0o666;

/// Opens a path below a directory. The rights asked for say whether to read or to write.
///
/// # Errors
/// `ENOTDIR` below a file, `EBADF` below a stream; `EPERM` for a path that leads out of the
/// directory; `ENOTCAPABLE` never; and those of open(2).
#[expect(clippy::too_many_arguments, reason = "the function of WASI has them")]
pub(super) fn path_open(
    wx: Wx<'_>,
    number: WasiFd,
    lookup: u32,
    path: UserAddr,
    len: u32,
    how: u32,
    rights: u64,
    _inheriting: u64,
    flags: u32,
    opened: UserAddr,
) -> Outcome<()> {
    let started = || -> Result<Outcome<Arc<OpenFile>>> {
        let flags = linux_flags(lookup, how, rights, flags)?;
        let path = path_at(wx, path, len)?;
        // The number has somewhere to go.
        wx.read::<4>(opened)?;
        let descriptor = wx.descriptor(number)?;
        let directory = match (descriptor.kind(), descriptor.file.location()) {
            (Kind::Directory, Some(location)) => location.clone(),
            (Kind::File, _) => return Err(Errno::ENOTDIR.into()),
            _ => return Err(Errno::EBADF.because("a stream")),
        };
        let process = wx.process();
        if !process.files().has_room(fd::limit(&process)) {
            return Err(Errno::EMFILE.into());
        }
        let context = process.path_context(wx.kernel).beneath(directory);
        let found = wx.kernel.vfs.open(&context.vfs(), &path, flags, MODE)?;
        Ok(wx.kernel.finish_open(wx.task, &process, found, flags))
    };
    let outcome = match started() {
        Ok(outcome) => outcome,
        Err(error) => return Outcome::Ready(Err(error.into())),
    };
    let (process, kernel) = (wx.process(), Arc::clone(wx.kernel));
    let memory = Arc::clone(wx.memory());
    outcome.then(move |answer| {
        let number = install(&kernel, &process, answer?)?;
        memory.copy_out(opened.0, &number.0.to_le_bytes())?;
        Ok(())
    })
}

/// Gives a file both numbers.
fn install(kernel: &Kernel, process: &Process, file: Arc<OpenFile>) -> Result<WasiFd> {
    // As the numbers of the program: not in the place of a standard stream that is closed.
    let minimum = abi::Fd(3);
    let limit = fd::limit(process);
    let fd = process
        .files()
        .install_from(minimum, file, OnExec::Close, limit)?;
    if !process.wasi.lock().is_set_up() {
        // Another program has begun meanwhile.
        let closed = process.files().close(fd)?;
        kernel.file_locks.closed(&closed, process.pid);
        return Err(Errno::EBADF.into());
    }
    Ok(process.wasi.lock().insert(WasiDescriptor::new(fd)))
}

/// The flags of open(2).
///
/// # Errors
/// `EINVAL` for flags that do not exist or do not go together.
fn linux_flags(lookup: u32, how: u32, rights: u64, flags: u32) -> Result<u32> {
    const KNOWN: u32 = OFLAGS_CREAT | OFLAGS_DIRECTORY | OFLAGS_EXCL | OFLAGS_TRUNC;
    if how & !KNOWN != 0 || lookup & !LOOKUP_SYMLINK_FOLLOW != 0 {
        return Err(Errno::EINVAL.because("no such flag of path_open"));
    }
    if how & OFLAGS_DIRECTORY != 0 && how != OFLAGS_DIRECTORY {
        return Err(Errno::EINVAL.because("a directory is neither made nor cut"));
    }
    let may_write = rights & rights::FD_WRITE != 0;
    let may_read = rights & rights::FD_READ != 0 || !may_write;
    // Who makes or cuts a file may write to it, as in wasmtime: libcs ask for no more rights than the
    // directory hands on, and one that was opened for reading does not hand on that one.
    let writes = may_write || how & (OFLAGS_CREAT | OFLAGS_TRUNC) != 0;
    let access = match (may_read, writes) {
        (_, false) => O_RDONLY,
        (false, true) => O_WRONLY,
        (true, true) => O_RDWR,
    };
    let pairs = [
        (OFLAGS_CREAT, O_CREAT),
        (OFLAGS_DIRECTORY, O_DIRECTORY),
        (OFLAGS_TRUNC, O_TRUNC),
    ];
    let mut linux = pairs
        .into_iter()
        .filter(|(wasi, _)| how & wasi != 0)
        .fold(access | O_CLOEXEC, |sum, (_, flag)| sum | flag);
    if how & (OFLAGS_CREAT | OFLAGS_EXCL) == OFLAGS_CREAT | OFLAGS_EXCL {
        linux |= O_EXCL;
    }
    if lookup & LOOKUP_SYMLINK_FOLLOW == 0 {
        linux |= O_NOFOLLOW;
    }
    Ok(linux | open_flags_of(flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_the_access_mode() {
        let access = |rights| linux_flags(1, 0, rights, 0).unwrap() & abi::flags::O_ACCMODE;
        assert_eq!(access(0), O_RDONLY);
        assert_eq!(access(rights::FD_WRITE), O_WRONLY);
        assert_eq!(access(rights::ALL), O_RDWR);
        let creating = linux_flags(1, OFLAGS_CREAT, rights::FD_READ, 0).unwrap();
        assert_eq!(creating & abi::flags::O_ACCMODE, O_RDWR);
    }

    #[test]
    fn flags_that_contradict_are_refused() {
        let all = rights::ALL;
        assert!(linux_flags(0, OFLAGS_DIRECTORY | OFLAGS_CREAT, all, 0).is_err());
        assert!(linux_flags(2, 0, all, 0).is_err());
        assert!(linux_flags(0, 16, all, 0).is_err());
        assert!(linux_flags(0, 0, all, 32).is_err());
        let only_exclusive = linux_flags(0, OFLAGS_EXCL, all, 0).unwrap();
        assert_eq!(only_exclusive & O_EXCL, 0);
        assert_eq!(only_exclusive & O_NOFOLLOW, O_NOFOLLOW);
    }
}
