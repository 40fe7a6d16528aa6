//! Images by `mke2fs`, verdicts by `e2fsck`, and seeded random numbers: for the tests of this crate
//! and of `fs`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes when the test ends.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fs-ext2-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a tool of e2fsprogs; returns whether it succeeded, and what it said.
pub fn tool(name: &str, arguments: &[&str]) -> (bool, String) {
    let output = Command::new(format!("/usr/sbin/{name}"))
        .args(arguments)
        .env("MKE2FS_DETERMINISTIC", "1")
        .output()
        .unwrap_or_else(|error| panic!("{name} of e2fsprogs is needed: {error}"));
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// An image of `size_kib` KiB made by `mke2fs` with these options, from `folder` if given.
pub fn mke2fs(options: &[&str], size_kib: u32, folder: Option<&Path>) -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.path().join("image");
    let path = path.to_str().unwrap();
    let size = format!("{size_kib}k");
    let mut arguments = vec!["-t", "ext2", "-q", "-F"];
    arguments.extend(options);
    if let Some(folder) = folder {
        arguments.extend(["-d", folder.to_str().unwrap()]);
    }
    arguments.extend([path, &size]);
    let (is_ok, text) = tool("mke2fs", &arguments);
    assert!(is_ok, "mke2fs {arguments:?}: {text}");
    std::fs::read(path).unwrap()
}

/// Panics unless `e2fsck -fn` and our own checker find nothing at all.
pub fn assert_clean(image: &[u8]) {
    let report = fs_check::check(&fs_block::MemDisk::new(image.to_vec())).unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings);
    let scratch = Scratch::new();
    let path = scratch.path().join("image");
    std::fs::write(&path, image).unwrap();
    let (is_ok, text) = tool("e2fsck", &["-fn", path.to_str().unwrap()]);
    if !is_ok {
        let kept = std::env::temp_dir().join("fs-ext2-last-bad-image");
        let _ = std::fs::write(&kept, image);
        panic!(
            "e2fsck is not content (image kept as {}):\n{text}",
            kept.display()
        );
    }
}

/// xorshift64*: small, seeded, the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// How many random tries `cargo xtask fuzz` wants; `default` without it.
pub fn fuzz_count(default: u64) -> u64 {
    number_of("SHOAL_FUZZ_COUNT").unwrap_or(default)
}

/// The seed that it begins with.
pub fn fuzz_seed(default: u64) -> u64 {
    number_of("SHOAL_FUZZ_SEED").unwrap_or(default)
}

#[allow(clippy::disallowed_methods, reason = "a test is no guest")]
fn number_of(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().unwrap())
}
