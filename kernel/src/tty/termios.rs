//! Terminal settings: `struct termios` of the kernel (`asm-generic/termbits.h`), flags and codec.

use std::fmt;

use abi::flags::{
    B0, B38400, BOTHER, CBAUD, CREAD, CS8, ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ICANON, ICRNL,
    IEXTEN, ISIG, IUTF8, IXON, NCCS, ONLCR, OPOST, VDISABLE, VSTART, VSTOP,
};
use abi::{Errno, Result};

/// Control: 8 bits, receiver on, 38400 baud: what a Linux pseudo-terminal has.
const DEFAULT_CFLAG: u32 = CS8 | CREAD | B38400;
/// Where `c_cflag` has the code of the input speed, if it is another than the output's.
const IBSHIFT: u32 = 16;

/// The settings of a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Termios {
    /// Input modes.
    pub iflag: u32,
    /// Output modes.
    pub oflag: u32,
    /// Control modes: kept for the guest, without effect.
    pub cflag: u32,
    /// Local modes.
    pub lflag: u32,
    /// Line discipline number: kept, without effect.
    pub line: u8,
    /// Special characters.
    pub cc: [u8; NCCS],
    /// Speeds in baud, without effect.
    pub ispeed: u32,
    /// See `ispeed`.
    pub ospeed: u32,
}

impl Termios {
    /// Bytes of `struct termios`.
    pub const SIZE: usize = 36;
    /// Bytes of `struct termios2`.
    pub const SIZE2: usize = 44;

    /// What Linux gives a new terminal (`tty_std_termios`), with `IUTF8`.
    pub const fn new() -> Self {
        let mut cc = [0; NCCS];
        // In the order of their positions; `VTIME` 0, `VMIN` 1.
        let defaults = *b"\x03\x1c\x7f\x15\x04\x00\x01\x00\x11\x13\x1a\x00\x12\x0f\x17\x16";
        cc.split_at_mut(defaults.len()).0.copy_from_slice(&defaults);
        Self {
            iflag: ICRNL | IXON | IUTF8,
            oflag: OPOST | ONLCR,
            cflag: DEFAULT_CFLAG,
            lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
            line: 0,
            cc,
            ispeed: 38_400,
            ospeed: 38_400,
        }
    }

    /// Whether an input mode is on.
    pub const fn has_input(&self, flag: u32) -> bool {
        self.iflag & flag != 0
    }

    /// Whether an output mode is on.
    pub const fn has_output(&self, flag: u32) -> bool {
        self.oflag & flag != 0
    }

    /// Whether a local mode is on.
    pub const fn has_local(&self, flag: u32) -> bool {
        self.lflag & flag != 0
    }

    /// Whether `^S` and `^Q` stop output and let it go on: packet mode tells when that changes.
    pub(super) fn has_usual_flow_keys(&self) -> bool {
        self.has_input(IXON) && self.cc(VSTOP) == 0x13 && self.cc(VSTART) == 0x11
    }

    /// A special character by its position, e.g. `VINTR`.
    pub fn cc(&self, which: usize) -> u8 {
        self.cc.get(which).copied().unwrap_or(VDISABLE)
    }

    /// Whether `byte` is the special character `which`, which is on.
    pub fn is_cc(&self, which: usize, byte: u8) -> bool {
        byte != VDISABLE && self.cc(which) == byte
    }

    /// `struct termios2`, of which the first [`Termios::SIZE`] bytes are `struct termios`.
    pub fn to_bytes(self) -> [u8; Self::SIZE2] {
        let words = [self.iflag, self.oflag, self.cflag, self.lflag];
        let mut bytes = words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<u8>>();
        bytes.push(self.line);
        bytes.extend_from_slice(&self.cc);
        bytes.extend_from_slice(&self.ispeed.to_le_bytes());
        bytes.extend_from_slice(&self.ospeed.to_le_bytes());
        bytes.try_into().unwrap_or([0; Self::SIZE2])
    }

    /// Reads `struct termios` or `struct termios2` over `self`; what the shorter one lacks stays.
    ///
    /// # Errors
    /// `EINVAL` for any other length.
    pub fn updated_from(mut self, bytes: &[u8]) -> Result<Self> {
        let mut words = bytes.chunks_exact(4).map(|word| match *word {
            [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
            _ => 0,
        });
        let mut next = || words.next().ok_or(Errno::EINVAL);
        (self.iflag, self.oflag, self.cflag, self.lflag) = (next()?, next()?, next()?, next()?);
        self.line = *bytes.get(16).ok_or(Errno::EINVAL)?;
        self.cc
            .copy_from_slice(bytes.get(17..36).ok_or(Errno::EINVAL)?);
        if bytes.len() == Self::SIZE2 {
            let mut speeds = words.skip(5);
            self.ispeed = speeds.next().ok_or(Errno::EINVAL)?;
            self.ospeed = speeds.next().ok_or(Errno::EINVAL)?;
        }
        let output = self.cflag & CBAUD;
        self.ospeed = speed(output, self.ospeed);
        self.ispeed = match (self.cflag >> IBSHIFT) & CBAUD {
            B0 => self.ospeed,
            input => speed(input, self.ispeed),
        };
        Ok(self)
    }
}

/// Baud of the codes `B0` to `B38400`, and of `B57600` to `B4000000`, which have `CBAUDEX`.
const SPEEDS: [u32; 31] = [
    0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19_200, 38_400, 57_600,
    115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000, 1_500_000,
    2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000,
];

/// The speed that a code of `c_cflag` stands for; `BOTHER`: the `given` one.
fn speed(code: u32, given: u32) -> u32 {
    if code == BOTHER {
        return given;
    }
    let index = if code & BOTHER == 0 {
        code
    } else {
        (code & !BOTHER).saturating_add(B38400)
    };
    let known = usize::try_from(index)
        .ok()
        .and_then(|index| SPEEDS.get(index));
    known.copied().unwrap_or(0)
}

impl Default for Termios {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Termios {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Termios")
            .field("iflag", &format_args!("{:#o}", self.iflag))
            .field("oflag", &format_args!("{:#o}", self.oflag))
            .field("cflag", &format_args!("{:#o}", self.cflag))
            .field("lflag", &format_args!("{:#o}", self.lflag))
            .field("cc", &self.cc)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use abi::flags::{B9600, B115200, VINTR, VLNEXT, VMIN};

    use super::*;

    #[test]
    fn codec_keeps_every_field() {
        let mut termios = Termios::new();
        (termios.ispeed, termios.ospeed, termios.line) = (9600, 12_345, 7);
        termios.cflag = termios.cflag & !CBAUD | BOTHER | BOTHER << IBSHIFT;
        termios.cc[18] = 9;
        let bytes = termios.to_bytes();
        assert_eq!(Termios::new().updated_from(&bytes), Ok(termios));
        let short = Termios::new()
            .updated_from(&bytes[..Termios::SIZE])
            .unwrap();
        assert_eq!(
            short,
            Termios {
                ispeed: 38_400,
                ospeed: 38_400,
                ..termios
            }
        );
        termios.cflag = B9600 | B115200 << IBSHIFT;
        let known = Termios::new().updated_from(&termios.to_bytes()).unwrap();
        assert_eq!((known.ispeed, known.ospeed), (115_200, 9600));
        assert!(Termios::new().updated_from(&bytes[..20]).is_err());
    }

    #[test]
    fn special_character_zero_is_off() {
        let mut termios = Termios::new();
        assert!(termios.is_cc(VINTR, 3));
        termios.cc[0] = VDISABLE;
        assert!(!termios.is_cc(VINTR, 0));
        assert_eq!(termios.cc(VLNEXT), 0x16);
        assert_eq!(termios.cc(VMIN), 1);
    }
}
