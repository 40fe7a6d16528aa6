//! Guests that make calls at random: whatever they do to each other, the kernel stays consistent.
//!
//! Each round is a pod of its own with a few guests; the seed of a failing round is printed.

#![expect(clippy::indexing_slicing, reason = "test code")]
#![expect(clippy::arithmetic_side_effects, reason = "test code")]

mod common;

use abi::Errno;
use abi::flags::MS_NOEXEC;
use abi::table::{SYSCALLS, SyscallInfo};
use common::{DATA, Guest, Random, SIGKILL, STRINGS, World};
use fs::budget::Class;
use kernel::testing::Progress;

const ROUNDS: u32 = 60;
const CALLS: u32 = 500;
/// More guests than this are not made.
const MAX_GUESTS: usize = 12;

/// Names the round and the call that failed.
struct Blame {
    seed: u32,
    last: String,
}

impl Drop for Blame {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: {}", self.seed, self.last);
        }
    }
}

/// Where the guests keep their paths, one each 32 bytes.
const NAMES: u32 = STRINGS + 0x800;
const PATHS: [&[u8]; 12] = [
    b"/tmp/a",
    b"/tmp/b",
    b"/tmp/d",
    b"/tmp/d/a",
    b"/tmp",
    b".",
    b"/dev/null",
    b"/dev/ptmx",
    b"/dev/tty",
    b"/proc/self/fd/1",
    b"/proc/self/status",
    b"/tmp/c",
];

/// A value that is likely to mean something.
fn argument(random: &mut Random, guests: &[Guest], name: &str, kind: &str) -> u32 {
    if random.below(12) == 0 {
        return random.garbage();
    }
    match (name, kind) {
        (_, "Fd") if random.below(5) == 0 => (-100_i32).cast_unsigned(),
        (_, "Fd") => random.below(8),
        (_, "Pid") => match random.below(4) {
            0 => 0,
            1 => guests[random.index(guests.len())].id().wrapping_neg(),
            _ => guests[random.index(guests.len())].id(),
        },
        (_, "UserAddr") if name.contains("path") || name == "target" => {
            NAMES + 32 * random.below(12)
        }
        (_, "UserAddr") if random.below(4) == 0 => 0,
        (_, "UserAddr") => DATA + 0x40 * random.below(16),
        ("signal", _) => random.below(34),
        (_, "OpenFlags") => [0, 2, 0x42, 0x242, 0x442, 0x802, 0x8_0002][random.index(7)],
        ("nr_iov" | "nr_fds", _) => random.below(4),
        ("count" | "len" | "size", _) => random.below(300),
        ("set_size", _) => 8,
        _ if random.below(2) == 0 => random.below(16),
        _ => random.garbage(),
    }
}

fn words_of(random: &mut Random, guests: &[Guest], row: &SyscallInfo) -> Vec<u32> {
    let mut words = Vec::new();
    for (name, kind) in row.args {
        words.push(argument(random, guests, name, kind));
        if *kind == "i64" {
            words.push(0);
        }
    }
    words
}

/// Fills the guest's memory with paths and small numbers.
fn prepare(random: &mut Random, guest: &Guest) {
    for (index, path) in (0..).zip(PATHS) {
        guest.put_string(NAMES + 32 * index, path);
    }
    let words: Vec<u32> = (0..0x100)
        .map(|_| match random.below(4) {
            0 => DATA + 0x40 * random.below(16),
            1 => random.garbage(),
            _ => random.below(64),
        })
        .collect();
    guest.put_words(DATA, &words);
}

#[test]
fn random_calls_leave_a_consistent_kernel() {
    for seed in 1..=ROUNDS {
        let mut random = Random::new(seed);
        let mut blame = Blame {
            seed,
            last: String::new(),
        };
        let world = World::new();
        let quiet = (
            world.kernel.processes.len(),
            world.kernel.guests_per_worker(),
        );
        let mut guests: Vec<Guest> = (0..3).map(|_| world.guest()).collect();
        for _ in 0..CALLS {
            let index = random.index(guests.len());
            let guest = guests[index].clone();
            if !world.kernel.is_alive(guest.process.pid) || guest.go_on() == Progress::Dead {
                let _dead = guest.breathe();
                world.run();
                guests.swap_remove(index);
                if guests.is_empty() {
                    guests.push(world.guest());
                }
                continue;
            }
            if guest.is_parked() {
                world.advance(u64::from(random.below(1_000_000_000)));
                continue;
            }
            if random.below(10) == 0 {
                prepare(&mut random, &guest);
            }
            if random.below(20) == 0
                && guests.len() < MAX_GUESTS
                && guest.sys("vfork", &[]) == Ok(0)
            {
                if let Ok(pid) = guest.exec(b"/init", &[b"init"], &[]) {
                    world.run();
                    if world.kernel.is_alive(pid.cast_signed())
                        && pid != guest.process.pid.cast_unsigned()
                    {
                        guests.push(world.running(pid));
                    }
                }
                continue;
            }
            let row = &SYSCALLS[random.index(SYSCALLS.len())];
            let mut words = words_of(&mut random, &guests, row);
            if row.name == "mount" {
                // Where nothing may be executed no further guest starts.
                words[3] &= !MS_NOEXEC;
            }
            blame.last = format!("{}{words:x?}", row.name);
            let _progress = guest.enter(row.number, &words);
            world.run();
        }
        "the end".clone_into(&mut blame.last);
        while let Some(guest) = guests.pop() {
            end(&world, &guest);
        }
        world.run();
        // Children whose parent was stopped before it heard of their exec.
        for pid in world.kernel.processes.pids() {
            if pid != 1 && world.kernel.is_alive(pid) {
                end(&world, &world.running(pid.cast_unsigned()));
            }
        }
        world.run();
        let left = (
            world.kernel.processes.len(),
            world.kernel.guests_per_worker(),
        );
        assert_eq!(left, quiet);
        let charged = [Class::Guests, Class::Pipes].map(|class| world.kernel.budget().used(class));
        assert_eq!(charged, [0, 0]);
        assert!(world.guest().sys("getpid", &[]).is_ok());
    }
}

/// Kills a guest and whoever it lends its instance to.
fn end(world: &World, guest: &Guest) {
    for _ in 0..8 {
        let _gone = world.kernel.kill(guest.pid(), SIGKILL.cast_signed());
        world.run();
        if guest.go_on() == Progress::Dead {
            return;
        }
        // The instance is its parent's again, who may stop there.
        if !guest.is_parked() && guest.sys("exit_group", &[0]) == Err(Errno::ECANCELED) {
            world.run();
            return;
        }
    }
}
