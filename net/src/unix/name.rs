//! Names of sockets: bind(2), and finding the socket that has one.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use abi::{Errno, Result};
use fs::vfs::inode::FileType;

use super::UnixSocket;
use super::address::{Given, Name, parse};
use crate::socket::{Caller, Peer};

/// Names that `bind` of any name chooses from: five hexadecimal digits.
const NR_NAMES: u64 = 1 << 20;

impl UnixSocket {
    /// `bind(2)`.
    ///
    /// # Errors
    /// `EINVAL`, `EADDRINUSE`, and those of making the name.
    pub(super) fn bind_to(&self, caller: &dyn Caller, address: &[u8]) -> Result<()> {
        match parse(address)? {
            Given::Unspecified => Err(Errno::EINVAL.because("no family")),
            Given::Any => {
                self.bind_to_any();
                Ok(())
            }
            Given::Abstract(name) => {
                self.check_unbound()?;
                if self.take_abstract(name) {
                    Ok(())
                } else {
                    Err(Errno::EADDRINUSE.into())
                }
            }
            Given::Path(path) => self.bind_to_path(caller, path),
        }
    }

    fn bind_to_path(&self, caller: &dyn Caller, path: &[u8]) -> Result<()> {
        if let Err(error) = self.check_unbound() {
            // As in Linux, a name that is taken is the first thing to be noticed.
            return match caller.find_socket_name(path) {
                Ok(_) => Err(Errno::EADDRINUSE.into()),
                Err(_) => Err(error),
            };
        }
        let location = caller.make_socket_name(path).map_err(|error| {
            if error.errno == Errno::EEXIST {
                Errno::EADDRINUSE.because("the name is there")
            } else {
                error
            }
        })?;
        let metadata = location.metadata()?;
        let inode = (metadata.device, metadata.inode);
        let name = Arc::new(Name::Path {
            path: path.into(),
            inode,
            _location: location,
        });
        let mut inodes = self.network.inodes.lock();
        let mut state = self.state.lock();
        if state.name.is_some() {
            return Err(Errno::EINVAL.because("it has an address"));
        }
        state.name = Some(name);
        inodes.insert(inode, Weak::clone(&self.me));
        Ok(())
    }

    /// Gives it a name that nobody has, if it has none (`unix(7)`, "Autobind feature").
    pub(super) fn bind_to_any(&self) {
        for _ in 0..NR_NAMES {
            if self.state.lock().name.is_some() {
                return;
            }
            let number = self.network.next_name.fetch_add(1, Ordering::Relaxed) % NR_NAMES;
            if self.take_abstract(format!("{number:05x}").as_bytes()) {
                return;
            }
        }
    }

    /// Finds the socket of an address.
    ///
    /// # Errors
    /// `ECONNREFUSED`, `EPROTOTYPE`, `EINVAL`, and those of the walk.
    pub(super) fn find_peer(&self, caller: &dyn Caller, address: &[u8]) -> Result<Peer> {
        let refused = || Errno::ECONNREFUSED.because("nobody has this name");
        let found = match parse(address)? {
            Given::Unspecified => return Ok(Peer::Nobody),
            Given::Any => return Err(Errno::EINVAL.because("no name")),
            Given::Abstract(name) => {
                let key = (self.kind, name.into());
                let names = self.network.abstract_names.lock();
                names
                    .get(&key)
                    .and_then(Weak::upgrade)
                    .ok_or_else(refused)?
            }
            Given::Path(path) => {
                let location = caller.find_socket_name(path)?;
                if location.file_type() != FileType::Socket {
                    return Err(Errno::ECONNREFUSED.because("no socket's name"));
                }
                let metadata = location.metadata()?;
                let inodes = self.network.inodes.lock();
                let entry = inodes.get(&(metadata.device, metadata.inode));
                let found = entry.and_then(Weak::upgrade).ok_or_else(refused)?;
                drop(inodes);
                if found.kind != self.kind {
                    return Err(Errno::EPROTOTYPE.because("a socket of another type"));
                }
                found
            }
        };
        Ok(Peer::Unix(found))
    }

    fn check_unbound(&self) -> Result<()> {
        if self.state.lock().name.is_some() {
            return Err(Errno::EINVAL.because("it has an address"));
        }
        Ok(())
    }

    /// Takes a name that is no path; says whether it, or the socket, was free.
    fn take_abstract(&self, name: &[u8]) -> bool {
        let mut names = self.network.abstract_names.lock();
        let key = (self.kind, name.into());
        if names
            .get(&key)
            .is_some_and(|entry| entry.strong_count() > 0)
        {
            return false;
        }
        let mut state = self.state.lock();
        if state.name.is_none() {
            state.name = Some(Arc::new(Name::Abstract(name.into())));
            names.insert(key, Weak::clone(&self.me));
        }
        true
    }
}
