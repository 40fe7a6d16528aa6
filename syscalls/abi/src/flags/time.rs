//! Clocks and timers.

flags! {
    "clock_getcpuclockid(3)": i32 {
        CPUCLOCK_PERTHREAD_MASK = 4,
        CPUCLOCK_CLOCK_MASK = 3,
    }
    "clock_gettime(2)": i32 {
        CLOCK_REALTIME = 0,
        CLOCK_MONOTONIC = 1,
        CLOCK_PROCESS_CPUTIME_ID = 2,
        CLOCK_THREAD_CPUTIME_ID = 3,
        CLOCK_MONOTONIC_RAW = 4,
        CLOCK_REALTIME_COARSE = 5,
        CLOCK_MONOTONIC_COARSE = 6,
        CLOCK_BOOTTIME = 7,
        CLOCK_REALTIME_ALARM = 8,
        CLOCK_BOOTTIME_ALARM = 9,
        CLOCK_TAI = 11,
    }
    "clock_nanosleep(2)": u32 {
        TIMER_ABSTIME = 1,
    }
    "getitimer(2)": i32 {
        ITIMER_REAL = 0,
        ITIMER_VIRTUAL = 1,
        ITIMER_PROF = 2,
    }
    "timerfd_create(2)": u32 {
        TFD_TIMER_ABSTIME = 1,
        TFD_TIMER_CANCEL_ON_SET = 2,
    }
}

/// Nanoseconds of a second; a `timespec` holds less in its second field.
pub const NSEC_PER_SEC: i64 = 1_000_000_000;
/// Microseconds of a second.
pub const USEC_PER_SEC: i64 = 1_000_000;
/// Nanoseconds of a microsecond.
pub const NSEC_PER_USEC: i64 = 1_000;
/// Nanoseconds of a millisecond.
pub const NSEC_PER_MSEC: i64 = 1_000_000;
