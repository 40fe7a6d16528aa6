//! Capabilities: the privileges of the superuser, one by one. capabilities(7).
//!
//! A set is a word with bit `n` for capability `n`. What a change of users and `exec` do to the
//! sets is in [`Capabilities::after_change`] and [`Capabilities::after_exec`].

use abi::flags::{
    CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_LAST_CAP,
    CAP_LINUX_IMMUTABLE, CAP_MAC_OVERRIDE, CAP_MKNOD, CAP_SETPCAP, SECBIT_KEEP_CAPS,
    SECBIT_NO_SETUID_FIXUP, SECBIT_NOROOT,
};
use abi::{Errno, Result};

use super::Ids;

/// All capabilities that there are.
pub const ALL_CAPABILITIES: u64 = (1 << (CAP_LAST_CAP + 1)) - 1;

/// What a process loses when it no longer accesses files as the superuser (setfsuid(2)).
const FILE_CAPABILITIES: u64 = bit(CAP_CHOWN)
    | bit(CAP_DAC_OVERRIDE)
    | bit(CAP_DAC_READ_SEARCH)
    | bit(CAP_FOWNER)
    | bit(CAP_FSETID)
    | bit(CAP_LINUX_IMMUTABLE)
    | bit(CAP_MKNOD)
    | bit(CAP_MAC_OVERRIDE);

/// The set of one capability; empty for a number that is none.
pub const fn bit(capability: u32) -> u64 {
    if capability <= CAP_LAST_CAP {
        1 << capability
    } else {
        0
    }
}

/// The five sets of a process, and the bits that say how they change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What it may do now.
    pub effective: u64,
    /// What it may make effective.
    pub permitted: u64,
    /// What a program with such a file capability may keep; Shoal's files have none.
    pub inheritable: u64,
    /// The most that `exec` gives.
    pub bounding: u64,
    /// What `exec` keeps for a program without privileges of its own.
    pub ambient: u64,
    /// `SECBIT_*`.
    pub secure_bits: u32,
}

impl Capabilities {
    /// The superuser's.
    pub const ROOT: Self = Self {
        effective: ALL_CAPABILITIES,
        permitted: ALL_CAPABILITIES,
        inheritable: 0,
        bounding: ALL_CAPABILITIES,
        ambient: 0,
        secure_bits: 0,
    };

    /// Whether `capability` is effective.
    pub const fn has(&self, capability: u32) -> bool {
        self.effective & bit(capability) != 0
    }

    const fn is_secure(&self, secure_bit: u32) -> bool {
        self.secure_bits & secure_bit != 0
    }

    /// What a change of user ids from `old` to `new` leaves (setuid(2) and its kin).
    #[must_use]
    pub fn after_change(mut self, old: Ids, new: Ids) -> Self {
        if self.is_secure(SECBIT_NO_SETUID_FIXUP) {
            return self;
        }
        let has_root = |ids: Ids| [ids.real, ids.effective, ids.saved].contains(&0);
        if has_root(old) && !has_root(new) {
            if !self.is_secure(SECBIT_KEEP_CAPS) {
                self.permitted = 0;
                self.effective = 0;
            }
            self.ambient = 0;
        }
        if old.effective == 0 && new.effective != 0 {
            self.effective = 0;
        } else if old.effective != 0 && new.effective == 0 {
            self.effective = self.permitted;
        }
        self
    }

    /// What setfsuid(2) leaves.
    #[must_use]
    pub const fn after_file_user(mut self, old: u32, new: u32) -> Self {
        if self.is_secure(SECBIT_NO_SETUID_FIXUP) {
            return self;
        }
        if old == 0 && new != 0 {
            self.effective &= !FILE_CAPABILITIES;
        } else if old != 0 && new == 0 {
            self.effective |= self.permitted & FILE_CAPABILITIES;
        }
        self
    }

    /// What `exec` leaves to a process whose user ids are `user` afterwards.
    ///
    /// - `is_set_id`: the program changed the effective user or group
    #[must_use]
    pub const fn after_exec(mut self, user: Ids, is_set_id: bool) -> Self {
        let has_root_rules = !self.is_secure(SECBIT_NOROOT);
        let gained = if has_root_rules && (user.effective == 0 || user.real == 0) {
            self.bounding | self.inheritable
        } else {
            0
        };
        if is_set_id {
            self.ambient = 0;
        }
        self.permitted = gained | self.ambient;
        self.effective = if has_root_rules && user.effective == 0 {
            self.permitted
        } else {
            self.ambient
        };
        self.secure_bits &= !SECBIT_KEEP_CAPS;
        self
    }

    /// What capset(2) makes of them.
    ///
    /// # Errors
    /// `EPERM` for more than the process may have.
    pub fn set(&self, effective: u64, permitted: u64, inheritable: u64) -> Result<Self> {
        let [effective, permitted, inheritable] =
            [effective, permitted, inheritable].map(|set| set & ALL_CAPABILITIES);
        let may_inherit = if self.has(CAP_SETPCAP) {
            u64::MAX
        } else {
            self.inheritable | self.permitted
        };
        if inheritable & !may_inherit != 0
            || inheritable & !(self.inheritable | self.bounding) != 0
            || permitted & !self.permitted != 0
            || effective & !permitted != 0
        {
            return Err(Errno::EPERM.because("more than it has"));
        }
        Ok(Self {
            effective,
            permitted,
            inheritable,
            ambient: self.ambient & permitted & inheritable,
            ..*self
        })
    }
}

#[cfg(test)]
mod tests {
    use abi::flags::{CAP_KILL, CAP_SYS_ADMIN};

    use super::*;

    const ROOT: Ids = Ids {
        real: 0,
        effective: 0,
        saved: 0,
        files: 0,
    };
    const USER: Ids = Ids {
        real: 7,
        effective: 7,
        saved: 7,
        files: 7,
    };

    #[test]
    fn all_are_lost_with_the_last_id_of_the_superuser() {
        let none = Capabilities::ROOT.after_change(ROOT, USER);
        assert_eq!((none.permitted, none.effective), (0, 0));
        assert_eq!(none.bounding, ALL_CAPABILITIES);
        let half = Ids {
            effective: 7,
            ..ROOT
        };
        let kept = Capabilities::ROOT.after_change(ROOT, half);
        assert_eq!((kept.permitted, kept.effective), (ALL_CAPABILITIES, 0));
        let back = kept.after_change(half, ROOT);
        assert_eq!(back.effective, ALL_CAPABILITIES);
    }

    #[test]
    fn keepcaps_keeps_the_permitted_ones_once() {
        let keeping = Capabilities {
            secure_bits: SECBIT_KEEP_CAPS,
            ..Capabilities::ROOT
        };
        let kept = keeping.after_change(ROOT, USER);
        assert_eq!((kept.permitted, kept.effective), (ALL_CAPABILITIES, 0));
        let gone = kept.after_exec(USER, false);
        assert_eq!((gone.permitted, gone.secure_bits), (0, 0));
    }

    #[test]
    fn exec_gives_the_superuser_the_bounding_set_and_others_the_ambient_one() {
        let few = Capabilities {
            bounding: bit(CAP_KILL),
            ..Capabilities::ROOT
        };
        assert_eq!(few.after_exec(ROOT, false).effective, bit(CAP_KILL));
        let ambient = Capabilities {
            ambient: bit(CAP_KILL),
            ..Capabilities::ROOT
        };
        assert_eq!(ambient.after_exec(USER, false).effective, bit(CAP_KILL));
        assert_eq!(ambient.after_exec(USER, true).effective, 0);
    }

    #[test]
    fn capset_takes_away_and_never_gives() {
        let few = Capabilities::ROOT
            .set(0, bit(CAP_KILL), bit(CAP_KILL))
            .unwrap();
        assert!(!few.has(CAP_KILL));
        assert!(few.set(bit(CAP_KILL), bit(CAP_KILL), 0).is_ok());
        assert!(few.set(0, bit(CAP_SYS_ADMIN), 0).is_err());
        assert!(few.set(bit(CAP_KILL), 0, 0).is_err());
        assert!(few.set(0, 0, bit(CAP_SYS_ADMIN)).is_err());
    }

    #[test]
    fn file_capabilities_follow_the_user_for_files() {
        let lost = Capabilities::ROOT.after_file_user(0, 7);
        assert!(!lost.has(CAP_CHOWN) && lost.has(CAP_KILL));
        assert!(lost.after_file_user(7, 0).has(CAP_CHOWN));
    }
}
