//! The kernel's functions: for the shims of guests (hot), and for the host (control).
//!
//! Results that are more than a word come as a *block*: a status word, a length word, and bytes.
//! The host gives it back with [`release`].

use std::alloc::{Layout, alloc, dealloc};
use std::sync::Arc;

use abi::{Errno, Error, Result};
use executor::{RunState, Slice, WorkerId};
use fs::io::{Sink as _, VecSink};
use fs::vfs::Follow;
use fs::vfs::inode::FileType;
use kernel::fd_table::{FdTable, OnExec};
use kernel::memory::frames::{DEFAULT_FRAMES, DEFAULT_STACKS};
use kernel::open_file::OpenFile;
use kernel::platform::GuestEnd;
use kernel::process::Spawn;
use kernel::scheduler::Dispatch;

use crate::disk;
use crate::imports::address_of;
use crate::pod::{self, Pod, pod};
use crate::streams::Stream;
use crate::wire::Reader;
use crate::{guest_memory, platform};

/// Polls in one call of [`pump`], so that the host can look at its clock.
const POLLS: u32 = 64;
/// What [`pump`] says when there is more to do, after the host has looked at its messages.
const MORE: f64 = -1.0;
/// What [`pump`] says when a guest runs next, which pumps when it parks or ends.
const BUSY: f64 = -2.0;
/// How long guests run, one after the other, before the host looks at its messages; nanoseconds. A
/// guest that makes no calls runs for a slice of the scheduler's in one go.
const MACROTASK_NS: u64 = 4_000_000;

thread_local! {
    /// Which Worker this is.
    static WORKER: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    /// When the host has looked at its messages last; 0: just now.
    static LOOKED_NS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// `-errno` of an error.
const fn negated(error: Error) -> i32 {
    error.errno.number().wrapping_neg()
}

/// Bytes of the kernel's memory that the host wrote.
///
/// The slice is good for the call only: the host frees it afterwards.
fn lent<'a>(address: u32, len: u32) -> &'a [u8] {
    let (Ok(address), Ok(len)) = (usize::try_from(address), usize::try_from(len)) else {
        return &[];
    };
    if len == 0 {
        return &[];
    }
    // SAFETY: 1. The host passes what `allocate` gave it, with the length it asked for. 2. It
    // writes before the call and frees after it.
    unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(address), len) }
}

/// Room for `len` bytes, aligned to 16; 0 when there is none.
#[unsafe(no_mangle)]
pub extern "C" fn allocate(len: u32) -> u32 {
    let Some(layout) = layout_of(len) else {
        return 0;
    };
    // SAFETY: the layout has a size above 0.
    let pointer = unsafe { alloc(layout) };
    address_of(pointer)
}

/// Gives back what [`allocate`] gave, with the same length.
#[unsafe(no_mangle)]
pub extern "C" fn release(address: u32, len: u32) {
    let (Some(layout), Ok(address)) = (layout_of(len), usize::try_from(address)) else {
        return;
    };
    // SAFETY: the host gives back what it got, once, with the same length.
    unsafe { dealloc(std::ptr::with_exposed_provenance_mut(address), layout) }
}

fn layout_of(len: u32) -> Option<Layout> {
    Layout::from_size_align(usize::try_from(len).ok()?.max(1), 16).ok()
}

/// Leaves a block for the host; its address, 0 when there is no memory even for an error number.
fn block(status: i32, bytes: &[u8]) -> u32 {
    let Ok(len) = u32::try_from(bytes.len()) else {
        return block(negated(Errno::EFBIG.into()), &[]);
    };
    let address = allocate(len.saturating_add(8));
    if address == 0 && len > 0 {
        return block(negated(Errno::ENOMEM.into()), &[]);
    }
    let target = match usize::try_from(address) {
        Err(_) | Ok(0) => return 0,
        Ok(target) => target,
    };
    let target: *mut u8 = std::ptr::with_exposed_provenance_mut(target);
    let head = [status.to_le_bytes(), len.to_le_bytes()];
    // SAFETY: `allocate` gave 8 bytes more than the contents have.
    unsafe { std::ptr::copy_nonoverlapping(head.as_ptr().cast(), target, 8) };
    // SAFETY: as above; the contents start behind the head.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), target.wrapping_add(8), bytes.len()) };
    address
}

fn answer(result: Result<Vec<u8>>) -> u32 {
    match result {
        Ok(bytes) => block(0, &bytes),
        Err(error) => block(negated(error), error.why.as_bytes()),
    }
}

/// Room for the root image, to be written before [`boot`]; 0 when it is too large.
#[unsafe(no_mangle)]
pub extern "C" fn allocate_image(len: u32) -> u32 {
    disk::allocate_image(len)
}

/// Boots the kernel on the image: Workers, mode of the loader, host name, memory, mounts. A block with the
/// reason when it fails.
#[unsafe(no_mangle)]
pub extern "C" fn boot(address: u32, len: u32) -> u32 {
    std::panic::set_hook(Box::new(|panic| {
        crate::imports::log(0, &format!("kernel panic: {panic}"))
    }));
    let mut reader = Reader(lent(address, len));
    let mut words = [0; 2];
    for word in &mut words {
        match reader.word() {
            Ok(value) => *word = value,
            Err(error) => return block(negated(error), b"the boot request is cut off"),
        }
    }
    let [nr_workers, loader_mode] = words;
    let options = pod::loader_options(loader_mode);
    match pod::boot(reader.0, disk::take_image(), nr_workers, options) {
        Ok(()) => block(0, &[]),
        Err(reason) => block(negated(Errno::EINVAL.into()), reason.as_bytes()),
    }
}

/// Which Worker this instance belongs to.
pub(crate) fn worker() -> u32 {
    WORKER.get()
}

/// Says which Worker this instance belongs to.
#[unsafe(no_mangle)]
pub extern "C" fn attach(worker: u32) {
    WORKER.set(worker);
    if let Some(executor) = own_executor() {
        executor.enter().forever();
    }
}

/// Says how many memories and how many guests the pod may have; 0 for the kernel's own choice.
#[unsafe(no_mangle)]
pub extern "C" fn set_budgets(frames: u32, stacks: u32) {
    let or = |count: u32, default: usize| match usize::try_from(count) {
        Ok(0) | Err(_) => default,
        Ok(count) => count,
    };
    if let Some(kernel) = pod::kernel() {
        let stacks = or(stacks, DEFAULT_STACKS);
        kernel
            .frames
            .set_budgets(or(frames, DEFAULT_FRAMES), stacks);
    }
}

/// Makes the first memories of this Worker, as soon as the host can.
#[unsafe(no_mangle)]
pub extern "C" fn make_frames() {
    if let Some(kernel) = pod::kernel() {
        kernel.frames.make_first(WorkerId(WORKER.get()));
    }
}

fn own_executor() -> Option<&'static Arc<executor::Executor>> {
    let worker = usize::try_from(WORKER.get()).ok()?;
    pod::kernel()?.executors().get(worker)
}

/// The address of the word that Worker `worker` waits on.
#[unsafe(no_mangle)]
pub extern "C" fn doorbell(worker: u32) -> u32 {
    usize::try_from(worker).map_or(0, platform::bell_address)
}

/// The module of the memory helpers, as a block.
#[unsafe(no_mangle)]
pub extern "C" fn memory_shim() -> u32 {
    let Some(pod) = pod() else {
        return block(negated(Errno::EAGAIN.into()), &[]);
    };
    block(
        0,
        &kernel_loader::memory_shim(&pod.loader, kernel_loader::Sharing::Private),
    )
}

/// Runs what is ready on this Worker and gives the next guest its turn; [`MORE`], [`BUSY`], or
/// milliseconds to the next timer, infinity without one. In the last case the Worker is idle: a
/// wake-up rings its bell.
#[unsafe(no_mangle)]
pub extern "C" fn pump() -> f64 {
    let (Some(executor), Some(kernel)) = (own_executor(), pod::kernel()) else {
        return f64::INFINITY;
    };
    kernel.frames.leave(executor.worker());
    match LOOKED_NS.get() {
        0 => LOOKED_NS.set(executor.now_ns()),
        looked_ns => {
            if executor.recent_ns().saturating_sub(looked_ns) > MACROTASK_NS {
                LOOKED_NS.set(0);
                return MORE;
            }
        }
    }
    let has_more = loop {
        let state = executor.run(Slice::polls(POLLS));
        match kernel.scheduler.dispatch(kernel, executor.worker()) {
            // Perhaps only a task that starts it, behind the others: nobody else would pump.
            Dispatch::Guest if state == RunState::More => break true,
            Dispatch::Guest => return BUSY,
            Dispatch::Executor => {}
            Dispatch::Idle => break state == RunState::More,
        }
    };
    LOOKED_NS.set(0);
    if has_more || !executor.begin_idle() {
        return MORE;
    }
    match executor.next_deadline_ns() {
        None => f64::INFINITY,
        #[expect(
            clippy::as_conversions,
            clippy::cast_precision_loss,
            reason = "a duration in nanoseconds as a float for the host's timer"
        )]
        Some(deadline) => deadline.saturating_sub(executor.now_ns()) as f64 / 1e6,
    }
}

/// A system call of the guest in `slot`. The shim's only way in.
#[unsafe(no_mangle)]
pub extern "C" fn syscall(
    slot: u32,
    number: u32,
    a: u32,
    b: u32,
    c: u32,
    d: u32,
    e: u32,
    f: u32,
) -> u32 {
    let Some(kernel) = pod::kernel() else {
        return abi::special::DIE;
    };
    guest_memory::with_task(slot, |task| {
        syscalls::enter(kernel, task, number, &[a, b, c, d, e, f])
    })
    .unwrap_or(abi::special::DIE)
}

/// A safepoint of the guest in `slot`: 0 if it goes on, else an outcome.
#[unsafe(no_mangle)]
pub extern "C" fn safepoint(slot: u32) -> u32 {
    // The seats are not borrowed meanwhile: drivers run at safepoints, and they empty seats.
    guest_memory::with_task(slot, Arc::clone).map_or(abi::special::DIE, |task| task.safepoint())
}

/// `memory.grow` of the guest in `slot`: the size before in pages of 64 KiB, all ones if refused.
#[unsafe(no_mangle)]
pub extern "C" fn memory_grow(slot: u32, pages: u32) -> u32 {
    let Some(kernel) = pod::kernel() else {
        return u32::MAX;
    };
    guest_memory::with_task(slot, |task| syscalls::memory_grow(kernel, task, pages))
        .unwrap_or(u32::MAX)
}

/// What a guest that forks asks for, and what its frames save; see `kernel::process`'s module on fork.
#[unsafe(no_mangle)]
pub extern "C" fn fork(slot: u32, operation: u32, word: u32) -> u32 {
    // The seats are not borrowed meanwhile: a child takes one.
    guest_memory::with_task(slot, Arc::clone)
        .map_or(abi::special::DIE, |task| task.fork_step(operation, word))
}

/// The guest in `slot` is about to run for the first time: 0, or an outcome.
#[unsafe(no_mangle)]
pub extern "C" fn guest_begins(slot: u32) -> u32 {
    guest_memory::with_task(slot, |task| task.runs_first()).unwrap_or(abi::special::DIE)
}

/// The result of the call that the guest was parked in.
#[unsafe(no_mangle)]
pub extern "C" fn syscall_result(slot: u32) -> u32 {
    guest_memory::with_task(slot, |task| task.take_result()).unwrap_or(abi::special::DIE)
}

/// The next signal handler to run, 0 for none; see the loader's shim.
#[unsafe(no_mangle)]
pub extern "C" fn signal_next(slot: u32, stack_pointer: u32) -> u32 {
    guest_memory::with_task(slot, |task| task.next_signal(stack_pointer))
        .unwrap_or(abi::special::DIE)
}

/// A word of the frame of that handler.
#[unsafe(no_mangle)]
pub extern "C" fn signal_word(slot: u32, which: u32) -> u32 {
    guest_memory::with_task(slot, |task| task.frame_word(which)).unwrap_or(0)
}

/// The handler has returned.
#[unsafe(no_mangle)]
pub extern "C" fn signal_return(slot: u32, ucontext: u32) {
    guest_memory::with_task(slot, |task| task.return_from_signal(ucontext));
}

/// A guest runs no more: its entry returned (0), or it trapped with a message (1).
#[unsafe(no_mangle)]
pub extern "C" fn guest_ended(slot: u32, has_trapped: u32, address: u32, len: u32) {
    let end = if has_trapped == 0 {
        GuestEnd::Left
    } else {
        GuestEnd::Trapped(String::from_utf8_lossy(lent(address, len)).into_owned())
    };
    guest_memory::with_task(slot, |task| task.guest_ended(end));
}

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
            if !error.why.is_empty() {
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

/// A file operation of the host as the superuser: 0 read, 1 write, 2 list, 3 stat, 4 mkdir,
/// 5 remove, 6 snapshot of the root image. A block.
#[unsafe(no_mangle)]
pub extern "C" fn file(operation: u32, address: u32, len: u32) -> u32 {
    let Some(pod) = pod() else {
        return block(negated(Errno::EAGAIN.into()), &[]);
    };
    let mut reader = Reader(lent(address, len));
    answer(match operation {
        0 => read_file(pod, &mut reader),
        1 => write_file(pod, &mut reader),
        2 => list_directory(pod, &mut reader),
        3 => status_of(pod, &mut reader),
        4 => make_directory(pod, &mut reader),
        5 => remove_file(pod, &mut reader),
        6 => snapshot(pod),
        _ => Err(Errno::ENOSYS.into()),
    })
}

fn snapshot(pod: &Pod) -> Result<Vec<u8>> {
    pod.kernel.vfs.sync()?;
    let budget = pod.kernel.budget();
    // A copy of the disk, and one of it for the host.
    if budget.disk_image_bytes().saturating_mul(2) > budget.heap_room() {
        return Err(Errno::ENOMEM.because("the kernel's memory is too small for a copy"));
    }
    Ok(pod.disk.snapshot())
}

fn read_file(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    pod.with_context(|vfs, context| {
        let location = vfs.walk(context, path, Follow::Yes)?;
        let metadata = location.metadata()?;
        if metadata.file_type == FileType::Directory {
            return Err(Errno::EISDIR.into());
        }
        // The vector doubles as it grows, and the block is a copy.
        let room = pod.kernel.budget().heap_room() / 4;
        let mut sink = VecSink::new(usize::try_from(room).unwrap_or(usize::MAX));
        while location
            .inode()
            .read_at(u64::try_from(sink.bytes.len()).unwrap_or(0), &mut sink)?
            > 0
        {}
        if sink.remaining() == 0 {
            return Err(Errno::EFBIG.because("the kernel's memory is too small for it"));
        }
        Ok(sink.bytes)
    })
}

fn write_file(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    let mode = reader.word()?;
    let mut data = reader.bytes()?;
    pod.with_context(|vfs, context| {
        let flags = abi::flags::O_WRONLY | abi::flags::O_CREAT | abi::flags::O_TRUNC;
        let opened = vfs.open(context, path, flags, mode)?;
        let total = data.len();
        let written = opened
            .location
            .inode()
            .write_at(0, &mut data, context.now)?;
        if written < total {
            Err(Errno::ENOSPC.into())
        } else {
            Ok(Vec::new())
        }
    })
}

fn list_directory(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    pod.with_context(|vfs, context| {
        let mut listing = Vec::new();
        vfs.walk(context, path, Follow::Yes)?
            .inode()
            .read_dir(0, &mut |entry| {
                let kind = entry
                    .file_type
                    .map_or(0, |kind| u32::from(kind.dirent_type()));
                let len = u32::try_from(entry.name.len()).unwrap_or(0);
                listing.extend_from_slice(&kind.to_le_bytes());
                listing.extend_from_slice(&len.to_le_bytes());
                listing.extend_from_slice(entry.name);
                true
            })?;
        Ok(listing)
    })
}

fn status_of(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    pod.with_context(|vfs, context| {
        let metadata = vfs.stat(context, path, Follow::Yes)?;
        let mode = f64::from(metadata.file_type.mode_bits() | metadata.permissions);
        #[expect(
            clippy::as_conversions,
            clippy::cast_precision_loss,
            reason = "numbers for JavaScript; sizes are below 2^53"
        )]
        let (size, modified) = (
            metadata.size as f64,
            metadata.mtime.seconds as f64 * 1e3 + f64::from(metadata.mtime.nanoseconds) / 1e6,
        );
        Ok([mode, size, modified]
            .into_iter()
            .flat_map(f64::to_le_bytes)
            .collect())
    })
}

fn make_directory(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    let mode = reader.word()?;
    pod.with_context(|vfs, context| vfs.mkdir(context, path, mode).map(|_| Vec::new()))
}

fn remove_file(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    pod.with_context(|vfs, context| {
        match vfs.unlink(context, path) {
            Err(error) if error.errno == Errno::EISDIR => vfs.rmdir(context, path),
            other => other,
        }
        .map(|()| Vec::new())
    })
}
