//! Who a process acts as: credentials(7).

use std::sync::Arc;

use fs::vfs::inode::Metadata;

use super::Settings;

/// Real, effective, saved and file-system ids, and the supplementary groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Real user.
    pub ruid: u32,
    /// Effective user.
    pub euid: u32,
    /// Saved set-user-id.
    pub suid: u32,
    /// User for file access.
    pub fsuid: u32,
    /// Real group.
    pub rgid: u32,
    /// Effective group.
    pub egid: u32,
    /// Saved set-group-id.
    pub sgid: u32,
    /// Group for file access.
    pub fsgid: u32,
    /// Supplementary groups.
    pub groups: Arc<[u32]>,
}

impl Credentials {
    /// The superuser.
    pub fn root() -> Self {
        Self {
            ruid: 0,
            euid: 0,
            suid: 0,
            fsuid: 0,
            rgid: 0,
            egid: 0,
            sgid: 0,
            fsgid: 0,
            groups: Arc::from([]),
        }
    }

    /// Whether the effective user is the superuser.
    pub const fn is_privileged(&self) -> bool {
        self.euid == 0
    }

    /// Whether `gid` is the group for file access or a supplementary one.
    pub fn is_in_group(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }

    /// Whether a file of these attributes may be executed; the superuser needs one x bit.
    pub fn may_execute(&self, metadata: &Metadata) -> bool {
        if self.fsuid == 0 {
            return metadata.permissions & 0o111 != 0;
        }
        let bit = if self.fsuid == metadata.uid {
            0o100
        } else if self.is_in_group(metadata.gid) {
            0o010
        } else {
            0o001
        };
        metadata.permissions & bit != 0
    }

    /// What `execve` of a file with set-id bits makes of them.
    #[must_use]
    pub fn after_exec(&self, metadata: &Metadata, settings: Settings) -> Self {
        let mut new = self.clone();
        let may_gain = !settings.has_no_new_privileges;
        if may_gain && metadata.permissions & 0o4000 != 0 {
            new.euid = metadata.uid;
        }
        if may_gain && metadata.permissions & 0o2010 == 0o2010 {
            new.egid = metadata.gid;
        }
        new.suid = new.euid;
        new.fsuid = new.euid;
        new.sgid = new.egid;
        new.fsgid = new.egid;
        new
    }
}
