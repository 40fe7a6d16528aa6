//! A kernel that answers by script and logs what it is asked, around a loaded program.

use std::collections::VecDeque;
use std::fmt::Write as _;

use abi::special::INDIRECT;
use kernel_loader::{Options, Program};
use wasmi::{
    Caller, Engine, Global, Instance, Linker, Memory, MemoryType, Module, Mutability, Store, Val,
};

/// The number of the slot that the program runs in.
pub(crate) const SLOT: i32 = 7;

/// A signal that waits to be delivered.
#[derive(Clone, Copy, Default)]
pub(crate) struct Signal {
    pub(crate) handler: i32,
    pub(crate) stack_pointer: i32,
    pub(crate) number: i32,
    pub(crate) siginfo: i32,
    pub(crate) ucontext: i32,
}

/// The scripted kernel.
#[derive(Default)]
pub(crate) struct Script {
    /// What `syscall` and `syscall_result` answer, in this order; then 0.
    pub(crate) answers: VecDeque<u32>,
    /// What `park` answers; then 0.
    pub(crate) parks: VecDeque<i32>,
    /// What `safepoint` answers; 0 when there is none left.
    pub(crate) safepoints: VecDeque<i32>,
    /// What `memory_grow` answers; then -1.
    pub(crate) grows: VecDeque<i32>,
    /// What `signal_next` finds; then nothing.
    pub(crate) signals: VecDeque<Signal>,
    current: Signal,
    /// Whether the stack has no room for the kernel.
    pub(crate) is_stack_full: bool,
    /// Everything that was asked, a line each.
    pub(crate) log: String,
}

impl Script {
    fn answer(&mut self) -> i32 {
        self.answers.pop_front().unwrap_or(0).cast_signed()
    }

    fn note(&mut self, line: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.log, "{line}");
    }
}

/// The numbers of some calls.
pub(crate) fn options() -> Options {
    crate::options::options(|name| match name {
        "read" => Some(3),
        "write" => Some(4),
        "fork" => Some(57),
        "pread64" => Some(180),
        "clone4" => Some(0x700),
        "indirect" => Some(INDIRECT),
        _ => None,
    })
}

/// Loads a module written as text, and checks that the output is valid.
pub(crate) fn load(text: &str) -> Program {
    let bytes = wat::parse_str(text).expect("the text is right");
    let program = kernel_loader::load(&bytes, &options()).expect("it loads");
    validate(&program);
    program
}

/// Checks that the guest is a valid module.
pub(crate) fn validate(program: &Program) {
    let features = wasmparser::WasmFeatures::all();
    wasmparser::Validator::new_with_features(features)
        .validate_all(&program.guest)
        .expect("the output is valid");
}

/// An instance of a program and its kernel.
pub(crate) struct World {
    pub(crate) store: Store<Script>,
    pub(crate) guest: Instance,
    pub(crate) memory: Memory,
}

impl World {
    /// Instantiates the program in `text`.
    pub(crate) fn new(text: &str) -> Self {
        Self::of(&load(text))
    }

    /// Instantiates `program`.
    pub(crate) fn of(program: &Program) -> Self {
        let engine = Engine::default();
        let mut store = Store::new(&engine, Script::default());
        let mut linker = Linker::new(&engine);
        let slot = Global::new(&mut store, Val::I32(SLOT), Mutability::Const);
        linker.define("host", "slot", slot).expect("new");
        define_kernel(&mut linker);
        let min_pages = u32::try_from(program.memory.min_pages).expect("fits");
        let memory = Memory::new(&mut store, MemoryType::new(min_pages, Some(65536)));
        let memory = memory.expect("a memory");
        linker.define("guest", "memory", memory).expect("new");
        let guest = Module::new(&engine, &program.guest[..]).expect("the guest compiles");
        let guest = linker
            .instantiate_and_start(&mut store, &guest)
            .expect("the guest links");
        Self {
            store,
            guest,
            memory,
        }
    }

    /// Sets what calls answer.
    pub(crate) fn answers(&mut self, answers: &[u32]) {
        self.store.data_mut().answers = answers.iter().copied().collect();
    }

    /// Calls the export `name`, of type `(i32...) -> i32`.
    pub(crate) fn call(&mut self, name: &str, arguments: &[i32]) -> Result<i32, wasmi::Error> {
        let function = self.guest.get_func(&self.store, name).expect("exported");
        let arguments: Vec<Val> = arguments.iter().map(|&word| Val::I32(word)).collect();
        let mut results = [Val::I32(0)];
        let nr_results = function.ty(&self.store).results().len();
        function.call(&mut self.store, &arguments, &mut results[..nr_results])?;
        results[0]
            .i32()
            .ok_or_else(|| wasmi::Error::new("not an i32"))
    }

    /// What was logged since the last look.
    pub(crate) fn log(&mut self) -> String {
        std::mem::take(&mut self.store.data_mut().log)
    }
}

fn define_kernel(linker: &mut Linker<Script>) {
    type Host<'a> = Caller<'a, Script>;
    linker
        .func_wrap(
            "kernel",
            "syscall",
            |mut host: Host<'_>,
             slot: i32,
             number: i32,
             a: i32,
             b: i32,
             c: i32,
             d: i32,
             e: i32,
             f: i32| {
                assert_eq!(slot, SLOT);
                host.data_mut()
                    .note(format_args!("syscall {number} {a} {b} {c} {d} {e} {f}"));
                host.data_mut().answer()
            },
        )
        .expect("new");
    linker
        .func_wrap(
            "kernel",
            "syscall_result",
            |mut host: Host<'_>, slot: i32| {
                assert_eq!(slot, SLOT);
                host.data_mut().note(format_args!("result"));
                host.data_mut().answer()
            },
        )
        .expect("new");
    linker
        .func_wrap(
            "kernel",
            "signal_next",
            |mut host: Host<'_>, slot: i32, pointer: i32| {
                assert_eq!(slot, SLOT);
                let script = host.data_mut();
                let Some(signal) = script.signals.pop_front() else {
                    script.note(format_args!("next at {pointer}: none"));
                    return 0;
                };
                script.note(format_args!("next at {pointer}: signal {}", signal.number));
                script.current = signal;
                signal.handler
            },
        )
        .expect("new");
    linker
        .func_wrap(
            "kernel",
            "signal_word",
            |mut host: Host<'_>, slot: i32, which: i32| {
                assert_eq!(slot, SLOT);
                let signal = host.data_mut().current;
                [
                    signal.stack_pointer,
                    signal.number,
                    signal.siginfo,
                    signal.ucontext,
                ][usize::try_from(which).expect("in 0..4")]
            },
        )
        .expect("new");
    linker
        .func_wrap(
            "kernel",
            "signal_return",
            |mut host: Host<'_>, slot: i32, ucontext: i32| {
                assert_eq!(slot, SLOT);
                host.data_mut().note(format_args!("return {ucontext}"));
            },
        )
        .expect("new");
    linker
        .func_wrap("kernel", "safepoint", |mut host: Host<'_>, slot: i32| {
            assert_eq!(slot, SLOT);
            host.data_mut().note(format_args!("safepoint"));
            host.data_mut().safepoints.pop_front().unwrap_or(0)
        })
        .expect("new");
    linker
        .func_wrap(
            "kernel",
            "memory_grow",
            |mut host: Host<'_>, slot: i32, pages: i32| {
                assert_eq!(slot, SLOT);
                host.data_mut().note(format_args!("grow {pages}"));
                host.data_mut().grows.pop_front().unwrap_or(-1)
            },
        )
        .expect("new");
    linker
        .func_wrap(
            "kernel",
            "fork",
            |mut host: Host<'_>, slot: i32, operation: i32, word: i32| {
                assert_eq!(slot, SLOT);
                host.data_mut()
                    .note(format_args!("fork {operation} {word}"));
                host.data_mut().answer()
            },
        )
        .expect("new");
    linker
        .func_wrap("host", "probe", |host: Host<'_>, never: i32| {
            assert_eq!(never, 0);
            if host.data().is_stack_full {
                return Err(wasmi::Error::new("stack overflow"));
            }
            Ok(())
        })
        .expect("new")
        .func_wrap("host", "park", |mut host: Host<'_>, slot: i32| {
            assert_eq!(slot, SLOT);
            host.data_mut().note(format_args!("park"));
            host.data_mut().parks.pop_front().unwrap_or(0)
        })
        .expect("new");
}
