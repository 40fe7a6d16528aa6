//! What pointers lead to: each structure that a call reads, with contents that may make sense.

use super::words::{Finds, pick};
use super::{stock, words};
use crate::common::{Guest, Random, THREAD_STACK};

const PATHS: [&[u8]; 34] = [
    b"/tmp/a",
    b"/tmp/b",
    b"/tmp/c",
    b"/tmp/d",
    b"/tmp/d/a",
    b"/tmp/d/b",
    b"/tmp/link",
    b"/tmp/socket",
    b"/tmp/fifo",
    b"/tmp/mount",
    b"/tmp",
    b"a",
    b"b",
    b"d",
    b"d/a",
    b".",
    b"..",
    b"",
    b"/",
    b"/tmp/a/",
    b"/tmp//./d/../b",
    b"/dev/null",
    b"/dev/ptmx",
    b"/dev/pts/0",
    b"/dev/tty",
    b"/dev/full",
    b"/dev/shm/x",
    b"/proc/self/fd/1",
    b"/proc/self/status",
    b"/proc/self/maps",
    b"/proc/1/stat",
    b"/proc/shoal/pool",
    b"/proc/sys/kernel/hostname",
    b"/proc/self/fdinfo/11",
];

const ATTRIBUTES: [&[u8]; 8] = [
    b"user.a",
    b"user.b",
    b"user.",
    b"trusted.x",
    b"security.capability",
    b"system.posix_acl_access",
    b"nothing",
    b"user.a",
];

/// Where futexes lie, which all threads of a process use.
const FUTEXES: u32 = 0x3_0000;

/// Makes what `name` of `call` points to at `at`; its address, or another one.
pub fn place(
    random: &mut Random,
    guest: &Guest,
    finds: &Finds,
    (call, name): (&str, &str),
    at: u32,
) -> u32 {
    let buffer = at + 0x800;
    match (call, name) {
        ("execve" | "execveat", "path") if random.below(3) > 0 => {
            // Where no other call finds the name of the program, to remove it.
            put_string(guest, at + 0xc00, b"/init")
        }
        (_, "source" | "target" | "path" | "old_path" | "new_path" | "link_path") => {
            path(random, guest, at)
        }
        ("mount", "kind") => {
            let kinds: [&[u8]; 4] = [b"tmpfs", b"proc", b"devpts", b"nonsense"];
            put_string(guest, at, kinds[random.index(4)])
        }
        ("mount", "data") => put_string(guest, at, b"size=64k"),
        ("mq_open" | "mq_unlink", "name") => {
            put_string(guest, at, [&b"queue"[..], b"q2"][random.index(2)])
        }
        (_, "name") if call.ends_with("xattr") => {
            put_string(guest, at, ATTRIBUTES[random.index(8)])
        }
        (_, "name") => put_string(guest, at, b"name"),
        (_, "argv" | "envp") => {
            put_string(guest, buffer, b"init=1");
            let strings = [buffer, buffer, 0];
            put(guest, at, &strings[random.index(3)..])
        }
        (_, "iov" | "local" | "remote") => vector(random, guest, at, buffer),
        (_, "address" | "address2") if call.starts_with("futex") => {
            let at = FUTEXES + 4 * random.below(4);
            if random.below(4) == 0 {
                put(guest, at, &[random.below(4)]);
            }
            at
        }
        ("connect" | "bind" | "sendto", "address") => {
            let names: [&[u8]; 4] = [
                b"\x01\0\0abc",
                b"\x01\0/tmp/socket",
                b"\x01\0\0xyz",
                b"\x02\0\0\0",
            ];
            put_string(guest, at, names[random.index(4)])
        }
        ("accept" | "accept4" | "recvfrom" | "getsockname" | "getpeername", "address") => at,
        ("set_tid_address", _) => at,
        (_, "address" | "new_address" | "stack") if call != "clone" && call != "sigaltstack" => {
            finds.address(random)
        }
        ("clone", "stack") => THREAD_STACK,
        ("sigaltstack", "stack") => put(guest, at, &[0x3_8000, 2 * (random.below(3) / 2), 0x2000]),
        (_, "len" | "address_len") => put(guest, at, &[110]),
        ("msgsnd" | "msgrcv", "message") => put(guest, at, &[1 + random.below(3), 7, 8, 9]),
        ("sendmsg" | "recvmsg", "message") => message(random, guest, at),
        (_, "messages") => {
            message(random, guest, at + 0x400);
            message(random, guest, at);
            at
        }
        (_, "fds") if call.starts_with("p") && call.contains("poll") => {
            for index in 0..24 {
                let words = [
                    random.below(stock::NR_FILES),
                    [1, 4, 5, 0x2007][random.index(4)],
                ];
                put(guest, at + 8 * index, &words);
            }
            at
        }
        (_, "read_fds" | "write_fds" | "except_fds") => {
            put(guest, at, &[random.next() & random.next(), 0, 0, 0])
        }
        ("pselect6_time64", "mask") => put(guest, at, &[0, 0]),
        (_, "set" | "mask") => put(
            guest,
            at,
            &[random.next() & random.next() | 1, random.below(4)],
        ),
        (_, "action") => put(
            guest,
            at,
            &[
                [0, 1, 20, 20, 21][random.index(5)],
                pick(
                    random,
                    &[0, 4, 0x1000_0000, 0x4000_0000, 0x8000_0000, 0x0800_0000],
                )
                .unwrap_or(0),
                0,
                random.next() & random.next(),
                0,
            ],
        ),
        (_, "info") => put(guest, at, &[10, 0, u32::MAX, 0, 0, random.next()]),
        ("epoll_ctl", "event") => {
            let events = [1, 4, 5, 0x8000_0001, 0x4000_0001, 0x1000_0001, 0xa000_0005];
            put(
                guest,
                at,
                &[events[random.index(7)], 0, random.below(30), 0],
            )
        }
        (_, "event") => {
            let kind = [0, 0, 1, 2, 4][random.index(5)];
            put(
                guest,
                at,
                &[
                    random.next(),
                    [10, 34, 14][random.index(3)],
                    kind,
                    guest.id(),
                ],
            )
        }
        ("setitimer", "value") | ("select", "timeout") => {
            let words = [
                random.below(2),
                1 + random.below(999_999),
                random.below(2),
                random.below(999_999),
            ];
            put(guest, at, &words)
        }
        ("timer_settime64" | "timerfd_settime64", "value") => {
            let mut words = [0; 8];
            for index in [0, 2, 4, 6] {
                words[index] = random.below(if index % 4 == 0 { 2 } else { 1_000_000_000 });
            }
            put(guest, at, &words)
        }
        ("utimensat_time64", "times") => {
            let odd = [5, 0x3fff_ffff, 0x3fff_fffe, 999_999_999];
            put(
                guest,
                at,
                &[
                    random.below(9),
                    0,
                    odd[random.index(4)],
                    0,
                    7,
                    0,
                    odd[random.index(4)],
                    0,
                ],
            )
        }
        ("nanosleep", "request") => put(guest, at, &[random.below(2), random.below(1_000_000_000)]),
        (_, "timeout" | "request" | "time" | "times") => put(
            guest,
            at,
            &[random.below(2), 0, random.below(1_000_000_000), 0],
        ),
        ("setrlimit" | "prlimit64", "limit") => limit(random, guest, call, at),
        (_, "operations") => {
            let mut bytes = Vec::new();
            for _ in 0..3 {
                let operation = [1_i16, -1, 0, 2][random.index(4)];
                bytes.extend([random.below(3) as u8, 0]);
                bytes.extend(operation.to_le_bytes());
                bytes.extend([0, [8, 8, 0x18][random.index(3)]]);
            }
            let _faulted = guest.put(at, &bytes);
            at
        }
        ("mq_open", "attributes") => match random.below(2) {
            0 => 0,
            _ => put(guest, at, &[0, 4, 64, 0]),
        },
        ("mq_getsetattr", "new") => put(guest, at, &[0x800 * random.below(2)]),
        ("capget" | "capset", "header") => put(guest, at, &[0x2008_0522, 0]),
        ("capset", "data") => put(guest, at, &[u32::MAX, u32::MAX, 0, 0x1ff, 0x1ff, 0]),
        ("sched_setattr", "attr") => {
            let policy = [0, 3, 5, 1][random.index(4)];
            let words = [
                48,
                policy,
                0,
                0,
                random.below(20),
                u32::from(policy == 1),
                0,
                0,
                0,
                0,
                0,
                0,
            ];
            put(guest, at, &words)
        }
        (_, "param") => put(guest, at, &[random.below(2)]),
        ("set_robust_list", "head") => put(guest, at, &[at, 0, 0]),
        (_, "in_offset" | "out_offset" | "offset") => match random.below(2) {
            0 => 0,
            _ => put(guest, at, &[random.below(300), 0]),
        },
        ("setgroups", "list") => put(guest, at, &[0, 5, 1000]),
        ("setsockopt", "value") => put(guest, at, &[random.below(3), random.below(5), 0, 0]),
        ("shmctl" | "msgctl", "buf") => {
            let words: Vec<u32> = (0..22).map(|_| random.below(0o1000)).collect();
            put(guest, at, &words)
        }
        _ => {
            // For requests that look at a structure: a lock, a terminal's settings.
            put(
                guest,
                words::AREA + 0x100,
                &[
                    random.below(3),
                    0,
                    random.below(200),
                    0,
                    random.below(200),
                    0,
                    0,
                    0,
                ],
            );
            at
        }
    }
}

/// Puts words to `at`, which may not be there; `at`.
pub fn put(guest: &Guest, at: u32, words: &[u32]) -> u32 {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    // A guest may have a small memory, or none of its own.
    let _faulted = guest.put(at, &bytes);
    at
}

/// The same with a string and its NUL.
pub fn put_string(guest: &Guest, at: u32, string: &[u8]) -> u32 {
    let _faulted = guest.put(at, &[string, b"\0"].concat());
    at
}

fn path(random: &mut Random, guest: &Guest, at: u32) -> u32 {
    match random.below(40) {
        0 => put_string(guest, at, &[b'x'; 300]),
        1 => put_string(guest, at, &b"d/".repeat(1500)),
        2 => put_string(guest, at, b"/tmp/\xff\xfe\x01"),
        3..12 => put_string(guest, at, PATHS[random.index(10)]),
        _ => put_string(guest, at, PATHS[random.index(PATHS.len())]),
    }
}

/// Four segments, one of them odd at times.
fn vector(random: &mut Random, guest: &Guest, at: u32, buffer: u32) -> u32 {
    for index in 0..4 {
        let segment = match random.below(16) {
            0 => [random.garbage(), random.below(64)],
            1 => [buffer, random.garbage()],
            _ => [buffer + 0x80 * index, random.below(120)],
        };
        put(guest, at + 8 * index, &segment);
    }
    at
}

/// A message with a vector, and at times with descriptors or an address.
fn message(random: &mut Random, guest: &Guest, at: u32) -> u32 {
    vector(random, guest, at + 0x100, at + 0x600);
    let control = match random.below(3) {
        0 => {
            let rights = [16, 1, 1, random.below(stock::NR_FILES)];
            put(guest, at + 0x200, &rights);
            [at + 0x200, [16, 64, 12, 3][random.index(4)]]
        }
        _ => [0, 0],
    };
    let name = match random.below(4) {
        0 => {
            put_string(guest, at + 0x280, b"\x01\0\0abc");
            [at + 0x280, 6]
        }
        _ => [0, 0],
    };
    let vector = [at + 0x100, random.below(4)];
    put(
        guest,
        at,
        &[
            name[0], name[1], vector[0], vector[1], control[0], control[1], 0, 0,
        ],
    )
}

/// Limits that leave room to go on, most of the time.
fn limit(random: &mut Random, guest: &Guest, call: &str, at: u32) -> u32 {
    let value = match random.below(8) {
        0 => random.below(64),
        1 => u32::MAX,
        _ => 1024 + random.below(1 << 24),
    };
    if call == "setrlimit" {
        return put(guest, at, &[value, value]);
    }
    put(guest, at, &[value, 0, value, 0])
}
