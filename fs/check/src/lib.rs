//! Finds what is wrong with an Ext2 disk, and mends what is safe to mend: the `fsck` of Shoal.
//!
//! [`check`] reads everything once and tells what it found as data ([`Finding`]). [`fix()`] writes what
//! follows from the rest of the disk: the list of orphans, the bitmaps and the counts. It touches
//! nothing when files or directories contradict themselves.
//!
//! The checker shares no code with `fs-ext2`: a mistake of one would be the other's too (ADR 0031).
//!
//! # The passes
//! ```text
//!   geometry.rs   superblock and group descriptors; where metadata lies
//!   inodes.rs     every inode: type, size, pointers; who owns which block       e2fsck pass 1
//!   attributes.rs extended attributes, in their block and in large inodes
//!   dirs.rs       every entry: shape, name, inode, type; `.` and `..`           pass 2
//!   tree.rs       every directory reaches the root; links as counted            passes 3 and 4
//!   bitmaps.rs    the bitmaps and counts are what the passes before found       pass 5
//! ```
//! Each block is read a bounded number of times: a table of pointers is followed only by the first
//! who claims it, so that pointers in a circle end.
//!
//! # References
//! e2fsprogs `e2fsck/pass1.c` … `pass5.c`; `lib/ext2fs/ext2_fs.h`; Linux v6.12
//! `Documentation/filesystems/ext2.rst`.

#![forbid(unsafe_code)]

mod attributes;
mod bitmaps;
mod bits;
mod dirs;
mod finding;
mod fix;
mod geometry;
mod inodes;
mod tree;

use fs_block::{BlockDevice, BlockError};

pub use finding::{Bitmap, Count, Finding};
pub use fix::{FixError, fix};

use geometry::Geometry;
use inodes::Scan;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong, in the order of the passes; at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// There was more.
    pub is_cut: bool,
    /// The disk was unmounted, and nobody met an error on it. It may be right without.
    pub was_left_clean: bool,
    /// Inodes in use.
    pub nr_inodes: u32,
    /// Directories among them.
    pub nr_dirs: u32,
    /// Blocks in use, those of the metadata among them.
    pub nr_blocks: u32,
}

/// Findings that a report holds at most.
pub const MAX_FINDINGS: usize = 1000;

impl Report {
    /// Whether nothing is wrong.
    pub const fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether [`fix()`] mends all of it.
    pub fn is_fixable(&self) -> bool {
        !self.is_cut && self.findings.iter().all(Finding::is_fixable)
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.is_cut = true;
        }
    }
}

/// What to think of inodes on the list of orphans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Orphans {
    /// They are in use, and findings.
    Alive,
    /// They are gone: what the disk is without them.
    Gone,
}

/// Reads the whole disk and reports what is wrong.
///
/// # Errors
/// Those of the device; a disk that is too short is a finding.
pub fn check(device: &dyn BlockDevice) -> Result<Report, BlockError> {
    let mut report = Report::default();
    if let Some(geometry) = Geometry::read(device, &mut report)? {
        scan(device, &geometry, Orphans::Alive, &mut report)?;
    }
    Ok(report)
}

/// Runs the passes; returns what they know about inodes and blocks.
fn scan(
    device: &dyn BlockDevice,
    geometry: &Geometry,
    orphans: Orphans,
    report: &mut Report,
) -> Result<Scan, BlockError> {
    let mut scan = inodes::scan(device, geometry, orphans, report)?;
    dirs::scan(device, geometry, &mut scan, report)?;
    tree::check(geometry, &scan, report);
    bitmaps::check(device, geometry, &scan, report)?;
    report.was_left_clean = geometry.was_left_clean;
    report.nr_inodes = scan.nr_inodes;
    report.nr_dirs = u32::try_from(scan.dirs.len()).unwrap_or(u32::MAX);
    report.nr_blocks = scan.used.count();
    Ok(scan)
}
