//! All terminals of the pod, by device number.

use std::collections::BTreeMap;
use std::sync::Arc;

use executor::sync::Lock;

use super::Tty;
use crate::process::Pid;

/// The terminals that exist now; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Terminals {
    by_id: Arc<Lock<BTreeMap<u64, Arc<Tty>>>>,
}

impl Terminals {
    /// Adds a terminal; returns the one that had its device number.
    pub fn add(&self, tty: Arc<Tty>) -> Option<Arc<Tty>> {
        self.by_id.lock().insert(tty.id(), tty)
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
