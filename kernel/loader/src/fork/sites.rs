//! The two forms of a function that may be suspended at a fork.
//!
//! The *usual* form replaces the program's function. Each site is in a `try`, whose handler saves
//! the locals that are live and leaves the function; while nothing forks, that costs nothing.
//!
//! The form that *goes on* takes no arguments: it loads what was saved and jumps to the site, where it
//! calls the next frame.
//!
//! ```text
//!   block unwind
//!     block body .. end               the function; its own label
//!     return
//!   end
//!   throw                             so no `catch_all` of the program sees it
//! ```

use wasm_encoder::{BlockType, Instruction};

use super::frame::Plan;
use super::scan::Spot;
use super::writer::{Form, Operands, Writer};

/// Which form is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// What the program calls.
    Usual,
    /// What takes the place of a suspended frame.
    GoesOn,
}

/// A function that is suspended when the program forks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspends {
    pub(super) plan: Plan,
    pub(super) side: Side,
    /// The number of the function among those that go on.
    pub(super) number: u32,
}

impl Form for Suspends {
    fn resumes(self) -> bool {
        self.side == Side::GoesOn
    }

    fn takes_arguments(self) -> bool {
        self.side == Side::Usual
    }

    fn begin(writer: &mut Writer<'_, '_, Self>) {
        if writer.form.side == Side::GoesOn {
            writer.load();
        }
        writer.outside = writer.start(BlockType::Empty);
    }

    fn site(
        writer: &mut Writer<'_, '_, Self>,
        spot: &Spot,
        number: Option<u32>,
        call: &Instruction<'_>,
    ) {
        let plan = writer.form.plan;
        let operands = Operands::of(spot);
        writer.put(&operands.taken);
        writer.put(&operands.below);
        if number.is_some() {
            writer.item();
        }
        let result_type = writer.types.block(&spot.results);
        let done = writer.start(result_type);
        writer.start(BlockType::Empty);
        let mut code = writer.function.instructions();
        plan.start_try(&mut code, result_type);
        writer.opened();
        let goes_on = writer.form.side == Side::GoesOn && number.is_some();
        if goes_on {
            let frame_type = writer.types.index(&[], &spot.results);
            writer
                .function
                .instructions()
                .local_get(writer.resume)
                .if_(result_type)
                .i32_const(0)
                .local_set(writer.resume)
                .call(plan.load_word())
                .call_indirect(plan.table, frame_type)
                .else_();
        }
        writer.get(&operands.taken);
        writer.function.instruction(call);
        if goes_on {
            writer.function.instructions().end();
        }
        let mut code = writer.function.instructions();
        plan.end_try(&mut code);
        writer.closed();
        let label = writer.label_of(done);
        writer.function.instructions().br(label);
        writer.end();
        match number {
            Some(number) => writer.suspend(number),
            None => {
                writer.function.instructions().unreachable();
            }
        }
        writer.end();
        writer.uncover(&operands);
    }

    fn end(writer: &mut Writer<'_, '_, Self>) {
        let tag = writer.form.plan.tag;
        writer
            .function
            .instructions()
            .return_()
            .end()
            .throw(tag)
            .end();
    }
}

impl Writer<'_, '_, Suspends> {
    /// Loads the number of the site, and what was saved there.
    fn load(&mut self) {
        let plan = self.form.plan;
        self.function
            .instructions()
            .call(plan.load_word())
            .local_set(self.resume);
        self.for_each_site(|writer, number| {
            for (local, value) in writer.saved(number).into_iter().rev() {
                let mut code = writer.function.instructions();
                plan.load(&mut code, value);
                code.local_set(local);
            }
        });
    }

    /// Saves the frame and leaves the function.
    fn suspend(&mut self, number: u32) {
        let Suspends {
            plan,
            number: function,
            ..
        } = self.form;
        for (local, value) in self.saved(number) {
            let mut code = self.function.instructions();
            plan.save(&mut code, value, |code| {
                code.local_get(local);
            });
        }
        let label = self.label_of(self.outside);
        self.function
            .instructions()
            .i32_const(number.cast_signed())
            .call(plan.save_word())
            .i32_const(function.cast_signed())
            .call(plan.save_word())
            .br(label);
    }
}
