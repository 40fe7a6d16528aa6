//! A disk that fails on purpose: for tests of what happens then.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{BlockDevice, BlockError};

/// What goes wrong, and when. Reads and writes are counted from 0, separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The read with this number fails with `Io`.
    FailRead(u64),
    /// The read with this number is `NotResident`; the next try of the same finds its bytes.
    DelayRead(u64),
    /// Every n-th read is `NotResident` once.
    DelayEveryRead(u64),
    /// The write with this number fails with `Io`; nothing reaches the disk.
    FailWrite(u64),
    /// From the write with this number on, all writes fail with `Io`.
    FailWritesFrom(u64),
    /// The device takes no more writes.
    RefuseWrites,
    /// The write with this number stores only its first half, then fails with `Io`.
    TearWrite(u64),
    /// From the write with this number on, all writes are lost, but reported as done: a power cut.
    LoseWritesFrom(u64),
}

/// A disk with faults in front of it.
#[derive(Debug)]
pub struct FaultDisk<D> {
    inner: D,
    faults: Vec<Fault>,
    nr_reads: AtomicU64,
    nr_writes: u64,
}

impl<D: BlockDevice> FaultDisk<D> {
    /// Puts `faults` in front of `inner`.
    pub const fn new(inner: D, faults: Vec<Fault>) -> Self {
        Self {
            inner,
            faults,
            nr_reads: AtomicU64::new(0),
            nr_writes: 0,
        }
    }

    /// Replaces the faults; counting goes on.
    pub fn set_faults(&mut self, faults: Vec<Fault>) {
        self.faults = faults;
    }

    /// Reads so far.
    pub fn nr_reads(&self) -> u64 {
        self.nr_reads.load(Ordering::Relaxed)
    }

    /// Writes so far.
    pub const fn nr_writes(&self) -> u64 {
        self.nr_writes
    }

    /// The disk behind the faults.
    pub fn into_inner(self) -> D {
        self.inner
    }
}

impl<D: BlockDevice> BlockDevice for FaultDisk<D> {
    fn len_bytes(&self) -> u64 {
        self.inner.len_bytes()
    }

    fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        let number = self.nr_reads.fetch_add(1, Ordering::Relaxed);
        for fault in &self.faults {
            match *fault {
                Fault::FailRead(n) if n == number => return Err(BlockError::Io),
                Fault::DelayRead(n) if n == number => return Err(BlockError::NotResident(offset)),
                Fault::DelayEveryRead(n) if number.checked_rem(n) == Some(0) => {
                    return Err(BlockError::NotResident(offset));
                }
                _ => {}
            }
        }
        self.inner.read(offset, buf)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BlockError> {
        let number = self.nr_writes;
        self.nr_writes = number.saturating_add(1);
        for fault in &self.faults {
            match *fault {
                Fault::FailWrite(n) if n == number => return Err(BlockError::Io),
                Fault::FailWritesFrom(n) if n <= number => return Err(BlockError::Io),
                Fault::RefuseWrites => return Err(BlockError::ReadOnly),
                Fault::TearWrite(n) if n == number => {
                    self.inner
                        .write(offset, bytes.get(..bytes.len() / 2).unwrap_or_default())?;
                    return Err(BlockError::Io);
                }
                Fault::LoseWritesFrom(n) if n <= number => return Ok(()),
                _ => {}
            }
        }
        self.inner.write(offset, bytes)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.inner.flush()
    }

    fn is_read_only(&self) -> bool {
        self.faults.contains(&Fault::RefuseWrites) || self.inner.is_read_only()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemDisk;

    #[test]
    fn chosen_reads_and_writes_go_wrong() {
        let faults = vec![
            Fault::DelayRead(1),
            Fault::TearWrite(0),
            Fault::LoseWritesFrom(2),
        ];
        let mut disk = FaultDisk::new(MemDisk::zeroed(4096), faults);
        let mut buf = [0; 4];
        assert_eq!(disk.write(0, &[1, 1, 1, 1]), Err(BlockError::Io));
        disk.read(0, &mut buf).unwrap();
        assert_eq!(buf, [1, 1, 0, 0]);
        assert_eq!(disk.read(512, &mut buf), Err(BlockError::NotResident(512)));
        assert_eq!(disk.write(0, &[2, 2, 2, 2]), Ok(()));
        assert_eq!(disk.write(0, &[3, 3, 3, 3]), Ok(()));
        disk.read(0, &mut buf).unwrap();
        assert_eq!(buf, [2, 2, 2, 2]);
    }
}
