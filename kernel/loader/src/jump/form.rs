//! A function that calls setjmp.
//!
//! ```text
//!   loop again
//!     block jumped
//!       try                           a jump: with what it carries, behind `jumped`
//!         block body .. end           the function; its own label
//!         return
//!       end
//!     end
//!     if it is not for this activation: throw it on
//!     take back the stack pointer, and what was kept at the call
//!     br again                        and from there to the call, which gives the value
//!   end
//! ```
//! A buffer that is used at the same call again leaves the older one's values behind: C gives a program
//! only those that it has not changed since.

use wasm_encoder::{BlockType, Catch, Instruction};
use wasmparser::ValType;

use super::{CARRIED, Seams};
use crate::fork::scan::Spot;
use crate::fork::writer::{Form, Operands, Writer};

/// Locals of the form's own: what a jump carries, and the activation of this frame.
const NR_WORDS: u32 = 4;
const THROWN: u32 = 0;
const ACTIVATION: u32 = 1;
const POINTER: u32 = 2;
const VALUE: u32 = 3;

/// Values that a function may keep: engines take 50,000 locals.
const MAX_KEPT: usize = 20_000;

/// A function in which setjmp may return once more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Returns {
    pub(super) seams: Seams,
    /// Whether it calls setjmp at all.
    pub(super) calls: bool,
}

impl Form for Returns {
    fn resumes(self) -> bool {
        self.calls
    }

    fn takes_arguments(self) -> bool {
        true
    }

    fn hidden_tag(self) -> Option<(u32, &'static [ValType])> {
        Some((self.seams.tag, &CARRIED))
    }

    fn locals(writer: &mut Writer<'_, '_, Self>) -> Option<Vec<ValType>> {
        let mut locals = vec![ValType::I64, ValType::I64, ValType::I32, ValType::I32];
        let mut next = writer.extra.saturating_add(NR_WORDS);
        for (number, _) in (1..).zip(&writer.scan.sites) {
            let saved = writer.saved(number);
            if locals.len().saturating_add(saved.len()) > MAX_KEPT {
                return None;
            }
            writer.kept.push(next);
            next = next.saturating_add(u32::try_from(saved.len()).unwrap_or(u32::MAX));
            locals.extend(saved.iter().map(|(_, value)| *value));
        }
        Some(locals)
    }

    fn begin(writer: &mut Writer<'_, '_, Self>) {
        let Self { seams, calls } = writer.form;
        if !calls {
            return;
        }
        writer.function.instructions().loop_(BlockType::Empty);
        writer.outside = writer.opened();
        let carried = writer.types.block(&CARRIED);
        writer.start(carried);
        let mut code = writer.function.instructions();
        if seams.is_legacy {
            code.try_(BlockType::Empty);
        } else {
            let catch = Catch::One {
                tag: seams.tag,
                label: 0,
            };
            code.try_table(BlockType::Empty, [catch]);
        }
        writer.opened();
    }

    fn site(
        writer: &mut Writer<'_, '_, Self>,
        spot: &Spot,
        number: Option<u32>,
        call: &Instruction<'_>,
    ) {
        let Some(number) = number else {
            // Without marks: a jump to it is refused.
            writer.function.instruction(call);
            return;
        };
        let operands = Operands::of(spot);
        writer.put(&operands.taken);
        writer.put(&operands.below);
        writer.item();
        let results = writer.types.block(&spot.results);
        let marks = writer.form.seams.marks;
        let [activation, value] = [ACTIVATION, VALUE].map(|local| writer.own(local));
        let resume = writer.resume;
        let mut code = writer.function.instructions();
        code.local_get(resume)
            .if_(results)
            .i32_const(0)
            .local_set(resume);
        for result in &spot.results {
            code.local_get(value);
            if *result == ValType::I64 {
                code.i64_extend_i32_s();
            }
        }
        code.else_();
        for (local, kept) in writer.kept_at(number) {
            writer
                .function
                .instructions()
                .local_get(local)
                .local_set(kept);
        }
        writer
            .function
            .instructions()
            .local_get(activation)
            .global_set(marks)
            .i32_const(number.cast_signed())
            .global_set(marks.saturating_add(1));
        writer.get(&operands.taken);
        writer.function.instruction(call);
        writer
            .function
            .instructions()
            .global_get(marks)
            .local_set(activation)
            .end();
        writer.uncover(&operands);
    }

    fn end(writer: &mut Writer<'_, '_, Self>) {
        let Self { seams, calls } = writer.form;
        if !calls {
            writer.function.instructions().end();
            return;
        }
        let mut code = writer.function.instructions();
        code.return_();
        if seams.is_legacy {
            code.catch(seams.tag).br(1);
        }
        writer.end();
        writer.function.instructions().unreachable();
        writer.end();
        let [thrown, activation, pointer, value] =
            [THROWN, ACTIVATION, POINTER, VALUE].map(|local| writer.own(local));
        let resume = writer.resume;
        let nr_sites = u32::try_from(writer.scan.sites.len()).unwrap_or(u32::MAX);
        writer
            .function
            .instructions()
            .local_set(value)
            .local_set(pointer)
            .local_set(resume)
            .local_tee(thrown)
            .local_get(activation)
            .i64_ne()
            // No such call: the program has changed its buffer.
            .local_get(resume)
            .i32_const(1)
            .i32_sub()
            .i32_const(nr_sites.cast_signed())
            .i32_ge_u()
            .i32_or()
            .if_(BlockType::Empty)
            .local_get(thrown)
            .local_get(resume)
            .local_get(pointer)
            .local_get(value)
            .throw(seams.tag)
            .end()
            .local_get(pointer)
            .global_set(seams.stack_pointer);
        writer.for_each_site(|writer, number| {
            for (local, kept) in writer.kept_at(number) {
                writer
                    .function
                    .instructions()
                    .local_get(kept)
                    .local_set(local);
            }
        });
        let again = writer.label_of(writer.outside);
        writer.function.instructions().br(again);
        writer.end();
        writer.function.instructions().unreachable().end();
    }
}

impl Writer<'_, '_, Returns> {
    /// One of the locals of the form's own.
    const fn own(&self, local: u32) -> u32 {
        self.extra.saturating_add(local)
    }

    /// The locals that are kept at a site, and those that keep them.
    fn kept_at(&self, number: u32) -> Vec<(u32, u32)> {
        let index = usize::try_from(number).unwrap_or(0).saturating_sub(1);
        let first = self.kept.get(index).copied().unwrap_or(0);
        let saved = self.saved(number).into_iter();
        saved
            .zip(first..)
            .map(|((local, _), kept)| (local, kept))
            .collect()
    }
}
