//! Routines that convert structures, look at addresses, and write and measure text.

use abi::wali::{Layout, Member};
use wasm_encoder::BlockType;

use super::body::{Body, at};
use super::routine::Routine;

/// `log2` of the bytes of a page of WebAssembly memory.
const PAGE_SHIFT: i64 = 16;

/// `(narrow, wide)`.
pub(super) fn widen(body: &mut Body<'_>, layout: &Layout) {
    const NARROW: u32 = 0;
    const WIDE: u32 = 1;
    clear(body, WIDE, layout.wide_len);
    for member in layout.members {
        let from = at(member.narrow);
        let to = at(member.wide);
        let mut code = body.code();
        code.local_get(WIDE).local_get(NARROW);
        match (member.narrow_len, member.wide_len) {
            (8, _) => code.i64_load(from).i64_store(to),
            (4, 8) if member.is_signed => code.i64_load32_s(from).i64_store(to),
            (4, 8) => code.i64_load32_u(from).i64_store(to),
            (2, _) => code.i32_load16_u(from).i32_store16(to),
            _ => code.i32_load(from).i32_store(to),
        };
    }
}

/// `(wide, narrow)`.
pub(super) fn narrow(body: &mut Body<'_>, layout: &Layout) {
    const WIDE: u32 = 0;
    const NARROW: u32 = 1;
    clear(body, NARROW, layout.narrow_len);
    for member in layout.members {
        body.get(NARROW);
        push_narrow(body, WIDE, member);
        let to = at(member.narrow);
        match member.narrow_len {
            8 => body.code().i64_store(to),
            2 => body.code().i32_store16(to),
            _ => body.code().i32_store(to),
        };
    }
}

/// Pushes a member of the structure at a local as linux32 has it.
fn push_narrow(body: &mut Body<'_>, wide: u32, member: &Member) {
    let value = body.wide();
    let from = at(member.wide);
    let mut code = body.code();
    code.local_get(wide);
    match (member.wide_len, member.narrow_len) {
        (8, 8) => code.i64_load(from),
        // The call refuses the largest number wherever it would refuse a larger one.
        (8, _) if member.is_signed => code
            .i64_load(from)
            .local_tee(value)
            .i32_wrap_i64()
            .local_get(value)
            .i64_const(63)
            .i64_shr_s()
            .i32_wrap_i64()
            .i32_const(i32::MAX)
            .i32_xor()
            .local_get(value)
            .local_get(value)
            .i32_wrap_i64()
            .i64_extend_i32_s()
            .i64_eq()
            .select(),
        (2, _) => code.i32_load16_u(from),
        _ => code.i32_load(from),
    };
}

fn clear(body: &mut Body<'_>, address: u32, len: u32) {
    body.get(address);
    body.word(0);
    body.word(len);
    body.code().memory_fill(0);
}

/// `(address, len) -> whether all of it is memory, and not at 0`.
pub(super) fn fits(body: &mut Body<'_>) {
    const ADDRESS: u32 = 0;
    const LEN: u32 = 1;
    body.code()
        .local_get(ADDRESS)
        .i64_extend_i32_u()
        .local_get(LEN)
        .i64_extend_i32_u()
        .i64_add()
        .memory_size(0)
        .i64_extend_i32_u()
        .i64_const(PAGE_SHIFT)
        .i64_shl()
        .i64_le_u()
        .i32_const(0)
        .local_get(ADDRESS)
        .select();
}

/// `(address, byte) -> bytes before the NUL`, or -1 if one of them is `byte`.
pub(super) fn length(body: &mut Body<'_>) {
    const ADDRESS: u32 = 0;
    const STOP: u32 = 1;
    let [end, byte] = body.locals();
    body.get(ADDRESS);
    body.set(end);
    body.repeat(|body| {
        body.code()
            .local_get(end)
            .i32_load8_u(at(0))
            .local_tee(byte)
            .i32_eqz();
        body.break_if();
        body.code().local_get(byte).local_get(STOP).i32_eq();
        body.when(|body| {
            body.code().i32_const(-1).return_();
        });
        body.get_plus(end, 1);
        body.set(end);
    });
    body.code().local_get(end).local_get(ADDRESS).i32_sub();
}

/// `(value, address) -> the end`.
pub(super) fn decimal(body: &mut Body<'_>) {
    const VALUE: u32 = 0;
    const ADDRESS: u32 = 1;
    const BASE: i32 = 10;
    const ZERO: i32 = 0x30;
    body.code()
        .local_get(VALUE)
        .i32_const(BASE)
        .i32_ge_u()
        .if_(BlockType::Empty)
        .local_get(VALUE)
        .i32_const(BASE)
        .i32_div_u()
        .local_get(ADDRESS);
    body.call(Routine::Decimal);
    body.set(ADDRESS);
    body.end();
    body.code()
        .local_get(ADDRESS)
        .local_get(VALUE)
        .i32_const(BASE)
        .i32_rem_u()
        .i32_const(ZERO)
        .i32_add()
        .i32_store8(at(0));
    body.get_plus(ADDRESS, 1);
}
