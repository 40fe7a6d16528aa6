//! Loaded modules, kept as long as their file does not change.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use abi::limits::BINPRM_BUF_SIZE;
use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;
use fs::budget::{Budget, Charge, Class, Reclaim};
use fs::io::VecSink;
use fs::vfs::inode::FileType;
use fs::vfs::path::Location;
use kernel_loader::{Options, Program};

use crate::memory::frames::InitialImage;
use crate::platform::{Level, Platform};
use crate::process::Credentials;
use crate::whole_file::WholeFiles;

/// Names a loaded program for as long as the pod runs; Workers keep compiled modules by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgramId(pub u32);

/// A module that the loader has rewritten.
#[derive(Debug)]
pub struct LoadedProgram {
    /// Never used twice.
    pub id: ProgramId,
    /// The rewritten guest and what is known of its memory.
    pub program: Program,
    /// The memory that it takes.
    charge: Charge,
    initial_image: OnceLock<InitialImage>,
}

impl LoadedProgram {
    /// What its memory holds before it runs; read from the module when it is first asked for.
    pub fn initial_image(&self) -> &InitialImage {
        let read = || InitialImage::new(kernel_loader::data_segments(&self.program.guest));
        self.initial_image.get_or_init(read)
    }

    /// The first stack pointer of the module: the stack grows down from here.
    pub const fn stack_top(&self) -> u32 {
        self.program.stack.pointer_initial
    }
}

/// Which contents a file had: (`st_dev`, `st_ino`, version).
type Key = (u64, u64, u64);

/// Programs by their contents, and which contents files have. What nobody runs goes when memory is
/// short.
#[derive(Debug)]
pub struct ProgramCache {
    by_file: Lock<SortedMap<Key, u128>>,
    by_contents: Lock<SortedMap<u128, Arc<LoadedProgram>>>,
    next_id: AtomicU32,
    options: Options,
    platform: Arc<dyn Platform>,
    budget: Arc<Budget>,
    files: WholeFiles,
}

/// How much more memory than the file loading takes at most, about: its bytes in a vector that has
/// doubled, and the rewritten module.
const LOADING_FACTOR: u64 = 4;
/// The largest file that is taken for a program.
const MAX_MODULE_LEN: u64 = 512 << 20;

impl ProgramCache {
    /// An empty cache whose programs are loaded with `options`, into the memory of `budget`.
    pub fn new(options: Options, platform: Arc<dyn Platform>, budget: &Arc<Budget>) -> Self {
        Self {
            by_file: Lock::new(SortedMap::new()),
            by_contents: Lock::new(SortedMap::new()),
            next_id: AtomicU32::new(1),
            options,
            platform,
            budget: Arc::clone(budget),
            files: WholeFiles::default(),
        }
    }

    /// The program in the file at `location`, loaded at most once for the same contents.
    ///
    /// # Errors
    /// `ENOEXEC` when the loader refuses it (the reason goes to the log), `EIO`, `ENOMEM`.
    pub fn load(&self, location: &Location) -> Result<Arc<LoadedProgram>> {
        let inode = location.inode();
        let metadata = inode.metadata()?;
        let key = inode
            .version()
            .map(|version| (metadata.device, metadata.inode, version));
        let known = key.and_then(|key| self.by_file.lock().get(&key).copied());
        if let Some(found) = known.and_then(|hash| self.with_contents(hash)) {
            return Ok(found);
        }
        let room = metadata.size.saturating_mul(LOADING_FACTOR);
        let mut charge = Charge::take(&self.budget, Class::Programs, room)?;
        if metadata.size > MAX_MODULE_LEN {
            return Err(Errno::ENOEXEC.because("larger than any program may be"));
        }
        let size = usize::try_from(metadata.size).map_err(|_| Errno::ENOMEM)?;
        let bytes = self.files.read(&**inode, size)?;
        let hash = content_hash(&bytes);
        let program = match self.with_contents(hash) {
            Some(program) => program,
            None => {
                let program = kernel_loader::load(&bytes, &self.options).map_err(|refusal| {
                    let reason = format!("{}: {refusal}", location.path_lossy());
                    self.platform.log(Level::Warning, &reason);
                    Errno::ENOEXEC.because("the loader refused the module")
                })?;
                let id = ProgramId(self.next_id.fetch_add(1, Ordering::Relaxed));
                charge.resize(u64::try_from(program.guest.len()).unwrap_or(u64::MAX))?;
                let program = Arc::new(LoadedProgram {
                    id,
                    program,
                    charge,
                    initial_image: OnceLock::new(),
                });
                self.by_contents.lock().insert(hash, Arc::clone(&program));
                program
            }
        };
        if let Some(key) = key {
            let mut by_file = self.by_file.lock();
            by_file.retain(|&(device, inode, _), _| (device, inode) != (key.0, key.1));
            by_file.insert(key, hash);
        }
        Ok(program)
    }

    /// The program whose module has this hash, if it is there.
    fn with_contents(&self, hash: u128) -> Option<Arc<LoadedProgram>> {
        self.by_contents.lock().get(&hash).cloned()
    }
}

impl LoadedProgram {
    /// Whether only the cache has it.
    fn is_idle(this: &Arc<Self>) -> bool {
        Arc::strong_count(this) == 1
    }
}

impl Reclaim for ProgramCache {
    /// Bytes of the programs that nobody runs.
    fn held_bytes(&self) -> u64 {
        let Some(programs) = self.by_contents.try_lock() else {
            return 0;
        };
        let idle = programs
            .values()
            .filter(|program| LoadedProgram::is_idle(program));
        idle.fold(0, |sum, program| sum.saturating_add(program.charge.bytes()))
    }

    fn give_back(&self, bytes: u64) -> u64 {
        let Some(mut programs) = self.by_contents.try_lock() else {
            return 0;
        };
        let mut given = 0_u64;
        programs.retain(|_, program| {
            let goes = given < bytes && LoadedProgram::is_idle(program);
            if goes {
                given = given.saturating_add(program.charge.bytes());
            }
            !goes
        });
        given
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
    if !location.mount.may_execute() {
        return Err(Errno::EACCES.because("the mount has no programs"));
    }
    if !credentials.may_execute(&metadata) {
        return Err(Errno::EACCES.because("no execute permission"));
    }
    let mut head = VecSink::new(BINPRM_BUF_SIZE);
    inode.read_at(0, &mut head)?;
    if head.bytes.is_empty() {
        return Err(Errno::ENOEXEC.because("the file is empty"));
    }
    Ok(head.bytes)
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
