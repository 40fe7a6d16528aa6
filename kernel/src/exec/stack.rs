//! The initial stack image: what lies above the stack pointer when `_start` is called.
//!
//! ```text
//! low   argc | argv[0] .. argv[argc-1] | 0 | envp[0] .. | 0 | auxv pairs .. | AT_NULL 0
//!       16 random bytes | argv strings | envp strings | path of the program      high
//! ```
//! All words have 4 bytes; the address of `argc` is 16-byte aligned. References: the System V
//! ABI's process initialisation, Linux v6.12 `fs/binfmt_elf.c` `create_elf_tables`.

use abi::{Errno, Result};

use super::LoadedProgram;
use crate::kernel::Kernel;
use crate::process::Process;

/// A quarter of the stack may be arguments and environment (execve(2), "Limits").
const STACK_SHARE: u32 = 4;
const PAGE_SIZE: u32 = 4096;
const CLOCK_TICKS_PER_SECOND: u32 = 100;

/// Bytes for the top of the stack, and the first stack pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackImage {
    /// Guest address of `argc`: `_start`'s argument and the first stack pointer.
    pub address: u32,
    /// What lies there, up to the stack's top.
    pub bytes: Vec<u8>,
}

impl StackImage {
    /// The image for `program`; an empty one at 0 when the module has no stack pointer.
    pub(super) fn build(
        kernel: &Kernel,
        program: &LoadedProgram,
        process: &Process,
        path: &[u8],
        argv: &[Vec<u8>],
        envp: &[Vec<u8>],
    ) -> Result<Self> {
        if !program.program.stack.has_pointer {
            // A module that no C compiler made: it has nowhere to put anything.
            return Ok(Self {
                address: 0,
                bytes: Vec::new(),
            });
        }
        let mut random = [0; 16];
        kernel.platform.fill_random(&mut random);
        let ids = process.credentials();
        let auxv = |strings: &Strings| {
            [
                (6, PAGE_SIZE),
                (11, ids.user.real),
                (12, ids.user.effective),
                (13, ids.group.real),
                (14, ids.group.effective),
                (17, CLOCK_TICKS_PER_SECOND),
                (
                    23,
                    u32::from(
                        ids.user.real != ids.user.effective
                            || ids.group.real != ids.group.effective,
                    ),
                ),
                (25, strings.random),
                (31, strings.path),
                (0, 0),
            ]
        };
        layout(program.stack_top(), &random, path, argv, envp, auxv)
    }
}

/// Guest addresses of what the auxiliary vector points to.
struct Strings {
    random: u32,
    path: u32,
}

fn layout<const N: usize>(
    top: u32,
    random: &[u8; 16],
    path: &[u8],
    argv: &[Vec<u8>],
    envp: &[Vec<u8>],
    auxv: impl FnOnce(&Strings) -> [(u32, u32); N],
) -> Result<StackImage> {
    const TOO_BIG: abi::Error =
        Errno::E2BIG.because("arguments and environment take over a quarter of the stack");
    let strings_len: usize = argv
        .iter()
        .chain(envp)
        .map(|string| string.len().saturating_add(1))
        .fold(path.len().saturating_add(17), usize::saturating_add);
    let nr_words = argv
        .len()
        .saturating_add(envp.len())
        .saturating_add(3)
        .saturating_add(N.saturating_mul(2));
    let total = nr_words.saturating_mul(4).saturating_add(strings_len);
    let total = u32::try_from(total).map_err(|_| TOO_BIG)?;
    let limit = top.checked_div(STACK_SHARE).unwrap_or(0);
    if total > limit {
        return Err(TOO_BIG);
    }
    let address = top.saturating_sub(total) & !15;
    let mut next = address.saturating_add(
        u32::try_from(nr_words)
            .map_err(|_| TOO_BIG)?
            .saturating_mul(4),
    );
    let mut strings = Vec::with_capacity(strings_len);
    let mut place = |bytes: &[u8], ended: bool| {
        let at = next;
        strings.extend_from_slice(bytes);
        if ended {
            strings.push(0);
        }
        let len = u32::try_from(bytes.len())
            .unwrap_or(u32::MAX)
            .saturating_add(u32::from(ended));
        next = next.saturating_add(len);
        at
    };
    let random = place(random, false);
    let mut words = vec![u32::try_from(argv.len()).map_err(|_| TOO_BIG)?];
    words.extend(argv.iter().map(|string| place(string, true)));
    words.push(0);
    words.extend(envp.iter().map(|string| place(string, true)));
    words.push(0);
    let path = place(path, true);
    words.extend(
        auxv(&Strings { random, path })
            .into_iter()
            .flat_map(|(key, value)| [key, value]),
    );
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.extend_from_slice(&strings);
    Ok(StackImage { address, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lead_to_their_strings() {
        let argv = [b"ls".to_vec(), b"-l".to_vec()];
        let image = layout(
            0x10000,
            &[7; 16],
            b"/bin/ls",
            &argv,
            &[b"A=b".to_vec()],
            |at| [(25, at.random), (31, at.path), (0, 0)],
        )
        .unwrap();
        assert_eq!(image.address % 16, 0);
        let word = |index: usize| {
            u32::from_le_bytes(image.bytes[index * 4..index * 4 + 4].try_into().unwrap())
        };
        let string = |at: u32| {
            let from = &image.bytes[usize::try_from(at - image.address).unwrap()..];
            from[..from.iter().position(|&b| b == 0).unwrap()].to_vec()
        };
        assert_eq!(word(0), 2);
        assert_eq!(string(word(1)), b"ls");
        assert_eq!(string(word(2)), b"-l");
        assert_eq!(word(3), 0);
        assert_eq!(string(word(4)), b"A=b");
        assert_eq!(word(5), 0);
        assert_eq!((word(6), word(8)), (25, 31));
        assert_eq!(string(word(9)), b"/bin/ls");
        assert!(image.address + u32::try_from(image.bytes.len()).unwrap() <= 0x10000);
    }

    #[test]
    fn arguments_over_a_quarter_of_the_stack_are_refused() {
        let argv = [vec![b'x'; 5000]];
        let failure = layout(0x4000, &[0; 16], b"x", &argv, &[], |_| [(0, 0)]).unwrap_err();
        assert_eq!(failure.errno, Errno::E2BIG);
    }
}
