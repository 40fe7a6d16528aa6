//! prctl(2).

use abi::flags::{
    PR_CAP_AMBIENT, PR_CAPBSET_DROP, PR_CAPBSET_READ, PR_GET_CHILD_SUBREAPER, PR_GET_DUMPABLE,
    PR_GET_KEEPCAPS, PR_GET_NAME, PR_GET_NO_NEW_PRIVS, PR_GET_PDEATHSIG, PR_GET_SECCOMP,
    PR_GET_SECUREBITS, PR_GET_THP_DISABLE, PR_GET_TIMERSLACK, PR_GET_TIMING,
    PR_SET_CHILD_SUBREAPER, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NAME, PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_SET_THP_DISABLE, PR_SET_TIMERSLACK, PR_SET_TIMING,
    PR_SET_VMA, PR_TASK_PERF_EVENTS_DISABLE, PR_TASK_PERF_EVENTS_ENABLE, SECBIT_KEEP_CAPS,
};
use abi::limits::TASK_COMM_LEN;
use abi::types::UserAddr;
use abi::{Errno, Result};
use kernel::signal;

use crate::context::Cx;
use crate::credentials::{ambient, drop_from_bounding, is_bounded_by, set_keep, set_secure_bits};

/// prctl(2).
pub(crate) fn prctl(
    cx: Cx<'_>,
    option: i32,
    arg2: u32,
    arg3: u32,
    arg4: u32,
    arg5: u32,
) -> Result<u32> {
    let process = cx.process();
    let mut settings = process.settings.lock();
    let no_more = arg3 == 0 && arg4 == 0 && arg5 == 0;
    match option {
        PR_SET_PDEATHSIG => {
            let number = u8::try_from(arg2)
                .ok()
                .filter(|&number| number <= signal::MAX);
            settings.death_signal = number.ok_or_else(|| Errno::EINVAL.because("not a signal"))?;
        }
        PR_GET_PDEATHSIG => {
            let number = u32::from(settings.death_signal);
            drop(settings);
            cx.copy_out(UserAddr(arg2), &number.to_le_bytes())?;
        }
        PR_GET_DUMPABLE => return Ok(u32::from(settings.is_dumpable)),
        PR_SET_DUMPABLE => settings.is_dumpable = switch(arg2)?,
        PR_SET_NO_NEW_PRIVS if arg2 == 1 && no_more => settings.has_no_new_privileges = true,
        PR_GET_NO_NEW_PRIVS if arg2 == 0 && no_more => {
            return Ok(u32::from(settings.has_no_new_privileges));
        }
        PR_SET_CHILD_SUBREAPER => settings.is_subreaper = arg2 != 0,
        PR_GET_CHILD_SUBREAPER => {
            let value = u32::from(settings.is_subreaper);
            drop(settings);
            cx.copy_out(UserAddr(arg2), &value.to_le_bytes())?;
        }
        PR_SET_TIMERSLACK if arg2 == 0 => settings.timer_slack_ns = 50_000,
        PR_SET_TIMERSLACK => settings.timer_slack_ns = arg2,
        PR_GET_TIMERSLACK => return Ok(settings.timer_slack_ns),
        PR_SET_NAME => {
            drop(settings);
            cx.task.set_comm(short_name(cx, UserAddr(arg2))?);
        }
        PR_GET_NAME => {
            drop(settings);
            let mut name = cx.task.comm();
            name.resize(TASK_COMM_LEN, 0);
            cx.copy_out(UserAddr(arg2), &name)?;
        }
        PR_SET_THP_DISABLE if no_more => settings.has_no_huge_pages = arg2 != 0,
        PR_GET_THP_DISABLE if arg2 == 0 && no_more => {
            return Ok(u32::from(settings.has_no_huge_pages));
        }
        PR_SET_TIMING if arg2 == 0 => {}
        // Names that only /proc/PID/maps would show, and counters that are not there.
        PR_SET_VMA | PR_TASK_PERF_EVENTS_DISABLE | PR_TASK_PERF_EVENTS_ENABLE => {}
        PR_GET_TIMING | PR_GET_SECCOMP => return Ok(0),
        _ => {
            drop(settings);
            return privileges(cx, option, [arg2, arg3, arg4, arg5]);
        }
    }
    Ok(0)
}

/// The options that are about capabilities.
fn privileges(cx: Cx<'_>, option: i32, [arg2, arg3, arg4, arg5]: [u32; 4]) -> Result<u32> {
    let secure_bits = || cx.process().credentials().capabilities.secure_bits;
    match option {
        PR_GET_KEEPCAPS => return Ok(u32::from(secure_bits() & SECBIT_KEEP_CAPS != 0)),
        PR_SET_KEEPCAPS => set_keep(cx, switch(arg2)?)?,
        PR_CAPBSET_READ => return is_bounded_by(cx, arg2),
        PR_CAPBSET_DROP => drop_from_bounding(cx, arg2)?,
        PR_GET_SECUREBITS => return Ok(secure_bits()),
        PR_SET_SECUREBITS => set_secure_bits(cx, arg2)?,
        PR_CAP_AMBIENT if arg4 == 0 && arg5 == 0 => return ambient(cx, arg2, arg3),
        _ => return Err(Errno::EINVAL.because("an option that is not there")),
    }
    Ok(0)
}

fn switch(value: u32) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// The name at `address`, cut to 15 bytes.
fn short_name(cx: Cx<'_>, address: UserAddr) -> Result<Vec<u8>> {
    match cx.string(address, TASK_COMM_LEN) {
        Err(error) if error.errno == Errno::ENAMETOOLONG => {
            let mut name = vec![0; TASK_COMM_LEN.saturating_sub(1)];
            cx.memory().copy_in(address.0, &mut name)?;
            Ok(name)
        }
        result => result,
    }
}
