//! What the pass adds to a module while it is written: types, imports and routines.
//!
//! A routine names others, and imports, as it needs them; each gets an index when it is first named. The
//! program's own functions lie between imports and routines, so the number of imports must be known:
//! all is written twice, and the second time nothing new is named.

use wasm_encoder::ValType;

use super::body::Body;
use super::routine::Routine;
use super::{calls, control, convert, jumps, process, signals};
use crate::jump::Seams;

/// Parameters and results of a function.
type Signature = (Vec<ValType>, Vec<ValType>);

/// A function that the new module imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    pub(super) module: String,
    pub(super) name: String,
    pub(super) type_index: u32,
}

/// Where things of the program are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// How many types the program has.
    pub(super) nr_types: u32,
    /// How many functions of its own it has.
    pub(super) nr_own: u32,
    /// The global that is its stack pointer.
    pub(super) stack_pointer: Option<u32>,
    /// The table whose indices are function pointers, and the first slot behind its end.
    pub(super) table: Option<(u32, u32)>,
    /// `_start`, and whether it takes the stack.
    pub(super) start: (u32, bool),
    /// The page of the process: its address.
    pub(super) page: u32,
    /// What longjmp takes, if the program has it and setjmp.
    pub(super) jumps: Option<Seams>,
}

/// What has been named so far.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) places: Places,
    types: Vec<Signature>,
    imports: Vec<Import>,
    routines: Vec<Routine>,
    /// The number of imports when this writing began.
    nr_imports: u32,
    nr_adapters: u32,
}

impl Assembly {
    pub(super) const fn new(places: Places, nr_adapters: u32) -> Self {
        Self {
            places,
            types: Vec::new(),
            imports: Vec::new(),
            routines: Vec::new(),
            nr_imports: 0,
            nr_adapters,
        }
    }

    /// Begins to write: what was named keeps its place. Whether the last writing knew all imports.
    pub(super) fn begin(&mut self) -> bool {
        let known = self.nr_imports;
        self.nr_imports = count(self.imports.len());
        known == self.nr_imports
    }

    /// New types, imports and routines, each in the order of their indices.
    pub(super) fn parts(&self) -> (&[Signature], &[Import], &[Routine]) {
        (&self.types, &self.imports, &self.routines)
    }

    /// The index of the type of a function.
    pub(super) fn type_index(&mut self, params: &[ValType], results: &[ValType]) -> u32 {
        let signature = (params.to_vec(), results.to_vec());
        let position = position(&mut self.types, signature);
        self.places.nr_types.saturating_add(position)
    }

    /// The function `module.name` of this type.
    pub(super) fn import(&mut self, module: &str, name: &str, type_index: u32) -> u32 {
        let import = Import {
            module: module.to_owned(),
            name: name.to_owned(),
            type_index,
        };
        position(&mut self.imports, import)
    }

    /// linux32's call `name`, of `nr_words` words and a word.
    pub(super) fn syscall(&mut self, name: &str, nr_words: usize) -> u32 {
        let type_index = self.type_index(&vec![ValType::I32; nr_words], &[ValType::I32]);
        self.import("linux", &format!("__syscall_{name}"), type_index)
    }

    /// The function that is this routine.
    pub(super) fn routine(&mut self, routine: Routine) -> u32 {
        let position = position(&mut self.routines, routine);
        self.own(self.places.nr_own).saturating_add(position)
    }

    /// Where an adapter is.
    pub(super) const fn adapter(&self, number: u32) -> u32 {
        self.nr_imports.saturating_add(number)
    }

    /// Where a function is that the program defines, counted from its first.
    pub(super) const fn own(&self, function: u32) -> u32 {
        self.adapter(self.nr_adapters).saturating_add(function)
    }

    /// Whether a routine is needed.
    pub(super) fn needs(&self, routine: Routine) -> bool {
        self.routines.contains(&routine)
    }

    /// Writes a routine.
    pub(super) fn body(&mut self, routine: Routine) -> Body<'_> {
        let (params, _) = routine.signature();
        let mut body = Body::new(self, &params);
        match routine {
            Routine::Call(name, call) => calls::write(&mut body, name, call),
            Routine::Aside(aside) => process::write(&mut body, aside),
            Routine::Widen(layout) => convert::widen(&mut body, layout),
            Routine::Narrow(layout) => convert::narrow(&mut body, layout),
            Routine::Fits => convert::fits(&mut body),
            Routine::Length => convert::length(&mut body),
            Routine::Decimal => convert::decimal(&mut body),
            Routine::NarrowControl => control::narrow(&mut body),
            Routine::WidenControl => control::widen(&mut body),
            Routine::Handler => signals::handler(&mut body),
            Routine::PlainHandler => signals::plain_handler(&mut body),
            Routine::LostJump => jumps::lost(&mut body),
            Routine::Start => process::start(&mut body),
            Routine::ThreadStart => process::thread_start(&mut body),
        }
        body.end();
        body
    }
}

/// Where `item` is in `list`, to which it is added if need be.
fn position<T: PartialEq>(list: &mut Vec<T>, item: T) -> u32 {
    let position = list.iter().position(|other| *other == item);
    count(position.unwrap_or_else(|| {
        list.push(item);
        list.len().saturating_sub(1)
    }))
}

pub(super) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
