//! The host's file operations, as the superuser.

use abi::{Errno, Result};
use executor::sync::Lock;
use fs::io::NOT_RESIDENT;
use fs::vfs::Follow;
use fs::vfs::flush::Flush;
use fs::vfs::inode::FileType;

use super::block::{answer, block, lent, negated};
use crate::pod::{Pod, mount_host, pod};
use crate::wire::Reader;

/// A file operation of the host as the superuser: 0 read, 1 write, 2 list, 3 stat, 4 mkdir,
/// 5 remove, 6 snapshot of the root image, 7 sync, 8 mount, 9 unmount. A block.
#[unsafe(no_mangle)]
pub extern "C" fn file(operation: u32, address: u32, len: u32) -> u32 {
    let Some(pod) = pod() else {
        return block(negated(Errno::EAGAIN.into()), &[]);
    };
    let mut reader = Reader(lent(address, len));
    answer(match operation {
        0 => read_file(pod, &mut reader),
        1 => write_file(pod, &mut reader),
        2 => list_directory(pod, &mut reader),
        3 => status_of(pod, &mut reader),
        4 => make_directory(pod, &mut reader),
        5 => remove_file(pod, &mut reader),
        6 => snapshot(pod),
        7 => sync(pod),
        8 => mount(pod, &mut reader),
        9 => unmount(pod, &mut reader),
        _ => Err(Errno::ENOSYS.into()),
    })
}

fn snapshot(pod: &Pod) -> Result<Vec<u8>> {
    pod.kernel.vfs.sync()?;
    let on_disk = Errno::EOPNOTSUPP.because("the disk Worker has the image");
    let budget = pod.kernel.budget();
    // A copy of the disk, and one of it for the host.
    if budget.disk_image_bytes().saturating_mul(2) > budget.heap_room() {
        return Err(Errno::ENOMEM.because("the kernel's memory is too small for a copy"));
    }
    pod.disk.snapshot().ok_or(on_disk)
}

/// What a sync waits for: the host makes one after the other.
static SYNC: Lock<Option<Vec<Flush>>> = Lock::new(None);

fn sync(pod: &Pod) -> Result<Vec<u8>> {
    let mut waiting = SYNC.lock();
    let flushes = match waiting.take() {
        Some(flushes) => flushes,
        None => pod.kernel.vfs.sync()?,
    };
    for flush in &flushes {
        if !flush.is_complete()? {
            *waiting = Some(flushes);
            return Err(NOT_RESIDENT);
        }
    }
    Ok(Vec::new())
}

fn read_file(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    pod.with_context(|vfs, context| {
        let location = vfs.walk(context, path, Follow::Yes)?;
        let metadata = location.metadata()?;
        if metadata.file_type == FileType::Directory {
            return Err(Errno::EISDIR.into());
        }
        // The vector doubles as it grows, and the block is a copy.
        let room = pod.kernel.budget().heap_room() / 4;
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let bytes = pod.files.read(&**location.inode(), room)?;
        if bytes.len() == room {
            return Err(Errno::EFBIG.because("the kernel's memory is too small for it"));
        }
        Ok(bytes)
    })
}

fn write_file(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    let mode = reader.word()?;
    let mut data = reader.bytes()?;
    pod.with_context(|vfs, context| {
        let flags = abi::flags::O_WRONLY | abi::flags::O_CREAT | abi::flags::O_TRUNC;
        let opened = vfs.open(context, path, flags, mode)?;
        let mut done = 0_u64;
        while !data.is_empty() {
            let inode = opened.location.inode();
            match inode.write_at(done, &mut data, context.now)? {
                0 => return Err(Errno::ENOSPC.into()),
                written => done = done.saturating_add(u64::try_from(written).unwrap_or(0)),
            }
        }
        Ok(Vec::new())
    })
}

fn list_directory(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    pod.with_context(|vfs, context| {
        let mut listing = Vec::new();
        vfs.walk(context, path, Follow::Yes)?
            .inode()
            .read_dir(0, &mut |entry| {
                let kind = entry
                    .file_type
                    .map_or(0, |kind| u32::from(kind.dirent_type()));
                let len = u32::try_from(entry.name.len()).unwrap_or(0);
                listing.extend_from_slice(&kind.to_le_bytes());
                listing.extend_from_slice(&len.to_le_bytes());
                listing.extend_from_slice(entry.name);
                true
            })?;
        Ok(listing)
    })
}

fn status_of(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    pod.with_context(|vfs, context| {
        let metadata = vfs.stat(context, path, Follow::Yes)?;
        let mode = f64::from(metadata.file_type.mode_bits() | metadata.permissions);
        #[expect(
            clippy::as_conversions,
            clippy::cast_precision_loss,
            reason = "numbers for JavaScript; sizes are below 2^53"
        )]
        let (size, modified) = (
            metadata.size as f64,
            metadata.mtime.seconds as f64 * 1e3 + f64::from(metadata.mtime.nanoseconds) / 1e6,
        );
        Ok([mode, size, modified]
            .into_iter()
            .flat_map(f64::to_le_bytes)
            .collect())
    })
}

fn make_directory(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    let mode = reader.word()?;
    pod.with_context(|vfs, context| vfs.mkdir(context, path, mode).map(|_| Vec::new()))
}

fn mount(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let guest = reader.bytes()?;
    let host = reader.bytes()?;
    let is_read_only = reader.word()? != 0;
    mount_host(&pod.kernel, host, guest, is_read_only).map(|()| Vec::new())
}

fn unmount(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    pod.with_context(|vfs, context| vfs.umount(context, path, 0).map(|()| Vec::new()))
}

fn remove_file(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    pod.with_context(|vfs, context| {
        match vfs.unlink(context, path) {
            Err(error) if error.errno == Errno::EISDIR => vfs.rmdir(context, path),
            other => other,
        }
        .map(|()| Vec::new())
    })
}
