//! Loaded modules, kept as long as their file does not change.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use abi::{Errno, Result};
use executor::sync::Lock;
use fs::io::VecSink;
use fs::vfs::inode::{FileType, Inode};
use fs::vfs::path::Location;
use kernel_loader::{Options, Program};

use super::script::HEAD_LEN;
use crate::platform::{Level, Platform};
use crate::process::Credentials;

/// Names a loaded program for as long as the pod runs; Workers keep compiled modules by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgramId(pub u32);

/// A module that the loader has rewritten, with its shim.
#[derive(Debug)]
pub struct LoadedProgram {
    /// Never used twice.
    pub id: ProgramId,
    /// The rewritten guest, its shim and what is known of its memory.
    pub program: Program,
}

impl LoadedProgram {
    /// The first stack pointer of the module: the stack grows down from here.
    pub const fn stack_top(&self) -> u32 {
        self.program.stack.pointer_initial
    }
}

/// Which contents a file had: (`st_dev`, `st_ino`, version).
type Key = (u64, u64, u64);

/// Programs by the file that holds them, and by their contents.
#[derive(Debug)]
pub struct ProgramCache {
    by_file: Lock<HashMap<Key, Arc<LoadedProgram>>>,
    by_contents: Lock<HashMap<u128, Arc<LoadedProgram>>>,
    next_id: AtomicU32,
    options: Options,
    platform: Arc<dyn Platform>,
}

/// The largest file that is taken for a program.
const MAX_MODULE_LEN: u64 = 512 << 20;

impl ProgramCache {
    /// An empty cache whose programs are loaded with `options`.
    pub fn new(options: Options, platform: Arc<dyn Platform>) -> Self {
        Self {
            by_file: Lock::new(HashMap::new()),
            by_contents: Lock::new(HashMap::new()),
            next_id: AtomicU32::new(1),
            options,
            platform,
        }
    }

    /// The program in the file at `location`, loaded at most once for the same contents.
    ///
    /// # Errors
    /// `ENOEXEC` when the loader refuses it (the reason goes to the log), `EIO`.
    pub fn load(&self, location: &Location) -> Result<Arc<LoadedProgram>> {
        let inode = location.inode();
        let metadata = inode.metadata()?;
        let key = inode
            .version()
            .map(|version| (metadata.device, metadata.inode, version));
        if let Some(found) = key.and_then(|key| self.by_file.lock().get(&key).cloned()) {
            return Ok(found);
        }
        let bytes = read_all(&**inode, metadata.size)?;
        let hash = content_hash(&bytes);
        let known = self.by_contents.lock().get(&hash).cloned();
        let program = match known {
            Some(program) => program,
            None => {
                let program = kernel_loader::load(&bytes, &self.options).map_err(|refusal| {
                    let reason = format!("{}: {refusal}", location.path_lossy());
                    self.platform.log(Level::Warning, &reason);
                    Errno::ENOEXEC.because("the loader refused the module")
                })?;
                let id = ProgramId(self.next_id.fetch_add(1, Ordering::Relaxed));
                let program = Arc::new(LoadedProgram { id, program });
                self.by_contents.lock().insert(hash, Arc::clone(&program));
                program
            }
        };
        if let Some(key) = key {
            let mut by_file = self.by_file.lock();
            by_file.retain(|&(device, inode, _), _| (device, inode) != (key.0, key.1));
            by_file.insert(key, Arc::clone(&program));
        }
        Ok(program)
    }
}

/// Checks that `location` may be executed, and reads its first bytes.
pub(super) fn check_and_read_head(
    location: &Location,
    credentials: &Credentials,
) -> Result<Vec<u8>> {
    let inode = location.inode();
    let metadata = inode.metadata()?;
    match metadata.file_type {
        FileType::Regular => {}
        _ => return Err(Errno::EACCES.because("only a regular file can be executed")),
    }
    if !credentials.may_execute(&metadata) {
        return Err(Errno::EACCES.because("no execute permission"));
    }
    let mut head = VecSink::new(HEAD_LEN);
    inode.read_at(0, &mut head)?;
    if head.bytes.is_empty() {
        return Err(Errno::ENOEXEC.because("the file is empty"));
    }
    Ok(head.bytes)
}

fn read_all(inode: &dyn Inode, size: u64) -> Result<Vec<u8>> {
    if size > MAX_MODULE_LEN {
        return Err(Errno::ENOEXEC.because("larger than any program may be"));
    }
    let size = usize::try_from(size).map_err(|_| Errno::ENOMEM)?;
    let mut sink = VecSink::new(size);
    inode.read_at(0, &mut sink)?;
    Ok(sink.bytes)
}

/// Two rounds of the standard library's `SipHash` with different keys: 128 bits.
fn content_hash(bytes: &[u8]) -> u128 {
    use std::hash::{DefaultHasher, Hasher};
    let half = |key: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(key);
        hasher.write(bytes);
        u128::from(hasher.finish())
    };
    half(1) << 64 | half(2)
}
