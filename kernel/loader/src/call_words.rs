//! Pushes the words of a system call, as the parameters of an import have them.
//!
//! A call of Linux has six words; one of WASI may have more, which are sent before it. Neighbour: the
//! stubs in `call_shim`.

use abi::special::UNKNOWN_BASE;
use abi::wasi::{BASE, END};
use wasm_encoder::InstructionSink;

use crate::imports::{self as calls, Call, Number, Target};

/// Words of a system call.
pub(crate) const NR_ARGUMENTS: usize = 6;

/// Pushes the number and the six words of a call; a 64-bit parameter is two words, low first.
pub(crate) fn push_call(code: &mut InstructionSink<'_>, call: &Call) {
    let mut params = (0_u32..).zip(&call.params);
    match call.target {
        Target::Call(number) => word(code, number),
        Target::Fork => word(code, calls::FORK),
        // Asks the module itself: no call.
        Target::Shape => return,
        Target::Indirect => match params.next() {
            Some((local, Number::I64)) => code.local_get(local).i32_wrap_i64(),
            Some((local, _)) => code.local_get(local),
            None => word(code, UNKNOWN_BASE),
        },
        Target::Unknown(index) => word(code, UNKNOWN_BASE.saturating_add(index)),
    };
    if matches!(call.target, Target::Unknown(_)) {
        params = (0_u32..).zip(&[]);
    }
    let words: Vec<Word> = params.flat_map(words_of).collect();
    push_words(code, &words);
}

/// The words of a function of WASI behind the first six. Calls of Linux have none.
pub(crate) fn words_behind(call: &Call) -> Option<Vec<Word>> {
    if !matches!(call.target, Target::Call(BASE..END)) {
        return None;
    }
    let words = (0_u32..).zip(&call.params).flat_map(words_of);
    let more: Vec<Word> = words.skip(NR_ARGUMENTS).collect();
    (!more.is_empty()).then_some(more)
}

fn words_of((local, number): (u32, &Number)) -> Vec<Word> {
    match number {
        Number::I64 => vec![Word::Low(local), Word::High(local)],
        _ => vec![Word::Whole(local)],
    }
}

/// Pushes six words: the first of `words`, and zeros for those that are not there.
pub(crate) fn push_words(code: &mut InstructionSink<'_>, words: &[Word]) {
    let zeros = std::iter::repeat_n(&Word::Zero, NR_ARGUMENTS);
    for argument in words.iter().chain(zeros).take(NR_ARGUMENTS) {
        match *argument {
            Word::Whole(local) => code.local_get(local),
            Word::Low(local) => code.local_get(local).i32_wrap_i64(),
            Word::High(local) => code
                .local_get(local)
                .i64_const(32)
                .i64_shr_u()
                .i32_wrap_i64(),
            Word::Zero => code.i32_const(0),
        };
    }
}

/// An argument of a system call, by the parameter that it comes from.
#[derive(Clone, Copy)]
pub(crate) enum Word {
    Whole(u32),
    Low(u32),
    High(u32),
    Zero,
}

pub(crate) fn word<'s, 'b>(
    code: &'s mut InstructionSink<'b>,
    value: u32,
) -> &'s mut InstructionSink<'b> {
    code.i32_const(value.cast_signed())
}
