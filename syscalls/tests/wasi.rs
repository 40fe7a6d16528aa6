//! The functions of WASI, by number on a pod with a fake host. What they do is compared with another
//! host in `tests/wasi`; here is what no well-behaved program asks of them.

#![expect(clippy::unwrap_used, reason = "test code")]
#![expect(clippy::panic, reason = "test code")]

mod common;

use abi::wasi::{BASE, FUNCTIONS, MORE, UNSTABLE, Version};
use common::{DATA, Guest, Random, SIGKILL, SIGTERM, STRINGS, World};
use kernel::testing::Progress;

/// Calls of each function with garbage.
const ROUNDS: u32 = 30;

const SUCCESS: u32 = 0;
const BADF: u32 = 8;
const FAULT: u32 = 21;
const INVAL: u32 = 28;
const MFILE: u32 = 33;
const NAMETOOLONG: u32 = 37;
const NOTDIR: u32 = 54;

fn number(name: &str) -> u32 {
    Version::Preview1.function(name).unwrap().0
}

/// Makes a call with all its words.
fn enter(guest: &Guest, number: u32, words: &[u32]) -> Progress {
    let (first, behind) = words.split_at(words.len().min(6));
    if !behind.is_empty() {
        assert_eq!(guest.enter(MORE, behind), Progress::Returned(0));
    }
    guest.enter(number, first)
}

/// The error number of a call that does not wait.
#[track_caller]
fn call(guest: &Guest, name: &str, words: &[u32]) -> u32 {
    match enter(guest, number(name), words) {
        Progress::Returned(errno) => errno,
        other => panic!("{name}: {other:?}"),
    }
}

/// Opens `path` below `directory` for reading and writing, makes it if need be.
fn open(guest: &Guest, directory: u32, path: &[u8]) -> Result<u32, u32> {
    guest.put(STRINGS, path).unwrap();
    let len = u32::try_from(path.len()).unwrap();
    let words = [directory, 1, STRINGS, len, 1, 0x42, 0, 0x42, 0, 0, DATA];
    match call(guest, "path_open", &words) {
        SUCCESS => Ok(guest.word(DATA).unwrap()),
        errno => Err(errno),
    }
}

#[test]
fn arguments_come_as_they_were_given() {
    let world = World::new();
    let guest = world.guest();
    assert_eq!(call(&guest, "args_sizes_get", &[DATA, DATA + 4]), SUCCESS);
    let (count, len) = (guest.word(DATA).unwrap(), guest.word(DATA + 4).unwrap());
    assert_eq!(call(&guest, "args_get", &[DATA, STRINGS]), SUCCESS);
    assert_eq!(count, 1);
    assert_eq!(guest.word(DATA), Ok(STRINGS));
    let argument = guest.string(STRINGS).unwrap();
    assert_eq!(argument.len() + 1, usize::try_from(len).unwrap());
    assert_eq!(
        call(&guest, "environ_sizes_get", &[DATA, DATA + 4]),
        SUCCESS
    );
    assert_eq!(guest.word(DATA), Ok(0));
}

#[test]
fn the_root_and_the_working_directory_are_open_at_the_start() {
    let world = World::new();
    let guest = world.guest();
    // The process has descriptor 3 open: the program does not see it.
    let path = guest.put_string(STRINGS, b"/tmp/held");
    for fd in 0..4 {
        assert_eq!(guest.sys("open", &[path, 0o102, 0o644]), Ok(fd));
    }
    assert_eq!(call(&guest, "fd_prestat_get", &[3, DATA]), SUCCESS);
    assert_eq!(guest.bytes(DATA, 8).unwrap(), [0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(call(&guest, "fd_prestat_dir_name", &[3, DATA, 1]), SUCCESS);
    assert_eq!(guest.bytes(DATA, 1).unwrap(), b"/");
    assert_eq!(call(&guest, "fd_prestat_dir_name", &[4, DATA, 9]), SUCCESS);
    assert_eq!(guest.bytes(DATA, 1).unwrap(), b".");
    assert_eq!(
        call(&guest, "fd_prestat_dir_name", &[4, DATA, 0]),
        NAMETOOLONG
    );
    assert_eq!(call(&guest, "fd_prestat_get", &[5, DATA]), BADF);
    assert_eq!(call(&guest, "fd_prestat_dir_name", &[0, DATA, 9]), NOTDIR);
    assert_eq!(open(&guest, 3, b"tmp/x"), Ok(5));
}

#[test]
fn the_directories_of_the_root_are_there_when_it_is_not_the_working_directory() {
    let world = World::new();
    let guest = world.guest();
    let path = guest.put_string(STRINGS, b"/tmp");
    assert_eq!(guest.sys("chdir", &[path]), Ok(0));
    let mut names = Vec::new();
    for fd in 3.. {
        if call(&guest, "fd_prestat_get", &[fd, DATA]) != SUCCESS {
            break;
        }
        let len = guest.word(DATA + 4).unwrap();
        let asked = call(&guest, "fd_prestat_dir_name", &[fd, DATA, len]);
        assert_eq!(asked, SUCCESS);
        let name = guest.bytes(DATA, usize::try_from(len).unwrap()).unwrap();
        names.push(String::from_utf8(name).unwrap());
    }
    assert_eq!(names[..2], ["/", "."]);
    assert!(names[2..].is_sorted());
    assert!(names.iter().any(|name| name == "/tmp"), "{names:?}");
    assert!(names.iter().any(|name| name == "/dev"), "{names:?}");
}

#[test]
fn absolute_links_are_followed_from_the_root_only() {
    const PERM: u32 = 63;
    let world = World::new();
    let guest = world.guest();
    let target = guest.put_string(STRINGS, b"/tmp/target");
    assert_eq!(guest.sys("open", &[target, 0o102, 0o644]), Ok(0));
    let link = guest.put_string(STRINGS + 0x100, b"/tmp/link");
    assert_eq!(guest.sys("symlink", &[target, link]), Ok(0));
    let path = guest.put_string(STRINGS, b"/tmp");
    assert_eq!(guest.sys("chdir", &[path]), Ok(0));
    assert!(open(&guest, 3, b"tmp/link").is_ok());
    assert_eq!(open(&guest, 4, b"link"), Err(PERM));
    assert_eq!(open(&guest, 4, b"../tmp/target"), Err(PERM));
    assert_eq!(open(&guest, 3, b"../tmp/target"), Err(PERM));
    assert_eq!(open(&guest, 3, b"/tmp/target"), Err(PERM));
    assert!(open(&guest, 4, b"target").is_ok());
}

#[test]
fn the_limit_of_open_files_holds() {
    let world = World::new();
    let guest = world.guest();
    let limit = guest.put_words(DATA, &[10, 0, 10, 0]);
    assert_eq!(guest.sys("prlimit64", &[0, 7, limit, 0]), Ok(0));
    let opened: Vec<_> = (0..20).map(|_| open(&guest, 3, b"tmp/x")).collect();
    assert!(opened[0].is_ok());
    assert_eq!(opened[19], Err(MFILE));
    assert_eq!(call(&guest, "fd_close", &[opened[0].unwrap()]), SUCCESS);
    assert!(open(&guest, 3, b"tmp/x").is_ok());
}

#[test]
fn pointers_that_lead_nowhere_are_faults() {
    const NOWHERE: u32 = 0xffff_f000;
    let world = World::new();
    let guest = world.guest();
    assert_eq!(call(&guest, "fd_prestat_get", &[3, NOWHERE]), FAULT);
    assert_eq!(call(&guest, "random_get", &[NOWHERE, 8]), FAULT);
    assert_eq!(call(&guest, "clock_time_get", &[0, 0, 0, NOWHERE]), FAULT);
    assert_eq!(call(&guest, "poll_oneoff", &[NOWHERE, 0, 1, 0]), FAULT);
    assert_eq!(call(&guest, "clock_time_get", &[9, 0, 0, DATA]), INVAL);
    let words = [3, 0, STRINGS, 3, 1, 0x42, 0, 0, 0, 0, NOWHERE];
    guest.put(STRINGS, b"new").unwrap();
    assert_eq!(call(&guest, "path_open", &words), FAULT);
    // Nothing was made, and no number is lost.
    assert_eq!(
        call(&guest, "path_unlink_file", &[3, STRINGS, 3]),
        44,
        "ENOENT"
    );
}

#[test]
fn a_sleeper_wakes_at_its_time_and_dies_of_a_signal() {
    let world = World::new();
    let guest = world.guest();
    let subscription = abi::wasi::layout::Subscription {
        userdata: 77,
        id: 1,
        timeout: 1_000_000_000,
        ..Default::default()
    };
    guest.put(DATA, &subscription.to_bytes()).unwrap();
    let words = [DATA, DATA + 64, 1, DATA + 128];
    let poll = number("poll_oneoff");
    assert_eq!(guest.enter(poll, &words), Progress::Parked);
    world.platform.clock().advance(1_000_000_000);
    assert_eq!(world.settle(&guest), Ok(0));
    assert_eq!(guest.word(DATA + 128), Ok(1));
    assert_eq!(guest.long(DATA + 64), 77);
    assert_eq!(guest.enter(poll, &words), Progress::Parked);
    world.kernel.kill(guest.pid(), 15).unwrap();
    world.run();
    assert_eq!(world.ended(guest.id()), Some(SIGTERM.cast_signed()));
}

#[test]
fn a_socket_that_was_there_at_the_start_can_be_used() {
    const NOTSOCK: u32 = 57;
    const PEEK: u32 = 1;
    let world = World::new();
    let guest = world.guest();
    assert_eq!(guest.sys("socketpair", &[1, 1, 0, DATA]), Ok(0));
    let path = guest.put_string(STRINGS, b"/tmp/file");
    assert_eq!(guest.sys("open", &[path, 0o102, 0o644]), Ok(2));
    guest.put(STRINGS, b"across").unwrap();
    let out = guest.put_words(DATA, &[STRINGS, 6]);
    let into = guest.put_words(DATA + 8, &[STRINGS + 64, 4]);
    let (done, flags) = (DATA + 16, DATA + 20);
    assert_eq!(call(&guest, "sock_send", &[0, out, 1, 0, done]), SUCCESS);
    assert_eq!(guest.word(done), Ok(6));
    for (how, wanted) in [(PEEK, &b"acro"[..]), (0, b"acro"), (0, b"ss")] {
        let words = [1, into, 1, how, done, flags];
        assert_eq!(call(&guest, "sock_recv", &words), SUCCESS);
        let len = usize::try_from(guest.word(done).unwrap()).unwrap();
        assert_eq!(guest.bytes(STRINGS + 64, len).unwrap(), wanted);
    }
    assert_eq!(
        call(&guest, "sock_recv", &[1, into, 1, 4, done, flags]),
        INVAL
    );
    assert_eq!(call(&guest, "sock_shutdown", &[0, 2]), SUCCESS);
    let words = [1, into, 1, 0, done, flags];
    assert_eq!(call(&guest, "sock_recv", &words), SUCCESS);
    assert_eq!(guest.word(done), Ok(0), "the end");
    assert_eq!(call(&guest, "sock_shutdown", &[0, 0]), INVAL);
    for (name, words) in [
        ("sock_send", &[2, out, 1, 0, done][..]),
        ("sock_recv", &[2, into, 1, 0, done, flags]),
        ("sock_shutdown", &[2, 1]),
        ("sock_accept", &[2, 0, done]),
    ] {
        assert_eq!(call(&guest, name, words), NOTSOCK, "{name}");
    }
}

#[test]
fn connections_can_be_taken_from_a_listening_socket() {
    let world = World::new();
    let guest = world.guest();
    assert_eq!(guest.sys("socket", &[1, 1, 0]), Ok(0));
    guest.put(DATA, b"\x01\0/tmp/listener\0").unwrap();
    assert_eq!(guest.sys("bind", &[0, DATA, 16]), Ok(0));
    assert_eq!(guest.sys("listen", &[0, 5]), Ok(0));
    assert_eq!(guest.sys("socket", &[1, 1, 0]), Ok(1));
    assert_eq!(guest.sys("connect", &[1, DATA, 16]), Ok(0));
    let number = DATA + 64;
    assert_eq!(call(&guest, "sock_accept", &[0, 4, number]), SUCCESS);
    // 0 to 2, of which 2 was free, and the two directories.
    assert_eq!(guest.word(number), Ok(2));
    assert_eq!(call(&guest, "fd_close", &[2]), SUCCESS);
    assert_eq!(call(&guest, "fd_close", &[2]), BADF);
}

#[test]
fn raising_a_signal_does_what_it_does_by_default() {
    let world = World::new();
    let guest = world.guest();
    // SIGCHLD is 16 here and 17 there.
    assert_eq!(call(&guest, "proc_raise", &[16]), SUCCESS);
    assert_eq!(call(&guest, "proc_raise", &[31]), INVAL);
    let _dead = guest.enter(number("proc_raise"), &[6]);
    world.run();
    assert_eq!(world.ended(guest.id()), Some(6));
}

#[test]
fn garbage_in_all_arguments_does_no_harm() {
    let world = World::new();
    let mut random = Random::new(7);
    for row in 0..u32::try_from(FUNCTIONS.len()).unwrap() {
        for round in 0..ROUNDS {
            let guest = world.guest();
            guest.put(STRINGS, b"tmp/file").unwrap();
            let _fd = open(&guest, 3, b"tmp/file");
            let mut words: Vec<u32> = (0..12).map(|_| random.garbage()).collect();
            if round & 1 == 0 {
                // Descriptors and addresses that are there, so that more than their checks runs.
                words[0] = random.below(6);
                for word in &mut words[1..] {
                    if random.below(2) == 0 {
                        *word = DATA + random.below(0x800);
                    }
                }
            }
            let version = if round & 2 == 0 { 0 } else { UNSTABLE };
            let progress = enter(&guest, BASE + version + row, &words);
            world.run();
            if let Progress::Returned(errno) = progress {
                let is_outcome = (0x8000_0001..=0x8000_0007).contains(&errno);
                assert!(errno <= 76 || is_outcome, "{row} {words:x?}: {errno:#x}");
            }
            let _ended = world.kernel.kill(guest.pid(), SIGKILL.cast_signed());
            world.run();
        }
    }
    // It still runs programs.
    assert_eq!(call(&world.guest(), "sched_yield", &[]), SUCCESS);
}
