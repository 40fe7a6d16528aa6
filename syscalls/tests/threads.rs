//! Threads of a process: clone(2), exit(2), futex(2), signals to threads, exec and exit_group.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::allow_attributes,
    reason = "a test"
)]

mod common;

use abi::Errno;
use abi::flags::{
    FUTEX_CMP_REQUEUE, FUTEX_LOCK_PI, FUTEX_OWNER_DIED, FUTEX_PRIVATE_FLAG, FUTEX_WAIT,
    FUTEX_WAITERS, FUTEX_WAKE,
};
use common::{
    DATA, Guest, HANDLER, SA_RESTART, SECOND, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, THREAD_STACK,
    World, set,
};
use kernel::process::{Limit, RunState};
use kernel::testing::PROGRAM_PATH;

/// The number of the limit on processes: getrlimit(2).
const RLIMIT_NPROC: u32 = 6;
/// A futex word, and another.
const WORD: u32 = 0x1_2000;
const OTHER: u32 = 0x1_2004;

fn wait(guest: &Guest, address: u32, value: u32) -> common::Result {
    let operation = FUTEX_WAIT.cast_unsigned();
    guest.sys("futex_time64", &[address, operation, value, 0, 0, 0])
}

fn wake(guest: &Guest, address: u32, count: u32) -> common::Result {
    let operation = FUTEX_WAKE.cast_unsigned();
    guest.sys("futex_time64", &[address, operation, count, 0, 0, 0])
}

#[test]
fn threads_share_everything_but_their_ids_and_masks() {
    let world = World::new();
    let first = world.guest();
    let other = world.thread(&first);
    let pid = first.sys("getpid", &[]).unwrap();
    assert_eq!(other.sys("getpid", &[]), Ok(pid));
    assert_eq!(first.sys("gettid", &[]), Ok(pid));
    let tid = other.sys("gettid", &[]).unwrap();
    assert_ne!(tid, pid);
    let path = first.put_string(DATA, b"/tmp");
    assert_eq!(other.sys("chdir", &[path]), Ok(0));
    let len = first.sys("getcwd", &[DATA, 100]).unwrap();
    assert_eq!((len, other.string(DATA).unwrap()), (5, b"/tmp".to_vec()));
    assert_eq!(first.put_words(WORD, &[77]), WORD);
    assert_eq!(other.word(WORD), Ok(77));
    first.put(DATA, &set(&[SIGUSR1]).to_le_bytes()).unwrap();
    assert_eq!(first.sys("rt_sigprocmask", &[2, DATA, 0, 8]), Ok(0));
    assert_eq!(other.task.signal_mask().0, 0);
    assert_eq!(world.thread(&first).task.signal_mask().0, set(&[SIGUSR1]));
}

#[test]
fn a_clone_that_is_no_thread_or_shares_too_little_is_refused() {
    let world = World::new();
    let guest = world.guest();
    let clone = |flags: u32, stack| guest.sys("clone", &[flags, stack, 0, 0, 0]);
    assert_eq!(clone(17, 0), Err(Errno::ENOSYS));
    assert_eq!(clone(0x0001_0000, THREAD_STACK), Err(Errno::EINVAL));
    assert_eq!(clone(0x0001_0f00, 0), Err(Errno::EINVAL));
    assert_eq!(clone(0x0003_0f00, THREAD_STACK), Err(Errno::EINVAL));
    assert_eq!(guest.sys("vfork", &[]), Ok(0));
    assert_eq!(clone(0x0001_0f00, THREAD_STACK), Err(Errno::EINVAL));
}

#[test]
fn a_thread_s_end_clears_its_word_and_wakes_there() {
    let world = World::new();
    let first = world.guest();
    first.put_words(WORD, &[1]);
    let flags = 0x0020_0000 | 0x0001_0f00;
    let tid = first
        .sys("clone", &[flags, THREAD_STACK, 0, 0, WORD])
        .unwrap();
    world.run();
    assert_eq!(wait(&first, WORD, 1), Err(Errno::EINPROGRESS));
    let other = world.of_thread(tid);
    assert_eq!(other.sys("exit", &[5]), Err(Errno::ECANCELED));
    assert_eq!(world.settle(&first), Ok(0));
    assert_eq!(first.word(WORD), Ok(0));
    assert_eq!(first.sys("tkill", &[tid, 0]), Err(Errno::ESRCH));
    assert_eq!(world.kernel.nr_guests(), 1);
    assert!(world.kernel.is_alive(first.pid()));
}

#[test]
fn the_first_thread_s_status_is_the_process_s_once_all_have_ended() {
    let world = World::new();
    let first = world.guest();
    let pid = first.pid();
    let other = world.thread(&first);
    assert_eq!(first.sys("exit", &[3]), Err(Errno::ECANCELED));
    world.run();
    assert!(world.kernel.is_alive(pid));
    assert_eq!(other.sys("getpid", &[]), Ok(pid.cast_unsigned()));
    assert_eq!(other.sys("exit", &[4]), Err(Errno::ECANCELED));
    assert_eq!(world.ended(pid.cast_unsigned()), Some(3 << 8));
    world.run();
    assert_eq!(world.kernel.nr_guests(), 0);
}

#[test]
fn exit_group_ends_threads_wherever_they_wait() {
    let world = World::new();
    let first = world.guest();
    let pid = first.pid().cast_unsigned();
    let sleeper = world.thread(&first);
    let stuck = world.thread(&first);
    let unborn = world.new_thread(&first);
    assert_eq!(wait(&sleeper, WORD, 0), Err(Errno::EINPROGRESS));
    assert_eq!(stuck.sys("pause", &[]), Err(Errno::EINPROGRESS));
    assert_eq!(first.sys("exit_group", &[9]), Err(Errno::ECANCELED));
    for thread in [&sleeper, &stuck] {
        assert_eq!(world.settle(thread), Err(Errno::ECANCELED));
    }
    drop(unborn);
    world.run();
    assert_eq!(world.ended(pid), Some(9 << 8));
    assert_eq!(world.kernel.nr_guests(), 0);
}

#[test]
fn a_fatal_signal_ends_all_threads() {
    for signal in [SIGKILL, SIGTERM] {
        let world = World::new();
        let first = world.guest();
        let pid = first.pid().cast_unsigned();
        let other = world.thread(&first);
        assert_eq!(first.sys("pause", &[]), Err(Errno::EINPROGRESS));
        assert_eq!(wait(&other, WORD, 0), Err(Errno::EINPROGRESS));
        world
            .kernel
            .kill(first.pid(), signal.cast_signed())
            .unwrap();
        for thread in [&first, &other] {
            assert_eq!(world.settle(thread), Err(Errno::ECANCELED));
        }
        assert_eq!(world.ended(pid), Some(signal.cast_signed()));
        assert_eq!(world.kernel.nr_guests(), 0);
    }
}

#[test]
fn a_stop_holds_all_threads() {
    let world = World::new();
    let first = world.guest();
    let pid = first.pid().cast_unsigned();
    let other = world.thread(&first);
    assert_eq!(wait(&other, WORD, 0), Err(Errno::EINPROGRESS));
    let own = [pid, SIGSTOP];
    assert_eq!(first.sys("kill", &own), Err(Errno::EINPROGRESS));
    assert!(matches!(world.state(pid), Some(RunState::Stopped(_))));
    // Woken while the process is stopped, the thread does not go on.
    let space = other.process.address_space();
    let reach = kernel::ipc::futex::Reach::Shared;
    let key = kernel::ipc::futex::Key::new(&space, WORD, reach);
    assert_eq!(world.kernel.futexes.wake(key, 1, u32::MAX), 1);
    assert_eq!(world.settle(&other), Err(Errno::EINPROGRESS));
    world.kernel.kill(first.pid(), 18).unwrap();
    assert_eq!(world.settle(&other), Ok(0));
    assert_eq!(world.settle(&first), Ok(0));
}

#[test]
fn exec_in_a_thread_leaves_that_one_as_the_process() {
    let world = World::new();
    let first = world.guest();
    let pid = first.pid().cast_unsigned();
    let other = world.thread(&first);
    let third = world.thread(&first);
    let tid = other.sys("gettid", &[]).unwrap();
    assert_eq!(first.sys("pause", &[]), Err(Errno::EINPROGRESS));
    assert_eq!(wait(&third, WORD, 0), Err(Errno::EINPROGRESS));
    let argv: &[&[u8]] = &[PROGRAM_PATH];
    assert_eq!(other.exec(PROGRAM_PATH, argv, &[]), Err(Errno::ECANCELED));
    for thread in [&first, &third] {
        assert_eq!(world.settle(thread), Err(Errno::ECANCELED));
    }
    other.start_over();
    world.run();
    assert_eq!(other.sys("gettid", &[]), Ok(pid));
    assert_eq!(other.sys("tkill", &[tid, 0]), Err(Errno::ESRCH));
    assert_eq!(world.kernel.nr_guests(), 1);
    assert!(world.kernel.is_alive(pid.cast_signed()));
}

#[test]
fn signals_go_to_the_thread_that_is_meant_or_that_listens() {
    let world = World::new();
    let first = world.guest();
    let pid = first.pid().cast_unsigned();
    first.on(SIGUSR1, HANDLER, SA_RESTART);
    let other = world.thread(&first);
    let tid = other.sys("gettid", &[]).unwrap();
    assert_eq!(wait(&other, WORD, 0), Err(Errno::EINPROGRESS));
    assert_eq!(first.sys("tgkill", &[pid, tid, SIGUSR1]), Ok(0));
    assert_eq!(first.breathe().result(), Ok(0));
    assert!(first.take_handled().is_empty());
    assert_eq!(world.settle(&other), Err(Errno::EINPROGRESS));
    assert_eq!(other.take_handled_numbers(), [SIGUSR1]);
    assert_eq!(first.sys("tgkill", &[pid + 1, tid, 0]), Err(Errno::ESRCH));
    // Blocked by the first, a signal of the process is the other's.
    first.put(DATA, &set(&[SIGUSR1]).to_le_bytes()).unwrap();
    assert_eq!(first.sys("rt_sigprocmask", &[0, DATA, 0, 8]), Ok(0));
    assert_eq!(first.sys("kill", &[pid, SIGUSR1]), Ok(0));
    assert_eq!(world.settle(&other), Err(Errno::EINPROGRESS));
    assert_eq!(other.take_handled_numbers(), [SIGUSR1]);
}

#[test]
fn futexes_wake_requeue_and_time_out() {
    let world = World::new();
    let first = world.guest();
    let threads: Vec<Guest> = (0..3).map(|_| world.thread(&first)).collect();
    assert_eq!(wait(&first, WORD, 1), Err(Errno::EAGAIN));
    for thread in &threads {
        assert_eq!(wait(thread, WORD, 0), Err(Errno::EINPROGRESS));
    }
    let requeue = [WORD, FUTEX_CMP_REQUEUE.cast_unsigned(), 1, 1, OTHER, 0];
    assert_eq!(first.sys("futex_time64", &requeue), Ok(2));
    assert_eq!(world.settle(&threads[0]), Ok(0));
    assert_eq!(wake(&first, OTHER, 5), Ok(1));
    assert_eq!(world.settle(&threads[1]), Ok(0));
    assert_eq!(wake(&first, WORD, 5), Ok(1));
    assert_eq!(world.settle(&threads[2]), Ok(0));
    first
        .put(DATA, &[1_u64.to_le_bytes(), [0; 8]].concat())
        .unwrap();
    let private = (FUTEX_WAIT | FUTEX_PRIVATE_FLAG).cast_unsigned();
    let timed = [WORD, private, 0, DATA, 0, 0];
    assert_eq!(
        threads[0].sys("futex_time64", &timed),
        Err(Errno::EINPROGRESS)
    );
    world.advance(SECOND);
    assert_eq!(world.settle(&threads[0]), Err(Errno::ETIMEDOUT));
    let lock_pi = [WORD, FUTEX_LOCK_PI.cast_unsigned(), 0, 0, 0, 0];
    assert_eq!(first.sys("futex_time64", &lock_pi), Err(Errno::ENOSYS));
}

#[test]
fn a_thread_s_end_frees_the_robust_locks_that_it_held() {
    let world = World::new();
    let first = world.guest();
    let other = world.thread(&first);
    let tid = other.sys("gettid", &[]).unwrap();
    // The head, with one entry whose word is 8 bytes behind it.
    other.put_words(DATA, &[DATA + 0x100, 8, 0]);
    other.put_words(DATA + 0x100, &[DATA, 0, tid | FUTEX_WAITERS]);
    assert_eq!(other.sys("set_robust_list", &[DATA, 12]), Ok(0));
    let lock = DATA + 0x108;
    let value = tid | FUTEX_WAITERS;
    assert_eq!(wait(&first, lock, value), Err(Errno::EINPROGRESS));
    assert_eq!(other.sys("exit", &[0]), Err(Errno::ECANCELED));
    assert_eq!(world.settle(&first), Ok(0));
    assert_eq!(first.word(lock), Ok(FUTEX_OWNER_DIED | FUTEX_WAITERS));
}

#[test]
fn the_limit_of_processes_counts_threads() {
    let world = World::new();
    let first = world.guest();
    let count = u64::try_from(world.kernel.processes.nr_tasks()).unwrap();
    let limit = Limit {
        soft: count + 2,
        hard: count + 2,
    };
    let set = first.process.limits.lock().set(RLIMIT_NPROC, limit, true);
    assert!(set.is_ok());
    let _threads = [world.thread(&first), world.thread(&first)];
    let clone = [0x0001_0f00, THREAD_STACK, 0, 0, 0];
    assert_eq!(first.sys("clone", &clone), Err(Errno::EAGAIN));
    assert_eq!(first.sys("vfork", &[]), Err(Errno::EAGAIN));
}

#[test]
fn a_process_with_threads_moves_out_of_its_frame_as_one() {
    let world = World::new();
    world.platform.limit_frames(1);
    let first = world.guest();
    let other = world.thread(&first);
    first.put_words(WORD, &[1234]);
    assert_eq!(wait(&first, OTHER, 0), Err(Errno::EINPROGRESS));
    assert_eq!(other.sys("pause", &[]), Err(Errno::EINPROGRESS));
    world.kernel.frames.leave(first.task.executor().worker());
    let guest = world.guest();
    assert_eq!(guest.word(WORD), Ok(0));
    assert!(first.task.make_resident().is_ok());
    assert_eq!((first.word(WORD), other.word(WORD)), (Ok(1234), Ok(1234)));
    // The first thread ends, and the frame stays the other's.
    assert_eq!(wake(&other, OTHER, 1), Ok(1));
    assert_eq!(world.settle(&first), Ok(0));
    assert_eq!(first.sys("exit", &[0]), Err(Errno::ECANCELED));
    world.run();
    assert_eq!(other.word(WORD), Ok(1234));
}

#[test]
fn of_two_threads_that_exec_the_first_one_goes_on() {
    let world = World::new();
    let first = world.guest();
    let other = world.thread(&first);
    let pid = first.sys("getpid", &[]).unwrap();
    let exec = |guest: &Guest| guest.exec(PROGRAM_PATH, &[PROGRAM_PATH], &[]);
    assert_eq!(exec(&other), Err(Errno::ECANCELED));
    // Before it has heard that it is over.
    assert_eq!(exec(&first), Err(Errno::ECANCELED));
    world.run();
    other.start_over();
    assert_eq!(other.sys("gettid", &[]), Ok(pid));
    assert_eq!(world.kernel.nr_guests(), 1);
}
