//! All terminals of the pod, by device number.

use std::sync::Arc;

use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;
use fs::vfs::device::make_device;

use super::Tty;
use super::pty::{PtyMaster, SLAVE_MAJOR};
use crate::process::Pid;

/// The terminals that exist now; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Terminals {
    by_id: Arc<Lock<SortedMap<u64, Arc<Tty>>>>,
}

impl Terminals {
    /// Adds a terminal; returns the one that had its device number.
    pub fn add(&self, tty: Arc<Tty>) -> Option<Arc<Tty>> {
        self.by_id.lock().insert(tty.id(), tty)
    }

    /// Makes a pseudo-terminal with the lowest free number below `max`, and adds its slave.
    ///
    /// # Errors
    /// `ENOSPC` when all numbers are taken.
    pub(super) fn add_pair(
        &self,
        max: u32,
        make: impl FnOnce(u32) -> Arc<PtyMaster>,
    ) -> Result<Arc<PtyMaster>> {
        let mut by_id = self.by_id.lock();
        let id = |number: u32| make_device(SLAVE_MAJOR, number);
        let number = (0..max)
            .find(|&number| !by_id.contains_key(&id(number)))
            .ok_or(Errno::ENOSPC)?;
        let master = make(number);
        by_id.insert(id(number), Arc::clone(master.tty()));
        Ok(master)
    }

    /// Removes a terminal; open descriptions keep it.
    pub fn remove(&self, id: u64) -> Option<Arc<Tty>> {
        self.by_id.lock().remove(&id)
    }

    /// The terminal with a device number.
    pub fn find(&self, id: u64) -> Option<Arc<Tty>> {
        self.by_id.lock().get(&id).cloned()
    }

    /// The terminal with the lowest device number: what `/dev/console` is.
    pub fn console(&self) -> Option<Arc<Tty>> {
        self.by_id.lock().values().next().cloned()
    }

    /// Makes terminal `id` the controlling one of `session`.
    pub fn attach(&self, id: u64, session: Pid) {
        if let Some(tty) = self.find(id) {
            tty.attach(session);
        }
    }

    /// Takes terminal `id` from `session`; returns the foreground group, to be hung up.
    pub fn detach(&self, id: u64, session: Pid) -> Option<Pid> {
        self.find(id)?.detach(session)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use abi::Signal;

    use super::super::hang_up::HungUp;
    use super::super::pty::PtyOwner;
    use super::*;

    struct Nobody;

    impl PtyOwner for Nobody {
        fn signal_group(&self, _: Pid, _: Signal) {}

        fn now_ns(&self) -> u64 {
            0
        }

        fn master_closed(&self, _: u32, _: HungUp) {}
    }

    #[test]
    fn pairs_made_at_once_have_numbers_of_their_own() {
        let terminals = Terminals::default();
        let make = |number| PtyMaster::new(number, Arc::new(Nobody));
        let add = || {
            let masters = (0..50).map(|_| terminals.add_pair(200, make).unwrap());
            masters.collect::<Vec<_>>()
        };
        let masters: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(add)).collect();
            let made = threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap());
            made.collect()
        });
        let numbers: BTreeSet<u32> = masters.iter().map(|master| master.number()).collect();
        assert_eq!(numbers.len(), 200);
        let full = terminals.add_pair(200, make).unwrap_err();
        assert_eq!(full.errno, Errno::ENOSPC);
        terminals.remove(make_device(SLAVE_MAJOR, 77));
        assert_eq!(terminals.add_pair(200, make).unwrap().number(), 77);
    }
}
