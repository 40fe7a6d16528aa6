//! Terminal modes and sizes.

use crate::flags::tty as f;

layout! {
    /// `struct termios` of the kernel (`TCGETS`); libc's own is longer and starts the same.
    pub struct Termios: 36 {
        /// Input modes.
        0 => iflag: u32,
        /// Output modes.
        4 => oflag: u32,
        /// Control modes.
        8 => cflag: u32,
        /// Local modes.
        12 => lflag: u32,
        /// Line discipline; 0 is the ordinary one.
        16 => line: u8,
        /// Control characters, by `VINTR` …
        17 => cc: [u8; 19],
    }

    /// `struct termios2` (`TCGETS2`): with speeds as numbers.
    pub struct Termios2: 44 {
        /// The part that all have.
        0 => base: Termios,
        /// Input speed, bits per second.
        36 => ispeed: u32,
        /// Output speed, bits per second.
        40 => ospeed: u32,
    }

    /// `struct winsize`.
    pub struct WinSize: 8 {
        /// Lines.
        0 => rows: u16,
        /// Columns.
        2 => cols: u16,
        /// Width in pixels, if known.
        4 => xpixel: u16,
        /// Height in pixels, if known.
        6 => ypixel: u16,
    }
}

impl Termios {
    /// What a new terminal starts with: Linux's `tty_std_termios`, with UTF-8 erase.
    pub const fn standard() -> Self {
        Self {
            iflag: f::ICRNL | f::IXON | f::IUTF8,
            oflag: f::OPOST | f::ONLCR,
            cflag: f::B38400 | f::CS8 | f::CREAD | f::HUPCL,
            lflag: f::ISIG
                | f::ICANON
                | f::ECHO
                | f::ECHOE
                | f::ECHOK
                | f::ECHOCTL
                | f::ECHOKE
                | f::IEXTEN,
            line: 0,
            // ^C ^\ DEL ^U ^D, time 0, minimum 1, no switch, ^Q ^S ^Z, no eol, ^R ^O ^W ^V, no eol2
            cc: [
                3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0,
            ],
        }
    }

    /// The control character at `index`, e.g. [`VEOF`](f::VEOF); off when out of range.
    pub fn control(&self, index: usize) -> u8 {
        self.cc.get(index).copied().unwrap_or(f::VDISABLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_begin_at_17() {
        let modes = Termios::standard();
        let bytes = modes.to_bytes();
        assert_eq!(bytes[..4], 0o42_400_u32.to_le_bytes());
        assert_eq!(
            (bytes[17], bytes[17 + f::VSUSP], bytes[17 + f::VMIN]),
            (3, 26, 1)
        );
        assert_eq!(Termios::from_bytes(&bytes), modes);
        assert_eq!(modes.control(f::VWERASE), 23);
        assert_eq!(modes.control(99), 0);
        let modes2 = Termios2 {
            base: modes,
            ispeed: 9600,
            ospeed: 38400,
        };
        assert_eq!(modes2.to_bytes()[36..40], 9600_u32.to_le_bytes());
        assert_eq!(Termios2::from_bytes(&modes2.to_bytes()), modes2);
    }

    #[test]
    fn window_is_rows_first() {
        let size = WinSize {
            rows: 24,
            cols: 80,
            xpixel: 1,
            ypixel: 2,
        };
        assert_eq!(size.to_bytes(), [24, 0, 80, 0, 1, 0, 2, 0]);
        assert_eq!(WinSize::from_bytes(&size.to_bytes()), size);
    }
}
