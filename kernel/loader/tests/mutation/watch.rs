//! Ends the test when a module takes too long, with its seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What one module may take, without optimisation on a busy machine.
const MAX_SECONDS: u64 = 120;

#[derive(Default)]
struct State {
    seed: AtomicU64,
    seconds: AtomicU64,
    is_over: AtomicBool,
}

/// The clock of the module at hand.
pub(crate) struct Watch {
    state: Arc<State>,
    began: std::cell::Cell<Instant>,
    /// The longest time so far, with its seed.
    slowest: std::cell::Cell<(Duration, u64)>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "real time is what is watched here"
)]
impl Watch {
    pub(crate) fn start() -> Self {
        let state: Arc<State> = Arc::default();
        let watched = Arc::clone(&state);
        std::thread::spawn(move || {
            while !watched.is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_secs(1));
                if watched.seconds.fetch_add(1, Ordering::Relaxed) >= MAX_SECONDS {
                    let seed = watched.seed.load(Ordering::Relaxed);
                    eprintln!("it hangs: SHOAL_FUZZ_SEED={seed} SHOAL_FUZZ_COUNT=1");
                    std::process::abort();
                }
            }
        });
        Self {
            state,
            began: Instant::now().into(),
            slowest: (Duration::ZERO, 0).into(),
        }
    }

    /// The module of `seed` begins, and the last one has ended.
    pub(crate) fn begin(&self, seed: u64) {
        let last = self.state.seed.swap(seed, Ordering::Relaxed);
        self.state.seconds.store(0, Ordering::Relaxed);
        let now = Instant::now();
        let took = now.duration_since(self.began.replace(now));
        if last != 0 && took > self.slowest.get().0 {
            self.slowest.set((took, last));
        }
    }

    /// The longest time that a module took, and its seed.
    pub(crate) fn slowest(&self) -> (Duration, u64) {
        self.slowest.get()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
    }
}
