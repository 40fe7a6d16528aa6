//! Shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2).

use std::sync::atomic::Ordering;

use abi::flags::{IPC_RMID, IPC_SET, IPC_STAT, SHM_DEST, SHM_RDONLY, SHM_REMAP, SHM_RND};
use abi::layout::ShmidDs;
use abi::types::UserAddr;
use abi::{Errno, Result};
use fs::memfd::MemFile;
use kernel::ipc::sysv::shm::{Attachment, Segment};
use kernel::ipc::sysv::{Object as _, READ, WRITE};
use kernel::memory::Backing;

use super::{change, check, check_owner, command_of, perm_of, seconds, words};
use crate::context::Cx;

/// Bytes of a page.
const PAGE: u32 = 4096;

/// shmget(2).
pub(crate) fn shmget(cx: Cx<'_>, key: i32, size: usize, flags: u32) -> Result<i32> {
    let process = cx.process();
    let size = u32::try_from(size).map_err(|_| Errno::EINVAL)?;
    let check = |segment: &Segment| {
        if size > segment.size {
            return Err(Errno::EINVAL.because("a larger segment than there is"));
        }
        Ok(())
    };
    let make = |permissions| {
        let bytes = size
            .checked_next_multiple_of(PAGE)
            .filter(|&bytes| bytes > 0);
        let bytes = bytes.ok_or_else(|| Errno::EINVAL.because("no size of a segment"))?;
        let (budget, now) = (cx.kernel.budget(), cx.kernel.now());
        let file = MemFile::new(budget, u64::from(bytes), now, false)?;
        Ok(Segment::new(
            permissions,
            file,
            size,
            process.pid,
            now.seconds,
        ))
    };
    let segments = &cx.kernel.sysv.segments;
    segments.find_or_make((key, flags), &process.credentials(), check, make)
}

/// shmat(2): the memory is a copy that meets the others' at calls that may wait (ADR 0021).
pub(crate) fn shmat(cx: Cx<'_>, id: i32, address: UserAddr, flags: u32) -> Result<UserAddr> {
    let process = cx.process();
    let segment = cx.kernel.sysv.segments.find(id)?;
    let is_writable = flags & SHM_RDONLY == 0;
    let wanted = if is_writable { READ | WRITE } else { READ };
    check(cx, &*segment, wanted)?;
    let fixed = match address.0 {
        0 if flags & SHM_REMAP != 0 => return Err(Errno::EINVAL.because("nothing to replace")),
        0 => None,
        at if at.is_multiple_of(PAGE) => Some(at),
        at if flags & SHM_RND != 0 => Some(at & !PAGE.saturating_sub(1)),
        _ => return Err(Errno::EINVAL.because("not the address of a page")),
    };
    let len = segment.size.next_multiple_of(PAGE);
    let space = process.address_space();
    if let Some(at) = fixed
        && flags & SHM_REMAP == 0
        && space.lock().backing_at(at).is_some()
    {
        return Err(Errno::EINVAL.because("something is mapped there"));
    }
    let mapped = crate::memory::map(cx, len, fixed)?;
    let attachment = Attachment::new(cx.kernel, &segment, process.pid, seconds(cx));
    let backing = Backing {
        inode: segment.file.clone(),
        offset: 0,
        is_writable,
        writer: None,
        attachment: Some(attachment),
    };
    let count = &cx.kernel.shared_mappings;
    let mut space = space.lock();
    let shared = space.share((mapped, len), backing, count);
    let filled = shared.and_then(|()| space.fill_shared(&**cx.memory(), mapped));
    if let Err(error) = filled {
        space.unmap(mapped, len)?;
        return Err(error);
    }
    Ok(UserAddr(mapped))
}

/// shmdt(2).
pub(crate) fn shmdt(cx: Cx<'_>, address: UserAddr) -> Result<()> {
    let space = cx.process().address_space();
    let mut space = space.lock();
    let backing = space.backing_at(address.0);
    let attached = backing.filter(|backing| backing.attachment.is_some() && backing.offset == 0);
    let attached = attached.ok_or_else(|| Errno::EINVAL.because("no segment starts there"))?;
    let size = fs::vfs::inode::Inode::metadata(&*attached.inode)?.size;
    let len = u32::try_from(size).map_err(|_| Errno::EINVAL)?;
    space.unmap(address.0, len)
}

/// shmctl(2). Deviates: no `IPC_INFO`, `SHM_INFO`, `SHM_STAT`, `SHM_LOCK`.
pub(crate) fn shmctl(cx: Cx<'_>, id: i32, command: i32, buf: UserAddr) -> Result<()> {
    let segment = cx.kernel.sysv.segments.find(id)?;
    match command_of(command) {
        IPC_RMID => {
            check_owner(cx, &*segment)?;
            cx.kernel.remove_segment(&segment);
            Ok(())
        }
        IPC_SET => {
            let new = ShmidDs::from_bytes(&cx.copy_in(buf)?).permissions;
            change(cx, &*segment, &new)?;
            segment.changed_at.store(seconds(cx), Ordering::Relaxed);
            Ok(())
        }
        IPC_STAT => {
            check(cx, &*segment, READ)?;
            let mut permissions = perm_of(&segment.permissions().lock());
            if segment.is_doomed() {
                permissions.mode |= SHM_DEST;
            }
            let status = ShmidDs {
                permissions,
                size: segment.size,
                attached_at: words(segment.attached_at.load(Ordering::Relaxed)),
                detached_at: words(segment.detached_at.load(Ordering::Relaxed)),
                changed_at: words(segment.changed_at.load(Ordering::Relaxed)),
                creator: segment.creator,
                last: segment.last.load(Ordering::Relaxed),
                nr_attached: u32::try_from(segment.nr_attached()).unwrap_or(u32::MAX),
            };
            cx.copy_out(buf, &status.to_bytes())
        }
        _ => Err(Errno::EINVAL.because("no such command")),
    }
}
