//! Clocks.

use abi::types::UserAddr;
use abi::wasi::flags::{
    CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME, CLOCK_REALTIME, CLOCK_THREAD_CPUTIME,
};
use abi::{Errno, Result};

use super::Wx;

/// Nanoseconds between two values of each clock.
const RESOLUTION_NS: u64 = 1;

/// What a clock shows, in nanoseconds.
fn now_ns(wx: Wx<'_>, clock: u32) -> Result<u64> {
    Ok(match clock {
        CLOCK_REALTIME => wx.kernel.platform.realtime_ns(),
        CLOCK_MONOTONIC => wx.kernel.platform.monotonic_ns(),
        CLOCK_PROCESS_CPUTIME | CLOCK_THREAD_CPUTIME => wx.process().cpu_ns(),
        _ => return Err(Errno::EINVAL.because("no such clock")),
    })
}

/// Tells the resolution of a clock.
pub(super) fn clock_res_get(wx: Wx<'_>, clock: u32, resolution: UserAddr) -> Result<()> {
    now_ns(wx, clock)?;
    wx.write(resolution, &RESOLUTION_NS.to_le_bytes())
}

/// Tells the time of a clock; precision costs nothing.
pub(super) fn clock_time_get(
    wx: Wx<'_>,
    clock: u32,
    _precision: u64,
    time: UserAddr,
) -> Result<()> {
    wx.write(time, &now_ns(wx, clock)?.to_le_bytes())
}
