//! [`Lock`]: the one mutual exclusion of the project.
//!
//! A lock is held for a few instructions and never across an `.await` (clippy checks it: the guard
//! is the standard library's). On a Worker a contended lock blocks in `memory.atomic.wait32`; the
//! page's main thread, which may not block, never enters the kernel.

#![cfg_attr(
    not(loom),
    expect(
        clippy::disallowed_types,
        reason = "the one wrapper round the standard mutex"
    )
)]

#[cfg(loom)]
use ::loom::sync as imp;
#[cfg(not(loom))]
use std::sync as imp;
use std::{
    fmt,
    sync::{PoisonError, TryLockError},
};

/// A mutual exclusion lock that knows no poison.
///
/// A panic ends the whole kernel on wasm32, and natively it fails the test that caused it, so there
/// is nobody to protect from a half-made change: later lockers just go on.
pub struct Lock<T: ?Sized>(imp::Mutex<T>);

/// Holding this proves that no other thread sees the value; it unlocks when dropped.
pub type LockGuard<'a, T> = imp::MutexGuard<'a, T>;

impl<T> Lock<T> {
    /// Wraps `value`, unlocked.
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    /// Wraps `value`, unlocked. Not `const`: loom registers the lock with its scheduler.
    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Lock<T> {
    /// Waits until the lock is free and takes it.
    ///
    /// # Panics
    /// May panic (or wait forever) when this thread already holds it.
    pub fn lock(&self) -> LockGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock if it is free, never waits.
    pub fn try_lock(&self) -> Option<LockGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poison)) => Some(poison.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

#[cfg(not(loom))]
impl<T: ?Sized> Lock<T> {
    /// Reaches the value without locking: `&mut self` proves that nobody else can.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(loom)]
impl<T> Lock<T> {
    /// Reaches the value without locking: `&mut self` proves that nobody else can.
    pub fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Lock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Lock<T> {
    /// Prints the value, or `<locked>` rather than wait.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(guard) => f.debug_tuple("Lock").field(&&*guard).finish(),
            None => f.write_str("Lock(<locked>)"),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn value_survives_a_panic_of_its_holder() {
        let lock = Lock::new(1);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut guard = lock.lock();
            *guard = 2;
            panic!("holder dies");
        }));
        assert_eq!(*lock.lock(), 2);
        assert_eq!(lock.into_inner(), 2);
    }

    #[test]
    fn debug_does_not_wait() {
        static LOCK: Lock<u8> = Lock::new(7);
        assert_eq!(format!("{LOCK:?}"), "Lock(7)");
        let guard = LOCK.lock();
        assert_eq!(format!("{LOCK:?}"), "Lock(<locked>)");
        assert!(LOCK.try_lock().is_none());
        drop(guard);
        let unsized_lock: &Lock<[u8]> = &Lock::new([1, 2]);
        assert_eq!(unsized_lock.lock().len(), 2);
    }
}
