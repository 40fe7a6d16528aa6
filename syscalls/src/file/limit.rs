//! `RLIMIT_FSIZE`: how large a process may make a file (setrlimit(2)).

use abi::flags::O_APPEND;
use abi::{Errno, Error, Result};
use fs::io::Source;
use kernel::open_file::OpenFile;
use kernel::process::{INFINITY, Resource};
use kernel::signal::{self, SignalInfo};

use crate::buffer::UserBuffer;
use crate::context::Cx;

/// The soft limit in bytes, if there is one.
fn soft(cx: Cx<'_>) -> Option<u64> {
    let limit = cx.process().limits.lock().soft(Resource::FileSize);
    (limit != INFINITY).then_some(limit)
}

/// Cuts `buffer` to what may be written to `file`.
///
/// - `offset`: where; `None`: at the offset of the description
///
/// # Errors
/// `EFBIG` and `SIGXFSZ` when not a single byte may be written there.
pub(super) fn cut(
    cx: Cx<'_>,
    file: &OpenFile,
    offset: Option<u64>,
    buffer: &mut UserBuffer,
) -> Result<()> {
    let Some(limit) = soft(cx) else { return Ok(()) };
    let Some(own) = file.write_offset()? else {
        return Ok(());
    };
    let start = match offset {
        Some(offset) if file.flags() & O_APPEND == 0 => offset,
        _ => own,
    };
    if Source::remaining(buffer) > 0 {
        match limit.checked_sub(start) {
            Some(room @ 1..) => buffer.cut(room),
            _ => return Err(exceeded(cx)),
        }
    }
    Ok(())
}

/// How many of `count` bytes may be written to a regular file at `offset`.
///
/// # Errors
/// `EFBIG` and `SIGXFSZ` when not a single byte may be written there.
pub(super) fn room(cx: Cx<'_>, offset: u64, count: u64) -> Result<u64> {
    match soft(cx).map(|limit| limit.saturating_sub(offset)) {
        Some(0) if count > 0 => Err(exceeded(cx)),
        Some(room) => Ok(count.min(room)),
        None => Ok(count),
    }
}

/// Checks that a file may become `size` bytes long.
///
/// # Errors
/// `EFBIG` and `SIGXFSZ`.
pub(super) fn check(cx: Cx<'_>, size: u64) -> Result<()> {
    match soft(cx) {
        Some(limit) if size > limit => Err(exceeded(cx)),
        _ => Ok(()),
    }
}

fn exceeded(cx: Cx<'_>) -> Error {
    let process = cx.process();
    let info = SignalInfo {
        number: signal::XFSZ,
        pid: process.pid,
        uid: process.credentials().user.real,
        ..SignalInfo::default()
    };
    process.post_signal(cx.kernel, info);
    Errno::EFBIG.because("RLIMIT_FSIZE")
}
