//! How much to ask for: readers that go forward get what follows before they want it.

/// What a first miss asks for, in bytes, and its alignment.
const FIRST_BYTES: u64 = 32 << 10;
const ALIGN_BYTES: u64 = 4096;
/// The most that is asked for at once.
const MAX_BYTES: u64 = 512 << 10;
/// Readers that are followed at a time.
const MAX_STREAMS: usize = 8;

/// A reader that goes forward: what was asked for last.
#[derive(Clone, Copy)]
struct Stream {
    start: u64,
    end: u64,
}

/// The readers of a disk.
#[derive(Default)]
pub(super) struct ReadAhead {
    /// The latest first.
    streams: Vec<Stream>,
}

impl ReadAhead {
    /// What to ask for when `len` bytes at `offset` are not here: offset and length. Behind what was asked for
    /// last it is twice as much as then.
    pub(super) fn miss(&mut self, offset: u64, len: u64) -> (u64, u64) {
        let start = offset & !(ALIGN_BYTES - 1);
        let known = self
            .streams
            .iter()
            .position(|stream| stream.start < start && start <= stream.end);
        let window = match known.map(|at| self.streams.remove(at)) {
            Some(stream) => stream.end.saturating_sub(stream.start).saturating_mul(2),
            None => FIRST_BYTES,
        };
        let wanted = offset.saturating_add(len).saturating_sub(start);
        let count = window.min(MAX_BYTES).max(wanted);
        self.follow(start, start.saturating_add(count));
        (start, count)
    }

    /// What to ask for now that `len` bytes at `offset`, which are here, were read: a reader in the second half
    /// of what was asked for last, and not only once, wants what follows.
    pub(super) fn advance(&mut self, offset: u64, len: u64) -> Option<(u64, u64)> {
        let end = offset.saturating_add(len);
        let at = self.streams.iter().position(|stream| {
            let half = stream.end.saturating_sub(stream.start) / 2;
            offset < stream.end
                && stream.start.saturating_add(half) < end
                && half.saturating_mul(2) > FIRST_BYTES
        })?;
        let stream = self.streams.remove(at);
        let window = stream.end.saturating_sub(stream.start).saturating_mul(2);
        let count = window.min(MAX_BYTES);
        self.follow(stream.end, stream.end.saturating_add(count));
        Some((stream.end, count))
    }

    /// Nothing came from `start` on: whoever asks again begins anew.
    pub(super) fn forget(&mut self, start: u64) {
        self.streams.retain(|stream| stream.start != start);
    }

    fn follow(&mut self, start: u64, end: u64) {
        self.streams.truncate(MAX_STREAMS - 1);
        self.streams.insert(0, Stream { start, end });
    }
}
