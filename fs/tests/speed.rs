//! What a walk over cached names costs. Prints in any build; asserts only a bound that a debug
//! build on a busy machine keeps.

#![cfg(test)]

use std::sync::Arc;
use std::time::Instant;

use fs::tmpfs::TmpFs;
use fs::vfs::device::NoDevices;
use fs::vfs::inode::Timestamp;
use fs::vfs::{Caller, Context, Follow, Scope, Vfs};

#[test]
#[expect(clippy::disallowed_methods, reason = "measures")]
fn a_cached_walk_is_fast() {
    const NR_WALKS: u32 = 100_000;
    let now = Timestamp::default();
    let vfs = Vfs::new(Arc::new(NoDevices));
    let root = vfs
        .mount_root(Arc::new(TmpFs::new(1 << 20, now).unwrap()), b"root", 0)
        .unwrap();
    let cx = Context {
        root: &root,
        cwd: &root,
        caller: Caller::ROOT,
        umask: 0,
        now,
        scope: Scope::Everywhere,
    };
    vfs.mkdir(&cx, b"/bin", 0o755).unwrap();
    vfs.open(&cx, b"/bin/sh", 0o101, 0o755).unwrap();
    let user = Context {
        caller: Caller {
            uid: 7,
            gid: 7,
            groups: &[],
            capabilities: 0,
        },
        ..cx
    };
    for (who, cx) in [("root", &cx), ("user", &user)] {
        let start = Instant::now();
        for _ in 0..NR_WALKS {
            vfs.walk(cx, b"/bin/sh", Follow::Yes).unwrap();
        }
        let each_ns = start.elapsed().as_nanos() / u128::from(NR_WALKS);
        println!("walk of /bin/sh as {who}: {each_ns} ns");
        assert!(each_ns < 50_000, "{each_ns} ns");
    }
}
