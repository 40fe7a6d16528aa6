//! Every entry of every directory.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "offsets within directories, which are shorter than 2^32 bytes"
)]

use std::collections::HashSet;

use fs_block::{BlockDevice, BlockError};

use crate::bits::{index, le16, le32, low32};
use crate::geometry::Geometry;
use crate::inodes::{DIRECTORY, ROOT, Scan};
use crate::{Finding, Report};

/// Bytes of an entry without its name.
const HEADER: usize = 8;

/// Reads all directories; notes names and parents in `scan`.
pub(crate) fn scan(
    device: &dyn BlockDevice,
    geometry: &Geometry,
    scan: &mut Scan,
    report: &mut Report,
) -> Result<(), BlockError> {
    let dirs: Vec<u32> = scan.dirs.keys().copied().collect();
    if scan
        .inodes
        .get(index(ROOT))
        .is_none_or(|(kind, _)| *kind != DIRECTORY)
    {
        report.add(Finding::Inode {
            ino: ROOT,
            what: "the root is no directory",
        });
    }
    for dir in dirs {
        let Some(blocks) = scan.dirs.get(&dir).map(|found| found.blocks.clone()) else {
            continue;
        };
        let mut reader = Reader {
            geometry,
            scan,
            report,
            dir,
            names: HashSet::new(),
            nr_entries: 0,
        };
        for (number, block) in blocks.iter().enumerate() {
            let bytes = geometry.block(device, *block)?;
            reader.block(low32(number) * geometry.block_size, &bytes);
        }
        if reader.nr_entries < 2 {
            reader.bad(0, "`.` or `..` is missing");
        }
    }
    Ok(())
}

/// One directory being read.
struct Reader<'a> {
    geometry: &'a Geometry,
    scan: &'a mut Scan,
    report: &'a mut Report,
    dir: u32,
    names: HashSet<Vec<u8>>,
    nr_entries: u32,
}

impl Reader<'_> {
    fn bad(&mut self, offset: u32, what: &'static str) {
        let dir = self.dir;
        self.report.add(Finding::Entry { dir, offset, what });
    }

    /// Reads the entries of the block at byte `start` of the directory.
    fn block(&mut self, start: u32, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            let offset = start + low32(at);
            let rest = bytes.get(at..).unwrap_or_default();
            let rec_len = usize::from(le16(rest, 4));
            let name_len = if self.geometry.has_file_type {
                usize::from(le16(rest, 6) & 0xFF)
            } else {
                usize::from(le16(rest, 6))
            };
            if rec_len < 12
                || rec_len % 4 != 0
                || rec_len > rest.len()
                || name_len + HEADER > rec_len
            {
                return self.bad(offset, "an entry of impossible length");
            }
            let name = rest.get(HEADER..HEADER + name_len).unwrap_or_default();
            let is_ended = rest.get(HEADER + name_len) == Some(&0);
            if self.nr_entries < 2 && !is_ended {
                self.bad(offset, "`.` or `..` does not end with a NUL");
            }
            self.entry(
                offset,
                le32(rest, 0),
                rest.get(7).copied().unwrap_or(0),
                name,
            );
            at += rec_len;
        }
    }

    fn entry(&mut self, offset: u32, ino: u32, file_type: u8, name: &[u8]) {
        let special: Option<&[u8]> = match self.nr_entries {
            0 => Some(b"."),
            1 => Some(b".."),
            _ => None,
        };
        self.nr_entries = self.nr_entries.saturating_add(1);
        if special.is_none() && ino == 0 {
            return;
        }
        let (kind, _) = self
            .scan
            .inodes
            .get(index(ino))
            .copied()
            .unwrap_or_default();
        let is_special = name == b"." || name == b"..";
        let is_possible =
            ino == ROOT || (self.geometry.first_ino..=self.geometry.inodes_count).contains(&ino);
        let what = if special.is_some_and(|special| name != special) {
            "`.` or `..` is missing"
        } else if special.is_none() && is_special {
            "`.` or `..` in the wrong place"
        } else if !is_possible {
            "an impossible inode number"
        } else if kind == 0 || self.scan.orphans.contains(&ino) {
            "an inode that is not in use"
        } else if name.is_empty() || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
            "an impossible name"
        } else if self.geometry.has_file_type && file_type != kind {
            "the type is not the inode's"
        } else if special == Some(b".") && ino != self.dir {
            "`.` is another inode"
        } else if special.is_some() && kind != DIRECTORY {
            "`..` is no directory"
        } else if !self.names.insert(name.to_vec()) {
            "a name twice"
        } else {
            return self.note(offset, ino, kind, special);
        };
        self.bad(offset, what);
    }

    /// Notes where a good entry leads.
    fn note(&mut self, offset: u32, ino: u32, kind: u8, special: Option<&[u8]>) {
        if let Some(names) = self.scan.names.get_mut(index(ino)) {
            *names = names.saturating_add(1);
        }
        if special == Some(b"..") {
            if let Some(dir) = self.scan.dirs.get_mut(&self.dir) {
                dir.dot_dot = ino;
            }
        } else if special.is_none() && kind == DIRECTORY {
            let parent = self.dir;
            let is_first = match self.scan.dirs.get_mut(&ino) {
                Some(dir) if dir.parent == 0 && ino != ROOT => {
                    dir.parent = parent;
                    true
                }
                _ => false,
            };
            if !is_first {
                self.bad(offset, "a second name of a directory");
            }
        }
    }
}
