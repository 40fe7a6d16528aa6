//! A round: a pod, guests in it, and a number of calls.

use std::sync::Arc;

use abi::Errno;
use abi::flags::MS_NOEXEC;
use abi::special::FORK;
use abi::table::SYSCALLS;
use abi::wasi::{BASE, FUNCTIONS, MORE};
use fs::budget::Class;
use fs::vfs::path::Location;
use kernel::platform::Slot;
use kernel::process::Task;
use kernel::testing::Progress;

use super::stock::stock;
use super::structures::put_string;
use super::tally::{Call, Tally};
use super::watch::Watch;
use super::words::{AREA, Finds, STRIDE, words_of, words_of_wasi};
use crate::common::{DATA, Guest, Random, SIGKILL, STRINGS, World};

/// Calls of a round.
pub const CALLS_PER_ROUND: u32 = 1_000;
/// More guests than this are not made.
const MAX_GUESTS: usize = 12;
/// With fewer, one more begins.
const MIN_GUESTS: usize = 3;
/// What `Task::fork_step` is asked for: may there be a child, make it, what came of it.
const FORK_STEPS: [u32; 3] = [0, 4, 5];

/// Where something may be mounted.
const MOUNT_POINTS: [&[u8]; 3] = [b"/tmp/d", b"/tmp/mount", b"/proc"];

/// The memory of a pod, in bytes, and of one that has little. fallocate(2) may ask for all of it.
const MEMORY: u64 = 48 << 20;
const SCARCE: u64 = 16 << 20;

/// A guest, and the call that it is parked in.
struct Player {
    guest: Guest,
    parked: Option<Call>,
}

struct Round<'a> {
    random: Random,
    world: World,
    /// Whether there is a memory for each guest.
    has_frames: bool,
    root: Location,
    players: Vec<Player>,
    finds: Finds,
    tally: &'a mut Tally,
    watch: &'a Watch,
}

/// Plays the round of `seed`, and looks at what is left behind.
pub fn round(seed: u64, watch: &Watch, tally: &mut Tally) {
    let mut random = Random::new(u32::try_from(seed & 0xffff_ffff).unwrap());
    let nr_workers = 1 + u32::from(random.below(4) == 0);
    let (world, has_frames) = match random.below(10) {
        0 => (World::with(nr_workers, SCARCE), true),
        1 | 2 => {
            let world = World::with(1, MEMORY);
            world.platform.limit_frames(2 + random.below(3));
            (world, false)
        }
        _ => (World::with(nr_workers, MEMORY), true),
    };
    let quiet = (
        world.kernel.processes.len(),
        world.kernel.guests_per_worker(),
    );
    let root = world.kernel.root().unwrap();
    let mut round = Round {
        root,
        random,
        world,
        has_frames,
        players: Vec::new(),
        finds: Finds::default(),
        tally,
        watch,
    };
    let mut nr_calls = 0;
    let mut nr_idle = 0_u32;
    while nr_calls < CALLS_PER_ROUND && round.has_root() {
        round.welcome();
        if round.step() {
            nr_calls += 1;
            nr_idle = 0;
        } else {
            nr_idle += 1;
            assert!(nr_idle < 100_000, "nobody can make a call");
        }
    }
    round.watch.call(0, "the end", &[]);
    round.end();
    let has_root = round.has_root();
    let Round { world, .. } = round;
    clean(&world);
    let left = (
        world.kernel.processes.len(),
        world.kernel.guests_per_worker(),
    );
    let processes = &world.kernel.processes;
    let pids = processes.pids().into_iter().filter(|pid| *pid != 1);
    let who: Vec<_> = pids
        .map(|pid| (pid, processes.state_of(pid), processes.relations(pid)))
        .collect();
    assert_eq!(left, quiet, "processes and guests are left: {who:?}");
    let charged = [Class::Guests, Class::Pipes].map(|class| world.kernel.budget().used(class));
    // Without a root nobody could remove the queues.
    assert!(
        !has_root || charged == [0, 0],
        "memory is left charged: {charged:?}"
    );
    match world.try_guest() {
        Ok(guest) => {
            assert!(guest.sys("getpid", &[]).is_ok());
            // A pod with a guest in it would keep its memory.
            end(&world, &guest);
        }
        Err(error) => assert!(
            !has_root || world.kernel.budget().is_short(),
            "no further guest: {error:?}"
        ),
    }
}

impl Round<'_> {
    /// Whether nobody has mounted something over the root, by way of a link: no program is there.
    fn has_root(&self) -> bool {
        let root = self.world.kernel.root();
        root.is_ok_and(|root| root.is_same(&self.root))
    }

    /// Has one more guest begin when there are few, and takes in those that others have made.
    fn welcome(&mut self) {
        if self.players.len() < MIN_GUESTS {
            self.adopt();
        }
        while self.players.len() < MIN_GUESTS {
            let guest = match self.world.try_guest() {
                Ok(guest) => guest,
                Err(error) => {
                    assert!(
                        !self.has_root() || self.world.kernel.budget().is_short(),
                        "no further guest: {error:?}"
                    );
                    break;
                }
            };
            stock(&mut self.random, &guest);
            self.join(guest);
        }
        let pids = self.players.iter().map(|player| player.guest.id());
        self.finds.pids = pids.collect();
    }

    fn join(&mut self, guest: Guest) {
        self.tally.new_guest();
        self.players.push(Player {
            guest,
            parked: None,
        });
    }

    fn knows(&self, task: &Arc<Task>) -> bool {
        let mut players = self.players.iter();
        players.any(|player| Arc::ptr_eq(&player.guest.task, task))
    }

    /// Takes in guests whose beginning nobody saw.
    fn adopt(&mut self) {
        let mut nr_missing = self.world.kernel.nr_guests();
        for slot in (0..).map(Slot) {
            if nr_missing == 0 {
                return;
            }
            let Some(task) = self.world.kernel.task(slot) else {
                continue;
            };
            nr_missing -= 1;
            if !self.knows(&task)
                && let Some(guest) = self.world.guest_in(slot)
            {
                self.join(guest);
            }
        }
    }

    /// Has one guest do something; whether it made a call.
    fn step(&mut self) -> bool {
        if self.players.is_empty() {
            self.world.advance(1_000_000);
            return false;
        }
        let index = self.random.index(self.players.len());
        let guest = self.players[index].guest.clone();
        let progress = guest.go_on();
        self.world.run();
        if progress == Progress::Dead || !self.world.kernel.is_alive(guest.process.pid) {
            self.bury(index, &guest);
            return false;
        }
        if let (Some(call), Progress::Returned(_)) = (self.players[index].parked, progress) {
            self.players[index].parked = None;
            self.tally.result(call, progress);
            self.learn(call, progress);
        }
        if guest.is_parked() {
            self.wait(&guest);
            return false;
        }
        match self.random.below(128) {
            0 => stock(&mut self.random, &guest),
            1..4 => self.fork(&guest),
            4..8 => self.vfork(&guest),
            _ => {
                self.call(index, &guest);
                return true;
            }
        }
        self.world.run();
        false
    }

    /// Time passes, and from time to time a signal comes.
    fn wait(&mut self, guest: &Guest) {
        if self.random.below(8) == 0 {
            let signal = [10_i32, 10, 14, 18, 9][self.random.index(5)];
            self.watch
                .call(guest.id(), "a signal", &[signal.cast_unsigned()]);
            let _gone = self.world.kernel.kill(guest.pid(), signal);
        }
        let ns = u64::from(self.random.below(1_000_000_000));
        self.world.advance(ns);
    }

    /// A guest is over, unless its process goes on with another program in its instance.
    fn bury(&mut self, index: usize, guest: &Guest) {
        let _dead = guest.breathe();
        self.world.run();
        // On another Worker it goes on as another task.
        let seated = self.world.kernel.task(guest.task.slot);
        let goes_on = self.world.kernel.is_alive(guest.process.pid)
            && seated.is_some_and(|task| Arc::ptr_eq(&task, &guest.task));
        if goes_on && guest.stack().is_none() {
            // Its next program waits until the other threads have left.
            return;
        }
        if goes_on && guest.go_on() == Progress::Dead && !guest.is_parked() {
            guest.start_over();
            self.players[index].parked = None;
            if guest.breathe() != Progress::Dead {
                return;
            }
            self.world.run();
        }
        self.players.swap_remove(index);
    }

    fn fork(&mut self, guest: &Guest) {
        if self.players.len() >= MAX_GUESTS {
            return;
        }
        let [admit, split, result] = FORK_STEPS;
        self.watch.call(guest.id(), "the steps of fork", &[]);
        let step = |step: u32| guest.call(move |task| task.fork_step(step, 0));
        if step(admit) == Progress::Returned(FORK) && step(split) == Progress::Returned(1) {
            let child = step(result).result();
            // Before it runs: somebody may kill it at once.
            if let Some(child) = child.ok().and_then(|pid| self.world.try_thread(pid)) {
                self.tally.forked();
                self.join(child);
            }
        }
    }

    fn vfork(&mut self, guest: &Guest) {
        self.watch.call(guest.id(), "vfork and execve", &[]);
        if self.players.len() < MAX_GUESTS && guest.sys("vfork", &[]) == Ok(0) {
            if guest.word(STRINGS).is_err() {
                // Its frame is another guest's, and this one has not the Worker's turn.
                assert!(!self.has_frames, "a guest without memory");
                return;
            }
            let _pid = guest.exec(b"/init", &[b"init"], &[]);
            self.adopt();
        }
    }

    fn call(&mut self, index: usize, guest: &Guest) {
        let (call, progress) = if self.random.below(32) == 0 {
            (Call::Wasi, self.call_wasi(guest))
        } else {
            let row = self.random.index(SYSCALLS.len());
            (Call::Linux(row), self.call_linux(guest, row))
        };
        self.tally.made(call, progress);
        self.players[index].parked = (progress == Progress::Parked).then_some(call);
        self.learn(call, progress);
        self.world.run();
    }

    fn call_linux(&mut self, guest: &Guest, row: usize) -> Progress {
        let row = &SYSCALLS[row];
        let mut words = words_of(&mut self.random, guest, &self.finds, row);
        if row.name == "mount" {
            // Where nothing may be executed no further guest starts, nor where a root hides it.
            words[1] = put_string(guest, AREA + STRIDE, MOUNT_POINTS[self.random.index(3)]);
            words[3] &= !MS_NOEXEC;
        }
        self.watch.call(guest.id(), row.name, &words);
        guest.enter(row.number, &words)
    }

    fn call_wasi(&mut self, guest: &Guest) -> Progress {
        let number = self.random.index(FUNCTIONS.len());
        let function = &FUNCTIONS[number];
        let words = words_of_wasi(&mut self.random, function);
        let (first, behind) = words.split_at(words.len().min(6));
        self.watch.call(guest.id(), function.name, first);
        if !behind.is_empty() {
            guest.enter(MORE, behind);
        }
        guest.enter(BASE + function.row, first)
    }

    /// Keeps what a call's result is good for.
    fn learn(&mut self, call: Call, progress: Progress) {
        let (Call::Linux(row), Ok(word)) = (call, progress.result()) else {
            return;
        };
        let name = SYSCALLS[row].name;
        self.finds.keep(name, word);
        if name == "clone"
            && let Some(thread) = self.world.try_thread(word)
        {
            self.join(thread);
        }
    }

    /// Ends all guests.
    fn end(&mut self) {
        self.adopt();
        let mut nr_ended = 0;
        while let Some(player) = self.players.pop() {
            nr_ended += 1;
            assert!(nr_ended < 1000, "{:?} cannot be ended", player.guest);
            end(&self.world, &player.guest);
            if self.players.is_empty() {
                self.world.run();
                // Children whose parent was stopped before it heard of their exec.
                self.adopt();
            }
        }
        self.world.run();
    }
}

/// Removes what outlives processes: queues of messages, by a process of its own.
fn clean(world: &World) {
    const IPC_RMID: u32 = 0;
    const NR_QUEUES: u32 = 40;
    let Ok(guest) = world.try_guest() else {
        return;
    };
    for name in [&b"queue"[..], b"q2"] {
        let _none = guest.sys("mq_unlink", &[put_string(&guest, STRINGS, name)]);
    }
    // An id is a slot and how many there were before; whoever made one may have died of it.
    for id in (0..NR_QUEUES).flat_map(|before| (0..8).map(move |slot| before << 15 | slot)) {
        let _none = guest.sys("msgctl", &[id, IPC_RMID, 0]);
    }
    // Circles of sockets in messages are looked for when one is closed, as on Linux.
    if guest.sys("socketpair", &[1, 1, 0, DATA]).is_ok() {
        let _closed = guest.sys("close_range", &[0, u32::MAX, 0]);
    }
    end(world, &guest);
}

/// Kills a guest and whoever it lends its instance to.
fn end(world: &World, guest: &Guest) {
    for _ in 0..8 {
        let _gone = world.kernel.kill(guest.pid(), SIGKILL.cast_signed());
        world.run();
        if guest.go_on() == Progress::Dead {
            break;
        }
        // The instance is its parent's again, who may stop there.
        if !guest.is_parked() && guest.sys("exit_group", &[0]) == Err(Errno::ECANCELED) {
            break;
        }
    }
    world.run();
}
