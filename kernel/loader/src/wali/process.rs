//! Functions that are no system calls: arguments, the environment, threads, the end.

use wasm_encoder::ValType::I32;

use super::body::{Body, FIRST, at};
use super::jumps;
use super::routine::{Aside, Routine};

/// Clone's flags for a thread that shares all.
const THREAD_FLAGS: u32 = 0x0005_0f00;

/// Writes one of the functions.
pub(super) fn write(body: &mut Body<'_>, aside: Aside) {
    match aside {
        Aside::Nothing => body.word(0),
        Aside::SetJump => jumps::set(body),
        Aside::SetJumpAndMask => jumps::set_with_mask(body),
        Aside::Restore => {}
        Aside::Exit => {
            body.get(0);
            body.syscall("exit_group", 1);
            body.code().drop();
        }
        Aside::ArgumentCount => count(body),
        Aside::ArgumentLen => {
            argument_or_zero(body);
            body.word(0);
            body.call(Routine::Length);
        }
        Aside::CopyArgument => copy_argument(body),
        Aside::EnvironmentFile => environment_file(body),
        Aside::Spawn => spawn(body),
        Aside::LongJump => jumps::long(body),
        Aside::UnmapSelf => {
            body.get(0);
            body.get(1);
            body.syscall("munmap", 2);
            body.code().drop();
            end_thread(body);
        }
    }
}

/// `_start(stack)`.
pub(super) fn start(body: &mut Body<'_>) {
    let (start, takes_stack) = body.assembly.places.start;
    body.word(body.assembly.places.page);
    body.code().local_get(0).i32_store(at(0));
    jumps::around(body, |body| {
        if takes_stack {
            body.get(0);
        }
        body.code().call(start);
    });
}

/// Leaves the address of the arguments in a local: `argc`, `argv` and `envp` as on Linux.
fn find_stack(body: &mut Body<'_>, stack: u32) {
    body.word(body.assembly.places.page);
    body.code().i32_load(at(0)).local_set(stack);
}

fn count(body: &mut Body<'_>) {
    let stack = body.local(FIRST);
    find_stack(body, stack);
    body.load(stack, 0);
}

/// Pushes the address of argument `index`.
fn push_argument(body: &mut Body<'_>, stack: u32, index: u32) {
    body.code()
        .local_get(stack)
        .local_get(index)
        .i32_const(2)
        .i32_shl()
        .i32_add()
        .i32_load(at(4));
}

/// Pushes the address of the argument whose number is the first parameter; returns 0 without one.
fn argument_or_zero(body: &mut Body<'_>) {
    const INDEX: u32 = 0;
    let stack = body.local(FIRST);
    find_stack(body, stack);
    body.get(INDEX);
    body.load(stack, 0);
    body.code().i32_ge_u();
    body.when(|body| {
        body.word(0);
        body.code().return_();
    });
    push_argument(body, stack, INDEX);
}

/// `__cl_copy_argv(buf, index)`, with the NUL.
fn copy_argument(body: &mut Body<'_>) {
    const BUF: u32 = 0;
    const INDEX: u32 = 1;
    let [stack, argument] = body.locals();
    find_stack(body, stack);
    body.get(INDEX);
    body.load(stack, 0);
    body.code().i32_ge_u();
    body.when(|body| {
        body.code().i32_const(-1).return_();
    });
    push_argument(body, stack, INDEX);
    body.set(argument);
    body.get(BUF);
    body.get(argument);
    body.get(argument);
    body.word(0);
    body.call(Routine::Length);
    body.word(1);
    body.code().i32_add().memory_copy(0, 0);
    body.word(0);
}

/// Eight bytes of a text as they lie in memory.
pub(super) const fn text(bytes: [u8; 8]) -> i64 {
    i64::from_le_bytes(bytes)
}

/// `__get_init_envfile(buf, size)`: writes the path of a file with a line for each variable.
///
/// The file is in memory, and its descriptor is out of the program's way. A variable with a newline
/// cannot be in such a file, and is left out.
fn environment_file(body: &mut Body<'_>) {
    const BUF: u32 = 0;
    const SIZE: u32 = 1;
    /// `/proc/self/fd/`, ten digits, a NUL.
    const PATH_LEN: u32 = 25;
    const PREFIX_LEN: u32 = 14;
    const MFD_CLOEXEC: u32 = 1;
    const NEWLINE: u32 = 0x0a;
    let [file, stack, at_variable, variable, len] = body.locals();
    let frame = body.frame_local();
    body.get(SIZE);
    body.word(PATH_LEN);
    body.code().i32_lt_u();
    body.misses(BUF, |body| body.word(PATH_LEN));
    body.code().i32_or();
    return_zero_if(body);
    body.enter(16);
    body.store64(frame, 0, |body| {
        body.code().i64_const(text(*b"environ\0"));
    });
    body.store(frame, 8, |body| body.word(NEWLINE));
    body.frame(0);
    body.word(MFD_CLOEXEC);
    body.syscall("memfd_create", 2);
    body.code().local_tee(file).i32_const(0).i32_lt_s();
    body.when(|body| {
        body.leave();
        body.word(0);
        body.code().return_();
    });
    move_away(body, file, variable);
    find_stack(body, stack);
    // Behind argc, the arguments, and their null.
    body.load(stack, 0);
    body.code()
        .i32_const(2)
        .i32_shl()
        .local_get(stack)
        .i32_add();
    body.word(8);
    body.code().i32_add().local_set(at_variable);
    body.repeat(|body| {
        body.load(at_variable, 0);
        body.code().local_tee(variable).i32_eqz();
        body.break_if();
        body.get_plus(at_variable, 4);
        body.set(at_variable);
        body.get(variable);
        body.word(NEWLINE);
        body.call(Routine::Length);
        body.code().local_tee(len).i32_const(0).i32_gt_s();
        body.when(|body| {
            for (address, len) in [(variable, Some(len)), (frame, None)] {
                body.get(file);
                body.get_plus(address, if len.is_some() { 0 } else { 8 });
                match len {
                    Some(len) => body.get(len),
                    None => body.word(1),
                }
                body.syscall("write", 3);
                body.code().drop();
            }
        });
    });
    body.leave();
    body.store64(BUF, 0, |body| {
        body.code().i64_const(text(*b"/proc/se"));
    });
    body.store64(BUF, 6, |body| {
        body.code().i64_const(text(*b"self/fd/"));
    });
    body.get(file);
    body.get_plus(BUF, PREFIX_LEN);
    body.call(Routine::Decimal);
    body.word(0);
    body.code().i32_store8(at(0));
    body.word(1);
}

fn return_zero_if(body: &mut Body<'_>) {
    body.when(|body| {
        body.word(0);
        body.code().return_();
    });
}

/// Moves a descriptor to a high number, if it may have one.
fn move_away(body: &mut Body<'_>, file: u32, moved: u32) {
    const F_DUPFD_CLOEXEC: u32 = 1030;
    const AWAY: u32 = 200;
    body.get(file);
    body.word(F_DUPFD_CLOEXEC);
    body.word(AWAY);
    body.syscall("fcntl64", 3);
    body.code().local_tee(moved).i32_const(0).i32_gt_s();
    body.when(|body| {
        body.get(file);
        body.syscall("close", 1);
        body.code().drop().local_get(moved).local_set(file);
    });
}

/// `__wasm_thread_spawn(function, argument)`: the argument's first word is the end of a stack, where
/// the thread finds both.
fn spawn(body: &mut Body<'_>) {
    const FUNCTION: u32 = 0;
    const ARGUMENT: u32 = 1;
    const ROOM: u32 = 16;
    let stack = body.local(FIRST);
    let fail = |body: &mut Body<'_>| {
        body.code()
            .i32_const(abi::Errno::EFAULT.number().saturating_neg())
            .return_();
    };
    body.misses(ARGUMENT, |body| body.word(8));
    body.when(fail);
    body.load(ARGUMENT, 0);
    body.word(ROOM);
    body.code()
        .i32_sub()
        .i32_const(-16)
        .i32_and()
        .local_set(stack);
    body.misses(stack, |body| body.word(ROOM));
    body.when(fail);
    body.store(stack, 0, |body| body.get(FUNCTION));
    body.store(stack, 4, |body| body.get(ARGUMENT));
    body.word(THREAD_FLAGS);
    body.get(stack);
    for _ in 0..3 {
        body.word(0);
    }
    body.syscall("clone", 5);
}

/// `__wasm_thread_start(stack)`.
pub(super) fn thread_start(body: &mut Body<'_>) {
    const STACK: u32 = 0;
    let Some((table, _)) = body.assembly.places.table else {
        body.code().unreachable();
        return;
    };
    jumps::around(body, |body| {
        body.syscall("gettid", 0);
        body.load(STACK, 4);
        body.load(STACK, 0);
        let entry = body.assembly.type_index(&[I32; 2], &[]);
        body.code().call_indirect(table, entry);
    });
    end_thread(body);
}

fn end_thread(body: &mut Body<'_>) {
    body.word(0);
    body.syscall("exit", 1);
    body.code().drop();
}
