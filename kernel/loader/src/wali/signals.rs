//! Actions of signals: handlers that take a `siginfo_t` get it in their own form.
//!
//! Such a handler is not what the kernel is told of, but [`Routine::Handler`], in a slot of the table
//! that the pass adds; and [`Routine::PlainHandler`] instead of the function 1. Which handler a signal has is in the page of the process, so that all its
//! threads and its children know it.

use abi::Errno;
use abi::wali::layout::{SIGACTION, SIGINFO};
use wasm_encoder::ValType::I32;

use super::body::{Body, at};
use super::routine::Routine;

/// `SA_SIGINFO`: the handler takes three arguments.
const SA_SIGINFO: i32 = 4;

/// `SIG_IGN` of WALI, where 1 is a function; `SIG_ERR` is one more.
const IGNORE: u32 = 0xffff_fffe;
/// `SIG_IGN` of Linux.
const IGNORE_IN_LINUX: u32 = 1;

/// Signals are 1 to 64.
const NR_SIGNALS: u32 = 64;

/// Offset of the handler in both forms.
const HANDLER: u32 = 0;
/// Offset of the flags in both forms.
const FLAGS: u32 = 4;

/// `rt_sigaction(signal, action, old action, size of a set)`.
pub(super) fn action(body: &mut Body<'_>) {
    const SIGNAL: u32 = 0;
    const NEW: u32 = 1;
    const OLD: u32 = 2;
    const SIZE: u32 = 3;
    const OLD_IN_FRAME: u32 = 32;
    let [result, saved, kept] = body.locals();
    let frame = body.frame_local();
    let slot = body.assembly.places.table.map(|(_, slot)| slot);
    if slot.is_some() {
        body.assembly.routine(Routine::Handler);
        body.assembly.routine(Routine::PlainHandler);
    }
    body.enter(OLD_IN_FRAME.saturating_mul(2));
    // Where this signal's handler is kept; 0 for what is no signal.
    if slot.is_some() {
        push_kept(body, SIGNAL);
        body.word(0);
        body.get_plus(SIGNAL, u32::MAX);
        body.word(NR_SIGNALS);
        body.code().i32_lt_u().select().local_tee(kept);
        body.when(|body| {
            body.load(kept, 0);
            body.set(saved);
        });
    }
    body.get(NEW);
    body.when(|body| {
        fail_unless_there(body, NEW);
        body.get(NEW);
        body.frame(0);
        body.call(Routine::Narrow(&SIGACTION));
        if let Some(slot) = slot {
            redirect(body, SIGNAL, kept, slot);
        }
        body.load(frame, HANDLER);
        body.word(IGNORE);
        body.code().i32_eq();
        body.when(|body| body.store(frame, HANDLER, |body| body.word(IGNORE_IN_LINUX)));
    });
    body.get(SIGNAL);
    for (param, offset) in [(NEW, 0), (OLD, OLD_IN_FRAME)] {
        body.frame(offset);
        body.word(0);
        body.code().local_get(param).select();
    }
    body.get(SIZE);
    body.syscall("rt_sigaction", 4);
    body.code()
        .local_tee(result)
        .i32_const(0)
        .local_get(kept)
        .select();
    body.when(|body| body.store(kept, 0, |body| body.get(saved)));
    body.word(0);
    body.code().local_get(OLD).local_get(result).select();
    body.when(|body| {
        fail_unless_there(body, OLD);
        body.frame(OLD_IN_FRAME);
        body.get(OLD);
        body.call(Routine::Widen(&SIGACTION));
        body.load(OLD, HANDLER);
        body.word(IGNORE_IN_LINUX);
        body.code().i32_eq();
        body.when(|body| body.store(OLD, HANDLER, |body| body.word(IGNORE)));
        if let Some(slot) = slot {
            // One of the two slots.
            body.load(OLD, HANDLER);
            body.word(slot);
            body.code().i32_sub();
            body.word(2);
            body.code().i32_lt_u();
            body.when(|body| body.store(OLD, HANDLER, |body| body.get(saved)));
        }
    });
    body.leave();
    body.result(result);
    body.code().return_();
}

/// Tells the kernel of a routine instead of the handler in the frame, where it has to.
///
/// In WALI, `SIG_IGN` is -2 and 1 a function. But Rust's standard library ignores `SIGPIPE` by 1.
fn redirect(body: &mut Body<'_>, signal: u32, kept: u32, slot: u32) {
    const SIGPIPE: i32 = 13;
    let frame = body.frame_local();
    let [_, _, _, handler, instead] = body.locals();
    body.load(frame, HANDLER);
    body.set(handler);
    // Neither SIG_DFL nor the two behind all functions, and of a signal.
    body.get_plus(handler, u32::MAX);
    body.word(IGNORE.saturating_sub(1));
    body.code()
        .i32_lt_u()
        .local_get(kept)
        .i32_const(0)
        .i32_ne()
        .i32_and();
    body.get(handler);
    body.word(IGNORE_IN_LINUX);
    body.code()
        .i32_ne()
        .local_get(signal)
        .i32_const(SIGPIPE)
        .i32_ne()
        .i32_or()
        .i32_and();
    body.when(|body| {
        // For three arguments the first routine; for the function 1 the second; else none.
        body.load(frame, FLAGS);
        body.code().i32_const(SA_SIGINFO).i32_and();
        body.when(|body| {
            body.word(slot);
            body.set(instead);
        });
        body.load(frame, FLAGS);
        body.code().i32_const(SA_SIGINFO).i32_and().i32_eqz();
        body.get(handler);
        body.word(IGNORE_IN_LINUX);
        body.code().i32_eq().i32_and();
        body.when(|body| {
            body.word(slot.saturating_add(1));
            body.set(instead);
        });
        body.get(instead);
        body.when(|body| {
            // Before the call: the signal may come with its end.
            body.store(kept, 0, |body| body.get(handler));
            body.store(frame, HANDLER, |body| body.get(instead));
        });
    });
}

fn fail_unless_there(body: &mut Body<'_>, param: u32) {
    body.misses(param, |body| body.word(SIGACTION.wide_len));
    body.when(|body| {
        body.leave();
        body.fail(Errno::EFAULT);
    });
}

/// Pushes where the handler of a signal is kept.
fn push_kept(body: &mut Body<'_>, signal: u32) {
    let page = body.assembly.places.page;
    body.code().local_get(signal).i32_const(2).i32_shl();
    body.word(page);
    body.code().i32_add();
}

/// `(signal)`.
pub(super) fn plain_handler(body: &mut Body<'_>) {
    const SIGNAL: u32 = 0;
    let Some((table, _)) = body.assembly.places.table else {
        body.code().unreachable();
        return;
    };
    body.get(SIGNAL);
    push_kept(body, SIGNAL);
    body.code().i32_load(at(0));
    let handler = body.assembly.type_index(&[I32], &[]);
    body.code().call_indirect(table, handler);
}

/// `(signal, siginfo, ucontext)`.
pub(super) fn handler(body: &mut Body<'_>) {
    const SIGNAL: u32 = 0;
    const INFO: u32 = 1;
    const CONTEXT: u32 = 2;
    let Some((table, _)) = body.assembly.places.table else {
        body.code().unreachable();
        return;
    };
    body.enter(SIGINFO.wide_len);
    body.get(INFO);
    body.frame(0);
    body.call(Routine::Widen(&SIGINFO));
    body.get(SIGNAL);
    body.frame(0);
    body.get(CONTEXT);
    push_kept(body, SIGNAL);
    body.code().i32_load(at(0));
    let handler = body.assembly.type_index(&[I32; 3], &[]);
    body.code().call_indirect(table, handler);
    body.leave();
}
