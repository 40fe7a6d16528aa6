//! From a number to a handler: made from the table.

use std::sync::Arc;

use abi::Errno;
use abi::special::UNKNOWN_BASE;
use executor::sync::Lock;
use kernel::Kernel;
use kernel::call::{Fault, Outcome};
use kernel::platform::Level;
use kernel::process::Task;

use crate::arg::{FromArg, IntoOutcome, Words};
use crate::context::Cx;
use crate::{
    credentials, dir, event, fd, file, futex, inotify, memory, mqueue, pidfd, pipe, poll, process,
    signal, socket, system, sysv, time, timer, tty, wasi, xattr,
};

/// Makes system call `number` for `task`; what the shim does with the result is in
/// [`kernel::process::Task`].
pub fn enter(kernel: &Arc<Kernel>, task: &Arc<Task>, number: u32, args: &[u32; 6]) -> u32 {
    if task.is_over() {
        // Another thread, perhaps on another Worker, has ended it.
        return abi::special::DIE;
    }
    let cx = Cx { kernel, task };
    if number == abi::wasi::MORE {
        // Half a call: what has become of the task shows in the other half.
        return wasi::more(cx, args);
    }
    let outcome = match memory::meet(cx, number) {
        Ok(false) => dispatch(cx, number, args),
        Ok(true) => memory::meet_again(cx, dispatch(cx, number, args)),
        Err(error) => Outcome::Ready(Err(error.into())),
    };
    task.finish(kernel, outcome)
}

macro_rules! dispatcher {
    ($(($number:literal, $kind:ident, $family:ident :: $name:ident,
        ($($arg:ident : $type:ty),*), $level:ident $(($note:literal))?, $man:literal,
        linux32 = $linux32:literal),)*) => {
        fn dispatch(cx: Cx<'_>, number: u32, args: &[u32; 6]) -> Outcome<u32> {
            use abi::types::{Fd, OpenFlags, Pid, UserAddr};
            #[expect(unused_mut, unused_variables, reason = "calls without arguments")]
            match number {
                $($number => {
                    let mut words = Words(args, 0);
                    $(let $arg = <$type>::from_arg(&mut words);)*
                    $family::$name(cx, $($arg),*).into_outcome()
                })*
                abi::wasi::BASE..abi::wasi::END => wasi::dispatch(cx, number, args),
                abi::special::ATOMIC_WAIT => futex::atomic_wait(cx, args),
                abi::special::ATOMIC_NOTIFY => futex::atomic_notify(cx, args).into_outcome(),
                _ => unknown(cx, number),
            }
        }
    };
}

abi::for_each_syscall!(dispatcher);

/// What the log has named already.
static NAMED: Lock<Vec<String>> = Lock::new(Vec::new());

/// How many names are kept: a guest that tries all numbers fills neither memory nor the log.
const MAX_NAMED: usize = 500;

/// `ENOSYS`, and the call's name in the log, once.
fn unknown(cx: Cx<'_>, number: u32) -> Outcome<u32> {
    let what = match abi::table::name_of(number) {
        Some(name) => format!("system call {name} is not implemented"),
        None if number >= UNKNOWN_BASE => {
            let import = cx
                .process()
                .unknown_import(number.wrapping_sub(UNKNOWN_BASE));
            format!("import {import} is not implemented")
        }
        None => format!("there is no system call {number}"),
    };
    let mut named = NAMED.lock();
    if named.len() < MAX_NAMED && !named.contains(&what) {
        let message = format!("pid {}: {what}", cx.task.pid());
        named.push(what);
        drop(named);
        cx.kernel.log(Level::Warning, &message);
    }
    Outcome::Ready(Err(Fault::from(Errno::ENOSYS)))
}
