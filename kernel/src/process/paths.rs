//! What a path means to a process: its root and working directory, whose permissions count, and
//! the time of the call.

use std::sync::Arc;

use abi::Result;
use abi::flags::SECBIT_NO_SETUID_FIXUP;
use fs::vfs::inode::Timestamp;
use fs::vfs::path::Location;
use fs::vfs::{Caller, Context, Follow, Scope};

use super::{Credentials, FsContext, Process};
use crate::kernel::Kernel;
use crate::proc::current;

/// Nanoseconds in a second.
const SECOND_NS: u64 = 1_000_000_000;

/// A process's view of the tree, taken at the start of a call: a change of directory or user
/// by another call does not show in it.
#[derive(Clone, Debug)]
pub struct PathContext {
    fs: FsContext,
    credentials: Arc<Credentials>,
    now: Timestamp,
    scope: Scope,
}

impl PathContext {
    /// The same view with relative paths starting at `directory`, as the `*at` calls have it.
    #[must_use]
    pub fn starting_at(mut self, directory: Location) -> Self {
        self.fs.cwd = directory;
        self
    }

    /// The same view of `directory` and what is below it only ([`Scope::Beneath`]).
    #[must_use]
    pub fn beneath(mut self, directory: Location) -> Self {
        self.fs.cwd = directory;
        self.scope = Scope::Beneath;
        self
    }

    /// What the calls of the VFS take, which then act for this caller.
    pub fn vfs(&self) -> Context<'_> {
        let caller = self.caller();
        caller.act();
        Context {
            root: &self.fs.root,
            cwd: &self.fs.cwd,
            caller,
            umask: self.fs.umask,
            now: self.now,
            scope: self.scope,
        }
    }

    /// The same with the permissions of the real user and group: `access(2)`.
    pub fn vfs_as_real_user(&self) -> Context<'_> {
        let credentials = &self.credentials;
        let capabilities = &credentials.capabilities;
        let caller = Caller {
            uid: credentials.user.real,
            gid: credentials.group.real,
            groups: &credentials.groups,
            capabilities: match credentials.user.real {
                _ if capabilities.secure_bits & SECBIT_NO_SETUID_FIXUP != 0 => {
                    capabilities.effective
                }
                0 => capabilities.permitted,
                _ => 0,
            },
        };
        Context {
            caller,
            ..self.vfs()
        }
    }

    /// Whose permissions count.
    pub fn caller(&self) -> Caller<'_> {
        self.credentials.caller()
    }

    /// Where a relative path starts.
    pub const fn start(&self) -> &Location {
        &self.fs.cwd
    }

    /// What `/` means.
    pub const fn root(&self) -> &Location {
        &self.fs.root
    }

    /// The time that changes carry.
    pub const fn now(&self) -> Timestamp {
        self.now
    }
}

impl Credentials {
    /// Whose permissions count for access to files.
    pub fn caller(&self) -> Caller<'_> {
        Caller {
            uid: self.user.files,
            gid: self.group.files,
            groups: &self.groups,
            capabilities: self.capabilities.effective,
        }
    }
}

impl Process {
    /// Its view of the tree, now.
    pub fn path_context(&self, kernel: &Kernel) -> PathContext {
        current::set(self.pid);
        PathContext {
            fs: self.fs.lock().clone(),
            credentials: self.credentials(),
            now: kernel.now(),
            scope: Scope::Everywhere,
        }
    }

    /// What `path` names, symbolic links followed.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`, `EIO`.
    pub fn walk(&self, kernel: &Kernel, path: &[u8]) -> Result<Location> {
        kernel
            .vfs
            .walk(&self.path_context(kernel).vfs(), path, Follow::Yes)
    }
}

impl Kernel {
    /// The time of day as files carry it.
    pub fn now(&self) -> Timestamp {
        let now_ns = self.platform.realtime_ns();
        let seconds = now_ns.checked_div(SECOND_NS).unwrap_or(0);
        let nanoseconds = now_ns.checked_rem(SECOND_NS).unwrap_or(0);
        Timestamp {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
        }
    }
}
