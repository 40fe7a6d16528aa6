//! Actions of signals: handlers that take a `siginfo_t` get it in their own form.
//!
//! Such a handler is not what the kernel is told of, but [`Routine::Handler`], in a slot of the table
//! that the pass adds. Which handler a signal has is in the page of the process, so that all its
//! threads and its children know it.

use abi::Errno;
use abi::wali::layout::{SIGACTION, SIGINFO};
use wasm_encoder::ValType::I32;

use super::body::{Body, at};
use super::routine::Routine;

/// `SA_SIGINFO`: the handler takes three arguments.
const SA_SIGINFO: i32 = 4;

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
        let Some(slot) = slot else {
            return;
        };
        // SIG_DFL and SIG_IGN are no handlers.
        body.load(frame, FLAGS);
        body.code().i32_const(SA_SIGINFO).i32_and();
        body.word(0);
        body.load(frame, HANDLER);
        body.code().i32_const(1).i32_gt_u().select();
        body.word(0);
        body.code().local_get(kept).select();
        body.when(|body| {
            // Before the call: the signal may come with its end.
            body.store(kept, 0, |body| body.load(frame, HANDLER));
            body.store(frame, HANDLER, |body| body.word(slot));
        });
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
        if let Some(slot) = slot {
            body.load(OLD, HANDLER);
            body.word(slot);
            body.code().i32_eq();
            body.when(|body| body.store(OLD, HANDLER, |body| body.get(saved)));
        }
    });
    body.leave();
    body.result(result);
    body.code().return_();
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
