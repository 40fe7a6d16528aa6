//! Points in time and spans, in the widths that 32-bit guests have.

use crate::errno::{Errno, Result};
use crate::flags::time::{NSEC_PER_SEC, NSEC_PER_USEC, USEC_PER_SEC};

layout! {
    /// `struct __kernel_timespec`: of all `*_time64` calls and `clock_gettime64`.
    pub struct Timespec64: 16 {
        /// Seconds.
        0 => sec: i64,
        /// Nanoseconds; the four bytes behind are padding.
        8 => nsec: i32,
    }

    /// `struct old_timespec32`: of `nanosleep` and the calls without `64` in their name.
    pub struct Timespec32: 8 {
        /// Seconds.
        0 => sec: i32,
        /// Nanoseconds.
        4 => nsec: i32,
    }

    /// `struct old_timeval32`: of `gettimeofday`, `select`, interval timers and `rusage`.
    pub struct Timeval32: 8 {
        /// Seconds.
        0 => sec: i32,
        /// Microseconds.
        4 => usec: i32,
    }

    /// `struct timezone`.
    pub struct Timezone: 8 {
        /// Minutes west of Greenwich.
        0 => minutes_west: i32,
        /// Kind of daylight saving time; unused.
        4 => dst_time: i32,
    }

    /// `struct old_itimerval32`: of `getitimer` and `setitimer`.
    pub struct Itimerval32: 16 {
        /// Time between expirations; zero means once.
        0 => interval: Timeval32,
        /// Time to the next expiration; zero means off.
        8 => value: Timeval32,
    }

    /// `struct __kernel_itimerspec`: of `timer_settime64` and `timerfd_settime64`.
    pub struct Itimerspec64: 32 {
        /// Time between expirations; zero means once.
        0 => interval: Timespec64,
        /// Time to the next expiration; zero means off.
        16 => value: Timespec64,
    }

    /// `struct tms`: of `times`, in ticks of 1/[`HZ`](crate::limits::HZ) second.
    pub struct Tms: 16 {
        /// CPU time of the process in user mode.
        0 => utime: i32,
        /// CPU time of the process in the kernel.
        4 => stime: i32,
        /// The same of its children that were waited for.
        8 => cutime: i32,
        /// The same of its children that were waited for.
        12 => cstime: i32,
    }

    /// `struct rusage` with 32-bit times: 18 words.
    pub struct Rusage32: 72 {
        /// CPU time in user mode.
        0 => utime: Timeval32,
        /// CPU time in the kernel.
        8 => stime: Timeval32,
        /// Largest resident size, KiB.
        16 => maxrss: i32,
        /// Page faults without and with I/O.
        32 => minflt: i32,
        /// Page faults with I/O.
        36 => majflt: i32,
        /// Blocks read.
        44 => inblock: i32,
        /// Blocks written.
        48 => oublock: i32,
        /// Voluntary switches to another task.
        64 => nvcsw: i32,
        /// Involuntary switches.
        68 => nivcsw: i32,
    }
}

/// Nanoseconds of a span.
///
/// # Errors
/// `EINVAL` when negative or when the fraction is not below a second.
fn span(sec: i64, fraction: i64, fractions_per_sec: i64) -> Result<u64> {
    if !(0..fractions_per_sec).contains(&fraction) {
        return Err(Errno::EINVAL.because("fraction of a second out of range"));
    }
    let sec = u64::try_from(sec).map_err(|_| Errno::EINVAL.because("negative time"))?;
    let scale = NSEC_PER_SEC.checked_div(fractions_per_sec).unwrap_or(1);
    let nsec = fraction.saturating_mul(scale).unsigned_abs();
    Ok(sec
        .saturating_mul(NSEC_PER_SEC.unsigned_abs())
        .saturating_add(nsec))
}

/// Whole seconds and the rest in nanoseconds; the rest fits 30 bits.
fn split(nanoseconds: u64) -> (i64, i32) {
    let per_sec = NSEC_PER_SEC.unsigned_abs();
    let sec = nanoseconds.checked_div(per_sec).unwrap_or(0);
    let nsec = nanoseconds.checked_rem(per_sec).unwrap_or(0);
    (
        i64::try_from(sec).unwrap_or(i64::MAX),
        i32::try_from(nsec).unwrap_or(0),
    )
}

/// Seconds as old code sees them: the low 32 bits, so they wrap in 2038 as on Linux.
fn low_word(sec: i64) -> i32 {
    let [a, b, c, d, ..] = sec.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

fn microseconds(nsec: i32) -> i32 {
    nsec.checked_div(i32::try_from(NSEC_PER_USEC).unwrap_or(1))
        .unwrap_or(0)
}

impl Timespec64 {
    /// The span, saturating at about 584 years.
    ///
    /// # Errors
    /// `EINVAL` when negative or when `nsec` is not below 10^9.
    pub fn nanoseconds(self) -> Result<u64> {
        span(self.sec, i64::from(self.nsec), NSEC_PER_SEC)
    }

    /// The span or point in time as seconds and nanoseconds.
    pub fn from_nanoseconds(nanoseconds: u64) -> Self {
        let (sec, nsec) = split(nanoseconds);
        Self { sec, nsec }
    }
}

impl Timespec32 {
    /// The span.
    ///
    /// # Errors
    /// `EINVAL` when negative or when `nsec` is not below 10^9.
    pub fn nanoseconds(self) -> Result<u64> {
        span(i64::from(self.sec), i64::from(self.nsec), NSEC_PER_SEC)
    }

    /// The span or point in time; seconds wrap at 32 bits.
    pub fn from_nanoseconds(nanoseconds: u64) -> Self {
        let (sec, nsec) = split(nanoseconds);
        Self {
            sec: low_word(sec),
            nsec,
        }
    }
}

impl From<Timespec64> for Timespec32 {
    /// Seconds wrap at 32 bits.
    fn from(time: Timespec64) -> Self {
        Self {
            sec: low_word(time.sec),
            nsec: time.nsec,
        }
    }
}

impl Timeval32 {
    /// The span.
    ///
    /// # Errors
    /// `EINVAL` when negative or when `usec` is not below 10^6.
    pub fn nanoseconds(self) -> Result<u64> {
        span(i64::from(self.sec), i64::from(self.usec), USEC_PER_SEC)
    }

    /// The span or point in time, cut to microseconds; seconds wrap at 32 bits.
    pub fn from_nanoseconds(nanoseconds: u64) -> Self {
        let (sec, nsec) = split(nanoseconds);
        Self {
            sec: low_word(sec),
            usec: microseconds(nsec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_timespec_ignores_its_padding() {
        let mut bytes = Timespec64 { sec: -2, nsec: 3 }.to_bytes();
        assert_eq!(bytes[8..], [3, 0, 0, 0, 0, 0, 0, 0]);
        bytes[12..].fill(0xff);
        assert_eq!(
            Timespec64::from_bytes(&bytes),
            Timespec64 { sec: -2, nsec: 3 }
        );
    }

    #[test]
    fn nested_times_follow_each_other() {
        let timer = Itimerval32 {
            interval: Timeval32 { sec: 1, usec: 2 },
            value: Timeval32 { sec: 3, usec: 4 },
        };
        assert_eq!(
            timer.to_bytes(),
            [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]
        );
        assert_eq!(Itimerval32::from_bytes(&timer.to_bytes()), timer);
        let timer = Itimerspec64 {
            value: Timespec64 { sec: 1, nsec: 2 },
            ..Default::default()
        };
        assert_eq!((timer.to_bytes()[16], timer.to_bytes()[24]), (1, 2));
        assert_eq!(
            Tms {
                cutime: 7,
                ..Default::default()
            }
            .to_bytes()[8],
            7
        );
        let usage = Rusage32 {
            maxrss: 5,
            minflt: 6,
            nivcsw: 7,
            ..Default::default()
        };
        let bytes = usage.to_bytes();
        assert_eq!((bytes[16], bytes[32], bytes[68]), (5, 6, 7));
    }

    #[test]
    fn spans_are_checked_as_linux_checks_them() {
        let einval = |time: Timespec64| time.nanoseconds().map_err(|error| error.errno);
        assert_eq!(einval(Timespec64 { sec: -1, nsec: 0 }), Err(Errno::EINVAL));
        assert_eq!(einval(Timespec64 { sec: 0, nsec: -1 }), Err(Errno::EINVAL));
        assert_eq!(
            einval(Timespec64 {
                sec: 0,
                nsec: 1_000_000_000
            }),
            Err(Errno::EINVAL)
        );
        assert_eq!(einval(Timespec64 { sec: 2, nsec: 1 }), Ok(2_000_000_001));
        assert_eq!(
            einval(Timespec64 {
                sec: i64::MAX,
                nsec: 0
            }),
            Ok(u64::MAX)
        );
        assert_eq!(
            Timeval32 { sec: 1, usec: 5 }.nanoseconds(),
            Ok(1_000_005_000)
        );
        assert!(
            Timeval32 {
                sec: 0,
                usec: 1_000_000
            }
            .nanoseconds()
            .is_err()
        );
    }

    #[test]
    fn seconds_of_old_forms_wrap() {
        let time = Timespec32::from_nanoseconds((1 << 32) * 1_000_000_000 + 7);
        assert_eq!(time, Timespec32 { sec: 0, nsec: 7 });
        assert_eq!(
            Timeval32::from_nanoseconds(1_999_999),
            Timeval32 { sec: 0, usec: 1999 }
        );
    }
}
