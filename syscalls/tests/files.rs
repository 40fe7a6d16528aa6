//! What calls do to files beyond their bytes: holes, set-id bits.

#![expect(clippy::unwrap_used, reason = "test code")]

mod common;

use std::sync::Arc;

use abi::Errno;
use abi::layout::Stat64;
use common::{DATA, Guest, STRINGS, World};
use fs::ext2_mount::Ext2Fs;
use fs::vfs::Follow;
use fs::vfs::inode::Timestamp;
use fs_block::MemDisk;
use fs_ext2::{FormatOptions, MountOptions};

const O_RDWR: u32 = 2;
const O_CREAT: u32 = 0o100;

fn open(guest: &Guest, path: &[u8]) -> u32 {
    let path = guest.put_string(STRINGS, path);
    guest.sys("open", &[path, O_RDWR | O_CREAT, 0o644]).unwrap()
}

/// Size, 512-byte blocks and permissions.
fn stat(guest: &Guest, fd: u32) -> (i64, i64, u32) {
    assert_eq!(guest.sys("fstat64", &[fd, DATA]), Ok(0));
    let bytes = guest.bytes(DATA, Stat64::SIZE).unwrap();
    let stat = Stat64::from_bytes(bytes.as_slice().try_into().unwrap());
    (stat.size, stat.blocks, stat.mode & 0o7777)
}

#[test]
fn holes_are_punched_in_memory_and_cost_nothing() {
    const PUNCH: u32 = 2 | 1;
    const COLLAPSE: u32 = 8;
    const ZERO_RANGE: u32 = 0x10;
    let world = World::new();
    let guest = world.guest();
    let fd = open(&guest, b"/tmp/file");
    // A terabyte of nothing.
    assert_eq!(guest.sys("ftruncate64", &[fd, 0, 256]), Ok(0));
    assert_eq!(guest.sys("write", &[fd, DATA, 0x4000]), Ok(0x4000));
    assert_eq!(stat(&guest, fd), (256 << 32, 32, 0o644));
    let fallocate = |mode: u32, from: [u32; 2], len: [u32; 2]| {
        guest.sys("fallocate", &[fd, mode, from[0], from[1], len[0], len[1]])
    };
    assert_eq!(fallocate(PUNCH, [0, 0], [0, 256]), Ok(0));
    assert_eq!(stat(&guest, fd), (256 << 32, 0, 0o644));
    for mode in [COLLAPSE, 0x20, PUNCH | ZERO_RANGE] {
        assert_eq!(fallocate(mode, [0, 0], [9, 0]), Err(Errno::EOPNOTSUPP));
    }
    assert_eq!(guest.sys("pwrite64", &[fd, DATA, 9, 0, 0]), Ok(9));
    assert_eq!(fallocate(ZERO_RANGE, [0, 0], [9, 0]), Ok(0));
    assert_eq!(stat(&guest, fd), (256 << 32, 8, 0o644));
    assert_eq!(fallocate(PUNCH, [0, 0], [0, 1]), Ok(0));
    assert_eq!(fallocate(2, [0, 0], [9, 0]), Err(Errno::EOPNOTSUPP));
    assert_eq!(fallocate(1, [0, 512], [9, 0]), Ok(0));
    assert_eq!(stat(&guest, fd).0, 256 << 32);
    assert_eq!(fallocate(0, [0, 512], [9, 0]), Ok(0));
    assert_eq!(stat(&guest, fd).0, (512 << 32) + 9);
}

/// What Linux 6.18 answers for modes and files, on tmpfs; on Ext2 the same.
#[test]
fn fallocate_names_the_first_thing_that_is_wrong() {
    const KEEP: u32 = 1;
    const PUNCH: u32 = 2;
    const COLLAPSE: u32 = 8;
    const ZERO: u32 = 0x10;
    const INSERT: u32 = 0x20;
    const UNSHARE: u32 = 0x40;
    let world = World::new();
    let guest = world.guest();
    let at = guest.put_string(STRINGS, b"/disk");
    assert_eq!(guest.sys("mkdir", &[at, 0o755]), Ok(0));
    let (format, options) = (FormatOptions::default(), MountOptions::default());
    let mut made = fs_ext2::format(MemDisk::zeroed(1 << 20), &format, options).unwrap();
    made.unmount(Timestamp::default()).unwrap();
    let ext2 = Ext2Fs::mount(Box::new(made.into_device()), options).unwrap();
    let root = world.kernel.root().unwrap();
    let context = world.kernel.root_context(&root);
    let vfs = &world.kernel.vfs;
    let target = vfs.walk(&context, b"/disk", Follow::Yes).unwrap();
    vfs.mount_at(Arc::new(ext2), &target, b"disk", 0).unwrap();
    for path in [&b"/tmp/file"[..], b"/disk/file"] {
        let fd = open(&guest, path);
        let path = guest.put_string(STRINGS, path);
        let only = guest.sys("open", &[path, 0]).unwrap();
        let null = open(&guest, b"/dev/null");
        let call = |fd: u32, mode: u32, from: [u32; 2]| {
            guest.sys("fallocate", &[fd, mode, from[0], from[1], 4096, 0])
        };
        assert_eq!(guest.sys("write", &[fd, DATA, 9]), Ok(9));
        let end = [u32::MAX, 0x7fff_ffff];
        for mode in [
            0,
            KEEP,
            PUNCH | KEEP,
            COLLAPSE,
            ZERO,
            ZERO | KEEP,
            INSERT,
            UNSHARE,
            UNSHARE | KEEP,
        ] {
            assert_eq!(call(only, mode, [0, 0]), Err(Errno::EBADF), "{mode:#x}");
            assert_eq!(call(null, mode, [0, 0]), Err(Errno::ENODEV), "{mode:#x}");
            assert_eq!(call(fd, mode, end), Err(Errno::EFBIG), "{mode:#x}");
            let supported = matches!(mode & !KEEP, 0 | PUNCH | ZERO);
            let expected = if supported {
                Ok(0)
            } else {
                Err(Errno::EOPNOTSUPP)
            };
            assert_eq!(call(fd, mode, [0, 0]), expected, "{mode:#x}");
        }
        for mode in [
            PUNCH,
            4,
            COLLAPSE | KEEP,
            INSERT | KEEP,
            COLLAPSE | INSERT,
            PUNCH | ZERO | KEEP,
            PUNCH | UNSHARE | KEEP,
            0x100,
        ] {
            for fd in [fd, only, null] {
                assert_eq!(call(fd, mode, [0, 0]), Err(Errno::EOPNOTSUPP), "{mode:#x}");
            }
        }
    }
    // What cannot be done leaves the bytes: an Ext2 takes no space behind the end.
    let fd = open(&guest, b"/disk/kept");
    guest.put_words(DATA, &[7, 7]);
    assert_eq!(guest.sys("write", &[fd, DATA, 8]), Ok(8));
    let far = guest.sys("fallocate", &[fd, ZERO | KEEP, 0, 0, 1 << 16, 0]);
    assert_eq!(far, Err(Errno::EOPNOTSUPP));
    assert_eq!(guest.sys("fallocate", &[fd, ZERO, 0, 0, 4, 0]), Ok(0));
    assert_eq!(guest.sys("pread64", &[fd, DATA, 8, 0, 0]), Ok(8));
    assert_eq!(guest.bytes(DATA, 8).unwrap(), [0, 0, 0, 0, 7, 0, 0, 0]);
}

/// A mount is not made read-only while a description is open for writing, through however many descriptors.
#[test]
fn open_files_keep_their_mount_writable() {
    const MS_RDONLY: u32 = 1;
    const MS_REMOUNT: u32 = 32;
    const MS_BIND: u32 = 0x1000;
    let world = World::new();
    let guest = world.guest();
    let kind = guest.put_string(DATA, b"tmpfs");
    let target = guest.put_string(STRINGS, b"/tmp");
    assert_eq!(guest.sys("mount", &[kind, target, kind, 0, 0]), Ok(0));
    let fd = open(&guest, b"/tmp/file");
    let second = guest.sys("dup", &[fd]).unwrap();
    let remount = |flags: u32| {
        let target = guest.put_string(STRINGS, b"/tmp");
        guest.sys("mount", &[0, target, 0, MS_REMOUNT | flags, 0])
    };
    for fd in [fd, second] {
        assert_eq!(remount(MS_RDONLY), Err(Errno::EBUSY));
        assert_eq!(remount(MS_RDONLY | MS_BIND), Err(Errno::EBUSY));
        assert_eq!(guest.sys("close", &[fd]), Ok(0));
    }
    // A shared mapping counts until it ends.
    let fd = open(&guest, b"/tmp/file");
    assert_eq!(guest.sys("write", &[fd, DATA, 9]), Ok(9));
    let map = guest.sys("mmap2", &[0, 4096, 3, 1, fd, 0]).unwrap();
    assert_eq!(guest.sys("close", &[fd]), Ok(0));
    assert_eq!(remount(MS_RDONLY), Err(Errno::EBUSY));
    assert_eq!(guest.sys("munmap", &[map, 4096]), Ok(0));
    assert_eq!(remount(MS_RDONLY), Ok(0));
    let path = guest.put_string(STRINGS, b"/tmp/file");
    assert_eq!(guest.sys("open", &[path, O_RDWR]), Err(Errno::EROFS));
    let reader = guest.sys("open", &[path, 0]).unwrap();
    assert_eq!(remount(0), Ok(0));
    assert_eq!(remount(MS_RDONLY), Ok(0));
    assert_eq!(guest.sys("close", &[reader]), Ok(0));
}

#[test]
fn modes_are_changed_by_descriptor_and_path_with_flags() {
    const AT_FDCWD: u32 = 0xffff_ff9c;
    const EMPTY_PATH: u32 = 0x1000;
    const NOFOLLOW: u32 = 0x100;
    let world = World::new();
    let guest = world.guest();
    let fd = open(&guest, b"/tmp/file");
    let path = guest.put_string(STRINGS, b"/tmp/link");
    let target = guest.put_string(STRINGS + 100, b"/tmp/file");
    assert_eq!(guest.sys("symlink", &[target, path]), Ok(0));
    let chmod = |dir, path, mode, flags| guest.sys("fchmodat2", &[dir, path, mode, flags]);
    assert_eq!(chmod(AT_FDCWD, path, 0o600, 0), Ok(0));
    assert_eq!(stat(&guest, fd).2, 0o600);
    let empty = guest.put_string(STRINGS + 200, b"");
    assert_eq!(chmod(fd, empty, 0o640, EMPTY_PATH), Ok(0));
    assert_eq!(stat(&guest, fd).2, 0o640);
    let error = |errno| Err::<u32, _>(errno);
    assert_eq!(chmod(fd, empty, 0o640, 0), error(Errno::ENOENT));
    assert_eq!(
        chmod(AT_FDCWD, path, 0o600, NOFOLLOW),
        error(Errno::EOPNOTSUPP)
    );
    assert_eq!(chmod(AT_FDCWD, path, 0o600, 1), error(Errno::EINVAL));
}

#[test]
fn a_file_without_a_name_gets_one_by_its_descriptor() {
    const O_TMPFILE: u32 = 0o20_200_000;
    const O_EXCL: u32 = 0o200;
    const AT_FDCWD: u32 = 0xffff_ff9c;
    const AT_SYMLINK_FOLLOW: u32 = 0x400;
    const AT_EMPTY_PATH: u32 = 0x1000;
    let world = World::new();
    let guest = world.guest();
    let make = |flags| {
        let path = guest.put_string(STRINGS, b"/tmp");
        guest.sys("open", &[path, O_TMPFILE | flags, 0o640])
    };
    assert_eq!(make(0), Err(Errno::EINVAL));
    let link = |dir, old: &[u8], new: &[u8], flags| {
        let (old, new) = (
            guest.put_string(STRINGS, old),
            guest.put_string(STRINGS + 256, new),
        );
        guest.sys("linkat", &[dir, old, AT_FDCWD, new, flags])
    };
    let proc = |fd| format!("/proc/self/fd/{fd}").into_bytes();
    let fd = make(O_RDWR).unwrap();
    assert_eq!(guest.sys("write", &[fd, DATA, 5]), Ok(5));
    assert_eq!(stat(&guest, fd).2, 0o640);
    let by_path = link(AT_FDCWD, &proc(fd), b"/tmp/one", AT_SYMLINK_FOLLOW);
    assert_eq!(by_path, Ok(0));
    assert_eq!(link(fd, b"", b"/tmp/two", AT_EMPTY_PATH), Ok(0));
    let other = open(&guest, b"/tmp/two");
    assert_eq!(stat(&guest, other), stat(&guest, fd));
    let kept = make(O_RDWR | O_EXCL).unwrap();
    let by_path = link(AT_FDCWD, &proc(kept), b"/tmp/three", AT_SYMLINK_FOLLOW);
    assert_eq!(by_path, Err(Errno::ENOENT));
}

#[test]
fn advice_about_a_process_is_checked() {
    const COLD: u32 = 20;
    const DONTNEED: u32 = 4;
    let world = World::new();
    let guest = world.guest();
    let pid = guest.sys("getpid", &[]).unwrap();
    let fd = guest.sys("pidfd_open", &[pid, 0]).unwrap();
    guest.put_words(DATA, &[0x1000, 300, 0x8000, 20]);
    let advise = |fd, advice, flags| guest.sys("process_madvise", &[fd, DATA, 2, advice, flags]);
    assert_eq!(advise(fd, COLD, 0), Ok(320));
    assert_eq!(advise(fd, DONTNEED, 0), Err(Errno::EINVAL));
    assert_eq!(advise(fd, COLD, 1), Err(Errno::EINVAL));
    assert_eq!(advise(99, COLD, 0), Err(Errno::EBADF));
}

#[test]
fn ordinary_users_take_set_id_bits_away_with_whatever_they_write() {
    let world = World::new();
    let guest = world.guest();
    let fd = open(&guest, b"/tmp/file");
    let other = open(&guest, b"/tmp/other");
    assert_eq!(guest.sys("write", &[other, DATA, 9]), Ok(9));
    for fd in [fd, other] {
        assert_eq!(guest.sys("fchown", &[fd, 1000, 1000]), Ok(0));
    }
    let writes: [(&str, &[u32], u32); 6] = [
        ("write", &[fd, DATA, 1], 1),
        ("pwrite64", &[fd, DATA, 1, 0, 0], 1),
        ("ftruncate64", &[fd, 0, 0], 0),
        ("fallocate", &[fd, 0, 0, 0, 9, 0], 0),
        ("sendfile64", &[fd, other, DATA, 1], 1),
        ("copy_file_range", &[other, DATA, fd, DATA, 1, 0], 1),
    ];
    for user in [0, 1000] {
        assert_eq!(guest.sys("setresgid", &[user, user, user]), Ok(0));
        assert_eq!(guest.sys("setresuid", &[user, user, user]), Ok(0));
        for (name, args, result) in writes {
            assert_eq!(guest.sys("fchmod", &[fd, 0o6755]), Ok(0));
            guest.put_words(DATA, &[0, 0]);
            assert_eq!(guest.sys(name, args), Ok(result), "{name}");
            let expected = if user == 0 { 0o6755 } else { 0o755 };
            assert_eq!(stat(&guest, fd).2, expected, "{name} of {user}");
        }
    }
    // A group that may not execute: the bit means mandatory locks, and stays.
    assert_eq!(guest.sys("fchmod", &[fd, 0o6644]), Ok(0));
    assert_eq!(guest.sys("write", &[fd, DATA, 1]), Ok(1));
    assert_eq!(stat(&guest, fd).2, 0o2644);
    assert_eq!(guest.sys("fchmod", &[fd, 0o6755]), Ok(0));
    assert_eq!(guest.sys("write", &[fd, DATA, 0]), Ok(0));
    assert_eq!(stat(&guest, fd).2, 0o6755);
}
