//! The pod's memory: what its end looks like to programs, and that all of it comes back.

mod common;

use abi::Errno;
use common::{DATA, Guest, STRINGS, World};
use fs::budget::Class;
use kernel::platform::Level;
use kernel::testing::{PROGRAM_PATH, Progress};

const O_RDWR_CREAT: u32 = 2 | 0o100;
const PROT_READ_WRITE: u32 = 3;
const MAP_PRIVATE_ANONYMOUS: u32 = 0x22;
const MREMAP_MAYMOVE: u32 = 1;
const RLIMIT_DATA: u32 = 2;
const RLIMIT_AS: u32 = 9;
const MIB: u32 = 1 << 20;

fn map(guest: &Guest, len: u32) -> common::Result {
    let flags = MAP_PRIVATE_ANONYMOUS;
    guest.sys("mmap2", &[0, len, PROT_READ_WRITE, flags, u32::MAX, 0])
}

/// The bytes in use and those of the cached programs.
fn used(world: &World) -> (u64, u64) {
    let budget = world.kernel.budget();
    (budget.used_bytes(), budget.used(Class::Programs))
}

#[test]
fn all_memory_comes_back_after_a_workload() {
    let world = World::new();
    let parent = world.guest();
    let before = used(&world);
    for round in 0..20_u32 {
        let child = world.child(&parent);
        let brk = child.sys("brk", &[0]).unwrap();
        assert_eq!(child.sys("brk", &[brk + 50_000]), Ok(brk + 50_000));
        let at = map(&child, 100_000).unwrap();
        let moved = child.sys("mremap", &[at, 100_000, MIB, MREMAP_MAYMOVE, 0]);
        assert_eq!(child.sys("munmap", &[moved.unwrap(), 4096]), Ok(0));
        let path = child.put_string(STRINGS, b"/tmp/file");
        let file = child.sys("open", &[path, O_RDWR_CREAT, 0o600]).unwrap();
        assert_eq!(child.sys("write", &[file, DATA, 60_000]), Ok(60_000));
        let (_reader, writer) = child.pipe();
        assert_eq!(child.sys("write", &[writer, DATA, 9_000]), Ok(9_000));
        assert!(used(&world).0 > before.0 + u64::from(MIB));
        assert_eq!(child.sys("unlink", &[path]), Ok(0));
        if round % 2 == 0 {
            child.exec(PROGRAM_PATH, &[PROGRAM_PATH], &[]).unwrap_err();
            world.run();
            child.start_over();
        }
        assert_eq!(
            child.enter(common::number("exit_group"), &[9]),
            Progress::Dead
        );
        world.run();
        assert_eq!(parent.wait(child.id(), 0), Ok((child.id(), 9 << 8)));
    }
    assert_eq!(used(&world), before);
}

#[test]
fn a_program_that_takes_all_is_refused_and_the_rest_goes_on() {
    let world = World::with_memory(4 << 20);
    let (hog, other) = (world.guest(), world.guest());
    world.platform.take_log();
    let mut pieces = 0;
    while map(&hog, 64 << 10).is_ok() {
        pieces += 1;
    }
    assert_eq!(map(&hog, 64 << 10), Err(Errno::ENOMEM));
    assert!((40..60).contains(&pieces), "{pieces}");
    let log = world.platform.take_log();
    let lines: Vec<_> = log
        .iter()
        .filter(|(level, _)| *level == Level::Warning)
        .collect();
    let [(_, line)] = lines.as_slice() else {
        panic!("one line expected: {lines:?}");
    };
    assert!(line.contains("out of memory: pid"), "{line}");
    let brk = other.sys("brk", &[0]).unwrap();
    assert_eq!(other.sys("brk", &[brk + MIB]), Ok(brk));
    let path = other.put_string(STRINGS, b"/tmp/file");
    let file = other.sys("open", &[path, O_RDWR_CREAT, 0o600]).unwrap();
    let sum: u32 = (0..40)
        .map_while(|_| other.sys("write", &[file, DATA, 60_000]).ok())
        .sum();
    assert_eq!(
        other.sys("write", &[file, DATA, 60_000]),
        Err(Errno::ENOSPC)
    );
    assert!(sum < MIB);
    assert_eq!(
        hog.enter(common::number("exit_group"), &[0]),
        Progress::Dead
    );
    world.run();
    assert_eq!(other.sys("write", &[file, DATA, 60_000]), Ok(60_000));
    assert_eq!(other.sys("brk", &[brk + MIB]), Ok(brk + MIB));
}

#[test]
fn a_program_that_does_not_fit_is_not_started() {
    let world = World::with_memory(2 << 20);
    let parent = world.guest();
    while map(&parent, 16 << 10).is_ok() {}
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    assert_eq!(
        parent.exec(PROGRAM_PATH, &[PROGRAM_PATH], &[]),
        Err(Errno::ENOMEM)
    );
    assert!(parent.sys("exit_group", &[7]).is_ok());
    let (_, status) = parent.wait(common::ANY, 0).unwrap();
    assert_eq!(status, 7 << 8);
}

#[test]
fn memory_is_free_when_the_parent_hears_of_the_end() {
    let world = World::new();
    let parent = world.guest();
    let budget = world.kernel.budget();
    let before = budget.used(Class::Guests);
    let child = world.child(&parent);
    map(&child, MIB).unwrap();
    // The other Worker has not run since: the guest is still there.
    parent.kill(child.id(), common::SIGKILL).unwrap();
    child.breathe();
    assert_eq!(budget.used(Class::Guests), before);
    world.run();
    assert_eq!(budget.used(Class::Guests), before);
    // What is on loan stays with its owner.
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    assert!(parent.sys("exit_group", &[0]).is_ok());
    assert_eq!(budget.used(Class::Guests), before);
}

#[test]
fn limits_of_a_process_hold_whatever_the_pod_has() {
    let world = World::new();
    let guest = world.guest();
    let limit = |resource: u32, soft: u32| {
        guest.put_words(DATA, &[soft, u32::MAX]);
        guest.sys("setrlimit", &[resource, DATA])
    };
    assert_eq!(limit(RLIMIT_AS, MIB), Ok(0));
    assert_eq!(map(&guest, 2 * MIB), Err(Errno::ENOMEM));
    let at = map(&guest, MIB / 2).unwrap();
    assert_eq!(
        guest.sys("mremap", &[at, MIB / 2, 2 * MIB, MREMAP_MAYMOVE, 0]),
        Err(Errno::ENOMEM)
    );
    let brk = guest.sys("brk", &[0]).unwrap();
    assert_eq!(guest.sys("brk", &[brk + MIB]), Ok(brk));
    assert_eq!(limit(RLIMIT_AS, u32::MAX), Ok(0));
    assert_eq!(limit(RLIMIT_DATA, MIB), Ok(0));
    assert_eq!(guest.sys("brk", &[brk + MIB]), Ok(brk));
    assert_eq!(guest.sys("brk", &[brk + 4096]), Ok(brk + 4096));
    // Nothing of this is the pod's fault.
    assert!(
        world
            .platform
            .take_log()
            .iter()
            .all(|(level, _)| *level != Level::Warning)
    );
}
