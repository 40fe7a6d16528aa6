//! ioctl(2): requests that concern a descriptor or any file. Those of terminals, with their job
//! control, are `kernel::tty`'s; two that make or end something are in [`crate::tty`].

use abi::flags::{
    FIGETBSZ, FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, FIOQSIZE, O_ASYNC, O_NONBLOCK, TIOCGPTPEER,
    TIOCVHANGUP,
};
use abi::types::{Fd, UserAddr};
use abi::{Errno, Result};
use fs::vfs::inode::FileType;
use kernel::call::Answer;
use kernel::fd_table::OnExec;
use kernel::open_file::OpenFile;

use crate::context::Cx;
use crate::tty::{hang_up, master_of, open_peer};

/// ioctl(2).
pub(crate) fn ioctl(cx: Cx<'_>, fd: Fd, request: u32, argument: u32) -> Answer<i32> {
    let file = cx.file(fd)?;
    if file.is_path() {
        return Err(Errno::EBADF.because("opened with O_PATH").into());
    }
    let address = UserAddr(argument);
    match request {
        FIOCLEX => cx.process().files().set_on_exec(fd, OnExec::Close)?,
        FIONCLEX => cx.process().files().set_on_exec(fd, OnExec::Keep)?,
        FIONBIO => set_flag(cx, &file, O_NONBLOCK, address)?,
        FIOASYNC if file.wait_queue().is_some() => set_flag(cx, &file, O_ASYNC, address)?,
        FIOASYNC => return Err(Errno::ENOTTY.into()),
        FIOQSIZE => cx.copy_out(address, &size_of(&file)?.to_le_bytes())?,
        FIGETBSZ => cx.copy_out(address, &file.metadata()?.block_size.to_le_bytes())?,
        TIOCGPTPEER => match master_of(&file) {
            Some(master) => return Ok(open_peer(cx, master, argument)?),
            None if file.terminal().is_some() => {
                return Err(Errno::EIO.because("no master").into());
            }
            None => return Err(Errno::ENOTTY.into()),
        },
        TIOCVHANGUP if file.terminal().is_some() => hang_up(cx, &file)?,
        _ => {
            return cx
                .kernel
                .ioctl(&cx.process(), &file, request, argument, &**cx.memory());
        }
    }
    Ok(0)
}

/// Sets a status flag to the truth of the word at `address`.
fn set_flag(cx: Cx<'_>, file: &OpenFile, flag: u32, address: UserAddr) -> Result<()> {
    let is_set = u32::from_le_bytes(cx.copy_in(address)?) != 0;
    let flags = file.flags() & !flag;
    file.set_flags(if is_set { flags | flag } else { flags })
}

fn size_of(file: &OpenFile) -> Result<u64> {
    match file.file_type() {
        FileType::Regular | FileType::Directory | FileType::Symlink => Ok(file.metadata()?.size),
        _ => Err(Errno::ENOTTY.into()),
    }
}
