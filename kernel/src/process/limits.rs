//! Resource limits: getrlimit(2).

use abi::limits::NR_OPEN;
use abi::{Errno, Result};

/// `RLIM_INFINITY`.
pub const INFINITY: u64 = u64::MAX;

/// A soft and a hard limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is enforced.
    pub soft: u64,
    /// The most that the soft limit may be raised to.
    pub hard: u64,
}

/// The numbers of `RLIMIT_*` that the kernel itself looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Resource {
    /// `RLIMIT_CPU`: seconds.
    Cpu = 0,
    /// `RLIMIT_FSIZE`: bytes of a file.
    FileSize = 1,
    /// `RLIMIT_DATA`: bytes of memory but for the stack.
    Data = 2,
    /// `RLIMIT_STACK`: bytes.
    Stack = 3,
    /// `RLIMIT_NPROC`: processes of a user.
    Processes = 6,
    /// `RLIMIT_NOFILE`: open files.
    OpenFiles = 7,
    /// `RLIMIT_AS`: bytes of memory.
    AddressSpace = 9,
    /// `RLIMIT_SIGPENDING`: signals that wait for processes of a user.
    PendingSignals = 11,
    /// `RLIMIT_MSGQUEUE`: bytes of message queues of a user.
    MessageQueues = 12,
    /// `RLIMIT_NICE`: 20 less the lowest nice value.
    Nice = 13,
    /// `RLIMIT_RTPRIO`: the highest real-time priority.
    RealTimePriority = 14,
}

impl Resource {
    /// The number of `getrlimit(2)`.
    #[expect(clippy::as_conversions, reason = "the discriminant")]
    const fn number(self) -> u32 {
        self as u32
    }
}

/// `RLIMIT_NLIMITS`.
const COUNT: usize = 16;

/// All limits of a process.
#[derive(Clone, Debug)]
pub struct Limits([Limit; COUNT]);

impl Default for Limits {
    fn default() -> Self {
        let unlimited = Limit {
            soft: INFINITY,
            hard: INFINITY,
        };
        let mut limits = Self([unlimited; COUNT]);
        let defaults = [
            (
                3,
                Limit {
                    soft: 8 << 20,
                    hard: INFINITY,
                },
            ),
            (
                4,
                Limit {
                    soft: 0,
                    hard: INFINITY,
                },
            ),
            (
                6,
                Limit {
                    soft: 32768,
                    hard: 32768,
                },
            ),
            (
                7,
                Limit {
                    soft: 1024,
                    hard: 1 << 20,
                },
            ),
            (
                8,
                Limit {
                    soft: 8 << 20,
                    hard: 8 << 20,
                },
            ),
            (
                11,
                Limit {
                    soft: 32768,
                    hard: 32768,
                },
            ),
            (
                12,
                Limit {
                    soft: 819_200,
                    hard: 819_200,
                },
            ),
            (13, Limit { soft: 0, hard: 0 }),
            (14, Limit { soft: 0, hard: 0 }),
        ];
        for (index, limit) in defaults {
            if let Some(slot) = limits.0.get_mut(index) {
                *slot = limit;
            }
        }
        limits
    }
}

impl Limits {
    /// The soft limit of a resource the kernel enforces.
    pub fn soft(&self, resource: Resource) -> u64 {
        self.of(resource).soft
    }

    /// Both limits of a resource the kernel enforces.
    pub fn of(&self, resource: Resource) -> Limit {
        self.get(resource.number()).unwrap_or(Limit {
            soft: INFINITY,
            hard: INFINITY,
        })
    }

    /// Raises a soft limit by one unit, as far as the hard one lets it.
    pub(super) fn raise_soft(&mut self, resource: Resource) {
        let index = usize::try_from(resource.number()).unwrap_or(COUNT);
        if let Some(limit) = self.0.get_mut(index) {
            limit.soft = limit.soft.saturating_add(1).min(limit.hard);
        }
    }

    /// The limit with number `resource`.
    ///
    /// # Errors
    /// `EINVAL` for an unknown number.
    pub fn get(&self, resource: u32) -> Result<Limit> {
        let index = usize::try_from(resource).map_err(|_| Errno::EINVAL)?;
        self.0
            .get(index)
            .copied()
            .ok_or_else(|| Errno::EINVAL.because("no such resource"))
    }

    /// Changes the limit with number `resource`.
    ///
    /// # Errors
    /// `EINVAL` for an unknown number or soft above hard, `EPERM` for a hard limit raised without
    /// privilege, and for more open files than the kernel allows.
    pub fn set(&mut self, resource: u32, new: Limit, is_privileged: bool) -> Result<()> {
        let index = usize::try_from(resource).map_err(|_| Errno::EINVAL)?;
        let slot = self.0.get_mut(index).ok_or(Errno::EINVAL)?;
        if new.soft > new.hard {
            return Err(Errno::EINVAL.because("the soft limit is above the hard one"));
        }
        if resource == Resource::OpenFiles.number() && new.hard > u64::from(NR_OPEN) {
            return Err(Errno::EPERM.because("more open files than fs.nr_open"));
        }
        if new.hard > slot.hard && !is_privileged {
            return Err(Errno::EPERM.because("only the superuser raises a hard limit"));
        }
        *slot = new;
        Ok(())
    }
}
