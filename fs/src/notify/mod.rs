//! Who wants to know what happens to files: the watches of `inotify(7)`, and what tells them.
//!
//! [`Notify`] belongs to a [`Vfs`](crate::vfs::Vfs); each mount leads to it, so that whoever holds a
//! [`Location`] can tell. While nobody watches anything, telling is one load.
//! [`inotify::Inotify`] is the file that events are read from.
//!
//! # What tells
//! Names made, removed and moved: `vfs::{open, names, rename}`. Attributes: `vfs::attributes`. What
//! open files do: `kernel::open_file`.
//!
//! # Locks
//! `table`, then the queue of an instance. Instances are woken and let go after both.

pub mod inotify;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use abi::flags::{
    IN_ALL_EVENTS, IN_DELETE_SELF, IN_EXCL_UNLINK, IN_IGNORED, IN_ISDIR, IN_MASK_ADD,
    IN_MASK_CREATE, IN_MOVE_SELF, IN_ONESHOT, IN_UNMOUNT,
};
use abi::limits::{INOTIFY_MAX_INSTANCES, INOTIFY_MAX_WATCHES};
use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;

use self::inotify::{Inotify, Told};
use crate::vfs::dentry::Dentry;
use crate::vfs::inode::{FileType, Inode};
use crate::vfs::path::Location;

/// Which file: device and inode number.
type FileId = (u64, u64);

/// The watches of a pod.
#[derive(Debug, Default)]
pub struct Notify {
    table: Lock<Table>,
    /// Watches in `table`, to be read without its lock.
    nr_watches: AtomicUsize,
    /// Files in `table` that have lost their last name, likewise.
    nr_nameless: AtomicUsize,
    last_cookie: AtomicU32,
}

#[derive(Debug, Default)]
struct Table {
    watches: SortedMap<FileId, Vec<Watch>>,
    /// Watched files without a name that somebody still holds: they end with the last of these.
    nameless: Vec<(FileId, Weak<dyn Inode>)>,
    nr_watches: usize,
    nr_instances: usize,
}

/// One instance's interest in one file.
#[derive(Debug)]
struct Watch {
    instance: Weak<Inotify>,
    /// The watch descriptor.
    number: i32,
    /// `IN_*`: events and how to watch.
    mask: u32,
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
struct Event<'a> {
    mask: u32,
    cookie: u32,
    name: &'a [u8],
    /// It happened to a file of the directory that has lost its name.
    is_of_nameless: bool,
}

fn id_of(inode: &dyn Inode) -> Result<FileId> {
    let metadata = inode.metadata()?;
    Ok((metadata.device, metadata.inode))
}

/// Instances that were told something: to be woken, and let go, without locks.
#[derive(Default)]
struct Touched(Vec<Arc<Inotify>>);

impl Touched {
    fn tell(&mut self, instance: Arc<Inotify>, told: Told) {
        instance.push(told);
        // So no reference that the caller drops is the last one.
        if !self.0.iter().any(|known| Arc::ptr_eq(known, &instance)) {
            self.0.push(instance);
        }
    }
}

impl Drop for Touched {
    fn drop(&mut self) {
        for instance in &self.0 {
            instance.wake();
        }
    }
}

impl Table {
    /// Tells the watches of `id`; those that are for one event end with it.
    fn tell(&mut self, id: FileId, event: Event<'_>, touched: &mut Touched) {
        let Some(watches) = self.watches.get_mut(&id) else {
            return;
        };
        let kind = event.mask & (IN_ALL_EVENTS | IN_UNMOUNT);
        let mut ended = 0;
        watches.retain(|watch| {
            let is_wanted = watch.mask & kind != 0 || kind == IN_UNMOUNT;
            if !is_wanted || (event.is_of_nameless && watch.mask & IN_EXCL_UNLINK != 0) {
                return true;
            }
            let Some(instance) = watch.instance.upgrade() else {
                return true;
            };
            // As Linux: the end or move of a directory itself does not say that it is one.
            let is_self = event.mask & (IN_MOVE_SELF | IN_DELETE_SELF) != 0;
            let told = Told {
                watch: watch.number,
                mask: if is_self { kind } else { event.mask },
                cookie: event.cookie,
                name: event.name.into(),
            };
            touched.tell(Arc::clone(&instance), told);
            if watch.mask & IN_ONESHOT == 0 {
                return true;
            }
            instance.forget(watch.number);
            touched.tell(instance, Told::ignored(watch.number));
            ended = usize::saturating_add(ended, 1);
            false
        });
        if watches.is_empty() {
            self.watches.remove(&id);
        }
        self.nr_watches = self.nr_watches.saturating_sub(ended);
    }

    /// Ends all watches of `id`: the file is gone, or its file system.
    fn end(&mut self, id: FileId, touched: &mut Touched) {
        let watches = self.watches.remove(&id).unwrap_or_default();
        self.nr_watches = self.nr_watches.saturating_sub(watches.len());
        for watch in watches {
            if let Some(instance) = watch.instance.upgrade() {
                instance.forget(watch.number);
                touched.tell(instance, Told::ignored(watch.number));
            }
        }
    }
}

impl Notify {
    /// Whether nobody watches anything.
    pub fn is_idle(&self) -> bool {
        self.nr_watches.load(Ordering::Relaxed) == 0
    }

    /// Changes the table, then wakes.
    fn change<T>(&self, change: impl FnOnce(&mut Table, &mut Touched) -> T) -> T {
        let mut touched = Touched::default();
        let mut table = self.table.lock();
        let result = change(&mut table, &mut touched);
        self.nr_watches.store(table.nr_watches, Ordering::Relaxed);
        self.nr_nameless
            .store(table.nameless.len(), Ordering::Relaxed);
        drop(table);
        drop(touched);
        result
    }

    /// A number that ties the halves of a rename together.
    pub(crate) fn next_cookie(&self) -> u32 {
        self.last_cookie
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1)
    }

    /// Something happened to a file: its directory is told with its name, then the file.
    fn file_event(&self, dentry: &Dentry, mask: u32) {
        let mask = mask | directory_bit(dentry.file_type());
        let is_of_nameless = dentry.is_deleted();
        let name = dentry.name();
        let parent = dentry.parent().map(|parent| id_of(&**parent.inode()));
        let own = id_of(&**dentry.inode());
        self.change(|table, touched| {
            let event = Event {
                mask,
                cookie: 0,
                name: &name,
                is_of_nameless,
            };
            if let Some(Ok(parent)) = parent {
                table.tell(parent, event, touched);
            }
            if let Ok(own) = own {
                table.tell(own, unnamed(mask), touched);
            }
        });
    }

    /// Watches a file for `instance`: the number of the watch.
    fn watch(&self, instance: &Arc<Inotify>, inode: &dyn Inode, mask: u32) -> Result<i32> {
        let id = id_of(inode)?;
        let kept = IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT;
        self.change(|table, _| {
            let is_full = table.nr_watches >= INOTIFY_MAX_WATCHES;
            let watches = table.watches.get_or_insert_with(id, Vec::new);
            let of_instance = |watch: &&mut Watch| watch.instance.as_ptr() == Arc::as_ptr(instance);
            if let Some(watch) = watches.iter_mut().find(of_instance) {
                if mask & IN_MASK_CREATE != 0 {
                    return Err(Errno::EEXIST.into());
                }
                let old = if mask & IN_MASK_ADD == 0 {
                    0
                } else {
                    watch.mask
                };
                watch.mask = old | mask & kept;
                return Ok(watch.number);
            }
            if is_full {
                if watches.is_empty() {
                    table.watches.remove(&id);
                }
                return Err(Errno::ENOSPC.because("fs.inotify.max_user_watches"));
            }
            let number = instance.remember(id);
            watches.push(Watch {
                instance: Arc::downgrade(instance),
                number,
                mask: mask & kept,
            });
            table.nr_watches = table.nr_watches.saturating_add(1);
            Ok(number)
        })
    }

    /// Takes a watch away.
    fn unwatch(&self, instance: &Inotify, id: FileId, number: i32) {
        self.change(|table, _| {
            let Some(watches) = table.watches.get_mut(&id) else {
                return;
            };
            let nr_before = watches.len();
            watches.retain(|watch| {
                watch.number != number || !std::ptr::eq(watch.instance.as_ptr(), instance)
            });
            let gone = nr_before.saturating_sub(watches.len());
            if watches.is_empty() {
                table.watches.remove(&id);
            }
            table.nr_watches = table.nr_watches.saturating_sub(gone);
        });
    }

    /// What a watch of `instance` asks for.
    fn mask_of(&self, instance: &Inotify, id: FileId) -> u32 {
        let table = self.table.lock();
        let watches = table.watches.get(&id).map(Vec::as_slice);
        let is_own = |watch: &&Watch| std::ptr::eq(watch.instance.as_ptr(), instance);
        watches
            .unwrap_or_default()
            .iter()
            .find(is_own)
            .map_or(0, |watch| watch.mask)
    }

    fn count_instance(&self) -> Result<()> {
        let mut table = self.table.lock();
        if table.nr_instances >= INOTIFY_MAX_INSTANCES {
            return Err(Errno::EMFILE.because("fs.inotify.max_user_instances"));
        }
        table.nr_instances = table.nr_instances.saturating_add(1);
        Ok(())
    }

    fn uncount_instance(&self) {
        let mut table = self.table.lock();
        table.nr_instances = table.nr_instances.saturating_sub(1);
    }

    /// A file has lost a name, or a directory its only one: when that was the last, its watches end
    /// with whoever holds it last.
    pub(crate) fn lost_name(&self, inode: &Arc<dyn Inode>) {
        if self.is_idle() {
            return;
        }
        let Ok(metadata) = inode.metadata() else {
            return;
        };
        if metadata.nr_links > 0 && metadata.file_type != FileType::Directory {
            return;
        }
        let id = (metadata.device, metadata.inode);
        self.change(|table, _| {
            if table.watches.contains_key(&id) {
                table.nameless.push((id, Arc::downgrade(inode)));
            }
        });
    }

    /// Ends the watches of nameless files that nobody holds any more. To be called when a file or
    /// name was let go.
    pub fn reap(&self) {
        if self.nr_nameless.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.change(|table, touched| {
            let mut gone = Vec::new();
            table.nameless.retain(|(id, inode)| {
                let is_held = inode.strong_count() > 0;
                if !is_held {
                    gone.push(*id);
                }
                is_held
            });
            for id in gone {
                table.tell(id, unnamed(IN_DELETE_SELF), touched);
                table.end(id, touched);
            }
        });
    }

    /// The file system of `device` is gone.
    pub(crate) fn unmounted(&self, device: u64) {
        if self.is_idle() {
            return;
        }
        self.change(|table, touched| {
            let ids: Vec<_> = table.watches.keys().copied().collect();
            for id in ids.into_iter().filter(|&(of, _)| of == device) {
                table.tell(id, unnamed(IN_UNMOUNT), touched);
                table.end(id, touched);
            }
        });
    }
}

const fn unnamed(mask: u32) -> Event<'static> {
    Event {
        mask,
        cookie: 0,
        name: b"",
        is_of_nameless: false,
    }
}

fn directory_bit(file_type: FileType) -> u32 {
    if file_type == FileType::Directory {
        IN_ISDIR
    } else {
        0
    }
}

impl Location {
    /// Tells who watches this file, or its directory, that `mask` (`IN_*`) happened to it.
    pub fn notify(&self, mask: u32) {
        let notify = self.mount.notify();
        if !notify.is_idle() {
            notify.file_event(&self.dentry, mask);
        }
    }

    /// Tells who watches this file itself.
    pub(crate) fn notify_self(&self, mask: u32) {
        let notify = self.mount.notify();
        if notify.is_idle() {
            return;
        }
        if let Ok(id) = id_of(&*self.inode) {
            let mask = mask | directory_bit(self.file_type());
            notify.change(|table, touched| table.tell(id, unnamed(mask), touched));
        }
    }

    /// Tells who watches this directory what happened to a name in it, which stands or stood for a
    /// file of type `file_type`.
    pub(crate) fn notify_name(&self, name: &[u8], file_type: FileType, mask: u32, cookie: u32) {
        let notify = self.mount.notify();
        if notify.is_idle() {
            return;
        }
        if let Ok(id) = id_of(&*self.inode) {
            let event = Event {
                mask: mask | directory_bit(file_type),
                cookie,
                name,
                is_of_nameless: false,
            };
            notify.change(|table, touched| table.tell(id, event, touched));
        }
    }
}

impl Told {
    /// The watch is over.
    fn ignored(watch: i32) -> Self {
        Self {
            watch,
            mask: IN_IGNORED,
            cookie: 0,
            name: Box::default(),
        }
    }
}

#[cfg(test)]
mod tests;
