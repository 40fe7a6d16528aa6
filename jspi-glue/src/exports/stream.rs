//! The host's ends of terminals and streams.

use abi::Errno;

use super::block::{lent, negated};
use crate::pod::pod;
use crate::streams::Stream;

/// Opens a terminal; its stream number.
#[unsafe(no_mangle)]
pub extern "C" fn open_terminal(columns: u32, rows: u32) -> i32 {
    let size = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    let opened = pod().ok_or_else(|| Errno::EAGAIN.into());
    match opened.and_then(|pod| pod.open_terminal(size(columns), size(rows))) {
        Ok(stream) => stream.cast_signed(),
        Err(error) => negated(error),
    }
}

/// The window of a terminal has another size; 0 or `-errno`.
#[unsafe(no_mangle)]
pub extern "C" fn resize_terminal(stream: u32, columns: u32, rows: u32) -> i32 {
    let size = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    match pod().and_then(|pod| pod.terminal(stream)) {
        Some(tty) => {
            tty.set_window_size(kernel::tty::WindowSize {
                rows: size(rows),
                columns: size(columns),
                ..Default::default()
            });
            0
        }
        None => negated(Errno::EBADF.into()),
    }
}

/// Opens a stream, 0 for input and 1 for output; its number.
#[unsafe(no_mangle)]
pub extern "C" fn open_stream(direction: u32) -> i32 {
    let Some(pod) = pod() else {
        return negated(Errno::EAGAIN.into());
    };
    let stream = pod.next_stream();
    if direction == 0 {
        pod.streams.open_input(stream);
    } else {
        pod.streams.open_output(stream);
    }
    stream.cast_signed()
}

/// Bytes for a terminal's keyboard or an input stream; none: the end of the stream.
#[unsafe(no_mangle)]
pub extern "C" fn push_input(stream: u32, address: u32, len: u32) -> i32 {
    let Some(pod) = pod() else {
        return negated(Errno::EAGAIN.into());
    };
    let bytes = lent(address, len);
    if let Some(screen) = pod.screen(stream) {
        screen.push(bytes);
        return 0;
    }
    match pod.streams.find(stream) {
        Ok(Stream::Input(input)) => {
            input.push(bytes);
            0
        }
        Ok(Stream::Output(_)) | Err(_) => negated(Errno::EBADF.into()),
    }
}

/// The host has passed on `len` bytes of an output.
#[unsafe(no_mangle)]
pub extern "C" fn output_seen(stream: u32, len: u32) {
    let Some(pod) = pod() else { return };
    if let Some(screen) = pod.screen(stream) {
        screen.seen(usize::try_from(len).unwrap_or(usize::MAX));
    } else if let Ok(Stream::Output(output)) = pod.streams.find(stream) {
        output.seen(len);
    }
}

/// Forgets a stream; a terminal hangs up.
#[unsafe(no_mangle)]
pub extern "C" fn close_stream(stream: u32) {
    if let Some(pod) = pod() {
        pod.streams.close(stream);
        pod.close_terminal(stream);
    }
}
