//! What is mounted where: `mount(2)`, `umount2(2)`.
//!
//! A mount shows a directory of a file system (its root, or any directory for a bind mount) at a
//! name of another mount. All mounts of a file system share its dentries. [`change`]: how a mount
//! becomes another one; [`text`]: what procfs shows of mounts.

mod change;
mod text;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use abi::flags::{
    CAP_SYS_ADMIN, MNT_DETACH, MNT_EXPIRE, MNT_FORCE, MS_BIND, MS_MOVE, MS_NOATIME, MS_NODEV,
    MS_NODIRATIME, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_RDONLY, MS_REC, MS_RELATIME, MS_REMOUNT,
    MS_SHARED, MS_SLAVE, MS_STRICTATIME, MS_SYNCHRONOUS, MS_UNBINDABLE, UMOUNT_NOFOLLOW,
};
use abi::limits::MOUNT_MAX;
use abi::{Errno, Result};
use executor::sorted::SortedMap;
use executor::sync::Lock;

pub use self::change::Writer;
use super::dentry::{Dentry, Tree};
use super::flush::Flush;
use super::inode::{FileSystem, Timestamp};
use super::path::Location;
use super::registry::{self, MountRequest};
use super::{Context, Follow, Vfs};
use crate::notify::Notify;

/// Flags that belong to a mount and can be changed by `MS_REMOUNT`.
const KEPT_FLAGS: u32 = MS_RDONLY
    | MS_NOSUID
    | MS_NODEV
    | MS_NOEXEC
    | MS_SYNCHRONOUS
    | MS_NOATIME
    | MS_NODIRATIME
    | MS_RELATIME
    | MS_STRICTATIME;

/// A mount, and a name in it.
type Point = (Arc<Mount>, Arc<Dentry>);

/// One mount.
#[derive(Debug)]
pub struct Mount {
    id: u64,
    tree: Arc<Tree>,
    root: Arc<Dentry>,
    /// What it covers; `None` for the root of all and for anonymous files. Innermost lock.
    point: Lock<Option<Point>>,
    source: Vec<u8>,
    flags: AtomicU32,
    /// Files that are open for writing.
    nr_writers: AtomicU32,
    is_anonymous: bool,
    /// Who wants to know what happens to its files.
    notify: Arc<Notify>,
}

impl Mount {
    fn new(
        tree: Arc<Tree>,
        root: Arc<Dentry>,
        point: Option<Point>,
        source: &[u8],
        flags: u32,
        notify: &Arc<Notify>,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: next_id(),
            tree,
            root,
            point: Lock::new(point),
            source: source.to_vec(),
            flags: AtomicU32::new(flags & KEPT_FLAGS),
            nr_writers: AtomicU32::new(0),
            is_anonymous: false,
            notify: Arc::clone(notify),
        })
    }

    /// A mount that no path leads to.
    pub(super) fn anonymous(file_system: Arc<dyn FileSystem>) -> Result<Arc<Self>> {
        let tree = Arc::new(Tree::new(file_system)?);
        let root = Arc::clone(&tree.root);
        Ok(Arc::new(Self {
            id: next_id(),
            tree,
            root,
            point: Lock::default(),
            source: Vec::new(),
            flags: AtomicU32::new(0),
            nr_writers: AtomicU32::new(0),
            is_anonymous: true,
            notify: Arc::default(),
        }))
    }

    /// Never used twice.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The directory that is shown.
    pub const fn root(&self) -> &Arc<Dentry> {
        &self.root
    }

    /// The mount and name that it covers.
    pub(super) fn point(&self) -> Option<Point> {
        self.point.lock().clone()
    }

    pub(super) const fn is_anonymous(&self) -> bool {
        self.is_anonymous
    }

    pub(super) const fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// Who wants to know what happens to its files.
    pub const fn notify(&self) -> &Arc<Notify> {
        &self.notify
    }

    /// What it was made from, e.g. a device's path.
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// The file system.
    pub fn file_system(&self) -> &Arc<dyn FileSystem> {
        &self.tree.file_system
    }

    /// The `MS_` flags of `mount(2)`, with that of a file system that is read-only.
    pub fn flags(&self) -> u32 {
        let flags = self.flags.load(Ordering::SeqCst);
        if self.tree.is_read_only.load(Ordering::SeqCst) {
            flags | MS_RDONLY
        } else {
            flags
        }
    }

    /// Fails on a read-only mount.
    ///
    /// # Errors
    /// `EROFS`
    pub fn check_writable(&self) -> Result<()> {
        if self.flags() & MS_RDONLY == 0 {
            Ok(())
        } else {
            Err(Errno::EROFS.because("mounted read-only"))
        }
    }

    /// Whether programs on it may be executed.
    pub fn may_execute(&self) -> bool {
        self.flags() & MS_NOEXEC == 0
    }

    /// Whether set-id bits of programs on it count.
    pub fn honours_set_id(&self) -> bool {
        self.flags() & MS_NOSUID == 0
    }
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// All mounts of a pod.
#[derive(Debug, Default)]
pub(super) struct MountTable {
    /// In the order in which they were mounted; the first is the root.
    list: Vec<Arc<Mount>>,
    /// The mount on a name, by the id of the name's mount and the address of its dentry.
    by_point: SortedMap<(u64, usize), Arc<Mount>>,
}

fn key(mount: &Mount, dentry: &Arc<Dentry>) -> (u64, usize) {
    (mount.id, Arc::as_ptr(dentry).addr())
}

impl MountTable {
    pub(super) fn root(&self) -> Option<Arc<Mount>> {
        self.list.first().cloned()
    }

    fn add(&mut self, mount: Arc<Mount>) {
        self.cover(&mount);
        self.list.push(mount);
    }

    fn remove(&mut self, mount: &Arc<Mount>) {
        self.uncover(mount);
        self.list.retain(|other| !Arc::ptr_eq(other, mount));
    }

    /// From now on walks lead from the point of `mount` into it.
    fn cover(&mut self, mount: &Arc<Mount>) {
        if let Some((parent, dentry)) = mount.point() {
            dentry.add_mount_count();
            self.by_point
                .insert(key(&parent, &dentry), Arc::clone(mount));
        }
    }

    fn uncover(&mut self, mount: &Mount) {
        if let Some((parent, dentry)) = mount.point() {
            dentry.remove_mount();
            self.by_point.remove(&key(&parent, &dentry));
        }
    }

    fn holds(&self, mount: &Arc<Mount>) -> bool {
        self.list.iter().any(|other| Arc::ptr_eq(other, mount))
    }

    /// The dentries of a file system that is mounted already.
    fn tree_of(&self, file_system: &Arc<dyn FileSystem>) -> Option<Arc<Tree>> {
        let same = |mount: &&Arc<Mount>| {
            std::ptr::addr_eq(Arc::as_ptr(mount.file_system()), Arc::as_ptr(file_system))
        };
        self.list
            .iter()
            .find(same)
            .map(|mount| Arc::clone(mount.tree()))
    }
}

/// The dentries of a file system that is mounted with these flags.
fn new_tree(file_system: Arc<dyn FileSystem>, flags: u32) -> Result<Arc<Tree>> {
    let tree = Tree::new(file_system)?;
    let is_read_only = flags & MS_RDONLY != 0;
    tree.is_read_only.store(is_read_only, Ordering::Relaxed);
    Ok(Arc::new(tree))
}

impl Vfs {
    /// From a name to the root of what is mounted on it, as often as something is.
    pub(super) fn descend(&self, mut here: Location) -> Location {
        while here.dentry.is_mount_point() {
            let mounted = self
                .mounts
                .lock()
                .by_point
                .get(&key(&here.mount, &here.dentry))
                .cloned();
            let Some(mounted) = mounted else { break };
            here = Location::of_mount(mounted);
        }
        here
    }

    /// Mounts the root of all.
    ///
    /// # Errors
    /// `EBUSY` when there is one already, `EIO`.
    pub fn mount_root(
        &self,
        file_system: Arc<dyn FileSystem>,
        source: &[u8],
        flags: u32,
    ) -> Result<Location> {
        let tree = new_tree(file_system, flags)?;
        let root = Arc::clone(&tree.root);
        let mount = Mount::new(tree, root, None, source, flags, &self.notify);
        let mut mounts = self.mounts.lock();
        if mounts.root().is_some() {
            return Err(Errno::EBUSY.because("a root is mounted already"));
        }
        mounts.add(Arc::clone(&mount));
        drop(mounts);
        Ok(Location::of_mount(mount))
    }

    /// Mounts `file_system` at `target`.
    ///
    /// # Errors
    /// `ENOTDIR` when `target` is a directory and the root is not, or the other way round; `ENOENT`
    /// when it was removed; `EIO`.
    pub fn mount_at(
        &self,
        file_system: Arc<dyn FileSystem>,
        target: &Location,
        source: &[u8],
        flags: u32,
    ) -> Result<Location> {
        let known = self.mounts.lock().tree_of(&file_system);
        let tree = match known {
            Some(tree) => tree,
            None => new_tree(file_system, flags)?,
        };
        let root = Arc::clone(&tree.root);
        self.attach(tree, root, target, source, flags)
    }

    fn attach(
        &self,
        tree: Arc<Tree>,
        root: Arc<Dentry>,
        target: &Location,
        source: &[u8],
        flags: u32,
    ) -> Result<Location> {
        let target = self.descend(target.clone());
        let is_directory =
            |dentry: &Dentry| dentry.file_type() == super::inode::FileType::Directory;
        if is_directory(&root) != is_directory(&target.dentry) {
            return Err(Errno::ENOTDIR.because("a directory can only be mounted on a directory"));
        }
        if target.is_deleted() {
            return Err(Errno::ENOENT.because("the mount point was removed"));
        }
        let point = (target.mount, target.dentry);
        let mount = Mount::new(tree, root, Some(point), source, flags, &self.notify);
        let mut mounts = self.mounts.lock();
        if mounts.list.len() >= MOUNT_MAX {
            return Err(Errno::ENOSPC.because("too many mounts"));
        }
        mounts.add(Arc::clone(&mount));
        drop(mounts);
        Ok(Location::of_mount(mount))
    }

    /// `mount(2)`: a new mount, a bind mount (`MS_BIND`), another place (`MS_MOVE`), or other options (`MS_REMOUNT`).
    ///
    /// `data`: options of the type, separated by commas, e.g. `size=64m`. Propagation flags are
    /// taken and mean nothing: there is one mount namespace. The call is over when the flush is complete that it
    /// gives.
    ///
    /// # Errors
    /// `EPERM` for ordinary users, `ENODEV` for an unknown type, `EINVAL`, `ENOENT`, `ENOTDIR`,
    /// `EBUSY`, `ELOOP`, and what the file system says.
    ///
    /// # References
    /// mount(2); Linux v6.12 `fs/namespace.c` `path_mount`. Deviates: no propagation.
    pub fn mount(&self, cx: &Context<'_>, call: &MountCall<'_>) -> Result<Option<Flush>> {
        if !cx.caller.has(CAP_SYS_ADMIN) {
            return Err(Errno::EPERM.because("only the superuser mounts"));
        }
        let target = self.walk(cx, call.target, Follow::Yes)?;
        let request = MountRequest {
            source: call.source,
            options: call.data,
            flags: call.flags,
            vfs: self,
            context: cx,
        };
        if call.flags & MS_REMOUNT != 0 {
            return target.mount.remount(&target, &request);
        }
        if call.flags & MS_BIND != 0 {
            let origin = self.walk(cx, call.source, Follow::Yes)?;
            self.bind(&origin, &target, call.flags)?;
            return Ok(None);
        }
        if call.flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE) != 0 {
            return Ok(None);
        }
        if call.flags & MS_MOVE != 0 {
            if call.source.is_empty() {
                return Err(Errno::EINVAL.because("nothing to move"));
            }
            let source = self.walk(cx, call.source, Follow::Yes)?;
            self.move_mount(source, target)?;
            return Ok(None);
        }
        let file_system = registry::make(call.type_name, &request)?;
        self.mount_at(file_system, &target, call.source, call.flags)?;
        Ok(None)
    }

    fn bind(&self, origin: &Location, target: &Location, flags: u32) -> Result<()> {
        let tree = Arc::clone(origin.mount.tree());
        let root = Arc::clone(&origin.dentry);
        let inherited = origin.mount.flags.load(Ordering::Relaxed);
        self.attach(tree, root, target, &origin.mount.source, inherited)?;
        if flags & MS_REC == 0 {
            return Ok(());
        }
        let below: Vec<_> = self.mounts.lock().list.clone();
        for mount in below {
            let Some((parent, dentry)) = mount.point() else {
                continue;
            };
            if !Arc::ptr_eq(&parent, &origin.mount) || !origin.dentry.is_at_or_above(&dentry) {
                continue;
            }
            let bound = self.descend(target.clone());
            if Arc::ptr_eq(&bound.mount, &mount) {
                continue;
            }
            let copy = Location::new(bound.mount, dentry);
            let root = Arc::clone(&mount.root);
            self.attach(
                Arc::clone(&mount.tree),
                root,
                &copy,
                &mount.source,
                mount.flags.load(Ordering::Relaxed),
            )?;
        }
        Ok(())
    }

    /// `umount2(2)`.
    ///
    /// # Errors
    /// `EPERM` for ordinary users, `EINVAL` when nothing is mounted there or a flag is unknown,
    /// `EBUSY` when it is in use and `MNT_DETACH` was not given, and what walking says.
    pub fn umount(&self, cx: &Context<'_>, target: &[u8], flags: u32) -> Result<()> {
        if flags & !(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW) != 0 {
            return Err(Errno::EINVAL.into());
        }
        if !cx.caller.has(CAP_SYS_ADMIN) {
            return Err(Errno::EPERM.because("only the superuser unmounts"));
        }
        let follow = if flags & UMOUNT_NOFOLLOW == 0 {
            Follow::Yes
        } else {
            Follow::No
        };
        let target = self.walk(cx, target, follow)?;
        if !target.is_mount_root() {
            return Err(Errno::EINVAL.because("not a mount point"));
        }
        let mount = Arc::clone(&target.mount);
        drop(target);
        if mount.point().is_none() {
            return Err(Errno::EBUSY.because("the root cannot be unmounted"));
        }
        let mut mounts = self.mounts.lock();
        // The table holds it twice, this function once.
        if flags & MNT_DETACH == 0 && Arc::strong_count(&mount) > 3 {
            return Err(Errno::EBUSY.because("files of it are in use"));
        }
        mounts.remove(&mount);
        if flags & MNT_DETACH != 0 {
            detach_below(&mut mounts, &mount);
        }
        let is_last = mounts.tree_of(mount.file_system()).is_none();
        drop(mounts);
        if !is_last {
            return mount.file_system().sync().map(|_| ());
        }
        if let Ok(metadata) = mount.root.inode().metadata() {
            self.notify.unmounted(metadata.device);
        }
        mount.tree.clear();
        // After a detachment files of it may still be in use: they write on.
        if Arc::strong_count(&mount) == 1 {
            mount.file_system().unmount(cx.now)
        } else {
            mount.file_system().sync().map(|_| ())
        }
    }

    /// Ends all mounts at the end of the pod: writes everything and marks the disks clean.
    ///
    /// # Errors
    /// The first of `EIO` and the like; the others are ended all the same.
    pub fn shut_down(&self, now: Timestamp) -> Result<()> {
        let all = self.mounts.lock().list.clone();
        let end = |mount: &Arc<Mount>| mount.file_system().unmount(now);
        all.iter().rev().map(end).fold(Ok(()), Result::and)
    }

    /// A mounted file system of the type `name`: the first one.
    pub fn mounted(&self, name: &str) -> Option<Arc<dyn FileSystem>> {
        let mounts = self.mounts.lock();
        let found = mounts
            .list
            .iter()
            .find(|mount| mount.file_system().type_name() == name);
        found.map(|mount| Arc::clone(mount.file_system()))
    }

    /// `sync(2)`: writes all file systems back, also after an error. They are durable when these flushes are
    /// complete.
    ///
    /// # Errors
    /// The first of `EIO`, `ENOSPC`.
    pub fn sync(&self) -> Result<Vec<Flush>> {
        let all = self.mounts.lock().list.clone();
        let results: Vec<_> = all.iter().map(|mount| mount.file_system().sync()).collect();
        let flushes: Result<Vec<Option<Flush>>> = results.into_iter().collect();
        Ok(flushes?.into_iter().flatten().collect())
    }
}

/// Takes what is mounted below `top` out of the table, too.
fn detach_below(mounts: &mut MountTable, top: &Arc<Mount>) {
    let mut gone = vec![Arc::clone(top)];
    while let Some(parent) = gone.pop() {
        let below: Vec<_> = mounts
            .list
            .iter()
            .filter(|mount| {
                mount
                    .point()
                    .is_some_and(|(at, _)| Arc::ptr_eq(&at, &parent))
            })
            .cloned()
            .collect();
        for mount in below {
            mounts.remove(&mount);
            gone.push(mount);
        }
    }
}

/// The arguments of `mount(2)`.
#[derive(Clone, Copy, Debug)]
pub struct MountCall<'a> {
    /// A device, a directory to bind, or any word.
    pub source: &'a [u8],
    /// Where.
    pub target: &'a [u8],
    /// Which type; looked at for new mounts only.
    pub type_name: &'a [u8],
    /// `MS_` flags.
    pub flags: u32,
    /// Options of the type.
    pub data: &'a [u8],
}
