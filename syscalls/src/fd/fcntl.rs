//! fcntl(2): commands on a descriptor and its description; those on locks are in `lock`.

use std::sync::Arc;

use abi::flags::{
    F_ADD_SEALS, F_DUPFD, F_DUPFD_CLOEXEC, F_DUPFD_QUERY, F_GET_SEALS, F_GETFD, F_GETFL,
    F_GETLEASE, F_GETLK, F_GETLK64, F_GETOWN, F_GETPIPE_SZ, F_GETSIG, F_OFD_GETLK, F_OFD_SETLK,
    F_OFD_SETLKW, F_SETFD, F_SETFL, F_SETLK, F_SETLK64, F_SETLKW, F_SETLKW64, F_SETPIPE_SZ,
    F_UNLCK, FD_CLOEXEC, O_NOATIME,
};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::memfd::MemFile;
use kernel::call::Outcome;
use kernel::fd_table::OnExec;
use kernel::file_lock::LockWait;
use kernel::open_file::OpenFile;

use super::{limit, lock};
use crate::context::Cx;

/// fcntl(2), with the commands of 32-bit Linux for both forms of `struct flock`.
pub(crate) fn fcntl64(cx: Cx<'_>, fd: Fd, command: i32, argument: u32) -> Result<Outcome<i32>> {
    let file = cx.file(fd)?;
    let allowed_for_path = matches!(
        command,
        F_DUPFD | F_DUPFD_CLOEXEC | F_DUPFD_QUERY | F_GETFD | F_SETFD | F_GETFL
    );
    if file.is_path() && !allowed_for_path {
        return Err(Errno::EBADF.because("opened with O_PATH"));
    }
    let address = UserAddr(argument);
    let value = match command {
        F_GETLK | F_GETLK64 | F_OFD_GETLK => {
            lock::get(cx, &file, lock::Form::of(command), address)?;
            0
        }
        F_SETLK | F_SETLK64 | F_OFD_SETLK => {
            return lock::set(cx, &file, lock::Form::of(command), address, LockWait::Fail);
        }
        F_SETLKW | F_SETLKW64 | F_OFD_SETLKW => {
            return lock::set(cx, &file, lock::Form::of(command), address, LockWait::Block);
        }
        _ => of_descriptor(cx, fd, &file, command, argument)?,
    };
    Ok(Outcome::Ready(Ok(value)))
}

/// The commands that never wait.
fn of_descriptor(
    cx: Cx<'_>,
    fd: Fd,
    file: &Arc<OpenFile>,
    command: i32,
    argument: u32,
) -> Result<i32> {
    let process = cx.process();
    let minimum = Fd(argument.cast_signed());
    match command {
        F_DUPFD | F_DUPFD_CLOEXEC => {
            let on_exec = if command == F_DUPFD {
                OnExec::Keep
            } else {
                OnExec::Close
            };
            let limit = limit(&process);
            let copy = Arc::clone(file);
            process
                .files()
                .install_from(minimum, copy, on_exec, limit)
                .map(|fd| fd.0)
        }
        F_DUPFD_QUERY => {
            let other = cx.file(minimum)?;
            Ok(i32::from(Arc::ptr_eq(&other, file)))
        }
        F_GETFD => {
            let on_exec = process.files().on_exec(fd)?;
            Ok(if on_exec == OnExec::Close {
                FD_CLOEXEC.cast_signed()
            } else {
                0
            })
        }
        F_SETFD => {
            let on_exec = if argument & FD_CLOEXEC == 0 {
                OnExec::Keep
            } else {
                OnExec::Close
            };
            process.files().set_on_exec(fd, on_exec)?;
            Ok(0)
        }
        F_GETFL => Ok(file.flags().cast_signed()),
        F_SETFL => {
            let adds_noatime = argument & O_NOATIME != 0 && file.flags() & O_NOATIME == 0;
            if adds_noatime && !process.credentials().caller().owns(&file.metadata()?) {
                return Err(Errno::EPERM.because("O_NOATIME on another's file"));
            }
            file.set_flags(argument)?;
            Ok(0)
        }
        F_GETPIPE_SZ => pipe_size(file.pipe().ok_or(Errno::EBADF)?.capacity()),
        F_SETPIPE_SZ => {
            let pipe = file.pipe().ok_or(Errno::EBADF)?;
            let size = i32::try_from(argument).map_err(|_| Errno::EINVAL)?;
            pipe_size(pipe.set_capacity(usize::try_from(size).map_err(|_| Errno::EINVAL)?)?)
        }
        F_GET_SEALS => {
            let seals = with_seals(file, |file| Ok(file.seals()))?;
            Ok(seals.cast_signed())
        }
        F_ADD_SEALS if !file.is_writable() => Err(Errno::EPERM.because("not open for writing")),
        F_ADD_SEALS => with_seals(file, |file| file.add_seals(argument)).map(|()| 0),
        // Nobody gets signals about the file, and nobody has a lease.
        F_GETOWN | F_GETSIG => Ok(0),
        F_GETLEASE => Ok(i32::from(F_UNLCK)),
        _ => Err(Errno::EINVAL.because("no such command of fcntl")),
    }
}

/// Does something to a file that may be sealed.
fn with_seals<T>(file: &OpenFile, act: impl FnOnce(&MemFile) -> Result<T>) -> Result<T> {
    let location = file.location().ok_or(Errno::EINVAL)?;
    let inode = location.inode();
    let file = MemFile::of(&**inode);
    act(file.ok_or_else(|| Errno::EINVAL.because("a file without seals"))?)
}

fn pipe_size(bytes: usize) -> Result<i32> {
    i32::try_from(bytes).map_err(|_| Errno::EOVERFLOW.into())
}
