//! Rewrites guest modules and puts their system-call shims into them.
//!
//! A program is read once, when it is first executed. Out comes the *guest*, a module that every
//! process of that program instantiates: the program with its memory imported, and with a *shim* of a
//! few functions in the place of the system calls that it imported. One more module, the *memory
//! shim*, is the same for all programs: it lets the kernel reach a guest's memory.
//!
//! ```text
//!   guest                                                          kernel
//!   ┌──────────────────────────────────────────┐ kernel.syscall ┌────────────┐
//!   │ program ── call 3 ──> stub 3: number ────│───────────────>│ dispatch   │
//!   │   ^                     result? <────────│────────────────│            │
//!   │   │                     PENDING ─────────┼─> host.park (suspends the stack)
//!   │   └── handler <──────── SIGNAL, then     │
//!   │                         kernel.signal_return
//!   │                         DIE: traps       │
//!   └──────┬───────────────────────────────────┘
//!     guest.memory     ┌─────────────┐
//!   ┌──────┴──────┐    │ memory shim │<── copy_in, copy_out, fill, clean: kernel
//!   │ its memory  │<───└─────────────┘
//!   └─────────────┘
//! ```
//!
//! Between the guest's frames and the suspending import there are only Wasm frames, as JavaScript
//! Promise Integration demands. Handlers run as calls from the shim after the system call, so they
//! may block, and may leave by a Wasm exception (`siglongjmp`): the shim keeps what it needs in
//! locals only.
//!
//! A program that makes no calls comes by a *safepoint* in each turn of a loop, and calls the shim
//! there from time to time: so it can be stopped, killed, and handle signals.
//!
//! A program for `wali` is translated to linux32 before: see `wali`, and `jump` for its setjmp.
//!
//! A program that imports fork(2) is written once more, so that its stack can be saved and built
//! again: see `fork`.
//!
//! A program can name nothing but its own memory, tables, globals and functions, and the stubs of its
//! imports: its indices are moved behind those of the shim's imports, and it was validated before, by the engine.
//!
//! Key types: [`Options`], [`Program`], [`Refusal`]. Neighbours: `kernel::exec` caches programs by
//! contents, the glue crate compiles and instantiates them.

#![forbid(unsafe_code)]

mod atomics;
mod back_edges;
mod bodies;
mod call_graph;
mod call_shim;
mod call_words;
mod counted;
mod data;
mod features;
mod fork;
mod imports;
mod indirect;
mod instruction;
mod jump;
mod memory_shim;
mod module;
mod names;
mod refusal;
mod rewrite;
mod safepoint;
mod shapes;
mod stack_probe;
mod unroll;
mod wali;

pub use atomics::ThreadEntry;
pub use data::data_segments;
pub use features::validate;
pub use fork::{Seams, write as write_fork};
pub use memory_shim::memory_shim;
pub use refusal::Refusal;
pub use stack_probe::{STACK_PROBE_LEN, stack_probe};
pub use wali::translate as translate_wali;

/// How the kernel reaches the memory of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// The memory shim imports both memories: engines with the multi-memory proposal.
    MultiMemory,
    /// The memory shim calls `host.copy_in` and `host.copy_out`: engines without it.
    JavaScript,
}

/// Whether several Workers may hold a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// One Worker at a time.
    Private,
    /// Several (`SharedArrayBuffer`); such a memory always has a maximum.
    Shared,
}

/// The declared size of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// Size at the start, in pages of 64 KiB.
    pub min_pages: u64,
    /// Largest size, in pages of 64 KiB; none when the module declares none.
    pub max_pages: Option<u64>,
    /// Whether it is declared shared.
    pub shared: bool,
}

/// Whether a program that makes no system calls can be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// Programs count down to safepoints, in loops and recursion.
    Countdown,
    /// There are no safepoints, to measure what they cost. Such a program keeps its Worker.
    Absent,
}

/// The type of [`write_fork`].
pub type ForkPass = fn(&[u8], Seams) -> Result<Option<Vec<u8>>, Refusal>;

/// The type of [`translate_wali`].
pub type WaliPass = fn(&[u8]) -> Result<Vec<u8>, Refusal>;

/// What the loader has to know of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether programs get safepoints.
    pub interruption: Interruption,
    /// What a program with threads gets: a memory that several Workers may hold, or one like all others.
    pub thread_memory: Sharing,
    /// The number of the `linux32` import `__syscall_<name>`, given the name without the prefix
    /// ([`abi::linux32_number`] or a part of it).
    ///
    /// [`abi::special::INDIRECT`] says that the number is the import's first argument. Imports
    /// without a number answer `ENOSYS`, by way of [`abi::special::UNKNOWN_BASE`].
    pub import_number: fn(&str) -> Option<u32>,
    /// Says whether a module is valid, and why not: the engine that will run it. Where there is
    /// none, [`validate`].
    pub validate: fn(&[u8]) -> Result<(), String>,
    /// The pass for programs that fork, [`write_fork`]: few do, so a page loads it when one comes.
    pub write_fork: ForkPass,
    /// The pass for programs that import `wali.*`, [`translate_wali`]: loaded as that one is.
    pub translate_wali: WaliPass,
}

/// Where a program keeps its stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackInfo {
    /// First value of `__stack_pointer`, an address; the stack grows down from here. 0 when the
    /// program has no stack pointer.
    pub pointer_initial: u32,
    /// Lowest address of the stack, as far as the layout of the data tells: below it is data.
    pub lowest: u32,
    /// Whether a stack pointer was found: without one no arguments can be passed to `_start`.
    pub has_pointer: bool,
}

/// How a program is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `_start(stack)`: takes the address of `argc`, `argv`, `envp` and the auxiliary vector.
    WithStack,
    /// `_start()`.
    Plain,
}

/// A program that is ready to be compiled.
#[derive(Clone, Debug)]
pub struct Program {
    /// The rewritten module. Imports: `kernel.syscall`, `kernel.syscall_result`,
    /// `kernel.signal_next`, `kernel.signal_word`, `kernel.signal_return`, `kernel.safepoint`,
    /// `kernel.memory_grow`, `kernel.fork`, `host.park`, `host.slot`, `guest.memory`.
    pub guest: Vec<u8>,
    /// The size of the memory it wants, and whether it imports one that is shared.
    pub memory: MemoryLimits,
    /// Its stack.
    pub stack: StackInfo,
    /// Where `brk` starts, an address: `__heap_base`, or the end of the initial memory.
    pub heap_base: u32,
    /// End of the initialised data, an address: `__data_end`, or the end of the last segment.
    pub data_end: u32,
    /// How it is entered.
    pub entry: Entry,
    /// Where its threads are entered; `None`: it cannot have more than one.
    pub thread_entry: Option<ThreadEntry>,
    /// Names of the imports without a number, `module.field`; the one at index `i` is called
    /// with the number [`abi::special::UNKNOWN_BASE`]` + i`.
    pub unknown_imports: Vec<String>,
}

/// Whether a module keeps to the rules for programs of WASI.
fn check_wasi(module: &module::Module<'_>) -> Result<(), Refusal> {
    let exports_memory = module
        .export("memory", wasmparser::ExternalKind::Memory)
        .is_some();
    if exports_memory && !module.imports_memory {
        Ok(())
    } else {
        Err(Refusal::new(
            "a WASI module that does not export a memory of its own",
        ))
    }
}

/// Rewrites the module in `bytes`.
///
/// # Errors
/// A [`Refusal`] that says why the file cannot be executed: `ENOEXEC`.
pub fn load(bytes: &[u8], options: &Options) -> Result<Program, Refusal> {
    let module = module::Module::read(bytes)?;
    if wali::is_wali(&module) {
        let mut translated = (options.translate_wali)(bytes)?;
        if jump::note::is_in(&translated)
            && let Some(written) = (options.write_fork)(&translated, Seams::OF_JUMPS)?
        {
            translated = written;
        }
        return load_linux(&translated, options);
    }
    load_module(&module, bytes, options)
}

/// Rewrites a translated module: what it still imports of `wali` is refused at its calls.
fn load_linux(bytes: &[u8], options: &Options) -> Result<Program, Refusal> {
    load_module(&module::Module::read(bytes)?, bytes, options)
}

fn load_module(
    module: &module::Module<'_>,
    bytes: &[u8],
    options: &Options,
) -> Result<Program, Refusal> {
    (options.validate)(bytes).map_err(|why| Refusal::invalid(&why))?;
    let mut imports = imports::resolve(module, options.import_number)?;
    let mut layout = names::Layout::of(module)?;
    if imports.is_wasi {
        check_wasi(module)?;
        layout = layout.without_stack();
    }
    let forks = imports.has_fork();
    let thread_entry = ThreadEntry::of(module);
    let may_share = module.memory.shared && thread_entry.is_some();
    let sharing = match options.thread_memory {
        Sharing::Shared if may_share => Sharing::Shared,
        _ => Sharing::Private,
    };
    let write = |calls: &[imports::Call]| {
        rewrite::rewrite(module, &layout, calls, options.interruption, sharing)
    };
    let (mut guest, seams) = write(&imports.calls)?;
    if forks {
        guest = match (options.write_fork)(&guest, seams)? {
            Some(guest) => guest,
            None => {
                imports.refuse_fork();
                write(&imports.calls)?.0
            }
        };
    }
    Ok(Program {
        guest,
        memory: MemoryLimits {
            shared: sharing == Sharing::Shared,
            ..module.memory
        },
        stack: layout.stack,
        heap_base: layout.heap_base,
        data_end: layout.data_end,
        entry: layout.entry,
        thread_entry,
        unknown_imports: imports.unknown,
    })
}
