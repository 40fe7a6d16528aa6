//! Who calls: what every handler gets as its first argument.

use std::sync::Arc;

use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use kernel::Kernel;
use kernel::open_file::OpenFile;
use kernel::platform::UserMemory;
use kernel::process::{Process, Task};

use abi::limits::{ARG_MAX, MAX_ARG_STRLEN, PATH_MAX};

/// The caller of a system call.
#[derive(Clone, Copy, Debug)]
pub struct Cx<'a> {
    /// The pod.
    pub kernel: &'a Arc<Kernel>,
    /// The thread that calls.
    pub task: &'a Arc<Task>,
}

impl Cx<'_> {
    /// The process that calls: the child's identity between `vfork` and `exec`.
    pub fn process(&self) -> Arc<Process> {
        self.task.process()
    }

    /// The caller's memory.
    pub fn memory(&self) -> &Arc<dyn UserMemory> {
        self.task.memory()
    }

    /// The open file behind `fd`.
    ///
    /// # Errors
    /// `EBADF` when it is not open.
    pub fn file(&self, fd: Fd) -> Result<Arc<OpenFile>> {
        self.task.file(fd)
    }

    /// The path at `address`, without its NUL.
    ///
    /// # Errors
    /// `EFAULT`, `ENAMETOOLONG` for `PATH_MAX` bytes or more.
    pub fn path(&self, address: UserAddr) -> Result<Vec<u8>> {
        self.string(address, PATH_MAX)
    }

    /// The string at `address`, without its NUL.
    ///
    /// # Errors
    /// `EFAULT`, also for the null pointer; `ENAMETOOLONG` for `max` bytes or more.
    pub fn string(&self, address: UserAddr, max: usize) -> Result<Vec<u8>> {
        not_null(address)?;
        self.memory().copy_in_string(address.0, max)
    }

    /// `N` bytes of guest memory.
    ///
    /// # Errors
    /// `EFAULT`, also for the null pointer: nothing of C's lies there.
    pub fn copy_in<const N: usize>(&self, address: UserAddr) -> Result<[u8; N]> {
        not_null(address)?;
        let mut bytes = [0; N];
        self.memory().copy_in(address.0, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes `bytes` to guest memory.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn copy_out(&self, address: UserAddr, bytes: &[u8]) -> Result<()> {
        if !bytes.is_empty() {
            not_null(address)?;
        }
        self.memory().copy_out(address.0, bytes)
    }

    /// Writes `bytes` to guest memory unless the address is null.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn copy_out_optional(&self, address: UserAddr, bytes: &[u8]) -> Result<()> {
        if address.is_null() {
            Ok(())
        } else {
            self.copy_out(address, bytes)
        }
    }

    /// The strings that a null-ended list of pointers leads to: `argv` or `envp`.
    ///
    /// # Errors
    /// `EFAULT`, `E2BIG` for a string of over 128 KiB or over 2 MiB in all.
    pub fn strings(&self, list: UserAddr) -> Result<Vec<Vec<u8>>> {
        let mut strings = Vec::new();
        if list.is_null() {
            return Ok(strings);
        }
        let mut total = 0_usize;
        let mut at = list;
        loop {
            let pointer = u32::from_le_bytes(self.copy_in(at)?);
            if pointer == 0 {
                return Ok(strings);
            }
            let string = self
                .memory()
                .copy_in_string(pointer, MAX_ARG_STRLEN)
                .map_err(|error| {
                    if error.errno == Errno::ENAMETOOLONG {
                        Errno::E2BIG.because("an argument of over 128 KiB")
                    } else {
                        error
                    }
                })?;
            total = total.saturating_add(string.len()).saturating_add(5);
            if total > ARG_MAX {
                return Err(Errno::E2BIG.because("arguments of over 2 MiB"));
            }
            strings.push(string);
            at = at.offset(4)?;
        }
    }
}

/// Fails for the null pointer, which a WebAssembly memory would take.
pub(crate) fn not_null(address: UserAddr) -> Result<()> {
    if address.is_null() {
        Err(Errno::EFAULT.because("the null pointer"))
    } else {
        Ok(())
    }
}
