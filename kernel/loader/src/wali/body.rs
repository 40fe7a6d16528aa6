//! The code of one routine while it is written, with the few idioms that routines are made of.
//!
//! Behind its parameters each routine has [`NR_WORDS`] locals of 32 bits ([`Body::local`]) and one of 64
//! ([`Body::wide`]). The first two words belong to [`Body::enter`].

use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, MemArgTarget, ValType};

use super::assembly::Assembly;
use super::routine::Routine;

/// Locals of 32 bits: the stack pointer, the frame, and six for the routine's own use.
const NR_WORDS: u32 = 8;
const SAVED: u32 = 0;
const FRAME: u32 = 1;
/// The first local that the routine itself may use.
pub(super) const FIRST: u32 = 2;

/// A routine while it is written.
pub(super) struct Body<'a> {
    pub(super) assembly: &'a mut Assembly,
    function: Function,
    nr_params: u32,
    needs_stack: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(assembly: &'a mut Assembly, params: &[ValType]) -> Self {
        Self {
            assembly,
            function: Function::new([(NR_WORDS, ValType::I32), (1, ValType::I64)]),
            nr_params: super::assembly::count(params.len()),
            needs_stack: false,
        }
    }

    /// Whether it needs the program's stack, and there is none.
    pub(super) const fn lacks_stack(&self) -> bool {
        self.needs_stack && self.assembly.places.stack_pointer.is_none()
    }

    /// The finished function.
    pub(super) fn finish(self) -> Function {
        self.function
    }

    /// Instructions without an idiom.
    pub(super) fn code(&mut self) -> InstructionSink<'_> {
        self.function.instructions()
    }

    pub(super) fn end(&mut self) {
        self.code().end();
    }

    /// The local of its own with this number, from [`FIRST`] on.
    pub(super) const fn local(&self, number: u32) -> u32 {
        self.nr_params.saturating_add(number)
    }

    /// The first of the locals that it may use.
    pub(super) fn locals<const N: usize>(&self) -> [u32; N] {
        let mut next = self.local(FIRST);
        std::array::from_fn(|_| {
            let local = next;
            next = next.saturating_add(1);
            local
        })
    }

    /// The local of 64 bits.
    pub(super) const fn wide(&self) -> u32 {
        self.local(NR_WORDS)
    }

    pub(super) fn get(&mut self, local: u32) {
        self.code().local_get(local);
    }

    pub(super) fn set(&mut self, local: u32) {
        self.code().local_set(local);
    }

    pub(super) fn word(&mut self, value: u32) {
        self.code().i32_const(value.cast_signed());
    }

    /// Pushes the sum of a local and a number.
    pub(super) fn get_plus(&mut self, local: u32, offset: u32) {
        self.get(local);
        if offset != 0 {
            self.word(offset);
            self.code().i32_add();
        }
    }

    /// Pushes an address in the frame.
    pub(super) fn frame(&mut self, offset: u32) {
        self.get_plus(self.local(FRAME), offset);
    }

    /// The word at a local's address, plus an offset.
    pub(super) fn load(&mut self, local: u32, offset: u32) {
        self.get(local);
        self.code().i32_load(at(offset));
    }

    /// Stores what `push` pushes, a word.
    pub(super) fn store(&mut self, local: u32, offset: u32, push: impl FnOnce(&mut Self)) {
        self.get(local);
        push(self);
        self.code().i32_store(at(offset));
    }

    /// Stores what `push` pushes, 64 bits.
    pub(super) fn store64(&mut self, local: u32, offset: u32, push: impl FnOnce(&mut Self)) {
        self.get(local);
        push(self);
        self.code().i64_store(at(offset));
    }

    /// The local that holds the frame's address.
    pub(super) const fn frame_local(&self) -> u32 {
        self.local(FRAME)
    }

    /// Takes a frame from the program's stack, of as many bytes as `push` pushes.
    pub(super) fn enter_with(&mut self, push: impl FnOnce(&mut Self)) {
        self.needs_stack = true;
        let Some(pointer) = self.assembly.places.stack_pointer else {
            self.code().unreachable();
            return;
        };
        let (saved, frame) = (self.local(SAVED), self.local(FRAME));
        self.code().global_get(pointer).local_tee(saved);
        push(self);
        self.code()
            .i32_sub()
            .i32_const(-16)
            .i32_and()
            .local_tee(frame)
            .global_set(pointer);
    }

    /// Takes a frame of `len` bytes.
    pub(super) fn enter(&mut self, len: u32) {
        self.enter_with(|body| body.word(len));
    }

    /// Gives the frame back.
    pub(super) fn leave(&mut self) {
        if let Some(pointer) = self.assembly.places.stack_pointer {
            let saved = self.local(SAVED);
            self.code().local_get(saved).global_set(pointer);
        }
    }

    /// Calls linux32's `name` with the words that were pushed.
    pub(super) fn syscall(&mut self, name: &str, nr_words: usize) {
        let function = self.assembly.syscall(name, nr_words);
        self.code().call(function);
    }

    pub(super) fn call(&mut self, routine: Routine) {
        let function = self.assembly.routine(routine);
        self.code().call(function);
    }

    /// If the word that was pushed is not 0: `then`.
    pub(super) fn when(&mut self, then: impl FnOnce(&mut Self)) {
        self.code().if_(BlockType::Empty);
        then(self);
        self.end();
    }

    /// A loop whose body branches by [`Body::break_if`] and else goes on.
    pub(super) fn repeat(&mut self, turn: impl FnOnce(&mut Self)) {
        self.code().block(BlockType::Empty).loop_(BlockType::Empty);
        turn(self);
        self.code().br(0).end().end();
    }

    /// Leaves the innermost loop, from the level of its body, if the word that was pushed is not 0.
    pub(super) fn break_if(&mut self) {
        self.code().br_if(1);
    }

    /// Pushes whether the memory at a local, of as many bytes as `len` pushes, is not all there.
    pub(super) fn misses(&mut self, address: u32, len: impl FnOnce(&mut Self)) {
        self.get(address);
        len(self);
        self.call(Routine::Fits);
        self.code().i32_eqz();
    }

    /// Returns an error from a system call; the frame must have been given back.
    pub(super) fn fail(&mut self, errno: abi::Errno) {
        let error = i64::from(errno.number()).saturating_neg();
        self.code().i64_const(error).return_();
    }

    /// Pushes the word of a local as the result of a system call.
    pub(super) fn result(&mut self, local: u32) {
        self.code().local_get(local).i64_extend_i32_s();
    }
}

/// A place in memory, aligned to nothing.
pub(super) fn at(offset: u32) -> MemArg {
    MemArg {
        offset: u64::from(offset),
        align: 0,
        target: MemArgTarget::Memory(0),
        ordering: None,
    }
}
