//! Epolls that watch epolls: never in a circle, and not deeper than [`MAX_NESTS`].

use std::sync::Arc;

use abi::{Errno, Result};
use executor::sync::Lock;

use super::{Core, Epoll};
use crate::open_file::OpenFile;

/// How many epolls may stand above one that watches no epoll (Linux v6.12 `EP_MAX_NESTS`).
const MAX_NESTS: usize = 4;

/// Held while two epolls are tied together: the check and the change are one step.
static CHECK: Lock<()> = Lock::new(());

/// Makes `outer` watch `inner` by `insert`, if that closes no circle and is not too deep.
///
/// # Errors
/// `ELOOP`, and what `insert` says.
pub(super) fn admit(
    outer: &Arc<Core>,
    inner: &Arc<Core>,
    insert: impl FnOnce() -> Result<()>,
) -> Result<()> {
    // Files that were looked at are let go after the check: letting go may end an epoll.
    let mut seen = Vec::new();
    let result = {
        let _check = CHECK.lock();
        match depth_below(outer, inner, &mut seen) {
            Some(depth) if depth.saturating_add(height_above(outer, 0)) < MAX_NESTS => {
                insert().inspect(|()| inner.parents.lock().push(Arc::downgrade(outer)))
            }
            _ => Err(Errno::ELOOP.because("epolls watch each other, or too many in a row")),
        }
    };
    drop(seen);
    result
}

/// `outer` watches `inner` no more.
pub(super) fn forget(outer: &Arc<Core>, inner: &Arc<Core>) {
    let mut parents = inner.parents.lock();
    let place = parents
        .iter()
        .position(|parent| parent.as_ptr() == Arc::as_ptr(outer));
    if let Some(place) = place {
        parents.swap_remove(place);
    }
}

/// How many epolls stand below `core` at most; `None` when `outer` is one of them or `core` itself,
/// or there are too many.
fn depth_below(
    outer: &Arc<Core>,
    core: &Arc<Core>,
    seen: &mut Vec<Arc<OpenFile>>,
) -> Option<usize> {
    if Arc::ptr_eq(outer, core) {
        return None;
    }
    let mut level = vec![Arc::clone(core)];
    for depth in 0..=MAX_NESTS {
        let mut next: Vec<Arc<Core>> = Vec::new();
        for core in &level {
            let start = seen.len();
            {
                let items = core.items.lock();
                seen.extend(items.values().filter_map(|entry| entry.item.file.upgrade()));
            }
            for below in seen.iter().skip(start).filter_map(|file| Epoll::of(file)) {
                if Arc::ptr_eq(outer, &below.core) {
                    return None;
                }
                if !next.iter().any(|known| Arc::ptr_eq(known, &below.core)) {
                    next.push(Arc::clone(&below.core));
                }
            }
        }
        if next.is_empty() {
            return Some(depth);
        }
        level = next;
    }
    None
}

/// How many epolls stand above `core` at most, `height` of which were counted.
fn height_above(core: &Arc<Core>, height: usize) -> usize {
    if height > MAX_NESTS {
        return height;
    }
    let parents: Vec<_> = {
        let mut parents = core.parents.lock();
        parents.retain(|parent| parent.strong_count() > 0);
        parents
            .iter()
            .filter_map(std::sync::Weak::upgrade)
            .collect()
    };
    parents
        .iter()
        .map(|parent| height_above(parent, height.saturating_add(1)))
        .fold(height, usize::max)
}
