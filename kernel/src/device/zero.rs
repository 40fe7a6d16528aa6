//! `/dev/zero` (zero(4)): reads give zero bytes, writes vanish.

use fs::io::{Sink, Source, Try};
use fs::vfs::file::FileOps;

/// The device.
#[derive(Debug)]
pub struct Zero;

static ZEROS: [u8; 4096] = [0; 4096];

/// Fills all of `sink` with zeros.
pub(super) fn put_zeros(sink: &mut dyn Sink) -> Try<usize> {
    let wanted = sink.remaining();
    let mut left = wanted;
    while left > 0 {
        let piece = ZEROS.get(..left).unwrap_or(&ZEROS);
        if let Err(error) = sink.put(piece) {
            let moved = wanted.saturating_sub(left);
            return if moved > 0 {
                Ok(moved)
            } else {
                Err(error.into())
            };
        }
        left = left.saturating_sub(piece.len());
    }
    Ok(wanted)
}

impl FileOps for Zero {
    fn try_read(&self, sink: &mut dyn Sink) -> Try<usize> {
        put_zeros(sink)
    }

    fn try_write(&self, source: &mut dyn Source) -> Try<usize> {
        Ok(source.remaining())
    }

    fn is_pollable(&self) -> bool {
        false
    }

    fn is_stream(&self) -> bool {
        false
    }
}
