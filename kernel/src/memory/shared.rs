//! Shared mappings: memory that processes have in common with a file and with each other.
//!
//! Each process has a linear memory of its own, so what is shared is a copy in each of them, and the
//! file's contents are what they agree on. A process gives away what it has changed, and takes over
//! what others have, when it makes a call at which processes can meet (ADR 0021). What it has
//! changed it finds by comparing with a *twin*, the contents as both sides last had them: only
//! bytes that differ are written, so that neighbours in one page do not undo each other.
//!
//! ```text
//!  memory of A ── differs from A's twin? ──> file ── version is new? ──> memory of B, B's twin
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use abi::{Errno, Result};
use executor::sorted::SortedMap;
use fs::io::{NOT_RESIDENT, VecSink};
use fs::memfd::MemFile;
use fs::vfs::flush::Flush;
use fs::vfs::inode::{Inode, Timestamp};
use fs::vfs::mount::Writer;

use super::{AddressSpace, Budget, Charge, Class};
use crate::ipc::sysv::shm::Attachment;
use crate::platform::UserMemory;

/// Bytes that are compared at a time: whole pages.
const PIECE: usize = 64 << 10;

/// How many shared mappings a pod has: while there are none, no call looks for them.
#[derive(Clone, Debug, Default)]
pub struct SharedCount(Arc<AtomicUsize>);

impl SharedCount {
    /// Whether there is any.
    pub fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// What a shared mapping is a copy of.
#[derive(Clone, Debug)]
pub struct Backing {
    /// The file, or memory without a name that looks like one.
    pub inode: Arc<dyn Inode>,
    /// Where the mapping starts in it, in bytes.
    pub offset: u64,
    /// Whether the file was open for writing, so that changes go to it.
    pub is_writable: bool,
    /// Keeps the file's mount writable, if it was open for writing.
    pub writer: Option<Arc<Writer>>,
    /// For a segment of System V: that the process has it.
    pub attachment: Option<Arc<Attachment>>,
}

/// A mapping.
#[derive(Debug)]
struct Shared {
    len: u32,
    backing: Backing,
    /// The contents as the file and the process last had them in common; empty without writing.
    twin: Vec<u8>,
    /// The file's version then.
    version: Option<u64>,
    /// So many bytes have been taken over since then: the others are still on their way.
    taken: u32,
    /// How often all of it has been taken over for the same call.
    nr_passes: u32,
    charge: Charge,
    count: SharedCount,
}

impl Shared {
    fn new(budget: &Arc<Budget>, backing: Backing, len: u32, count: &SharedCount) -> Result<Self> {
        let twin_len = if backing.is_writable { len } else { 0 };
        let charge = Charge::take(budget, Class::Files, u64::from(twin_len))?;
        if backing.is_writable
            && let Some(file) = MemFile::of(&*backing.inode)
        {
            file.add_writer()?;
        }
        Ok(Self::counted(charge, backing, len, count))
    }

    fn counted(charge: Charge, backing: Backing, len: u32, count: &SharedCount) -> Self {
        let twin_len = charge.bytes();
        count.0.fetch_add(1, Ordering::Relaxed);
        Self {
            len,
            twin: vec![0; usize::try_from(twin_len).unwrap_or(0)],
            backing,
            version: None,
            taken: len,
            nr_passes: 0,
            charge,
            count: count.clone(),
        }
    }

    /// The part from byte `start` to byte `end` of it, as a mapping of its own.
    fn part(&self, start: u32, end: u32) -> Result<Self> {
        let backing = Backing {
            offset: self.backing.offset.saturating_add(u64::from(start)),
            ..self.backing.clone()
        };
        let len = end.saturating_sub(start);
        let twin_len = if backing.is_writable { len } else { 0 };
        let charge = Charge::take(self.charge.budget(), Class::Files, u64::from(twin_len))?;
        if backing.is_writable
            && let Some(file) = MemFile::of(&*backing.inode)
        {
            file.keep_writer();
        }
        let mut part = Self::counted(charge, backing, len, &self.count);
        let index = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        if let Some(twin) = self.twin.get(index(start)..index(end)) {
            part.twin.copy_from_slice(twin);
        }
        part.version = self.version;
        part.taken = self.taken.saturating_sub(start).min(len);
        Ok(part)
    }

    /// The file's version; `None` if it has none.
    fn current_version(&self) -> Result<Option<u64>> {
        let inode = &self.backing.inode;
        match inode.version() {
            // Some know it only after they have asked for the metadata.
            None => inode.metadata().map(|_| inode.version()),
            version => Ok(version),
        }
    }

    /// Gives away what the process has changed since the last time.
    fn give_changes(&mut self, memory: &dyn UserMemory, start: u32, now: Timestamp) -> Result<()> {
        if !self.backing.is_writable {
            return Ok(());
        }
        let is_current = self.version.is_some() && self.current_version()? == self.version;
        let given = self.give(memory, start, now);
        if is_current {
            // Nobody else has changed it: what is new is the process's own, also when not all could be given.
            self.version = self.backing.inode.version();
        }
        given
    }

    /// Takes over what others have changed since the last time. After [`NOT_RESIDENT`] the next call goes on where
    /// this one ended: the file may be larger than the cache of its disk.
    ///
    /// What has been begun is ended first, and it may be as of an earlier call: all is taken over once more if the
    /// file is another by then, and not a third time, as somebody may write to it all the time.
    fn take_changes(&mut self, memory: &dyn UserMemory, start: u32) -> Result<()> {
        while self.nr_passes < 2 {
            if self.taken >= self.len {
                let version = self.current_version()?;
                if version == self.version && (version.is_some() || self.nr_passes > 0) {
                    break;
                }
                self.version = version;
                self.taken = 0;
            }
            self.take(memory, start)?;
            self.nr_passes = self.nr_passes.saturating_add(1);
        }
        self.nr_passes = 0;
        Ok(())
    }

    /// Writes what differs from the twin to the file, as far as the file goes.
    fn give(&mut self, memory: &dyn UserMemory, start: u32, now: Timestamp) -> Result<()> {
        let size = self.backing.inode.metadata()?.size;
        let mut piece = Vec::new();
        let (inode, mut at, mut address) = (&self.backing.inode, self.backing.offset, start);
        for twin in self.twin.chunks_mut(PIECE) {
            piece.resize(twin.len(), 0);
            memory.copy_in(address, &mut piece)?;
            for run in differences(twin, &piece) {
                let place = at.saturating_add(widen(run.start));
                let room = usize::try_from(size.saturating_sub(place)).unwrap_or(usize::MAX);
                let changed = piece.get(run).unwrap_or_default();
                let mut kept = changed.get(..room).unwrap_or(changed);
                if !kept.is_empty() {
                    inode.write_at(place, &mut kept, now)?;
                }
            }
            twin.copy_from_slice(&piece);
            at = at.saturating_add(widen(twin.len()));
            address = address.wrapping_add(u32::try_from(twin.len()).unwrap_or(0));
        }
        Ok(())
    }

    /// Copies what differs in the file to the memory; behind its end there are zeros.
    fn take(&mut self, memory: &dyn UserMemory, start: u32) -> Result<()> {
        while self.taken < self.len {
            let done = self.taken;
            let left = usize::try_from(self.len.saturating_sub(done)).unwrap_or(PIECE);
            let len = left.min(PIECE);
            let place = self.backing.offset.saturating_add(u64::from(done));
            let mut sink = VecSink::new(len);
            self.backing.inode.read_at(place, &mut sink)?;
            let mut piece = sink.bytes;
            piece.resize(len, 0);
            let address = start.wrapping_add(done);
            let at = usize::try_from(done).unwrap_or(usize::MAX);
            match self.twin.get_mut(at..at.saturating_add(len)) {
                None => memory.copy_out(address, &piece)?,
                Some(twin) => {
                    for run in differences(twin, &piece) {
                        let offset = u32::try_from(run.start).unwrap_or(0);
                        let changed = piece.get(run).unwrap_or_default();
                        memory.copy_out(address.wrapping_add(offset), changed)?;
                    }
                    twin.copy_from_slice(&piece);
                }
            }
            self.taken = done.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        }
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.count.0.fetch_sub(1, Ordering::Relaxed);
        if self.backing.is_writable
            && let Some(file) = MemFile::of(&*self.backing.inode)
        {
            file.remove_writer();
        }
    }
}

/// Shared mappings of a process: each of its calls looks at all of them.
///
/// Linux has 65,530 mappings of all kinds (`vm.max_map_count`).
const MAX_MAPPINGS: usize = 4096;

/// The shared mappings of a process, by start address.
#[derive(Debug, Default)]
pub(super) struct SharedMappings(SortedMap<u32, Shared>);

impl SharedMappings {
    /// Forgets what lies in `[start, end)`.
    pub(super) fn cut(&mut self, start: u32, end: u32) -> Result<()> {
        let touched: Vec<u32> = self
            .0
            .range(..end)
            .filter(|&(&at, shared)| at.saturating_add(shared.len) > start)
            .map(|(&at, _)| at)
            .collect();
        for at in touched {
            let Some(shared) = self.0.remove(&at) else {
                continue;
            };
            let old_end = at.saturating_add(shared.len);
            if at < start {
                let part = shared.part(0, start.saturating_sub(at))?;
                self.0.insert(at, part);
            }
            if old_end > end {
                let part = shared.part(end.saturating_sub(at), shared.len)?;
                self.0.insert(end, part);
            }
        }
        Ok(())
    }

    /// The same for a child that has a copy of the memory: right after a meeting.
    ///
    /// # Errors
    /// `ENOMEM`
    pub(super) fn for_child(&self) -> Result<Self> {
        let copy = |(&start, shared): (&u32, &Shared)| {
            let mut part = shared.part(0, shared.len)?;
            let attachment = part.backing.attachment.as_ref();
            part.backing.attachment = attachment.map(|attachment| attachment.for_child());
            Ok((start, part))
        };
        self.0.iter().map(copy).collect::<Result<_>>().map(Self)
    }

    /// The mapping that has `address`, and where that is in it.
    fn at(&self, address: u32) -> Option<(&Shared, u32)> {
        let (&start, shared) = self.0.range(..=address).next_back()?;
        let offset = address.saturating_sub(start);
        (offset < shared.len).then_some((shared, offset))
    }
}

impl AddressSpace {
    /// Makes the mapping of `len` bytes at `address`, which is there and zero, one that is shared.
    /// [`Self::fill_shared`] gives it its contents.
    ///
    /// # Errors
    /// `ENOMEM` for its twin, and for more than [`MAX_MAPPINGS`]; `EPERM` for a sealed file.
    pub fn share(
        &mut self,
        (address, len): (u32, u32),
        backing: Backing,
        count: &SharedCount,
    ) -> Result<()> {
        if self.shared.0.len() >= MAX_MAPPINGS {
            return Err(Errno::ENOMEM.because("as many shared mappings as a process may have"));
        }
        let len = super::pages_up(len).ok_or(Errno::ENOMEM)?;
        let shared = Shared::new(self.charge.budget(), backing, len, count)?;
        self.shared.0.insert(address, shared);
        Ok(())
    }

    /// Takes over what the file of the shared mapping at `address` has.
    ///
    /// # Errors
    /// Those of the file. After [`NOT_RESIDENT`] the next call goes on where this one ended.
    pub fn fill_shared(&mut self, memory: &dyn UserMemory, address: u32) -> Result<()> {
        match self.shared.0.get_mut(&address) {
            Some(shared) => shared.take_changes(memory, address),
            None => Ok(()),
        }
    }

    /// Whether any mapping is shared.
    pub fn has_shared(&self) -> bool {
        !self.shared.0.is_empty()
    }

    /// What the mapping at `address` is a copy of, if it is shared.
    pub fn backing_at(&self, address: u32) -> Option<Backing> {
        let (shared, offset) = self.shared.at(address)?;
        Some(Backing {
            offset: shared.backing.offset.saturating_add(u64::from(offset)),
            ..shared.backing.clone()
        })
    }

    /// Gives away what the process has changed in its shared mappings: in all of them, before it takes over anything,
    /// because two may be of one file. A file that cannot be written now is left for the next time.
    ///
    /// # Errors
    /// [`NOT_RESIDENT`] when something that this needs is still on its way.
    pub fn give_shared(&mut self, memory: &dyn UserMemory, now: Timestamp) -> Result<()> {
        self.for_each_shared(|shared, start| shared.give_changes(memory, start, now))
    }

    /// Takes over what others have changed in them. A file that cannot be read now is left for the next time.
    ///
    /// # Errors
    /// [`NOT_RESIDENT`] when something of that is still on its way.
    pub fn take_shared(&mut self, memory: &dyn UserMemory) -> Result<()> {
        self.for_each_shared(|shared, start| shared.take_changes(memory, start))
    }

    fn for_each_shared(
        &mut self,
        mut act: impl FnMut(&mut Shared, u32) -> Result<()>,
    ) -> Result<()> {
        let mut is_here = true;
        for (&start, shared) in self.shared.0.iter_mut() {
            is_here &= act(shared, start) != Err(NOT_RESIDENT);
        }
        if is_here { Ok(()) } else { Err(NOT_RESIDENT) }
    }

    /// Makes what the process has changed in the mappings in `[start, end)` durable (msync(2)).
    ///
    /// # Errors
    /// Those of the file.
    pub fn sync_range(
        &mut self,
        memory: &dyn UserMemory,
        (start, end): (u32, u32),
        now: Timestamp,
    ) -> Result<Vec<Flush>> {
        let mut flushes = Vec::new();
        for (&at, shared) in self.shared.0.range_mut(..end) {
            if at.saturating_add(shared.len) > start {
                shared.give_changes(memory, at, now)?;
                flushes.extend(shared.backing.inode.sync()?);
            }
        }
        Ok(flushes)
    }
}

/// The ranges in which two slices of one length differ.
fn differences(old: &[u8], new: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    if old == new {
        return runs;
    }
    for (index, (old, new)) in old.iter().zip(new).enumerate() {
        if old == new {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.end == index => run.end = index.saturating_add(1),
            _ => runs.push(index..index.saturating_add(1)),
        }
    }
    runs
}

fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use fs::vfs::file::GuestMemory;

    use super::*;
    use crate::testing::FakeMemory;

    fn space() -> (AddressSpace, FakeMemory) {
        let space = AddressSpace::new(&Budget::unlimited(), 0x8000, 0x9000, None);
        (space.unwrap(), FakeMemory::new(1))
    }

    fn file(size: u64) -> Arc<dyn Inode> {
        let file = MemFile::new(&Budget::unlimited(), size, Timestamp::default(), false);
        file.unwrap()
    }

    fn map(
        (space, memory): &mut (AddressSpace, FakeMemory),
        inode: &Arc<dyn Inode>,
        pages: u32,
    ) -> u32 {
        let len = pages.saturating_mul(4096);
        let at = space.map(memory, len, None).unwrap();
        let backing = Backing {
            inode: Arc::clone(inode),
            offset: 0,
            is_writable: true,
            writer: None,
            attachment: None,
        };
        let count = SharedCount::default();
        space.share((at, len), backing, &count).unwrap();
        space.fill_shared(memory, at).unwrap();
        at
    }

    fn byte(memory: &FakeMemory, at: u32) -> u8 {
        let mut byte = [0];
        GuestMemory::copy_in(memory, at, &mut byte).unwrap();
        byte[0]
    }

    fn sync(process: &mut (AddressSpace, FakeMemory)) {
        let now = Timestamp::default();
        process.0.give_shared(&process.1, now).unwrap();
        process.0.take_shared(&process.1).unwrap();
    }

    #[test]
    fn changes_of_both_sides_meet_byte_by_byte() {
        let inode = file(8192);
        let (mut one, mut other) = (space(), space());
        let (a, b) = (map(&mut one, &inode, 2), map(&mut other, &inode, 2));
        one.1.fill(a + 10, 1, 3).unwrap();
        other.1.fill(b + 11, 2, 1).unwrap();
        other.1.fill(b + 13, 2, 1).unwrap();
        sync(&mut one);
        sync(&mut other);
        sync(&mut one);
        let bytes = |memory: &FakeMemory, at: u32| [10, 11, 12, 13].map(|n| byte(memory, at + n));
        assert_eq!(bytes(&one.1, a), [1, 2, 1, 2]);
        assert_eq!(bytes(&other.1, b), [1, 2, 1, 2]);
    }

    #[test]
    fn the_file_neither_grows_nor_gets_the_rest_of_a_page() {
        let inode = file(100);
        let mut one = space();
        let at = map(&mut one, &inode, 1);
        one.1.fill(at + 98, 9, 10).unwrap();
        sync(&mut one);
        let mut sink = VecSink::new(1000);
        inode.read_at(0, &mut sink).unwrap();
        assert_eq!(sink.bytes.len(), 100);
        assert_eq!(sink.bytes[97..], [0, 9, 9]);
    }

    #[test]
    fn a_hole_in_a_shared_mapping_leaves_both_ends_shared() {
        let inode = file(3 * 4096);
        let (mut one, mut other) = (space(), space());
        let (a, b) = (map(&mut one, &inode, 3), map(&mut other, &inode, 3));
        one.0.unmap(a + 4096, 4096).unwrap();
        other.1.fill(b, 7, 3 * 4096).unwrap();
        sync(&mut other);
        sync(&mut one);
        assert_eq!([0, 4096, 8192].map(|n| byte(&one.1, a + n)), [7, 0, 7]);
        assert!(one.0.backing_at(a + 4096).is_none());
        assert_eq!(one.0.backing_at(a + 8192).unwrap().offset, 8192);
    }

    #[test]
    fn a_process_has_no_more_shared_mappings_than_its_calls_can_look_at() {
        let mut process = space();
        let inode = file(4096);
        for _ in 0..MAX_MAPPINGS {
            map(&mut process, &inode, 1);
        }
        let (space, memory) = &mut process;
        let at = space.map(memory, 4096, None).unwrap();
        let backing = space.backing_at(at.saturating_sub(4096)).unwrap();
        let count = SharedCount::default();
        let error = space.share((at, 4096), backing, &count).unwrap_err();
        assert_eq!(error.errno, Errno::ENOMEM);
    }

    #[test]
    fn differences_are_runs() {
        assert!(differences(b"same", b"same").is_empty());
        assert_eq!(differences(b"abcdef", b"aXXdeX"), [1..3, 5..6]);
    }
}
