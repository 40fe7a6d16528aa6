//! Watches on a tmpfs: who is told what, and when watches end.

use abi::flags::{
    IN_ATTRIB, IN_CREATE, IN_DELETE, IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO, IN_Q_OVERFLOW, O_CREAT,
    O_RDWR, RENAME_EXCHANGE,
};
use abi::layout::InotifyEvent;
use abi::limits::INOTIFY_MAX_QUEUED;

use super::*;
use crate::budget::Budget;
use crate::io::{Stall, VecSink};
use crate::tmpfs::TmpFs;
use crate::vfs::device::NoDevices;
use crate::vfs::file::FileOps;
use crate::vfs::inode::Timestamp;
use crate::vfs::{Caller, Context, Follow, NewTime, Scope, Vfs};

const NOW: Timestamp = Timestamp {
    seconds: 1,
    nanoseconds: 0,
};

/// A tree on a tmpfs.
struct World {
    vfs: Vfs,
    root: Location,
}

/// Watch, mask, name.
type Seen = (i32, u32, String);

impl World {
    fn new() -> Self {
        let vfs = Vfs::new(Arc::new(NoDevices));
        let root = vfs
            .mount_root(Arc::new(TmpFs::new(1 << 24, NOW).unwrap()), b"root", 0)
            .unwrap();
        Self { vfs, root }
    }

    fn cx(&self) -> Context<'_> {
        Context {
            root: &self.root,
            cwd: &self.root,
            caller: Caller {
                uid: 0,
                gid: 0,
                groups: &[],
                capabilities: u64::MAX,
            },
            umask: 0,
            now: NOW,
            scope: Scope::Everywhere,
        }
    }

    fn file(&self, path: &str) -> Location {
        let opened = self
            .vfs
            .open(&self.cx(), path.as_bytes(), O_CREAT | O_RDWR, 0o644);
        opened.unwrap().location
    }

    fn inotify(&self) -> Arc<Inotify> {
        Inotify::new(self.vfs.notify(), &Budget::unlimited()).unwrap()
    }

    fn watch(&self, instance: &Inotify, path: &str, mask: u32) -> i32 {
        let location = self
            .vfs
            .find_to_watch(&self.cx(), path.as_bytes(), mask)
            .unwrap();
        instance.add_watch(&location, mask).unwrap()
    }
}

/// All events that are there.
fn read(instance: &Inotify) -> Vec<Seen> {
    let mut sink = VecSink::new(1 << 20);
    match instance.try_read(&mut sink) {
        Err(Stall::WouldBlock) => return Vec::new(),
        result => assert_eq!(result, Ok(sink.bytes.len())),
    }
    let mut seen = Vec::new();
    let mut rest = sink.bytes.as_slice();
    while let Some((head, tail)) = rest.split_first_chunk() {
        let event = InotifyEvent::from_bytes(head);
        let (name, tail) = tail.split_at(usize::try_from(event.len).unwrap());
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        let name = String::from_utf8(name.to_vec()).unwrap();
        seen.push((event.watch, event.mask, name));
        rest = tail;
    }
    seen
}

fn seen(watch: i32, mask: u32, name: &str) -> Seen {
    (watch, mask, name.to_owned())
}

#[test]
fn names_made_moved_and_removed_are_told_to_their_directory() {
    let w = World::new();
    let instance = w.inotify();
    let root = w.watch(&instance, "/", IN_ALL_EVENTS);
    w.file("a");
    w.vfs.mkdir(&w.cx(), b"d", 0o755).unwrap();
    w.vfs
        .link((&w.cx(), b"a"), (&w.cx(), b"b"), Follow::No)
        .unwrap();
    w.vfs.unlink(&w.cx(), b"a").unwrap();
    w.vfs.rmdir(&w.cx(), b"d").unwrap();
    let expected = [
        seen(root, IN_CREATE, "a"),
        seen(root, IN_CREATE | IN_ISDIR, "d"),
        seen(root, IN_CREATE, "b"),
        seen(root, IN_DELETE, "a"),
        seen(root, IN_DELETE | IN_ISDIR, "d"),
    ];
    assert_eq!(read(&instance), expected);
}

#[test]
fn rename_is_told_to_both_directories_and_the_file() {
    let w = World::new();
    let instance = w.inotify();
    w.vfs.mkdir(&w.cx(), b"d", 0o755).unwrap();
    w.file("x");
    w.file("d/y");
    let root = w.watch(&instance, "/", IN_ALL_EVENTS);
    let d = w.watch(&instance, "d", IN_ALL_EVENTS);
    let x = w.watch(&instance, "x", IN_ALL_EVENTS);
    let y = w.watch(&instance, "d/y", IN_ALL_EVENTS);
    w.vfs
        .rename((&w.cx(), b"x"), (&w.cx(), b"d/y"), RENAME_EXCHANGE)
        .unwrap();
    let expected = [
        seen(root, IN_MOVED_FROM, "x"),
        seen(d, IN_MOVED_TO, "y"),
        seen(x, IN_MOVE_SELF, ""),
        seen(d, IN_MOVED_FROM, "y"),
        seen(root, IN_MOVED_TO, "x"),
        seen(y, IN_MOVE_SELF, ""),
    ];
    assert_eq!(read(&instance), expected);
    w.vfs.rename((&w.cx(), b"x"), (&w.cx(), b"d/y"), 0).unwrap();
    let expected = [
        seen(root, IN_MOVED_FROM, "x"),
        seen(d, IN_MOVED_TO, "y"),
        seen(x, IN_ATTRIB, ""),
        seen(y, IN_MOVE_SELF, ""),
        seen(x, IN_DELETE_SELF, ""),
        seen(x, IN_IGNORED, ""),
    ];
    assert_eq!(read(&instance), expected);
}

#[test]
fn watch_of_a_removed_file_ends_with_who_holds_it() {
    let w = World::new();
    let instance = w.inotify();
    let held = w.file("f");
    let watch = w.watch(&instance, "f", IN_DELETE_SELF);
    w.vfs.unlink(&w.cx(), b"f").unwrap();
    assert_eq!(read(&instance), []);
    drop(held);
    let expected = [seen(watch, IN_DELETE_SELF, ""), seen(watch, IN_IGNORED, "")];
    assert_eq!(read(&instance), expected);
    assert!(w.vfs.notify().is_idle());
    assert!(instance.remove_watch(watch).is_err());
}

#[test]
fn one_shot_ends_with_its_event_and_a_second_watch_changes_the_first() {
    let w = World::new();
    let instance = w.inotify();
    w.file("f");
    let chmod = |mode| w.vfs.chmod(&w.cx(), b"f", mode, Follow::No).unwrap();
    let watch = w.watch(&instance, "f", IN_MODIFY);
    chmod(0o600);
    assert_eq!(read(&instance), []);
    assert_eq!(w.watch(&instance, "f", IN_ATTRIB | IN_MASK_ADD), watch);
    assert_eq!(
        w.watch(&instance, "f", IN_ONESHOT | IN_MASK_ADD | IN_MODIFY),
        watch
    );
    chmod(0o644);
    chmod(0o600);
    let expected = [seen(watch, IN_ATTRIB, ""), seen(watch, IN_IGNORED, "")];
    assert_eq!(read(&instance), expected);
}

#[test]
fn full_queue_says_so_once() {
    let w = World::new();
    let instance = w.inotify();
    let watch = w.watch(&instance, "/", IN_CREATE | IN_DELETE);
    for _ in 0..INOTIFY_MAX_QUEUED {
        w.file("f");
        w.vfs.unlink(&w.cx(), b"f").unwrap();
    }
    let all = read(&instance);
    assert_eq!(all.len(), INOTIFY_MAX_QUEUED + 1);
    assert_eq!(all[0], seen(watch, IN_CREATE, "f"));
    assert_eq!(all[INOTIFY_MAX_QUEUED], seen(-1, IN_Q_OVERFLOW, ""));
    w.file("f");
    assert_eq!(read(&instance), [seen(watch, IN_CREATE, "f")]);
}

#[test]
fn closed_instance_leaves_nothing_behind_and_unmounting_ends_watches() {
    let w = World::new();
    let (first, second) = (w.inotify(), w.inotify());
    w.watch(&first, "/", IN_ALL_EVENTS);
    w.vfs.mkdir(&w.cx(), b"m", 0o755).unwrap();
    let point = w.vfs.walk(&w.cx(), b"m", Follow::Yes).unwrap();
    let other = Arc::new(TmpFs::new(1 << 20, NOW).unwrap());
    drop(w.vfs.mount_at(other, &point, b"other", 0).unwrap());
    drop(point);
    let watch = w.watch(&second, "m", IN_CREATE);
    drop(first);
    w.file("m/f");
    w.vfs.umount(&w.cx(), b"m", 0).unwrap();
    let expected = [
        seen(watch, IN_CREATE, "f"),
        seen(watch, IN_UNMOUNT, ""),
        seen(watch, IN_IGNORED, ""),
    ];
    assert_eq!(read(&second), expected);
    assert!(w.vfs.notify().is_idle());
}

#[test]
fn there_are_so_many_instances() {
    let w = World::new();
    let all: Vec<_> = (0..INOTIFY_MAX_INSTANCES).map(|_| w.inotify()).collect();
    let one_more = || Inotify::new(w.vfs.notify(), &Budget::unlimited()).map(drop);
    assert_eq!(one_more().map_err(|error| error.errno), Err(Errno::EMFILE));
    drop(all);
    assert_eq!(one_more(), Ok(()));
}

#[test]
fn both_times_are_an_attribute_one_is_what_it_stands_for() {
    let w = World::new();
    let instance = w.inotify();
    w.file("f");
    let watch = w.watch(&instance, "f", IN_ALL_EVENTS);
    let set = |atime, mtime| {
        let set = w.vfs.set_times(&w.cx(), b"f", atime, mtime, Follow::No);
        set.unwrap();
    };
    set(NewTime::Now, NewTime::Now);
    set(NewTime::Keep, NewTime::Now);
    set(NewTime::Keep, NewTime::Keep);
    let expected = [seen(watch, IN_ATTRIB, ""), seen(watch, IN_MODIFY, "")];
    assert_eq!(read(&instance), expected);
}
