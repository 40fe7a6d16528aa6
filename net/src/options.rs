//! What `setsockopt(2)` changes at level `SOL_SOCKET` in every family.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use abi::flags::{
    SO_BROADCAST, SO_DEBUG, SO_DONTROUTE, SO_KEEPALIVE, SO_NO_CHECK, SO_OOBINLINE, SO_PASSCRED,
    SO_REUSEADDR, SO_REUSEPORT, SO_TIMESTAMP_OLD,
};

/// Bytes of a buffer unless somebody says otherwise: `net.core.wmem_default`.
const DEFAULT_BUFFER: u32 = 212_992;
/// The most that a guest may ask for: `net.core.wmem_max`. Twice as much is granted.
const MAX_BUFFER: u32 = 212_992;
/// `SOCK_MIN_SNDBUF` of x86-64: two packets of 2 KiB and what is kept of them.
const MIN_SEND_BUFFER: u32 = 4608;
/// `SOCK_MIN_RCVBUF`, likewise.
const MIN_RECEIVE_BUFFER: u32 = 2304;

/// Options that are on or off; each is a bit of its number.
const SWITCHES: &[i32] = &[
    SO_DEBUG,
    SO_REUSEADDR,
    SO_DONTROUTE,
    SO_BROADCAST,
    SO_KEEPALIVE,
    SO_OOBINLINE,
    SO_NO_CHECK,
    SO_REUSEPORT,
    SO_PASSCRED,
    SO_TIMESTAMP_OLD,
];

/// How long a call waits, in nanoseconds; 0: for ever.
#[derive(Debug, Default)]
pub struct Timeout(AtomicU64);

impl Timeout {
    /// The time; `None`: for ever.
    pub fn nanoseconds(&self) -> Option<u64> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            nanoseconds => Some(nanoseconds),
        }
    }

    /// Sets it; 0: for ever.
    pub fn set(&self, nanoseconds: u64) {
        self.0.store(nanoseconds, Ordering::Relaxed);
    }
}

/// The options of a socket.
#[derive(Debug)]
pub struct Options {
    switches: AtomicU32,
    send_buffer: AtomicU32,
    receive_buffer: AtomicU32,
    /// `SO_PRIORITY`
    pub priority: AtomicI32,
    /// `SO_RCVLOWAT`: bytes that a receiving call waits for, 1 at least.
    pub receive_low_water: AtomicI32,
    /// `SO_LINGER`: seconds, and in the upper half whether it is on.
    linger: AtomicU64,
    /// `SO_RCVTIMEO`
    pub receive_timeout: Timeout,
    /// `SO_SNDTIMEO`
    pub send_timeout: Timeout,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            switches: AtomicU32::new(0),
            send_buffer: AtomicU32::new(DEFAULT_BUFFER),
            receive_buffer: AtomicU32::new(DEFAULT_BUFFER),
            priority: AtomicI32::new(0),
            receive_low_water: AtomicI32::new(1),
            linger: AtomicU64::new(0),
            receive_timeout: Timeout::default(),
            send_timeout: Timeout::default(),
        }
    }
}

impl Options {
    /// Whether a switch is on; `None`: it is no switch.
    pub fn switch(&self, option: i32) -> Option<bool> {
        let bit = bit_of(option)?;
        Some(self.switches.load(Ordering::Relaxed) & bit != 0)
    }

    /// Turns a switch; says whether it is one.
    pub fn set_switch(&self, option: i32, is_on: bool) -> bool {
        let Some(bit) = bit_of(option) else {
            return false;
        };
        if is_on {
            self.switches.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.switches.fetch_and(!bit, Ordering::Relaxed);
        }
        true
    }

    /// `SO_PASSCRED`
    pub fn passes_credentials(&self) -> bool {
        self.switch(SO_PASSCRED) == Some(true)
    }

    /// `SO_SNDBUF`: bytes that may be sent and not received.
    pub fn send_buffer(&self) -> usize {
        usize::try_from(self.send_buffer.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// `SO_RCVBUF`, in bytes.
    pub fn receive_buffer(&self) -> u32 {
        self.receive_buffer.load(Ordering::Relaxed)
    }

    /// Asks for a send buffer of `bytes` bytes: doubled, as Linux does for its own needs.
    pub fn set_send_buffer(&self, bytes: u32) {
        let bytes = granted(bytes).max(MIN_SEND_BUFFER);
        self.send_buffer.store(bytes, Ordering::Relaxed);
    }

    /// The same for receiving.
    pub fn set_receive_buffer(&self, bytes: u32) {
        let bytes = granted(bytes).max(MIN_RECEIVE_BUFFER);
        self.receive_buffer.store(bytes, Ordering::Relaxed);
    }

    /// `SO_LINGER`: whether closing waits, and seconds.
    pub fn linger(&self) -> (bool, u32) {
        let word = self.linger.load(Ordering::Relaxed);
        (
            word >> 32 != 0,
            u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0),
        )
    }

    /// Sets both.
    pub fn set_linger(&self, is_on: bool, seconds: u32) {
        let word = u64::from(is_on) << 32 | u64::from(seconds);
        self.linger.store(word, Ordering::Relaxed);
    }
}

fn bit_of(option: i32) -> Option<u32> {
    SWITCHES
        .contains(&option)
        .then(|| 1_u32.wrapping_shl(option.cast_unsigned()))
}

fn granted(bytes: u32) -> u32 {
    bytes.min(MAX_BUFFER).saturating_mul(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_doubled_within_bounds() {
        let options = Options::default();
        assert_eq!(options.send_buffer(), 212_992);
        for (asked, granted) in [(0, 4608), (5000, 10_000), (u32::MAX, 425_984)] {
            options.set_send_buffer(asked);
            assert_eq!(options.send_buffer(), granted);
        }
        options.set_receive_buffer(1);
        assert_eq!(options.receive_buffer(), 2304);
    }

    #[test]
    fn switches_are_apart_and_others_are_none() {
        let options = Options::default();
        assert!(options.set_switch(SO_PASSCRED, true));
        assert_eq!(options.switch(SO_REUSEADDR), Some(false));
        assert!(options.passes_credentials());
        assert!(!options.set_switch(abi::flags::SO_LINGER, true));
        assert_eq!(options.switch(1000), None);
        options.set_linger(true, 7);
        assert_eq!(options.linger(), (true, 7));
    }
}
