//! Sockets, as far as preview 1 goes: it makes none, but a program may be started with one.

use abi::types::UserAddr;
use abi::wasi::WasiFd;
use abi::{Errno, Result};
use fs::vfs::inode::FileType;
use kernel::call::Outcome;

use super::Wx;
use super::file::{fd_read, fd_write};

/// Fails unless `number` is a socket.
fn check_socket(wx: Wx<'_>, number: WasiFd) -> Result<()> {
    match wx.descriptor(number)?.file.file_type() {
        FileType::Socket => Ok(()),
        _ => Err(Errno::ENOTSOCK.into()),
    }
}

/// Receives bytes; there are no flags about them.
///
/// # Errors
/// `ENOTSOCK`; `EOPNOTSUPP` for flags.
pub(super) fn sock_recv(
    wx: Wx<'_>,
    number: WasiFd,
    iovs: UserAddr,
    count: u32,
    flags: u32,
    done: UserAddr,
    out_flags: UserAddr,
) -> Outcome<()> {
    let checked = check_socket(wx, number).and_then(|()| {
        if flags != 0 {
            return Err(Errno::EOPNOTSUPP.because("flags of sock_recv"));
        }
        wx.write(out_flags, &0_u16.to_le_bytes())
    });
    match checked {
        Ok(()) => fd_read(wx, number, iovs, count, done),
        Err(error) => Outcome::Ready(Err(error.into())),
    }
}

/// Sends bytes.
///
/// # Errors
/// `ENOTSOCK`; `EINVAL` for flags, which do not exist.
pub(super) fn sock_send(
    wx: Wx<'_>,
    number: WasiFd,
    iovs: UserAddr,
    count: u32,
    flags: u32,
    done: UserAddr,
) -> Outcome<()> {
    let checked = check_socket(wx, number).and_then(|()| match flags {
        0 => Ok(()),
        _ => Err(Errno::EINVAL.because("no such flag of sock_send")),
    });
    match checked {
        Ok(()) => fd_write(wx, number, iovs, count, done),
        Err(error) => Outcome::Ready(Err(error.into())),
    }
}

/// Ends one direction of a connection.
///
/// # Errors
/// `ENOTSOCK`, `EOPNOTSUPP`.
pub(super) fn sock_shutdown(wx: Wx<'_>, number: WasiFd, _how: u32) -> Result<()> {
    check_socket(wx, number)?;
    Err(Errno::EOPNOTSUPP.because("connections end when they are closed"))
}

/// Takes a connection.
///
/// # Errors
/// `ENOTSOCK`, `EOPNOTSUPP`.
pub(super) fn sock_accept(
    wx: Wx<'_>,
    number: WasiFd,
    _flags: u32,
    _accepted: UserAddr,
) -> Result<()> {
    check_socket(wx, number)?;
    Err(Errno::EOPNOTSUPP.because("nothing listens"))
}
