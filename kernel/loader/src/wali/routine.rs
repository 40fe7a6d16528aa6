//! The functions that the pass may add to a module.

use abi::wali::{self, Arg, Call, Form, Layout};
use wasm_encoder::ValType::{self, I32, I64};

/// One function of the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Routine {
    /// `SYS_<name>`.
    Call(&'static str, Call),
    /// A function of the interface that is no system call.
    Aside(Aside),
    /// `(narrow, wide)`: converts a structure.
    Widen(&'static Layout),
    /// `(wide, narrow)`: converts a structure.
    Narrow(&'static Layout),
    /// `(address, len) -> whether all of it is memory, and not at 0`.
    Fits,
    /// `(address, byte) -> bytes before the NUL`, or -1 if one of them is `byte`.
    Length,
    /// `(value, address) -> the end`: writes a number in decimal.
    Decimal,
    /// `(wide, len, narrow) -> len`: control messages to send.
    NarrowControl,
    /// `(narrow, len, wide, room) -> len`: received control messages; negative when some are cut.
    WidenControl,
    /// `(signal, siginfo, ucontext)`: calls a handler with a converted `siginfo_t`.
    Handler,
    /// `(signal)`: calls a handler whose number would mean something else to the kernel.
    PlainHandler,
    /// `()`: a jump whose function has returned ends the program.
    LostJump,
    /// `_start(stack)`: keeps the address of the arguments, and starts the program.
    Start,
    /// `__wasm_thread_start(stack)`: starts a thread.
    ThreadStart,
}

/// Functions of the interface that are no system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aside {
    /// `__init`, `__deinit`, `__set_thread_area`: there is nothing to be done.
    Nothing,
    /// `__proc_exit(status)`.
    Exit,
    /// `__cl_get_argc() -> how many`.
    ArgumentCount,
    /// `__cl_get_argv_len(index) -> bytes without the NUL`.
    ArgumentLen,
    /// `__cl_copy_argv(buf, index) -> 0`.
    CopyArgument,
    /// `__get_init_envfile(buf, size) -> whether there is one`.
    EnvironmentFile,
    /// `__wasm_thread_spawn(function, argument) -> thread id`.
    Spawn,
    /// `setjmp(env) -> 0`.
    SetJump,
    /// `sigsetjmp(env, is_mask_saved) -> 0`.
    SetJumpAndMask,
    /// `longjmp(env, value)`, and its kin.
    LongJump,
    /// `__unmapself(address, len)`: ends a thread that gives its stack back.
    UnmapSelf,
    /// `__restore()`: handlers return by themselves.
    Restore,
}

impl Aside {
    /// The function of this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "__init" | "__deinit" | "__set_thread_area" => Self::Nothing,
            "__proc_exit" => Self::Exit,
            "__cl_get_argc" => Self::ArgumentCount,
            "__cl_get_argv_len" => Self::ArgumentLen,
            "__cl_copy_argv" => Self::CopyArgument,
            "__get_init_envfile" => Self::EnvironmentFile,
            "__wasm_thread_spawn" => Self::Spawn,
            "setjmp" | "_setjmp" | "__setjmp" => Self::SetJump,
            "sigsetjmp" | "__sigsetjmp" => Self::SetJumpAndMask,
            "longjmp" | "_longjmp" | "siglongjmp" => Self::LongJump,
            "__unmapself" => Self::UnmapSelf,
            "__restore" | "__restore_rt" => Self::Restore,
            _ => return None,
        })
    }
}

impl Aside {
    /// Whether a longjmp may come back to a call of it.
    pub(super) const fn sets_jump(self) -> bool {
        matches!(self, Self::SetJump | Self::SetJumpAndMask)
    }
}

impl Routine {
    /// The routine for an import of the module `wali`.
    pub(super) fn of_import(name: &str) -> Option<Self> {
        match name.strip_prefix(wali::PREFIX) {
            Some(name) => wali::call(name).map(|call| Self::Call(name_of(call), call)),
            None => Aside::of(name).map(Self::Aside),
        }
    }

    /// Its parameters and result.
    pub(super) fn signature(self) -> (Vec<ValType>, Option<ValType>) {
        match self {
            Self::Call(name, call) => (call_params(name, call), Some(I64)),
            Self::Aside(aside) => match aside {
                Aside::Nothing | Aside::ArgumentCount => (vec![], Some(I32)),
                Aside::Exit => (vec![I32], None),
                Aside::ArgumentLen | Aside::SetJump => (vec![I32], Some(I32)),
                Aside::CopyArgument
                | Aside::EnvironmentFile
                | Aside::Spawn
                | Aside::SetJumpAndMask => (vec![I32; 2], Some(I32)),
                Aside::LongJump | Aside::UnmapSelf => (vec![I32; 2], None),
                Aside::Restore => (vec![], None),
            },
            Self::Widen(_) | Self::Narrow(_) => (vec![I32; 2], None),
            Self::Fits | Self::Length | Self::Decimal => (vec![I32; 2], Some(I32)),
            Self::NarrowControl => (vec![I32; 3], Some(I32)),
            Self::WidenControl => (vec![I32; 4], Some(I32)),
            Self::Handler => (vec![I32; 3], None),
            Self::LostJump => (vec![], None),
            Self::PlainHandler | Self::Start | Self::ThreadStart => (vec![I32], None),
        }
    }
}

/// The name as the tables have it, which outlives the module.
fn name_of(call: Call) -> &'static str {
    match call {
        Call::Row(row) => row.name,
        Call::Plain(info) => info.linux32,
    }
}

fn call_params(name: &str, call: Call) -> Vec<ValType> {
    match call {
        Call::Plain(info) => info
            .args
            .iter()
            .map(|&(_, kind)| if kind == "i64" { I64 } else { I32 })
            .collect(),
        Call::Row(row) => match row.form {
            Form::Args(args) | Form::Address(args) => args
                .iter()
                .filter_map(|arg| match arg {
                    Arg::Const(_) => None,
                    Arg::Pair => Some(I64),
                    Arg::Word | Arg::Skip | Arg::In(_) | Arg::Out(_) | Arg::InOut(_) => Some(I32),
                })
                .collect(),
            Form::Special | Form::Unserved(_) => special_params(name),
        },
    }
}

fn special_params(name: &str) -> Vec<ValType> {
    match name {
        "lseek" => vec![I32, I64, I32],
        "mmap" => vec![I32, I32, I32, I32, I32, I64],
        "rt_sigaction" | "semctl" | "epoll_wait" => vec![I32; 4],
        "shmctl" | "msgctl" | "fcntl" | "sendmsg" | "recvmsg" => vec![I32; 3],
        "setsockopt" | "getsockopt" => vec![I32; 5],
        "gettimeofday" => vec![I32; 2],
        "time" => vec![I32],
        _ => vec![I32; 6],
    }
}
