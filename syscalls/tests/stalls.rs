//! Calls on a disk that answers later: they wait, are made again, and can be interrupted.

#![expect(
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "test code"
)]

mod common;

use std::collections::VecDeque;
use std::sync::Arc;

use abi::Errno;
use abi::flags::{MAP_SHARED, PROT_READ, PROT_WRITE};
use abi::layout::Stat64;
use common::{DATA, Guest, HANDLER, SIGKILL, SIGUSR1, STRINGS, World};
use executor::sync::Lock;
use fs::ext2_mount::Ext2Fs;
use fs::remote_disk::SharedRemote;
use fs::vfs::Follow;
use fs_block::remote::{Change, Row, Transport};
use fs_block::{BlockDevice, BlockError, MemDisk};
use fs_ext2::{FormatOptions, MountOptions, format};

const O_RDWR: u32 = 2;
const O_CREAT: u32 = 0o100;
const O_DSYNC: u32 = 0o10000;
/// So many bytes of such a disk are kept at hand.
const CACHE: u64 = 8 << 20;

/// The other side: it does at once what it is asked for, and answers when the test says so.
struct Wire {
    disk: MemDisk,
    /// What was durable last.
    durable: Arc<Lock<MemDisk>>,
    unanswered: Arc<Lock<VecDeque<u64>>>,
}

impl Transport for Wire {
    fn read(&mut self, sequence: u64, offset: u64, bytes: &mut [u8]) {
        self.disk.read(offset, bytes).unwrap();
        self.unanswered.lock().push_back(sequence);
    }

    fn change(&mut self, sequence: u64, nr_rows: u32, bytes: &[u8]) {
        let change = Change::parse(nr_rows as usize, bytes).unwrap();
        for row in change.rows() {
            if let Row::Write(offset, bytes) = row {
                self.disk.write(offset, bytes).unwrap();
            }
        }
        self.unanswered.lock().push_back(sequence);
    }

    fn flush(&mut self, sequence: u64) {
        *self.durable.lock() = self.disk.clone();
        self.unanswered.lock().push_back(sequence);
    }
}

/// A pod with such a disk at `/mnt`.
struct Pod {
    world: World,
    device: SharedRemote<Wire>,
    unanswered: Arc<Lock<VecDeque<u64>>>,
    durable: Arc<Lock<MemDisk>>,
}

impl Pod {
    fn new() -> Self {
        Self::with_len(CACHE)
    }

    fn with_len(len: u64) -> Self {
        let options = FormatOptions::default();
        let disk = format(
            MemDisk::zeroed(len as usize),
            &options,
            MountOptions::default(),
        )
        .unwrap();
        let mut disk = disk;
        disk.unmount(options.now).unwrap();
        let disk = disk.into_device();
        let unanswered = Arc::<Lock<VecDeque<u64>>>::default();
        let durable = Arc::new(Lock::new(disk.clone()));
        let wire = Wire {
            disk,
            durable: Arc::clone(&durable),
            unanswered: Arc::clone(&unanswered),
        };
        let device = SharedRemote::new(wire, len);
        let pod = Self {
            world: World::new(),
            device,
            unanswered,
            durable,
        };
        let mounted = loop {
            let device = Box::new(pod.device.clone());
            let small = MountOptions {
                cache_bytes: 16 << 10,
                ..MountOptions::default()
            };
            match Ext2Fs::mount(device, small) {
                Ok(mounted) => break mounted,
                Err(error) => assert_eq!(error, fs::io::NOT_RESIDENT),
            }
            assert!(pod.answer());
        };
        let kernel = &pod.world.kernel;
        let root = kernel.root().unwrap();
        let context = kernel.root_context(&root);
        kernel.vfs.mkdir(&context, b"/mnt", 0o755).unwrap();
        let target = kernel.vfs.walk(&context, b"/mnt", Follow::Yes).unwrap();
        let mounted = Arc::new(mounted);
        kernel.vfs.mount_at(mounted, &target, b"disk", 0).unwrap();
        while pod.answer() {}
        pod
    }

    /// Answers the oldest request; false when there is none.
    fn answer(&self) -> bool {
        self.answer_with(Ok(()))
    }

    fn answer_with(&self, result: Result<(), BlockError>) -> bool {
        let Some(sequence) = self.unanswered.lock().pop_front() else {
            return false;
        };
        self.device.complete(sequence, result, false);
        self.world.kernel.arrivals.arrived();
        true
    }

    /// Makes a call, and answers requests while it waits; its result, and how often it waited.
    fn call(&self, guest: &Guest, name: &str, args: &[u32]) -> (common::Result, usize) {
        let mut result = guest.sys(name, args);
        let mut nr_waits = 0;
        while result == Err(Errno::EINPROGRESS) {
            assert!(self.answer(), "{name} waits for nothing");
            nr_waits += 1;
            assert!(nr_waits < 1000, "{name} waits for ever");
            result = self.world.settle(guest);
        }
        (result, nr_waits)
    }

    fn open(&self, guest: &Guest, path: &[u8], flags: u32) -> u32 {
        let path = guest.put_string(STRINGS, path);
        let args = [path, flags, 0o644];
        self.call(guest, "open", &args).0.unwrap()
    }

    /// Another process sends a signal.
    fn raise(&self, guest: &Guest, signal: u32) {
        let sender = self.world.guest();
        assert_eq!(sender.kill(guest.id(), signal), Ok(0));
    }

    /// Fills the cache, which is small, with other blocks.
    fn forget(&self) {
        let other = self.world.guest();
        let fd = self.open(&other, b"/mnt/other", O_RDWR | O_CREAT);
        assert_eq!(
            self.call(&other, "pwrite64", &[fd, DATA, 0xc000, 0, 0]).0,
            Ok(0xc000)
        );
        assert_eq!(self.call(&other, "fsync", &[fd]).0, Ok(0));
        // What has landed goes when other bytes come.
        let mut bytes = vec![0; 1 << 20];
        let len = self.device.len_bytes();
        for part in ((len - CACHE) >> 20)..(len >> 20) {
            while self.device.read(part << 20, &mut bytes).is_err() {
                assert!(self.answer());
            }
        }
    }
}

#[test]
fn a_read_waits_for_its_blocks_and_comes_back_with_all_of_them() {
    let pod = Pod::new();
    let guest = pod.world.guest();
    let fd = pod.open(&guest, b"/mnt/file", O_RDWR | O_CREAT);
    let text: Vec<u8> = (0..8192_u32).map(|at| (at / 7) as u8).collect();
    guest.put(DATA, &text).unwrap();
    for _ in 0..32 {
        let written = pod.call(&guest, "write", &[fd, DATA, 8192]).0;
        assert_eq!(written, Ok(8192));
    }
    assert_eq!(pod.call(&guest, "fsync", &[fd]).0, Ok(0));
    pod.forget();
    guest.put(DATA, &vec![0; 8192]).unwrap();
    let (read, nr_waits) = pod.call(&guest, "pread64", &[fd, DATA, 8192, 0x1_0000, 0]);
    assert_eq!(read, Ok(8192));
    assert!(nr_waits > 0, "nothing was forgotten");
    assert_eq!(guest.bytes(DATA, 8192).unwrap(), text);
}

#[test]
fn a_disk_far_away_becomes_read_only_and_writable_again() {
    const MS_REMOUNT: u32 = 32;
    const MS_RDONLY: u32 = 1;
    let pod = Pod::new();
    let guest = pod.world.guest();
    let fd = pod.open(&guest, b"/mnt/file", O_RDWR | O_CREAT);
    assert_eq!(pod.call(&guest, "write", &[fd, DATA, 8192]).0, Ok(8192));
    assert_eq!(guest.sys("close", &[fd]), Ok(0));
    let remount = |flags: u32| {
        let target = guest.put_string(STRINGS, b"/mnt");
        let arguments = [0, target, 0, MS_REMOUNT | flags, 0];
        pod.call(&guest, "mount", &arguments)
    };
    // `s_state` and `s_mnt_count`, as they would be after a crash. To make it was a mount, too.
    let state = || {
        let image = pod.durable.lock().snapshot();
        (image[1024 + 58], image[1024 + 52])
    };
    assert_eq!(state(), (0, 2));
    // It is over when that is durable.
    let (read_only, nr_waits) = remount(MS_RDONLY);
    assert_eq!(read_only, Ok(0));
    assert!(nr_waits > 0);
    assert_eq!(state(), (1, 2));
    let path = guest.put_string(STRINGS, b"/mnt/file");
    let opened = pod.call(&guest, "open", &[path, O_RDWR]).0;
    assert_eq!(opened, Err(Errno::EROFS));
    assert_eq!(remount(0).0, Ok(0));
    while pod.answer() {}
    assert_eq!(state(), (0, 3));
    pod.open(&guest, b"/mnt/file", O_RDWR);
}

#[test]
fn fsync_waits_until_its_bytes_are_durable_and_tells_why_not() {
    let pod = Pod::new();
    let guest = pod.world.guest();
    let fd = pod.open(&guest, b"/mnt/file", O_RDWR | O_CREAT);
    guest.put(DATA, b"durable?").unwrap();
    assert_eq!(pod.call(&guest, "write", &[fd, DATA, 8]).0, Ok(8));
    let is_durable = || {
        let image = pod.durable.lock().snapshot();
        image.windows(8).any(|window| window == b"durable?")
    };
    assert_eq!(guest.sys("fsync", &[fd]), Err(Errno::EINPROGRESS));
    // A signal with a handler does not end it.
    guest.on(SIGUSR1, HANDLER, 0);
    pod.raise(&guest, SIGUSR1);
    assert_eq!(pod.world.settle(&guest), Err(Errno::EINPROGRESS));
    while pod.answer() {}
    assert!(is_durable());
    assert_eq!(pod.world.settle(&guest), Ok(0));
    // Nothing new: no flush.
    assert_eq!(pod.call(&guest, "fsync", &[fd]), (Ok(0), 0));

    assert_eq!(pod.call(&guest, "write", &[fd, DATA, 8]).0, Ok(8));
    assert_eq!(guest.sys("fsync", &[fd]), Err(Errno::EINPROGRESS));
    while pod.unanswered.lock().len() > 1 {
        pod.answer();
    }
    pod.answer_with(Err(BlockError::NoSpace));
    assert_eq!(pod.world.settle(&guest), Err(Errno::ENOSPC));
    // Tried again, and there is room now.
    assert_eq!(pod.call(&guest, "fsync", &[fd]).0, Ok(0));
}

#[test]
fn a_write_with_o_dsync_waits_and_is_made_once() {
    let pod = Pod::new();
    let guest = pod.world.guest();
    let append = 0o2000;
    let fd = pod.open(&guest, b"/mnt/log", O_RDWR | O_CREAT | O_DSYNC | append);
    guest.put(DATA, b"line\n").unwrap();
    for _ in 0..3 {
        let (written, nr_waits) = pod.call(&guest, "write", &[fd, DATA, 5]);
        assert_eq!(written, Ok(5));
        assert!(nr_waits > 0);
    }
    assert_eq!(guest.sys("fstat64", &[fd, DATA]), Ok(0));
    let status = guest.bytes(DATA, Stat64::SIZE).unwrap();
    let status = Stat64::from_bytes(status.as_slice().try_into().unwrap());
    assert_eq!(status.size, 15);
}

/// A guest that waits for the contents of a file: descriptor, address, length and offset.
fn waiting(pod: &Pod) -> (Guest, [u32; 5]) {
    let guest = pod.world.guest();
    let fd = pod.open(&guest, b"/mnt/file", O_RDWR | O_CREAT);
    guest.put(DATA, &[7; 4096]).unwrap();
    assert_eq!(pod.call(&guest, "write", &[fd, DATA, 4096]).0, Ok(4096));
    assert_eq!(pod.call(&guest, "fsync", &[fd]).0, Ok(0));
    pod.forget();
    guest.put(DATA, &[0; 4096]).unwrap();
    guest.on(SIGUSR1, HANDLER, 0);
    let args = [fd, DATA, 4096, 0, 0];
    assert_eq!(guest.sys("pread64", &args), Err(Errno::EINPROGRESS));
    (guest, args)
}

#[test]
fn whoever_waits_for_a_block_runs_handlers_meanwhile() {
    let pod = Pod::new();
    let (guest, _) = waiting(&pod);
    pod.raise(&guest, SIGUSR1);
    assert_eq!(pod.world.settle(&guest), Err(Errno::EINPROGRESS));
    assert_eq!(guest.take_handled().len(), 1);
    while pod.answer() {}
    // Although the handler is there without `SA_RESTART`.
    assert_eq!(pod.world.settle(&guest), Ok(4096));
    assert_eq!(guest.bytes(DATA, 4096).unwrap(), [7; 4096]);
}

#[test]
fn whoever_waits_for_a_block_can_be_killed() {
    let pod = Pod::new();
    let (guest, _) = waiting(&pod);
    pod.raise(&guest, SIGKILL);
    assert_eq!(pod.world.settle(&guest), Err(Errno::ECANCELED));
}

#[test]
fn a_disk_that_cannot_be_read_is_an_error_once_and_comes_back() {
    let pod = Pod::new();
    let (guest, args) = waiting(&pod);
    while pod.answer_with(Err(BlockError::Io)) {}
    assert_eq!(pod.world.settle(&guest), Err(Errno::EIO));
    assert_eq!(pod.call(&guest, "pread64", &args).0, Ok(4096));
}

#[test]
fn a_shared_mapping_may_be_larger_than_the_cache() {
    const LEN: u32 = 10 << 20;
    const PIECE: u32 = 1 << 14;
    let pod = Pod::with_len(24 << 20);
    let (guest, other) = (pod.world.guest(), pod.world.guest());
    let fd = pod.open(&guest, b"/mnt/file", O_RDWR | O_CREAT);
    for piece in 0..LEN / PIECE {
        guest.put(DATA, &[piece as u8; PIECE as usize]).unwrap();
        let written = pod.call(&guest, "write", &[fd, DATA, PIECE]).0;
        assert_eq!(written, Ok(PIECE));
    }
    assert_eq!(pod.call(&guest, "fsync", &[fd]).0, Ok(0));
    pod.forget();
    let args = [0, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0];
    let (mapped, nr_waits) = pod.call(&guest, "mmap2", &args);
    let mapped = mapped.unwrap();
    assert!(nr_waits > 2, "{nr_waits}");
    let byte = |at: u32| guest.bytes(mapped + at, 1).unwrap()[0];
    for piece in 0..LEN / PIECE {
        assert_eq!(byte(piece * PIECE + 99), piece as u8);
    }

    // What another process writes to its end arrives with the next call, whatever has to come before it.
    let others = pod.open(&other, b"/mnt/file", O_RDWR);
    other.put(DATA, b"!").unwrap();
    let written = pod
        .call(&other, "pwrite64", &[others, DATA, 1, LEN - 1, 0])
        .0;
    assert_eq!(written, Ok(1));
    let nowhere = 1000;
    assert_eq!(pod.call(&guest, "close", &[nowhere]).0, Err(Errno::EBADF));
    assert_eq!(byte(LEN - 1), b'!');

    // A change in a block that is far away gets there.
    guest.put(mapped + 5, b"?").unwrap();
    pod.forget();
    let (unmapped, nr_waits) = pod.call(&guest, "munmap", &[mapped, LEN]);
    assert_eq!(unmapped, Ok(0));
    assert!(nr_waits > 0, "nothing was forgotten");
    let read = pod.call(&other, "pread64", &[others, DATA, 7, 0, 0]).0;
    assert_eq!(read, Ok(7));
    assert_eq!(other.bytes(DATA, 7).unwrap(), b"\0\0\0\0\0?\0");
}
