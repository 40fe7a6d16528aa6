//! Users, capabilities, and the limits that count what a user has: credentials(7), capabilities(7).

#![expect(clippy::unwrap_used, reason = "test code")]

mod common;

use abi::Errno;
use abi::flags::{
    CAP_CHOWN, CAP_KILL, CAP_SETUID, CAP_SYS_CHROOT, CLONE_FILES, CLONE_FS, CLONE_NEWUSER,
    LINUX_CAPABILITY_VERSION_3, PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, PR_CAP_AMBIENT_RAISE,
    PR_CAPBSET_DROP, PR_CAPBSET_READ, PR_GET_DUMPABLE, PR_GET_KEEPCAPS, PR_SET_KEEPCAPS,
    RLIMIT_NPROC, RLIMIT_RTPRIO, RLIMIT_SIGPENDING,
};
use common::{DATA, Guest, HANDLER, Result, SIGTERM, SIGUSR1, STRINGS, World, set};
use kernel::testing::PROGRAM_PATH;

/// All capabilities.
const ALL: u64 = (1 << 41) - 1;
const O_CLOEXEC: u32 = 0o2_000_000;

fn bit(capability: u32) -> u64 {
    1 << capability
}

/// Effective, permitted and inheritable.
fn capabilities(guest: &Guest) -> [u64; 3] {
    guest.put_words(DATA, &[LINUX_CAPABILITY_VERSION_3, 0]);
    assert_eq!(guest.sys("capget", &[DATA, DATA + 8]), Ok(0));
    // Three words with the lower halves, three with the upper.
    [(8, 20), (12, 24), (16, 28)].map(|(low, high)| {
        let word = |offset: u32| u64::from(guest.word(DATA | offset).unwrap());
        word(low) | word(high) << 32
    })
}

fn set_capabilities(guest: &Guest, sets: [u64; 3]) -> Result {
    let low = sets.map(|set| u32::try_from(set & 0xffff_ffff).unwrap());
    let high = sets.map(|set| u32::try_from(set >> 32).unwrap());
    guest.put_words(DATA, &[LINUX_CAPABILITY_VERSION_3, 0]);
    guest.put_words(DATA + 8, &low);
    guest.put_words(DATA + 20, &high);
    guest.sys("capset", &[DATA, DATA + 8])
}

fn prctl(guest: &Guest, option: i32, words: &[u32]) -> Result {
    let mut all = vec![option.cast_unsigned()];
    all.extend(words);
    guest.sys("prctl", &all)
}

#[test]
fn capabilities_go_with_the_superusers_last_id() {
    let world = World::new();
    let guest = world.guest();
    assert_eq!(capabilities(&guest), [ALL, ALL, 0]);
    assert_eq!(guest.sys("setresuid", &[u32::MAX, 7, u32::MAX]), Ok(0));
    assert_eq!(capabilities(&guest), [0, ALL, 0]);
    assert_eq!(guest.sys("setresuid", &[u32::MAX, 0, u32::MAX]), Ok(0));
    assert_eq!(capabilities(&guest), [ALL, ALL, 0]);
    assert_eq!(guest.sys("setuid", &[7]), Ok(0));
    assert_eq!(capabilities(&guest), [0, 0, 0]);
    assert_eq!(
        set_capabilities(&guest, [bit(CAP_KILL), 0, 0]),
        Err(Errno::EPERM)
    );
    assert_eq!(prctl(&guest, PR_GET_DUMPABLE, &[]), Ok(0));
}

#[test]
fn what_is_kept_can_be_used_until_exec() {
    let world = World::new();
    let guest = world.guest();
    assert_eq!(prctl(&guest, PR_SET_KEEPCAPS, &[1]), Ok(0));
    assert_eq!(guest.sys("setuid", &[7]), Ok(0));
    assert_eq!(capabilities(&guest), [0, ALL, 0]);
    assert_eq!(guest.sys("setuid", &[8]), Err(Errno::EPERM));
    let setuid = bit(CAP_SETUID);
    assert_eq!(set_capabilities(&guest, [setuid, setuid, 0]), Ok(0));
    assert_eq!(prctl(&guest, PR_GET_KEEPCAPS, &[]), Ok(1));
    assert_eq!(guest.sys("setuid", &[8]), Ok(0));
    assert_eq!(capabilities(&guest), [setuid, setuid, 0]);
    // For a program without file capabilities only the ambient ones are left.
    let sets = [setuid, setuid, setuid];
    assert_eq!(set_capabilities(&guest, sets), Ok(0));
    let raise = [PR_CAP_AMBIENT_RAISE, CAP_SETUID, 0, 0];
    assert_eq!(prctl(&guest, PR_CAP_AMBIENT, &raise), Ok(0));
    let raise = [PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0];
    assert_eq!(prctl(&guest, PR_CAP_AMBIENT, &raise), Err(Errno::EPERM));
    let child = world.child(&guest);
    assert_eq!(capabilities(&child), [setuid, setuid, setuid]);
    let is_set = [PR_CAP_AMBIENT_IS_SET, CAP_SETUID, 0, 0];
    assert_eq!(prctl(&child, PR_CAP_AMBIENT, &is_set), Ok(1));
    assert_eq!(prctl(&child, PR_GET_KEEPCAPS, &[]), Ok(0));
}

#[test]
fn the_superuser_without_a_capability_is_refused() {
    let world = World::new();
    let guest = world.guest();
    let other = world.guest();
    assert_eq!(other.sys("setuid", &[7]), Ok(0));
    let path = guest.put_string(STRINGS, b"/tmp");
    let without = |capability| [ALL & !bit(capability), ALL, 0];
    assert_eq!(set_capabilities(&guest, without(CAP_KILL)), Ok(0));
    assert_eq!(guest.kill(other.id(), 0), Err(Errno::EPERM));
    assert_eq!(set_capabilities(&guest, without(CAP_SYS_CHROOT)), Ok(0));
    assert_eq!(guest.kill(other.id(), 0), Ok(0));
    assert_eq!(guest.sys("chroot", &[path]), Err(Errno::EPERM));
    assert_eq!(set_capabilities(&guest, without(CAP_CHOWN)), Ok(0));
    assert_eq!(guest.sys("chown", &[path, 7, 7]), Err(Errno::EPERM));
    assert_eq!(guest.sys("chroot", &[path]), Ok(0));
    assert_eq!(prctl(&guest, PR_CAPBSET_DROP, &[CAP_CHOWN]), Ok(0));
    assert_eq!(prctl(&guest, PR_CAPBSET_READ, &[CAP_CHOWN]), Ok(0));
}

#[test]
fn files_are_reached_as_the_user_for_files() {
    let world = World::new();
    let guest = world.guest();
    let path = guest.put_string(STRINGS, b"/tmp/mine");
    let fd = guest.sys("open", &[path, 0o101, 0o600]).unwrap();
    assert_eq!(guest.sys("close", &[fd]), Ok(0));
    assert_eq!(guest.sys("setfsuid", &[7]), Ok(0));
    assert_eq!(guest.sys("open", &[path, 0, 0]), Err(Errno::EACCES));
    assert_eq!(guest.sys("setfsuid", &[0]), Ok(7));
    assert!(guest.sys("open", &[path, 0, 0]).is_ok());
    // access(2) asks for the real user, whoever it acts as.
    assert_eq!(guest.sys("setresuid", &[7, 0, 0]), Ok(0));
    assert_eq!(guest.sys("access", &[path, 4]), Err(Errno::EACCES));
    assert!(guest.sys("open", &[path, 0, 0]).is_ok());
}

fn limit(guest: &Guest, resource: u32, soft: u32) {
    guest.put_words(DATA, &[soft, 0, soft, 0]);
    assert_eq!(guest.sys("prlimit64", &[0, resource, DATA, 0]), Ok(0));
}

#[test]
fn processes_are_counted_by_user() {
    let world = World::new();
    let user = world.guest();
    let _root = world.guest();
    limit(&user, RLIMIT_NPROC, 2);
    assert_eq!(user.sys("vfork", &[]), Err(Errno::EAGAIN));
    assert_eq!(user.sys("setuid", &[7]), Ok(0));
    let child = world.child(&user);
    assert_eq!(user.sys("vfork", &[]), Err(Errno::EAGAIN));
    assert_eq!(child.sys("exit_group", &[0]), Err(Errno::ECANCELED));
    // One that has ended counts until it was waited for.
    assert_eq!(user.sys("vfork", &[]), Err(Errno::EAGAIN));
    assert_eq!(user.wait(child.id(), 0), Ok((child.id(), 0)));
    assert_eq!(user.sys("vfork", &[]), Ok(0));
}

#[test]
fn becoming_a_user_with_too_many_processes_makes_exec_fail() {
    let world = World::new();
    let first = world.guest();
    assert_eq!(first.sys("setuid", &[7]), Ok(0));
    let second = world.guest();
    limit(&second, RLIMIT_NPROC, 1);
    assert_eq!(second.sys("setuid", &[7]), Ok(0));
    let exec = || second.exec(PROGRAM_PATH, &[PROGRAM_PATH], &[]);
    assert_eq!(exec(), Err(Errno::EAGAIN));
    assert_eq!(first.sys("exit_group", &[0]), Err(Errno::ECANCELED));
    assert_eq!(exec(), Err(Errno::ECANCELED));
}

#[test]
fn waiting_signals_are_counted_by_user() {
    let world = World::new();
    let guest = world.guest();
    let other = world.guest();
    for guest in [&guest, &other] {
        assert_eq!(guest.set_mask(set(&[40])), Ok(0));
        limit(guest, RLIMIT_SIGPENDING, 3);
    }
    let info = abi::layout::SigInfo {
        code: -1,
        ..Default::default()
    };
    guest.put(DATA, &info.to_bytes()).unwrap();
    let queue = |to: &Guest| guest.sys("rt_sigqueueinfo", &[to.id(), 40, DATA]);
    assert_eq!([queue(&guest), queue(&other), queue(&other)], [Ok(0); 3]);
    assert_eq!(queue(&guest), Err(Errno::EAGAIN));
    assert_eq!(queue(&other), Err(Errno::EAGAIN));
    // kill(2) brings a real-time signal all the same.
    assert_eq!(guest.kill(other.id(), 40), Ok(0));
}

#[test]
fn an_exec_that_is_refused_for_want_of_room_changes_nothing() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGUSR1, HANDLER, 0);
    let path = guest.put_string(STRINGS, b"/tmp");
    let fd = guest.sys("open", &[path, O_CLOEXEC, 0]).unwrap();
    assert_eq!(guest.sys("vfork", &[]), Ok(0));
    world.kernel.frames.set_budgets(8, 1);
    let child = guest.sys("getpid", &[]).unwrap();
    let child = world.kernel.processes.find(child.cast_signed()).unwrap();
    let name = child.program.lock().comm.clone();
    let refused = guest.exec(PROGRAM_PATH, &[b"other"], &[]);
    assert_eq!(refused, Err(Errno::EAGAIN));
    assert_eq!(guest.handler_of(SIGUSR1), HANDLER);
    assert_eq!(guest.sys("fcntl64", &[fd, 1, 0]), Ok(1));
    assert_eq!(child.program.lock().comm, name);
    world.kernel.frames.set_budgets(8, 100);
    let child = world.running(guest.exec(PROGRAM_PATH, &[b"other"], &[]).unwrap());
    assert_eq!(child.handler_of(SIGUSR1), 0);
    assert_eq!(child.sys("fcntl64", &[fd, 1, 0]), Err(Errno::EBADF));
    assert_eq!(guest.kill(child.id(), SIGTERM), Ok(0));
}

#[test]
fn there_are_no_namespaces_and_nothing_is_shared() {
    let world = World::new();
    let guest = world.guest();
    let unshare = |flags: u32| guest.sys("unshare", &[flags]);
    assert_eq!(unshare(0), Ok(0));
    assert_eq!(unshare(CLONE_FILES | CLONE_FS), Ok(0));
    assert_eq!(unshare(CLONE_NEWUSER), Err(Errno::EINVAL));
    assert_eq!(unshare(1), Err(Errno::EINVAL));
}

#[test]
fn real_time_policies_take_a_privilege_and_may_end_at_a_fork() {
    const FIFO: u32 = 1;
    const RESET_ON_FORK: u32 = 0x4000_0000;
    let world = World::new();
    let guest = world.guest();
    let set = |policy: u32, priority: u32| {
        guest.put_words(DATA, &[priority]);
        guest.sys("sched_setscheduler", &[0, policy, DATA])
    };
    assert_eq!(set(FIFO, 0), Err(Errno::EINVAL));
    assert_eq!(set(FIFO, 10), Ok(0));
    let child = world.child(&guest);
    assert_eq!(child.sys("sched_getscheduler", &[0]), Ok(FIFO));
    assert_eq!(child.sys("sched_getparam", &[0, DATA]), Ok(0));
    assert_eq!(child.word(DATA), Ok(10));
    assert_eq!(set(FIFO | RESET_ON_FORK, 10), Ok(0));
    assert_eq!(
        guest.sys("sched_getscheduler", &[0]),
        Ok(FIFO | RESET_ON_FORK)
    );
    let child = world.child(&guest);
    assert_eq!(child.sys("sched_getscheduler", &[0]), Ok(0));
    assert_eq!(set(0, 0), Ok(0));
    assert_eq!(guest.sys("setuid", &[7]), Ok(0));
    assert_eq!(set(FIFO, 10), Err(Errno::EPERM));
    limit(&guest, RLIMIT_RTPRIO, 0);
    assert_eq!(set(FIFO, 1), Err(Errno::EPERM));
}

#[test]
fn one_that_has_given_up_privilege_sees_its_descriptors_and_is_seen_by_no_other() {
    let world = World::new();
    let guest = world.guest();
    let other = world.guest();
    for guest in [&guest, &other] {
        assert_eq!(guest.sys("setuid", &[7]), Ok(0));
    }
    let open = |who: &Guest, whose: &Guest, name: &str| {
        let path = format!("/proc/{}/{name}", whose.id());
        let path = who.put_string(STRINGS, path.as_bytes());
        who.sys("open", &[path, 0, 0])
    };
    assert!(open(&guest, &guest, "fd").is_ok());
    assert!(open(&other, &guest, "status").is_ok());
    assert_eq!(open(&other, &guest, "fd"), Err(Errno::EACCES));
    assert_eq!(open(&other, &guest, "environ"), Err(Errno::EACCES));
    // A new program makes it as any other of its user.
    let pid = guest.id();
    assert_eq!(
        guest.exec(PROGRAM_PATH, &[PROGRAM_PATH], &[]),
        Err(Errno::ECANCELED)
    );
    assert!(open(&other, &world.running(pid), "environ").is_ok());
}
