//! Several Workers, each a thread, whose guests signal, wait for and start each other: nothing
//! deadlocks, and nobody is left when all have ended.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
#![expect(clippy::arithmetic_side_effects, reason = "test code")]

mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use abi::Errno;
use common::{
    ANY, DATA, Guest, HANDLER, Random, SA_RESTART, SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGTERM,
    SIGUSR1, WNOHANG, WUNTRACED, World,
};
use executor::sync::Lock;
use kernel::testing::Progress;

const WORKERS: u32 = 4;
/// Steps of each Worker.
const STEPS: u32 = 10_000;
/// A Worker that is not done by then has a guest that cannot be ended.
const MAX_STEPS: u32 = 50_000_000;
/// A Worker with as many guests starts no more.
const MAX_GUESTS: usize = 12;

/// What the threads share.
struct Shared {
    world: World,
    /// Guests that a Worker has not met yet.
    arrivals: Vec<Lock<Vec<Guest>>>,
    /// Some pids that were alive a moment ago.
    pids: Vec<AtomicU32>,
    /// Workers that start nothing any more.
    nr_finished: AtomicU32,
}

impl Shared {
    fn welcome(&self, guest: Guest, random: &mut Random) {
        self.pids[random.index(self.pids.len())].store(guest.id(), Ordering::Relaxed);
        let worker = usize::try_from(guest.task.executor().worker().0).unwrap();
        self.arrivals[worker].lock().push(guest);
    }

    /// Starts a child, on a Worker of its choice; a signal may stop it on the way.
    fn start_child(&self, guest: &Guest, random: &mut Random) {
        let before = guest.pid();
        if guest.sys("vfork", &[]) != Ok(0) {
            return;
        }
        let child = guest.pid();
        guest.put_words(DATA, &[1 << random.below(WORKERS), 0]);
        let is_held = |result: common::Result| result == Err(Errno::EINPROGRESS);
        if child == before
            || is_held(guest.sys("sched_setaffinity", &[0, 8, DATA]))
            || random.below(4) == 0 && is_held(guest.sys("setpgid", &[0, 0]))
        {
            return;
        }
        let _child_or_error = guest.exec(b"/init", &[b"init"], &[]);
        if guest.pid() != child && self.world.kernel.is_alive(child) {
            self.welcome(self.world.of(child.cast_unsigned()), random);
        }
    }

    /// One call of a guest that is not parked.
    fn act(&self, guest: &Guest, nr_guests: usize, random: &mut Random) {
        let other = self.pids[random.index(self.pids.len())].load(Ordering::Relaxed);
        let _result = match random.below(12) {
            0 | 1 if nr_guests < MAX_GUESTS => {
                self.start_child(guest, random);
                Ok(0)
            }
            2 => guest.sys("exit_group", &[random.below(9)]),
            3 => guest.wait(ANY, WNOHANG | WUNTRACED).map(|(pid, _)| pid),
            4 => guest.wait(ANY, 0).map(|(pid, _)| pid),
            5 => guest.kill(other, SIGSTOP),
            6 | 7 => guest.kill(other, SIGCONT),
            8 => guest.kill(other, SIGUSR1),
            9 => guest.kill(other, [SIGTERM, SIGKILL][random.index(2)]),
            10 => guest.sys("alarm", &[1]),
            _ => guest.sys("getppid", &[]),
        };
    }

    /// The life of a Worker.
    fn work(&self, worker: usize) {
        let mut random = Random::new(u32::try_from(worker).unwrap() + 1);
        let mut guests: Vec<Guest> = Vec::new();
        for step in 0_u32.. {
            assert!(step < MAX_STEPS, "guests that do not end: {guests:?}");
            if step == STEPS {
                self.nr_finished.fetch_add(1, Ordering::SeqCst);
            }
            let is_over = self.nr_finished.load(Ordering::SeqCst) == WORKERS;
            let arrived = std::mem::take(&mut *self.arrivals[worker].lock());
            self.world.run_worker(worker);
            for guest in &arrived {
                settle_in(guest);
            }
            guests.extend(arrived);
            if guests.is_empty() {
                if is_over {
                    return;
                }
                if step < STEPS {
                    self.welcome(self.world.new_guest(), &mut random);
                }
                thread::yield_now();
                continue;
            }
            let index = random.index(guests.len());
            let guest = guests[index].clone();
            match guest.go_on() {
                Progress::Dead => drop(guests.swap_remove(index)),
                _ if step > STEPS => {
                    let _gone = self.world.kernel.kill(guest.pid(), SIGKILL.cast_signed());
                    if !guest.is_parked() {
                        let _dead = guest.sys("exit_group", &[0]);
                    }
                }
                _ if guest.is_parked() => {
                    if random.below(8) == 0 {
                        let _woken = self.world.kernel.kill(guest.pid(), SIGCONT.cast_signed());
                    }
                }
                _ => self.act(&guest, guests.len(), &mut random),
            }
        }
    }
}

/// The first calls of a guest, unless a signal has ended or stopped it already.
fn settle_in(guest: &Guest) {
    for (signal, flags) in [(SIGUSR1, SA_RESTART), (SIGCHLD, 0)] {
        guest.put_words(DATA, &[HANDLER, flags, 0, 0, 0]);
        if guest.sys("rt_sigaction", &[signal, DATA, 0, 8]) != Ok(0) {
            return;
        }
    }
}

#[test]
fn workers_share_processes_without_losing_any() {
    let shared = Shared {
        world: World::with_workers(WORKERS),
        arrivals: (0..WORKERS).map(|_| Lock::new(Vec::new())).collect(),
        pids: (0..16).map(|_| AtomicU32::new(0)).collect(),
        nr_finished: AtomicU32::new(0),
    };
    thread::scope(|scope| {
        let shared = &shared;
        for worker in 0..usize::try_from(WORKERS).unwrap() {
            scope.spawn(move || shared.work(worker));
        }
    });
    shared.world.run();
    assert_eq!(shared.world.kernel.processes.pids(), [1]);
    assert_eq!(shared.world.kernel.guests_per_worker(), [0; 4]);
}
