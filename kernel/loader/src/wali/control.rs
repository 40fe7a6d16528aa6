//! Control messages of sockets: a head of 16 bytes, aligned to 8, here; 12, aligned to 4, in linux32.

use wasm_encoder::InstructionSink;

use super::body::{Body, at};

/// Bytes of `struct cmsghdr` here: length, padding, level, kind.
const WIDE_HEAD: u32 = 16;
/// Bytes of it in linux32: length, level, kind.
const NARROW_HEAD: u32 = 12;

/// `(wide, len, narrow) -> len` of linux32's, which has room for as many bytes.
///
/// A message whose length cannot be gets the length 0, for which the call fails.
pub(super) fn narrow(body: &mut Body<'_>) {
    const WIDE: u32 = 0;
    const LEN: u32 = 1;
    const NARROW: u32 = 2;
    let [source, target, len, from, to] = body.locals();
    body.repeat(|body| {
        body.get_plus(source, WIDE_HEAD);
        body.code().local_get(LEN).i32_gt_u();
        body.break_if();
        sum(body, WIDE, source, from);
        sum(body, NARROW, target, to);
        body.load(from, 0);
        body.set(len);
        // Shorter than its head, or longer than what is left.
        body.get(len);
        body.word(WIDE_HEAD);
        body.code()
            .i32_lt_u()
            .local_get(len)
            .local_get(LEN)
            .local_get(source)
            .i32_sub()
            .i32_gt_u()
            .i32_or();
        body.when(|body| {
            body.store(to, 0, |body| body.word(0));
            body.get_plus(target, NARROW_HEAD);
            body.code().return_();
        });
        body.store(to, 0, |body| {
            body.get_plus(len, minus(WIDE_HEAD - NARROW_HEAD))
        });
        body.store64(to, 4, |body| {
            body.code().local_get(from).i64_load(at(8));
        });
        body.get_plus(to, NARROW_HEAD);
        body.get_plus(from, WIDE_HEAD);
        body.get_plus(len, minus(WIDE_HEAD));
        body.code().memory_copy(0, 0);
        advance(body, source, 8, |code| {
            code.local_get(len);
        });
        advance(body, target, 4, |code| {
            code.local_get(to).i32_load(at(0));
        });
    });
    body.get(target);
}

/// `(narrow, len, wide, room) -> len` of the wide ones; with the highest bit when some were cut.
pub(super) fn widen(body: &mut Body<'_>) {
    const NARROW: u32 = 0;
    const LEN: u32 = 1;
    const WIDE: u32 = 2;
    const ROOM: u32 = 3;
    /// Set in the result when there was no room for all.
    const IS_CUT: i32 = i32::MIN;
    let [source, target, len, from, to, is_cut] = body.locals();
    body.repeat(|body| {
        body.get_plus(source, NARROW_HEAD);
        body.code().local_get(LEN).i32_gt_u();
        body.break_if();
        sum(body, NARROW, source, from);
        sum(body, WIDE, target, to);
        body.load(from, 0);
        body.word(WIDE_HEAD - NARROW_HEAD);
        body.code().i32_add().local_set(len);
        body.code()
            .local_get(len)
            .local_get(ROOM)
            .local_get(target)
            .i32_sub()
            .i32_gt_u();
        body.when(|body| {
            body.code()
                .i32_const(IS_CUT)
                .local_set(is_cut)
                .local_get(ROOM)
                .local_get(target)
                .i32_sub()
                .local_set(len);
        });
        body.get(len);
        body.word(WIDE_HEAD);
        body.code().i32_lt_u();
        body.break_if();
        body.store64(to, 0, |body| {
            body.code().local_get(len).i64_extend_i32_u();
        });
        body.store64(to, 8, |body| {
            body.code().local_get(from).i64_load(at(4));
        });
        body.get_plus(to, WIDE_HEAD);
        body.get_plus(from, NARROW_HEAD);
        body.get_plus(len, minus(WIDE_HEAD));
        body.code().memory_copy(0, 0);
        advance(body, source, 4, |code| {
            code.local_get(from).i32_load(at(0));
        });
        advance(body, target, 8, |code| {
            code.local_get(len);
        });
        // No more than there is.
        body.code()
            .local_get(target)
            .local_get(ROOM)
            .local_get(target)
            .local_get(ROOM)
            .i32_lt_u()
            .select()
            .local_set(target);
    });
    body.code().local_get(target).local_get(is_cut).i32_or();
}

/// What is to be added to subtract.
const fn minus(value: u32) -> u32 {
    value.wrapping_neg()
}

fn sum(body: &mut Body<'_>, base: u32, offset: u32, result: u32) {
    body.code()
        .local_get(base)
        .local_get(offset)
        .i32_add()
        .local_set(result);
}

/// Adds a length, rounded up to a multiple of `alignment`.
fn advance(
    body: &mut Body<'_>,
    local: u32,
    alignment: i32,
    push: impl FnOnce(&mut InstructionSink<'_>),
) {
    let mut code = body.code();
    code.local_get(local);
    push(&mut code);
    code.i32_const(alignment.saturating_sub(1))
        .i32_add()
        .i32_const(alignment.saturating_neg())
        .i32_and()
        .i32_add()
        .local_set(local);
}
