//! Turns, shares, and signals for guests that make no calls: sched(7), nice(2), getrusage(2),
//! setitimer(2), setrlimit(2).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
#![expect(clippy::arithmetic_side_effects, reason = "test code")]

mod common;

use common::{
    ANY, DATA, Guest, HANDLER, SECOND, SIGALRM, SIGCONT, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, World,
};
use kernel::process::{RunState, Usage};
use kernel::scheduler::SLICE_NS;
use kernel::testing::{PROGRAM_PATH, Progress};

const MS: u64 = 1_000_000;
const SIGXCPU: u32 = 24;
const SIGVTALRM: u32 = 26;
const SIGPROF: u32 = 27;
const ITIMER_REAL: u32 = 0;
const ITIMER_VIRTUAL: u32 = 1;
const ITIMER_PROF: u32 = 2;
const RLIMIT_CPU: u32 = 0;
const SCHED_BATCH: u32 = 3;
const SCHED_IDLE: u32 = 5;

/// A pod whose clock has moved: 0 is no time at which anything starts.
fn pod(workers: u32) -> World {
    let world = World::with_workers(workers);
    world.advance(SECOND);
    world
}

/// Has each guest compute until its slice is over and it waits for its turn.
fn use_slices_up(world: &World, guests: &[&Guest]) {
    for guest in guests {
        world.platform.clock().advance(SLICE_NS);
        assert_eq!(guest.safepoint(), Progress::Parked);
    }
}

/// Which of the guests has the turn now; it goes on.
fn next<'a>(world: &World, guests: &[&'a Guest]) -> (usize, &'a Guest) {
    world.pump(0);
    let found = guests
        .iter()
        .position(|guest| guest.go_on() != Progress::Parked);
    let index = found.unwrap();
    (index, guests[index])
}

/// Lets guests that compute all the time share a Worker; how long each ran, in milliseconds.
fn shares<const N: usize>(world: &World, guests: [&Guest; N], total_ms: u64) -> [u64; N] {
    use_slices_up(world, &guests);
    let mut ran = [0; N];
    while ran.iter().sum::<u64>() < total_ms {
        let (index, guest) = next(world, &guests);
        while guest.safepoint() == Progress::Returned(0) {
            world.platform.clock().advance(MS);
            ran[index] += 1;
        }
    }
    ran
}

fn set_nice(guest: &Guest, nice: i32) {
    assert_eq!(
        guest.sys("setpriority", &[0, 0, nice.cast_unsigned()]),
        Ok(0)
    );
}

/// `struct itimerval`: the same value and interval.
fn set_timer(guest: &Guest, which: u32, ms: u32) {
    let (seconds, micros) = (ms / 1000, ms % 1000 * 1000);
    guest.put_words(DATA, &[seconds, micros, seconds, micros]);
    assert_eq!(guest.sys("setitimer", &[which, DATA, 0]), Ok(0));
}

/// Computes for `ms` milliseconds by steps of one; the signals that were handled, with the time.
fn compute(world: &World, guest: &Guest, ms: u64) -> Vec<(u64, u32)> {
    let mut handled = Vec::new();
    for step in 1..=ms {
        world.platform.clock().advance(MS);
        if guest.safepoint() == Progress::Parked {
            world.pump(0);
            assert_eq!(guest.go_on(), Progress::Returned(0));
        }
        let numbers = guest.take_handled_numbers();
        handled.extend(numbers.into_iter().map(|number| (step, number)));
    }
    handled
}

#[test]
fn equals_share_equally() {
    let world = pod(1);
    let [a, b, c] = [world.guest(), world.guest(), world.guest()];
    let ran = shares(&world, [&a, &b, &c], 3000);
    assert!(ran.iter().all(|ms| (980..=1020).contains(ms)), "{ran:?}");
}

#[test]
fn shares_follow_the_weights_of_nice_values() {
    let world = pod(1);
    let [a, b] = [world.guest(), world.guest()];
    set_nice(&b, 10);
    let [first, second] = shares(&world, [&a, &b], 20_000);
    // 1024 : 110.
    let ratio = first * 100 / second;
    assert!((850..=1010).contains(&ratio), "{first} : {second}");
    let ran = a.process.usage().ran_ns / MS;
    assert!((first..=first + 20).contains(&ran), "{ran} of {first}");
}

#[test]
fn nice_that_changes_counts_from_then_on() {
    let world = pod(1);
    let [a, b] = [world.guest(), world.guest()];
    let [first, second] = shares(&world, [&a, &b], 1000);
    assert!(first.abs_diff(second) <= 20, "{first} : {second}");
    a.process.set_nice(5);
    let mut ran = [0_u64; 2];
    while ran[0] + ran[1] < 8000 {
        let (index, guest) = next(&world, &[&a, &b]);
        while guest.safepoint() == Progress::Returned(0) {
            world.platform.clock().advance(MS);
            ran[index] += 1;
        }
    }
    // 335 : 1024.
    let ratio = ran[1] * 100 / ran[0];
    assert!((270..=340).contains(&ratio), "{ran:?}");
}

#[test]
fn idle_policy_gets_what_others_leave() {
    let world = pod(1);
    let [a, b] = [world.guest(), world.guest()];
    b.put_words(DATA, &[0]);
    assert_eq!(b.sys("sched_setscheduler", &[0, SCHED_BATCH, DATA]), Ok(0));
    assert_eq!(b.process.nice(), 0);
    assert_eq!(b.sys("sched_setscheduler", &[0, SCHED_IDLE, DATA]), Ok(0));
    let [first, second] = shares(&world, [&a, &b], 10_000);
    assert!(first > second * 100, "{first} : {second}");
}

#[test]
fn guest_alone_runs_on_after_each_slice() {
    let world = pod(1);
    let guest = world.guest();
    use_slices_up(&world, &[&guest]);
    assert_eq!(next(&world, &[&guest]).0, 0);
    // It hands over to nobody but the host: no switch.
    assert_eq!(guest.process.usage().nr_preemptions, 0);
    assert_eq!(guest.process.usage().ran_ns, SLICE_NS);
}

#[test]
fn one_that_wakes_preempts_one_that_computes() {
    let world = pod(1);
    let [busy, shell] = [world.guest(), world.guest()];
    let (read, _write) = shell.pipe();
    assert_eq!(
        shell.sys("read", &[read, DATA, 1]).unwrap_err(),
        abi::Errno::EINPROGRESS
    );
    use_slices_up(&world, &[&busy]);
    world.pump(0);
    assert_eq!(busy.go_on(), Progress::Returned(0));
    world.platform.clock().advance(MS / 2);
    assert_eq!(busy.safepoint(), Progress::Returned(0));
    // Something arrives for the other, as from another Worker.
    world
        .kernel
        .kill(shell.pid(), SIGUSR1.cast_signed())
        .unwrap();
    assert_eq!(busy.safepoint(), Progress::Returned(0), "too early");
    world.platform.clock().advance(MS);
    assert_eq!(busy.safepoint(), Progress::Parked);
    world.pump(0);
    assert_eq!(shell.go_on(), Progress::Dead, "killed by SIGUSR1");
    assert_eq!(busy.go_on(), Progress::Parked);
    world.pump(0);
    assert_eq!(busy.go_on(), Progress::Returned(0));
    assert_eq!(busy.process.usage().nr_preemptions, 1);
}

#[test]
fn many_that_compute_do_not_keep_one_that_wakes_waiting() {
    let world = pod(1);
    let busy: Vec<Guest> = (0..20).map(|_| world.guest()).collect();
    let busy: Vec<&Guest> = busy.iter().collect();
    let shell = world.guest();
    shell.on(SIGUSR1, HANDLER, 0);
    assert_eq!(shell.sys("pause", &[]), Err(abi::Errno::EINPROGRESS));
    use_slices_up(&world, &busy);
    for _ in 0..50 {
        let (_, guest) = next(&world, &busy);
        world
            .kernel
            .kill(shell.pid(), SIGUSR1.cast_signed())
            .unwrap();
        world.platform.clock().advance(2 * MS);
        assert_eq!(guest.safepoint(), Progress::Parked);
        world.pump(0);
        assert_eq!(
            shell.go_on(),
            Progress::Returned(abi::Errno::EINTR.number().wrapping_neg().cast_unsigned())
        );
        assert_eq!(shell.sys("pause", &[]), Err(abi::Errno::EINPROGRESS));
    }
}

#[test]
fn yield_goes_behind_all_that_are_ready() {
    let world = pod(1);
    let [a, b, c] = [world.guest(), world.guest(), world.guest()];
    use_slices_up(&world, &[&a, &b, &c]);
    let (_, first) = next(&world, &[&a, &b, &c]);
    assert_eq!(
        first.enter(common::number("sched_yield"), &[]),
        Progress::Parked
    );
    let order: Vec<u32> = (0..3)
        .map(|_| {
            let (_, guest) = next(&world, &[&a, &b, &c]);
            world.platform.clock().advance(SLICE_NS);
            assert_eq!(guest.safepoint(), Progress::Parked);
            guest.id()
        })
        .collect();
    assert_eq!(order, [b.id(), c.id(), a.id()]);
    assert_eq!(a.process.usage().nr_preemptions, 1);
}

#[test]
fn one_that_yields_runs_again_soon() {
    let world = pod(1);
    let [busy, polls] = [world.guest(), world.guest()];
    use_slices_up(&world, &[&busy]);
    for _ in 0..20 {
        let yielded = polls.enter(common::number("sched_yield"), &[]);
        assert_eq!(yielded, Progress::Parked);
        assert_eq!(next(&world, &[&busy, &polls]).0, 0);
        world.platform.clock().advance(2 * MS);
        assert_eq!(busy.safepoint(), Progress::Parked);
        assert_eq!(next(&world, &[&busy, &polls]).0, 1);
    }
}

#[test]
fn yield_without_others_returns_at_once() {
    let world = pod(1);
    let guest = world.guest();
    assert_eq!(guest.sys("sched_yield", &[]), Ok(0));
    assert_eq!(guest.process.usage(), Usage::default());
}

#[test]
fn alarm_reaches_a_guest_that_makes_no_call() {
    let world = pod(1);
    let guest = world.guest();
    guest.on(SIGALRM, HANDLER, 0);
    set_timer(&guest, ITIMER_REAL, 100);
    let handled = compute(&world, &guest, 1000);
    let expected: Vec<_> = (1..=10).map(|nth| (nth * 100, SIGALRM)).collect();
    assert_eq!(handled, expected);
}

#[test]
fn signals_of_another_worker_reach_a_guest_that_makes_no_call() {
    let world = pod(2);
    let guest = world.guest();
    guest.on(SIGUSR1, HANDLER, 0);
    assert_eq!(compute(&world, &guest, 30), []);
    let pid = guest.pid();
    let send = |signal: u32| world.kernel.kill(pid, signal.cast_signed()).unwrap();
    send(SIGUSR1);
    assert_eq!(compute(&world, &guest, 1), [(1, SIGUSR1)]);
    send(SIGSTOP);
    assert_eq!(guest.safepoint(), Progress::Parked);
    assert_eq!(
        world.state(guest.id()),
        Some(RunState::Stopped(u8::try_from(SIGSTOP).unwrap()))
    );
    world.run();
    assert_eq!(guest.go_on(), Progress::Parked);
    send(SIGCONT);
    world.run();
    assert_eq!(guest.go_on(), Progress::Returned(0));
    send(SIGTERM);
    assert_eq!(guest.safepoint(), Progress::Dead);
    world.run();
    assert_eq!(world.ended(pid.cast_unsigned()), Some(15));
}

#[test]
fn guest_that_waits_for_its_turn_is_killed_and_stopped_at_once() {
    let world = pod(1);
    let [parent, other] = [world.guest(), world.guest()];
    let children = [world.child(&parent), world.child(&parent)];
    let [a, b] = &children;
    use_slices_up(&world, &[&other, a, b]);
    let (_, _runs) = next(&world, &[&other, a, b]);
    world.kernel.kill(a.pid(), SIGKILL.cast_signed()).unwrap();
    world.kernel.kill(b.pid(), SIGSTOP.cast_signed()).unwrap();
    // The Worker looks at a safepoint of the guest that runs.
    assert_eq!(other.safepoint(), Progress::Returned(0));
    assert_eq!(parent.wait(a.id(), 0), Ok((a.id(), 9)));
    assert_eq!(
        world.state(b.id()),
        Some(RunState::Stopped(u8::try_from(SIGSTOP).unwrap()))
    );
    // The dead goes before all others, for its memory.
    world.platform.clock().advance(SLICE_NS);
    assert_eq!(other.safepoint(), Progress::Parked);
    world.pump(0);
    assert_eq!(a.go_on(), Progress::Dead);
    world.pump(0);
    assert_eq!(b.go_on(), Progress::Parked);
    assert_eq!(other.go_on(), Progress::Returned(0));
}

#[test]
fn program_that_is_killed_before_it_starts_does_not() {
    let world = pod(1);
    let guest = world.new_guest();
    world
        .kernel
        .kill(guest.pid(), SIGTERM.cast_signed())
        .unwrap();
    world.run();
    assert_eq!(world.ended(guest.id()), Some(15));
    assert_eq!(guest.stack(), None);
    assert_eq!(world.kernel.guests_per_worker(), [0]);
}

#[test]
fn time_counts_while_a_guest_computes_and_not_while_it_waits() {
    let world = pod(1);
    let guest = world.guest();
    compute(&world, &guest, 1000);
    assert_eq!(guest.process.cpu_ns(), SECOND);
    assert_eq!(guest.sys("pause", &[]), Err(abi::Errno::EINPROGRESS));
    world.advance(5 * SECOND);
    assert_eq!(guest.process.cpu_ns(), SECOND);
    let Usage {
        nr_waits,
        nr_preemptions,
        ..
    } = guest.process.usage();
    assert_eq!((nr_waits, nr_preemptions), (1, 0));
}

#[test]
fn parent_gets_what_its_child_used() {
    let world = pod(1);
    let parent = world.guest();
    let child = world.child(&parent);
    compute(&world, &child, 300);
    assert_eq!(child.sys("exit_group", &[0]), Err(abi::Errno::ECANCELED));
    assert_eq!(
        parent.sys("wait4", &[ANY, DATA, 0, DATA + 64]),
        Ok(child.id())
    );
    // `ru_utime`.
    assert_eq!(parent.word(DATA + 64), Ok(0));
    assert_eq!(parent.word(DATA + 68), Ok(300_000));
    assert_eq!(parent.process.cpu_time.children().ran_ns, 300 * MS);
}

#[test]
fn timers_of_processor_time_stand_still_while_the_process_waits() {
    let world = pod(1);
    let guest = world.guest();
    guest.on(SIGVTALRM, HANDLER, 0);
    guest.on(SIGPROF, HANDLER, 0);
    set_timer(&guest, ITIMER_VIRTUAL, 50);
    set_timer(&guest, ITIMER_PROF, 80);
    assert_eq!(compute(&world, &guest, 30), []);
    guest.put_words(DATA, &[1, 0]);
    assert_eq!(
        guest.sys("nanosleep", &[DATA, 0]),
        Err(abi::Errno::EINPROGRESS)
    );
    world.run();
    world.advance(20 * SECOND);
    assert_eq!(guest.go_on(), Progress::Returned(0));
    assert_eq!(guest.sys("getitimer", &[ITIMER_VIRTUAL, DATA]), Ok(0));
    assert_eq!(guest.word(DATA + 12), Ok(20_000), "microseconds left");
    let handled = compute(&world, &guest, 140);
    let expected = [20, 50, 70, 120, 130]
        .into_iter()
        .zip([SIGVTALRM, SIGPROF, SIGVTALRM, SIGVTALRM, SIGPROF]);
    assert_eq!(handled, expected.collect::<Vec<_>>());
}

#[test]
fn limit_of_processor_time_warns_each_second_and_then_kills() {
    let world = pod(1);
    let guest = world.guest();
    guest.on(SIGXCPU, HANDLER, 0);
    guest.put_words(DATA, &[2, 0, 5, 0]);
    assert_eq!(guest.sys("prlimit64", &[0, RLIMIT_CPU, DATA, 0]), Ok(0));
    let handled = compute(&world, &guest, 4999);
    let expected = [(2000, SIGXCPU), (3000, SIGXCPU), (4000, SIGXCPU)];
    assert_eq!(handled, expected);
    world.platform.clock().advance(MS);
    assert_eq!(guest.safepoint(), Progress::Dead);
    world.run();
    assert_eq!(world.ended(guest.id()), Some(9));
}

#[test]
fn child_starts_beside_its_parent() {
    let world = pod(4);
    let parent = world.guest();
    let worker = parent.task.executor().worker();
    for _ in 0..10 {
        let child = world.child(&parent);
        assert_eq!(child.task.executor().worker(), worker);
    }
}

#[test]
fn child_starts_elsewhere_when_its_parents_worker_computes() {
    let world = pod(2);
    let parent = world.guest();
    let worker = parent.task.executor().worker();
    let busy = world.child(&parent);
    use_slices_up(&world, &[&busy]);
    assert_eq!(world.kernel.scheduler.nr_bound(worker), 1);
    assert_eq!(world.kernel.scheduler.nr_ready(worker), 1);
    let child = world.child(&parent);
    assert_ne!(child.task.executor().worker(), worker);
    // Both Workers compute: no reason to go away.
    world.platform.clock().advance(SLICE_NS);
    assert_eq!(child.safepoint(), Progress::Parked);
    assert_eq!(world.child(&parent).task.executor().worker(), worker);
    // One that waits now does not count.
    world.run();
    assert_eq!(busy.go_on(), Progress::Returned(0));
    assert_eq!(busy.sys("pause", &[]), Err(abi::Errno::EINPROGRESS));
    assert_eq!(world.child(&parent).task.executor().worker(), worker);
}

#[test]
fn parent_that_computes_keeps_its_children_near() {
    let world = pod(2);
    let parent = world.guest();
    use_slices_up(&world, &[&parent]);
    world.run();
    assert_eq!(parent.go_on(), Progress::Returned(0));
    let child = world.child(&parent);
    assert_eq!(
        child.task.executor().worker(),
        parent.task.executor().worker()
    );
}

#[test]
fn program_that_waits_behind_one_that_computes_starts_on_an_idle_worker() {
    let world = pod(2);
    let parent = world.guest();
    let home = parent.task.executor().worker();
    let busy = world.child(&parent);
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    let pid = parent.exec(PROGRAM_PATH, &[PROGRAM_PATH], &[]).unwrap();
    let before = world.of(pid);
    assert_eq!(before.task.executor().worker(), home);
    world.platform.clock().advance(MS);
    assert_eq!(busy.safepoint(), Progress::Returned(0));
    assert_eq!(world.of(pid).task.executor().worker(), home, "too early");
    // A signal on the way is not lost.
    world
        .kernel
        .kill(pid.cast_signed(), SIGSTOP.cast_signed())
        .unwrap();
    world.platform.clock().advance(2 * MS);
    let _goes_on = busy.safepoint();
    let moved = world.running(pid);
    assert_ne!(moved.task.executor().worker(), home);
    assert_eq!(moved.safepoint(), Progress::Parked);
    assert_eq!(
        world.state(pid),
        Some(RunState::Stopped(u8::try_from(SIGSTOP).unwrap()))
    );
    assert_eq!(world.kernel.guests_per_worker(), [2, 1]);
}

#[test]
fn program_bound_to_its_worker_waits_there() {
    let world = pod(2);
    let parent = world.guest();
    let home = parent.task.executor().worker();
    let busy = world.child(&parent);
    parent.put_words(DATA, &[1 << home.0, 0]);
    assert_eq!(parent.sys("sched_setaffinity", &[0, 8, DATA]), Ok(0));
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    let pid = parent.exec(PROGRAM_PATH, &[PROGRAM_PATH], &[]).unwrap();
    world.platform.clock().advance(5 * MS);
    let _goes_on = busy.safepoint();
    assert_eq!(world.running(pid).task.executor().worker(), home);
}

#[test]
fn exec_decides_again() {
    let world = pod(2);
    let guest = world.guest();
    let pid = guest.id();
    let home = guest.task.executor().worker();
    let exec = |guest: &Guest| {
        let gone = guest.exec(PROGRAM_PATH, &[PROGRAM_PATH], &[]);
        assert_eq!(gone, Err(abi::Errno::ECANCELED));
        world.running(pid)
    };
    let guest = exec(&guest);
    assert_eq!(guest.task.executor().worker(), home);
    // Affinity counts from the next exec on.
    guest.put_words(DATA, &[2 >> home.0, 0]);
    assert_eq!(guest.sys("sched_setaffinity", &[0, 8, DATA]), Ok(0));
    assert_eq!(guest.task.executor().worker(), home);
    let guest = exec(&guest);
    assert_ne!(guest.task.executor().worker(), home);
    assert_eq!(guest.sys("getpid", &[]), Ok(pid));
    assert_eq!(guest.sys("exit_group", &[0]), Err(abi::Errno::ECANCELED));
    world.run();
    assert_eq!(world.kernel.guests_per_worker(), [0, 0]);
}
