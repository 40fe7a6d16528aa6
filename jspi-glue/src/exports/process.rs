//! Processes that the host starts and signals.

use std::sync::Arc;

use abi::{Errno, Result};
use fs::io::NOT_RESIDENT;
use fs::vfs::inode::FileType;
use kernel::fd_table::{FdTable, OnExec};
use kernel::open_file::OpenFile;
use kernel::process::Spawn;

use super::block::{lent, negated};
use crate::pod::{self, Pod, pod};
use crate::streams::Stream;
use crate::wire::Reader;

/// Starts a process: path, argv, envp, working directory, 1 and a terminal or 0 and three streams.
/// Its pid, or `-errno`.
#[unsafe(no_mangle)]
pub extern "C" fn spawn(address: u32, len: u32) -> i32 {
    let Some(pod) = pod() else {
        return negated(Errno::EAGAIN.into());
    };
    match spawn_process(pod, &mut Reader(lent(address, len))) {
        Ok(pid) => pid,
        Err(error) => {
            if !error.why.is_empty() && error != NOT_RESIDENT {
                crate::imports::log(2, &format!("spawn: {error}"));
            }
            negated(error)
        }
    }
}

fn spawn_process(pod: &Pod, reader: &mut Reader<'_>) -> Result<i32> {
    let path = reader.bytes()?.to_vec();
    let argv = reader.list()?;
    let envp = reader.list()?;
    let cwd = reader.bytes()?.to_vec();
    let has_terminal = reader.word()? != 0;
    let streams = [reader.word()?, reader.word()?, reader.word()?];
    let mut files = FdTable::default();
    let mut terminal = None;
    if has_terminal {
        let tty = pod.terminal(streams[0]).ok_or(Errno::EBADF)?;
        terminal = Some(tty.id());
        let file = pod.kernel.open_terminal(streams[0])?;
        for _ in 0..3 {
            files.install(Arc::clone(&file), OnExec::Keep, 3)?;
        }
    } else {
        for stream in streams {
            files.install(open_stream_file(pod, stream)?, OnExec::Keep, 3)?;
        }
    }
    let spawn = Spawn {
        path,
        argv,
        envp,
        cwd: Some(cwd),
        files,
        terminal,
    };
    Ok(pod.kernel.spawn(spawn)?.pid)
}

fn open_stream_file(pod: &Pod, stream: u32) -> Result<Arc<OpenFile>> {
    let anonymous = pod
        .kernel
        .anonymous(FileType::Fifo, format!("host:[{stream}]"));
    Ok(match pod.streams.find(stream)? {
        Stream::Input(input) => OpenFile::anonymous(input, anonymous, abi::flags::O_RDONLY),
        Stream::Output(output) => OpenFile::anonymous(output, anonymous, abi::flags::O_WRONLY),
    })
}

/// Sends a signal as the superuser; 0 or `-errno`.
#[unsafe(no_mangle)]
pub extern "C" fn kill(pid: i32, signal: i32) -> i32 {
    let Some(kernel) = pod::kernel() else {
        return negated(Errno::EAGAIN.into());
    };
    match kernel.kill(pid, signal) {
        Ok(()) => 0,
        Err(error) => negated(error),
    }
}
