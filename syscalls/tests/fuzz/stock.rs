//! The files that guests have open: one of each kind, at fixed numbers.

use super::structures::{put, put_string};
use crate::common::{DATA, Guest, Random, STRINGS};

/// Numbers below this are of the stock.
pub const NR_FILES: u32 = 25;

pub const FILE: u32 = 0;
pub const DIRECTORY: u32 = 1;
pub const NULL: u32 = 2;
pub const PIPE: u32 = 3;
pub const PIPE_WRITE: u32 = 4;
pub const STREAM: u32 = 5;
pub const DATAGRAM: u32 = 7;
pub const LISTENER: u32 = 9;
pub const EVENT: u32 = 10;
pub const EPOLL: u32 = 11;
pub const TIMER: u32 = 12;
pub const SIGNAL: u32 = 13;
pub const INOTIFY: u32 = 14;
pub const MEMFD: u32 = 15;
pub const PTMX: u32 = 16;
pub const QUEUE: u32 = 17;
pub const PIDFD: u32 = 18;
pub const PTY: u32 = 19;
pub const PACKETS: u32 = 20;
pub const STATUS: u32 = 22;
pub const APPEND: u32 = 23;
pub const ZERO: u32 = 24;

const O_RDWR: u32 = 2;
const O_CREAT: u32 = 0o100;
const O_APPEND: u32 = 0o2000;
const O_NONBLOCK: u32 = 0o4000;
const O_DIRECTORY: u32 = 0o20_0000;

/// Moves the descriptor of a call's result to `to`.
fn place(guest: &Guest, result: crate::common::Result, to: u32) {
    let Ok(fd) = result else { return };
    if fd != to && guest.sys("dup2", &[fd, to]).is_ok() {
        let _closed = guest.sys("close", &[fd]);
    }
}

/// Moves both descriptors at [`DATA`] to `to` and the next one.
fn place_both(guest: &Guest, result: crate::common::Result, to: u32) {
    if result.is_err() {
        return;
    }
    let both = [DATA, DATA + 4].map(|at| guest.word(at).map_err(|error| error.errno));
    // The first one may be in the place of the second.
    let aside = both[1].and_then(|fd| guest.sys("fcntl64", &[fd, 0, 40]));
    let _closed = both[1].and_then(|fd| guest.sys("close", &[fd]));
    place(guest, both[0], to);
    place(guest, aside, to + 1);
}

/// Opens what is not open, or something else: what fails is left out.
pub fn stock(random: &mut Random, guest: &Guest) {
    let wait = if random.below(2) == 0 { O_NONBLOCK } else { 0 };
    let open = |path: &[u8], flags: u32, to: u32| {
        put_string(guest, STRINGS, path);
        let fd = guest.sys("open", &[STRINGS, flags | wait, 0o644]);
        place(guest, fd, to);
    };
    let _made = guest.sys("mkdir", &[put_string(guest, STRINGS, b"/tmp/d"), 0o755]);
    open(b"/tmp/a", O_RDWR | O_CREAT, FILE);
    open(b"/tmp", O_DIRECTORY, DIRECTORY);
    open(b"/dev/null", O_RDWR, NULL);
    open(b"/dev/zero", O_RDWR, ZERO);
    open(b"/proc/self/status", 0, STATUS);
    open(b"/tmp/b", O_RDWR | O_CREAT | O_APPEND, APPEND);
    place_both(guest, guest.sys("pipe2", &[DATA, wait]), PIPE);
    for (kind, to) in [(1, STREAM), (2, DATAGRAM), (5, PACKETS)] {
        let pair = guest.sys("socketpair", &[1, kind | wait, 0, DATA]);
        place_both(guest, pair, to);
    }
    place(guest, guest.sys("socket", &[1, 1 | wait, 0]), LISTENER);
    put_string(guest, DATA, b"\x01\0\0abc");
    let _bound = guest.sys("bind", &[LISTENER, DATA, 6]);
    let _listens = guest.sys("listen", &[LISTENER, 4]);
    place(guest, guest.sys("eventfd2", &[1, wait]), EVENT);
    place(guest, guest.sys("epoll_create1", &[0]), EPOLL);
    place(guest, guest.sys("timerfd_create", &[1, wait]), TIMER);
    put(guest, DATA, &[0x0001_4a00, 0]);
    let none = u32::MAX;
    place(
        guest,
        guest.sys("signalfd4", &[none, DATA, 8, wait]),
        SIGNAL,
    );
    place(guest, guest.sys("inotify_init1", &[wait]), INOTIFY);
    put_string(guest, STRINGS, b"memory");
    place(guest, guest.sys("memfd_create", &[STRINGS, 2]), MEMFD);
    let _long = guest.sys("ftruncate64", &[MEMFD, 0x4000, 0]);
    open(b"/dev/ptmx", O_RDWR, PTMX);
    let _unlocked = guest.sys("ioctl", &[PTMX, 0x4004_5431, put(guest, DATA, &[0])]);
    if guest.sys("ioctl", &[PTMX, 0x8004_5430, DATA]).is_ok() {
        let name = format!("/dev/pts/{}", guest.word(DATA).unwrap_or(0));
        open(name.as_bytes(), O_RDWR, PTY);
    }
    put_string(guest, STRINGS, b"queue");
    let queue = [STRINGS, O_RDWR | O_CREAT | wait, 0o600, 0];
    place(guest, guest.sys("mq_open", &queue), QUEUE);
    place(guest, guest.sys("pidfd_open", &[guest.id(), 0]), PIDFD);
    // Most signals are heard, and do not end the guest.
    put(guest, DATA, &[20, 0, 0, 0, 0]);
    for signal in [1, 2, 10, 12, 13, 14, 15, 17, 23, 29, 33, 34, 35] {
        let _set = guest.sys("rt_sigaction", &[signal, DATA, 0, 8]);
    }
}
