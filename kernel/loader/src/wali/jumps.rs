//! setjmp and longjmp: what stands for the imports. The functions that call them are `crate::jump`'s.
//!
//! ```text
//!   jmp_buf   0: activation   8: call   12: stack pointer   16: whether there is a mask   24: the mask
//! ```
//! An activation is never 0, and no two calls of functions have the same, in all threads: what counts
//! them is in the page of the process. So a buffer whose function has returned is told from all
//! others, where its jump arrives: nobody takes it, and whatever began the stack ends the program.

use wasm_encoder::{BlockType, Catch};

use super::body::{Body, at};
use super::process::text;
use super::routine::Routine;
use crate::jump::{CARRIED, Seams};

const ACTIVATION: u32 = 0;
const CALL: u32 = 8;
const POINTER: u32 = 12;
const HAS_MASK: u32 = 16;
const MASK: u32 = 24;

/// Bytes of a signal set.
const MASK_LEN: u32 = 8;
const SIG_SETMASK: u32 = 2;

/// In the page of the process: the last activation, and room for a message.
const LAST: u32 = 512;
const MESSAGE: u32 = 520;

/// `setjmp(env) -> 0`.
pub(super) fn set(body: &mut Body<'_>) {
    const ENV: u32 = 0;
    if let Some(seams) = body.assembly.places.jumps {
        mark(body, ENV, seams);
        body.store(ENV, HAS_MASK, |body| body.word(0));
    }
    body.word(0);
}

/// `sigsetjmp(env, is_mask_saved) -> 0`.
pub(super) fn set_with_mask(body: &mut Body<'_>) {
    const ENV: u32 = 0;
    const SAVES: u32 = 1;
    if let Some(seams) = body.assembly.places.jumps {
        // Nothing comes between this and the caller: a handler may run in the call below.
        let kept = body.wide();
        let [call] = body.locals();
        let marks = [seams.marks, seams.marks.saturating_add(1)];
        for (mark, local) in marks.into_iter().zip([kept, call]) {
            body.code().global_get(mark).local_set(local);
        }
        body.get(SAVES);
        body.when(|body| {
            body.word(SIG_SETMASK);
            body.word(0);
            body.get_plus(ENV, MASK);
            body.word(MASK_LEN);
            body.syscall("rt_sigprocmask", 4);
            body.code().drop();
        });
        for (mark, local) in marks.into_iter().zip([kept, call]) {
            body.code().local_get(local).global_set(mark);
        }
        mark(body, ENV, seams);
        body.store(ENV, HAS_MASK, |body| {
            body.code().local_get(SAVES).i32_const(0).i32_ne();
        });
    }
    body.word(0);
}

/// Writes the caller's activation and call into the buffer, and gives it an activation if it has none.
///
/// Without marks it was called as no function may: no jump comes back.
fn mark(body: &mut Body<'_>, env: u32, seams: Seams) {
    let last = body.assembly.places.page.saturating_add(LAST);
    let activation = seams.marks;
    let call = seams.marks.saturating_add(1);
    body.code().global_get(call);
    body.when(|body| {
        body.code().global_get(activation).i64_eqz();
        body.when(|body| {
            body.word(last);
            body.word(last);
            body.code()
                .i64_load(at(0))
                .i64_const(1)
                .i64_add()
                .i64_store(at(0));
            body.word(last);
            body.code().i64_load(at(0)).global_set(activation);
        });
    });
    body.store64(env, ACTIVATION, |body| {
        body.code()
            .global_get(activation)
            .i64_const(0)
            .global_get(call)
            .select();
    });
    body.store(env, CALL, |body| {
        body.code().global_get(call);
    });
    body.store(env, POINTER, |body| {
        body.code().global_get(seams.stack_pointer);
    });
    body.word(0);
    body.code().global_set(call);
}

/// `longjmp(env, value)`.
pub(super) fn long(body: &mut Body<'_>) {
    const ENV: u32 = 0;
    const VALUE: u32 = 1;
    let Some(seams) = body.assembly.places.jumps else {
        body.call(Routine::LostJump);
        body.code().unreachable();
        return;
    };
    body.get(ENV);
    body.code().i64_load(at(ACTIVATION)).i64_eqz();
    body.when(|body| {
        body.call(Routine::LostJump);
        body.code().unreachable();
    });
    body.load(ENV, HAS_MASK);
    body.when(|body| {
        body.word(SIG_SETMASK);
        body.get_plus(ENV, MASK);
        body.word(0);
        body.word(MASK_LEN);
        body.syscall("rt_sigprocmask", 4);
        body.code().drop();
    });
    body.get(ENV);
    body.code().i64_load(at(ACTIVATION));
    body.load(ENV, CALL);
    body.load(ENV, POINTER);
    body.get(VALUE);
    body.word(1);
    body.get(VALUE);
    body.code().select().throw(seams.tag);
}

/// Calls the function that begins a stack, as `call` does: a jump that nobody has taken ends the program.
pub(super) fn around(body: &mut Body<'_>, call: impl FnOnce(&mut Body<'_>)) {
    let Some(Seams { tag, is_legacy, .. }) = body.assembly.places.jumps else {
        return call(body);
    };
    let carried = CARRIED.map(crate::fork::types::encoded);
    let carried = BlockType::FunctionType(body.assembly.type_index(&[], &carried));
    body.code().block(BlockType::Empty).block(carried);
    if is_legacy {
        body.code().try_(BlockType::Empty);
    } else {
        let catch = Catch::One { tag, label: 0 };
        body.code().try_table(BlockType::Empty, [catch]);
    }
    call(body);
    body.code().br(2);
    if is_legacy {
        body.code().catch(tag).br(1);
    }
    body.code().end().unreachable().end();
    for _ in CARRIED {
        body.code().drop();
    }
    body.call(Routine::LostJump);
    body.code().end();
}

/// `()`: says what has happened as glibc does, and to the kernel's log; ends the program by `SIGABRT`.
pub(super) fn lost(body: &mut Body<'_>) {
    const SIGABRT: u32 = 6;
    const STDERR: u32 = 2;
    const LINE: [[u8; 8]; 8] = [
        *b"*** long",
        *b"jmp caus",
        *b"es unini",
        *b"tialized",
        *b" stack f",
        *b"rame ***",
        *b": termin",
        *b"ated\n\0\0\0",
    ];
    const LINE_LEN: u32 = 61;
    let message = body.assembly.places.page.saturating_add(MESSAGE);
    for (address, part) in (message..).step_by(8).zip(LINE) {
        body.word(address);
        body.code().i64_const(text(part)).i64_store(at(0));
    }
    body.word(STDERR);
    body.word(message);
    body.word(LINE_LEN);
    body.syscall("write", 3);
    body.code().drop();
    let nothing = body.assembly.type_index(&[], &[]);
    let unknown = body.assembly.import(
        abi::wali::MODULE,
        "longjmp to a function that has returned",
        nothing,
    );
    body.code().call(unknown);
    body.syscall("getpid", 0);
    body.word(SIGABRT);
    body.syscall("kill", 2);
    body.code().drop().unreachable();
}
