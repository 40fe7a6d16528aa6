//! Sockets, as far as preview 1 goes: it makes none, but a program may be started with one.

use std::sync::Arc;

use abi::flags::{MSG_PEEK, MSG_WAITALL, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_CLOEXEC, SOCK_NONBLOCK};
use abi::types::UserAddr;
use abi::wasi::WasiFd;
use abi::wasi::flags::{FDFLAGS_NONBLOCK, RI_PEEK, RI_WAITALL, RO_DATA_TRUNCATED, SD_RD, SD_WR};
use abi::{Errno, Result};
use kernel::call::Outcome;
use kernel::process::WasiDescriptor;

use super::Wx;
use super::file::{fd_write, flat};
use crate::buffer::UserBuffer;
use crate::socket;

/// The null pointer, for addresses that WASI has no use for.
const NULL: UserAddr = UserAddr(0);

/// Receives bytes.
///
/// # Errors
/// `ENOTSOCK`, `EINVAL` for unknown flags, and those of recv(2).
pub(super) fn sock_recv(
    wx: Wx<'_>,
    number: WasiFd,
    iovs: UserAddr,
    count: u32,
    flags: u32,
    done: UserAddr,
    out_flags: UserAddr,
) -> Outcome<()> {
    let started = || {
        let fd = wx.descriptor(number)?.fd;
        let flags = match flags {
            0 => 0,
            RI_PEEK => MSG_PEEK,
            RI_WAITALL => MSG_WAITALL,
            3 => MSG_PEEK | MSG_WAITALL,
            _ => return Err(Errno::EINVAL.because("no such flag of sock_recv")),
        };
        let buffer = UserBuffer::from_iovec(wx.cx, iovs, count)?;
        socket::receive_into(wx.cx, fd, buffer, flags)
    };
    let memory = Arc::clone(wx.memory());
    flat(started()).then(move |answer| {
        let (len, is_cut) = answer?;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        let flags = if is_cut { RO_DATA_TRUNCATED } else { 0 };
        memory.copy_out(done.0, &len.to_le_bytes())?;
        memory.copy_out(out_flags.0, &flags.to_le_bytes())?;
        Ok(())
    })
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
    let checked = wx.socket(number).and_then(|()| match flags {
        0 => Ok(()),
        _ => Err(Errno::EINVAL.because("no such flag of sock_send")),
    });
    match checked {
        Ok(()) => fd_write(wx, number, iovs, count, done),
        Err(error) => Outcome::Ready(Err(error.into())),
    }
}

impl Wx<'_> {
    /// Fails unless `number` is a socket.
    fn socket(&self, number: WasiFd) -> Result<()> {
        let file = self.descriptor(number)?.file;
        match kernel::socket::socket_of(&file) {
            Some(_) => Ok(()),
            None => Err(Errno::ENOTSOCK.into()),
        }
    }
}

/// Ends one direction of a connection, or both.
///
/// # Errors
/// `ENOTSOCK`, `EINVAL` for neither direction, and those of shutdown(2).
pub(super) fn sock_shutdown(wx: Wx<'_>, number: WasiFd, how: u32) -> Result<()> {
    let fd = wx.descriptor(number)?.fd;
    let how = match how {
        SD_RD => SHUT_RD,
        SD_WR => SHUT_WR,
        3 => SHUT_RDWR,
        _ => return Err(Errno::EINVAL.because("neither direction")),
    };
    socket::shutdown(wx.cx, fd, how)
}

/// Takes a connection.
///
/// # Errors
/// `ENOTSOCK`, `EINVAL` for flags other than `NONBLOCK`, and those of accept(2).
pub(super) fn sock_accept(
    wx: Wx<'_>,
    number: WasiFd,
    flags: u32,
    accepted: UserAddr,
) -> Outcome<()> {
    let started = || {
        let fd = wx.descriptor(number)?.fd;
        let flags = match flags {
            0 => SOCK_CLOEXEC,
            FDFLAGS_NONBLOCK => SOCK_CLOEXEC | SOCK_NONBLOCK,
            _ => return Err(Errno::EINVAL.because("no such flag of sock_accept")),
        };
        // The number has somewhere to go.
        wx.read::<4>(accepted)?;
        socket::accept4(wx.cx, fd, NULL, NULL, flags)
    };
    let (process, memory) = (wx.process(), Arc::clone(wx.memory()));
    flat(started()).then(move |answer| {
        let number = process.wasi.lock().insert(WasiDescriptor::new(answer?));
        memory.copy_out(accepted.0, &number.0.to_le_bytes())?;
        Ok(())
    })
}
