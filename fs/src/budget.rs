//! The memory of a pod: who has how much of it, and when there is no more.
//!
//! [`Budget`] counts; a [`Charge`] is a number of bytes that somebody has taken from it, and gives
//! them back when it is dropped. Whoever makes memory grow for a guest asks first: a refusal is an
//! error number for that guest, and nobody else notices.
//!
//! ```text
//!  limit  =  reserve  +  free  +  committed (guests, idle frames excepted)  +  kernel heap
//!                                                         tmpfs, pipes, programs ┘ charged before
//!                                                         swap, caches, tables     they are there
//!                                                         (without the disk image)
//! ```
//! There is no overcommit, as with `vm.overcommit_memory=2`: memory counts from the call that
//! promised it, because WebAssembly has no page faults at which a promise could be broken. What a
//! guest has in swap it was charged for when it took it, so swap is counted and never refused.
//! Before anything is refused, caches give back ([`Reclaim`]).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use abi::{Errno, Result};
use executor::sync::Lock;

/// Bytes that only the kernel itself may use, at most: a refusal needs memory too.
const MAX_RESERVE: u64 = 4 << 20;
/// The part of a small pod's memory that is this reserve.
const RESERVE_DIVISOR: u64 = 16;
/// The part of its own memory that a growing guest leaves to others.
const SPARE_DIVISOR: u64 = 32;
/// The most that it leaves, in bytes.
const MAX_SPARE: u64 = 128 << 20;
/// What caches are asked for at least, in bytes.
const MIN_RECLAIM: u64 = 256 << 10;
/// Memory is short when less than this part of it is free.
const SHORT_DIVISOR: u64 = 4;

/// What memory is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Class {
    /// Guests' memories: stack, data, heap, mappings.
    Guests,
    /// Zeroed memories that wait for the next guest. They give way to everything else, so they are
    /// reported and never stand against a charge.
    IdleFrames,
    /// Contents of files in memory. In the kernel's heap.
    Files,
    /// Contents of pipes and sockets. In the kernel's heap.
    Pipes,
    /// Loaded programs. In the kernel's heap.
    Programs,
    /// Contents of guests without a frame. In the kernel's heap; covered by what their guests are
    /// charged.
    Swap,
}

/// How many classes there are.
const NR_CLASSES: usize = 6;

impl Class {
    #[expect(clippy::as_conversions, reason = "the discriminant")]
    const fn index(self) -> usize {
        self as usize
    }

    /// Whether the bytes lie in the kernel's own heap.
    const fn is_in_heap(self) -> bool {
        matches!(
            self,
            Self::Files | Self::Pipes | Self::Programs | Self::Swap
        )
    }

    /// Whether the bytes stand against the limit on their own account.
    const fn is_committed(self) -> bool {
        !matches!(self, Self::IdleFrames | Self::Swap)
    }
}

/// How much there may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the pod; `None`: as much as the host gives.
    pub memory: Option<u64>,
    /// What a pod without a limit says that it has.
    pub shown: u64,
    /// Of the kernel's heap, which cannot grow beyond its memory's maximum.
    pub heap: u64,
}

impl Limits {
    /// No limit at all.
    pub const NONE: Self = Self {
        memory: None,
        shown: 4 << 30,
        heap: u64::MAX,
    };
}

/// A cache that can do with less.
pub trait Reclaim: Send + Sync + fmt::Debug {
    /// Bytes that it has now.
    fn held_bytes(&self) -> u64;

    /// Gives back up to `bytes` bytes; returns how many. Never waits for a lock.
    fn give_back(&self, bytes: u64) -> u64;
}

/// Measures the kernel's heap: bytes in use, disk images included.
pub type HeapGauge = Box<dyn Fn() -> u64 + Send + Sync>;

/// The memory of one pod.
pub struct Budget {
    limits: Limits,
    heap: HeapGauge,
    /// Sum of all classes that stand against the limit.
    committed: AtomicU64,
    by_class: [AtomicU64; NR_CLASSES],
    peak: AtomicU64,
    nr_refused: AtomicU64,
    caches: Lock<Vec<Weak<dyn Reclaim>>>,
    /// Bytes of disk images in the kernel's heap.
    disk_image: AtomicU64,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("limits", &self.limits)
            .field("by_class", &self.by_class)
            .finish_non_exhaustive()
    }
}

impl Budget {
    /// A budget of which nothing is used but what `heap` says.
    pub fn new(limits: Limits, heap: HeapGauge) -> Arc<Self> {
        Arc::new(Self {
            limits,
            heap,
            committed: AtomicU64::new(0),
            by_class: Default::default(),
            peak: AtomicU64::new(0),
            nr_refused: AtomicU64::new(0),
            caches: Lock::default(),
            disk_image: AtomicU64::new(0),
        })
    }

    /// A budget that counts and never refuses.
    pub fn unlimited() -> Arc<Self> {
        Self::new(Limits::NONE, Box::new(|| 0))
    }

    /// From now on `cache` gives back before anything is refused; asked in this order.
    pub fn add_cache(&self, cache: &Arc<impl Reclaim + 'static>) {
        let cache = Arc::downgrade(cache);
        let cache: Weak<dyn Reclaim> = cache;
        let mut caches = self.caches.lock();
        caches.retain(|known| known.strong_count() > 0);
        caches.push(cache);
    }

    /// Takes `bytes` bytes for `class`.
    ///
    /// # Errors
    /// `ENOMEM` when they are not there, even after caches have given back.
    pub fn try_charge(&self, class: Class, bytes: u64) -> Result<()> {
        self.try_charge_leaving(class, bytes, 0)
    }

    /// Takes `bytes` bytes for `class` if `spare` more stay free.
    fn try_charge_leaving(&self, class: Class, bytes: u64, spare: u64) -> Result<()> {
        if self.commit(class, bytes, spare) {
            return Ok(());
        }
        self.reclaim(self.missing(class, bytes.saturating_add(spare)));
        if self.commit(class, bytes, spare) {
            return Ok(());
        }
        self.nr_refused.fetch_add(1, Ordering::Relaxed);
        Err(Errno::ENOMEM.because("the pod's memory is used up"))
    }

    /// Whether the kernel may allocate about `bytes` bytes for a guest's sake without a charge: a table,
    /// a lock, a buffer. It has half of the reserve for that.
    ///
    /// # Errors
    /// `ENOMEM` when they are not there, even after caches have given back.
    pub fn admit(&self, bytes: u64) -> Result<()> {
        let has_room = || {
            let fits = |used: u64, limit: u64| used.saturating_add(bytes) <= limit;
            let limit = self.limits.memory.unwrap_or(u64::MAX);
            let limit = limit.saturating_sub(self.reserve() / 2);
            fits(self.used_bytes(), limit) && fits((self.heap)(), self.limits.heap)
        };
        if has_room() {
            return Ok(());
        }
        self.reclaim(bytes.max(MIN_RECLAIM));
        if has_room() {
            return Ok(());
        }
        self.nr_refused.fetch_add(1, Ordering::Relaxed);
        Err(Errno::ENOMEM.because("the kernel's memory is used up"))
    }

    /// Bytes that the kernel's heap may still grow by.
    pub fn heap_room(&self) -> u64 {
        self.limits.heap.saturating_sub((self.heap)())
    }

    /// Takes `bytes` bytes that are used already.
    pub fn charge(&self, class: Class, bytes: u64) {
        if class.is_committed() {
            self.committed.fetch_add(bytes, Ordering::Relaxed);
        }
        self.count(class, bytes);
    }

    /// Gives back what was charged.
    pub fn uncharge(&self, class: Class, bytes: u64) {
        if let Some(used) = self.by_class.get(class.index()) {
            used.fetch_sub(bytes, Ordering::Relaxed);
        }
        if class.is_committed() {
            self.committed.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// Bytes that `class` has now.
    pub fn used(&self, class: Class) -> u64 {
        let used = self.by_class.get(class.index());
        used.map_or(0, |used| used.load(Ordering::Relaxed))
    }

    /// Bytes in use: all of the above and the kernel's heap, idle frames excepted.
    pub fn used_bytes(&self) -> u64 {
        let committed = self.committed.load(Ordering::Relaxed);
        committed.saturating_add(self.kernel_bytes())
    }

    /// Bytes of the kernel's heap that belong to no class: caches, tables, buffers.
    pub fn kernel_bytes(&self) -> u64 {
        let classes = [Class::Files, Class::Pipes, Class::Programs, Class::Swap];
        let charged = classes.map(|class| self.used(class));
        let charged = charged.into_iter().fold(0, u64::saturating_add);
        (self.heap)()
            .saturating_sub(self.disk_image_bytes())
            .saturating_sub(charged)
    }

    /// The most bytes that were in use at a time, as far as anybody looked.
    pub fn peak_bytes(&self) -> u64 {
        let used = self.used_bytes();
        self.peak.fetch_max(used, Ordering::Relaxed).max(used)
    }

    /// Bytes that caches hold and can do without.
    pub fn cached_bytes(&self) -> u64 {
        let held = self.caches().into_iter().map(|cache| cache.held_bytes());
        held.fold(0, u64::saturating_add)
    }

    /// The kernel's heap holds a disk image of `bytes` bytes: a disk, and not memory in use.
    pub fn set_disk_image(&self, bytes: u64) {
        self.disk_image.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of the disk image in the kernel's heap.
    pub fn disk_image_bytes(&self) -> u64 {
        self.disk_image.load(Ordering::Relaxed)
    }

    /// What the pod has, as it tells its guests.
    pub fn total_bytes(&self) -> u64 {
        self.limits.memory.unwrap_or(self.limits.shown)
    }

    /// What nobody uses; the reserve is part of it.
    pub fn free_bytes(&self) -> u64 {
        self.total_bytes().saturating_sub(self.used_bytes())
    }

    /// The limit that the pod was made with.
    pub const fn limit(&self) -> Option<u64> {
        self.limits.memory
    }

    /// How often something was refused.
    pub fn nr_refused(&self) -> u64 {
        self.nr_refused.load(Ordering::Relaxed)
    }

    /// Whether it is time to save: less than a quarter of a limited memory is free.
    pub fn is_short(&self) -> bool {
        let quarter = self.total_bytes() / SHORT_DIVISOR;
        self.limits.memory.is_some() && self.free_bytes() < quarter
    }

    /// How much may be kept idle: half of what is free, so that idle frames never crowd out a
    /// charge; without a limit, anything.
    pub fn idle_room(&self) -> u64 {
        match self.limits.memory {
            None => u64::MAX,
            Some(_) => (self.free_bytes() / 2).saturating_sub(self.used(Class::IdleFrames)),
        }
    }

    /// Asks the caches for `bytes` bytes.
    pub fn reclaim(&self, bytes: u64) {
        let mut missing = bytes;
        for cache in self.caches() {
            if missing == 0 {
                return;
            }
            missing = missing.saturating_sub(cache.give_back(missing));
        }
    }

    fn caches(&self) -> Vec<Arc<dyn Reclaim>> {
        self.caches
            .lock()
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// What charges may add up to, the heap included.
    fn ceiling(&self) -> u64 {
        let limit = self.limits.memory.unwrap_or(u64::MAX);
        limit.saturating_sub(self.reserve())
    }

    /// What charges leave to the kernel itself.
    fn reserve(&self) -> u64 {
        let of_limit = |limit: u64| MAX_RESERVE.min(limit / RESERVE_DIVISOR);
        self.limits.memory.map_or(0, of_limit)
    }

    /// How many bytes must be given back before `bytes` more fit.
    fn missing(&self, class: Class, bytes: u64) -> u64 {
        let over = |used: u64, limit: u64| used.saturating_add(bytes).saturating_sub(limit);
        let of_pod = over(self.used_bytes(), self.ceiling());
        let of_heap = over((self.heap)(), self.limits.heap);
        if class.is_in_heap() {
            of_pod.max(of_heap)
        } else {
            of_pod
        }
    }

    fn commit(&self, class: Class, bytes: u64, spare: u64) -> bool {
        if class.is_in_heap() && (self.heap)().saturating_add(bytes) > self.limits.heap {
            return false;
        }
        if !class.is_committed() {
            self.count(class, bytes);
            return true;
        }
        let used = self.kernel_bytes().saturating_add(spare);
        let room = self.ceiling().saturating_sub(used);
        let add = |committed: u64| committed.checked_add(bytes).filter(|&sum| sum <= room);
        let is_taken = self
            .committed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .is_ok();
        if is_taken {
            self.count(class, bytes);
        }
        is_taken
    }

    fn count(&self, class: Class, bytes: u64) {
        if let Some(used) = self.by_class.get(class.index()) {
            used.fetch_add(bytes, Ordering::Relaxed);
        }
        self.peak.fetch_max(self.used_bytes(), Ordering::Relaxed);
    }
}

/// Bytes that somebody has taken from a budget; dropping gives them back.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    class: Class,
    bytes: u64,
}

impl Charge {
    /// Takes `bytes` bytes.
    ///
    /// # Errors
    /// `ENOMEM`
    pub fn take(budget: &Arc<Budget>, class: Class, bytes: u64) -> Result<Self> {
        let mut charge = Self::empty(budget, class);
        charge.resize(bytes)?;
        Ok(charge)
    }

    /// Nothing yet.
    pub fn empty(budget: &Arc<Budget>, class: Class) -> Self {
        Self {
            budget: Arc::clone(budget),
            class,
            bytes: 0,
        }
    }

    /// Bytes taken.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The budget that they are from.
    pub const fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Makes the charge `bytes` bytes, more or fewer than before.
    ///
    /// # Errors
    /// `ENOMEM`; the charge is then as it was. Fewer bytes never fail.
    pub fn resize(&mut self, bytes: u64) -> Result<()> {
        self.resize_leaving(bytes, 0)
    }

    /// As [`Self::resize`], for a guest that wants more of its own accord: the larger it has
    /// become, the more has to stay free for the rest, so that who takes all there is leaves
    /// enough to start a shell's tools with.
    ///
    /// # Errors
    /// `ENOMEM`; the charge is then as it was. Fewer bytes never fail.
    ///
    /// # References
    /// Linux v6.12 `mm/util.c`, `__vm_enough_memory`; `vm.user_reserve_kbytes`.
    pub fn grow(&mut self, bytes: u64) -> Result<()> {
        self.resize_leaving(bytes, MAX_SPARE.min(self.bytes / SPARE_DIVISOR))
    }

    fn resize_leaving(&mut self, bytes: u64, spare: u64) -> Result<()> {
        if bytes > self.bytes {
            let more = bytes.saturating_sub(self.bytes);
            self.budget.try_charge_leaving(self.class, more, spare)?;
        } else {
            let fewer = self.bytes.saturating_sub(bytes);
            self.budget.uncharge(self.class, fewer);
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.uncharge(self.class, self.bytes);
    }
}

#[cfg(test)]
mod tests;
