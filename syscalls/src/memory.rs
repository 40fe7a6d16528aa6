//! Memory: brk, mmap and its relatives.

use std::sync::Arc;

use abi::flags::{
    MADV_DONTFORK, MADV_DONTNEED, MADV_FREE, MADV_NORMAL, MAP_ANONYMOUS, MAP_FIXED, MAP_SHARED,
    MAP_TYPE, MREMAP_MAYMOVE, MS_ASYNC, MS_INVALIDATE, MS_SYNC, PROT_EXEC, PROT_GROWSDOWN,
    PROT_GROWSUP, PROT_READ, PROT_WRITE,
};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::io::{Stall, VecSink};
use fs::vfs::inode::FileType;
use kernel::Kernel;
use kernel::memory::AddressSpace;
use kernel::open_file::OpenFile;
use kernel::process::{Limits, Task};

use crate::context::Cx;

/// Bytes of a page as guests see it.
const PAGE: u32 = 4096;
/// Bytes of a page of linear memory.
const GUEST_PAGE: u64 = 65536;
/// Bytes of a file that are moved at a time.
const PIECE: usize = 1 << 16;

fn len_of(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Errno::ENOMEM.into())
}

/// Changes the memory map of the caller within its limits; what the pod does not have is logged.
fn grow(cx: Cx<'_>, change: impl FnOnce(&mut AddressSpace, &Limits) -> Result<u32>) -> Result<u32> {
    let process = cx.process();
    let limits = process.limits.lock().clone();
    let space = process.address_space();
    let changed = change(&mut space.lock(), &limits);
    if changed.is_err_and(|error| error.errno == Errno::ENOMEM) {
        cx.kernel.report_refusal(&process);
    }
    changed
}

/// `memory.grow` of a guest: the size before in pages of 64 KiB, or all ones.
pub fn memory_grow(kernel: &Arc<Kernel>, task: &Arc<Task>, pages: u32) -> u32 {
    let cx = Cx { kernel, task };
    let grown = grow(cx, |space, limits| {
        let more = u64::from(pages).saturating_mul(GUEST_PAGE);
        if more > 0 {
            space.check_limits(more, limits)?;
        }
        space.grow_by(&**cx.memory(), pages)
    });
    grown.unwrap_or(u32::MAX)
}

/// brk(2): the new break, or the old one when it cannot be had.
pub(crate) fn brk(cx: Cx<'_>, address: UserAddr) -> Result<u32> {
    let process = cx.process();
    let limits = process.limits.lock().clone();
    let space = process.address_space();
    let mut space = space.lock();
    let wanted = match space.check_brk(address.0, &limits) {
        Ok(()) => address.0,
        // No address: the break stays.
        Err(_) => 0,
    };
    let brk = space.set_brk(&**cx.memory(), wanted);
    drop(space);
    if brk < address.0 {
        cx.kernel.report_refusal(&process);
    }
    Ok(brk)
}

/// mmap2(2): the offset counts pages of 4096 bytes.
///
/// A file mapping is a private copy. Deviates: no shared writable file mappings (`ENODEV`).
pub(crate) fn mmap2(
    cx: Cx<'_>,
    address: UserAddr,
    len: usize,
    protection: u32,
    flags: u32,
    fd: Fd,
    offset_pages: u32,
) -> Result<UserAddr> {
    let len = len_of(len)?;
    if len == 0 || flags & MAP_TYPE == 0 {
        return Err(Errno::EINVAL.because("no length, or neither shared nor private"));
    }
    let file = if flags & MAP_ANONYMOUS == 0 {
        let file = cx.file(fd)?;
        if !file.is_readable() {
            return Err(Errno::EACCES.because("the file is not open for reading"));
        }
        if file.is_stream() || file.file_type() == FileType::Directory {
            return Err(Errno::ENODEV.because("the file cannot be mapped"));
        }
        if flags & MAP_TYPE == MAP_SHARED && protection & PROT_WRITE != 0 {
            return Err(Errno::ENODEV.because("shared writable file mappings are not there"));
        }
        Some(file)
    } else {
        None
    };
    let fixed = (flags & MAP_FIXED != 0).then_some(address.0);
    let mapped = grow(cx, |space, limits| {
        space.check_map(len, fixed, limits)?;
        space.map(&**cx.memory(), len, fixed)
    })?;
    if let Some(file) = file {
        let offset = u64::from(offset_pages).saturating_mul(u64::from(PAGE));
        if let Err(error) = fill(cx, &file, offset, mapped, len) {
            cx.process().address_space().lock().unmap(mapped, len)?;
            return Err(error);
        }
    }
    Ok(UserAddr(mapped))
}

/// Copies `len` bytes of `file` from byte `offset` on to the mapping at `start`, as far as it has
/// them; the rest stays zero.
fn fill(cx: Cx<'_>, file: &OpenFile, mut offset: u64, start: u32, len: u32) -> Result<()> {
    let mut done = 0;
    while done < len {
        let room = usize::try_from(len.saturating_sub(done))
            .unwrap_or(PIECE)
            .min(PIECE);
        let mut sink = VecSink::new(room);
        match file.read_at(offset, &mut sink, cx.kernel.now()) {
            Ok(0) => break,
            Ok(count) => {
                cx.copy_out(UserAddr(start.saturating_add(done)), &sink.bytes)?;
                let count = len_of(count)?;
                done = done.saturating_add(count);
                offset = offset.saturating_add(u64::from(count));
            }
            Err(Stall::Failed(error)) => return Err(error),
            Err(Stall::WouldBlock) => return Err(Errno::ENODEV.into()),
        }
    }
    Ok(())
}

/// munmap(2).
pub(crate) fn munmap(cx: Cx<'_>, address: UserAddr, len: usize) -> Result<()> {
    let space = cx.process().address_space();
    space.lock().unmap(address.0, len_of(len)?)
}

/// mremap(2).
pub(crate) fn mremap(
    cx: Cx<'_>,
    address: UserAddr,
    old_len: usize,
    new_len: usize,
    flags: u32,
    _new_address: UserAddr,
) -> Result<UserAddr> {
    if flags & !MREMAP_MAYMOVE != 0 {
        return Err(Errno::EINVAL.because("only MREMAP_MAYMOVE"));
    }
    let may_move = flags & MREMAP_MAYMOVE != 0;
    let (old_len, new_len) = (len_of(old_len)?, len_of(new_len)?);
    let more = u64::from(new_len.saturating_sub(old_len));
    let moved = grow(cx, |space, limits| {
        space.check_limits(more, limits)?;
        space.remap(&**cx.memory(), address.0, old_len, new_len, may_move)
    })?;
    Ok(UserAddr(moved))
}

/// The length in whole pages of a range that starts with a page and ends below 4 GiB.
fn check_range(address: UserAddr, len: usize) -> Result<u32> {
    let len = len_of(len)?.checked_next_multiple_of(PAGE);
    let len = len.ok_or(Errno::ENOMEM)?;
    if address.0.checked_rem(PAGE) != Some(0) {
        return Err(Errno::EINVAL.because("not the address of a page"));
    }
    address.0.checked_add(len).ok_or(Errno::ENOMEM)?;
    Ok(len)
}

/// mprotect(2). Deviates: WebAssembly has no protection, so it is checked and not enforced.
pub(crate) fn mprotect(_cx: Cx<'_>, address: UserAddr, len: usize, protection: u32) -> Result<()> {
    // `PROT_SEM`, which means nothing here, is 8.
    let known = PROT_READ | PROT_WRITE | PROT_EXEC | 8 | PROT_GROWSDOWN | PROT_GROWSUP;
    if protection & !known != 0 {
        return Err(Errno::EINVAL.into());
    }
    check_range(address, len).map(|_| ())
}

/// madvise(2): `MADV_DONTNEED` zeroes; the rest is advice.
pub(crate) fn madvise(cx: Cx<'_>, address: UserAddr, len: usize, advice: i32) -> Result<()> {
    // All that Linux knows but `MADV_REMOVE`; 24 is `MADV_DONTNEED_LOCKED`.
    if !matches!(advice, MADV_NORMAL..=MADV_DONTNEED | MADV_FREE | MADV_DONTFORK..=24) {
        return Err(Errno::EINVAL.because("no such advice"));
    }
    let len = check_range(address, len).map_err(|_| Errno::EINVAL)?;
    if advice == MADV_DONTNEED {
        if !cx
            .process()
            .address_space()
            .lock()
            .is_mapped(address.0, len)
        {
            return Err(Errno::ENOMEM.because("not mapped"));
        }
        cx.memory().fill(address.0, 0, len)?;
    }
    Ok(())
}

/// msync(2): nothing is mapped that must be written back.
pub(crate) fn msync(_cx: Cx<'_>, address: UserAddr, len: usize, flags: u32) -> Result<()> {
    const BOTH: u32 = MS_ASYNC | MS_SYNC;
    if flags & !(BOTH | MS_INVALIDATE) != 0 || flags & BOTH == BOTH {
        return Err(Errno::EINVAL.into());
    }
    check_range(address, len).map(|_| ())
}

/// mincore(2): mapped pages are always there.
pub(crate) fn mincore(cx: Cx<'_>, address: UserAddr, len: usize, vector: UserAddr) -> Result<()> {
    let len = check_range(address, len)?;
    let pages = usize::try_from(len.div_ceil(PAGE)).map_err(|_| Errno::ENOMEM)?;
    cx.copy_out(vector, &vec![1; pages])
}

/// mlock(2): memory is never swapped by the kernel itself.
pub(crate) fn mlock(_cx: Cx<'_>, address: UserAddr, len: usize) -> Result<()> {
    address.0.checked_add(len_of(len)?).ok_or(Errno::EINVAL)?;
    Ok(())
}

/// munlock(2).
pub(crate) fn munlock(cx: Cx<'_>, address: UserAddr, len: usize) -> Result<()> {
    mlock(cx, address, len)
}
