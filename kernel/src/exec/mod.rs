//! From a path to a program that can run: `execve(2)` without the process side.
//!
//! - [`program`]: the cache of loaded modules, and what the loader refuses
//! - [`script`]: `#!` lines
//! - [`stack`]: the initial stack image: arguments, environment, auxiliary vector

mod program;
mod script;
mod stack;

use std::sync::Arc;

use abi::limits::MAX_INTERPRETER_DEPTH;
use abi::{Errno, Result};
use fs::vfs::path::Location;

pub use program::{LoadedProgram, ProgramCache, ProgramId};
pub use stack::StackImage;

use crate::kernel::Kernel;
use crate::memory::AddressSpace;
use crate::process::Process;

/// A program with its first stack: all that an instance needs to start.
#[derive(Debug)]
pub struct Image {
    /// The module.
    pub program: Arc<LoadedProgram>,
    /// What lies above the first stack pointer.
    pub stack: StackImage,
}

/// An image and what `/proc/PID` tells of it.
#[derive(Debug)]
pub struct Executable {
    /// What runs.
    pub image: Image,
    /// Its memory map, already charged for.
    pub space: AddressSpace,
    /// The file that holds the module.
    pub location: Location,
    /// Last component of the path given to `execve`: at most 15 bytes.
    pub comm: Vec<u8>,
    /// `argv`, each ended by NUL.
    pub cmdline: Vec<u8>,
    /// `envp`, each ended by NUL.
    pub environ: Vec<u8>,
}

/// Finds `path` for `process` and prepares it with `argv` and `envp`.
///
/// # Errors
/// As `execve(2)`: `ENOENT`, `EACCES`, `ENOEXEC`, `E2BIG`, `ELOOP`, `ENOTDIR`, `EISDIR`, `ENOMEM`…
///
/// # References
/// execve(2); Linux v6.12 `fs/exec.c`, `fs/binfmt_script.c`.
pub fn prepare(
    kernel: &Kernel,
    process: &Process,
    location: Location,
    path: &[u8],
    mut argv: Vec<Vec<u8>>,
    envp: &[Vec<u8>],
) -> Result<Executable> {
    let comm = comm_of(path);
    let mut location = location;
    let mut script_path = path.to_vec();
    for _ in 0..=MAX_INTERPRETER_DEPTH {
        let head = program::check_and_read_head(&location, &process.credentials())?;
        let Some(line) = script::parse(&head)? else {
            let program = kernel.programs.load(&location)?;
            if argv.is_empty() {
                argv.push(Vec::new());
            }
            let stack = StackImage::build(kernel, &program, process, path, &argv, envp)?;
            let space = AddressSpace::new(
                kernel.budget(),
                program.stack_top(),
                program.program.heap_base,
                program.program.memory.max_pages,
            )?
            .with_pages(program.program.memory.min_pages)
            .with_arguments(stack.bytes.len())?;
            return Ok(Executable {
                image: Image { program, stack },
                space,
                location,
                comm,
                cmdline: nul_ended(&argv),
                environ: nul_ended(envp),
            });
        };
        location = process.walk(kernel, line.interpreter)?;
        let rest = if argv.is_empty() {
            argv.split_off(0)
        } else {
            argv.split_off(1)
        };
        argv = vec![line.interpreter.to_vec()];
        argv.extend(line.argument.map(<[u8]>::to_vec));
        argv.push(script_path);
        argv.extend(rest);
        script_path = line.interpreter.to_vec();
    }
    Err(Errno::ELOOP.because("too many interpreters, one the script of the next"))
}

fn comm_of(path: &[u8]) -> Vec<u8> {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    name.iter().copied().take(15).collect()
}

fn nul_ended(strings: &[Vec<u8>]) -> Vec<u8> {
    let mut all = Vec::with_capacity(strings.iter().map(|s| s.len().saturating_add(1)).sum());
    for string in strings {
        all.extend_from_slice(string);
        all.push(0);
    }
    all
}
