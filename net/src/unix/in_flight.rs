//! Open files in messages that nobody has received yet.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use executor::sorted::SortedMap;
use executor::sync::Lock;

use super::UnixNetwork;
use crate::message::PassedFile;

/// A socket whose open file is in messages.
#[derive(Debug)]
pub(super) struct Flight {
    /// The socket's number.
    pub(super) socket: u64,
    pub(super) file: Weak<dyn PassedFile>,
    /// In how many messages, each time counted.
    pub(super) count: usize,
}

/// All open files in messages of a pod.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    nr_files: AtomicUsize,
    /// Those that are sockets, by the number of the open file: only they can make a circle.
    pub(super) sockets: Lock<SortedMap<u64, Flight>>,
    /// What is to be closed.
    dying: Lock<Dying>,
    /// When to look for circles next: with so many sockets in messages.
    pub(super) collect_at: AtomicUsize,
    /// Sockets that were closed since somebody looked.
    pub(super) nr_closed: AtomicUsize,
}

/// Files to be closed, one after the other: closing a socket drops its messages, and so on.
#[derive(Debug, Default)]
struct Dying {
    files: Vec<Arc<dyn PassedFile>>,
    is_closing: bool,
}

impl InFlight {
    pub(super) fn nr_files(&self) -> usize {
        self.nr_files.load(Ordering::Relaxed)
    }

    fn add(&self, file: &Arc<dyn PassedFile>) {
        self.nr_files.fetch_add(1, Ordering::Relaxed);
        let Some(socket) = file.socket() else { return };
        let mut sockets = self.sockets.lock();
        let flight = sockets.get_or_insert_with(file.id(), || Flight {
            socket: socket.number(),
            file: Arc::downgrade(file),
            count: 0,
        });
        flight.count = flight.count.saturating_add(1);
    }

    fn remove(&self, file: &Arc<dyn PassedFile>) {
        self.nr_files.fetch_sub(1, Ordering::Relaxed);
        if file.socket().is_none() {
            return;
        }
        let mut sockets = self.sockets.lock();
        if let Some(flight) = sockets.get_mut(&file.id()) {
            flight.count = flight.count.saturating_sub(1);
            if flight.count == 0 {
                sockets.remove(&file.id());
            }
        }
    }

    /// Closes `files` without recursion: a chain of sockets, each in a message to the next, may be
    /// longer than the stack.
    fn close(&self, mut files: Vec<Arc<dyn PassedFile>>) {
        {
            let mut dying = self.dying.lock();
            dying.files.append(&mut files);
            if mem::replace(&mut dying.is_closing, true) {
                return;
            }
        }
        loop {
            let next = {
                let mut dying = self.dying.lock();
                let next = dying.files.pop();
                dying.is_closing = next.is_some();
                next
            };
            match next {
                Some(file) => drop(file),
                None => return,
            }
        }
    }
}

/// The open files of one message.
#[derive(Debug)]
pub(super) struct Rights {
    network: Arc<UnixNetwork>,
    files: Vec<Arc<dyn PassedFile>>,
}

impl Rights {
    /// Sends `files` off; none for none.
    pub(super) fn new(network: &Arc<UnixNetwork>, files: Vec<Arc<dyn PassedFile>>) -> Option<Self> {
        if files.is_empty() {
            return None;
        }
        files.iter().for_each(|file| network.in_flight.add(file));
        Some(Self {
            network: Arc::clone(network),
            files,
        })
    }

    /// The files, which stay in the message (`MSG_PEEK`).
    pub(super) fn files(&self) -> &[Arc<dyn PassedFile>] {
        &self.files
    }

    /// The files, which have arrived.
    pub(super) fn into_files(mut self) -> Vec<Arc<dyn PassedFile>> {
        let files = mem::take(&mut self.files);
        let in_flight = &self.network.in_flight;
        files.iter().for_each(|file| in_flight.remove(file));
        files
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        let files = mem::take(&mut self.files);
        let in_flight = &self.network.in_flight;
        files.iter().for_each(|file| in_flight.remove(file));
        if !files.is_empty() {
            in_flight.close(files);
        }
    }
}
