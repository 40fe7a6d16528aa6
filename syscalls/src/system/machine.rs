//! Names, memory, the log, randomness, power.

use std::sync::Arc;

use abi::flags::{
    CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYSLOG, GRND_INSECURE, GRND_NONBLOCK, GRND_RANDOM,
    LINUX_REBOOT_CMD_CAD_OFF, LINUX_REBOOT_CMD_CAD_ON, LINUX_REBOOT_CMD_HALT,
    LINUX_REBOOT_CMD_POWER_OFF, LINUX_REBOOT_CMD_RESTART, LINUX_REBOOT_CMD_RESTART2,
    LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_MAGIC2A, LINUX_REBOOT_MAGIC2B,
    LINUX_REBOOT_MAGIC2C, MEMBARRIER_CMD_GLOBAL, MEMBARRIER_CMD_GLOBAL_EXPEDITED,
    MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_QUERY,
    MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, PER_LINUX,
    PER_LINUX32, PERSONALITY_QUERY, SYSLOG_ACTION_CLEAR, SYSLOG_ACTION_CLOSE,
    SYSLOG_ACTION_CONSOLE_LEVEL, SYSLOG_ACTION_CONSOLE_OFF, SYSLOG_ACTION_CONSOLE_ON,
    SYSLOG_ACTION_OPEN, SYSLOG_ACTION_READ, SYSLOG_ACTION_READ_ALL, SYSLOG_ACTION_READ_CLEAR,
    SYSLOG_ACTION_SIZE_BUFFER, SYSLOG_ACTION_SIZE_UNREAD,
};
use abi::layout::{Sysinfo, Utsname};
use abi::limits::HOST_NAME_MAX;
use abi::types::UserAddr;
use abi::{Errno, Result};
use executor::sync::Lock;
use kernel::process::Target;
use kernel::signal::{self, SignalInfo};
use kernel::{log, version};

use super::check_capability;
use crate::context::{Cx, not_null};

/// Random bytes that are made at a time.
const RANDOM_PIECE: usize = 4096;
/// Bytes that `getrandom(2)` gives at most in one call, as Linux.
const RANDOM_MAX: usize = 0x01ff_ffff;

/// uname(2).
pub(crate) fn uname(cx: Cx<'_>, buf: UserAddr) -> Result<()> {
    let name = Utsname {
        sysname: Utsname::field(b"Linux"),
        nodename: Utsname::field(&cx.kernel.hostname.lock()),
        release: Utsname::field(version::RELEASE.as_bytes()),
        version: Utsname::field(version::VERSION.as_bytes()),
        machine: Utsname::field(version::MACHINE.as_bytes()),
        domainname: Utsname::field(&cx.kernel.domain_name.lock()),
    };
    cx.copy_out(buf, &name.to_bytes())
}

fn set_name(cx: Cx<'_>, place: &Lock<Vec<u8>>, name: UserAddr, len: i32) -> Result<()> {
    check_capability(cx, CAP_SYS_ADMIN)?;
    let len = usize::try_from(len)
        .ok()
        .filter(|&len| len <= HOST_NAME_MAX);
    let mut bytes = vec![0; len.ok_or_else(|| Errno::EINVAL.because("too long a name"))?];
    if !bytes.is_empty() {
        not_null(name)?;
        cx.memory().copy_in(name.0, &mut bytes)?;
    }
    *place.lock() = bytes;
    Ok(())
}

/// sethostname(2).
pub(crate) fn sethostname(cx: Cx<'_>, name: UserAddr, len: i32) -> Result<()> {
    set_name(cx, &cx.kernel.hostname, name, len)
}

/// setdomainname(2).
pub(crate) fn setdomainname(cx: Cx<'_>, name: UserAddr, len: i32) -> Result<()> {
    set_name(cx, &cx.kernel.domain_name, name, len)
}

/// sysinfo(2).
pub(crate) fn sysinfo(cx: Cx<'_>, info: UserAddr) -> Result<()> {
    /// As `/proc/meminfo`, in pages, so that 32 bits are enough.
    const UNIT: u32 = 4096;
    let pages = |bytes: u64| {
        u32::try_from(bytes.checked_div(u64::from(UNIT)).unwrap_or(0)).unwrap_or(u32::MAX)
    };
    let memory = cx.kernel.memory_usage();
    let uptime_s = cx
        .kernel
        .uptime_ns()
        .checked_div(1_000_000_000)
        .unwrap_or(0);
    // Hundredths as parts of 65,536.
    let loads = cx.kernel.load_hundredths().map(|load| {
        let shifted = load.saturating_mul(1 << 16).checked_div(100);
        u32::try_from(shifted.unwrap_or(0)).unwrap_or(u32::MAX)
    });
    let status = Sysinfo {
        loads,
        uptime: i32::try_from(uptime_s).unwrap_or(i32::MAX),
        totalram: pages(memory.total_bytes),
        freeram: pages(memory.free_bytes()),
        sharedram: pages(memory.shared_bytes),
        bufferram: pages(memory.cached_bytes),
        procs: u16::try_from(cx.kernel.processes.len()).unwrap_or(u16::MAX),
        mem_unit: UNIT,
        ..Sysinfo::default()
    };
    cx.copy_out(info, &status.to_bytes())
}

/// syslog(2). Deviates: the console shows every message; nothing waits for new ones.
pub(crate) fn syslog(cx: Cx<'_>, action: i32, buf: UserAddr, len: i32) -> Result<usize> {
    let kept = &cx.kernel.log_buffer;
    let may_all_read = matches!(action, SYSLOG_ACTION_READ_ALL | SYSLOG_ACTION_SIZE_BUFFER);
    if !may_all_read {
        check_capability(cx, CAP_SYSLOG)?;
    }
    match action {
        SYSLOG_ACTION_CLOSE
        | SYSLOG_ACTION_OPEN
        | SYSLOG_ACTION_CONSOLE_OFF
        | SYSLOG_ACTION_CONSOLE_ON => Ok(0),
        SYSLOG_ACTION_READ | SYSLOG_ACTION_READ_ALL | SYSLOG_ACTION_READ_CLEAR => {
            let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
            not_null(buf).map_err(|_| Errno::EINVAL)?;
            let lines = kept.tail(len);
            cx.copy_out(buf, &lines)?;
            if action == SYSLOG_ACTION_READ_CLEAR {
                kept.clear();
            }
            Ok(lines.len())
        }
        SYSLOG_ACTION_CLEAR => {
            kept.clear();
            Ok(0)
        }
        SYSLOG_ACTION_CONSOLE_LEVEL if (1..=8).contains(&len) => Ok(0),
        SYSLOG_ACTION_SIZE_UNREAD => Ok(kept.len()),
        SYSLOG_ACTION_SIZE_BUFFER => Ok(log::CAPACITY),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// getrandom(2): never waits, the host's source is always ready.
pub(crate) fn getrandom(cx: Cx<'_>, buf: UserAddr, len: usize, flags: u32) -> Result<usize> {
    let both = GRND_RANDOM | GRND_INSECURE;
    if flags & !(GRND_NONBLOCK | both) != 0 || flags & both == both {
        return Err(Errno::EINVAL.into());
    }
    let len = len.min(RANDOM_MAX);
    let mut piece = vec![0; len.min(RANDOM_PIECE)];
    let mut done = 0_usize;
    let mut address = buf;
    while done < len {
        let count = piece.len().min(len.saturating_sub(done));
        let bytes = piece.get_mut(..count).unwrap_or_default();
        cx.kernel.platform.fill_random(bytes);
        match cx.copy_out(address, bytes) {
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
            Ok(()) => {}
        }
        done = done.saturating_add(count);
        address = UserAddr(address.0.wrapping_add(u32::try_from(count).unwrap_or(0)));
    }
    Ok(done)
}

/// personality(2).
pub(crate) fn personality(_cx: Cx<'_>, persona: u32) -> Result<u32> {
    match persona {
        PERSONALITY_QUERY | PER_LINUX | PER_LINUX32 => Ok(PER_LINUX),
        _ => Err(Errno::EINVAL.because("only Linux programs run here")),
    }
}

/// membarrier(2): a process has one thread, so every barrier is there already.
pub(crate) fn membarrier(_cx: Cx<'_>, command: i32, flags: u32, _cpu: i32) -> Result<i32> {
    const KNOWN: i32 = MEMBARRIER_CMD_GLOBAL
        | MEMBARRIER_CMD_GLOBAL_EXPEDITED
        | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED
        | MEMBARRIER_CMD_PRIVATE_EXPEDITED
        | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    match command {
        MEMBARRIER_CMD_QUERY => Ok(KNOWN),
        _ if command.count_ones() == 1 && command & KNOWN != 0 => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// reboot(2): halting, powering off and restarting all end every process, and so the pod.
pub(crate) fn reboot(
    cx: Cx<'_>,
    magic: u32,
    magic2: u32,
    command: u32,
    _argument: UserAddr,
) -> Result<()> {
    const SECOND: [u32; 4] = [
        LINUX_REBOOT_MAGIC2,
        LINUX_REBOOT_MAGIC2A,
        LINUX_REBOOT_MAGIC2B,
        LINUX_REBOOT_MAGIC2C,
    ];
    check_capability(cx, CAP_SYS_BOOT)?;
    if magic != LINUX_REBOOT_MAGIC1 || !SECOND.contains(&magic2) {
        return Err(Errno::EINVAL.because("not the magic numbers"));
    }
    match command {
        LINUX_REBOOT_CMD_CAD_ON | LINUX_REBOOT_CMD_CAD_OFF => Ok(()),
        LINUX_REBOOT_CMD_HALT
        | LINUX_REBOOT_CMD_POWER_OFF
        | LINUX_REBOOT_CMD_RESTART
        | LINUX_REBOOT_CMD_RESTART2 => {
            cx.kernel.vfs.sync()?;
            let kill = SignalInfo {
                number: signal::KILL,
                ..SignalInfo::default()
            };
            for process in cx.kernel.processes.targets(Target::All, 0) {
                Arc::clone(&process).post_signal(cx.kernel, kill);
            }
            Ok(())
        }
        _ => Err(Errno::EINVAL.because("an unknown command")),
    }
}
