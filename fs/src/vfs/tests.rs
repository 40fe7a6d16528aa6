//! Calls on paths over tmpfs, with the answers of Linux.

mod mounts;
mod renames;

use std::sync::Arc;

use abi::Errno;
use abi::flags::{
    MS_BIND, MS_RDONLY, MS_REMOUNT, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDWR,
    O_TMPFILE, O_TRUNC, O_WRONLY, RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT, S_IFCHR,
    S_IFIFO,
};
use abi::limits::MOUNT_MAX;

use super::device::NoDevices;
use super::inode::{FileType, Timestamp};
use super::mount::MountCall;
use super::path::Location;
use super::{Access, Caller, Context, Follow, NewTime, Scope, Vfs};
use crate::io::VecSink;
use crate::tmpfs::TmpFs;

/// A tree on a tmpfs, and whoever acts in it.
struct World {
    vfs: Vfs,
    root: Location,
    cwd: Location,
    uid: u32,
}

const T: Timestamp = Timestamp {
    seconds: 1_000,
    nanoseconds: 5,
};

impl World {
    fn new() -> Self {
        let vfs = Vfs::new(Arc::new(NoDevices));
        let root = vfs
            .mount_root(Arc::new(TmpFs::new(1 << 24, T).unwrap()), b"root", 0)
            .unwrap();
        Self {
            vfs,
            cwd: root.clone(),
            root,
            uid: 0,
        }
    }

    fn cx(&self) -> Context<'_> {
        let caller = Caller {
            uid: self.uid,
            gid: self.uid,
            groups: &[],
            capabilities: if self.uid == 0 { u64::MAX } else { 0 },
        };
        Context {
            root: &self.root,
            cwd: &self.cwd,
            caller,
            umask: 0o022,
            now: T,
            scope: Scope::Everywhere,
        }
    }

    fn dir(&self, path: &str) {
        self.vfs.mkdir(&self.cx(), path.as_bytes(), 0o777).unwrap();
    }

    fn file(&self, path: &str) {
        self.open(path, O_CREAT | O_EXCL | O_WRONLY).unwrap();
    }

    fn link(&self, target: &str, path: &str) {
        self.vfs
            .symlink(&self.cx(), target.as_bytes(), path.as_bytes())
            .unwrap();
    }

    fn open(&self, path: &str, flags: u32) -> Result<Location, Errno> {
        let opened = self.vfs.open(&self.cx(), path.as_bytes(), flags, 0o666);
        opened
            .map(|opened| opened.location)
            .map_err(|error| error.errno)
    }

    fn walk(&self, path: &str) -> Result<Location, Errno> {
        self.vfs
            .walk(&self.cx(), path.as_bytes(), Follow::Yes)
            .map_err(|error| error.errno)
    }

    fn path(&self, path: &str) -> String {
        String::from_utf8(self.walk(path).unwrap().path(&self.root)).unwrap()
    }

    fn rename(&self, old: &str, new: &str, flags: u32) -> Result<(), Errno> {
        let cx = self.cx();
        self.vfs
            .rename((&cx, old.as_bytes()), (&cx, new.as_bytes()), flags)
            .map_err(|error| error.errno)
    }

    fn unlink(&self, path: &str) -> Result<(), Errno> {
        self.vfs
            .unlink(&self.cx(), path.as_bytes())
            .map_err(|error| error.errno)
    }

    fn rmdir(&self, path: &str) -> Result<(), Errno> {
        self.vfs
            .rmdir(&self.cx(), path.as_bytes())
            .map_err(|error| error.errno)
    }

    fn mount(&self, source: &str, target: &str, type_name: &str, flags: u32) -> Result<(), Errno> {
        let call = MountCall {
            source: source.as_bytes(),
            target: target.as_bytes(),
            type_name: type_name.as_bytes(),
            flags,
            data: b"size=1m,mode=755",
        };
        self.vfs
            .mount(&self.cx(), &call)
            .map(drop)
            .map_err(|error| error.errno)
    }

    fn write(&self, path: &str, mut bytes: &[u8]) {
        self.walk(path)
            .unwrap()
            .inode
            .write_at(0, &mut bytes, T)
            .unwrap();
    }

    fn read(&self, path: &str) -> Vec<u8> {
        let mut sink = VecSink::new(1 << 20);
        self.walk(path)
            .unwrap()
            .inode
            .read_at(0, &mut sink)
            .unwrap();
        sink.bytes
    }

    fn names(&self, path: &str) -> Vec<String> {
        let mut names = Vec::new();
        let inode = self.walk(path).unwrap().inode;
        inode
            .read_dir(0, &mut |entry| {
                names.push(String::from_utf8(entry.name.to_vec()).unwrap());
                true
            })
            .unwrap();
        names.sort();
        names
    }
}

#[test]
fn slashes_and_dots_mean_what_they_mean() {
    let w = World::new();
    w.dir("/a");
    w.dir("/a/b");
    w.file("/a/f");
    for path in [
        "/a/b",
        "//a//b//",
        "/a/./b/.",
        "/../a/b",
        "/a/b/../b",
        "a/../a/b",
    ] {
        assert_eq!(w.path(path), "/a/b", "{path}");
    }
    assert_eq!(w.path("/"), "/");
    assert_eq!(w.path("/../.."), "/");
    for path in ["/a/f/", "/a/f/.", "/a/f/..", "/a/f/x"] {
        assert_eq!(w.walk(path).unwrap_err(), Errno::ENOTDIR, "{path}");
    }
    for path in ["", "/x", "/x/", "/x/..", "/a/x/y"] {
        assert_eq!(w.walk(path).unwrap_err(), Errno::ENOENT, "{path}");
    }
}

#[test]
fn long_names_are_refused() {
    let w = World::new();
    w.file(&"n".repeat(255));
    assert_eq!(w.walk(&"n".repeat(256)).unwrap_err(), Errno::ENAMETOOLONG);
    assert_eq!(
        w.open(&"n".repeat(256), O_CREAT).unwrap_err(),
        Errno::ENAMETOOLONG
    );
    assert_eq!(w.walk(&"./".repeat(2048)).unwrap_err(), Errno::ENAMETOOLONG);
    w.walk(&format!("{}.", "./".repeat(2047))).unwrap();
}

#[test]
fn symbolic_links_are_followed_where_linux_follows_them() {
    let w = World::new();
    w.dir("/a");
    w.dir("/a/b");
    w.file("/a/f");
    w.link("/a/b", "/abs");
    w.link("../a/f", "/a/rel");
    w.link("b/", "/a/slash");
    w.link("a/b/..", "/up");
    w.link("nowhere", "/dangling");
    w.link("loop", "/loop");
    assert_eq!(w.path("/abs"), "/a/b");
    assert_eq!(w.path("/a/rel"), "/a/f");
    assert_eq!(w.path("/a/slash/"), "/a/b");
    assert_eq!(w.path("/up/b"), "/a/b");
    assert_eq!(w.walk("/a/rel/").unwrap_err(), Errno::ENOTDIR);
    assert_eq!(w.walk("/dangling").unwrap_err(), Errno::ENOENT);
    assert_eq!(w.walk("/loop").unwrap_err(), Errno::ELOOP);
    assert_eq!(w.walk("/loop/x").unwrap_err(), Errno::ELOOP);
    let kind = |path: &[u8]| w.vfs.stat(&w.cx(), path, Follow::No).unwrap().file_type;
    assert_eq!(kind(b"/abs"), FileType::Symlink);
    assert_eq!(kind(b"/abs/"), FileType::Directory);
    assert_eq!(w.vfs.read_link(&w.cx(), b"/a/rel").unwrap(), b"../a/f");
    assert_eq!(
        w.vfs.read_link(&w.cx(), b"/a/f").unwrap_err().errno,
        Errno::EINVAL
    );
}

#[test]
fn forty_links_are_the_limit() {
    let w = World::new();
    w.file("/0");
    for n in 1..=41 {
        w.link(&format!("{}", n - 1), &format!("/{n}"));
    }
    assert_eq!(w.path("/40"), "/0");
    assert_eq!(w.walk("/41").unwrap_err(), Errno::ELOOP);
}

#[test]
fn open_makes_follows_and_refuses() {
    let w = World::new();
    w.dir("/d");
    w.file("/f");
    w.link("made", "/link");
    w.link("f", "/to_f");
    assert_eq!(
        w.open("/link", O_CREAT | O_EXCL).unwrap_err(),
        Errno::EEXIST
    );
    w.open("/link", O_CREAT | O_RDWR).unwrap();
    assert_eq!(w.path("/made"), "/made");
    assert_eq!(w.open("/to_f", O_NOFOLLOW).unwrap_err(), Errno::ELOOP);
    assert_eq!(
        w.open("/to_f", O_NOFOLLOW | O_CREAT).unwrap_err(),
        Errno::ELOOP
    );
    assert_eq!(
        w.open("/to_f", O_NOFOLLOW | O_DIRECTORY).unwrap_err(),
        Errno::ENOTDIR
    );
    let link = w.open("/to_f", O_NOFOLLOW | O_PATH | O_RDWR).unwrap();
    assert_eq!(link.file_type(), FileType::Symlink);
    assert_eq!(w.open("/d", O_WRONLY).unwrap_err(), Errno::EISDIR);
    assert_eq!(w.open("/d", O_TRUNC).unwrap_err(), Errno::EISDIR);
    assert_eq!(w.open("/d", O_CREAT).unwrap_err(), Errno::EISDIR);
    assert_eq!(w.open("/x/", O_CREAT).unwrap_err(), Errno::EISDIR);
    assert_eq!(w.open("/d/.", O_CREAT).unwrap_err(), Errno::EISDIR);
    assert_eq!(w.open("/f", O_DIRECTORY).unwrap_err(), Errno::ENOTDIR);
    assert_eq!(
        w.open("/f", O_TMPFILE | O_RDWR).unwrap_err(),
        Errno::ENOTDIR
    );
    assert_eq!(
        w.open("/d", (O_TMPFILE & !O_DIRECTORY) | O_RDWR)
            .unwrap_err(),
        Errno::EINVAL
    );
    assert_eq!(
        w.open("/x", O_CREAT | O_DIRECTORY).unwrap_err(),
        Errno::EINVAL
    );
    w.write("/f", b"text");
    w.open("/f", O_TRUNC | O_WRONLY).unwrap();
    assert_eq!(w.read("/f"), b"");
    let mode = w.vfs.stat(&w.cx(), b"/f", Follow::Yes).unwrap().permissions;
    assert_eq!(mode, 0o644);
}

#[test]
fn a_file_without_a_name_may_get_one() {
    let w = World::new();
    w.dir("/d");
    for (flags, expected) in [(0, Ok(())), (O_EXCL, Err(Errno::ENOENT))] {
        let made = w.open("/d", O_TMPFILE | O_RDWR | flags).unwrap();
        let metadata = made.metadata().unwrap();
        assert_eq!((metadata.nr_links, w.names("/d").len()), (0, 0));
        let shown = made.path_lossy();
        assert_eq!(shown, format!("/d/#{} (deleted)", metadata.inode));
        let linked = w.vfs.link_location(&made, &w.cx(), b"/d/name");
        assert_eq!(linked.map_err(|error| error.errno), expected);
        if expected.is_ok() {
            assert_eq!(made.metadata().unwrap().nr_links, 1);
            w.unlink("/d/name").unwrap();
            let again = w.vfs.link_location(&made, &w.cx(), b"/d/again");
            assert_eq!(again.unwrap_err().errno, Errno::ENOENT);
        }
    }
}

#[test]
fn making_and_removing_answer_like_linux() {
    let w = World::new();
    let cx = w.cx();
    w.dir("/d/");
    w.file("/d/f");
    w.link("d", "/l");
    let mkdir = |path: &[u8]| w.vfs.mkdir(&cx, path, 0o777).unwrap_err().errno;
    assert_eq!(mkdir(b"/d"), Errno::EEXIST);
    assert_eq!(mkdir(b"/l"), Errno::EEXIST);
    assert_eq!(mkdir(b"/"), Errno::EEXIST);
    assert_eq!(mkdir(b"/d/."), Errno::EEXIST);
    assert_eq!(mkdir(b"/d/f/x"), Errno::ENOTDIR);
    assert_eq!(
        w.vfs.symlink(&cx, b"x", b"/n/").unwrap_err().errno,
        Errno::ENOENT
    );
    assert_eq!(
        w.vfs.symlink(&cx, b"", b"/n").unwrap_err().errno,
        Errno::ENOENT
    );
    assert_eq!(w.unlink("/d"), Err(Errno::EISDIR));
    assert_eq!(w.unlink("/d/"), Err(Errno::EISDIR));
    assert_eq!(w.unlink("/d/f/"), Err(Errno::ENOTDIR));
    assert_eq!(w.unlink("/l/"), Err(Errno::ENOTDIR));
    assert_eq!(w.unlink("/d/.."), Err(Errno::EISDIR));
    assert_eq!(w.rmdir("/d"), Err(Errno::ENOTEMPTY));
    assert_eq!(w.rmdir("/d/f"), Err(Errno::ENOTDIR));
    assert_eq!(w.rmdir("/l"), Err(Errno::ENOTDIR));
    assert_eq!(w.rmdir("/d/."), Err(Errno::EINVAL));
    assert_eq!(w.rmdir("/d/.."), Err(Errno::ENOTEMPTY));
    assert_eq!(w.rmdir("/"), Err(Errno::EBUSY));
    assert_eq!(w.rmdir("/gone"), Err(Errno::ENOENT));
    w.unlink("/l").unwrap();
    w.unlink("/d/f").unwrap();
    w.rmdir("/d/").unwrap();
    assert_eq!(w.names("/"), Vec::<String>::new());
    let fifo = w.vfs.mknod(&cx, b"/p", S_IFIFO | 0o600, 0).unwrap();
    assert_eq!(fifo.file_type(), FileType::Fifo);
}

#[test]
fn a_removed_directory_takes_nothing_and_says_so() {
    let mut w = World::new();
    w.dir("/d");
    w.cwd = w.walk("/d").unwrap();
    w.rmdir("/d").unwrap();
    assert_eq!(w.open("x", O_CREAT).unwrap_err(), Errno::ENOENT);
    assert_eq!(w.walk("x").unwrap_err(), Errno::ENOENT);
    assert_eq!(w.path("."), "/d (deleted)");
    assert_eq!(w.path(".."), "/");
}

#[test]
fn permissions_hold_ordinary_users_up() {
    let mut w = World::new();
    w.dir("/private");
    w.file("/private/f");
    w.dir("/sticky");
    w.file("/mine");
    let cx = w.cx();
    w.vfs.chmod(&cx, b"/private", 0o700, Follow::Yes).unwrap();
    w.vfs.chmod(&cx, b"/sticky", 0o1777, Follow::Yes).unwrap();
    w.vfs.chmod(&cx, b"/mine", 0o6755, Follow::Yes).unwrap();
    w.file("/sticky/roots");
    w.uid = 1000;
    let cx = w.cx();
    assert_eq!(w.walk("/private/f").unwrap_err(), Errno::EACCES);
    assert_eq!(w.walk("/private/..").unwrap_err(), Errno::EACCES);
    assert_eq!(w.unlink("/sticky/roots"), Err(Errno::EPERM));
    assert_eq!(w.open("/mine", O_WRONLY).unwrap_err(), Errno::EACCES);
    assert_eq!(w.open("/mine", O_TRUNC).unwrap_err(), Errno::EACCES);
    w.file("/sticky/own");
    w.unlink("/sticky/own").unwrap();
    let chmod = w.vfs.chmod(&cx, b"/mine", 0o777, Follow::Yes);
    assert_eq!(chmod.unwrap_err().errno, Errno::EPERM);
    let chown = w.vfs.chown(&cx, b"/mine", Some(1000), None, Follow::Yes);
    assert_eq!(chown.unwrap_err().errno, Errno::EPERM);
    let times = |time| w.vfs.set_times(&cx, b"/mine", time, time, Follow::Yes);
    assert_eq!(times(NewTime::At(T)).unwrap_err().errno, Errno::EPERM);
    assert_eq!(times(NewTime::Now).unwrap_err().errno, Errno::EACCES);
    let access = |mode| {
        let access = Access::from_mode(mode).unwrap();
        w.vfs.access(&cx, b"/mine", access, Follow::Yes)
    };
    access(5).unwrap();
    assert_eq!(access(2).unwrap_err().errno, Errno::EACCES);
    w.uid = 0;
    w.vfs
        .chown(&w.cx(), b"/mine", Some(1000), Some(1000), Follow::Yes)
        .unwrap();
    let metadata = w.vfs.stat(&w.cx(), b"/mine", Follow::Yes).unwrap();
    assert_eq!((metadata.uid, metadata.permissions), (1000, 0o755));
}

#[test]
fn a_set_group_id_directory_hands_its_group_down() {
    let w = World::new();
    let cx = w.cx();
    w.dir("/g");
    w.vfs
        .chown(&cx, b"/g", None, Some(50), Follow::Yes)
        .unwrap();
    w.vfs.chmod(&cx, b"/g", 0o2777, Follow::Yes).unwrap();
    w.dir("/g/d");
    w.file("/g/f");
    let metadata = w.vfs.stat(&cx, b"/g/d", Follow::Yes).unwrap();
    assert_eq!((metadata.gid, metadata.permissions), (50, 0o2755));
    assert_eq!(w.vfs.stat(&cx, b"/g/f", Follow::Yes).unwrap().gid, 50);
}

#[test]
fn a_changed_root_is_the_end_of_all_paths() {
    let mut w = World::new();
    w.dir("/jail");
    w.dir("/jail/d");
    w.dir("/out");
    w.link("/d", "/jail/l");
    let outside = w.walk("/out").unwrap();
    w.root = w.walk("/jail").unwrap();
    w.cwd = w.root.clone();
    assert_eq!(w.path("/../../d"), "/d");
    assert_eq!(w.path("l"), "/d");
    assert_eq!(outside.path(&w.root), b"(unreachable)/out");
}

#[test]
fn forgotten_names_are_found_again() {
    let w = World::new();
    w.dir("/d");
    for n in 0..20_000 {
        w.file(&format!("/d/{n}"));
    }
    assert_eq!(w.walk("/d/x").unwrap_err(), Errno::ENOENT);
    w.file("/d/x");
    assert_eq!(w.path("/d/7"), "/d/7");
    assert_eq!(w.names("/d").len(), 20_001);
}

#[test]
fn deep_trees_are_dropped_without_recursion() {
    let mut w = World::new();
    for _ in 0..50_000 {
        w.dir("d");
        w.cwd = w.walk("d").unwrap();
    }
}
