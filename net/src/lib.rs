//! Sockets (layer 3): what every family offers, and the families.
//!
//! - [`socket`]: [`socket::Socket`], what the calls of socket(7) need of a family
//! - [`message`]: what is sent and received, with descriptors and credentials
//! - [`options`]: what `setsockopt(2)` changes in every family
//! - [`file`](mod@file): a socket as an open file
//! - [`unix`]: AF_UNIX, between the processes of a pod
//!
//! Sockets are state machines as pipes are: `try_*` never wait, and whoever waits does so on the
//! socket's own queue, whatever it waits for. No lock of a socket is held while another socket's is
//! taken, while a waker is called, or while a message with descriptors is dropped.

#![forbid(unsafe_code)]

pub mod file;
pub mod message;
pub mod options;
pub mod socket;
pub mod unix;

use std::sync::Arc;

use abi::flags::{AF_UNIX, SOCK_MAX};
use abi::{Errno, Result};
use fs::budget::Budget;

use self::socket::Socket;
use self::unix::UnixNetwork;

/// The families of a pod.
#[derive(Debug)]
pub struct Network {
    unix: Arc<UnixNetwork>,
}

impl Network {
    /// Without sockets. What waits in their queues is taken from `budget`.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self {
            unix: UnixNetwork::new(budget),
        }
    }

    /// The sockets of AF_UNIX.
    pub const fn unix(&self) -> &Arc<UnixNetwork> {
        &self.unix
    }

    /// `socket(2)`: `kind` without `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
    ///
    /// # Errors
    /// `EAFNOSUPPORT`, `ESOCKTNOSUPPORT`, `EPROTONOSUPPORT`, `EINVAL`, `ENOMEM`.
    pub fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Result<Arc<dyn Socket>> {
        check(domain, kind)?;
        let socket: Arc<dyn Socket> = self.unix.socket(kind, protocol)?;
        Ok(socket)
    }

    /// `socketpair(2)`: two sockets connected to each other, made by `owner`.
    ///
    /// # Errors
    /// As [`Network::socket`].
    pub fn pair(
        &self,
        domain: i32,
        kind: i32,
        protocol: i32,
        owner: message::Credentials,
    ) -> Result<[Arc<dyn Socket>; 2]> {
        check(domain, kind)?;
        let (one, other) = self.unix.pair(kind, protocol, owner)?;
        Ok([one, other])
    }
}

fn check(domain: i32, kind: i32) -> Result<()> {
    if !(0..SOCK_MAX).contains(&kind) {
        return Err(Errno::EINVAL.because("no such type of socket"));
    }
    match domain {
        AF_UNIX => Ok(()),
        _ => Err(Errno::EAFNOSUPPORT.because("a family that is not there")),
    }
}
