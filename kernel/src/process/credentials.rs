//! Who a process acts as: credentials(7).

use std::sync::Arc;

use abi::flags::{CAP_DAC_OVERRIDE, CAP_SYS_ADMIN};
use fs::vfs::inode::Metadata;

use super::Capabilities;

/// The ids of a process as a user, or as a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Who started it.
    pub real: u32,
    /// Who it acts as.
    pub effective: u32,
    /// Who it may act as again.
    pub saved: u32,
    /// Who it accesses files as (`fsuid`, `fsgid`).
    pub files: u32,
}

impl Ids {
    /// Real, effective, saved, and for files: the order of `/proc/PID/status`.
    pub const fn to_array(self) -> [u32; 4] {
        [self.real, self.effective, self.saved, self.files]
    }

    /// What execve(2) leaves: the effective id is saved, and used for files.
    const fn settled(self) -> Self {
        Self {
            saved: self.effective,
            files: self.effective,
            ..self
        }
    }
}

/// User, group, the supplementary groups, and capabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: Ids,
    /// The group.
    pub group: Ids,
    /// Supplementary groups.
    pub groups: Arc<[u32]>,
    /// What it may do beyond that.
    pub capabilities: Capabilities,
}

impl Credentials {
    /// The superuser.
    pub fn root() -> Self {
        Self {
            user: Ids::default(),
            group: Ids::default(),
            groups: Arc::from([]),
            capabilities: Capabilities::ROOT,
        }
    }

    /// Whether it has the privilege for what has none of its own (`CAP_SYS_ADMIN`).
    pub const fn is_privileged(&self) -> bool {
        self.has(CAP_SYS_ADMIN)
    }

    /// Whether it has the privilege `capability` (`CAP_*`).
    pub const fn has(&self, capability: u32) -> bool {
        self.capabilities.has(capability)
    }

    /// Whether `gid` is the group for file access or a supplementary one.
    pub fn is_in_group(&self, gid: u32) -> bool {
        self.group.files == gid || self.groups.contains(&gid)
    }

    /// Whether a file of these attributes may be executed; the superuser needs one x bit.
    pub fn may_execute(&self, metadata: &Metadata) -> bool {
        if self.has(CAP_DAC_OVERRIDE) {
            return metadata.permissions & 0o111 != 0;
        }
        let bit = if self.user.files == metadata.uid {
            0o100
        } else if self.is_in_group(metadata.gid) {
            0o010
        } else {
            0o001
        };
        metadata.permissions & bit != 0
    }

    /// What `execve` of a file makes of them, whose set-id bits count if `may_gain`.
    #[must_use]
    pub fn after_exec(&self, metadata: &Metadata, may_gain: bool) -> Self {
        let mut new = self.clone();
        if may_gain && metadata.permissions & 0o4000 != 0 {
            new.user.effective = metadata.uid;
        }
        if may_gain && metadata.permissions & 0o2010 == 0o2010 {
            new.group.effective = metadata.gid;
        }
        let is_set_id = new.user.effective != self.user.effective
            || new.group.effective != self.group.effective;
        new.user = new.user.settled();
        new.group = new.group.settled();
        new.capabilities = self.capabilities.after_exec(new.user, is_set_id);
        new
    }
}
