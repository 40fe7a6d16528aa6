//! `/proc/PID/maps`, `smaps` and `smaps_rollup`.
//!
//! All memory of a guest is private, in use, readable and writable: WebAssembly protects nothing,
//! and what a guest has not touched counts as if it had.

use std::fmt::Write;

use super::process::path_for;
use super::source::{MemoryArea, MemoryUse, Place, ProcessSource};
use crate::vfs::device::{major, minor};

/// Spaces are added up to here before the name of an area, as in Linux for 32-bit processors.
const NAME_COLUMN: usize = 49;

/// What the areas of one process are called.
struct Names {
    /// Device and number of the program's inode, its path.
    program: Option<(u64, u64, String)>,
}

impl Names {
    fn of(source: &dyn ProcessSource, pid: u32) -> Option<Self> {
        let place = source.place(pid, Place::Executable)?;
        let program = place.and_then(|place| {
            let metadata = place.metadata().ok()?;
            let path = path_for(source, pid, &place);
            let path = String::from_utf8_lossy(&path).replace('\n', "\\012");
            Some((metadata.device, metadata.inode, path))
        });
        Some(Self { program })
    }

    /// Adds the line of `/proc/PID/maps` for one area.
    fn line(&self, text: &mut String, area: &MemoryArea) {
        let (device, inode, name) = match (area.usage, &self.program) {
            (MemoryUse::Stack, _) => (0, 0, "[stack]"),
            (MemoryUse::Heap, _) => (0, 0, "[heap]"),
            (MemoryUse::Program, Some((device, inode, path))) => (*device, *inode, path.as_str()),
            (MemoryUse::Program | MemoryUse::Anonymous, _) => (0, 0, ""),
        };
        let (major, minor) = (major(device), minor(device));
        let mut line = format!(
            "{:08x}-{:08x} rw-p 00000000 {major:02x}:{minor:02x} {inode} ",
            area.start, area.end
        );
        if !name.is_empty() {
            let missing = NAME_COLUMN.saturating_sub(line.len());
            line.push_str(&" ".repeat(missing));
            line.push_str(name);
        }
        line.push('\n');
        text.push_str(&line);
    }
}

pub(super) fn maps(source: &dyn ProcessSource, pid: u32) -> Option<Vec<u8>> {
    let areas = source.memory(pid)?;
    let names = Names::of(source, pid)?;
    let mut text = String::new();
    for area in &areas {
        names.line(&mut text, area);
    }
    Some(text.into_bytes())
}

pub(super) fn smaps(source: &dyn ProcessSource, pid: u32) -> Option<Vec<u8>> {
    let areas = source.memory(pid)?;
    let names = Names::of(source, pid)?;
    let mut text = String::new();
    for area in &areas {
        names.line(&mut text, area);
        let kib = area.end.saturating_sub(area.start) / 1024;
        sizes(
            &mut text,
            &[("Size", kib), ("KernelPageSize", 4), ("MMUPageSize", 4)],
        );
        usage(&mut text, kib);
        // Writing to a string does not fail.
        let _ = writeln!(text, "THPeligible:           0");
        let _ = match area.usage {
            MemoryUse::Stack => writeln!(text, "VmFlags: rd wr mr mw me gd ac "),
            _ => writeln!(text, "VmFlags: rd wr mr mw me ac "),
        };
    }
    Some(text.into_bytes())
}

pub(super) fn smaps_rollup(source: &dyn ProcessSource, pid: u32) -> Option<Vec<u8>> {
    let areas = source.memory(pid)?;
    let mut text = String::new();
    if let (Some(first), Some(last)) = (areas.first(), areas.last()) {
        let lengths = areas.iter().map(|area| area.end.saturating_sub(area.start));
        let range = format!(
            "{:08x}-{:08x} ---p 00000000 00:00 0 ",
            first.start, last.end
        );
        let _ = writeln!(text, "{range:<NAME_COLUMN$}[rollup]");
        usage(&mut text, lengths.fold(0, u64::saturating_add) / 1024);
    }
    Some(text.into_bytes())
}

/// How much of `kib` KiB is in use in which way.
fn usage(text: &mut String, kib: u64) {
    let rows = [
        ("Rss", kib),
        ("Pss", kib),
        ("Pss_Dirty", kib),
        ("Shared_Clean", 0),
        ("Shared_Dirty", 0),
        ("Private_Clean", 0),
        ("Private_Dirty", kib),
        ("Referenced", kib),
        ("Anonymous", kib),
        ("KSM", 0),
        ("LazyFree", 0),
        ("AnonHugePages", 0),
        ("ShmemPmdMapped", 0),
        ("FilePmdMapped", 0),
        ("Shared_Hugetlb", 0),
        ("Private_Hugetlb", 0),
        ("Swap", 0),
        ("SwapPss", 0),
        ("Locked", 0),
    ];
    sizes(text, &rows);
}

fn sizes(text: &mut String, rows: &[(&str, u64)]) {
    for (name, kib) in rows {
        let _ = writeln!(text, "{:<15} {kib:>8} kB", format!("{name}:"));
    }
}
