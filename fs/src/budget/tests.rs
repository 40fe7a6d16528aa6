//! Charges and refusals, and the classes that are counted.

use super::*;

const MIB: u64 = 1 << 20;

/// A budget of 64 MiB whose kernel heap a test sets.
fn budget() -> (Arc<Budget>, Arc<AtomicU64>) {
    let heap = Arc::new(AtomicU64::new(0));
    let gauge = Arc::clone(&heap);
    let limits = Limits {
        memory: Some(64 * MIB),
        shown: 0,
        heap: 32 * MIB,
    };
    let read = move || gauge.load(Ordering::Relaxed);
    (Budget::new(limits, Box::new(read)), heap)
}

#[derive(Debug)]
struct Cache(Arc<AtomicU64>);

impl Reclaim for Cache {
    fn held_bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn give_back(&self, bytes: u64) -> u64 {
        let given = bytes.min(self.held_bytes());
        self.0.fetch_sub(given, Ordering::Relaxed);
        given
    }
}

#[test]
fn charges_end_at_the_limit_less_the_reserve() {
    let (budget, _) = budget();
    let mut charge = Charge::take(&budget, Class::Guests, 60 * MIB).unwrap();
    let error = budget.try_charge(Class::Guests, 1).unwrap_err();
    assert_eq!(error.errno, Errno::ENOMEM);
    assert_eq!(budget.nr_refused(), 1);
    charge.resize(59 * MIB).unwrap();
    assert!(charge.resize(61 * MIB).is_err());
    assert_eq!(charge.bytes(), 59 * MIB);
    drop(charge);
    assert_eq!((budget.used_bytes(), budget.peak_bytes()), (0, 60 * MIB));
}

#[test]
fn who_grows_leaves_a_part_of_its_size_to_the_rest() {
    let (budget, _) = budget();
    let mut hog = Charge::empty(&budget, Class::Guests);
    while hog.grow(hog.bytes() + MIB).is_ok() {}
    assert_eq!(hog.bytes(), 58 * MIB);
    let small = Charge::take(&budget, Class::Guests, MIB).unwrap();
    assert!(hog.grow(hog.bytes() + 1).is_err());
    drop((hog, small));
    assert_eq!(budget.used_bytes(), 0);
}

#[test]
fn the_heap_counts_once() {
    let (budget, heap) = budget();
    budget.try_charge(Class::Files, 10 * MIB).unwrap();
    assert_eq!(budget.used_bytes(), 10 * MIB);
    heap.store(15 * MIB, Ordering::Relaxed);
    assert_eq!(budget.kernel_bytes(), 5 * MIB);
    assert_eq!(budget.used_bytes(), 15 * MIB);
    assert!(budget.try_charge(Class::Guests, 46 * MIB).is_err());
    budget.try_charge(Class::Guests, 45 * MIB).unwrap();
    budget.uncharge(Class::Guests, 45 * MIB);
    // The heap has a limit of its own.
    assert!(budget.try_charge(Class::Pipes, 18 * MIB).is_err());
    budget.set_disk_image(4 * MIB);
    assert_eq!(budget.kernel_bytes(), MIB);
}

#[test]
fn caches_give_back_before_anything_is_refused() {
    let (budget, heap) = budget();
    heap.store(20 * MIB, Ordering::Relaxed);
    let cache = Arc::new(Cache(Arc::clone(&heap)));
    budget.add_cache(&cache);
    assert_eq!(budget.cached_bytes(), 20 * MIB);
    budget.try_charge(Class::Guests, 50 * MIB).unwrap();
    assert_eq!(cache.held_bytes(), 10 * MIB);
    drop(cache);
    assert!(budget.try_charge(Class::Guests, MIB).is_err());
    assert_eq!(budget.cached_bytes(), 0);
}

#[test]
fn swap_and_idle_frames_are_never_refused() {
    let (budget, heap) = budget();
    budget.try_charge(Class::Guests, 60 * MIB).unwrap();
    budget.charge(Class::Swap, 30 * MIB);
    heap.store(30 * MIB, Ordering::Relaxed);
    assert_eq!(budget.used_bytes(), 60 * MIB);
    assert!(budget.is_short());
    budget.charge(Class::IdleFrames, 2 * MIB);
    assert_eq!(budget.idle_room(), 0);
    assert_eq!(budget.used_bytes(), 60 * MIB);
}

#[test]
fn the_kernel_has_half_of_the_reserve_for_what_guests_cause() {
    let (budget, heap) = budget();
    budget.try_charge(Class::Guests, 60 * MIB).unwrap();
    budget.admit(MIB).unwrap();
    heap.store(2 * MIB, Ordering::Relaxed);
    assert_eq!(budget.admit(1).unwrap_err().errno, Errno::ENOMEM);
    let cache = Arc::new(Cache(Arc::clone(&heap)));
    budget.add_cache(&cache);
    budget.admit(1).unwrap();
    budget.uncharge(Class::Guests, 60 * MIB);
    heap.store(32 * MIB, Ordering::Relaxed);
    assert_eq!(budget.heap_room(), 0);
    drop(cache);
    assert!(budget.admit(1).is_err());
}

#[test]
fn concurrent_charges_never_exceed_the_limit() {
    let (budget, _) = budget();
    let taken: u64 = std::thread::scope(|scope| {
        let worker = || {
            let count = (0..40_000).filter(|_| budget.try_charge(Class::Guests, 4096).is_ok());
            u64::try_from(count.count()).unwrap() * 4096
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(taken, 60 * MIB);
    assert_eq!(budget.used(Class::Guests), taken);
}
