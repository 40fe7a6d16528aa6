//! Signals: masks, handlers and their frames, interrupted calls, waiting, timers (signal(7)).

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "test code"
)]

mod common;

use abi::Errno;
use abi::layout::{Itimerval32, Timespec64, Timeval32};
use common::{
    ANY, DATA, Guest, HANDLER, SA_NODEFER, SA_RESETHAND, SA_RESTART, SA_SIGINFO, SECOND, SIG_DFL,
    SIG_IGN, SIGALRM, SIGCHLD, SIGCONT, SIGINT, SIGKILL, SIGPIPE, SIGSTOP, SIGTERM, SIGUSR1,
    SIGUSR2, WNOHANG, World, info_word, set,
};
use kernel::testing::PROGRAM_PATH;

const SA_ONSTACK: u32 = 0x0800_0000;
/// A real-time signal.
const SIGRT: u32 = 40;

/// Puts a `struct timespec` to `address`.
fn put_span(guest: &Guest, address: u32, nanoseconds: u64) -> u32 {
    guest
        .put(
            address,
            &Timespec64::from_nanoseconds(nanoseconds).to_bytes(),
        )
        .unwrap();
    address
}

fn clock_nanosleep(guest: &Guest, nanoseconds: u64) -> common::Result {
    let span = put_span(guest, DATA + 0x40, nanoseconds);
    guest.sys("clock_nanosleep_time64", &[1, 0, span, DATA + 0x80])
}

fn span_at(guest: &Guest, address: u32) -> u64 {
    guest.long(address) * SECOND + u64::from(guest.word(address + 8).unwrap())
}

#[test]
fn blocked_signal_waits_until_the_mask_lets_it_through() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGUSR1, HANDLER, 0);
    assert_eq!(guest.set_mask(set(&[SIGUSR1])), Ok(0));
    guest.kill(guest.id(), SIGUSR1).unwrap();
    assert_eq!(guest.take_handled(), []);
    assert_eq!(guest.sys("rt_sigpending", &[DATA, 8]), Ok(0));
    assert_eq!(guest.long(DATA), set(&[SIGUSR1]));
    assert_eq!(guest.set_mask(0), Ok(set(&[SIGUSR1])));
    assert_eq!(guest.take_handled_numbers(), [SIGUSR1]);
    assert_eq!(guest.sys("rt_sigpending", &[DATA, 8]), Ok(0));
    assert_eq!(guest.long(DATA), 0);
}

#[test]
fn no_mask_holds_kill_or_stop() {
    let world = World::new();
    let guest = world.guest();
    guest.set_mask(u64::MAX).unwrap();
    assert_eq!(guest.mask(), !set(&[SIGKILL, SIGSTOP]));
    assert_eq!(
        guest.sys("rt_sigprocmask", &[9, DATA, 0, 8]),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        guest.sys("rt_sigprocmask", &[0, DATA, 0, 4]),
        Err(Errno::EINVAL)
    );
    for signal in [SIGKILL, SIGSTOP, 0, 65, ANY] {
        assert_eq!(
            guest.sys("rt_sigaction", &[signal, DATA, 0, 8]),
            Err(Errno::EINVAL)
        );
    }
    assert_eq!(guest.sys("rt_sigaction", &[SIGKILL, 0, DATA, 8]), Ok(0));
    assert_eq!(guest.kill(guest.id(), SIGKILL), Err(Errno::ECANCELED));
    assert_eq!(world.ended(guest.process.pid.cast_unsigned()), Some(9));
}

#[test]
fn handler_runs_with_its_mask_and_the_old_one_comes_back() {
    let world = World::new();
    let guest = world.guest();
    guest.set_mask(set(&[SIGTERM])).unwrap();
    guest.on_masking(SIGUSR1, HANDLER, SA_SIGINFO, set(&[SIGUSR2]));
    guest.on_masking(SIGUSR2, HANDLER + 1, SA_NODEFER, 0);
    guest.kill(guest.id(), SIGUSR1).unwrap();
    let handled = guest.take_handled();
    assert_eq!(handled.len(), 1);
    assert_eq!((handled[0].handler, handled[0].number), (HANDLER, SIGUSR1));
    assert_eq!(handled[0].mask, set(&[SIGTERM, SIGUSR1, SIGUSR2]));
    assert!(handled[0].stack_pointer < 0x8000 && handled[0].stack_pointer.is_multiple_of(16));
    let words = [0, 1, 2, 3, 4].map(|index| info_word(&handled[0].siginfo, index));
    assert_eq!(words, [SIGUSR1, 0, 0, guest.id(), 0]);
    assert_eq!(guest.mask(), set(&[SIGTERM]));
    guest.kill(guest.id(), SIGUSR2).unwrap();
    let handled = guest.take_handled();
    assert_eq!(
        (handled[0].handler, handled[0].mask),
        (HANDLER + 1, set(&[SIGTERM]))
    );
    assert!(handled[0].siginfo.is_empty());
}

#[test]
fn one_shot_handler_runs_once() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGINT, HANDLER, SA_RESETHAND);
    guest.kill(guest.id(), SIGINT).unwrap();
    assert_eq!(guest.take_handled_numbers(), [SIGINT]);
    assert_eq!(guest.handler_of(SIGINT), SIG_DFL);
    assert_eq!(guest.kill(guest.id(), SIGINT), Err(Errno::ECANCELED));
}

#[test]
fn alternate_stack_holds_the_frame() {
    let world = World::new();
    let guest = world.guest();
    guest.put_words(DATA, &[0x1_8000, 0, 0x2000]);
    assert_eq!(guest.sys("sigaltstack", &[DATA, 0]), Ok(0));
    assert_eq!(guest.sys("sigaltstack", &[0, DATA]), Ok(0));
    assert_eq!(
        [0, 4, 8].map(|at| guest.word(DATA + at).unwrap()),
        [0x1_8000, 0, 0x2000]
    );
    guest.on(SIGUSR1, HANDLER, SA_ONSTACK);
    guest.kill(guest.id(), SIGUSR1).unwrap();
    let top = guest.take_handled()[0].stack_pointer;
    assert!((0x1_8000..0x1_a000).contains(&top), "{top:#x}");
    guest.put_words(DATA, &[0x1_8000, 0, 100]);
    assert_eq!(guest.sys("sigaltstack", &[DATA, 0]), Err(Errno::ENOMEM));
}

#[test]
fn handlers_of_pending_signals_run_in_the_order_of_their_numbers() {
    let world = World::new();
    let guest = world.guest();
    for signal in [SIGUSR2, SIGUSR1, SIGTERM, SIGRT] {
        guest.on(signal, HANDLER, 0);
    }
    guest.set_mask(u64::MAX).unwrap();
    for signal in [SIGRT, SIGTERM, SIGUSR2, SIGUSR1, SIGRT, SIGUSR1] {
        guest.kill(guest.id(), signal).unwrap();
    }
    guest.set_mask(0).unwrap();
    assert_eq!(
        guest.take_handled_numbers(),
        [SIGUSR1, SIGUSR2, SIGTERM, SIGRT, SIGRT]
    );
}

#[test]
fn queued_values_arrive_in_order() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGRT, HANDLER, SA_SIGINFO);
    guest.set_mask(set(&[SIGRT])).unwrap();
    let queue = |value: u32, code: i32, pid: u32| {
        guest.put_words(
            DATA,
            &[0, 0, code.cast_unsigned(), guest.id(), 0, value, 0, 0],
        );
        guest.sys("rt_sigqueueinfo", &[pid, SIGRT, DATA])
    };
    for value in [7, 8, 9] {
        assert_eq!(queue(value, -1, guest.id()), Ok(0));
    }
    assert_eq!(
        queue(0, 0, 1),
        Err(Errno::EPERM),
        "SI_USER is the kernel's own"
    );
    guest.set_mask(0).unwrap();
    let handled = guest.take_handled();
    let values: Vec<u32> = handled
        .iter()
        .map(|one| info_word(&one.siginfo, 5))
        .collect();
    assert_eq!(values, [7, 8, 9]);
    assert!(handled.iter().all(|one| info_word(&one.siginfo, 2) == ANY));
}

#[test]
fn queue_of_real_time_signals_has_an_end() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGRT, HANDLER, 0);
    guest.set_mask(set(&[SIGRT])).unwrap();
    for _ in 0..5000 {
        guest.kill(guest.id(), SIGRT).unwrap();
    }
    guest.set_mask(0).unwrap();
    let count = guest.take_handled().len();
    assert!(
        count > 100 && count <= abi::limits::SIGPENDING_MAX,
        "{count}"
    );
}

#[test]
fn interrupted_read_ends_or_goes_on_as_the_action_says() {
    let world = World::new();
    let (guest, other) = (world.guest(), world.guest());
    let (reader, writer) = guest.pipe();
    guest.on(SIGUSR1, HANDLER, 0);
    guest.on(SIGUSR2, HANDLER, SA_RESTART);
    guest.on(SIGTERM, SIG_IGN, 0);
    let read = || guest.sys("read", &[reader, DATA, 10]);
    assert_eq!(read(), Err(Errno::EINPROGRESS));
    other.kill(guest.id(), SIGTERM).unwrap();
    assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS), "ignored");
    other.kill(guest.id(), SIGUSR2).unwrap();
    assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS), "SA_RESTART");
    assert_eq!(guest.take_handled_numbers(), [SIGUSR2]);
    for signal in [SIGSTOP, SIGCONT] {
        other.kill(guest.id(), signal).unwrap();
        assert_eq!(
            world.settle(&guest),
            Err(Errno::EINPROGRESS),
            "stopped and continued"
        );
    }
    other.kill(guest.id(), SIGUSR1).unwrap();
    assert_eq!(world.settle(&guest), Err(Errno::EINTR));
    assert_eq!(guest.take_handled_numbers(), [SIGUSR1]);
    guest.put(DATA, b"data").unwrap();
    assert_eq!(guest.sys("write", &[writer, DATA, 4]), Ok(4));
    assert_eq!(read(), Ok(4));
}

#[test]
fn sleep_tells_what_was_left_of_it() {
    let world = World::new();
    let (guest, other) = (world.guest(), world.guest());
    guest.on(SIGUSR1, HANDLER, SA_RESTART);
    assert_eq!(
        clock_nanosleep(&guest, 10 * SECOND),
        Err(Errno::EINPROGRESS)
    );
    world.advance(4 * SECOND);
    assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS));
    other.kill(guest.id(), SIGUSR1).unwrap();
    assert_eq!(
        world.settle(&guest),
        Err(Errno::EINTR),
        "not even with SA_RESTART"
    );
    assert_eq!(span_at(&guest, DATA + 0x80), 6 * SECOND);
    assert_eq!(clock_nanosleep(&guest, SECOND), Err(Errno::EINPROGRESS));
    world.advance(SECOND);
    assert_eq!(world.settle(&guest), Ok(0));
}

#[test]
fn stopped_sleeper_wakes_at_the_time_it_asked_for() {
    let world = World::new();
    let (guest, other) = (world.guest(), world.guest());
    assert_eq!(
        clock_nanosleep(&guest, 10 * SECOND),
        Err(Errno::EINPROGRESS)
    );
    world.advance(2 * SECOND);
    other.kill(guest.id(), SIGSTOP).unwrap();
    assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS));
    world.advance(6 * SECOND);
    other.kill(guest.id(), SIGCONT).unwrap();
    assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS));
    world.advance(SECOND);
    assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS));
    world.advance(SECOND);
    assert_eq!(world.settle(&guest), Ok(0));
}

#[test]
fn stop_does_not_make_a_wait_for_files_longer() {
    let world = World::new();
    let (guest, other) = (world.guest(), world.guest());
    let (reader, _writer) = guest.pipe();
    let fds = DATA + 0x200;
    let span = DATA + 0x40;
    let calls: [(&str, [u32; 6]); 3] = [
        ("poll", [fds, 1, 10_000, 0, 0, 0]),
        ("ppoll_time64", [fds, 1, span, 0, 8, 0]),
        ("pselect6_time64", [0, 0, 0, 0, span, 0]),
    ];
    for (name, words) in calls {
        guest.put_words(fds, &[reader, 1]);
        put_span(&guest, span, 10 * SECOND);
        assert_eq!(guest.sys(name, &words), Err(Errno::EINPROGRESS), "{name}");
        world.advance(2 * SECOND);
        other.kill(guest.id(), SIGSTOP).unwrap();
        assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS), "{name}");
        world.advance(6 * SECOND);
        other.kill(guest.id(), SIGCONT).unwrap();
        assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS), "{name}");
        world.advance(2 * SECOND - 1);
        assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS), "{name}");
        world.advance(1);
        assert_eq!(world.settle(&guest), Ok(0), "{name}");
    }
}

#[test]
fn pause_ends_with_a_handler_only() {
    let world = World::new();
    let (guest, other) = (world.guest(), world.guest());
    guest.on(SIGUSR1, HANDLER, SA_RESTART);
    assert_eq!(guest.sys("pause", &[]), Err(Errno::EINPROGRESS));
    for signal in [SIGCHLD, SIGSTOP, SIGCONT] {
        other.kill(guest.id(), signal).unwrap();
        assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS));
    }
    other.kill(guest.id(), SIGUSR1).unwrap();
    assert_eq!(world.settle(&guest), Err(Errno::EINTR));
}

#[test]
fn sigsuspend_swaps_the_mask_until_a_handler_has_run() {
    let world = World::new();
    let (guest, other) = (world.guest(), world.guest());
    guest.on(SIGUSR1, HANDLER, 0);
    guest.on(SIGUSR2, HANDLER, 0);
    guest.set_mask(set(&[SIGUSR1])).unwrap();
    guest.put(DATA, &set(&[SIGUSR2]).to_le_bytes()).unwrap();
    assert_eq!(
        guest.sys("rt_sigsuspend", &[DATA, 8]),
        Err(Errno::EINPROGRESS)
    );
    other.kill(guest.id(), SIGUSR2).unwrap();
    assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS));
    other.kill(guest.id(), SIGUSR1).unwrap();
    assert_eq!(world.settle(&guest), Err(Errno::EINTR));
    // USR1 ran under the borrowed mask; then the old one let USR2 through.
    let handled = guest.take_handled();
    let numbers: Vec<u32> = handled.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [SIGUSR1, SIGUSR2]);
    assert_eq!(handled[0].mask, set(&[SIGUSR1, SIGUSR2]));
    assert_eq!(guest.mask(), set(&[SIGUSR1]));
}

#[test]
fn sigtimedwait_takes_blocked_signals() {
    let world = World::new();
    let (guest, other) = (world.guest(), world.guest());
    let wanted = set(&[SIGUSR1, SIGCHLD]);
    guest.set_mask(wanted).unwrap();
    let wait = |timeout: u32| {
        guest.put(DATA, &wanted.to_le_bytes()).unwrap();
        guest.sys("rt_sigtimedwait_time64", &[DATA, DATA + 0x100, timeout, 8])
    };
    // SIGCHLD does nothing by default, and is waited for all the same.
    for signal in [SIGUSR1, SIGCHLD] {
        assert_eq!(wait(0), Err(Errno::EINPROGRESS));
        other.kill(guest.id(), signal).unwrap();
        assert_eq!(world.settle(&guest), Ok(signal));
        let info = guest.bytes(DATA + 0x100, 128).unwrap();
        assert_eq!(
            [0, 3].map(|index| info_word(&info, index)),
            [signal, other.id()]
        );
    }
    other.kill(guest.id(), SIGUSR1).unwrap();
    assert_eq!(wait(put_span(&guest, DATA + 0x40, 0)), Ok(SIGUSR1));
    assert_eq!(wait(put_span(&guest, DATA + 0x40, 0)), Err(Errno::EAGAIN));
    assert_eq!(
        wait(put_span(&guest, DATA + 0x40, SECOND)),
        Err(Errno::EINPROGRESS)
    );
    world.advance(SECOND);
    assert_eq!(world.settle(&guest), Err(Errno::EAGAIN));
    guest.on(SIGUSR2, HANDLER, SA_RESTART);
    assert_eq!(wait(0), Err(Errno::EINPROGRESS));
    other.kill(guest.id(), SIGUSR2).unwrap();
    assert_eq!(world.settle(&guest), Err(Errno::EINTR));
    assert_eq!(guest.mask(), wanted);
}

#[test]
fn alarm_comes_once_and_can_be_called_off() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGALRM, HANDLER, SA_SIGINFO);
    assert_eq!(guest.sys("alarm", &[5]), Ok(0));
    world.advance(2 * SECOND);
    assert_eq!(guest.sys("alarm", &[4]), Ok(3));
    assert_eq!(guest.sys("pause", &[]), Err(Errno::EINPROGRESS));
    world.advance(4 * SECOND - 1);
    assert_eq!(world.settle(&guest), Err(Errno::EINPROGRESS));
    world.advance(1);
    assert_eq!(world.settle(&guest), Err(Errno::EINTR));
    let handled = guest.take_handled();
    assert_eq!(
        [0, 2].map(|index| info_word(&handled[0].siginfo, index)),
        [SIGALRM, 0x80]
    );
    assert_eq!(guest.sys("alarm", &[1]), Ok(0));
    assert_eq!(guest.sys("alarm", &[0]), Ok(1));
    world.advance(9 * SECOND);
    guest.breathe().result().unwrap();
    assert_eq!(guest.take_handled(), []);
}

#[test]
fn interval_timer_fires_until_it_is_stopped() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGALRM, HANDLER, 0);
    let seconds = |sec: i32| Timeval32 {
        sec,
        ..Timeval32::default()
    };
    let timer = Itimerval32 {
        interval: seconds(2),
        value: seconds(1),
    };
    guest.put(DATA, &timer.to_bytes()).unwrap();
    assert_eq!(guest.sys("setitimer", &[0, DATA, 0]), Ok(0));
    let mut fired = Vec::new();
    for _ in 0..6 {
        world.advance(SECOND);
        guest.breathe().result().unwrap();
        fired.push(guest.take_handled().len());
    }
    assert_eq!(fired, [1, 0, 1, 0, 1, 0]);
    assert_eq!(guest.sys("getitimer", &[0, DATA]), Ok(0));
    assert_eq!([0, 8].map(|at| guest.word(DATA + at).unwrap()), [2, 1]);
    assert_eq!(guest.sys("alarm", &[0]), Ok(1));
    world.advance(10 * SECOND);
    guest.breathe().result().unwrap();
    assert_eq!(guest.take_handled(), []);
    assert_eq!(guest.sys("getitimer", &[7, DATA]), Err(Errno::EINVAL));
}

#[test]
fn timers_that_are_called_off_or_end_with_their_process_leave_nothing() {
    let world = World::new();
    let (parent, guest) = (world.guest(), world.guest());
    let deadline = || {
        world.run();
        world.kernel.executors()[0].next_deadline_ns()
    };
    assert_eq!(deadline(), None);
    guest.sys("alarm", &[500]).unwrap();
    let first = deadline().unwrap();
    guest.sys("alarm", &[1000]).unwrap();
    assert!(deadline().unwrap() > first);
    assert_eq!(guest.sys("alarm", &[0]), Ok(1000));
    assert_eq!(deadline(), None);
    guest.sys("alarm", &[5]).unwrap();
    assert!(deadline().is_some());
    assert_eq!(parent.kill(guest.id(), SIGKILL), Ok(0));
    assert_eq!(guest.breathe().result(), Err(Errno::ECANCELED));
    assert_eq!(deadline(), None);
}

#[test]
fn timer_with_a_tiny_interval_leaves_time_for_others() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGALRM, HANDLER, 0);
    let timer = Itimerval32 {
        interval: Timeval32 { sec: 0, usec: 1 },
        value: Timeval32 { sec: 0, usec: 1 },
    };
    guest.put(DATA, &timer.to_bytes()).unwrap();
    assert_eq!(guest.sys("setitimer", &[0, DATA, 0]), Ok(0));
    for _ in 0..3 {
        world.advance(3600 * SECOND);
        guest.breathe().result().unwrap();
        assert_eq!(guest.take_handled().len(), 1);
    }
}

#[test]
fn alarm_survives_exec_and_is_not_inherited() {
    let world = World::new();
    let parent = world.guest();
    let child = world.child(&parent);
    assert_eq!(child.sys("alarm", &[5]), Ok(0));
    let grandchild = world.child(&child);
    assert_eq!(grandchild.sys("alarm", &[0]), Ok(0));
    assert_eq!(child.exec(b"/init", &[b"init"], &[]), Err(Errno::ECANCELED));
    world.run();
    child.start_over();
    assert_eq!(child.sys("pause", &[]), Err(Errno::EINPROGRESS));
    world.advance(5 * SECOND);
    assert_eq!(world.settle(&child), Err(Errno::ECANCELED));
    assert_eq!(parent.wait(child.id(), WNOHANG), Ok((child.id(), 14)));
}

#[test]
fn broken_pipe_ends_the_writer_unless_it_cares() {
    let world = World::new();
    let parent = world.guest();
    let broken = |guest: &Guest| {
        let (reader, writer) = guest.pipe();
        assert_eq!(guest.sys("close", &[reader]), Ok(0));
        guest.sys("write", &[writer, DATA, 1])
    };
    let child = world.child(&parent);
    child.on(SIGPIPE, SIG_IGN, 0);
    assert_eq!(broken(&child), Err(Errno::EPIPE));
    child.on(SIGPIPE, HANDLER, SA_RESTART);
    assert_eq!(broken(&child), Err(Errno::EPIPE));
    assert_eq!(child.take_handled_numbers(), [SIGPIPE]);
    child.on(SIGPIPE, SIG_DFL, 0);
    assert_eq!(broken(&child), Err(Errno::ECANCELED));
    assert_eq!(parent.wait(ANY, 0), Ok((child.id(), 13)));
}

#[test]
fn exec_resets_handlers_and_keeps_what_is_ignored_blocked_or_pending() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGUSR1, HANDLER, 0);
    guest.on(SIGUSR2, SIG_IGN, 0);
    guest.on(SIGTERM, HANDLER, 0);
    guest.set_mask(set(&[SIGTERM])).unwrap();
    guest.kill(guest.id(), SIGTERM).unwrap();
    assert_eq!(guest.exec(b"/init", &[b"init"], &[]), Err(Errno::ECANCELED));
    world.run();
    guest.start_over();
    assert_eq!(guest.handler_of(SIGUSR1), SIG_DFL);
    assert_eq!(guest.handler_of(SIGUSR2), SIG_IGN);
    assert_eq!(guest.mask(), set(&[SIGTERM]));
    assert_eq!(guest.sys("rt_sigpending", &[DATA, 8]), Ok(0));
    assert_eq!(guest.long(DATA), set(&[SIGTERM]));
    assert_eq!(guest.set_mask(0), Err(Errno::ECANCELED));
    assert_eq!(world.ended(guest.process.pid.cast_unsigned()), Some(15));
}

#[test]
fn child_inherits_actions_and_mask_but_nothing_pending() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGUSR1, HANDLER, 0);
    guest.set_mask(set(&[SIGUSR1])).unwrap();
    guest.kill(guest.id(), SIGUSR1).unwrap();
    assert_eq!(guest.sys("vfork", &[]), Ok(0));
    assert_eq!(guest.handler_of(SIGUSR1), HANDLER);
    assert_eq!(guest.mask(), set(&[SIGUSR1]));
    assert_eq!(guest.sys("rt_sigpending", &[DATA, 8]), Ok(0));
    assert_eq!(guest.long(DATA), 0);
    guest.sys("exit_group", &[0]).unwrap();
    assert_eq!(guest.sys("rt_sigpending", &[DATA, 8]), Ok(0));
    assert_eq!(guest.long(DATA), set(&[SIGUSR1]));
}

#[test]
fn a_timer_that_a_vfork_child_has_set_fires_after_its_exec() {
    let world = World::with_workers(2);
    let parent = world.guest();
    assert_eq!(parent.sys("vfork", &[]), Ok(0));
    assert_eq!(parent.sys("alarm", &[5]), Ok(0));
    let child = world.running(parent.exec(PROGRAM_PATH, &[PROGRAM_PATH], &[]).unwrap());
    assert_eq!(child.sys("pause", &[]), Err(Errno::EINPROGRESS));
    world.advance(6 * SECOND);
    world.run();
    assert_eq!(world.status(child.id()), Some(SIGALRM.cast_signed()));
    assert_eq!(
        parent.wait(child.id(), 0),
        Ok((child.id(), SIGALRM.cast_signed()))
    );
}
