//! mount(2) and umount2(2).

use abi::Result;
use abi::flags::{MS_MGC_MSK, MS_MGC_VAL};
use abi::limits::PAGE_SIZE;
use abi::types::UserAddr;
use fs::vfs::mount::MountCall;

use crate::context::Cx;

/// Bytes of the kernel's memory that a mount takes, about.
const MOUNT_BYTES: u64 = 8 << 10;

/// mount(2): source, type and data may be null where the flags make them meaningless.
pub(crate) fn mount(
    cx: Cx<'_>,
    source: UserAddr,
    target: UserAddr,
    kind: UserAddr,
    flags: u32,
    data: UserAddr,
) -> Result<()> {
    let kind = optional(cx, kind)?;
    let source = optional(cx, source)?;
    let data = optional(cx, data)?;
    let target = cx.path(target)?;
    cx.kernel.budget().admit(MOUNT_BYTES)?;
    let context = cx.process().path_context(cx.kernel);
    // Programs from before Linux 2.4 put a magic number into the upper half.
    let flags = if flags & MS_MGC_MSK == MS_MGC_VAL {
        flags & !MS_MGC_MSK
    } else {
        flags
    };
    let call = MountCall {
        source: &source,
        target: &target,
        type_name: &kind,
        flags,
        data: &data,
    };
    let flush = cx.kernel.vfs.mount(&context.vfs(), &call)?;
    cx.task.until_durable(flush);
    Ok(())
}

/// The string at an address that may be null.
fn optional(cx: Cx<'_>, address: UserAddr) -> Result<Vec<u8>> {
    match address.non_null() {
        Some(address) => cx.string(address, PAGE_SIZE),
        None => Ok(Vec::new()),
    }
}

/// umount2(2).
pub(crate) fn umount2(cx: Cx<'_>, target: UserAddr, flags: u32) -> Result<()> {
    let target = cx.path(target)?;
    let context = cx.process().path_context(cx.kernel);
    cx.kernel.vfs.umount(&context.vfs(), &target, flags)
}
