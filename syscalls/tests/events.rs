//! Files of events and timers: epoll(7), eventfd(2), signalfd(2), timerfd_create(2),
//! timer_create(2), inotify(7), with calls that wait and a clock that is set by hand.

#![expect(clippy::unwrap_used, reason = "test code")]

mod common;

use abi::Errno;
use abi::layout::{EpollEvent, InotifyEvent, Itimerspec64, SigEvent, SignalfdInfo, Timespec64};
use common::{
    ANY, DATA, Guest, HANDLER, Result, SA_RESTART, SA_SIGINFO, SECOND, SIGALRM, SIGCONT, SIGSTOP,
    SIGUSR1, STRINGS, World, info_word, set,
};

const MS: u64 = 1_000_000;
const NONBLOCK: u32 = 0o4000;
const CLOCK_MONOTONIC: u32 = 1;
const CLOCK_CPU: u32 = 2;
const IN: u32 = 1;
const ET: u32 = 1 << 31;

fn control(guest: &Guest, epoll: u32, operation: u32, fd: u32, events: u32) -> Result {
    let event = EpollEvent {
        events,
        data: fd.into(),
    };
    guest.put(DATA, &event.to_bytes()).unwrap();
    guest.sys("epoll_ctl", &[epoll, operation, fd, DATA])
}

fn epoll_of(guest: &Guest, fd: u32, events: u32) -> u32 {
    let epoll = guest.sys("epoll_create1", &[0]).unwrap();
    assert_eq!(control(guest, epoll, 1, fd, events), Ok(0));
    epoll
}

/// Events and data of the first event of a wait.
fn event(guest: &Guest) -> (u32, u64) {
    let bytes = guest.bytes(DATA, EpollEvent::SIZE).unwrap();
    let event = EpollEvent::from_bytes(bytes.as_slice().try_into().unwrap());
    (event.events, event.data)
}

fn put_number(guest: &Guest, fd: u32, number: u64) -> Result {
    guest.put(DATA, &number.to_le_bytes()).unwrap();
    guest.sys("write", &[fd, DATA, 8])
}

fn read_number(guest: &Guest, fd: u32) -> Result<u64> {
    assert_eq!(guest.sys("read", &[fd, DATA, 8])?, 8);
    Ok(guest.long(DATA))
}

fn put_setting(guest: &Guest, value_ns: u64, interval_ns: u64) {
    let setting = Itimerspec64 {
        interval: Timespec64::from_nanoseconds(interval_ns),
        value: Timespec64::from_nanoseconds(value_ns),
    };
    guest.put(DATA, &setting.to_bytes()).unwrap();
}

#[test]
fn epoll_wait_sleeps_until_an_event_a_deadline_or_a_signal() {
    let world = World::new();
    let guest = world.guest();
    let number = guest.sys("eventfd2", &[0, 0]).unwrap();
    let epoll = epoll_of(&guest, number, IN | ET);
    let wait = |timeout: u32| guest.sys("epoll_wait", &[epoll, DATA, 4, timeout]);
    assert_eq!(wait(0), Ok(0));
    assert_eq!(wait(10), Err(Errno::EINPROGRESS));
    world.advance(10 * MS);
    assert_eq!(world.settle(&guest), Ok(0));
    assert_eq!(put_number(&guest, number, 3), Ok(8));
    assert_eq!(wait(ANY), Ok(1));
    assert_eq!(event(&guest), (IN, number.into()));
    // A handler ends it although it says that calls go on, and a stop without one.
    guest.on(SIGUSR1, HANDLER, SA_RESTART);
    assert_eq!(wait(ANY), Err(Errno::EINPROGRESS));
    let other = world.guest();
    other.kill(guest.id(), SIGUSR1).unwrap();
    assert_eq!(world.settle(&guest), Err(Errno::EINTR));
    assert_eq!(guest.take_handled_numbers(), [SIGUSR1]);
    assert_eq!(wait(ANY), Err(Errno::EINPROGRESS));
    other.kill(guest.id(), SIGSTOP).unwrap();
    world.run();
    other.kill(guest.id(), SIGCONT).unwrap();
    assert_eq!(world.settle(&guest), Err(Errno::EINTR));
}

#[test]
fn epoll_wait_under_another_mask_ends_with_the_signal_that_it_lets_through() {
    let world = World::new();
    let guest = world.guest();
    let number = guest.sys("eventfd2", &[0, 0]).unwrap();
    let epoll = epoll_of(&guest, number, IN);
    guest.on(SIGUSR1, HANDLER, 0);
    guest.set_mask(set(&[SIGUSR1])).unwrap();
    guest.kill(guest.id(), SIGUSR1).unwrap();
    guest.put_words(STRINGS, &[0, 0]);
    let wait = |mask: u32, size: u32| guest.sys("epoll_pwait", &[epoll, DATA, 4, 0, mask, size]);
    assert_eq!(wait(STRINGS, 4), Err(Errno::EINVAL));
    assert_eq!(wait(0, 8), Ok(0));
    guest.put_words(STRINGS, &[0, 0]);
    let args = [epoll, DATA, 4, ANY, STRINGS, 8];
    assert_eq!(guest.sys("epoll_pwait", &args), Err(Errno::EINTR));
    assert_eq!(guest.take_handled_numbers(), [SIGUSR1]);
    assert_eq!(guest.mask(), set(&[SIGUSR1]));
}

#[test]
fn full_eventfd_keeps_the_number_of_a_write_that_waits() {
    let world = World::new();
    let guest = world.guest();
    let fd = guest.sys("eventfd2", &[1, 0]).unwrap();
    assert_eq!(put_number(&guest, fd, u64::MAX - 2), Ok(8));
    let child = world.child(&guest);
    assert_eq!(put_number(&child, fd, 9), Err(Errno::EINPROGRESS));
    // It may be written over: the call has its own.
    child.put_words(DATA, &[77, 77]);
    assert_eq!(read_number(&guest, fd), Ok(u64::MAX - 1));
    assert_eq!(world.settle(&child), Ok(8));
    assert_eq!(read_number(&guest, fd), Ok(9));
}

#[test]
fn timerfd_counts_by_the_clock_and_wakes_who_waits() {
    let world = World::new();
    let guest = world.guest();
    let fd = guest.sys("timerfd_create", &[CLOCK_MONOTONIC, 0]).unwrap();
    put_setting(&guest, 20 * MS, 10 * MS);
    assert_eq!(guest.sys("timerfd_settime64", &[fd, 0, DATA, 0]), Ok(0));
    assert_eq!(read_number(&guest, fd), Err(Errno::EINPROGRESS));
    world.advance(19 * MS);
    assert!(guest.is_parked());
    world.advance(MS);
    assert_eq!(world.settle(&guest), Ok(8));
    assert_eq!(guest.long(DATA), 1);
    world.advance(35 * MS);
    assert_eq!(read_number(&guest, fd), Ok(3));
    assert_eq!(guest.sys("timerfd_gettime64", &[fd, DATA]), Ok(0));
    assert_eq!(guest.word(DATA + 24), Ok(5_000_000));
    let epoll = epoll_of(&guest, fd, IN | ET);
    let wait = || guest.sys("epoll_wait", &[epoll, DATA, 1, ANY]);
    assert_eq!(wait(), Err(Errno::EINPROGRESS));
    world.advance(5 * MS);
    assert_eq!(world.settle(&guest), Ok(1));
    // An edge each time that somebody has read.
    assert_eq!(read_number(&guest, fd), Ok(1));
    assert_eq!(wait(), Err(Errno::EINPROGRESS));
    world.advance(10 * MS);
    assert_eq!(world.settle(&guest), Ok(1));
    put_setting(&guest, 0, 0);
    assert_eq!(guest.sys("timerfd_settime64", &[fd, 0, DATA, 0]), Ok(0));
    assert_eq!(wait(), Err(Errno::EINPROGRESS));
}

#[test]
fn signalfd_reads_what_is_blocked_and_a_child_its_own() {
    let world = World::new();
    let guest = world.guest();
    guest.set_mask(set(&[SIGUSR1])).unwrap();
    guest.put_words(DATA, &[1 << (SIGUSR1 - 1), 0]);
    let args = [ANY, DATA, 8, NONBLOCK];
    let fd = guest.sys("signalfd4", &args).unwrap();
    let child = world.child(&guest);
    child.set_mask(set(&[SIGUSR1])).unwrap();
    guest.kill(child.id(), SIGUSR1).unwrap();
    let read = |guest: &Guest| guest.sys("read", &[fd, DATA, 128]);
    assert_eq!(read(&guest), Err(Errno::EAGAIN));
    assert_eq!(read(&child), Ok(128));
    assert_eq!(read(&child), Err(Errno::EAGAIN));
    let bytes = child.bytes(DATA, SignalfdInfo::SIZE).unwrap();
    let info = SignalfdInfo::from_bytes(bytes.as_slice().try_into().unwrap());
    assert_eq!((info.signal, info.pid), (SIGUSR1, guest.id()));
    let epoll = epoll_of(&guest, fd, IN);
    let wait = || guest.sys("epoll_wait", &[epoll, DATA, 1, ANY]);
    assert_eq!(wait(), Err(Errno::EINPROGRESS));
    child.kill(guest.id(), SIGUSR1).unwrap();
    assert_eq!(world.settle(&guest), Ok(1));
}

fn timer(guest: &Guest, clock: u32, signal: i32, value: i32) -> u32 {
    let event = SigEvent {
        value,
        signal,
        ..SigEvent::default()
    };
    guest.put(DATA, &event.to_bytes()).unwrap();
    assert_eq!(guest.sys("timer_create", &[clock, DATA, DATA]), Ok(0));
    guest.word(DATA).unwrap()
}

fn arm(guest: &Guest, timer: u32, value_ns: u64, interval_ns: u64) {
    put_setting(guest, value_ns, interval_ns);
    assert_eq!(guest.sys("timer_settime64", &[timer, 0, DATA, 0]), Ok(0));
}

#[test]
fn timer_has_one_signal_pending_and_counts_the_others_on_it() {
    let world = World::new();
    let guest = world.guest();
    let id = timer(&guest, CLOCK_MONOTONIC, SIGUSR1.cast_signed(), 42);
    guest.on(SIGUSR1, HANDLER, SA_SIGINFO);
    guest.set_mask(set(&[SIGUSR1])).unwrap();
    arm(&guest, id, 10 * MS, 10 * MS);
    for _ in 0..5 {
        world.advance(10 * MS);
    }
    assert_eq!(guest.take_handled(), []);
    guest.set_mask(0).unwrap();
    let handled = guest.take_handled();
    let [handled] = handled.as_slice() else {
        panic!("{handled:?}")
    };
    // Code, timer, overrun, value.
    let words = [2, 3, 4, 5].map(|index| info_word(&handled.siginfo, index));
    assert_eq!(words, [(-2_i32).cast_unsigned(), id, 4, 42]);
    assert_eq!(guest.sys("timer_getoverrun", &[id]), Ok(4));
    assert_eq!(guest.sys("timer_delete", &[id]), Ok(0));
    world.advance(50 * MS);
    assert_eq!(guest.take_handled(), []);
    assert_eq!(guest.sys("timer_delete", &[id]), Err(Errno::EINVAL));
}

#[test]
fn timer_may_be_for_one_thread_of_its_process() {
    const SIGEV_THREAD_ID: i32 = 4;
    let world = World::new();
    let (guest, other) = (world.guest(), world.guest());
    guest.on(SIGUSR1, HANDLER, 0);
    let create = |thread: u32| {
        let event = SigEvent {
            signal: SIGUSR1.cast_signed(),
            notify: SIGEV_THREAD_ID,
            thread: thread.cast_signed(),
            ..SigEvent::default()
        };
        guest.put(DATA, &event.to_bytes()).unwrap();
        guest.sys("timer_create", &[CLOCK_MONOTONIC, DATA, DATA])
    };
    assert_eq!(create(other.id()), Err(Errno::EINVAL));
    assert_eq!(create(guest.id()), Ok(0));
    let id = guest.word(DATA).unwrap();
    arm(&guest, id, MS, 0);
    world.advance(MS);
    assert_eq!(guest.sys("getpid", &[]), Ok(guest.id()));
    assert_eq!(guest.take_handled_numbers(), [SIGUSR1]);
}

#[test]
fn two_timers_with_one_standard_signal_both_send_it() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGALRM, HANDLER, 0);
    guest.set_mask(set(&[SIGALRM])).unwrap();
    for value in 0..2 {
        let id = timer(&guest, CLOCK_MONOTONIC, SIGALRM.cast_signed(), value);
        arm(&guest, id, MS, 0);
    }
    guest.kill(guest.id(), SIGALRM).unwrap();
    guest.kill(guest.id(), SIGALRM).unwrap();
    world.advance(2 * MS);
    guest.set_mask(0).unwrap();
    assert_eq!(guest.take_handled_numbers(), [SIGALRM; 3]);
}

#[test]
fn timers_end_with_their_program_and_are_not_inherited() {
    let world = World::new();
    let guest = world.guest();
    guest.on(SIGALRM, HANDLER, 0);
    let id = timer(&guest, CLOCK_MONOTONIC, SIGALRM.cast_signed(), 0);
    arm(&guest, id, 10 * MS, 10 * MS);
    let child = world.child(&guest);
    assert_eq!(
        child.sys("timer_gettime64", &[id, DATA]),
        Err(Errno::EINVAL)
    );
    world.advance(10 * MS);
    assert_eq!(
        world.state(child.id()),
        Some(kernel::process::RunState::Running)
    );
    let cpu = timer(&child, CLOCK_CPU, SIGALRM.cast_signed(), 0);
    arm(&child, cpu, SECOND, 0);
    assert_eq!(child.sys("timer_gettime64", &[cpu, DATA]), Ok(0));
    guest.sys("exit_group", &[0]).unwrap_err();
    world.advance(100 * MS);
}

#[test]
fn inotify_wakes_who_waits_for_what_others_do() {
    let world = World::new();
    let (guest, other) = (world.guest(), world.guest());
    let fd = guest.sys("inotify_init1", &[0]).unwrap();
    let path = guest.put_string(STRINGS, b"/tmp");
    let watch = guest.sys("inotify_add_watch", &[fd, path, 0x100]).unwrap();
    assert_eq!(watch, 1);
    let read = guest.sys("read", &[fd, DATA, 256]);
    assert_eq!(read, Err(Errno::EINPROGRESS));
    let made = other.put_string(STRINGS, b"/tmp/made");
    other.sys("mkdir", &[made, 0o755]).unwrap();
    assert_eq!(world.settle(&guest), Ok(32));
    let bytes = guest.bytes(DATA, 32).unwrap();
    let event = InotifyEvent::from_bytes(bytes.first_chunk().unwrap());
    assert_eq!((event.watch, event.mask, event.len), (1, 0x4000_0100, 16));
    assert_eq!(bytes.get(16..22), Some(b"made\0\0".as_slice()));
}

#[test]
fn descriptors_that_are_something_else_are_refused() {
    let world = World::new();
    let guest = world.guest();
    let number = guest.sys("eventfd2", &[0, 0]).unwrap();
    let calls: [(&str, &[u32]); 7] = [
        ("epoll_wait", &[number, DATA, 1, 0]),
        ("timerfd_gettime64", &[number, DATA]),
        ("inotify_rm_watch", &[number, 1]),
        ("signalfd4", &[number, DATA, 8, 0]),
        ("epoll_ctl", &[number, 1, 0, DATA]),
        ("timer_settime64", &[5, 0, DATA, 0]),
        ("timerfd_create", &[CLOCK_CPU, 0]),
    ];
    for (name, args) in calls {
        assert_eq!(guest.sys(name, args), Err(Errno::EINVAL), "{name}");
    }
}
