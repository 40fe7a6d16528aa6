//! How long reads and writes take that never wait: `cargo bench -p kernel`.

#![expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark measures time and prints it"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use abi::flags::O_WRONLY;
use fs::budget::Budget;
use fs::tmpfs::TmpFs;
use fs::vfs::device::NoDevices;
use fs::vfs::inode::Timestamp;
use fs::vfs::{Caller, Context, Scope, Vfs};
use kernel::fd_table::{FdTable, OnExec};
use kernel::ipc::pipe::pipe;
use kernel::open_file::OpenFile;

const NOW: Timestamp = Timestamp {
    seconds: 1,
    nanoseconds: 0,
};

/// Runs `operation` many times; prints nanoseconds for each.
fn measure(name: &str, nr_runs: u32, mut operation: impl FnMut()) {
    for _ in 0..nr_runs / 10 {
        operation();
    }
    let started = Instant::now();
    for _ in 0..nr_runs {
        operation();
    }
    let each_ns = started.elapsed().as_nanos() as f64 / f64::from(nr_runs);
    println!("{name:40} {each_ns:10.1} ns");
}

fn main() {
    let (reader, writer) = pipe(&Budget::unlimited());
    let reader = OpenFile::from_anonymous_pipe(reader, 0, 0, 0, NOW);
    let writer = OpenFile::from_anonymous_pipe(writer, O_WRONLY, 0, 0, NOW);
    for size in [1, 64, 4096, 65_536] {
        let bytes = vec![7; size];
        let mut buffer = vec![0; size];
        measure(
            &format!("pipe: write and read {size} bytes"),
            if size > 100 { 20_000 } else { 1_000_000 },
            || {
                assert_eq!(
                    writer.try_write(&mut black_box(bytes.as_slice()), NOW),
                    Ok(size)
                );
                assert_eq!(
                    reader.try_read(&mut black_box(buffer.as_mut_slice()), NOW),
                    Ok(size)
                );
            },
        );
    }
    measure("pipe: make and close", 200_000, || {
        black_box(pipe(&Budget::unlimited()));
    });

    let vfs = Vfs::new(Arc::new(NoDevices));
    let root = vfs
        .mount_root(Arc::new(TmpFs::new(1 << 24, NOW).unwrap()), b"root", 0)
        .unwrap();
    let context = Context {
        root: &root,
        cwd: &root,
        caller: Caller::ROOT,
        umask: 0,
        now: NOW,
        scope: Scope::Everywhere,
    };
    let flags = abi::flags::O_CREAT | abi::flags::O_RDWR;
    let file = OpenFile::from_opened(vfs.open(&context, b"/f", flags, 0o644).unwrap(), flags);
    let mut buffer = vec![7; 4096];
    measure("tmpfs: pwrite 4096 bytes", 300_000, || {
        assert_eq!(
            file.write_at(0, &mut black_box(buffer.as_slice()), NOW),
            Ok(4096)
        );
    });
    measure("tmpfs: pread 4096 bytes", 300_000, || {
        assert_eq!(
            file.read_at(0, &mut black_box(buffer.as_mut_slice()), NOW),
            Ok(4096)
        );
    });

    let mut table = FdTable::new();
    for _ in 0..100 {
        table
            .install(Arc::clone(&file), OnExec::Keep, 1024)
            .unwrap();
    }
    measure("fd table: dup and close among 100", 1_000_000, || {
        let fd = table.duplicate(abi::Fd(50), 1024).unwrap();
        black_box(table.close(fd).unwrap());
    });
}
