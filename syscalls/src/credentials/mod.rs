//! User and group ids: credentials(7). Capabilities are in `capabilities`.

mod capabilities;

use std::sync::Arc;

use abi::flags::{CAP_SETGID, CAP_SETUID};
use abi::limits::NGROUPS_MAX;
use abi::types::UserAddr;
use abi::{Errno, Result};
use kernel::process::{Capabilities, Credentials, Ids};

pub(crate) use capabilities::{
    ambient, capget, capset, drop_from_bounding, is_bounded_by, set_keep, set_secure_bits,
};

use crate::context::Cx;

/// An id that means "as it is".
const UNCHANGED: u32 = u32::MAX;

/// getuid(2).
pub(crate) fn getuid(cx: Cx<'_>) -> Result<u32> {
    Ok(cx.process().credentials().user.real)
}

/// geteuid(2).
pub(crate) fn geteuid(cx: Cx<'_>) -> Result<u32> {
    Ok(cx.process().credentials().user.effective)
}

/// getgid(2).
pub(crate) fn getgid(cx: Cx<'_>) -> Result<u32> {
    Ok(cx.process().credentials().group.real)
}

/// getegid(2).
pub(crate) fn getegid(cx: Cx<'_>) -> Result<u32> {
    Ok(cx.process().credentials().group.effective)
}

/// Which ids of a process a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    User,
    Group,
}

impl Which {
    fn ids(self, credentials: &mut Credentials) -> &mut Ids {
        match self {
            Self::User => &mut credentials.user,
            Self::Group => &mut credentials.group,
        }
    }

    /// The privilege to choose any id.
    const fn capability(self) -> u32 {
        match self {
            Self::User => CAP_SETUID,
            Self::Group => CAP_SETGID,
        }
    }
}

fn has(ids: Ids, id: u32) -> bool {
    id == ids.real || id == ids.effective || id == ids.saved
}

/// As `setuid(2)` changes them.
fn set(ids: Ids, id: u32, is_privileged: bool) -> Result<Ids> {
    if is_privileged {
        Ok(Ids {
            real: id,
            effective: id,
            saved: id,
            files: id,
        })
    } else if id == ids.real || id == ids.saved {
        Ok(Ids {
            effective: id,
            files: id,
            ..ids
        })
    } else {
        Err(Errno::EPERM.into())
    }
}

/// As `setreuid(2)` changes them.
fn set_two(ids: Ids, real: u32, effective: u32, is_privileged: bool) -> Result<Ids> {
    let mut new = ids;
    if real != UNCHANGED {
        if real != ids.real && real != ids.effective && !is_privileged {
            return Err(Errno::EPERM.into());
        }
        new.real = real;
    }
    if effective != UNCHANGED {
        if !has(ids, effective) && !is_privileged {
            return Err(Errno::EPERM.into());
        }
        new.effective = effective;
    }
    if real != UNCHANGED || (effective != UNCHANGED && effective != ids.real) {
        new.saved = new.effective;
    }
    new.files = new.effective;
    Ok(new)
}

/// As `setresuid(2)` changes them.
fn set_three(ids: Ids, wanted: [u32; 3], is_privileged: bool) -> Result<Ids> {
    if wanted
        .iter()
        .any(|&id| id != UNCHANGED && !has(ids, id) && !is_privileged)
    {
        return Err(Errno::EPERM.into());
    }
    let or = |id, old| if id == UNCHANGED { old } else { id };
    let [real, effective, saved] = wanted;
    let effective = or(effective, ids.effective);
    Ok(Ids {
        real: or(real, ids.real),
        effective,
        saved: or(saved, ids.saved),
        files: effective,
    })
}

/// Changes the ids of the caller; `rule` says what becomes of its capabilities.
fn change_by(
    cx: Cx<'_>,
    which: Which,
    rule: impl FnOnce(Capabilities, Ids, Ids) -> Capabilities,
    change: impl FnOnce(Ids, bool) -> Result<Ids>,
) -> Result<()> {
    let process = cx.process();
    let mut credentials = (*process.credentials()).clone();
    let is_privileged = credentials.has(which.capability());
    let ids = which.ids(&mut credentials);
    let old = *ids;
    let new = change(old, is_privileged)?;
    *ids = new;
    if which == Which::User {
        credentials.capabilities = rule(credentials.capabilities, old, new);
    }
    process.set_credentials(credentials);
    if which == Which::User && old.real != new.real {
        cx.kernel.note_user_of(&process);
    }
    Ok(())
}

fn change(cx: Cx<'_>, which: Which, change: impl FnOnce(Ids, bool) -> Result<Ids>) -> Result<()> {
    change_by(cx, which, Capabilities::after_change, change)
}

fn set_one(cx: Cx<'_>, which: Which, id: u32) -> Result<()> {
    if id == UNCHANGED {
        return Err(Errno::EINVAL.because("not an id"));
    }
    change(cx, which, |ids, is_privileged| set(ids, id, is_privileged))
}

/// setuid(2).
pub(crate) fn setuid(cx: Cx<'_>, uid: u32) -> Result<()> {
    set_one(cx, Which::User, uid)
}

/// setgid(2).
pub(crate) fn setgid(cx: Cx<'_>, gid: u32) -> Result<()> {
    set_one(cx, Which::Group, gid)
}

/// setreuid(2).
pub(crate) fn setreuid(cx: Cx<'_>, real: u32, effective: u32) -> Result<()> {
    change(cx, Which::User, |ids, is_privileged| {
        set_two(ids, real, effective, is_privileged)
    })
}

/// setregid(2).
pub(crate) fn setregid(cx: Cx<'_>, real: u32, effective: u32) -> Result<()> {
    change(cx, Which::Group, |ids, is_privileged| {
        set_two(ids, real, effective, is_privileged)
    })
}

/// setresuid(2).
pub(crate) fn setresuid(cx: Cx<'_>, real: u32, effective: u32, saved: u32) -> Result<()> {
    change(cx, Which::User, |ids, is_privileged| {
        set_three(ids, [real, effective, saved], is_privileged)
    })
}

/// setresgid(2).
pub(crate) fn setresgid(cx: Cx<'_>, real: u32, effective: u32, saved: u32) -> Result<()> {
    change(cx, Which::Group, |ids, is_privileged| {
        set_three(ids, [real, effective, saved], is_privileged)
    })
}

fn show(cx: Cx<'_>, ids: Ids, addresses: [UserAddr; 3]) -> Result<()> {
    for (address, id) in addresses.into_iter().zip(ids.to_array()) {
        cx.copy_out(address, &id.to_le_bytes())?;
    }
    Ok(())
}

/// getresuid(2).
pub(crate) fn getresuid(
    cx: Cx<'_>,
    real: UserAddr,
    effective: UserAddr,
    saved: UserAddr,
) -> Result<()> {
    show(
        cx,
        cx.process().credentials().user,
        [real, effective, saved],
    )
}

/// getresgid(2).
pub(crate) fn getresgid(
    cx: Cx<'_>,
    real: UserAddr,
    effective: UserAddr,
    saved: UserAddr,
) -> Result<()> {
    show(
        cx,
        cx.process().credentials().group,
        [real, effective, saved],
    )
}

/// The old id for files; nothing changes when the new one is not allowed.
fn set_for_files(cx: Cx<'_>, which: Which, id: u32) -> Result<u32> {
    let mut old = UNCHANGED;
    let rule = |held: Capabilities, old: Ids, new: Ids| held.after_file_user(old.files, new.files);
    change_by(cx, which, rule, |ids, is_privileged| {
        old = ids.files;
        let may = id != UNCHANGED && (is_privileged || has(ids, id));
        Ok(if may { Ids { files: id, ..ids } } else { ids })
    })?;
    Ok(old)
}

/// setfsuid(2).
pub(crate) fn setfsuid(cx: Cx<'_>, uid: u32) -> Result<u32> {
    set_for_files(cx, Which::User, uid)
}

/// setfsgid(2).
pub(crate) fn setfsgid(cx: Cx<'_>, gid: u32) -> Result<u32> {
    set_for_files(cx, Which::Group, gid)
}

/// getgroups(2): with a size of 0, how many there are.
pub(crate) fn getgroups(cx: Cx<'_>, size: i32, list: UserAddr) -> Result<usize> {
    let groups = Arc::clone(&cx.process().credentials().groups);
    let size = usize::try_from(size).map_err(|_| Errno::EINVAL)?;
    if size == 0 {
        return Ok(groups.len());
    }
    if size < groups.len() {
        return Err(Errno::EINVAL.because("too small a list"));
    }
    let bytes: Vec<u8> = groups
        .iter()
        .flat_map(|group| group.to_le_bytes())
        .collect();
    cx.copy_out(list, &bytes)?;
    Ok(groups.len())
}

/// setgroups(2).
pub(crate) fn setgroups(cx: Cx<'_>, size: i32, list: UserAddr) -> Result<()> {
    let process = cx.process();
    let old = process.credentials();
    if !old.has(CAP_SETGID) {
        return Err(Errno::EPERM.into());
    }
    let size = usize::try_from(size)
        .ok()
        .filter(|&size| size <= NGROUPS_MAX);
    let size = size.ok_or_else(|| Errno::EINVAL.because("too many groups"))?;
    let mut bytes = vec![0; size.saturating_mul(4)];
    if size > 0 {
        crate::context::not_null(list)?;
        cx.memory().copy_in(list.0, &mut bytes)?;
    }
    let group = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes);
    let mut groups: Vec<u32> = bytes.chunks_exact(4).map(group).collect();
    groups.sort_unstable();
    process.set_credentials(Credentials {
        groups: groups.into(),
        ..(*old).clone()
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Ids = Ids {
        real: 10,
        effective: 20,
        saved: 30,
        files: 20,
    };

    #[test]
    fn superuser_sets_all_three_and_others_choose_among_theirs() {
        assert_eq!(
            set(PLAIN, 7, true),
            Ok(Ids {
                real: 7,
                effective: 7,
                saved: 7,
                files: 7
            })
        );
        assert_eq!(
            set(PLAIN, 30, false),
            Ok(Ids {
                effective: 30,
                files: 30,
                ..PLAIN
            })
        );
        assert!(set(PLAIN, 20, false).is_err());
    }

    #[test]
    fn setreuid_saves_the_effective_id_when_the_real_one_changes() {
        let swapped = Ids {
            real: 20,
            effective: 10,
            saved: 10,
            files: 10,
        };
        assert_eq!(set_two(PLAIN, 20, 10, false), Ok(swapped));
        assert_eq!(
            set_two(PLAIN, UNCHANGED, 10, false),
            Ok(Ids {
                effective: 10,
                files: 10,
                ..PLAIN
            })
        );
        assert!(set_two(PLAIN, 30, UNCHANGED, false).is_err());
    }

    #[test]
    fn setresuid_takes_any_of_the_three() {
        let new = Ids {
            real: 30,
            effective: 20,
            saved: 10,
            files: 20,
        };
        assert_eq!(set_three(PLAIN, [30, UNCHANGED, 10], false), Ok(new));
        assert!(set_three(PLAIN, [1, UNCHANGED, UNCHANGED], false).is_err());
    }
}
