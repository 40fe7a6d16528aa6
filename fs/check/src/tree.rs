//! Every directory reaches the root, and every inode has as many names as it says.

use std::collections::HashMap;

use crate::geometry::Geometry;
use crate::inodes::{ROOT, Scan};
use crate::{Finding, Report};

/// Checks what all directories together say.
pub(crate) fn check(geometry: &Geometry, scan: &Scan, report: &mut Report) {
    check_reach(scan, report);
    for (dir, known) in &scan.dirs {
        let parent = if *dir == ROOT { ROOT } else { known.parent };
        if parent != 0 && known.dot_dot != 0 && known.dot_dot != parent {
            report.add(Finding::Entry {
                dir: *dir,
                offset: 12,
                what: "`..` is not the parent",
            });
        }
    }
    let all = (0..).zip(scan.inodes.iter().zip(&scan.names));
    for (ino, ((kind, stored), counted)) in all {
        let (stored, counted) = (u32::from(*stored), *counted);
        let is_reserved = ino < geometry.first_ino && ino != ROOT;
        if *kind == 0 || is_reserved || scan.orphans.contains(&ino) {
            continue;
        }
        if counted == 0 {
            report.add(Finding::Unreachable { ino });
        } else if stored != counted {
            report.add(Finding::Links {
                ino,
                stored,
                counted,
            });
        }
    }
}

/// Reports directories that lead up into a circle or nowhere.
fn check_reach(scan: &Scan, report: &mut Report) {
    // Whether a directory reaches the root; known for all on a way that was gone.
    let mut reaches: HashMap<u32, bool> = HashMap::from([(ROOT, true)]);
    for dir in scan.dirs.keys() {
        let mut way = Vec::new();
        let mut at = *dir;
        let answer = loop {
            if let Some(answer) = reaches.get(&at) {
                break *answer;
            }
            // Whoever comes here again on this way has gone in a circle.
            reaches.insert(at, false);
            way.push(at);
            match scan.dirs.get(&at).map_or(0, |dir| dir.parent) {
                0 => break false,
                parent => at = parent,
            }
        };
        for passed in way {
            reaches.insert(passed, answer);
        }
        if !answer {
            report.add(Finding::Unreachable { ino: *dir });
        }
    }
}
