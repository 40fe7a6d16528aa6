//! Locks on files: flock(2), and the records of fcntl_locking(2).

use std::sync::Arc;

use abi::flags::{
    F_GETLK, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_RDLCK, F_SETLK, F_SETLKW, F_UNLCK, F_WRLCK,
    LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, SEEK_CUR, SEEK_END, SEEK_SET,
};
use abi::layout::{Flock32, Flock64};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use kernel::call::Outcome;
use kernel::file_lock::record::{Owner, Range};
use kernel::file_lock::{LockKind, LockWait};
use kernel::open_file::{OpenFile, Whence};

use crate::context::Cx;

/// Bytes of the kernel's memory that a lock takes, about.
const LOCK_BYTES: u64 = 128;

/// flock(2).
pub(crate) fn flock(cx: Cx<'_>, fd: Fd, operation: u32) -> Result<Outcome<()>> {
    let kind = match operation & !LOCK_NB {
        LOCK_SH => Some(LockKind::Shared),
        LOCK_EX => Some(LockKind::Exclusive),
        LOCK_UN => None,
        _ => return Err(Errno::EINVAL.because("no such operation of flock")),
    };
    let wait = if operation & LOCK_NB == 0 {
        LockWait::Block
    } else {
        LockWait::Fail
    };
    let file = cx.file(fd)?;
    Ok(cx.kernel.file_locks.flock(cx.task, &file, kind, wait))
}

/// Which structure a command takes, and who owns the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `struct flock` of 32-bit offsets; the process.
    Narrow,
    /// `struct flock64`; the process.
    Wide,
    /// `struct flock64`; the open file description.
    Description,
}

impl Form {
    /// The form of a command.
    pub(super) const fn of(command: i32) -> Self {
        match command {
            F_GETLK | F_SETLK | F_SETLKW => Self::Narrow,
            F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW => Self::Description,
            _ => Self::Wide,
        }
    }

    fn owner(self, cx: Cx<'_>, file: &OpenFile) -> Owner {
        match self {
            Self::Description => Owner::Description(file.id()),
            _ => Owner::Process(cx.task.pid()),
        }
    }

    fn copy_in(self, cx: Cx<'_>, address: UserAddr) -> Result<Flock64> {
        if self == Self::Narrow {
            let Flock32 {
                kind,
                whence,
                start,
                len,
                pid,
            } = Flock32::from_bytes(&cx.copy_in(address)?);
            return Ok(Flock64 {
                kind,
                whence,
                start: start.into(),
                len: len.into(),
                pid,
            });
        }
        let flock = Flock64::from_bytes(&cx.copy_in(address)?);
        if self == Self::Description && flock.pid != 0 {
            return Err(Errno::EINVAL.because("a description's lock has no pid"));
        }
        Ok(flock)
    }

    fn copy_out(self, cx: Cx<'_>, address: UserAddr, flock: &Flock64) -> Result<()> {
        if self != Self::Narrow {
            return cx.copy_out(address, &flock.to_bytes());
        }
        let narrow = |value: i64| i32::try_from(value).map_err(|_| Errno::EOVERFLOW);
        let flock = Flock32 {
            kind: flock.kind,
            whence: flock.whence,
            start: narrow(flock.start)?,
            len: narrow(flock.len)?,
            pid: flock.pid,
        };
        cx.copy_out(address, &flock.to_bytes())
    }
}

/// `F_GETLK`: tells the first lock that is in the way, or `F_UNLCK`.
pub(super) fn get(cx: Cx<'_>, file: &OpenFile, form: Form, address: UserAddr) -> Result<()> {
    let mut flock = form.copy_in(cx, address)?;
    let kind = kind_of(&flock)?.ok_or(Errno::EINVAL)?;
    let range = range_of(file, &flock)?;
    match cx
        .kernel
        .file_locks
        .find_conflict(file, form.owner(cx, file), kind, range)?
    {
        None => flock.kind = F_UNLCK,
        Some(conflict) => {
            flock = Flock64 {
                kind: match conflict.kind {
                    LockKind::Shared => F_RDLCK,
                    LockKind::Exclusive => F_WRLCK,
                },
                whence: i16::try_from(SEEK_SET).unwrap_or(0),
                start: conflict.range.first.cast_signed(),
                len: match conflict.range.last {
                    u64::MAX => 0,
                    last => last
                        .wrapping_sub(conflict.range.first)
                        .wrapping_add(1)
                        .cast_signed(),
                },
                pid: match conflict.owner {
                    Owner::Process(pid) => pid,
                    Owner::Description(_) => -1,
                },
            };
        }
    }
    form.copy_out(cx, address, &flock)
}

/// `F_SETLK` and `F_SETLKW`.
pub(super) fn set(
    cx: Cx<'_>,
    file: &Arc<OpenFile>,
    form: Form,
    address: UserAddr,
    wait: LockWait,
) -> Result<Outcome<i32>> {
    let flock = form.copy_in(cx, address)?;
    let kind = kind_of(&flock)?;
    let range = range_of(file, &flock)?;
    let owner = form.owner(cx, file);
    if kind.is_some() {
        let admitted = cx.kernel.budget().admit(LOCK_BYTES);
        admitted.map_err(|error| Errno::ENOLCK.because(error.why))?;
    }
    let outcome = cx
        .kernel
        .file_locks
        .set_record(cx.task, file, owner, kind, range, wait);
    Ok(outcome.map(|()| 0))
}

fn kind_of(flock: &Flock64) -> Result<Option<LockKind>> {
    match flock.kind {
        F_RDLCK => Ok(Some(LockKind::Shared)),
        F_WRLCK => Ok(Some(LockKind::Exclusive)),
        F_UNLCK => Ok(None),
        _ => Err(Errno::EINVAL.because("no such kind of lock")),
    }
}

/// The bytes that a request means: a negative length stands for those before its start.
fn range_of(file: &OpenFile, flock: &Flock64) -> Result<Range> {
    let base = match u32::try_from(flock.whence) {
        Ok(SEEK_SET) => 0,
        Ok(SEEK_CUR) => file.seek(0, Whence::Current).unwrap_or(0),
        Ok(SEEK_END) => file.metadata()?.size,
        _ => return Err(Errno::EINVAL.because("no such origin")),
    };
    let overflow = || Errno::EOVERFLOW.because("past the largest offset");
    let negative = || Errno::EINVAL.because("before the start of the file");
    let start = base
        .cast_signed()
        .checked_add(flock.start)
        .ok_or_else(overflow)?;
    let (first, last) = match flock.len {
        0 => {
            return Ok(Range {
                first: u64::try_from(start).map_err(|_| negative())?,
                last: u64::MAX,
            });
        }
        1.. => {
            let last = start
                .checked_add(flock.len.wrapping_sub(1))
                .ok_or_else(overflow)?;
            (start, last)
        }
        _ => {
            let first = start.checked_add(flock.len).ok_or_else(negative)?;
            (first, start.wrapping_sub(1))
        }
    };
    let first = u64::try_from(first).map_err(|_| negative())?;
    let last = u64::try_from(last).map_err(|_| negative())?;
    // The largest offset and everything behind it are the same.
    let last = if last == i64::MAX.cast_unsigned() {
        u64::MAX
    } else {
        last
    };
    Ok(Range { first, last })
}
