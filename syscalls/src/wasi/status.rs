//! What a descriptor and a file are: flags, rights, attributes.
//!
//! Rights are told, not kept: the access mode of a descriptor says what may be done, as in wasmtime.

use abi::flags::{O_ACCMODE, O_APPEND, O_DSYNC, O_NONBLOCK, O_SYNC};
use abi::types::UserAddr;
use abi::wasi::flags::{
    FDFLAGS_APPEND, FDFLAGS_DSYNC, FDFLAGS_NONBLOCK, FDFLAGS_RSYNC, FDFLAGS_SYNC, FST_ATIM,
    FST_ATIM_NOW, FST_MTIM, FST_MTIM_NOW, rights,
};
use abi::wasi::layout::{
    FILETYPE_CHARACTER_DEVICE, FILETYPE_SOCKET_DGRAM, FILETYPE_UNKNOWN, Fdstat, Filestat,
    Filestat0, filetype_of,
};
use abi::wasi::{Version, WasiFd};
use abi::{Errno, Result};
use fs::vfs::NewTime;
use fs::vfs::inode::{FileType, Metadata, Timestamp};
use fs::vfs::path::Location;
use kernel::open_file::OpenFile;
use kernel::socket::socket_of;

use super::Wx;
use super::descriptor::{Descriptor, Kind};

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// What a directory that was open at the start may be used for.
const OF_PREOPENED: u64 =
    rights::OF_NAMES | rights::FD_FILESTAT_GET | rights::FD_FILESTAT_SET_TIMES;

/// What may be done with files that are opened below it.
const INHERITED: u64 = OF_PREOPENED
    | rights::FD_DATASYNC
    | rights::FD_READ
    | rights::FD_SEEK
    | rights::FD_FDSTAT_SET_FLAGS
    | rights::FD_SYNC
    | rights::FD_TELL
    | rights::FD_WRITE
    | rights::FD_ADVISE
    | rights::FD_ALLOCATE
    | rights::FD_FILESTAT_SET_SIZE
    | rights::POLL_FD_READWRITE;

/// Tells type, flags and rights.
pub(super) fn fd_fdstat_get(wx: Wx<'_>, number: WasiFd, address: UserAddr) -> Result<()> {
    let descriptor = wx.descriptor(number)?;
    wx.write(address, &fdstat_of(&descriptor).to_bytes())
}

fn fdstat_of(descriptor: &Descriptor) -> Fdstat {
    let file = &*descriptor.file;
    let filetype = filetype_of_file(file);
    if descriptor.is_preopened {
        return Fdstat {
            filetype,
            flags: 0,
            rights_base: OF_PREOPENED,
            rights_inheriting: INHERITED,
        };
    }
    let mut base = match descriptor.kind() {
        Kind::File => rights::ALL,
        Kind::Directory => {
            rights::ALL
                & !(rights::FD_SEEK | rights::FD_FILESTAT_SET_SIZE | rights::PATH_FILESTAT_SET_SIZE)
        }
        // Without a right to seek, a character device is a terminal.
        Kind::Stream => rights::FD_READ | rights::FD_WRITE,
    };
    if !file.is_readable() {
        base &= !(rights::FD_READ | rights::FD_READDIR);
    }
    if !file.is_writable() {
        base &= !rights::FD_WRITE;
    }
    Fdstat {
        filetype,
        flags: fdflags_of(file.flags()),
        rights_base: base,
        rights_inheriting: base,
    }
}

/// The `filetype` of an open file: streams other than terminals and sockets have none.
fn filetype_of_file(file: &OpenFile) -> u8 {
    match file.file_type() {
        FileType::Socket if socket_of(file).is_some_and(|socket| !socket.is_stream()) => {
            FILETYPE_SOCKET_DGRAM
        }
        FileType::CharDevice if file.is_stream() && file.terminal().is_none() => FILETYPE_UNKNOWN,
        _ if file.terminal().is_some() => FILETYPE_CHARACTER_DEVICE,
        other => filetype_of(other),
    }
}

fn fdflags_of(flags: u32) -> u16 {
    let pairs = [
        (O_APPEND, FDFLAGS_APPEND),
        (O_DSYNC, FDFLAGS_DSYNC),
        (O_NONBLOCK, FDFLAGS_NONBLOCK),
        (O_SYNC, FDFLAGS_SYNC),
    ];
    let set = pairs
        .into_iter()
        .filter(|(linux, _)| flags & linux == *linux);
    let bits = set.fold(0, |sum, (_, wasi)| sum | wasi);
    u16::try_from(bits).unwrap_or(0)
}

/// The flags of open(2) for `fdflags`.
///
/// # Errors
/// `EINVAL` for bits without a meaning.
pub(super) fn open_flags_of(flags: u32) -> Result<u32> {
    const SYNCS: u32 = FDFLAGS_DSYNC | FDFLAGS_RSYNC | FDFLAGS_SYNC;
    if flags & !(FDFLAGS_APPEND | FDFLAGS_NONBLOCK | SYNCS) != 0 {
        return Err(Errno::EINVAL.because("no such flag of a descriptor"));
    }
    let pairs = [
        (FDFLAGS_APPEND, O_APPEND),
        (FDFLAGS_DSYNC, O_DSYNC),
        (FDFLAGS_NONBLOCK, O_NONBLOCK),
        (FDFLAGS_RSYNC, O_SYNC),
        (FDFLAGS_SYNC, O_SYNC),
    ];
    let set = pairs.into_iter().filter(|(wasi, _)| flags & wasi != 0);
    Ok(set.fold(0, |sum, (_, linux)| sum | linux))
}

/// Changes whether writes go to the end, and whether calls wait.
///
/// # Errors
/// `EBADF` for a directory, `EINVAL` for the flags that stay as they were opened.
pub(super) fn fd_fdstat_set_flags(wx: Wx<'_>, number: WasiFd, flags: u32) -> Result<()> {
    let file = wx.no_directory(number)?.file;
    if flags & !(FDFLAGS_APPEND | FDFLAGS_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.because("only APPEND and NONBLOCK can be changed"));
    }
    file.set_flags(file.flags() & O_ACCMODE | open_flags_of(flags)?)
}

/// Takes no rights away: wasmtime does not either.
///
/// # Errors
/// `EOPNOTSUPP`, `EBADF`.
pub(super) fn fd_fdstat_set_rights(
    wx: Wx<'_>,
    number: WasiFd,
    _base: u64,
    _inheriting: u64,
) -> Result<()> {
    match wx.descriptor(number)?.kind() {
        Kind::Stream => Err(Errno::EBADF.because("a stream")),
        Kind::File | Kind::Directory => Err(Errno::EOPNOTSUPP.because("rights do not change")),
    }
}

/// Tells the attributes of an open file.
pub(super) fn fd_filestat_get(wx: Wx<'_>, number: WasiFd, address: UserAddr) -> Result<()> {
    let file = wx.descriptor(number)?.file;
    put(wx, address, &file.metadata()?, filetype_of_file(&file))
}

/// Writes the attributes of a file in the form of the caller's version.
pub(super) fn put_filestat(wx: Wx<'_>, address: UserAddr, metadata: &Metadata) -> Result<()> {
    put(wx, address, metadata, filetype_of(metadata.file_type))
}

fn put(wx: Wx<'_>, address: UserAddr, metadata: &Metadata, filetype: u8) -> Result<()> {
    let status = Filestat {
        dev: metadata.device,
        ino: metadata.inode,
        filetype,
        nlink: u64::from(metadata.nr_links),
        size: metadata.size,
        atim: nanoseconds(metadata.atime),
        mtim: nanoseconds(metadata.mtime),
        ctim: nanoseconds(metadata.ctime),
    };
    match wx.version {
        Version::Preview0 => wx.write(address, &Filestat0::from(status).to_bytes()),
        Version::Preview1 => wx.write(address, &status.to_bytes()),
    }
}

/// Nanoseconds since 1970; the time before is not told.
fn nanoseconds(time: Timestamp) -> u64 {
    u64::try_from(time.seconds)
        .unwrap_or(0)
        .saturating_mul(SECOND_NS)
        .saturating_add(u64::from(time.nanoseconds))
}

/// Sets the times of an open file.
pub(super) fn fd_filestat_set_times(
    wx: Wx<'_>,
    number: WasiFd,
    atim: u64,
    mtim: u64,
    flags: u32,
) -> Result<()> {
    let times = new_times(atim, mtim, flags)?;
    let descriptor = wx.descriptor(number)?;
    if descriptor.kind() == Kind::Stream {
        return Err(Errno::EBADF.because("a stream"));
    }
    set_times(wx, &descriptor.file.place()?, times)
}

/// Access and modification time that `fstflags` ask for.
///
/// # Errors
/// `EINVAL` for a time that is both given and now.
pub(super) fn new_times(atim: u64, mtim: u64, flags: u32) -> Result<[NewTime; 2]> {
    if flags & !(FST_ATIM | FST_ATIM_NOW | FST_MTIM | FST_MTIM_NOW) != 0 {
        return Err(Errno::EINVAL.because("no such flag of a time"));
    }
    Ok([
        new_time(atim, flags & FST_ATIM != 0, flags & FST_ATIM_NOW != 0)?,
        new_time(mtim, flags & FST_MTIM != 0, flags & FST_MTIM_NOW != 0)?,
    ])
}

fn new_time(time_ns: u64, is_given: bool, is_now: bool) -> Result<NewTime> {
    match (is_given, is_now) {
        (true, true) => Err(Errno::EINVAL.because("a time both given and now")),
        (false, true) => Ok(NewTime::Now),
        (false, false) => Ok(NewTime::Keep),
        (true, false) => {
            let seconds = time_ns.checked_div(SECOND_NS).unwrap_or(0);
            let nanoseconds = time_ns.checked_rem(SECOND_NS).unwrap_or(0);
            Ok(NewTime::At(Timestamp {
                seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
                nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
            }))
        }
    }
}

/// Sets the times of a file.
pub(super) fn set_times(
    wx: Wx<'_>,
    location: &Location,
    [atime, mtime]: [NewTime; 2],
) -> Result<()> {
    let credentials = wx.process().credentials();
    let now = wx.kernel.now();
    let vfs = &wx.kernel.vfs;
    vfs.set_times_location(&credentials.caller(), location, atime, mtime, now)
}
