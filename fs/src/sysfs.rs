//! `/sys`: the processors, and the folders that programs expect around them. sysfs(5).
//!
//! A pod has no hardware that comes and goes: the tree is made when it is mounted, and stays.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use abi::flags::SYSFS_MAGIC;
use abi::{Errno, Result};

use crate::io::Sink;
use crate::vfs::device::unnamed_device;
use crate::vfs::inode::{
    DirEntry, FileSystem, FileSystemStatus, FileType, Inode, Metadata, NewAttributes, NewNode,
    SetAttributes, Timestamp,
};
use crate::vfs::registry::MountRequest;

/// The size that `stat(2)` shows of every file.
const FILE_SIZE: u64 = 4096;
/// The most processors that a set of them has room for.
const MAX_PROCESSORS: u32 = 64;

/// Folders that Linux always has, also when nothing is in them.
const FOLDERS: &[&str] = &[
    "block",
    "bus",
    "class",
    "dev/block",
    "dev/char",
    "devices",
    "firmware",
    "fs/cgroup",
    "kernel",
    "module",
    "power",
];

/// What stands at one place of the tree.
enum Node {
    /// Names and places of the entries, in the order of their names.
    Folder(Vec<(String, usize)>),
    File(String),
}

/// A mounted sysfs.
pub struct SysFs {
    device: u64,
    time: Timestamp,
    /// The root first.
    nodes: Vec<Node>,
}

impl fmt::Debug for SysFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SysFs({} nodes)", self.nodes.len())
    }
}

impl SysFs {
    /// The tree of a machine with `nr_processors`; its files carry `time`.
    pub fn new(nr_processors: u32, time: Timestamp) -> Self {
        let mut tree = Self {
            device: unnamed_device(),
            time,
            nodes: vec![Node::Folder(Vec::new())],
        };
        for folder in FOLDERS {
            tree.folder(folder);
        }
        tree.add_processors(nr_processors.clamp(1, MAX_PROCESSORS));
        tree.file(
            "kernel/mm/transparent_hugepage/enabled",
            "always madvise [never]",
        );
        tree
    }

    /// Makes one for `mount(2)`.
    ///
    /// # Errors
    /// None; the signature is that of all types.
    pub fn from_request(request: &MountRequest<'_>) -> Result<Arc<dyn FileSystem>> {
        let processes = request.vfs.processes();
        let nr_processors = processes.map_or(1, |source| source.system().nr_processors);
        Ok(Arc::new(Mounted(Arc::new(Self::new(
            nr_processors,
            request.context.now,
        )))))
    }

    /// `devices/system/cpu` and `node`: each processor is a core, all are one package.
    fn add_processors(&mut self, nr: u32) {
        let last = nr.saturating_sub(1);
        let all = if last == 0 {
            String::from("0")
        } else {
            format!("0-{last}")
        };
        let every = u64::MAX
            .checked_shr(u64::BITS.saturating_sub(nr))
            .unwrap_or(0);
        let width = usize::try_from(nr.div_ceil(4)).unwrap_or(1);
        let mask = |set: u64| format!("{set:0width$x}");
        for name in ["online", "possible", "present"] {
            self.file(&format!("devices/system/cpu/{name}"), &all);
        }
        self.file("devices/system/cpu/offline", "");
        self.file("devices/system/cpu/isolated", "");
        self.file(
            "devices/system/cpu/kernel_max",
            &(MAX_PROCESSORS - 1).to_string(),
        );
        for number in 0..nr {
            let own = mask(1_u64.checked_shl(number).unwrap_or(0));
            let number_text = number.to_string();
            let rows = [
                ("core_id", number_text.as_str()),
                ("physical_package_id", "0"),
                ("die_id", "0"),
                ("thread_siblings", &own),
                ("thread_siblings_list", &number_text),
                ("core_cpus", &own),
                ("core_cpus_list", &number_text),
                ("core_siblings", &mask(every)),
                ("core_siblings_list", &all),
                ("package_cpus", &mask(every)),
                ("package_cpus_list", &all),
            ];
            for (name, text) in rows {
                let path = format!("devices/system/cpu/cpu{number}/topology/{name}");
                self.file(&path, text);
            }
            // The first one cannot be switched off, so it has no switch.
            if number > 0 {
                self.file(&format!("devices/system/cpu/cpu{number}/online"), "1");
            }
        }
        for name in ["online", "possible", "has_cpu", "has_memory"] {
            self.file(&format!("devices/system/node/{name}"), "0");
        }
        self.file("devices/system/node/node0/cpulist", &all);
        self.file("devices/system/node/node0/cpumap", &mask(every));
        self.file("devices/system/node/node0/distance", "10");
    }

    /// The place of the folder `path`, made with those above it.
    fn folder(&mut self, path: &str) -> usize {
        let mut at = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = match self.child(at, name) {
                Some(found) => found,
                None => self.add(at, name, Node::Folder(Vec::new())),
            };
        }
        at
    }

    /// Adds a file of one line.
    fn file(&mut self, path: &str, line: &str) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = self.folder(folder);
        self.add(folder, name, Node::File(format!("{line}\n")));
    }

    fn add(&mut self, folder: usize, name: &str, node: Node) -> usize {
        let place = self.nodes.len();
        self.nodes.push(node);
        if let Some(Node::Folder(entries)) = self.nodes.get_mut(folder) {
            let index = entries.partition_point(|(other, _)| other.as_str() < name);
            entries.insert(index, (name.to_owned(), place));
        }
        place
    }

    fn child(&self, folder: usize, name: &str) -> Option<usize> {
        let Some(Node::Folder(entries)) = self.nodes.get(folder) else {
            return None;
        };
        let index = entries.binary_search_by(|(other, _)| other.as_str().cmp(name));
        entries.get(index.ok()?).map(|(_, place)| *place)
    }
}

/// The tree as a file system.
#[derive(Debug)]
struct Mounted(Arc<SysFs>);

impl FileSystem for Mounted {
    fn type_name(&self) -> &'static str {
        "sysfs"
    }

    fn root(&self) -> Arc<dyn Inode> {
        Arc::new(SysInode {
            tree: Arc::clone(&self.0),
            place: 0,
        })
    }

    fn status(&self) -> Result<FileSystemStatus> {
        Ok(FileSystemStatus {
            magic: SYSFS_MAGIC,
            block_size: 4096,
            name_max: 255,
            ..FileSystemStatus::default()
        })
    }
}

/// One place of the tree.
#[derive(Debug)]
struct SysInode {
    tree: Arc<SysFs>,
    place: usize,
}

impl SysInode {
    fn node(&self) -> Result<&Node> {
        Ok(self.tree.nodes.get(self.place).ok_or(Errno::ENOENT)?)
    }

    fn number(place: usize) -> u64 {
        u64::try_from(place).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn type_of(node: &Node) -> FileType {
        match node {
            Node::Folder(_) => FileType::Directory,
            Node::File(_) => FileType::Regular,
        }
    }
}

impl Inode for SysInode {
    fn metadata(&self) -> Result<Metadata> {
        let file_type = Self::type_of(self.node()?);
        let is_folder = file_type == FileType::Directory;
        let time = self.tree.time;
        Ok(Metadata {
            device: self.tree.device,
            inode: Self::number(self.place),
            file_type,
            permissions: if is_folder { 0o755 } else { 0o444 },
            nr_links: if is_folder { 2 } else { 1 },
            uid: 0,
            gid: 0,
            rdev: 0,
            size: if is_folder { 0 } else { FILE_SIZE },
            block_size: 4096,
            nr_blocks: 0,
            atime: time,
            mtime: time,
            ctime: time,
        })
    }

    fn set_attributes(&self, _: &SetAttributes) -> Result<()> {
        Err(Errno::EPERM.because("attributes of /sys are fixed"))
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let Node::Folder(_) = self.node()? else {
            return Err(Errno::ENOTDIR.into());
        };
        let name = std::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        let place = self.tree.child(self.place, name).ok_or(Errno::ENOENT)?;
        Ok(Arc::new(Self {
            tree: Arc::clone(&self.tree),
            place,
        }))
    }

    fn create(&self, _: &[u8], _: &NewNode<'_>, _: &NewAttributes) -> Result<Arc<dyn Inode>> {
        Err(Errno::EPERM.because("nothing is made in /sys"))
    }

    fn read_dir(&self, cookie: u64, report: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()> {
        let Node::Folder(entries) = self.node()? else {
            return Err(Errno::ENOTDIR.into());
        };
        for ((name, place), next_cookie) in entries.iter().zip(1..) {
            let entry = DirEntry {
                name: name.as_bytes(),
                inode: Self::number(*place),
                file_type: self.tree.nodes.get(*place).map(Self::type_of),
                next_cookie,
            };
            if next_cookie > cookie && !report(entry) {
                break;
            }
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let Node::File(text) = self.node()? else {
            return Err(Errno::EISDIR.into());
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = text.as_bytes().get(start..).unwrap_or_default();
        let piece = rest.get(..sink.remaining()).unwrap_or(rest);
        if !piece.is_empty() {
            sink.put(piece)?;
        }
        Ok(piece.len())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::VecSink;

    fn read(tree: &Arc<SysFs>, path: &str) -> String {
        let mut inode = Mounted(Arc::clone(tree)).root();
        for name in path.split('/') {
            inode = inode.lookup(name.as_bytes()).unwrap();
        }
        let mut sink = VecSink::new(100);
        inode.read_at(0, &mut sink).unwrap();
        String::from_utf8(sink.bytes).unwrap()
    }

    #[test]
    fn processors_are_listed_and_masked() {
        let tree = Arc::new(SysFs::new(6, Timestamp::default()));
        let cpu = |name: &str| read(&tree, &format!("devices/system/cpu/{name}"));
        assert_eq!(cpu("online"), "0-5\n");
        assert_eq!(cpu("cpu4/topology/thread_siblings"), "10\n");
        assert_eq!(cpu("cpu4/topology/core_siblings"), "3f\n");
        assert_eq!(cpu("cpu4/topology/core_id"), "4\n");
        let one = Arc::new(SysFs::new(1, Timestamp::default()));
        assert_eq!(read(&one, "devices/system/cpu/online"), "0\n");
        assert_eq!(read(&one, "devices/system/node/node0/cpumap"), "1\n");
    }

    #[test]
    fn folders_list_their_entries_in_order_from_a_cookie() {
        let root = Mounted(Arc::new(SysFs::new(1, Timestamp::default()))).root();
        let mut names = Vec::new();
        root.read_dir(8, &mut |entry| {
            names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            true
        })
        .unwrap();
        assert_eq!(names, ["module", "power"]);
        let errno = |result: Result<Arc<dyn Inode>>| result.unwrap_err().errno;
        assert_eq!(errno(root.lookup(b"missing")), Errno::ENOENT);
        let file = root.lookup(b"kernel").unwrap().lookup(b"mm").unwrap();
        assert_eq!(
            file.read_at(0, &mut VecSink::new(1)).unwrap_err().errno,
            Errno::EISDIR
        );
    }
}
