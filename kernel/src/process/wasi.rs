//! What a process has that runs a WASI program: descriptors of its own over those of Linux.
//!
//! A WASI program finds its directories by descriptors that are open when it starts. So its numbers
//! are not the process's: 3 has to be a directory, whatever a shell has left open there.

use std::sync::Arc;

use abi::wasi::{NR_WORDS, WasiFd};
use abi::{Errno, Fd, Result};

/// What a number stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WasiDescriptor {
    /// The descriptor of the process.
    pub fd: Fd,
    /// The name of a directory that was open at the start.
    pub preopened_as: Option<Arc<[u8]>>,
}

impl WasiDescriptor {
    /// One that the program has opened itself, or a standard stream.
    pub const fn new(fd: Fd) -> Self {
        Self {
            fd,
            preopened_as: None,
        }
    }
}

/// The WASI side of a process. Empty until its program makes the first call that needs a descriptor.
#[derive(Debug, Default)]
pub struct WasiState {
    slots: Option<Vec<Option<WasiDescriptor>>>,
    /// The words behind the sixth of the call that comes next; kept, as it may be made again.
    pub more: [u32; NR_WORDS],
}

impl WasiState {
    /// Whether there are descriptors.
    pub const fn is_set_up(&self) -> bool {
        self.slots.is_some()
    }

    /// The descriptors at the start, by number.
    pub fn set_up(&mut self, slots: Vec<Option<WasiDescriptor>>) {
        self.slots = Some(slots);
    }

    /// What `number` stands for.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get(&self, number: WasiFd) -> Result<WasiDescriptor> {
        let slots = self.slots.as_deref().unwrap_or_default();
        let slot = index(number).and_then(|index| slots.get(index));
        slot.cloned().flatten().ok_or_else(|| Errno::EBADF.into())
    }

    /// Gives `descriptor` a number: the highest that was given back, else the one behind all. So
    /// the oracle, wasmtime, does it.
    pub fn insert(&mut self, descriptor: WasiDescriptor) -> WasiFd {
        let slots = self.slots.get_or_insert_default();
        let index = slots.iter().rposition(Option::is_none);
        let index = index.unwrap_or(slots.len());
        match slots.get_mut(index) {
            Some(slot) => *slot = Some(descriptor),
            None => slots.push(Some(descriptor)),
        }
        WasiFd(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Takes a number out.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn remove(&mut self, number: WasiFd) -> Result<WasiDescriptor> {
        Ok(self.slot(number)?.take().ok_or(Errno::EBADF)?)
    }

    /// Moves what `from` stands for to `to`, which has to be open; returns what that stood for,
    /// unless both are the same.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn renumber(&mut self, from: WasiFd, to: WasiFd) -> Result<Option<WasiDescriptor>> {
        let replaced = self.get(to)?;
        if from == to {
            return Ok(None);
        }
        let moved = self.remove(from)?;
        *self.slot(to)? = Some(moved);
        Ok(Some(replaced))
    }

    fn slot(&mut self, number: WasiFd) -> Result<&mut Option<WasiDescriptor>> {
        let slots = self.slots.as_deref_mut().unwrap_or_default();
        let slot = index(number).and_then(|index| slots.get_mut(index));
        slot.ok_or_else(|| Errno::EBADF.into())
    }
}

fn index(number: WasiFd) -> Option<usize> {
    usize::try_from(number.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fd: i32) -> WasiDescriptor {
        WasiDescriptor::new(Fd(fd))
    }

    #[test]
    fn the_highest_free_number_is_used_again() {
        let mut state = WasiState::default();
        state.set_up(vec![Some(of(10)), None, Some(of(12))]);
        assert_eq!(state.insert(of(20)), WasiFd(1));
        assert_eq!(state.insert(of(21)), WasiFd(3));
        state.remove(WasiFd(0)).unwrap();
        state.remove(WasiFd(2)).unwrap();
        assert_eq!(state.insert(of(22)), WasiFd(2));
        assert_eq!(state.insert(of(23)), WasiFd(0));
        assert_eq!(state.get(WasiFd(2)), Ok(of(22)));
    }

    #[test]
    fn what_is_not_open_is_no_descriptor() {
        let mut state = WasiState::default();
        assert!(state.get(WasiFd(0)).is_err());
        state.set_up(vec![Some(of(1))]);
        assert!(state.get(WasiFd(u32::MAX)).is_err());
        assert!(state.remove(WasiFd(1)).is_err());
        assert!(state.renumber(WasiFd(0), WasiFd(1)).is_err());
        assert_eq!(state.get(WasiFd(0)), Ok(of(1)));
    }

    #[test]
    fn renumbering_replaces() {
        let mut state = WasiState::default();
        state.set_up(vec![Some(of(1)), Some(of(2))]);
        assert_eq!(state.renumber(WasiFd(0), WasiFd(0)), Ok(None));
        assert_eq!(state.renumber(WasiFd(0), WasiFd(1)), Ok(Some(of(2))));
        assert_eq!(state.get(WasiFd(1)), Ok(of(1)));
        assert!(state.renumber(WasiFd(0), WasiFd(1)).is_err());
    }
}
