//! [`Disk`]: an image and its changes, asked by requests with numbers.

use core::fmt;

use fs_block::remote::{Change, Row};
use fs_block::{BlockDevice, BlockError};
use fs_image::{Answer, HotList, RequestId};
use fs_overlay::{Identity, OpenError, Options, Overlay, Store};

use crate::base::Base;
use crate::far::{Far, Fetch, Outcome};
use crate::status::Status;

/// The most bytes of the image that are kept in the log, so that the next boot has them.
const KEEP_BYTES: u64 = 64 << 20;

/// What was fetched gets to the medium so long after it came, unless a flush takes it along: soon, for a page that is
/// loaded again; not at once, as more is coming.
const KEEP_AFTER_NS: u64 = 250_000_000;

/// The time between two such writes: each has the whole index.
const KEEP_PERIOD_NS: u64 = 1_000_000_000;

/// Room for freeing when the storage turned out to be full.
const RESERVE_BYTES: u64 = 16 << 20;

/// Waits for the image's first bytes have this number; requests have higher ones.
const OPENING: u64 = 0;

/// Where changes are kept.
#[derive(Clone, Debug)]
pub struct Layout<S> {
    /// The two stores. Clones are the same stores.
    pub stores: [S; 2],
    /// The most bytes that changes may take.
    pub limit_bytes: Option<u64>,
    /// Whether the stores outlive the pod: then fetched bytes are kept there too.
    pub is_lasting: bool,
}

/// A disk that is being opened.
#[derive(Debug)]
pub struct Opening<S> {
    base: Base,
    far: Option<Far>,
    tag: Vec<u8>,
    layout: Layout<S>,
    /// Bytes that have come, and where they belong: there is no overlay yet that could keep them.
    arrived: Vec<(u64, Vec<u8>)>,
}

/// An image with its changes.
pub struct Disk<S> {
    pub(crate) overlay: Overlay<Base, S>,
    pub(crate) base: Base,
    pub(crate) layout: Layout<S>,
    pub(crate) identity: Identity,
    pub(crate) options: Options,
    far: Option<Far>,
    /// A change that could not go on: its number, and how many of its rows are made.
    stopped: (u64, usize),
    /// Whether something was changed since the last flush.
    pub(crate) is_dirty: bool,
    /// When fetched bytes were put into the log that are not on the medium.
    kept_ns: Option<u64>,
    /// When fetched bytes were brought to the medium last.
    settled_ns: Option<u64>,
    /// Bytes that the log had when the storage took no more.
    ceiling_bytes: Option<u64>,
}

impl<S: Store + Clone> Opening<S> {
    /// Opens `base`; `tag` tells it from other images of its length, `far` fetches what is missing.
    pub const fn new(base: Base, far: Option<Far>, tag: Vec<u8>, layout: Layout<S>) -> Self {
        Self {
            base,
            far,
            tag,
            layout,
            arrived: Vec::new(),
        }
    }

    /// These first bytes of the image came while its name was asked for.
    pub fn note_head(&mut self, head: Vec<u8>) {
        self.arrived.push((0, head));
    }

    /// Takes the answer to a request.
    pub fn answer(&mut self, id: RequestId, answer: Answer, body: &[u8], now_ns: u64) -> Outcome {
        let Some(far) = self.far.as_mut() else {
            return Outcome::Nothing;
        };
        let outcome = far.answer(id, answer, body, now_ns);
        if let Outcome::Arrived(offset, bytes) = &outcome {
            self.arrived.push((*offset, bytes.clone()));
        }
        outcome
    }

    /// Opens it at `now_ns`. After `Pending` it is to be called again.
    ///
    /// # Errors
    /// The status, and a text for people.
    pub fn open(&mut self, now_ns: u64) -> Result<Disk<S>, (Status, String)> {
        let failed = |error: OpenError| (Status::from(&error), error.to_string());
        let options = self.options().map_err(|status| {
            let text = "the beginning of the image cannot be read";
            (status, text.to_owned())
        })?;
        let identity = Identity::new(self.base.len_bytes(), &self.tag)
            .ok_or_else(|| (Status::Invalid, "the image's tag is too long".to_owned()))?;
        let stores = self.layout.stores.clone();
        let overlay =
            Overlay::open(self.base.clone(), identity.clone(), stores, options).map_err(failed)?;
        let mut disk = Disk {
            overlay,
            base: self.base.clone(),
            layout: self.layout.clone(),
            identity,
            options,
            far: self.far.take(),
            stopped: (0, 0),
            is_dirty: false,
            kept_ns: None,
            settled_ns: None,
            ceiling_bytes: None,
        };
        for (offset, bytes) in core::mem::take(&mut self.arrived) {
            disk.keep(offset, &bytes, now_ns);
        }
        let hot = disk.far.as_ref().map(Far::hot_chunks).unwrap_or_default();
        let hot = hot.into_iter().map(|range| {
            let len = range.end.saturating_sub(range.start);
            (range.start, len)
        });
        disk.prefetch(hot.collect());
        Ok(disk)
    }

    /// What to fetch, while it is being opened.
    pub const fn far(&mut self) -> Option<&mut Far> {
        self.far.as_mut()
    }

    fn options(&mut self) -> Result<Options, Status> {
        let limit_bytes = self.layout.limit_bytes.unwrap_or(1 << 40);
        let keep_bytes = if self.layout.is_lasting {
            KEEP_BYTES.min(limit_bytes / 4)
        } else {
            0
        };
        let is_new = self
            .layout
            .stores
            .iter()
            .all(|store| store.len_bytes() == 0);
        let block_size = if is_new { self.block_size()? } else { 4096 };
        Ok(Options {
            block_size,
            limit_bytes,
            keep_bytes,
        })
    }

    /// The block size of the file system, as its superblock says; any is right.
    fn block_size(&mut self) -> Result<u32, Status> {
        let mut superblock = [0; 512];
        let result = match self.base.read(1024, &mut superblock) {
            // Shorter than any file system.
            Err(BlockError::OutOfRange) => return Ok(4096),
            result => result,
        };
        settled(&self.base, self.far.as_mut(), OPENING, result)?;
        let [magic_low, magic_high] = [superblock.get(56), superblock.get(57)];
        let is_ext2 = magic_low == Some(&0x53) && magic_high == Some(&0xef);
        let shift = superblock.get(24).copied().map_or(0, u32::from);
        Ok(match shift {
            0..=6 if is_ext2 => 1024 << shift,
            _ => 4096,
        })
    }
}

/// What the answer to a read means; whoever misses bytes that are far away waits for them.
fn settled(
    base: &Base,
    far: Option<&mut Far>,
    sequence: u64,
    result: Result<(), BlockError>,
) -> Result<(), Status> {
    let missed = base.take_missed();
    match (result, far) {
        (Err(BlockError::NotResident(_)), Some(far)) if !missed.is_empty() => {
            far.wait(sequence, missed)?;
            Err(Status::Pending)
        }
        (result, far) => {
            if let Some(far) = far {
                far.end_wait(sequence);
            }
            result.map_err(Status::from)
        }
    }
}

impl<S: Store + Clone> Disk<S> {
    /// Bytes of the disk.
    pub fn len_bytes(&self) -> u64 {
        self.base.len_bytes()
    }

    /// Fills `buf` with the bytes from `offset` on, for request `sequence`.
    ///
    /// # Errors
    /// `Pending`: ask again when something has arrived. `Io`, `Invalid`.
    pub fn read(&mut self, sequence: u64, offset: u64, buf: &mut [u8]) -> Result<(), Status> {
        let result = self.overlay.read(offset, buf);
        settled(&self.base, self.far.as_mut(), sequence, result)
    }

    /// Makes the changes of a table of `nr_rows` in `bytes`, for request `sequence`.
    ///
    /// # Errors
    /// `Pending`: ask again with the same bytes. `Invalid` when the table makes no sense, and nothing was changed.
    /// `Io`, `Full`: the rows before the one that failed are made.
    pub fn change(&mut self, sequence: u64, nr_rows: usize, bytes: &[u8]) -> Result<(), Status> {
        let change = Change::parse(nr_rows, bytes).ok_or(Status::Invalid)?;
        let fits = |offset: u64, len: u64| {
            let end = offset.checked_add(len);
            end.is_some_and(|end| end <= self.base.len_bytes())
        };
        let is_on_disk = |row: Row<'_>| match row {
            Row::Write(offset, bytes) => {
                fits(offset, u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Row::Discard(offset, len) => fits(offset, len),
        };
        if !change.rows().all(is_on_disk) {
            return Err(Status::Invalid);
        }
        let done = match self.stopped {
            (stopped, done) if stopped == sequence => done,
            _ => 0,
        };
        for (number, row) in change.rows().enumerate().skip(done) {
            self.is_dirty = true;
            let result = match row {
                Row::Write(offset, bytes) => self.overlay.write(offset, bytes),
                Row::Discard(offset, len) => {
                    self.overlay.discard(offset, len);
                    Ok(())
                }
            };
            let result = settled(&self.base, self.far.as_mut(), sequence, result);
            if let Err(status) = result {
                self.stopped = (sequence, number);
                return Err(self.noted(status));
            }
        }
        Ok(())
    }

    /// Ends a transaction: all changes before it are on the medium.
    ///
    /// # Errors
    /// `Pending`: ask again. `Io`, `Full`.
    pub fn flush(&mut self) -> Result<(), Status> {
        self.overlay
            .flush()
            .map_err(|error| self.noted(error.into()))?;
        self.is_dirty = false;
        self.kept_ns = None;
        Ok(())
    }

    /// Whether new data had better be refused.
    pub fn is_full(&self) -> bool {
        let statistics = self.overlay.statistics();
        let used = statistics
            .log_bytes
            .saturating_sub(statistics.garbage_bytes);
        self.overlay.is_full()
            || self.ceiling_bytes.is_some_and(|ceiling| {
                ceiling.saturating_sub(used) < (ceiling / 4).min(RESERVE_BYTES)
            })
    }

    /// The storage took no more, as far as the host knows: from now on the disk is full at what it has.
    pub fn note_full(&mut self) {
        let log_bytes = self.overlay.statistics().log_bytes;
        self.ceiling_bytes = Some(self.ceiling_bytes.unwrap_or(u64::MAX).min(log_bytes));
    }

    fn noted(&mut self, status: Status) -> Status {
        if status == Status::Full {
            self.note_full();
        }
        status
    }

    /// These ranges, start and length, are read soon.
    pub fn prefetch(&mut self, ranges: Vec<(u64, u64)>) {
        let Some(far) = self.far.as_mut() else {
            return;
        };
        let overlay = &self.overlay;
        let missing = ranges.into_iter().flat_map(|(start, len)| {
            let parts = overlay.only_in_base(start..start.saturating_add(len));
            let parts = parts.into_iter();
            parts.map(|part| (part.start, part.end.saturating_sub(part.start)))
        });
        far.prefetch(&HotList::new(missing.collect()));
    }

    /// The next request to send now. Call until there is none.
    pub fn next(&mut self, now_ns: u64) -> Option<Fetch> {
        self.far.as_mut()?.next(now_ns)
    }

    /// What is far away, if anything is.
    pub const fn far(&mut self) -> Option<&mut Far> {
        self.far.as_mut()
    }

    /// Takes the answer to a request.
    pub fn answer(&mut self, id: RequestId, answer: Answer, body: &[u8], now_ns: u64) -> Outcome {
        let Some(far) = self.far.as_mut() else {
            return Outcome::Nothing;
        };
        let outcome = far.answer(id, answer, body, now_ns);
        if let Outcome::Arrived(offset, bytes) = &outcome {
            self.keep(*offset, bytes, now_ns);
        }
        outcome
    }

    /// Keeps fetched bytes for the next boot. Where they do not fit or that fails, they are fetched again another day.
    fn keep(&mut self, offset: u64, bytes: &[u8], now_ns: u64) {
        if self.layout.is_lasting && !self.is_full() && self.overlay.keep(offset, bytes).is_ok() {
            self.kept_ns.get_or_insert(now_ns);
        }
    }

    /// When fetched bytes are to be brought to the medium. While there are changes, their flush does it.
    fn settle_ns(&self) -> Option<u64> {
        let kept = self.kept_ns.filter(|_| !self.is_dirty)?;
        let next = |last: u64| last.saturating_add(KEEP_PERIOD_NS);
        let earliest = self.settled_ns.map_or(0, next);
        Some(kept.saturating_add(KEEP_AFTER_NS).max(earliest))
    }

    /// When to call [`Self::tick`] and [`Self::next`] again if nothing else happens.
    pub fn wake_ns(&self) -> Option<u64> {
        let far = self.far.as_ref().and_then(Far::wake_ns);
        self.settle_ns().into_iter().chain(far).min()
    }

    /// Brings fetched bytes to the medium when it is time; whether it was.
    pub fn tick(&mut self, now_ns: u64) -> bool {
        let is_time = self.settle_ns().is_some_and(|time| time <= now_ns);
        if is_time {
            self.settled_ns = Some(now_ns);
            self.settle_kept();
        }
        is_time
    }

    /// Brings fetched bytes to the medium now.
    pub fn settle_kept(&mut self) {
        if self.kept_ns.take().is_some() && !self.is_dirty {
            // It is a copy: nothing is lost where that fails.
            let _ = self.overlay.checkpoint();
        }
    }
}

impl<S> fmt::Debug for Disk<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("overlay", &self.overlay)
            .finish_non_exhaustive()
    }
}
