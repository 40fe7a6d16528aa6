//! Memory: brk, mmap and its relatives.

mod filling;

use std::sync::Arc;

use abi::flags::{
    F_SEAL_EXEC, F_SEAL_FUTURE_WRITE, F_SEAL_WRITE, MADV_DONTFORK, MADV_DONTNEED, MADV_FREE,
    MADV_NORMAL, MAP_ANONYMOUS, MAP_FIXED, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_TYPE, MCL_CURRENT,
    MCL_FUTURE, MCL_ONFAULT, MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC, MFD_NOEXEC_SEAL,
    MLOCK_ONFAULT, MREMAP_MAYMOVE, MS_ASYNC, MS_INVALIDATE, MS_SYNC, O_LARGEFILE, O_RDWR,
    PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP, PROT_READ, PROT_WRITE,
};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::memfd::MemFile;
use fs::vfs::Opened;
use fs::vfs::inode::{FileType, Inode as _, SetAttributes};
use fs::vfs::path::Location;
use kernel::Kernel;
use kernel::call::Outcome;
use kernel::fd_table::OnExec;
use kernel::memory::{AddressSpace, Backing};
use kernel::open_file::OpenFile;
use kernel::process::{Limits, Task};

use self::filling::{Filling, Source};
use crate::context::Cx;

/// Bytes of a page as guests see it.
const PAGE: u32 = 4096;
/// Bytes of a page of linear memory.
const GUEST_PAGE: u64 = 65536;
/// Bytes of a name for memfd_create(2), with its end mark.
const MEMFD_NAME_MAX: usize = 250;

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
/// A private file mapping is a copy. A shared one is a copy too, which meets the file and those of
/// other processes at calls that may wait (ADR 0021).
pub(crate) fn mmap2(
    cx: Cx<'_>,
    address: UserAddr,
    len: usize,
    protection: u32,
    flags: u32,
    fd: Fd,
    offset_pages: u32,
) -> Result<Outcome<UserAddr>> {
    let len = len_of(len)?;
    if len == 0 || flags & MAP_TYPE == 0 {
        return Err(Errno::EINVAL.because("no length, or neither shared nor private"));
    }
    let is_shared = matches!(flags & MAP_TYPE, MAP_SHARED | MAP_SHARED_VALIDATE);
    let file = if flags & MAP_ANONYMOUS == 0 {
        let file = cx.file(fd)?;
        if !file.is_readable() {
            return Err(Errno::EACCES.because("the file is not open for reading"));
        }
        // Files of procfs tell of the address space that would be locked meanwhile.
        let is_text = file.location().is_some_and(|location| {
            let kind = location.mount.file_system().type_name();
            kind == "proc" || kind == "sysfs"
        });
        if is_text || file.is_stream() || file.file_type() == FileType::Directory {
            return Err(Errno::ENODEV.because("the file cannot be mapped"));
        }
        if is_shared && protection & PROT_WRITE != 0 && !file.is_writable() {
            return Err(Errno::EACCES.because("the file is not open for writing"));
        }
        Some(file)
    } else {
        None
    };
    let offset = u64::from(offset_pages).saturating_mul(u64::from(PAGE));
    let backing = if is_shared {
        backing_of(cx, file.as_deref(), offset, len, protection)?
    } else {
        None
    };
    let fixed = (flags & MAP_FIXED != 0).then_some(address.0);
    let mapped = map(cx, len, fixed)?;
    let source = match (backing, file) {
        (Some(backing), _) => {
            let space = cx.process().address_space();
            let mut space = space.lock();
            let count = &cx.kernel.shared_mappings;
            if let Err(error) = space.share((mapped, len), backing, count) {
                space.unmap(mapped, len)?;
                return Err(error);
            }
            Source::Shared
        }
        (None, Some(file)) => Source::File {
            file,
            offset,
            done: 0,
        },
        (None, None) => return Ok(Outcome::Ready(Ok(UserAddr(mapped)))),
    };
    Ok(Filling::new(cx, (mapped, len), source).begin())
}

/// A mapping of zeros within the limits of the process.
///
/// # Errors
/// `ENOMEM`, `EINVAL`.
pub(crate) fn map(cx: Cx<'_>, len: u32, fixed: Option<u32>) -> Result<u32> {
    grow(cx, |space, limits| {
        space.check_map(len, fixed, limits)?;
        space.map(&**cx.memory(), len, fixed)
    })
}

/// What a shared mapping is a copy of; memory without a file gets one that nobody sees. Devices have
/// nothing to share: `None`.
fn backing_of(
    cx: Cx<'_>,
    file: Option<&OpenFile>,
    offset: u64,
    len: u32,
    protection: u32,
) -> Result<Option<Backing>> {
    let Some(file) = file else {
        let (budget, now) = (cx.kernel.budget(), cx.kernel.now());
        let size = u64::from(len).next_multiple_of(u64::from(PAGE));
        return Ok(Some(Backing {
            inode: MemFile::new(budget, size, now, false)?,
            offset: 0,
            is_writable: true,
            writer: None,
            attachment: None,
        }));
    };
    let Some(location) = file.location().filter(|_| file.ops().is_none()) else {
        return Ok(None);
    };
    let inode = Arc::clone(location.inode());
    // A file sealed against writing can still be mapped for reading.
    let is_sealed = MemFile::of(&*inode)
        .is_some_and(|file| file.seals() & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0);
    if is_sealed && protection & PROT_WRITE != 0 {
        return Err(Errno::EPERM.because("sealed against writing"));
    }
    Ok(Some(Backing {
        inode,
        offset,
        is_writable: file.is_writable() && !is_sealed,
        writer: file.writer().cloned(),
        attachment: None,
    }))
}

/// Whether processes can meet at a call: what it waits for or does may come from another, or go to
/// it.
fn is_meeting(number: u32) -> bool {
    /// Calls that do not wait, and tell others something or end what is shared.
    const OTHERS: &[&str] = &[
        "close",
        "exit",
        "exit_group",
        "ftruncate64",
        "kill",
        "mmap2",
        "mremap",
        "munmap",
        "pread64",
        "pwrite64",
        "semctl",
        "shmat",
        "shmdt",
        "tgkill",
        "tkill",
    ];
    abi::table::info(number).is_some_and(|call| call.may_block || OTHERS.contains(&call.name))
}

/// Before a call: gives away what the caller has changed in shared mappings, and takes over what
/// others have. Says whether that has to be done after the call too.
///
/// # Errors
/// `NOT_RESIDENT` when something of that is still on its way: there has been no call yet.
pub(crate) fn meet(cx: Cx<'_>, number: u32) -> Result<bool> {
    if !cx.kernel.shared_mappings.is_any() || !is_meeting(number) {
        return Ok(false);
    }
    let process = cx.process();
    let space = process.address_space();
    let mut space = space.lock();
    if !space.has_shared() {
        return Ok(false);
    }
    space.give_shared(&**cx.memory(), cx.kernel.now())?;
    if is_ending(number) {
        return Ok(false);
    }
    space.take_shared(&**cx.memory())?;
    Ok(true)
}

/// Whether the call ends mappings: nobody looks at them any more.
fn is_ending(number: u32) -> bool {
    const ENDING: &[&str] = &["exit", "exit_group", "munmap", "shmdt"];
    abi::table::info(number).is_some_and(|call| ENDING.contains(&call.name))
}

/// After a call that was waited for: what others have changed meanwhile. The call has been made: what is still on its
/// way comes with the next.
pub(crate) fn meet_again(cx: Cx<'_>, outcome: Outcome<u32>) -> Outcome<u32> {
    let (kernel, task) = (Arc::clone(cx.kernel), Arc::clone(cx.task));
    outcome.then(move |answer| {
        let process = task.process();
        let space = process.address_space();
        let mut space = space.lock();
        let _later = space.give_shared(&**task.memory(), kernel.now());
        let _later = space.take_shared(&**task.memory());
        drop(space);
        answer
    })
}

/// memfd_create(2).
pub(crate) fn memfd_create(cx: Cx<'_>, name: UserAddr, flags: u32) -> Result<Fd> {
    const KNOWN: u32 = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
    if flags & !KNOWN != 0 || flags & (MFD_EXEC | MFD_NOEXEC_SEAL) == MFD_EXEC | MFD_NOEXEC_SEAL {
        return Err(Errno::EINVAL.because("unknown flags"));
    }
    // 249 bytes: NAME_MAX without "memfd:".
    let name = cx.string(name, MEMFD_NAME_MAX).map_err(|error| {
        if error.errno == Errno::ENAMETOOLONG {
            Errno::EINVAL.because("too long a name")
        } else {
            error
        }
    })?;
    let process = cx.process();
    let may_seal = flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL) != 0;
    let file = MemFile::new(cx.kernel.budget(), 0, cx.kernel.now(), may_seal)?;
    let owner = process.credentials();
    file.set_attributes(&SetAttributes {
        permissions: (flags & MFD_NOEXEC_SEAL != 0).then_some(0o666),
        uid: Some(owner.user.files),
        gid: Some(owner.group.files),
        ..SetAttributes::default()
    })?;
    if flags & MFD_NOEXEC_SEAL != 0 {
        file.add_seals(F_SEAL_EXEC)?;
    }
    let path = [b"/memfd:", name.as_slice(), b" (deleted)"].concat();
    let location = Location::unnamed(&path, file)?;
    let opened = Opened {
        location,
        ops: None,
        is_truncated: false,
        writer: None,
    };
    let file = OpenFile::from_opened(opened, O_RDWR | O_LARGEFILE);
    let on_exec = if flags & MFD_CLOEXEC == 0 {
        OnExec::Keep
    } else {
        OnExec::Close
    };
    let limit = crate::fd::limit(&process);
    process.files().install(file, on_exec, limit)
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
) -> Result<Outcome<UserAddr>> {
    if flags & !MREMAP_MAYMOVE != 0 {
        return Err(Errno::EINVAL.because("only MREMAP_MAYMOVE"));
    }
    let may_move = flags & MREMAP_MAYMOVE != 0;
    let (old_len, new_len) = (len_of(old_len)?, len_of(new_len)?);
    let shared = cx.process().address_space().lock().backing_at(address.0);
    if let Some(backing) = shared.filter(|_| new_len > old_len) {
        return remap_shared(cx, (address, old_len), new_len, may_move, backing);
    }
    let more = u64::from(new_len.saturating_sub(old_len));
    let moved = grow(cx, |space, limits| {
        space.check_limits(more, limits)?;
        space.remap(&**cx.memory(), address.0, old_len, new_len, may_move)
    })?;
    Ok(Outcome::Ready(Ok(UserAddr(moved))))
}

/// Makes a shared mapping larger: elsewhere, as a new copy of the same file.
fn remap_shared(
    cx: Cx<'_>,
    (address, old_len): (UserAddr, u32),
    new_len: u32,
    may_move: bool,
    backing: Backing,
) -> Result<Outcome<UserAddr>> {
    if !may_move {
        return Err(Errno::ENOMEM.because("a shared mapping grows elsewhere"));
    }
    let moved = grow(cx, |space, limits| {
        space.check_limits(u64::from(new_len.saturating_sub(old_len)), limits)?;
        let moved = space.map(&**cx.memory(), new_len, None)?;
        let shared = space.share((moved, new_len), backing, &cx.kernel.shared_mappings);
        if shared.is_err() {
            space.unmap(moved, new_len)?;
        }
        shared.map(|()| moved)
    })?;
    let filling = Filling::new(cx, (moved, new_len), Source::Shared);
    Ok(filling.replacing((address.0, old_len)).begin())
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
        let is_shared = {
            let process = cx.process();
            let space = process.address_space();
            space.lock().backing_at(address.0).is_some()
        };
        // What is shared is still there: it would come back from the file.
        if !is_shared {
            cx.memory().fill(address.0, 0, len)?;
        }
    }
    Ok(())
}

/// msync(2): writes what was changed in shared mappings to their files.
pub(crate) fn msync(cx: Cx<'_>, address: UserAddr, len: usize, flags: u32) -> Result<()> {
    const BOTH: u32 = MS_ASYNC | MS_SYNC;
    if flags & !(BOTH | MS_INVALIDATE) != 0 || flags & BOTH == BOTH {
        return Err(Errno::EINVAL.into());
    }
    let len = check_range(address, len)?;
    let end = address.0.saturating_add(len);
    let process = cx.process();
    let space = process.address_space();
    let mut space = space.lock();
    if len > 0 && !space.is_mapped(address.0, len) && address.0 >= space.mmap_base() {
        return Err(Errno::ENOMEM.because("not mapped"));
    }
    let flushes = space.sync_range(&**cx.memory(), (address.0, end), cx.kernel.now())?;
    cx.task.until_durable(flushes);
    Ok(())
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

/// mlock2(2).
pub(crate) fn mlock2(cx: Cx<'_>, address: UserAddr, len: usize, flags: u32) -> Result<()> {
    if flags & !MLOCK_ONFAULT != 0 {
        return Err(Errno::EINVAL.because("mlock2 knows MLOCK_ONFAULT"));
    }
    mlock(cx, address, len)
}

/// mlockall(2).
pub(crate) fn mlockall(_cx: Cx<'_>, flags: u32) -> Result<()> {
    const ALL: u32 = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;
    if flags & !ALL != 0 || flags & (MCL_CURRENT | MCL_FUTURE) == 0 {
        return Err(Errno::EINVAL.because("no such way to lock memory"));
    }
    Ok(())
}

/// munlockall(2).
pub(crate) const fn munlockall(_cx: Cx<'_>) -> Result<()> {
    Ok(())
}

/// munlock(2).
pub(crate) fn munlock(cx: Cx<'_>, address: UserAddr, len: usize) -> Result<()> {
    mlock(cx, address, len)
}
