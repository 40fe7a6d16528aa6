//! The host's file operations, as the superuser.

use abi::{Errno, Result};
use fs::io::{Sink as _, VecSink};
use fs::vfs::Follow;
use fs::vfs::inode::FileType;

use super::block::{answer, block, lent, negated};
use crate::pod::{Pod, pod};
use crate::wire::Reader;

/// A file operation of the host as the superuser: 0 read, 1 write, 2 list, 3 stat, 4 mkdir,
/// 5 remove, 6 snapshot of the root image. A block.
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
        _ => Err(Errno::ENOSYS.into()),
    })
}

fn snapshot(pod: &Pod) -> Result<Vec<u8>> {
    pod.kernel.vfs.sync()?;
    let budget = pod.kernel.budget();
    // A copy of the disk, and one of it for the host.
    if budget.disk_image_bytes().saturating_mul(2) > budget.heap_room() {
        return Err(Errno::ENOMEM.because("the kernel's memory is too small for a copy"));
    }
    Ok(pod.disk.snapshot())
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
        let mut sink = VecSink::new(usize::try_from(room).unwrap_or(usize::MAX));
        while location
            .inode()
            .read_at(u64::try_from(sink.bytes.len()).unwrap_or(0), &mut sink)?
            > 0
        {}
        if sink.remaining() == 0 {
            return Err(Errno::EFBIG.because("the kernel's memory is too small for it"));
        }
        Ok(sink.bytes)
    })
}

fn write_file(pod: &Pod, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let path = reader.bytes()?;
    let mode = reader.word()?;
    let mut data = reader.bytes()?;
    pod.with_context(|vfs, context| {
        let flags = abi::flags::O_WRONLY | abi::flags::O_CREAT | abi::flags::O_TRUNC;
        let opened = vfs.open(context, path, flags, mode)?;
        let total = data.len();
        let written = opened
            .location
            .inode()
            .write_at(0, &mut data, context.now)?;
        if written < total {
            Err(Errno::ENOSPC.into())
        } else {
            Ok(Vec::new())
        }
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
