//! Instructions as the rewriting sees them: a few by meaning, the rest as bytes.
//!
//! All but those that name functions or globals are copied as they are. So it is enough to know of an
//! instruction where it ends: a decoder for that is two kilobytes of the kernel, one that takes
//! everything apart was fifty (ADR 0024).
//!
//! The engine knows more instructions than the loader: what [`Code`] does not list is refused. That
//! leaves out calls of references, which would come by no safepoint, and whatever is invented later.

use wasm_encoder::Function;
use wasmparser::{ConstExpr, FunctionBody};

use crate::refusal::Refusal;

/// What an instruction is, as far as it matters to whoever rewrites code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op<'a> {
    /// `block` or `if`.
    Block,
    /// `try`, which ends with `end` or `delegate`.
    Try,
    /// A loop; whether its type is empty, and whether it may have parameters.
    Loop {
        is_empty: bool,
        has_params: bool,
    },
    /// `try_table`: a block whose catches lead to these labels.
    TryTable(Labels<'a>),
    End,
    /// `delegate`, which ends a `try`.
    Delegate,
    /// `catch`, `catch_all`, `throw`, `throw_ref`, `rethrow`: of exceptions.
    Exception,
    Br(u32),
    BrIf(u32),
    BrTable(Labels<'a>),
    Call(u32),
    ReturnCall(u32),
    CallIndirect {
        type_index: u32,
        is_tail: bool,
    },
    RefFunc(u32),
    LocalGet(u32),
    LocalSet(u32),
    LocalTee(u32),
    GlobalGet(u32),
    GlobalSet(u32),
    /// `i32.const`.
    Word(i32),
    MemorySize,
    MemoryGrow,
    /// Takes as long as the number on top of the stack says.
    Bulk,
    /// `memory.atomic.notify` (2), `wait32` (0) or `wait64` (1), with its constant offset.
    Atomic {
        operation: u32,
        offset: u64,
    },
    Other,
}

/// One instruction of valid code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instruction<'a> {
    pub(crate) op: Op<'a>,
    pub(crate) bytes: &'a [u8],
}

impl Instruction<'_> {
    /// Copies it as it is.
    pub(crate) fn copy(&self, function: &mut Function) {
        function.raw(self.bytes.iter().copied());
    }
}

/// Labels of one instruction, still in their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Labels<'a> {
    code: Code<'a>,
    left: u32,
    /// Whether these are catches: a kind, and perhaps a tag before the label.
    are_catches: bool,
}

impl Iterator for Labels<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        // Kinds 0 and 1 catch one tag.
        if self.are_catches && self.code.byte()? < 2 {
            self.code.number()?;
        }
        self.code.number()
    }
}

/// Code that is being read, from here to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code<'a>(pub(crate) &'a [u8]);

impl<'a> Code<'a> {
    /// The instructions of a function.
    ///
    /// # Errors
    /// Its locals are malformed.
    pub(crate) fn of(body: &FunctionBody<'a>) -> wasmparser::Result<Self> {
        let mut reader = body.get_operators_reader()?.get_binary_reader();
        let len = reader.bytes_remaining();
        reader.read_bytes(len).map(Self)
    }

    /// The instructions of a constant expression.
    pub(crate) fn of_constant(expression: &ConstExpr<'a>) -> Self {
        let mut reader = expression.get_binary_reader();
        let len = reader.bytes_remaining();
        Self(reader.read_bytes(len).unwrap_or_default())
    }

    /// The next instruction; `None` at the end.
    ///
    /// # Errors
    /// A [`Refusal`]: the loader does not know it.
    pub(crate) fn next(&mut self) -> Result<Option<Instruction<'a>>, Refusal> {
        let start = self.0;
        if start.is_empty() {
            return Ok(None);
        }
        let op = self.op().ok_or_else(|| {
            let [first, second] = [0, 1].map(|at| start.get(at).copied().unwrap_or(0));
            Refusal::new(format!(
                "an instruction that is not supported (bytes {first:02x} {second:02x})"
            ))
        })?;
        let len = start.len().saturating_sub(self.0.len());
        let bytes = start.get(..len).unwrap_or_default();
        Ok(Some(Instruction { op, bytes }))
    }

    /// All instructions that are left.
    ///
    /// # Errors
    /// A [`Refusal`]: the loader does not know one.
    pub(crate) fn instructions(mut self) -> Result<Vec<Instruction<'a>>, Refusal> {
        let mut instructions = Vec::new();
        while let Some(instruction) = self.next()? {
            instructions.push(instruction);
        }
        Ok(instructions)
    }

    /// The value of `i32.const value end`; `None` for all other code.
    pub(crate) fn constant(mut self) -> Option<u32> {
        let Op::Word(value) = self.next().ok()??.op else {
            return None;
        };
        (self.next().ok()??.op == Op::End).then(|| value.cast_unsigned())
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn bytes(&mut self, count: usize) -> Option<()> {
        self.0 = self.0.get(count..)?;
        Some(())
    }

    /// An integer of up to 64 bits in LEB128; and how many bits its bytes hold.
    fn leb(&mut self) -> Option<(u64, u32)> {
        let mut value = 0_u64;
        for shift in (0_u32..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some((value, shift.saturating_add(7)));
            }
        }
        None
    }

    /// An unsigned number.
    pub(crate) fn number(&mut self) -> Option<u32> {
        self.leb()?.0.try_into().ok()
    }

    /// A signed number of 32 bits.
    fn word(&mut self) -> Option<i32> {
        let (value, nr_bits) = self.leb()?;
        let unused = 64_u32.saturating_sub(nr_bits);
        let value = value.checked_shl(unused)?.cast_signed() >> unused;
        value.try_into().ok()
    }

    /// A place in memory; its offset.
    fn place(&mut self) -> Option<u64> {
        /// The alignment is followed by the memory's index.
        const HAS_MEMORY: u32 = 1 << 6;
        if self.number()? & HAS_MEMORY != 0 {
            self.number()?;
        }
        self.leb().map(|(offset, _)| offset)
    }

    /// Skips the type of a value.
    fn value_type(&mut self) -> Option<()> {
        /// References to a type that is named behind.
        const REFERENCES: [u8; 2] = [0x63, 0x64];
        if REFERENCES.contains(&self.byte()?) {
            self.leb()?;
        }
        Some(())
    }

    /// Skips the type of a block: whether it is empty, and whether it may have parameters.
    fn block_type(&mut self) -> Option<(bool, bool)> {
        const EMPTY: u8 = 0x40;
        // An index of a type is not negative; names of types are.
        let (first, sign) = (*self.0.first()?, 0x40);
        let is_index = first & 0x80 != 0 || first & sign == 0;
        if is_index {
            self.leb()?;
        } else {
            self.value_type()?;
        }
        Some((first == EMPTY, is_index))
    }

    fn labels(&mut self, are_catches: bool) -> Option<Labels<'a>> {
        let count = self.number()?;
        let mut labels = Labels {
            code: *self,
            left: count,
            are_catches,
        };
        if !are_catches {
            // The default comes last.
            labels.left = count.checked_add(1)?;
        }
        let mut walk = labels;
        for _ in 0..labels.left {
            walk.next()?;
        }
        self.0 = walk.code.0;
        Some(labels)
    }

    fn op(&mut self) -> Option<Op<'a>> {
        let first = self.byte()?;
        Some(match first {
            0x02 | 0x04 => {
                self.block_type()?;
                Op::Block
            }
            0x06 => {
                self.block_type()?;
                Op::Try
            }
            0x03 => {
                let (is_empty, has_params) = self.block_type()?;
                Op::Loop {
                    is_empty,
                    has_params,
                }
            }
            0x1f => {
                self.block_type()?;
                Op::TryTable(self.labels(true)?)
            }
            0x0b => Op::End,
            0x18 => {
                self.number()?;
                Op::Delegate
            }
            0x07..=0x09 => {
                self.number()?;
                Op::Exception
            }
            0x0a | 0x19 => Op::Exception,
            0x0c => Op::Br(self.number()?),
            0x0d => Op::BrIf(self.number()?),
            0x0e => Op::BrTable(self.labels(false)?),
            0x10 => Op::Call(self.number()?),
            0x12 => Op::ReturnCall(self.number()?),
            0x11 | 0x13 => {
                let type_index = self.number()?;
                self.number()?;
                Op::CallIndirect {
                    type_index,
                    is_tail: first == 0x13,
                }
            }
            0x1c => {
                for _ in 0..self.number()? {
                    self.value_type()?;
                }
                Op::Other
            }
            0x20 => Op::LocalGet(self.number()?),
            0x21 => Op::LocalSet(self.number()?),
            0x22 => Op::LocalTee(self.number()?),
            0x23 => Op::GlobalGet(self.number()?),
            0x24 => Op::GlobalSet(self.number()?),
            0x3f => {
                self.number()?;
                Op::MemorySize
            }
            0x40 => {
                self.number()?;
                Op::MemoryGrow
            }
            0x41 => Op::Word(self.word()?),
            0xd2 => Op::RefFunc(self.number()?),
            0xfc => return self.bulk(),
            0xfe => return self.atomic(),
            _ => {
                self.skip(first)?;
                Op::Other
            }
        })
    }

    /// Skips what follows the first byte of an instruction without a meaning here.
    fn skip(&mut self, first: u8) -> Option<()> {
        match first {
            0x00 | 0x01 | 0x05 | 0x0f | 0x1a | 0x1b | 0x45..=0xc4 | 0xd1 => {}
            // Tables, the type of a null, and `i64.const`.
            0x25 | 0x26 | 0x42 | 0xd0 => drop(self.leb()?),
            0x28..=0x3e => drop(self.place()?),
            0x43 => self.bytes(4)?,
            0x44 => self.bytes(8)?,
            0xfd => return self.vector(),
            _ => return None,
        }
        Some(())
    }

    /// Behind `fc`: conversions that saturate, and bulk instructions.
    fn bulk(&mut self) -> Option<Op<'a>> {
        let number = self.number()?;
        let nr_indices = match number {
            0..=7 => 0,
            9 | 11 | 13 | 15..=17 => 1,
            8 | 10 | 12 | 14 => 2,
            _ => return None,
        };
        for _ in 0..nr_indices {
            self.number()?;
        }
        Some(match number {
            8 | 10..=12 | 14 | 15 | 17 => Op::Bulk,
            _ => Op::Other,
        })
    }

    /// Behind `fd`: vectors, up to the relaxed ones.
    fn vector(&mut self) -> Option<()> {
        match self.number()? {
            0..=11 | 92 | 93 => drop(self.place()?),
            12 | 13 => self.bytes(16)?,
            21..=34 => self.bytes(1)?,
            84..=91 => {
                self.place()?;
                self.bytes(1)?;
            }
            14..=0x113 => {}
            _ => return None,
        }
        Some(())
    }

    /// Behind `fe`: atomics.
    fn atomic(&mut self) -> Option<Op<'a>> {
        match self.number()? {
            number @ 0..=2 => Some(Op::Atomic {
                // Functions of the shim: wait32, wait64, notify.
                operation: number.checked_sub(1).unwrap_or(2),
                offset: self.place()?,
            }),
            3 => self.bytes(1).map(|()| Op::Other),
            0x10..=0x4e => self.place().map(|_| Op::Other),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::{BinaryReader, OperatorsReader};

    use super::*;

    /// Where each instruction of `code` starts, by wasmparser.
    fn starts(code: &[u8]) -> Vec<u64> {
        let reader = OperatorsReader::new(BinaryReader::new(code, 0));
        let found = reader.into_iter_with_offsets();
        found.map(|found| found.unwrap().1).collect()
    }

    /// How many bytes of `code` are read when `rest` is left.
    fn read(code: &[u8], rest: Code<'_>) -> u64 {
        u64::try_from(code.len().checked_sub(rest.0.len()).unwrap()).unwrap()
    }

    /// The same by this module.
    fn our_starts(code: &[u8]) -> Vec<u64> {
        let mut rest = Code(code);
        let mut starts = Vec::new();
        loop {
            starts.push(read(code, rest));
            if rest.next().unwrap().is_none() {
                starts.pop();
                return starts;
            }
        }
    }

    #[test]
    fn every_instruction_ends_where_it_should() {
        // All numbers there are, with immediates that any of them can have: small numbers.
        let mut nr_checked = 0;
        let prefixes: [&[u8]; 4] = [&[], &[0xfc], &[0xfd], &[0xfe]];
        for prefix in prefixes {
            for number in 0..0x120_u32 {
                let mut code = prefix.to_vec();
                match u8::try_from(number) {
                    Ok(byte) if prefix.is_empty() || byte < 0x80 => code.push(byte),
                    _ if prefix.is_empty() => continue,
                    _ => code.extend([
                        u8::try_from(number & 0x7f).unwrap() | 0x80,
                        u8::try_from(number >> 7).unwrap(),
                    ]),
                }
                code.extend([0; 16]);
                code.push(0x0b);
                let mut ours = Code(&code);
                let known = ours.next().is_ok();
                // These need an `if` or a `try` around: wasmparser looks for it.
                if prefix.is_empty() && matches!(number, 0x05 | 0x07 | 0x18 | 0x19) {
                    assert!(known, "{number:x}");
                    continue;
                }
                let mut theirs = OperatorsReader::new(BinaryReader::new(&code, 0));
                let parsed = theirs.read().is_ok();
                // Later proposals: calls and casts of references, and what their prefixes got since.
                let is_later = match prefix {
                    [] => matches!(number, 0x14 | 0x15 | 0xd3..=0xd6 | 0xe0..=0xe6 | 0xfb),
                    [0xfc] => number >= 0x12,
                    [0xfe] => number == 0x04 || number >= 0x4f,
                    _ => false,
                };
                assert!(!(known && is_later), "{prefix:x?} {number:x}");
                assert!(known || is_later || !parsed, "{prefix:x?} {number:x}");
                // The engine refuses numbers that nothing has.
                if known && parsed {
                    let end = read(&code, ours);
                    assert_eq!(end, theirs.original_position(), "{prefix:x?} {number:x}");
                    nr_checked = u32::saturating_add(nr_checked, 1);
                }
            }
        }
        assert!(nr_checked > 500, "{nr_checked}");
    }

    #[test]
    fn labels_types_and_numbers_are_read() {
        let code = [
            0x0e, 2, 5, 0x80, 1, 7, // br_table 5 128, 7
            0x1f, 0x40, 2, 0, 3, 4, 2, 9, // try_table (catch 3 4) (catch_all 9)
            0x0b, 0x03, 0x40, 0x0b, 0x03, 0x7f, 0x0b, 0x03, 0x05, 0x0b, // loops
            0x41, 0x7f, 0x41, 0xff, 0xff, 0xff, 0xff, 0x07, 0x41, 0xc0, 0x00, // -1, MAX, 64
            0x1c, 1, 0x63, 0x70, 0xfe, 0x02, 0x02, 0xff, 0x01, // select, wait64 offset=255
            0x44, 1, 2, 3, 4, 5, 6, 7, 8, 0x0b,
        ];
        assert_eq!(our_starts(&code), starts(&code));
        let mut rest = Code(&code);
        let mut ops = Vec::new();
        while let Some(instruction) = rest.next().unwrap() {
            ops.push(instruction.op);
        }
        let labels = |op| match op {
            Op::BrTable(labels) | Op::TryTable(labels) => labels.collect(),
            _ => Vec::new(),
        };
        assert_eq!(labels(ops[0]), [5, 128, 7]);
        assert_eq!(labels(ops[1]), [4, 9]);
        let a_loop = |is_empty, has_params| Op::Loop {
            is_empty,
            has_params,
        };
        assert_eq!(ops[3], a_loop(true, false));
        assert_eq!(ops[5], a_loop(false, false));
        assert_eq!(ops[7], a_loop(false, true));
        assert_eq!(ops[9..12], [Op::Word(-1), Op::Word(i32::MAX), Op::Word(64)]);
        assert_eq!(ops[12], Op::Other);
        let wait64 = Op::Atomic {
            operation: 1,
            offset: 255,
        };
        assert_eq!(ops[13], wait64);
    }

    #[test]
    fn what_came_later_is_refused() {
        // call_ref, return_call_ref, br_on_null, struct.new, i64.add128, stack switching, a cut.
        let unknown: [&[u8]; 8] = [
            &[0x14, 0],
            &[0x15, 0],
            &[0xd5, 0],
            &[0xfb, 0, 0],
            &[0xfc, 0x13],
            &[0xfe, 0x4f],
            &[0xe3, 0, 0, 0],
            &[0x41, 0x80],
        ];
        for code in unknown {
            assert!(Code(code).next().is_err(), "{code:x?}");
        }
    }
}
