//! Descriptions of files on a tmpfs, and opening through a whole VFS.

use std::sync::Arc;

use abi::flags::{O_APPEND, O_CREAT, O_DIRECTORY, O_NOATIME, O_PATH, O_RDONLY, S_IFCHR, S_IFIFO};
use fs::budget::Budget;
use fs::io::{Stall, Try, VecSink};
use fs::tmpfs::TmpFs;
use fs::vfs::device::make_device;
use fs::vfs::inode::Timestamp;
use fs::vfs::{Caller, Context, Scope, Vfs};

use super::*;
use crate::call::{Fault, Outcome};
use crate::device::Devices;
use crate::ipc::fifo::Fifos;
use crate::open::Opener;
use crate::poll::tests::{TestSleeper, counting_waker, poll};
use crate::testing::FakeMemory;
use crate::tty::{Terminals, Tty, TtyHost};

const BIRTH: Timestamp = Timestamp {
    seconds: 1000,
    nanoseconds: 0,
};
const LATER: Timestamp = Timestamp {
    seconds: 2000,
    nanoseconds: 7,
};

struct World {
    vfs: Vfs,
    root: Location,
    fifos: Fifos,
    terminals: Terminals,
    sleeper: Arc<TestSleeper>,
}

impl World {
    fn new() -> Self {
        let terminals = Terminals::default();
        let random = Arc::new(|bytes: &mut [u8]| bytes.fill(0));
        let vfs = Vfs::new(Arc::new(Devices::new(random, terminals.clone())));
        let file_system = Arc::new(TmpFs::new(1 << 24, BIRTH).unwrap());
        let root = vfs.mount_root(file_system, b"root", 0).unwrap();
        Self {
            vfs,
            root,
            fifos: Fifos::new(&Budget::unlimited()),
            terminals,
            sleeper: TestSleeper::new(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            root: &self.root,
            cwd: &self.root,
            caller: Caller::ROOT,
            umask: 0,
            now: BIRTH,
            scope: Scope::Everywhere,
        }
    }

    fn node(&self, path: &str, mode: u32, device: u64) {
        self.vfs
            .mknod(&self.context(), path.as_bytes(), mode, device)
            .unwrap();
    }

    fn start_open(&self, path: &str, flags: u32) -> Outcome<Arc<OpenFile>> {
        let opened = self
            .vfs
            .open(&self.context(), path.as_bytes(), flags, 0o644)
            .unwrap();
        let opener = Opener {
            fifos: &self.fifos,
            terminals: &self.terminals,
            controlling_terminal: Some(make_device(4, 1)),
            is_privileged: false,
        };
        opener.open(&self.sleeper, opened, flags)
    }

    fn open(&self, path: &str, flags: u32) -> Arc<OpenFile> {
        match self.start_open(path, flags) {
            Outcome::Ready(Ok(file)) => file,
            other => panic!("{path}: {other:?}"),
        }
    }
}

fn read(file: &OpenFile, limit: usize) -> Try<Vec<u8>> {
    let mut sink = VecSink::new(limit);
    file.try_read(&mut sink, LATER)?;
    Ok(sink.bytes)
}

fn write(file: &OpenFile, mut bytes: &[u8]) -> Try<usize> {
    file.try_write(&mut bytes, LATER)
}

fn errno<T: fmt::Debug>(result: Try<T>) -> Errno {
    match result.unwrap_err() {
        Stall::Failed(error) => error.errno,
        Stall::WouldBlock => Errno::EAGAIN,
    }
}

#[test]
fn reads_and_writes_move_one_offset() {
    let world = World::new();
    let file = world.open("/f", O_CREAT | O_RDWR);
    assert_eq!(write(&file, b"hello world"), Ok(11));
    assert_eq!(read(&file, 9), Ok(Vec::new()));
    assert_eq!(file.seek(6, Whence::Start), Ok(6));
    assert_eq!(read(&file, 99), Ok(b"world".to_vec()));
    let mut sink = VecSink::new(5);
    assert_eq!(file.read_at(0, &mut sink, LATER), Ok(5));
    assert_eq!(file.write_at(0, &mut b"J".as_slice(), LATER), Ok(1));
    assert_eq!(file.seek(0, Whence::Current), Ok(11));
    assert_eq!(file.seek(-11, Whence::End), Ok(0));
    assert_eq!(read(&file, 5), Ok(b"Jello".to_vec()));
}

#[test]
fn append_writes_at_the_end_wherever_the_offset_is() {
    let world = World::new();
    let (first, second) = (
        world.open("/f", O_CREAT | O_WRONLY | O_APPEND),
        world.open("/f", O_RDWR),
    );
    assert_eq!(write(&first, b"ab"), Ok(2));
    assert_eq!(write(&second, b"cde"), Ok(3));
    assert_eq!(first.write_offset(), Ok(Some(3)));
    assert_eq!(write(&first, b"f"), Ok(1));
    assert_eq!(first.write_at(0, &mut b"g".as_slice(), LATER), Ok(1));
    assert_eq!(second.seek(0, Whence::Start), Ok(0));
    assert_eq!(read(&second, 9), Ok(b"cdefg".to_vec()));
    first.set_flags(O_NONBLOCK | O_RDWR).unwrap();
    assert_eq!(first.flags(), O_WRONLY | O_NONBLOCK);
    assert_eq!(first.seek(0, Whence::Start), Ok(0));
    assert_eq!(write(&first, b"C"), Ok(1));
}

#[test]
fn access_mode_is_checked_on_each_call() {
    let world = World::new();
    let writer = world.open("/f", O_CREAT | O_WRONLY);
    let reader = world.open("/f", O_RDONLY);
    let path = world.open("/f", O_PATH);
    assert_eq!(errno(read(&writer, 1)), Errno::EBADF);
    assert_eq!(errno(write(&reader, b"x")), Errno::EBADF);
    assert_eq!(reader.truncate(0, LATER).unwrap_err().errno, Errno::EINVAL);
    assert_eq!(errno(read(&path, 1)), Errno::EBADF);
    assert_eq!(path.seek(0, Whence::Start).unwrap_err().errno, Errno::EBADF);
    assert_eq!(path.set_flags(0).unwrap_err().errno, Errno::EBADF);
    assert_eq!(path.metadata().unwrap().file_type, FileType::Regular);
    let directory = world.open("/", O_RDONLY);
    assert_eq!(errno(read(&directory, 1)), Errno::EISDIR);
}

#[test]
fn seek_checks_its_target() {
    let world = World::new();
    let file = world.open("/f", O_CREAT | O_RDWR);
    write(&file, b"0123456789").unwrap();
    let fails = |distance, whence| file.seek(distance, whence).unwrap_err().errno;
    assert_eq!(fails(-1, Whence::Start), Errno::EINVAL);
    assert_eq!(fails(-11, Whence::End), Errno::EINVAL);
    assert_eq!(fails(i64::MAX, Whence::End), Errno::EINVAL);
    assert_eq!(fails(10, Whence::Data), Errno::ENXIO);
    assert_eq!(fails(-1, Whence::Hole), Errno::ENXIO);
    assert_eq!(file.seek(0, Whence::Current), Ok(10));
    assert_eq!(file.seek(3, Whence::Data), Ok(3));
    assert_eq!(file.seek(3, Whence::Hole), Ok(10));
    assert_eq!(file.seek(1 << 40, Whence::Start), Ok(1 << 40));
    assert_eq!(read(&file, 1), Ok(Vec::new()));
    assert_eq!(Whence::try_from(5).unwrap_err().errno, Errno::EINVAL);
}

#[test]
fn truncate_leaves_a_hole_and_the_offset() {
    let world = World::new();
    let file = world.open("/f", O_CREAT | O_RDWR);
    write(&file, b"abc").unwrap();
    file.truncate(5, LATER).unwrap();
    assert_eq!(file.metadata().unwrap().mtime, LATER);
    assert_eq!(write(&file, b"d"), Ok(1));
    file.seek(0, Whence::Start).unwrap();
    assert_eq!(read(&file, 9), Ok(b"abcd\0".to_vec()));
}

#[test]
fn access_time_follows_relatime() {
    let world = World::new();
    let file = world.open("/f", O_CREAT | O_RDWR);
    let read_at = |seconds| {
        let now = Timestamp {
            seconds,
            nanoseconds: 0,
        };
        file.read_at(0, &mut VecSink::new(1), now).unwrap();
        file.metadata().unwrap().atime.seconds
    };
    assert_eq!(read_at(1500), 1500);
    assert_eq!(read_at(1600), 1500);
    write(&file, b"x").unwrap();
    assert_eq!(read_at(2100), 2100);
    assert_eq!(read_at(2100 + 86_399), 2100);
    assert_eq!(read_at(2100 + 86_400), 88_500);
    file.set_flags(O_NOATIME).unwrap();
    assert_eq!(read_at(1_000_000), 88_500);
}

/// Names and cookies that a call with room for `max` entries reports.
fn entries(directory: &OpenFile, max: usize) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    directory
        .read_dir(LATER, &mut |entry| {
            if seen.len() == max {
                return false;
            }
            seen.push((
                String::from_utf8_lossy(entry.name).into_owned(),
                entry.next_cookie,
            ));
            true
        })
        .unwrap();
    seen
}

#[test]
fn directory_is_read_in_pieces_and_from_any_cookie() {
    let world = World::new();
    for name in ["/a", "/b", "/c", "/d"] {
        world.open(name, O_CREAT | O_WRONLY);
    }
    let directory = world.open("/", O_RDONLY | O_DIRECTORY);
    let mut all = Vec::new();
    loop {
        let piece = entries(&directory, 1);
        if piece.is_empty() {
            break;
        }
        all.extend(piece);
    }
    let mut names: Vec<&str> = all.iter().map(|entry| entry.0.as_str()).collect();
    assert_eq!(names[..2], [".", ".."]);
    names.sort_unstable();
    assert_eq!(names, [".", "..", "a", "b", "c", "d"]);
    directory
        .seek(i64::try_from(all[3].1).unwrap(), Whence::Start)
        .unwrap();
    assert_eq!(entries(&directory, 99), all[4..]);
    directory.seek(0, Whence::Start).unwrap();
    assert_eq!(entries(&directory, 99), all);
    let file = world.open("/a", O_RDONLY);
    let error = file.read_dir(LATER, &mut |_| true).unwrap_err();
    assert_eq!(error.errno, Errno::ENOTDIR);
}

#[test]
fn ioctl_of_a_regular_file_knows_what_is_left() {
    let world = World::new();
    let memory = FakeMemory::new(1);
    let file = world.open("/f", O_CREAT | O_RDWR);
    write(&file, b"0123456789").unwrap();
    file.seek(4, Whence::Start).unwrap();
    assert_eq!(file.ioctl(FIONREAD, 8, &memory), Ok(0));
    let mut left = [0; 4];
    memory.copy_in(8, &mut left).unwrap();
    assert_eq!(u32::from_le_bytes(left), 6);
    let error = file.ioctl(abi::flags::TCGETS, 8, &memory).unwrap_err();
    assert_eq!(error.errno, Errno::ENOTTY);
}

#[test]
fn devices_serve_reads_and_have_no_offset() {
    let world = World::new();
    world.node("/null", S_IFCHR | 0o666, make_device(1, 3));
    let null = world.open("/null", O_RDWR);
    assert_eq!(write(&null, b"abc"), Ok(3));
    assert_eq!(read(&null, 9), Ok(Vec::new()));
    assert_eq!(null.seek(77, Whence::Start), Ok(0));
    assert_eq!(null.read_at(5, &mut VecSink::new(1), LATER), Ok(0));
    assert_eq!(null.file_type(), FileType::CharDevice);
}

#[test]
fn pipe_descriptions_are_streams_with_a_name() {
    let (reader, writer) = crate::ipc::pipe::pipe(&Budget::unlimited());
    let reader = OpenFile::from_anonymous_pipe(reader, 0, 5, 6, BIRTH);
    let writer = OpenFile::from_anonymous_pipe(writer, O_WRONLY, 5, 6, BIRTH);
    assert_eq!(
        reader.seek(0, Whence::Current).unwrap_err().errno,
        Errno::ESPIPE
    );
    assert_eq!(
        errno(reader.read_at(0, &mut VecSink::new(1), LATER)),
        Errno::ESPIPE
    );
    assert_eq!(errno(write(&reader, b"x")), Errno::EBADF);
    assert_eq!(writer.set_flags(O_DIRECT).unwrap_err().errno, Errno::EINVAL);
    let metadata = reader.metadata().unwrap();
    assert_eq!((metadata.file_type, metadata.uid), (FileType::Fifo, 5));
    let place = reader.place().unwrap();
    assert_eq!(
        place.absolute_path(),
        format!("pipe:[{}]", metadata.inode).into_bytes()
    );
    drop(writer);
    assert_eq!(read(&reader, 1), Ok(Vec::new()));
}

#[test]
fn fifo_open_waits_for_its_other_side() {
    let world = World::new();
    world.node("/fifo", S_IFIFO | 0o666, 0);
    let mut reading = world.start_open("/fifo", O_RDONLY);
    let (waker, wakes) = counting_waker();
    assert!(poll(&mut reading, &waker).is_none());
    let writer = world.open("/fifo", O_WRONLY);
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    let reader = poll(&mut reading, &waker).unwrap().unwrap();
    assert_eq!(write(&writer, b"through"), Ok(7));
    assert_eq!(read(&reader, 99), Ok(b"through".to_vec()));
    assert_eq!(reader.metadata().unwrap().file_type, FileType::Fifo);
}

#[test]
fn interrupted_fifo_open_leaves_nothing_behind() {
    let world = World::new();
    world.node("/fifo", S_IFIFO | 0o666, 0);
    let mut reading = world.start_open("/fifo", O_RDONLY);
    let (waker, _) = counting_waker();
    assert!(poll(&mut reading, &waker).is_none());
    world.sleeper.interrupt();
    assert!(matches!(
        poll(&mut reading, &waker),
        Some(Err(Fault::Interrupted(_)))
    ));
    drop(reading);
    let failed = world.start_open("/fifo", O_WRONLY | O_NONBLOCK);
    let Outcome::Ready(Err(Fault::Error(error))) = failed else {
        panic!("{failed:?}")
    };
    assert_eq!(error.errno, Errno::ENXIO);
}

#[derive(Debug)]
struct Silence;

impl TtyHost for Silence {
    fn write(&self, bytes: &[u8]) -> usize {
        bytes.len()
    }

    fn signal_group(&self, _: crate::process::Pid, _: abi::Signal) {}

    fn now_ns(&self) -> u64 {
        0
    }
}

#[test]
fn dev_tty_is_the_terminal_of_the_caller() {
    let world = World::new();
    world.node("/tty", S_IFCHR | 0o666, make_device(5, 0));
    let missing = world.start_open("/tty", O_RDWR);
    assert!(matches!(missing, Outcome::Ready(Err(Fault::Error(e))) if e.errno == Errno::ENXIO));
    let tty = Tty::new(make_device(4, 1), Arc::new(Silence));
    world.terminals.add(Arc::clone(&tty));
    let file = world.open("/tty", O_RDWR);
    assert_eq!(file.terminal(), Some(make_device(4, 1)));
    tty.input(b"typed\n");
    assert_eq!(read(&file, 99), Ok(b"typed\n".to_vec()));
    assert_eq!(
        file.seek(0, Whence::Start).unwrap_err().errno,
        Errno::ESPIPE
    );
    tty.disconnect();
    let gone = world.start_open("/tty", O_RDWR);
    assert!(matches!(gone, Outcome::Ready(Err(Fault::Error(e))) if e.errno == Errno::EIO));
}

#[test]
fn devices_that_drop_bytes_take_each_once() {
    let world = World::new();
    for minor in [3, 5, 8] {
        world.node("/device", S_IFCHR | 0o666, make_device(1, minor));
        let file = world.open("/device", O_WRONLY);
        let outcome = crate::transfer::write(&world.sleeper, &file, b"bytes".as_slice(), LATER);
        assert!(matches!(outcome, Outcome::Ready(Ok(5))), "{minor}");
        world.vfs.unlink(&world.context(), b"/device").unwrap();
    }
}
