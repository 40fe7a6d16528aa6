//! `fd_readdir`: the entries of a directory from a cookie on.

use abi::Result;
use abi::types::UserAddr;
use abi::wasi::WasiFd;
use abi::wasi::layout::{Dirent, FILETYPE_UNKNOWN, filetype_of};
use fs::vfs::inode::DirEntry;
use kernel::open_file::Whence;

use super::{Wx, signed};

/// Lists what is behind `cookie`, 0 for the start, `.` and `..` first. The last record is cut off at
/// the end of the buffer; a buffer that is not full says that there is no more.
///
/// # Errors
/// `EBADF`, also for what is no directory.
pub(super) fn fd_readdir(
    wx: Wx<'_>,
    number: WasiFd,
    buf: UserAddr,
    len: u32,
    cookie: u64,
    used: UserAddr,
) -> Result<()> {
    wx.directory(number)?;
    let file = wx.descriptor(number)?.file;
    file.seek(signed(cookie)?, Whence::Start)?;
    let mut buffer = Buffer {
        wx,
        at: buf,
        left: len,
    };
    let mut failed = Ok(());
    file.read_dir(wx.kernel.now(), &mut |entry| {
        failed = buffer.put(&entry);
        failed.is_ok() && buffer.left > 0
    })?;
    failed?;
    wx.write(used, &len.saturating_sub(buffer.left).to_le_bytes())
}

/// Guest memory that fills up.
struct Buffer<'a> {
    wx: Wx<'a>,
    at: UserAddr,
    /// Bytes.
    left: u32,
}

impl Buffer<'_> {
    fn put(&mut self, entry: &DirEntry<'_>) -> Result<()> {
        let record = Dirent {
            next: entry.next_cookie,
            ino: entry.inode,
            name_len: u32::try_from(entry.name.len()).unwrap_or(0),
            filetype: entry.file_type.map_or(FILETYPE_UNKNOWN, filetype_of),
        };
        self.put_bytes(&record.to_bytes())?;
        self.put_bytes(entry.name)
    }

    /// Writes as much as there is room for.
    fn put_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let len = u32::try_from(bytes.len())
            .unwrap_or(u32::MAX)
            .min(self.left);
        let fitting = usize::try_from(len).ok().and_then(|len| bytes.get(..len));
        self.wx.write(self.at, fitting.unwrap_or_default())?;
        self.at = self.at.offset(len)?;
        self.left = self.left.saturating_sub(len);
        Ok(())
    }
}
