//! `/dev/full` (full(4)): reads give zero bytes, writes find no space.

use abi::Errno;
use fs::io::{Sink, Source, Try};
use fs::vfs::file::FileOps;

use super::zero::put_zeros;

/// The device.
#[derive(Debug)]
pub struct Full;

impl FileOps for Full {
    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        put_zeros(sink)
    }

    fn try_write(&self, _source: &mut dyn Source) -> Try<usize> {
        Err(Errno::ENOSPC.into())
    }

    fn is_pollable(&self) -> bool {
        false
    }

    fn is_stream(&self) -> bool {
        false
    }
}
