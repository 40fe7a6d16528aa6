//! Who makes a request: what Linux tells of them, as our VFS wants it.
//!
//! FUSE names user, group and thread. Supplementary groups and capabilities stand in
//! `/proc/TID/status`; the thread waits for the answer meanwhile, so they do not change.

use fs::vfs::Caller;
use fuser::Request;

/// Whose permissions count for a request.
#[derive(Debug)]
pub(crate) struct Requester {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    capabilities: u64,
}

impl Requester {
    /// The one behind `request`. A thread that has gone has no groups and no privileges.
    pub(crate) fn of(request: &Request) -> Self {
        let path = format!("/proc/{}/status", request.pid());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let field = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(name)).unwrap_or("")
        };
        let groups = field("Groups:").split_whitespace();
        Self {
            uid: request.uid(),
            gid: request.gid(),
            groups: groups.filter_map(|group| group.parse().ok()).collect(),
            capabilities: u64::from_str_radix(field("CapEff:").trim(), 16).unwrap_or(0),
        }
    }

    /// The same as `access(2)` looks: with the real ids, and privileges only if those are root's.
    pub(crate) fn of_access(request: &Request) -> Self {
        let mut requester = Self::of(request);
        if requester.uid != 0 {
            requester.capabilities = 0;
        }
        requester
    }

    /// As the VFS takes it, which then acts for them.
    pub(crate) fn caller(&self) -> Caller<'_> {
        let caller = Caller {
            uid: self.uid,
            gid: self.gid,
            groups: &self.groups,
            capabilities: self.capabilities,
        };
        caller.act();
        caller
    }
}
