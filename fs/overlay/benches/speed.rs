//! What an overlay of 1 GiB costs: writing it, opening it, memory, and the log's share of what is
//! written. `cargo bench -p fs-overlay`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a measurement"
)]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use fs_block::{BlockDevice, MemDisk};
use fs_overlay::{Identity, Options, Overlay, Store, StoreError};

/// A file of this machine.
struct FileStore(File);

impl FileStore {
    fn open(path: &Path) -> Self {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        Self(options.open(path).unwrap())
    }
}

impl Store for FileStore {
    fn len_bytes(&self) -> u64 {
        self.0.metadata().unwrap().len()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), StoreError> {
        self.0
            .read_exact_at(buf, offset)
            .map_err(|_| StoreError::Io)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.0
            .write_all_at(bytes, offset)
            .map_err(|_| StoreError::Full)
    }

    fn truncate(&mut self, len: u64) -> Result<(), StoreError> {
        self.0.set_len(len).map_err(|_| StoreError::Io)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.0.sync_data().map_err(|_| StoreError::Io)
    }
}

const LEN: usize = 2 << 30;
const CHANGED: u64 = 1 << 30;

fn open(folder: &Path) -> Overlay<MemDisk, FileStore> {
    let stores = ["a", "b"].map(|name| FileStore::open(&folder.join(name)));
    let identity = Identity::new(LEN as u64, b"bench").unwrap();
    Overlay::open(MemDisk::zeroed(LEN), identity, stores, Options::default()).unwrap()
}

fn report(what: &str, since: Instant) {
    println!("{what}: {:.1} ms", since.elapsed().as_secs_f64() * 1000.0);
}

fn main() {
    let folder = std::env::temp_dir().join(format!("fs-overlay-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut overlay = open(&folder);
    let block = [0xA5; 4096];
    let start = Instant::now();
    // Every other MiB, in runs of 1 MiB with a barrier after each 16.
    for mebibyte in 0..CHANGED >> 20 {
        for at in (0..1 << 20).step_by(4096) {
            overlay.write((mebibyte << 21) + at, &block).unwrap();
        }
        if mebibyte % 16 == 15 {
            overlay.flush().unwrap();
        }
    }
    report("write 1 GiB in 64 barriers", start);
    let written = overlay.statistics();
    println!(
        "appended / written, large: {:.4}",
        written.appended_bytes as f64 / written.written_bytes as f64
    );
    let start = Instant::now();
    for number in 0..1000 {
        overlay.write(number * 4096 * 7, &block).unwrap();
        overlay.flush().unwrap();
    }
    report("1000 barriers of one block", start);
    let small = overlay.statistics();
    println!(
        "appended / written, one block each: {:.4}",
        (small.appended_bytes - written.appended_bytes) as f64
            / (small.written_bytes - written.written_bytes) as f64
    );
    println!("index: {} bytes of memory", small.index_bytes);
    drop(overlay);
    let start = Instant::now();
    let mut overlay = open(&folder);
    report("open after a crash", start);
    overlay.checkpoint().unwrap();
    drop(overlay);
    let start = Instant::now();
    let mut overlay = open(&folder);
    report("open after a checkpoint", start);
    let mut buf = [0; 4096];
    let start = Instant::now();
    for number in 0..100_000_u64 {
        let at = number.wrapping_mul(0x9E37_79B9) % (CHANGED >> 12) * 4096;
        overlay.read(at, &mut buf).unwrap();
    }
    report("100,000 random reads of 4 KiB", start);
    let start = Instant::now();
    overlay.compact().unwrap();
    report("compact 1 GiB", start);
    std::fs::remove_dir_all(&folder).unwrap();
}
