//! The code section while it is written; and fillers, for the sake of V8's inlining.
//!
//! V8 inlines less where few functions are small: below a quarter it takes the module for inlined
//! already, from half on it allows the most, and between them it goes in proportion. Safepoints make
//! functions larger, and moved programs along that line, which cost as much as the safepoints themselves.
//! Empty functions that nobody calls make up for it ([`Bodies::fill`], ADR 0025).

use wasm_encoder::{CodeSection, Function};

/// Functions of fewer bytes are small.
const SMALL_BYTES: usize = 50;

/// The most fillers: a program of that many functions is large enough without more.
const MAX_FILLERS: u32 = 1 << 14;

/// The bodies of the module's functions, in order.
#[derive(Default)]
pub(crate) struct Bodies {
    section: CodeSection,
    nr_small: u32,
}

impl Bodies {
    /// Appends the body of the next function.
    pub(crate) fn push(&mut self, body: &Function) {
        if body.byte_len() < SMALL_BYTES {
            self.nr_small = self.nr_small.saturating_add(1);
        }
        self.section.function(body);
    }

    /// Appends empty functions until half of all are small: how many.
    pub(crate) fn fill(&mut self) -> u32 {
        let nr_large = self.section.len().saturating_sub(self.nr_small);
        let nr_fillers = nr_large.saturating_sub(self.nr_small).min(MAX_FILLERS);
        let mut filler = Function::new([]);
        filler.instructions().end();
        for _ in 0..nr_fillers {
            self.push(&filler);
        }
        nr_fillers
    }

    /// The whole section.
    pub(crate) const fn section(&self) -> &CodeSection {
        &self.section
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(len: usize) -> Function {
        let mut body = Function::new([]);
        body.raw(std::iter::repeat_n(0x01, len));
        body
    }

    #[test]
    fn half_of_the_functions_are_small_when_it_is_filled() {
        let mut bodies = Bodies::default();
        for len in [3, 40, 60, 70, 80, 90, 100] {
            bodies.push(&body(len));
        }
        assert_eq!(bodies.fill(), 3);
        assert_eq!(bodies.section().len(), 10);
        assert_eq!(bodies.fill(), 0, "nothing is left to do");
    }

    #[test]
    fn a_large_program_gets_few_fillers() {
        let mut bodies = Bodies::default();
        for _ in 0..100_000 {
            bodies.push(&body(60));
        }
        assert_eq!(bodies.fill(), MAX_FILLERS);
    }
}
