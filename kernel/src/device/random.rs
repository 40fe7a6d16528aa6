//! `/dev/random` and `/dev/urandom` (random(4)): random bytes from the host; never waits.

use std::fmt;

use abi::{Errno, Result};
use fs::io::{Sink, Source, Try};
use fs::vfs::file::{FileOps, GuestMemory};

use super::RandomSource;

/// `ioctl`: bits of entropy.
const RNDGETENTCNT: u32 = 0x8004_5200;
/// What Linux always answers since 5.18.
const POOL_BITS: i32 = 256;
/// Bytes made at a time.
const CHUNK: usize = 256;

/// The device.
pub struct Random {
    source: RandomSource,
}

impl Random {
    /// The device over `source`.
    pub const fn new(source: RandomSource) -> Self {
        Self { source }
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

impl FileOps for Random {
    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        let mut moved = 0_usize;
        let mut chunk = [0; CHUNK];
        loop {
            let wanted = sink.remaining().min(CHUNK);
            let Some(bytes) = chunk.get_mut(..wanted).filter(|bytes| !bytes.is_empty()) else {
                return Ok(moved);
            };
            (self.source)(bytes);
            if let Err(error) = sink.put(bytes) {
                return if moved > 0 {
                    Ok(moved)
                } else {
                    Err(error.into())
                };
            }
            moved = moved.saturating_add(wanted);
        }
    }

    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        // The host's generator needs no help.
        Ok(source.remaining())
    }

    fn ioctl(&self, request: u32, argument: u32, memory: &dyn GuestMemory) -> Result<i32> {
        if request != RNDGETENTCNT {
            return Err(Errno::ENOTTY.into());
        }
        memory.copy_out(argument, &POOL_BITS.to_le_bytes())?;
        Ok(0)
    }

    fn is_stream(&self) -> bool {
        false
    }
}
