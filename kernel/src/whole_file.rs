//! Reading a whole file at once, also one that is larger than the cache of a disk that answers later.

use abi::Result;
use executor::sync::Lock;
use fs::io::{NOT_RESIDENT, Sink as _, VecSink};
use fs::vfs::inode::Inode;

/// Files that are read at a time: those of whoever gave up are forgotten for others.
const MAX_PARTS: usize = 4;

/// The beginnings of files whose rest is not here yet, the latest first.
#[derive(Debug, Default)]
pub struct WholeFiles(Lock<Vec<Part>>);

#[derive(Debug)]
struct Part {
    /// Device, inode and version of the contents.
    file: (u64, u64, Option<u64>),
    sink: VecSink,
}

impl WholeFiles {
    /// Up to `limit` bytes of a file from its start.
    ///
    /// # Errors
    /// Those of the file. After [`NOT_RESIDENT`] the next call goes on where this one ended.
    pub fn read(&self, inode: &dyn Inode, limit: usize) -> Result<Vec<u8>> {
        let metadata = inode.metadata()?;
        let file = (metadata.device, metadata.inode, inode.version());
        let mut parts = self.0.lock();
        let known = parts.iter().position(|part| part.file == file);
        let known = known.map(|at| parts.swap_remove(at).sink);
        drop(parts);
        let mut sink = known.unwrap_or_else(|| VecSink::new(limit));
        while sink.remaining() > 0 {
            let done = u64::try_from(sink.bytes.len()).unwrap_or(u64::MAX);
            match inode.read_at(done, &mut sink) {
                Ok(0) => break,
                Ok(_) => {}
                Err(NOT_RESIDENT) => {
                    let mut parts = self.0.lock();
                    parts.truncate(MAX_PARTS - 1);
                    parts.insert(0, Part { file, sink });
                    return Err(NOT_RESIDENT);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(sink.bytes)
    }
}
