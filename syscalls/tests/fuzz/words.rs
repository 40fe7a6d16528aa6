//! The words of a call: for each argument something that its name and type suggest, or garbage.

use abi::table::SyscallInfo;
use abi::wasi::{Function, Param};
use kernel::platform::UserMemory;

use super::{numbers, stock, structures};
use crate::common::{DATA, Guest, Random};

/// Where the structures of a call's arguments lie, one each [`STRIDE`] bytes.
pub const AREA: u32 = 0x2_0000;
pub const STRIDE: u32 = 0x1000;

/// `AT_FDCWD`.
const CWD: u32 = (-100_i32).cast_unsigned();

/// How many of the last identifiers and addresses are remembered.
const NR_FINDS: usize = 8;

/// What calls gave that others take, and whom there is.
#[derive(Default)]
pub struct Finds {
    /// Results of `shmget`, `timer_create` and the like.
    ids: Vec<u32>,
    /// Where memory was mapped.
    addresses: Vec<u32>,
    /// Processes and threads.
    pub pids: Vec<u32>,
}

impl Finds {
    /// Keeps what the result of call `name` is good for.
    pub fn keep(&mut self, name: &str, word: u32) {
        let list = match name {
            "shmget" | "semget" | "msgget" | "inotify_add_watch" => &mut self.ids,
            "mmap2" | "shmat" | "mremap" | "brk" => &mut self.addresses,
            _ => return,
        };
        if list.len() >= NR_FINDS {
            list.remove(0);
        }
        list.push(word);
    }

    pub fn id(&self, random: &mut Random) -> u32 {
        match pick(random, &self.ids) {
            Some(id) if random.below(4) > 0 => id,
            _ => random.below(4),
        }
    }

    pub fn address(&self, random: &mut Random) -> u32 {
        match pick(random, &self.addresses) {
            Some(address) if random.below(4) > 0 => address + 0x1000 * random.below(2),
            _ => 0x1000 * random.below(0x60),
        }
    }

    pub fn pid(&self, random: &mut Random) -> u32 {
        match random.below(6) {
            0 => 0,
            1 => pick(random, &self.pids).unwrap_or(1).wrapping_neg(),
            _ => pick(random, &self.pids).unwrap_or(1),
        }
    }
}

/// One of `list`.
pub fn pick<T: Copy>(random: &mut Random, list: &[T]) -> Option<T> {
    if list.is_empty() {
        return None;
    }
    list.get(random.index(list.len())).copied()
}

/// The words of a call of `row` by `guest`.
pub fn words_of(random: &mut Random, guest: &Guest, finds: &Finds, row: &SyscallInfo) -> Vec<u32> {
    let mut words = Vec::new();
    for (place, (name, kind)) in (0..).zip(row.args) {
        let is_garbage = random.below(24) == 0;
        let word = match *kind {
            _ if is_garbage => random.garbage(),
            "Fd" => descriptor(random, row, name),
            "Pid" => finds.pid(random),
            "UserAddr" => match random.below(24) {
                0 => 0,
                1 => bad_address(random, guest),
                _ => {
                    let at = AREA + STRIDE * place;
                    structures::place(random, guest, finds, (row.name, name), at)
                }
            },
            _ => numbers::number(random, finds, (row.name, name), &words),
        };
        words.push(word);
        if *kind == "i64" {
            words.push(match random.below(24) {
                0 => random.garbage(),
                _ => 0,
            });
        }
    }
    words
}

/// The words of a function of WASI, of which only the types are known.
pub fn words_of_wasi(random: &mut Random, function: &Function) -> Vec<u32> {
    let mut words = Vec::new();
    for (place, param) in function.params.iter().enumerate() {
        words.push(match (place, random.below(8)) {
            (_, 0) => random.garbage(),
            (0, 1..6) => random.below(8),
            (_, 1..5) => DATA + 0x40 * random.below(16),
            _ => random.below(40),
        });
        if *param == Param::I64 {
            words.push(0);
        }
    }
    words
}

/// An address at an edge, or beyond.
fn bad_address(random: &mut Random, guest: &Guest) -> u32 {
    let end = guest.memory.size_pages() << 16;
    let odd = [
        end.wrapping_sub(1),
        end.wrapping_sub(8),
        end.wrapping_sub(3),
        end,
        end.wrapping_add(0x1000),
        1,
        3,
        DATA + 1,
        0x7fff_fff8,
        0x8000_0000,
        0xffff_e000,
        u32::MAX,
    ];
    odd[random.index(odd.len())]
}

/// A descriptor: of the kind that the call is for, or any.
fn descriptor(random: &mut Random, row: &SyscallInfo, name: &str) -> u32 {
    if random.below(3) == 0 {
        return random.below(stock::NR_FILES + 4);
    }
    let sockets = [5, 6, 7, 8, stock::LISTENER, 20, 21];
    let wanted: &[u32] = match (row.family, row.name, name) {
        (_, _, "dir" | "old_dir" | "new_dir") => match random.below(4) {
            0 => &[stock::DIRECTORY],
            _ => &[CWD],
        },
        (_, "mmap2", _) => &[stock::FILE, stock::MEMFD, u32::MAX, u32::MAX],
        (_, "accept" | "accept4" | "listen", _) => &[stock::LISTENER],
        ("socket", ..) => &sockets,
        (_, _, "epoll") => &[stock::EPOLL],
        (_, _, "inotify") => &[stock::INOTIFY],
        (_, _, "pidfd") => &[stock::PIDFD],
        ("pidfd", ..) => &[stock::PIDFD],
        ("mqueue", ..) => &[stock::QUEUE],
        ("timer", ..) => &[stock::TIMER],
        (_, "signalfd" | "signalfd4", _) => &[stock::SIGNAL, u32::MAX],
        (_, "getdents64" | "fchdir", _) => &[stock::DIRECTORY],
        (_, "ioctl", _) => &[stock::PTMX, stock::PTY, stock::PIPE, stock::STREAM],
        (_, "fallocate" | "copy_file_range" | "sendfile64", _) => {
            &[stock::FILE, stock::MEMFD, stock::APPEND]
        }
        (_, "tee" | "splice", "in_fd") => &[stock::PIPE],
        (_, "tee" | "splice", "out_fd") => &[stock::PIPE_WRITE],
        (_, "vmsplice", _) => &[stock::PIPE, stock::PIPE_WRITE],
        (_, "dup2" | "dup3", "new_fd") => return random.below(40),
        (_, "close", _) => return stock::NR_FILES + random.below(20),
        _ => return random.below(stock::NR_FILES),
    };
    pick(random, wanted).unwrap_or(0)
}
