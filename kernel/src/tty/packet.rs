//! Packet mode of a master (`TIOCPKT`, ioctl_tty(2)): each read tells by its first byte whether
//! output follows, or what happened to the slave: flushes, flow control, and who handles its keys.

use abi::flags::{TIOCPKT_DOSTOP, TIOCPKT_NOSTOP, TIOCPKT_START, TIOCPKT_STOP};

/// What the first byte of a read is when output follows (`TIOCPKT_DATA`).
pub(super) const DATA: u8 = 0;

/// Pairs of which the later news replaces the earlier.
const OPPOSITES: [u32; 2] = [
    TIOCPKT_STOP | TIOCPKT_START,
    TIOCPKT_DOSTOP | TIOCPKT_NOSTOP,
];

/// `TIOCPKT_*` bits as the byte that a master reads.
pub(super) const fn report(bits: u32) -> u8 {
    // All bits are in the low byte.
    bits.to_le_bytes()[0]
}

/// Whether a master is in packet mode, and what it has not read of what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PacketMode {
    is_on: bool,
    news: u8,
}

impl PacketMode {
    /// `TIOCPKT`: what happened before does not count.
    pub(super) const fn set(&mut self, is_on: bool) {
        if is_on != self.is_on {
            *self = Self { is_on, news: 0 };
        }
    }

    /// Whether it is on.
    pub(super) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// Notes what happened.
    pub(super) fn note(&mut self, bits: u8) {
        if !self.is_on {
            return;
        }
        for pair in OPPOSITES.map(report) {
            if bits & pair != 0 {
                self.news &= !pair;
            }
        }
        self.news |= bits;
    }

    /// Whether there is something to tell.
    pub(super) const fn has_news(&self) -> bool {
        self.news != 0
    }

    /// What happened since it was asked last.
    pub(super) const fn take(&mut self) -> Option<u8> {
        match std::mem::replace(&mut self.news, 0) {
            0 => None,
            news => Some(news),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_news_replaces_its_opposite_and_is_told_once() {
        let mut mode = PacketMode::default();
        mode.note(report(TIOCPKT_STOP));
        assert!(!mode.has_news());
        mode.set(true);
        for bits in [TIOCPKT_STOP, TIOCPKT_DOSTOP, TIOCPKT_START] {
            mode.note(report(bits));
        }
        assert_eq!(mode.take(), Some(report(TIOCPKT_START | TIOCPKT_DOSTOP)));
        assert_eq!(mode.take(), None);
        mode.note(report(TIOCPKT_STOP));
        mode.set(true);
        assert!(mode.has_news());
        mode.set(false);
        assert!(!mode.has_news());
    }
}
