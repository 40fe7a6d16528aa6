//! Names that move, and several names of one file.

use super::*;

#[test]
fn rename_keeps_paths_of_what_is_open() {
    let mut w = World::new();
    w.dir("/a");
    w.dir("/a/b");
    w.file("/a/b/f");
    w.dir("/z");
    let file = w.walk("/a/b/f").unwrap();
    w.cwd = w.walk("/a/b").unwrap();
    w.rename("/a/b", "/z/c", 0).unwrap();
    assert_eq!(file.path(&w.root), b"/z/c/f");
    assert_eq!(w.path(".."), "/z");
    assert_eq!(w.walk("/a/b").unwrap_err(), Errno::ENOENT);
    let links = |path: &[u8]| w.vfs.stat(&w.cx(), path, Follow::Yes).unwrap().nr_links;
    assert_eq!((links(b"/a"), links(b"/z"), links(b"/z/c")), (2, 3, 2));
}

#[test]
fn rename_refuses_what_linux_refuses() {
    let w = World::new();
    w.dir("/a");
    w.dir("/a/b");
    w.dir("/e");
    w.file("/f");
    w.file("/g");
    assert_eq!(w.rename("/a", "/a/b/c", 0), Err(Errno::EINVAL));
    assert_eq!(w.rename("/a", "/a", 0), Ok(()));
    assert_eq!(w.rename("/a/b", "/a", 0), Err(Errno::ENOTEMPTY));
    assert_eq!(w.rename("/e", "/a", 0), Err(Errno::ENOTEMPTY));
    assert_eq!(w.rename("/f", "/a", 0), Err(Errno::EISDIR));
    assert_eq!(w.rename("/a", "/f", 0), Err(Errno::ENOTDIR));
    assert_eq!(w.rename("/f", "/n/", 0), Err(Errno::ENOTDIR));
    assert_eq!(w.rename("/f/", "/n", 0), Err(Errno::ENOTDIR));
    assert_eq!(w.rename("/a/.", "/n", 0), Err(Errno::EBUSY));
    assert_eq!(w.rename("/f", "/g", RENAME_NOREPLACE), Err(Errno::EEXIST));
    assert_eq!(w.rename("/f", "/a/.", 0), Err(Errno::EBUSY));
    assert_eq!(w.rename("/f", "/a/.", RENAME_NOREPLACE), Err(Errno::EEXIST));
    assert_eq!(w.rename("/a/.", "/", RENAME_NOREPLACE), Err(Errno::EBUSY));
    assert_eq!(w.rename("/f", "/n", RENAME_EXCHANGE), Err(Errno::ENOENT));
    assert_eq!(w.rename("/a", "/a/b", RENAME_EXCHANGE), Err(Errno::EINVAL));
    assert_eq!(w.rename("/f", "/g", 7), Err(Errno::EINVAL));
    w.rename("/a", "/e/", 0).unwrap();
    assert_eq!(w.names("/e"), ["b"]);
    w.rename("/f", "/e", RENAME_EXCHANGE).unwrap();
    assert_eq!(w.names("/f"), ["b"]);
    w.rename("/e", "/g", 0).unwrap();
    assert_eq!(w.names("/"), ["f", "g"]);
}

/// What Linux 6.18 answers on tmpfs and ext4, also without `CAP_MKNOD`.
#[test]
fn a_whiteout_is_left_where_a_file_was() {
    let mut w = World::new();
    let both = RENAME_WHITEOUT | RENAME_NOREPLACE;
    w.vfs.chmod(&w.cx(), b"/", 0o2777, Follow::Yes).unwrap();
    w.vfs
        .chown(&w.cx(), b"/", None, Some(50), Follow::Yes)
        .unwrap();
    w.uid = 1000;
    w.file("/a");
    w.file("/c");
    w.dir("/d");
    assert_eq!(w.rename("/a", "/c", both), Err(Errno::EEXIST));
    let exchange = RENAME_WHITEOUT | RENAME_EXCHANGE;
    assert_eq!(w.rename("/a", "/c", exchange), Err(Errno::EINVAL));
    w.rename("/a", "/b", both).unwrap();
    w.rename("/d", "/e", RENAME_WHITEOUT).unwrap();
    for (path, links) in [(&b"/a"[..], 1), (b"/d", 1), (b"/", 3)] {
        let metadata = w.vfs.stat(&w.cx(), path, Follow::No).unwrap();
        assert_eq!(metadata.nr_links, links);
        if path != b"/" {
            assert_eq!(
                (metadata.file_type, metadata.rdev, metadata.permissions),
                (FileType::CharDevice, 0, 0)
            );
            assert_eq!((metadata.uid, metadata.gid), (1000, 50));
        }
    }
    assert_eq!(w.open("/a", O_RDWR).unwrap_err(), Errno::EACCES);
    // Over another whiteout, and two names of one file.
    w.rename("/b", "/a", RENAME_WHITEOUT).unwrap();
    w.vfs
        .link((&w.cx(), b"/a"), (&w.cx(), b"/a2"), Follow::No)
        .unwrap();
    w.rename("/a", "/a2", RENAME_WHITEOUT).unwrap();
    assert_eq!(w.names("/"), ["a", "a2", "b", "c", "d", "e"]);
    assert_eq!(
        w.walk("/a2").unwrap().file_type(),
        FileType::Regular,
        "nothing happens"
    );
    // One is made by mknod(2) as well, and other devices are not.
    let mknod = |path: &[u8], device| {
        let made = w.vfs.mknod(&w.cx(), path, S_IFCHR, device);
        made.map(drop).map_err(|error| error.errno)
    };
    assert_eq!(mknod(b"/w", 0), Ok(()));
    assert_eq!(mknod(b"/x", 0x103), Err(Errno::EPERM));
    w.uid = 0;
    assert_eq!(w.open("/w", O_RDWR).unwrap_err(), Errno::ENXIO);
}

#[test]
fn hard_links_are_one_file() {
    let w = World::new();
    let cx = w.cx();
    w.dir("/d");
    w.file("/f");
    w.link("f", "/s");
    w.vfs
        .link((&cx, b"/f"), (&cx, b"/d/g"), Follow::No)
        .unwrap();
    w.write("/d/g", b"same");
    assert_eq!(w.read("/f"), b"same");
    assert_eq!(w.vfs.stat(&cx, b"/f", Follow::Yes).unwrap().nr_links, 2);
    w.rename("/f", "/d/g", 0).unwrap();
    assert_eq!(w.names("/"), ["d", "f", "s"]);
    let errno = |old: &[u8], new: &[u8]| {
        w.vfs
            .link((&cx, old), (&cx, new), Follow::No)
            .unwrap_err()
            .errno
    };
    assert_eq!(errno(b"/d", b"/e"), Errno::EPERM);
    assert_eq!(errno(b"/f", b"/d/g"), Errno::EEXIST);
    assert_eq!(errno(b"/f", b"/n/"), Errno::ENOENT);
    w.vfs.link((&cx, b"/s"), (&cx, b"/t"), Follow::No).unwrap();
    assert_eq!(w.vfs.read_link(&cx, b"/t").unwrap(), b"f");
}
