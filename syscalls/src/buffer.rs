//! Guest buffers as sinks and sources: one, or a list of `struct iovec`.

use std::sync::Arc;

use abi::limits::{IOV_MAX, MAX_RW_COUNT};
use abi::types::UserAddr;
use abi::{Errno, Result};
use fs::io::{Sink, Source};
use kernel::platform::UserMemory;

use crate::context::{Cx, not_null};

/// A stretch of guest memory.
#[derive(Clone, Copy, Debug)]
struct Segment {
    address: u32,
    len: usize,
}

/// A list of guest buffers, filled or emptied in order.
#[derive(Clone, Debug)]
pub(crate) struct UserBuffer {
    memory: Arc<dyn UserMemory>,
    first: Segment,
    /// Those behind the first, last one first.
    rest: Vec<Segment>,
    remaining: usize,
}

impl UserBuffer {
    /// The `count` bytes at `address`.
    pub(crate) fn new(cx: Cx<'_>, address: UserAddr, count: usize) -> Self {
        let len = count.min(MAX_RW_COUNT);
        Self {
            memory: Arc::clone(cx.memory()),
            first: Segment {
                address: address.0,
                len,
            },
            rest: Vec::new(),
            remaining: len,
        }
    }

    /// The buffers of `nr` `struct iovec` at `address`.
    ///
    /// # Errors
    /// `EINVAL` for over 1024 or a negative length, `EFAULT`.
    pub(crate) fn from_iovec(cx: Cx<'_>, address: UserAddr, nr: u32) -> Result<Self> {
        if nr > IOV_MAX {
            return Err(Errno::EINVAL.because("over 1024 buffers"));
        }
        let mut segments = Vec::new();
        let mut remaining = 0_usize;
        for index in 0..nr {
            let bytes: [u8; 8] = cx.copy_in(address.offset(index.saturating_mul(8))?)?;
            let [a0, a1, a2, a3, l0, l1, l2, l3] = bytes;
            let len = u32::from_le_bytes([l0, l1, l2, l3]);
            if len.cast_signed() < 0 {
                return Err(Errno::EINVAL.because("a buffer of negative length"));
            }
            let len = usize::try_from(len)
                .map_err(|_| Errno::EINVAL)?
                .min(MAX_RW_COUNT.saturating_sub(remaining));
            remaining = remaining.saturating_add(len);
            if len > 0 {
                segments.push(Segment {
                    address: u32::from_le_bytes([a0, a1, a2, a3]),
                    len,
                });
            }
        }
        segments.reverse();
        let first = segments.pop().unwrap_or(Segment { address: 0, len: 0 });
        Ok(Self {
            memory: Arc::clone(cx.memory()),
            first,
            rest: segments,
            remaining,
        })
    }

    /// Takes the end away, so that `max` bytes remain at most.
    pub(crate) fn cut(&mut self, max: u64) {
        self.remaining = self
            .remaining
            .min(usize::try_from(max).unwrap_or(usize::MAX));
    }

    /// Takes away what lies behind the first byte that is not there: calls on regular files move
    /// the bytes before it, and fail with `EFAULT` only when there are none.
    pub(crate) fn cut_at_fault(&mut self) {
        let end = u64::from(self.memory.size_pages()) << 16;
        let mut sound = 0_u64;
        for segment in std::iter::once(&self.first).chain(self.rest.iter().rev()) {
            let room = match segment.address {
                0 => 0,
                address => end.saturating_sub(u64::from(address)),
            };
            let len = u64::try_from(segment.len).unwrap_or(u64::MAX);
            sound = sound.saturating_add(len.min(room));
            if room < len {
                break;
            }
        }
        if sound > 0 {
            self.cut(sound);
        }
    }

    /// Calls `move_part` with (address, offset into the bytes, length) until `len` are done.
    fn advance(
        &mut self,
        len: usize,
        mut move_part: impl FnMut(&dyn UserMemory, u32, std::ops::Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let mut done = 0;
        while done < len {
            if self.first.len == 0 {
                self.first = self.rest.pop().ok_or(Errno::EFAULT)?;
            }
            not_null(UserAddr(self.first.address))?;
            let part = self.first.len.min(len.saturating_sub(done));
            let end = done.saturating_add(part);
            move_part(&*self.memory, self.first.address, done..end)?;
            self.first.address = self
                .first
                .address
                .wrapping_add(u32::try_from(part).map_err(|_| Errno::EFAULT)?);
            self.first.len = self.first.len.saturating_sub(part);
            self.remaining = self.remaining.saturating_sub(part);
            done = end;
        }
        Ok(())
    }
}

impl Sink for UserBuffer {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.advance(bytes.len(), |memory, address, range| {
            memory.copy_out(address, bytes.get(range).ok_or(Errno::EFAULT)?)
        })
    }
}

impl Source for UserBuffer {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.advance(bytes.len(), |memory, address, range| {
            memory.copy_in(address, bytes.get_mut(range).ok_or(Errno::EFAULT)?)
        })
    }
}
