//! Mounts over directories.

use super::*;

#[test]
fn mounts_cover_and_uncover() {
    let w = World::new();
    w.dir("/m");
    w.file("/m/below");
    w.mount("none", "/m", "tmpfs", 0).unwrap();
    assert_eq!(w.names("/m"), Vec::<String>::new());
    w.dir("/m/d");
    assert_eq!(w.path("/m/d"), "/m/d");
    assert_eq!(w.path("/m/d/../.."), "/");
    assert_eq!(w.rmdir("/m"), Err(Errno::EBUSY));
    assert_eq!(w.rename("/m", "/n", 0), Err(Errno::EBUSY));
    assert_eq!(w.rename("/m/d", "/d", 0), Err(Errno::EXDEV));
    let cx = w.cx();
    let umount = |path: &[u8], flags| w.vfs.umount(&cx, path, flags).map_err(|error| error.errno);
    let held = w.walk("/m/d").unwrap();
    assert_eq!(umount(b"/m", 0), Err(Errno::EBUSY));
    drop(held);
    assert_eq!(umount(b"/m/d", 0), Err(Errno::EINVAL));
    umount(b"/m", 0).unwrap();
    assert_eq!(w.names("/m"), ["below"]);
    assert_eq!(w.mount("none", "/m", "nosuchfs", 0), Err(Errno::ENODEV));
    assert_eq!(w.mount("none", "/m/below", "tmpfs", 0), Err(Errno::ENOTDIR));
}

#[test]
fn bind_mounts_show_the_same_directory() {
    let w = World::new();
    w.dir("/a");
    w.dir("/b");
    w.mount("/a", "/b", "", MS_BIND).unwrap();
    w.file("/b/f");
    assert_eq!(w.names("/a"), ["f"]);
    assert_eq!(w.path("/b/f"), "/b/f");
    w.rename("/a/f", "/a/g", 0).unwrap();
    assert_eq!(w.path("/b/g"), "/b/g");
    assert_eq!(w.rename("/a/g", "/b/h", 0), Err(Errno::EXDEV));
}

#[test]
fn mounts_come_to_an_end() {
    let w = World::new();
    w.dir("/a");
    // One of them is the root.
    for number in 1..MOUNT_MAX {
        let place = format!("/m{number}");
        w.dir(&place);
        w.mount("/a", &place, "", MS_BIND).unwrap();
    }
    assert_eq!(w.mount("/a", "/a", "", MS_BIND), Err(Errno::ENOSPC));
}

#[test]
fn read_only_mounts_refuse_changes() {
    let w = World::new();
    let cx = w.cx();
    w.dir("/m");
    w.mount("src dir", "/m", "tmpfs", 0).unwrap();
    w.file("/m/f");
    w.mount("", "/m", "", MS_REMOUNT | MS_RDONLY).unwrap();
    assert_eq!(w.open("/m/f", O_RDWR).unwrap_err(), Errno::EROFS);
    assert_eq!(w.open("/m/n", O_CREAT).unwrap_err(), Errno::EROFS);
    assert_eq!(w.unlink("/m/f"), Err(Errno::EROFS));
    assert_eq!(
        w.vfs.mkdir(&cx, b"/m/f", 0).unwrap_err().errno,
        Errno::EEXIST
    );
    assert_eq!(
        w.vfs.mkdir(&cx, b"/m/d", 0).unwrap_err().errno,
        Errno::EROFS
    );
    assert_eq!(
        w.vfs.chmod(&cx, b"/m/f", 0, Follow::Yes).unwrap_err().errno,
        Errno::EROFS
    );
    let text = String::from_utf8(w.vfs.mounts_text(&w.root)).unwrap();
    assert_eq!(
        text,
        "root / tmpfs rw,relatime 0 0\nsrc\\040dir /m tmpfs ro,relatime 0 0\n"
    );
}
