//! Every row of the table with pointers that lead nowhere and numbers that mean nothing.
//!
//! No call may panic or leave the pod unable to go on; what comes back is an error number or a
//! result, or the guest is parked or dead, as it asked for.

#![expect(clippy::unwrap_used, reason = "test code")]

mod common;

use abi::Errno;
use abi::special::{MAX_ERRNO, UNKNOWN_BASE};
use abi::table::{SYSCALLS, SyscallInfo};
use common::{DATA, Guest, Random, SIGKILL, STRINGS, World};
use kernel::platform::{Level, UserMemory};
use kernel::process::Pid;
use kernel::testing::Progress;

/// Calls with each row in [`garbage_in_all_arguments_does_no_harm`].
const ROUNDS: u32 = 60;

/// Names the call whose test fails.
struct Blame<'a>(&'a SyscallInfo, Vec<u32>);

impl Drop for Blame<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let words: Vec<String> = self.1.iter().map(|word| format!("{word:#x}")).collect();
            eprintln!("in {}({})", self.0.name, words.join(", "));
        }
    }
}

/// A guest with files of many kinds open: the fds from 0 to 8, the last two a pair of sockets.
fn guest_with_files(world: &World) -> Guest {
    const O_RDWR: u32 = 2;
    const O_DIRECTORY: u32 = 0o200_000;
    let guest = world.guest();
    let files: [(&[u8], u32); 5] = [
        (b"/tmp/file", O_RDWR | 0o100),
        (b"/dev/null", O_RDWR),
        (b"/dev/zero", O_RDWR),
        (b"/dev/ptmx", O_RDWR),
        (b"/tmp", O_DIRECTORY),
    ];
    for (fd, (path, flags)) in (0..).zip(files) {
        let path = guest.put_string(STRINGS, path);
        assert_eq!(guest.sys("open", &[path, flags, 0o644]), Ok(fd));
    }
    assert_eq!(guest.pipe(), (5, 6));
    assert_eq!(guest.sys("socketpair", &[1, 1, 0, DATA]), Ok(0));
    assert_eq!(guest.sys("sendto", &[8, DATA, 8, 0, 0, 0]), Ok(8));
    guest
}

/// The words of a call: `pointer` for each address, `other` for all others.
fn words_of(
    row: &SyscallInfo,
    mut pointer: impl FnMut(&str) -> u32,
    mut other: impl FnMut(&str, &str) -> u32,
) -> Vec<u32> {
    let mut words = Vec::new();
    for (name, kind) in row.args {
        match *kind {
            "UserAddr" => words.push(pointer(name)),
            "i64" => words.extend([other(name, kind), 0]),
            _ => words.push(other(name, kind)),
        }
    }
    words
}

/// Makes the call, and ends the guest if it still runs.
fn call_and_end(world: &World, guest: &Guest, row: &SyscallInfo, words: &[u32]) -> Progress {
    let blame = Blame(row, words.to_vec());
    let pid: Pid = guest.process.pid;
    let progress = guest.enter(row.number, words);
    world.run();
    let going_on = guest.go_on();
    if let Progress::Returned(word) = progress {
        let is_outcome = (0x8000_0001..=0x8000_0007).contains(&word);
        let is_error = word.wrapping_neg() <= MAX_ERRNO && word != 0;
        let is_known = !is_error || progress.result().is_err();
        assert!(!is_outcome && is_known, "{word:#x}");
    }
    if guest.pid() != pid {
        // vfork(2): the parent dies once it has its instance back.
        guest.sys("exit_group", &[0]).unwrap();
    }
    if going_on != Progress::Dead {
        let _killed_before = world.kernel.kill(pid, SIGKILL.cast_signed());
        world.run();
        if guest.go_on() == Progress::Parked {
            let _dead = guest.breathe();
        }
    }
    world.run();
    assert!(!world.kernel.is_alive(pid), "it cannot be killed");
    drop(blame);
    progress
}

/// The end of a guest's memory.
fn end_of(guest: &Guest) -> u32 {
    guest.memory.size_pages() << 16
}

/// Calls whose addresses name memory that they do not read, or that fail for another reason first.
const NOT_READ: [&str; 38] = [
    "mmap2",
    "mprotect",
    "munmap",
    "brk",
    "mremap",
    "msync",
    "mincore",
    "madvise",
    "mlock",
    "mlock2",
    "munlock",
    "set_tid_address",
    "set_robust_list",
    // The handler's frame is the shim's business.
    "rt_sigreturn",
    // There is no group to tell of, and no child.
    "getgroups",
    "wait4",
    "waitpid",
    "waitid",
    // Its flags are looked at first.
    "clone",
    // Their numbers are looked at first: no buffers, no size, no process's descriptor.
    "reboot",
    "process_vm_readv",
    "process_vm_writev",
    "sched_getattr",
    "pidfd_send_signal",
    // The socket does not listen.
    "accept",
    "accept4",
    // Their descriptors and timers are looked at first.
    "epoll_wait",
    "inotify_add_watch",
    "timer_gettime64",
    "timerfd_gettime64",
    // No object has the id 0, and there are no operations.
    "shmat",
    "shmctl",
    "shmdt",
    "semop",
    "semtimedop_time64",
    "msgrcv",
    "msgctl",
    // The file has no attributes.
    "flistxattr",
];

/// Calls that take the null pointer.
const NULL_IS_FINE: [&str; 28] = [
    "rt_sigaction",
    "rt_sigprocmask",
    "select",
    "setitimer",
    "sendfile64",
    "gettimeofday",
    "times",
    "sigaltstack",
    "time",
    "clock_getres_time64",
    "pselect6_time64",
    "prlimit64",
    "getcpu",
    "copy_file_range",
    // `EINVAL`, as on Linux.
    "syslog",
    "sched_setparam",
    "sched_getparam",
    "sched_setscheduler",
    "sched_setattr",
    // Sets the times to now: here of the descriptor.
    "utimensat_time64",
    "utimes",
    // `EINVAL` for the number of events.
    "epoll_pwait",
    "epoll_pwait2",
    // `EBADF`: no message queue.
    "mq_timedsend_time64",
    "mq_timedreceive_time64",
    "mq_notify",
    "mq_getsetattr",
    // `EINVAL`: neither is a pipe.
    "splice",
];

/// Calls whose address has to be aligned: `EINVAL` comes first.
const ALIGNED: [&str; 2] = ["futex", "futex_time64"];

/// Calls that move the bytes up to the first bad one.
const PARTIAL: [&str; 2] = ["write", "pwrite64"];

#[test]
fn bad_pointers_are_efault() {
    let mut wrong = Vec::new();
    let with_pointers = |row: &&SyscallInfo| row.args.iter().any(|(_, kind)| *kind == "UserAddr");
    for row in SYSCALLS.iter().filter(with_pointers) {
        let world = World::new();
        world.kernel.log(Level::Info, "something for syslog(2)");
        for which in ["beyond", "last byte", "null"] {
            let guest = guest_with_files(&world);
            let last = end_of(&guest) - 1;
            guest.put(last, b"x").unwrap();
            let bad = match which {
                "beyond" => 0xffff_e000,
                "null" => 0,
                _ => last,
            };
            let words = words_of(row, |_| bad, |name, _| plausible(&guest, row.name, name));
            let result = call_and_end(&world, &guest, row, &words).result();
            let is_excused = NOT_READ.contains(&row.name)
                || which == "null" && NULL_IS_FINE.contains(&row.name)
                || which == "last byte" && ALIGNED.contains(&row.name);
            let expected = if which == "last byte" && PARTIAL.contains(&row.name) {
                Ok(1)
            } else {
                Err(Errno::EFAULT)
            };
            if !is_excused && result != expected {
                wrong.push(format!("{}({which}): {result:?}", row.name));
            }
        }
        assert!(world.guest().sys("getpid", &[]).is_ok());
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn regular_files_take_what_lies_before_a_bad_buffer() {
    let world = World::new();
    let guest = guest_with_files(&world);
    let end = end_of(&guest);
    let bad = 0xffff_e000;
    guest.put(DATA, b"abc").unwrap();
    guest.put(end - 6, b"edge..").unwrap();
    let vector = STRINGS;
    let call = |name: &str, fd: u32, segments: &[u32], rest: &[u32]| {
        let address = guest.put_words(vector, segments);
        let nr_segments = u32::try_from(segments.len() / 2).unwrap();
        guest.sys(name, &[&[fd, address, nr_segments], rest].concat())
    };
    // What Linux 6.18 answers on ext2 and on tmpfs.
    assert_eq!(call("writev", 0, &[DATA, 3, bad, 5], &[]), Ok(3));
    assert_eq!(call("writev", 0, &[DATA, 3, 0, 5], &[]), Ok(3));
    assert_eq!(call("writev", 0, &[end - 6, 20], &[]), Ok(6));
    assert_eq!(call("writev", 0, &[bad, 0, DATA, 2], &[]), Ok(2));
    assert_eq!(call("pwritev", 0, &[DATA, 1, bad, 5], &[1, 0]), Ok(1));
    assert_eq!(
        call("writev", 0, &[bad, 5, DATA, 3], &[]),
        Err(Errno::EFAULT)
    );
    assert_eq!(call("preadv", 0, &[DATA, 20, bad, 5], &[0, 0]), Ok(14));
    assert_eq!(guest.bytes(DATA, 14).unwrap(), b"aacabcedge..ab");
    assert_eq!(call("preadv", 0, &[DATA, 2, bad, 5], &[9, 0]), Ok(2));
    assert_eq!(guest.bytes(DATA, 2).unwrap(), b"e.");
    // Nothing went into the pipe.
    assert_eq!(
        call("writev", 6, &[DATA, 3, bad, 5], &[]),
        Err(Errno::EFAULT)
    );
    assert_eq!(guest.sys("write", &[6, DATA, 1]), Ok(1));
    assert_eq!(guest.sys("read", &[5, DATA + 8, 5]), Ok(1));
}

/// A value that makes sense for an argument, so that the pointers are looked at.
fn plausible(guest: &Guest, call: &str, name: &str) -> u32 {
    match (call, name) {
        ("statfs64" | "fstatfs64", "size") => 88,
        ("syslog", "action") => 3,
        ("getdents64", "fd") => 4,
        ("getdents64", "count") | ("syslog", "len") => 512,
        // The devices do not look at what is written to them.
        ("write" | "pwrite64", "fd") => 0,
        ("socketpair", "domain" | "kind") | (_, "level" | "nr_messages") => 1,
        ("setsockopt" | "getsockopt", "option") => 2,
        (_, "address_len") => 8,
        (_, "fd") if is_of_sockets(call) => 7,
        (_, "dir" | "old_dir" | "new_dir") => (-100_i32).cast_unsigned(),
        (_, "count" | "len" | "size" | "set_size") => 8,
        (_, "nr_iov" | "nr_fds") => 1,
        (_, "fd" | "out_fd" | "in_fd") => 2,
        (_, "pid") => guest.id(),
        (_, "signal") => 10,
        _ => 0,
    }
}

fn is_of_sockets(call: &str) -> bool {
    SYSCALLS
        .iter()
        .any(|row| row.name == call && row.family == "socket")
}

#[test]
fn garbage_in_all_arguments_does_no_harm() {
    for row in SYSCALLS {
        let world = World::new();
        let mut random = Random::new(row.number);
        for _ in 0..ROUNDS {
            let guest = guest_with_files(&world);
            let end = end_of(&guest);
            // A bad address in one place of three, else memory full of garbage.
            for address in (DATA..DATA + 0x200).step_by(4) {
                guest.put_words(address, &[random.garbage()]);
            }
            guest.put_string(STRINGS, b"/tmp/file");
            let good = [DATA, DATA + 0x100, STRINGS, end - 8];
            let bad = [0xffff_e000, end - 1, 0, end];
            let mut choices = Random::new(random.next());
            let pointer = |_: &str| {
                let choice = choices.next() >> 8;
                let from = if choice.is_multiple_of(3) {
                    &bad
                } else {
                    &good
                };
                from[usize::try_from(choice >> 8 & 3).unwrap_or(0)]
            };
            let words = words_of(row, pointer, |_, _| random.garbage());
            call_and_end(&world, &guest, row, &words);
            world.advance(1_000_000);
        }
        assert!(
            world.guest().sys("getpid", &[]).is_ok(),
            "after {}",
            row.name
        );
    }
}

#[test]
fn unknown_calls_are_enosys_and_named_once() {
    let world = World::new();
    let guest = world.guest();
    world.platform.take_log();
    let unimplemented = abi::unimplemented::UNIMPLEMENTED;
    let known = unimplemented.iter().map(|call| call.0);
    for number in known.chain([UNKNOWN_BASE, UNKNOWN_BASE + 5, u32::MAX, 0x7fff_ffff]) {
        assert_eq!(
            guest.enter(number, &[1, 2, 3, 4, 5, 6]).result(),
            Err(Errno::ENOSYS)
        );
        let log = world.platform.take_log();
        assert!(log.len() <= 1 && log.iter().all(|(level, _)| *level == Level::Warning));
        assert_eq!(guest.enter(number, &[0; 6]).result(), Err(Errno::ENOSYS));
        assert_eq!(world.platform.take_log(), []);
    }
}
