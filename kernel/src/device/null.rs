//! `/dev/null` (null(4)): reads are at the end of the file, writes vanish.

use fs::io::{Sink, Source, Try};
use fs::vfs::file::FileOps;

/// The device.
#[derive(Debug)]
pub struct Null;

impl FileOps for Null {
    fn try_read(&self, _sink: &mut dyn Sink) -> Try<usize> {
        Ok(0)
    }

    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        // As Linux's write_null, it does not even look at the bytes.
        Ok(source.remaining())
    }

    fn is_pollable(&self) -> bool {
        false
    }

    fn is_stream(&self) -> bool {
        false
    }
}
