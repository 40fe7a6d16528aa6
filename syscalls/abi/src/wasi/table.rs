//! The functions of WASI preview 1: one row each.
//!
//! A row is `(number, family::name, (parameters))`. From it come the types that the loader expects of
//! an import, and the dispatch of `syscalls::wasi`.

use super::WasiFd;
use crate::types::UserAddr;

/// Calls a macro with all rows.
#[macro_export]
macro_rules! for_each_wasi_function {
    ($callback:ident) => {
        $callback! {
            (0, process::args_get, (argv: UserAddr, buf: UserAddr)),
            (1, process::args_sizes_get, (count: UserAddr, len: UserAddr)),
            (2, process::environ_get, (environ: UserAddr, buf: UserAddr)),
            (3, process::environ_sizes_get, (count: UserAddr, len: UserAddr)),
            (4, clock::clock_res_get, (clock: u32, resolution: UserAddr)),
            (5, clock::clock_time_get, (clock: u32, precision: u64, time: UserAddr)),
            (6, file::fd_advise, (fd: WasiFd, offset: u64, len: u64, advice: u32)),
            (7, file::fd_allocate, (fd: WasiFd, offset: u64, len: u64)),
            (8, descriptor::fd_close, (fd: WasiFd)),
            (9, file::fd_datasync, (fd: WasiFd)),
            (10, status::fd_fdstat_get, (fd: WasiFd, status: UserAddr)),
            (11, status::fd_fdstat_set_flags, (fd: WasiFd, flags: u32)),
            (12, status::fd_fdstat_set_rights, (fd: WasiFd, base: u64, inheriting: u64)),
            (13, status::fd_filestat_get, (fd: WasiFd, status: UserAddr)),
            (14, file::fd_filestat_set_size, (fd: WasiFd, len: u64)),
            (15, status::fd_filestat_set_times, (fd: WasiFd, atim: u64, mtim: u64, flags: u32)),
            (16, file::fd_pread, (fd: WasiFd, iovs: UserAddr, count: u32, offset: u64, done: UserAddr)),
            (17, descriptor::fd_prestat_get, (fd: WasiFd, prestat: UserAddr)),
            (18, descriptor::fd_prestat_dir_name, (fd: WasiFd, name: UserAddr, len: u32)),
            (19, file::fd_pwrite, (fd: WasiFd, iovs: UserAddr, count: u32, offset: u64, done: UserAddr)),
            (20, file::fd_read, (fd: WasiFd, iovs: UserAddr, count: u32, done: UserAddr)),
            (21, directory::fd_readdir, (fd: WasiFd, buf: UserAddr, len: u32, cookie: u64, used: UserAddr)),
            (22, descriptor::fd_renumber, (from: WasiFd, to: WasiFd)),
            (23, file::fd_seek, (fd: WasiFd, distance: i64, whence: u32, offset: UserAddr)),
            (24, file::fd_sync, (fd: WasiFd)),
            (25, file::fd_tell, (fd: WasiFd, offset: UserAddr)),
            (26, file::fd_write, (fd: WasiFd, iovs: UserAddr, count: u32, done: UserAddr)),
            (27, path::path_create_directory, (fd: WasiFd, path: UserAddr, len: u32)),
            (28, path::path_filestat_get,
                (fd: WasiFd, lookup: u32, path: UserAddr, len: u32, status: UserAddr)),
            (29, path::path_filestat_set_times,
                (fd: WasiFd, lookup: u32, path: UserAddr, len: u32, atim: u64, mtim: u64, flags: u32)),
            (30, path::path_link,
                (old_fd: WasiFd, lookup: u32, old: UserAddr, old_len: u32,
                 new_fd: WasiFd, new: UserAddr, new_len: u32)),
            (31, open::path_open,
                (fd: WasiFd, lookup: u32, path: UserAddr, len: u32, how: u32,
                 rights: u64, inheriting: u64, flags: u32, opened: UserAddr)),
            (32, path::path_readlink,
                (fd: WasiFd, path: UserAddr, len: u32, buf: UserAddr, buf_len: u32, used: UserAddr)),
            (33, path::path_remove_directory, (fd: WasiFd, path: UserAddr, len: u32)),
            (34, path::path_rename,
                (old_fd: WasiFd, old: UserAddr, old_len: u32, new_fd: WasiFd, new: UserAddr, new_len: u32)),
            (35, path::path_symlink,
                (target: UserAddr, target_len: u32, fd: WasiFd, path: UserAddr, len: u32)),
            (36, path::path_unlink_file, (fd: WasiFd, path: UserAddr, len: u32)),
            (37, poll::poll_oneoff, (subscriptions: UserAddr, events: UserAddr, count: u32, ready: UserAddr)),
            (38, process::proc_exit, (status: u32)),
            (39, process::proc_raise, (signal: u32)),
            (40, process::sched_yield, ()),
            (41, process::random_get, (buf: UserAddr, len: u32)),
            (42, socket::sock_recv,
                (fd: WasiFd, iovs: UserAddr, count: u32, flags: u32, done: UserAddr, out_flags: UserAddr)),
            (43, socket::sock_send, (fd: WasiFd, iovs: UserAddr, count: u32, flags: u32, done: UserAddr)),
            (44, socket::sock_shutdown, (fd: WasiFd, how: u32)),
            (45, socket::sock_accept, (fd: WasiFd, flags: u32, accepted: UserAddr)),
        }
    };
}

/// The WebAssembly type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param {
    /// `i32`: one word.
    I32,
    /// `i64`: two words.
    I64,
}

impl Param {
    /// How many words it takes.
    pub const fn nr_words(self) -> usize {
        match self {
            Self::I32 => 1,
            Self::I64 => 2,
        }
    }
}

/// The type of a parameter in a row.
trait Argument {
    const PARAM: Param;
}

macro_rules! arguments {
    ($($type:ty => $param:ident,)*) => {
        $(impl Argument for $type {
            const PARAM: Param = Param::$param;
        })*
    };
}

arguments! {
    u32 => I32,
    WasiFd => I32,
    UserAddr => I32,
    u64 => I64,
    i64 => I64,
}

/// A function of the interface.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its place in [`FUNCTIONS`].
    pub row: u32,
    /// The name of the import.
    pub name: &'static str,
    /// Its parameters. The result is an `i32`, an error number; `proc_exit` has none.
    pub params: &'static [Param],
    /// Whether `wasi_unstable` has it too.
    pub is_in_preview0: bool,
}

impl Function {
    /// Whether it returns.
    pub const fn has_result(&self) -> bool {
        self.row != 38
    }
}

macro_rules! functions {
    ($(($row:literal, $family:ident :: $name:ident, ($($arg:ident : $type:ty),*)),)*) => {
        /// All functions, by number.
        pub const FUNCTIONS: &[Function] = &[
            $(Function {
                row: $row,
                name: stringify!($name),
                params: &[$(<$type as Argument>::PARAM),*],
                is_in_preview0: $row != 45,
            },)*
        ];
    };
}

for_each_wasi_function!(functions);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proc_exit_returns_nothing() {
        for function in FUNCTIONS {
            assert_eq!(function.has_result(), function.name != "proc_exit");
        }
    }

    #[test]
    fn parameters_have_the_types_of_the_specification() {
        use Param::{I32, I64};
        let of = |name: &str| {
            let function = FUNCTIONS.iter().find(|function| function.name == name);
            function.unwrap().params
        };
        assert_eq!(of("fd_seek"), [I32, I64, I32, I32]);
        assert_eq!(
            of("path_open"),
            [I32, I32, I32, I32, I32, I64, I64, I32, I32]
        );
        assert_eq!(of("fd_readdir"), [I32, I32, I32, I64, I32]);
        assert_eq!(of("sched_yield"), []);
    }
}
