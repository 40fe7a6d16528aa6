//! Options of sockets: getsockopt(2), setsockopt(2).

use std::sync::atomic::Ordering;

use abi::flags::{
    CAP_NET_ADMIN, SO_ACCEPTCONN, SO_DOMAIN, SO_ERROR, SO_LINGER, SO_PEERCRED, SO_PEERGROUPS,
    SO_PRIORITY, SO_PROTOCOL, SO_RCVBUF, SO_RCVBUFFORCE, SO_RCVLOWAT, SO_RCVTIMEO_NEW,
    SO_RCVTIMEO_OLD, SO_SNDBUF, SO_SNDBUFFORCE, SO_SNDLOWAT, SO_SNDTIMEO_NEW, SO_SNDTIMEO_OLD,
    SO_TYPE, SOL_SOCKET,
};
use abi::layout::{Linger, SockTimeval32, SockTimeval64, Ucred};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use net::options::{Options, Timeout};
use net::socket::Socket;

use super::socket_at;
use crate::context::Cx;

/// Nanoseconds of a second and of a microsecond.
const SECOND_NS: u64 = 1_000_000_000;
const MICROSECOND_NS: u64 = 1000;

/// setsockopt(2).
pub(crate) fn setsockopt(
    cx: Cx<'_>,
    fd: Fd,
    level: i32,
    option: i32,
    value: UserAddr,
    len: i32,
) -> Result<()> {
    let (_, socket) = socket_at(cx, fd)?;
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    if level != SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP.because("a level that the family has not"));
    }
    if len < 4 {
        return Err(Errno::EINVAL.because("less than a word"));
    }
    let number = i32::from_le_bytes(cx.copy_in(value)?);
    let options = socket.options();
    match option {
        SO_SNDBUF | SO_SNDBUFFORCE | SO_RCVBUF | SO_RCVBUFFORCE => {
            set_buffer(cx, options, option, number)?;
        }
        SO_PRIORITY => set_priority(cx, options, number)?,
        SO_RCVLOWAT => {
            let bytes = if number < 0 { i32::MAX } else { number.max(1) };
            options.receive_low_water.store(bytes, Ordering::Relaxed);
        }
        SO_LINGER => {
            check_len(len, Linger::SIZE)?;
            let linger = Linger::from_bytes(&cx.copy_in(value)?);
            options.set_linger(linger.is_on != 0, linger.seconds.cast_unsigned());
        }
        SO_RCVTIMEO_OLD | SO_SNDTIMEO_OLD | SO_RCVTIMEO_NEW | SO_SNDTIMEO_NEW => {
            timeout(options, option).set(read_timeout(cx, option, value, len)?);
        }
        _ if options.set_switch(option, number != 0) => {}
        _ => return Err(Errno::ENOPROTOOPT.into()),
    }
    // A larger buffer is room for whoever waits for it.
    socket.wait_queue().wake_all();
    Ok(())
}

fn check_len(len: usize, least: usize) -> Result<()> {
    if len < least {
        return Err(Errno::EINVAL.because("less than the option's value"));
    }
    Ok(())
}

fn set_buffer(cx: Cx<'_>, options: &Options, option: i32, number: i32) -> Result<()> {
    if matches!(option, SO_SNDBUFFORCE | SO_RCVBUFFORCE)
        && !cx.process().credentials().has(CAP_NET_ADMIN)
    {
        return Err(Errno::EPERM.because("without CAP_NET_ADMIN nobody forces a size"));
    }
    // As in Linux, a negative size is a very large one.
    let bytes = number.cast_unsigned();
    match option {
        SO_SNDBUF | SO_SNDBUFFORCE => options.set_send_buffer(bytes),
        _ => options.set_receive_buffer(bytes),
    }
    Ok(())
}

fn set_priority(cx: Cx<'_>, options: &Options, number: i32) -> Result<()> {
    if !(0..=6).contains(&number) && !cx.process().credentials().has(CAP_NET_ADMIN) {
        return Err(Errno::EPERM.because("a priority that needs CAP_NET_ADMIN"));
    }
    options.priority.store(number, Ordering::Relaxed);
    Ok(())
}

const fn timeout(options: &Options, option: i32) -> &Timeout {
    match option {
        SO_SNDTIMEO_OLD | SO_SNDTIMEO_NEW => &options.send_timeout,
        _ => &options.receive_timeout,
    }
}

const fn is_wide(option: i32) -> bool {
    matches!(option, SO_RCVTIMEO_NEW | SO_SNDTIMEO_NEW)
}

/// A time limit in nanoseconds, 0 for none. A negative one is the shortest there is.
fn read_timeout(cx: Cx<'_>, option: i32, value: UserAddr, len: usize) -> Result<u64> {
    let (seconds, microseconds) = if is_wide(option) {
        check_len(len, SockTimeval64::SIZE)?;
        let time = SockTimeval64::from_bytes(&cx.copy_in(value)?);
        (time.seconds, time.microseconds)
    } else {
        check_len(len, SockTimeval32::SIZE)?;
        let time = SockTimeval32::from_bytes(&cx.copy_in(value)?);
        (i64::from(time.seconds), i64::from(time.microseconds))
    };
    let microseconds = u64::try_from(microseconds).ok().filter(|&n| n < 1_000_000);
    let microseconds = microseconds.ok_or_else(|| Errno::EDOM.because("no microseconds"))?;
    Ok(match u64::try_from(seconds) {
        Ok(seconds) => seconds
            .saturating_mul(SECOND_NS)
            .saturating_add(microseconds.saturating_mul(MICROSECOND_NS)),
        Err(_) => 1,
    })
}

/// getsockopt(2): the value is cut to the room that the guest has for it.
pub(crate) fn getsockopt(
    cx: Cx<'_>,
    fd: Fd,
    level: i32,
    option: i32,
    value: UserAddr,
    len: UserAddr,
) -> Result<()> {
    let (_, socket) = socket_at(cx, fd)?;
    if level != SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP.because("a level that the family has not"));
    }
    let room = i32::from_le_bytes(cx.copy_in(len)?);
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL.because("a negative length"))?;
    let bytes = value_of(&*socket, option)?;
    let cut = bytes.get(..room).unwrap_or(&bytes);
    cx.copy_out(value, cut)?;
    let len_bytes = u32::try_from(cut.len()).unwrap_or(0).to_le_bytes();
    cx.copy_out(len, &len_bytes)
}

fn value_of(socket: &dyn Socket, option: i32) -> Result<Vec<u8>> {
    let options = socket.options();
    let number = match option {
        SO_TYPE => socket.kind(),
        SO_DOMAIN => socket.domain(),
        SO_PROTOCOL => 0,
        SO_ERROR => socket.take_error(),
        SO_ACCEPTCONN => i32::from(socket.is_listening()),
        SO_SNDBUF => i32::try_from(options.send_buffer()).unwrap_or(i32::MAX),
        SO_RCVBUF => i32::try_from(options.receive_buffer()).unwrap_or(i32::MAX),
        SO_PRIORITY => options.priority.load(Ordering::Relaxed),
        SO_RCVLOWAT => options.receive_low_water.load(Ordering::Relaxed),
        SO_SNDLOWAT => 1,
        SO_LINGER => {
            let (is_on, seconds) = options.linger();
            let linger = Linger {
                is_on: i32::from(is_on),
                seconds: seconds.cast_signed(),
            };
            return Ok(linger.to_bytes().to_vec());
        }
        SO_PEERCRED => {
            let peer = socket.peer_credentials();
            let ucred = Ucred {
                pid: peer.pid,
                uid: peer.uid,
                gid: peer.gid,
            };
            return Ok(ucred.to_bytes().to_vec());
        }
        // No groups are kept of a peer.
        SO_PEERGROUPS => return Err(Errno::ENODATA.into()),
        SO_RCVTIMEO_OLD | SO_SNDTIMEO_OLD | SO_RCVTIMEO_NEW | SO_SNDTIMEO_NEW => {
            return Ok(timeout_bytes(options, option));
        }
        _ => options
            .switch(option)
            .map(i32::from)
            .ok_or(Errno::ENOPROTOOPT)?,
    };
    Ok(number.to_le_bytes().to_vec())
}

fn timeout_bytes(options: &Options, option: i32) -> Vec<u8> {
    let nanoseconds = timeout(options, option).nanoseconds().unwrap_or(0);
    let seconds = nanoseconds / SECOND_NS;
    let microseconds = nanoseconds % SECOND_NS / MICROSECOND_NS;
    if is_wide(option) {
        let time = SockTimeval64 {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            microseconds: i64::try_from(microseconds).unwrap_or(0),
        };
        return time.to_bytes().to_vec();
    }
    let time = SockTimeval32 {
        seconds: i32::try_from(seconds).unwrap_or(i32::MAX),
        microseconds: i32::try_from(microseconds).unwrap_or(0),
    };
    time.to_bytes().to_vec()
}
