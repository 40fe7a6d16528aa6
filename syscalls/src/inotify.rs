//! Watching files: inotify(7).

use abi::flags::O_RDONLY;
use abi::types::{Fd, OpenFlags, UserAddr};
use abi::{Errno, Result};
use fs::notify::inotify::{self, Inotify};
use kernel::open_file::OpenFile;

use crate::context::Cx;
use crate::event::{check_flags, install};

/// Bytes of the kernel's memory that a watch takes, about.
const WATCH_BYTES: u64 = 256;

/// inotify_init(2).
pub(crate) fn inotify_init(cx: Cx<'_>) -> Result<Fd> {
    inotify_init1(cx, OpenFlags(0))
}

/// inotify_init1(2).
pub(crate) fn inotify_init1(cx: Cx<'_>, flags: OpenFlags) -> Result<Fd> {
    check_flags(flags)?;
    let instance = Inotify::new(cx.kernel.vfs.notify(), cx.kernel.budget())?;
    install(cx, instance, inotify::NAME, O_RDONLY, flags)
}

/// The instance behind `file`.
///
/// # Errors
/// `EINVAL` when it is something else.
fn instance_of(file: &OpenFile) -> Result<&Inotify> {
    file.ops()
        .and_then(|ops| ops.as_any()?.downcast_ref())
        .ok_or_else(|| Errno::EINVAL.because("not an inotify instance"))
}

/// inotify_add_watch(2): another watch of the same file changes the one that is there.
pub(crate) fn inotify_add_watch(cx: Cx<'_>, inotify: Fd, path: UserAddr, mask: u32) -> Result<i32> {
    Inotify::check_mask(mask)?;
    let file = cx.file(inotify)?;
    let instance = instance_of(&file)?;
    let path = cx.path(path)?;
    cx.kernel.budget().admit(WATCH_BYTES)?;
    let context = cx.process().path_context(cx.kernel);
    let location = cx.kernel.vfs.find_to_watch(&context.vfs(), &path, mask)?;
    instance.add_watch(&location, mask)
}

/// inotify_rm_watch(2).
pub(crate) fn inotify_rm_watch(cx: Cx<'_>, inotify: Fd, watch: i32) -> Result<()> {
    let file = cx.file(inotify)?;
    instance_of(&file)?.remove_watch(watch)
}
