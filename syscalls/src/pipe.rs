//! pipe(2) and pipe2(2).

use std::sync::Arc;

use abi::flags::{O_CLOEXEC, O_NONBLOCK, O_RDONLY, O_WRONLY};
use abi::types::{Fd, OpenFlags, UserAddr};
use abi::{Errno, Result};
use kernel::ipc::pipe::pipe as new_pipe;
use kernel::open_file::OpenFile;

use crate::context::Cx;
use crate::fd::{limit, on_exec};

/// Bytes of the kernel's memory that an empty pipe with two open files takes, about.
const PIPE_BYTES: u64 = 2 << 10;

/// pipe(2).
pub(crate) fn pipe(cx: Cx<'_>, fds: UserAddr) -> Result<()> {
    pipe2(cx, fds, OpenFlags(0))
}

/// pipe2(2): the descriptors of the read end and the write end go to `fds`.
///
/// `EMFILE` and `EFAULT` leave no descriptor behind. Deviates: no `O_DIRECT` packets.
pub(crate) fn pipe2(cx: Cx<'_>, fds: UserAddr, flags: OpenFlags) -> Result<()> {
    if flags.0 & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.because("pipes know O_CLOEXEC and O_NONBLOCK"));
    }
    cx.kernel.budget().admit(PIPE_BYTES)?;
    let process = cx.process();
    let credentials = process.credentials();
    let now = cx.kernel.now();
    let open = |end, mode| {
        let flags = mode | flags.0 & O_NONBLOCK;
        OpenFile::from_anonymous_pipe(
            end,
            flags,
            credentials.user.files,
            credentials.group.files,
            now,
        )
    };
    let (reader, writer) = new_pipe(cx.kernel.budget());
    let (reader, writer) = (open(reader, O_RDONLY), open(writer, O_WRONLY));
    let (on_exec, limit) = (on_exec(flags.0), limit(&process));
    let install = |file: &Arc<OpenFile>| process.files().install(Arc::clone(file), on_exec, limit);
    let close = |fd: Fd| drop(process.files().close(fd));
    let read_fd = install(&reader)?;
    let write_fd = install(&writer).inspect_err(|_| close(read_fd))?;
    let [a, b, c, d] = read_fd.0.to_le_bytes();
    let [e, f, g, h] = write_fd.0.to_le_bytes();
    cx.copy_out(fds, &[a, b, c, d, e, f, g, h])
        .inspect_err(|_| {
            close(read_fd);
            close(write_fd);
        })
}
