//! capget(2) and capset(2), and the calls of prctl(2) that are about capabilities.

use abi::flags::{
    CAP_LAST_CAP, CAP_SETPCAP, LINUX_CAPABILITY_VERSION_1, LINUX_CAPABILITY_VERSION_2,
    LINUX_CAPABILITY_VERSION_3, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAP_AMBIENT_IS_SET,
    PR_CAP_AMBIENT_LOWER, PR_CAP_AMBIENT_RAISE, SECBIT_KEEP_CAPS, SECBIT_KEEP_CAPS_LOCKED,
    SECBIT_NO_CAP_AMBIENT_RAISE, SECURE_ALL_BITS, SECURE_ALL_LOCKS,
};
use abi::layout::{CapData, CapHeader};
use abi::types::UserAddr;
use abi::{Errno, Result};
use kernel::process::{Capabilities, capability_bit};

use crate::context::Cx;

/// How many [`CapData`] a version of the header has; writes ours for an unknown one.
fn nr_data(cx: Cx<'_>, address: UserAddr) -> Result<(CapHeader, Option<usize>)> {
    let header = CapHeader::from_bytes(&cx.copy_in(address)?);
    match header.version {
        LINUX_CAPABILITY_VERSION_1 => Ok((header, Some(1))),
        LINUX_CAPABILITY_VERSION_2 | LINUX_CAPABILITY_VERSION_3 => Ok((header, Some(2))),
        _ => {
            let ours = CapHeader {
                version: LINUX_CAPABILITY_VERSION_3,
                ..header
            };
            cx.copy_out(address, &ours.to_bytes())?;
            Ok((header, None))
        }
    }
}

/// The lower and the upper word of a set.
fn words(set: u64) -> [u32; 2] {
    [set, set >> 32].map(|word| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0))
}

/// capget(2).
pub(crate) fn capget(cx: Cx<'_>, header: UserAddr, data: UserAddr) -> Result<()> {
    let (header, nr) = nr_data(cx, header)?;
    let Some(nr) = nr else {
        return if data.is_null() {
            Ok(())
        } else {
            Err(Errno::EINVAL.into())
        };
    };
    let process = match header.pid {
        ..0 => return Err(Errno::EINVAL.into()),
        0 => cx.process(),
        pid => cx.kernel.processes.find(pid).ok_or(Errno::ESRCH)?,
    };
    if data.is_null() {
        return Ok(());
    }
    let held = process.credentials().capabilities;
    let (effective, permitted) = (words(held.effective), words(held.permitted));
    let inheritable = words(held.inheritable);
    let mut address = data;
    for ((effective, permitted), inheritable) in effective
        .into_iter()
        .zip(permitted)
        .zip(inheritable)
        .take(nr)
    {
        let data = CapData {
            effective,
            permitted,
            inheritable,
        };
        cx.copy_out(address, &data.to_bytes())?;
        address = address.offset(12)?;
    }
    Ok(())
}

/// Changes the caller's capabilities.
fn change(cx: Cx<'_>, change: impl FnOnce(Capabilities) -> Result<Capabilities>) -> Result<()> {
    let process = cx.process();
    let mut credentials = (*process.credentials()).clone();
    credentials.capabilities = change(credentials.capabilities)?;
    process.set_credentials(credentials);
    Ok(())
}

/// capset(2).
pub(crate) fn capset(cx: Cx<'_>, header: UserAddr, data: UserAddr) -> Result<()> {
    let (header, nr) = nr_data(cx, header)?;
    let nr = nr.ok_or(Errno::EINVAL)?;
    if header.pid != 0 && header.pid != cx.task.pid() {
        return Err(Errno::EPERM.because("only one's own"));
    }
    let (mut effective, mut permitted, mut inheritable) = (0, 0, 0);
    let mut address = data;
    for shift in [0, 32].into_iter().take(nr) {
        let data = CapData::from_bytes(&cx.copy_in(address)?);
        effective |= u64::from(data.effective) << shift;
        permitted |= u64::from(data.permitted) << shift;
        inheritable |= u64::from(data.inheritable) << shift;
        address = address.offset(12)?;
    }
    change(cx, |held| held.set(effective, permitted, inheritable))
}

/// The set of the capability with this number.
fn set_of(capability: u32) -> Result<u64> {
    if capability > CAP_LAST_CAP {
        return Err(Errno::EINVAL.because("not a capability"));
    }
    Ok(capability_bit(capability))
}

/// `PR_CAPBSET_READ`.
pub(crate) fn is_bounded_by(cx: Cx<'_>, capability: u32) -> Result<u32> {
    let set = set_of(capability)?;
    let held = cx.process().credentials().capabilities;
    Ok(u32::from(held.bounding & set != 0))
}

/// `PR_CAPBSET_DROP`.
pub(crate) fn drop_from_bounding(cx: Cx<'_>, capability: u32) -> Result<()> {
    change(cx, |mut held| {
        if !held.has(CAP_SETPCAP) {
            return Err(Errno::EPERM.into());
        }
        held.bounding &= !set_of(capability)?;
        Ok(held)
    })
}

/// `PR_SET_SECUREBITS`: a lock that is set stays, and what it locks.
pub(crate) fn set_secure_bits(cx: Cx<'_>, new: u32) -> Result<()> {
    change(cx, |mut held| {
        let old = held.secure_bits;
        let locked = (old & SECURE_ALL_LOCKS) >> 1;
        let is_refused = locked & (old ^ new) != 0
            || old & SECURE_ALL_LOCKS & !new != 0
            || new & !(SECURE_ALL_BITS | SECURE_ALL_LOCKS) != 0
            || !held.has(CAP_SETPCAP);
        if is_refused {
            return Err(Errno::EPERM.because("locked, unknown, or without CAP_SETPCAP"));
        }
        held.secure_bits = new;
        Ok(held)
    })
}

/// `PR_SET_KEEPCAPS`.
pub(crate) fn set_keep(cx: Cx<'_>, keeps: bool) -> Result<()> {
    change(cx, |mut held| {
        if held.secure_bits & SECBIT_KEEP_CAPS_LOCKED != 0 {
            return Err(Errno::EPERM.because("SECBIT_KEEP_CAPS is locked"));
        }
        if keeps {
            held.secure_bits |= SECBIT_KEEP_CAPS;
        } else {
            held.secure_bits &= !SECBIT_KEEP_CAPS;
        }
        Ok(held)
    })
}

/// `PR_CAP_AMBIENT`.
pub(crate) fn ambient(cx: Cx<'_>, what: u32, capability: u32) -> Result<u32> {
    if what == PR_CAP_AMBIENT_CLEAR_ALL {
        if capability != 0 {
            return Err(Errno::EINVAL.into());
        }
        change(cx, |held| Ok(Capabilities { ambient: 0, ..held }))?;
        return Ok(0);
    }
    let set = set_of(capability)?;
    match what {
        PR_CAP_AMBIENT_IS_SET => {
            let held = cx.process().credentials().capabilities;
            return Ok(u32::from(held.ambient & set != 0));
        }
        PR_CAP_AMBIENT_RAISE => change(cx, |mut held| {
            let may = held.permitted & held.inheritable & set != 0
                && held.secure_bits & SECBIT_NO_CAP_AMBIENT_RAISE == 0;
            if !may {
                return Err(Errno::EPERM.because("not permitted and inheritable"));
            }
            held.ambient |= set;
            Ok(held)
        })?,
        PR_CAP_AMBIENT_LOWER => change(cx, |mut held| {
            held.ambient &= !set;
            Ok(held)
        })?,
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}
